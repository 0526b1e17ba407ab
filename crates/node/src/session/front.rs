//! What all sessions of a node share: who is connected, what was counted, which settings hold.
//!
//! For: one place that the node makes once and every session and listener looks at.
//! Leaves to others: the parts (`registry`, `stats`, `pause`, `slowlog`), and the replicated settings
//! themselves, of which [`Tunables`] are this node's last copy.
//!
//! Invariant: settings and users hold for all requests that sessions of a node take after it has applied the change,
//! and for a session's own next request in any case.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use quorate_commands::settings::{SettingId, Value};
use quorate_commands::{Settings, State, Users};

use super::acl::Denials;
use super::mailbox::OutputLimits;
use super::pause::Pause;
use super::registry::ClientRegistry;
use super::slowlog::Slowlog;
use super::stats::Stats;
use super::uses::Uses;
use crate::following::Followers;
use crate::messages::Post;

const ACLLOG_MAX_LEN: SettingId = SettingId::of("acllog-max-len");
const CLIENT_OUTPUT_BUFFER_LIMIT: SettingId = SettingId::of("client-output-buffer-limit");
const CLIENT_QUERY_BUFFER_LIMIT: SettingId = SettingId::of("client-query-buffer-limit");
const ENABLE_DEBUG_COMMAND: SettingId = SettingId::of("enable-debug-command");
const MAXCLIENTS: SettingId = SettingId::of("maxclients");
const PROTECTED_MODE: SettingId = SettingId::of("protected-mode");
const SLOWLOG_MAX_LEN: SettingId = SettingId::of("slowlog-max-len");
const SLOWLOG_LOG_SLOWER_THAN: SettingId = SettingId::of("slowlog-log-slower-than");
const TCP_BACKLOG: SettingId = SettingId::of("tcp-backlog");
const TCP_KEEPALIVE: SettingId = SettingId::of("tcp-keepalive");
const TRACKING_TABLE_MAX_KEYS: SettingId = SettingId::of("tracking-table-max-keys");
const TIMEOUT: SettingId = SettingId::of("timeout");

/// Ticks for which a peak is remembered.
const PEAK_TICKS: u64 = 100;

/// What all sessions of a node share.
#[derive(Debug)]
pub struct Front {
    /// The open connections.
    pub clients: Arc<ClientRegistry>,
    /// What was counted.
    pub stats: Stats,
    /// `CLIENT PAUSE`.
    pub pause: Pause,
    /// The slow log.
    pub slowlog: Slowlog,
    /// The node's own settings, fixed at start.
    pub node_settings: Settings,
    /// When the node started.
    pub started: Instant,
    /// Messages on their way to connections.
    pub(crate) post: Arc<Post>,
    /// Stock replicas that follow this node.
    pub(crate) followers: Arc<Followers>,
    /// Reads that count as uses of keys.
    pub(crate) uses: Uses,
    /// What was denied.
    pub(crate) denials: Denials,
    tunables: RwLock<Arc<Tunables>>,
    version: AtomicU64,
    peak_bytes: AtomicU64,
    output_bytes: AtomicUsize,
    ticks: AtomicU64,
}

/// Settings in the form in which sessions and listeners need them.
#[derive(Debug, Clone)]
pub struct Tunables {
    settings: Settings,
    /// Who may do what.
    pub users: Users,
    /// Whether connections begin with all that the default user may do.
    pub default_is_open: bool,
    /// Whether the default user has a password.
    pub has_password: bool,
    /// Whether clients of other hosts are refused while there is no password.
    pub protected_mode: bool,
    /// Most connections.
    pub clients_max: usize,
    /// Idle time after which a connection is closed.
    pub idle_max: Option<Duration>,
    /// Time between keep-alive probes.
    pub keepalive: Option<Duration>,
    /// Longest request in bytes.
    pub request_bytes_max: usize,
    /// Longest argument in bytes.
    pub bulk_bytes_max: usize,
    /// When clients that do not read are disconnected.
    pub output_limits: OutputLimits,
    /// Most keys that are remembered for clients' caches; 0: any number.
    pub(crate) tracked_keys_max: usize,
    /// Running time from which a request is noted in the slow log.
    pub slow: Option<Duration>,
    /// Most entries of the slow log.
    pub slow_entries_max: usize,
    /// Most entries of the log of what was denied.
    pub(crate) denials_max: usize,
}

impl Front {
    /// The shared part of a node with these settings of its own.
    pub fn new(node_settings: Settings) -> Front {
        let clients = Arc::<ClientRegistry>::default();
        Front {
            post: Arc::new(Post::new(Arc::clone(&clients))),
            clients,
            stats: Stats::default(),
            pause: Pause::default(),
            slowlog: Slowlog::default(),
            node_settings,
            started: Instant::now(),
            followers: Arc::default(),
            uses: Uses::default(),
            denials: Denials::default(),
            tunables: RwLock::new(Arc::new(Tunables::of(&Settings::default(), &Users::default()))),
            version: AtomicU64::new(0),
            peak_bytes: AtomicU64::new(0),
            output_bytes: AtomicUsize::new(0),
            ticks: AtomicU64::new(0),
        }
    }

