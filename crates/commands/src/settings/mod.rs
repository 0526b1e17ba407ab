//! Settings: one table row each, those of the cluster replicated.
//!
//! For: what `CONFIG SET` changes and `CONFIG GET` shows, with Redis' names, units, checks and error texts; the
//! values that commands and the node go by. Leaves to others: reading a node's own settings from file,
//! environment and flags (the server), and acting on a change (whoever uses the setting).
//! Invariants: a change of several settings happens whole or not at all; secrets are shown to those alone who ask for
//! them by name, as in Redis, and never in `Debug`; a clone is cheap and keeps its values, so that a snapshot can be taken at any moment.

mod cluster;
mod kind;
mod node;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock};

pub use self::kind::{Kind, OutputLimit, OutputLimits, TEXT_BYTES_MAX, Value};
use crate::{Error, EventClasses, glob};

/// One row: everything that the program knows of a setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Redis' name.
    pub name: &'static str,
    /// An older name.
    pub alias: Option<&'static str>,
    /// Whose setting it is.
    pub scope: Scope,
    /// What values it takes.
    pub kind: Kind,
    /// Its value if nothing is said.
    pub default: &'static str,
    /// One or two sentences.
    pub doc: &'static str,
    /// True if it changes what Quorate does; otherwise it is kept because clients and tools ask for it.
    pub used: bool,
}

/// Whose setting it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The same on all nodes, replicated, changed by `CONFIG SET`.
    Cluster,
    /// A node's own, fixed while it runs.
    Node,
}

impl Setting {
    const fn new(
        name: &'static str,
        scope: Scope,
        kind: Kind,
        default: &'static str,
        doc: &'static str,
    ) -> Setting {
        Setting { name, alias: None, scope, kind, default, doc, used: true }
    }

    const fn alias(self, alias: &'static str) -> Setting {
        Setting { alias: Some(alias), ..self }
    }

    const fn kept(self) -> Setting {
        Setting { used: false, ..self }
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.alias)
    }

    fn is_named(&self, name: &[u8]) -> bool {
        self.names().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    }

    fn parse(&self, text: &[u8], current: Option<&Value>) -> Result<Value, Cow<'static, str>> {
        self.kind.parse(text, current)
    }

    fn default_value(&self) -> Value {
        self.parse(self.default.as_bytes(), None).expect("defaults are valid, a test reads them all")
    }
}

/// All rows: the cluster's, then a node's own.
static SETTINGS: [Setting; cluster::SETTINGS.len() + node::SETTINGS.len()] = {
    let mut all = [cluster::SETTINGS[0]; cluster::SETTINGS.len() + node::SETTINGS.len()];
    let mut i = 1;
    while i < all.len() {
        let of_cluster = i < cluster::SETTINGS.len();
        all[i] = if of_cluster { cluster::SETTINGS[i] } else { node::SETTINGS[i - cluster::SETTINGS.len()] };
        i += 1;
    }
    all
};

/// All rows.
pub fn settings() -> &'static [Setting] {
    &SETTINGS
}

/// Whether a setting of that name is a secret.
pub fn is_secret(name: &[u8]) -> bool {
    SettingId::find(name).is_some_and(|id| matches!(id.row().kind, Kind::Secret))
}

/// The place of a setting in the table, found at compile time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingId(usize);

impl SettingId {
    /// The setting of that name; in a `const`, a wrong name does not compile.
    ///
    /// # Panics
    /// There is no such setting.
    pub const fn of(name: &str) -> SettingId {
        let mut i = 0;
        while i < SETTINGS.len() {
            if same(SETTINGS[i].name.as_bytes(), name.as_bytes()) {
                return SettingId(i);
            }
            i += 1;
        }
        panic!("no setting of that name")
    }

    pub(crate) fn find(name: &[u8]) -> Option<SettingId> {
        SETTINGS.iter().position(|setting| setting.is_named(name)).map(SettingId)
    }

    /// Its row.
    pub fn row(self) -> &'static Setting {
        &SETTINGS[self.0]
    }
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

const PROTO_MAX_BULK_LEN: SettingId = SettingId::of("proto-max-bulk-len");
const HASH_MAX_LISTPACK_ENTRIES: SettingId = SettingId::of("hash-max-listpack-entries");
const HASH_MAX_LISTPACK_VALUE: SettingId = SettingId::of("hash-max-listpack-value");
const LIST_MAX_LISTPACK_SIZE: SettingId = SettingId::of("list-max-listpack-size");
const SET_MAX_INTSET_ENTRIES: SettingId = SettingId::of("set-max-intset-entries");
const SET_MAX_LISTPACK_ENTRIES: SettingId = SettingId::of("set-max-listpack-entries");
const SET_MAX_LISTPACK_VALUE: SettingId = SettingId::of("set-max-listpack-value");
const ZSET_MAX_LISTPACK_ENTRIES: SettingId = SettingId::of("zset-max-listpack-entries");
const ZSET_MAX_LISTPACK_VALUE: SettingId = SettingId::of("zset-max-listpack-value");
const HLL_SPARSE_MAX_BYTES: SettingId = SettingId::of("hll-sparse-max-bytes");
const STREAM_NODE_MAX_BYTES: SettingId = SettingId::of("stream-node-max-bytes");
const STREAM_NODE_MAX_ENTRIES: SettingId = SettingId::of("stream-node-max-entries");
const NOTIFY_KEYSPACE_EVENTS: SettingId = SettingId::of("notify-keyspace-events");
const MAXMEMORY_POLICY: SettingId = SettingId::of("maxmemory-policy");
const MAXMEMORY: SettingId = SettingId::of("maxmemory");
const MAXMEMORY_SAMPLES: SettingId = SettingId::of("maxmemory-samples");
const LFU_LOG_FACTOR: SettingId = SettingId::of("lfu-log-factor");
const LFU_DECAY_TIME: SettingId = SettingId::of("lfu-decay-time");

/// Samples for one eviction, whatever the setting says: apply waits for them.
const SAMPLES_MAX: usize = 64;

/// The values of all settings, of one scope: the cluster's in the replicated state, a node's own beside it.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    values: Arc<Vec<Value>>,
}

static DEFAULTS: LazyLock<Arc<Vec<Value>>> =
    LazyLock::new(|| Arc::new(SETTINGS.iter().map(Setting::default_value).collect()));

impl Default for Settings {
    fn default() -> Settings {
        Settings { values: Arc::clone(&DEFAULTS) }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.changed(Scope::Cluster)).entries(self.changed(Scope::Node)).finish()
    }
}