    /// Takes over the replicated settings and users, if they have changed. Cheap if they have not.
    pub fn refresh(&self, state: &State) {
        let is_known = |known: &Tunables| {
            known.settings == state.settings
                && (known.users.is_same(&state.users) || known.users == state.users)
        };
        if is_known(&self.tunables.read()) {
            return;
        }
        let mut tunables = self.tunables.write();
        if is_known(&tunables) {
            return;
        }
        self.uses.refresh(&state.settings);
        let next = Arc::new(Tunables::of(&state.settings, &state.users));
        self.post.tracking.limit(next.tracked_keys_max, &next.output_limits);
        let before = std::mem::replace(&mut *tunables, next);
        self.version.fetch_add(1, Ordering::Release);
        drop(tunables);
        if !before.users.is_same(&state.users) {
            self.retire_users(&before.users, &state.users);
        }
    }

    /// The settings in force.
    pub fn tunables(&self) -> Arc<Tunables> {
        Arc::clone(&self.tunables.read())
    }

    /// Changes whenever the tunables do.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What is done regularly, about every 100 ms: samples rates and lets old peaks go.
    pub fn tick(&self, now: Instant) {
        self.stats.sample(now);
        if self.ticks.fetch_add(1, Ordering::Relaxed).is_multiple_of(PEAK_TICKS) {
            self.stats.input_buffer_bytes_peak.store(0, Ordering::Relaxed);
            self.stats.output_buffer_bytes_peak.store(0, Ordering::Relaxed);
        }
    }

    /// Bytes of replies that wait to be written, of all connections.
    pub fn output_bytes(&self) -> usize {
        self.output_bytes.load(Ordering::Relaxed)
    }

    /// Notes that a connection's bytes of unwritten replies have changed.
    pub fn change_output_bytes(&self, before: usize, after: usize) {
        if after > before {
            self.output_bytes.fetch_add(after - before, Ordering::Relaxed);
            self.stats.output_buffer_bytes_peak.fetch_max(after as u64, Ordering::Relaxed);
        } else if before > after {
            self.output_bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    /// Brings messages to connections for as long as it is awaited. Whoever has connections runs it, as their tasks
    /// are woken by it.
    pub async fn carry_messages(&self) {
        loop {
            self.post.arrived().await;
            let limits = self.tunables().output_limits;
            while self.post.work(&limits) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Connections that may wait to be accepted.
    pub fn backlog(&self) -> i32 {
        i32::try_from(self.node_settings.number(TCP_BACKLOG)).unwrap_or(i32::MAX)
    }

    /// Who may use `DEBUG`.
    pub(super) fn debug_allowed(&self, local: bool) -> bool {
        match self.node_settings.choice(ENABLE_DEBUG_COMMAND) {
            "yes" => true,
            "local" => local,
            _ => false,
        }
    }

    /// Notes the memory in use and gives the most that was ever noted.
    pub(super) fn peak_bytes(&self, used: u64) -> u64 {
        self.peak_bytes.fetch_max(used, Ordering::Relaxed).max(used)
    }
}

impl Tunables {
    fn of(settings: &Settings, users: &Users) -> Tunables {
        let default = users.default_user();
        let size = |id| usize::try_from(settings.number(id)).unwrap_or(usize::MAX);
        let seconds = |id| u64::try_from(settings.number(id)).ok().filter(|&seconds| seconds > 0);
        let output_limits = match settings.value(CLIENT_OUTPUT_BUFFER_LIMIT) {
            Value::OutputLimits(limits) => OutputLimits::new(*limits),
            _ => OutputLimits::new(Default::default()),
        };
        Tunables {
            users: users.clone(),
            default_is_open: default.needs_no_password() && default.is_enabled(),
            has_password: !default.needs_no_password(),
            protected_mode: settings.switch(PROTECTED_MODE),
            clients_max: size(MAXCLIENTS),
            idle_max: seconds(TIMEOUT).map(Duration::from_secs),
            keepalive: seconds(TCP_KEEPALIVE).map(Duration::from_secs),
            request_bytes_max: size(CLIENT_QUERY_BUFFER_LIMIT),
            bulk_bytes_max: settings.proto_max_bulk_len(),
            output_limits,
            tracked_keys_max: size(TRACKING_TABLE_MAX_KEYS),
            slow: u64::try_from(settings.number(SLOWLOG_LOG_SLOWER_THAN)).ok().map(Duration::from_micros),
            slow_entries_max: size(SLOWLOG_MAX_LEN),
            denials_max: size(ACLLOG_MAX_LEN),
            settings: settings.clone(),
        }
    }

    /// Memory limit of the data in bytes; 0: none.
    pub fn maxmemory(&self) -> usize {
        self.settings.maxmemory()
    }

    /// The name of the policy at the memory limit.
    pub fn maxmemory_policy(&self) -> &'static str {
        self.settings.maxmemory_policy()
    }
}