impl Settings {
    /// Changes cluster settings as `CONFIG SET` does: all of them, or none and an error with Redis' text.
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])]) -> Result<(), Error> {
        self.set_in_scope(Scope::Cluster, pairs)
    }

    /// Sets a node's own settings, from its file, environment and flags.
    pub fn set_node(&mut self, pairs: &[(&[u8], &[u8])]) -> Result<(), Error> {
        self.set_in_scope(Scope::Node, pairs)
    }

    fn set_in_scope(&mut self, scope: Scope, pairs: &[(&[u8], &[u8])]) -> Result<(), Error> {
        let mut ids = Vec::with_capacity(pairs.len());
        for (i, (name, _)) in pairs.iter().enumerate() {
            let id = SettingId::find(name).ok_or_else(|| unknown(name))?;
            if id.row().scope != scope {
                return Err(refused(name, "can't set immutable config"));
            }
            // A setting may be named twice if once by its alias: the last one counts, as in Redis.
            if pairs[..i].iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
                return Err(refused(name, "duplicate parameter"));
            }
            ids.push(id);
        }
        let mut values = Vec::clone(&self.values);
        for ((name, text), id) in pairs.iter().zip(ids) {
            let value = &mut values[id.0];
            *value = id.row().parse(text, Some(value)).map_err(|reason| refused(name, &reason))?;
        }
        self.values = Arc::new(values);
        Ok(())
    }

    /// The settings that match any of the patterns, each name once, as `CONFIG GET` shows them. A name without
    /// wildcards is shown as it was asked for; secrets are shown by their names alone. A node's own settings come from
    /// `node`.
    pub fn get(&self, node: &Settings, patterns: &[&[u8]]) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut show = |name: String, id: SettingId| {
            if found.iter().all(|(known, _)| *known != name) {
                let values = if id.row().scope == Scope::Node { node } else { self };
                found.push((name, id.row().kind.render(&values.values[id.0])));
            }
        };
        for pattern in patterns {
            if memchr::memchr3(b'*', b'?', b'[', pattern).is_none() {
                if let Some(id) = SettingId::find(pattern) {
                    show(String::from_utf8_lossy(pattern).into_owned(), id);
                }
                continue;
            }
            for (i, setting) in SETTINGS.iter().enumerate() {
                let secret = matches!(setting.kind, Kind::Secret);
                for name in setting.names().filter(|_| !secret) {
                    if glob::matches_ignore_case(pattern, name.as_bytes()) {
                        show(name.to_owned(), SettingId(i));
                    }
                }
            }
        }
        found
    }

    /// The settings of a scope that differ from their defaults, as text; secrets are blotted out.
    fn changed(&self, scope: Scope) -> impl Iterator<Item = (&'static str, String)> {
        self.changed_with_secrets(scope).map(|(setting, value)| match setting.kind {
            Kind::Secret => (setting.name, "(secret)".to_owned()),
            _ => (setting.name, value),
        })
    }

    /// The settings of a scope that differ from their defaults, as text that [`Settings::set`] reads; for
    /// snapshots, never for people.
    pub(crate) fn changed_with_secrets(
        &self,
        scope: Scope,
    ) -> impl Iterator<Item = (&'static Setting, String)> {
        SETTINGS
            .iter()
            .zip(self.values.iter().zip(DEFAULTS.iter()))
            .filter(move |(setting, (value, default))| setting.scope == scope && value != default)
            .map(|(setting, (value, _))| (setting, setting.kind.render(value)))
    }

    /// The value of a setting.
    pub fn value(&self, id: SettingId) -> &Value {
        &self.values[id.0]
    }

    /// The value of a setting that is a number: an integer, bytes, or the place of a choice among its words.
    ///
    /// # Panics
    /// The setting is of another kind.
    pub fn number(&self, id: SettingId) -> i64 {
        match self.value(id) {
            Value::Number(number) => *number,
            other => panic!("{} is no number: {other:?}", id.row().name),
        }
    }

    /// The value of a setting that is a text.
    ///
    /// # Panics
    /// The setting is of another kind.
    pub fn text(&self, id: SettingId) -> &str {
        match self.value(id) {
            Value::Text(text) => text,
            _ => panic!("{} is no text", id.row().name),
        }
    }

    /// The value of a setting that is a switch.
    ///
    /// # Panics
    /// The setting is of another kind.
    pub fn switch(&self, id: SettingId) -> bool {
        match self.value(id) {
            Value::Switch(on) => *on,
            other => panic!("{} is no switch: {other:?}", id.row().name),
        }
    }

    /// The value of a setting that is one of some words.
    ///
    /// # Panics
    /// The setting is of another kind.
    pub fn choice(&self, id: SettingId) -> &'static str {
        match (id.row().kind, self.value(id)) {
            (Kind::Choice(words), Value::Number(at)) => {
                usize::try_from(*at).ok().and_then(|at| words.get(at)).copied().unwrap_or_default()
            }
            (_, other) => panic!("{} is no choice: {other:?}", id.row().name),
        }
    }

    /// What to remove at the memory limit.
    pub fn maxmemory_policy(&self) -> &'static str {
        self.choice(MAXMEMORY_POLICY)
    }

    /// Longest argument and longest string, in bytes.
    pub fn proto_max_bulk_len(&self) -> usize {
        self.size(PROTO_MAX_BULK_LEN)
    }

    /// Most fields of a hash in the compact form.
    pub fn hash_max_listpack_entries(&self) -> usize {
        self.size(HASH_MAX_LISTPACK_ENTRIES)
    }

    /// Longest field or value of a hash in the compact form, in bytes.
    pub fn hash_max_listpack_value(&self) -> usize {
        self.size(HASH_MAX_LISTPACK_VALUE)
    }

    /// Size of a list in one piece: elements, or a class of bytes if negative.
    pub fn list_max_listpack_size(&self) -> i64 {
        self.number(LIST_MAX_LISTPACK_SIZE)
    }

    /// Most members of a set of integers in the compact form. Redis' intset has no room for more than 2^30.
    pub fn set_max_intset_entries(&self) -> usize {
        self.size(SET_MAX_INTSET_ENTRIES).min(1 << 30)
    }

    /// Most members of a set in the compact form.
    pub fn set_max_listpack_entries(&self) -> usize {
        self.size(SET_MAX_LISTPACK_ENTRIES)
    }

    /// Longest member of a set in the compact form, in bytes.
    pub fn set_max_listpack_value(&self) -> usize {
        self.size(SET_MAX_LISTPACK_VALUE)
    }

    /// Most members of a sorted set in the compact form.
    pub fn zset_max_listpack_entries(&self) -> usize {
        self.size(ZSET_MAX_LISTPACK_ENTRIES)
    }

    /// Longest member of a sorted set in the compact form, in bytes.
    pub fn zset_max_listpack_value(&self) -> usize {
        self.size(ZSET_MAX_LISTPACK_VALUE)
    }

    /// Longest HyperLogLog in the sparse form, in bytes.
    pub fn hll_sparse_max_bytes(&self) -> usize {
        self.size(HLL_SPARSE_MAX_BYTES)
    }

    /// Bytes from which a stream's node takes no entry; 0: no limit.
    pub fn stream_node_max_bytes(&self) -> usize {
        self.size(STREAM_NODE_MAX_BYTES)
    }

    /// Most entries of a stream's node; 0: no limit.
    pub fn stream_node_max_entries(&self) -> usize {
        self.size(STREAM_NODE_MAX_ENTRIES)
    }

    /// Memory limit of the data in bytes; 0: no limit.
    pub fn maxmemory(&self) -> usize {
        self.size(MAXMEMORY)
    }

    /// Keys to look at for each that is evicted.
    pub fn maxmemory_samples(&self) -> usize {
        self.size(MAXMEMORY_SAMPLES).min(SAMPLES_MAX)
    }

    /// How many uses of a key it takes to raise its counter.
    pub fn lfu_log_factor(&self) -> u32 {
        u32::try_from(self.number(LFU_LOG_FACTOR)).unwrap_or(u32::MAX)
    }

    /// Minutes after which the counter of an unused key sinks by one; 0: never.
    pub fn lfu_decay_time(&self) -> u32 {
        u32::try_from(self.number(LFU_DECAY_TIME)).unwrap_or(u32::MAX)
    }

    /// Which keyspace events are published.
    pub fn events(&self) -> EventClasses {
        match self.value(NOTIFY_KEYSPACE_EVENTS) {
            Value::Events(classes) => *classes,
            _ => EventClasses::NONE,
        }
    }

    /// A number that its kind keeps from being negative.
    fn size(&self, id: SettingId) -> usize {
        usize::try_from(self.number(id)).unwrap_or(usize::MAX)
    }
}

fn unknown(name: &[u8]) -> Error {
    let name = String::from_utf8_lossy(name);
    Error::text(format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'"))
}

fn refused(name: &[u8], reason: &str) -> Error {
    let name = String::from_utf8_lossy(name);
    Error::text(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"))
}
