//! The bytes of a state's snapshot, version 1: blocks of our own, then those of the keyspace.
//!
//! Numbers are little-endian; storage frames and checksums each block and keeps their order.
//!
//! ```text
//! snapshot := head settings* users* scripts* waiters* subscriptions* keyspace
//! head     := 0x41 "QSTA" version:u16 clock:i64        clock in milliseconds since the Unix epoch
//! settings := 0x42 ( name_bytes:u8 name value_bytes:u16 value )*
//! scripts  := 0x43 kind:u8 last:u8 bytes            kind 1: a script, 2: a library; its code in one block or more,
//!                                                   of which the last says so; scripts in the order they came
//! waiters  := 0x44 bytes                              all blocks together: those who wait, in their order; each as in
//!                                                   `blocking/waiters.rs`
//! subscriptions := 0x45 ( kind:u8 node:u64 count:u32 name_bytes:u16 name )*
//!                                                   kind 0: a channel, 1: a pattern, 2: a shard channel
//! users    := 0x46 ( born:u64 name_bytes:u16 name rules:u16 ( rule_bytes:u16 rule )* )*
//!                                                   by name, the default user among them; rules are those of ACL LIST,
//!                                                   a selector between parentheses being one. Left out if the default
//!                                                   user is the only one and has no other limit than requirepass
//! keyspace := the blocks of quorate-keyspace; their first bytes are other than ours
//! ```
//!
//! Settings at their defaults are left out, values are the text that `CONFIG SET` reads. A setting that we do not
//! know is an error: whoever applies a log with it must have it.
//!
//! Invariant: no bytes from outside make the decoder panic or take more memory than they have.

use std::sync::Arc;

use quorate_keyspace::{Decoder, Encoder, Keyspace, Millis};

use super::scripts::{SCRIPT_BYTES_MAX, Script, Scripts};
use super::subscriptions::{SUBSCRIPTION_BYTES_MAX, SubscriptionKind, Subscriptions};
use super::{REQUIREPASS, State, StateSnapshot};
use crate::acl::{RULES_BYTES_MAX, RULES_MAX};
use crate::blocking::waiters;
use crate::settings::{Scope, TEXT_BYTES_MAX};
use crate::{Settings, Users};

const MAGIC: &[u8; 4] = b"QSTA";
/// The version of clock and settings in snapshots that this program writes.
pub const VERSION: u16 = 1;
const HEAD: u8 = 0x41;
const SETTINGS: u8 = 0x42;
const SCRIPTS: u8 = 0x43;
const WAITERS: u8 = 0x44;
const SUBSCRIPTIONS: u8 = 0x45;
const USERS: u8 = 0x46;
const SCRIPT: u8 = 1;
const LIBRARY: u8 = 2;
/// A block of settings is closed once it is this long; with one more record it stays below 64 KiB.
const BLOCK_BYTES_FULL: usize = 48 * 1024;

const _: () = assert!(BLOCK_BYTES_FULL + TEXT_BYTES_MAX + 512 < 64 * 1024);
const _: () = assert!(1 + 12 + RULES_BYTES_MAX + 2 * RULES_MAX <= 64 * 1024);
const _: () = assert!(1 + 15 + SUBSCRIPTION_BYTES_MAX <= 64 * 1024);

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The first block is not the head of a snapshot.
    #[error("this is no snapshot of a state")]
    NoSnapshot,
    /// Written by a later version.
    #[error("the snapshot has format {found}, this version reads up to {VERSION}")]
    Version {
        /// The version in the head.
        found: u16,
    },
    /// A block ends too early.
    #[error("a block of settings is cut short")]
    Truncated,
    /// A setting that is not there or does not take the value.
    #[error("the snapshot has a setting that is not valid here: {0}")]
    Setting(#[source] crate::Error),
    /// A script or library that does not load.
    #[error("the snapshot has a script that does not load: {0}")]
    Script(String),
    /// A user whose rules are not valid here.
    #[error("the snapshot has a user that is not valid here: {0}")]
    User(#[source] crate::Error),
    /// A subscription of an unknown kind.
    #[error("the snapshot has a subscription of the unknown kind {0}")]
    Subscription(u8),
    /// Waiters that are cut short, or wait for nothing.
    #[error("the snapshot's waiters cannot be read")]
    Waiters,
    /// The keyspace's blocks.
    #[error("the snapshot's keyspace cannot be read")]
    Keyspace(#[from] quorate_keyspace::Error),
}

/// Writes a [`StateSnapshot`] as blocks.
#[derive(Debug)]
pub struct StateEncoder {
    /// Our own blocks, last first.
    head: Vec<Vec<u8>>,
    keyspace: Encoder,
}

impl StateEncoder {
    pub(super) fn new(snapshot: StateSnapshot) -> StateEncoder {
        let mut head = head_blocks(&snapshot);
        head.reverse();
        StateEncoder { head, keyspace: snapshot.keyspace.encode() }
    }

    /// Replaces the buffer's contents with the next block; false after the last.
    pub fn next_block(&mut self, out: &mut Vec<u8>) -> bool {
        match self.head.pop() {
            Some(block) => {
                out.clear();
                out.extend_from_slice(&block);
                true
            }
            None => self.keyspace.next_block(out),
        }
    }

    /// How many keys were begun so far, for progress.
    pub fn keys(&self) -> u64 {
        self.keyspace.keys()
    }
}

impl Iterator for StateEncoder {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut block = Vec::new();
        self.next_block(&mut block).then_some(block)
    }
}

/// The blocks before those of the keyspace.
pub(super) fn head_blocks(snapshot: &StateSnapshot) -> Vec<Vec<u8>> {
    let mut head = vec![HEAD];
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&snapshot.clock.0.to_le_bytes());
    let mut blocks = vec![head];
    let mut block = vec![SETTINGS];
    for (setting, value) in snapshot.settings.changed_with_secrets(Scope::Cluster) {
        if block.len() >= BLOCK_BYTES_FULL {
            blocks.push(std::mem::replace(&mut block, vec![SETTINGS]));
        }
        let name_bytes = u8::try_from(setting.name.len()).expect("names are short, a test reads them all");
        let value_bytes = u16::try_from(value.len()).expect("values are bounded by TEXT_BYTES_MAX");
        block.push(name_bytes);
        block.extend_from_slice(setting.name.as_bytes());
        block.extend_from_slice(&value_bytes.to_le_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    if block.len() > 1 {
        blocks.push(block);
    }
    push_users(&mut blocks, snapshot);
    for code in snapshot.scripts.codes() {
        push_code(&mut blocks, SCRIPT, code);
    }
    for library in snapshot.scripts.libraries() {
        push_code(&mut blocks, LIBRARY, &library.code);
    }
    for part in waiters::encode(&snapshot.waiters).chunks(BLOCK_BYTES_FULL) {
        blocks.push([&[WAITERS], part].concat());
    }
    let mut block = vec![SUBSCRIPTIONS];
    for (kind, name, node, count) in snapshot.subscriptions.rows() {
        let name_bytes = u16::try_from(name.len()).expect("names are bounded by SUBSCRIPTION_BYTES_MAX");
        if block.len() + 15 + name.len() > 64 * 1024 {
            blocks.push(std::mem::replace(&mut block, vec![SUBSCRIPTIONS]));
        }
        block.push(kind as u8);
        block.extend_from_slice(&node.to_le_bytes());
        block.extend_from_slice(&count.to_le_bytes());
        block.extend_from_slice(&name_bytes.to_le_bytes());
        block.extend_from_slice(name);
    }
    if block.len() > 1 {
        blocks.push(block);
    }
    blocks
}

/// The users that there are when the settings alone say who may do what.
fn users_of(settings: &Settings) -> Users {
    let mut users = Users::default();
    let password = settings.text(REQUIREPASS);
    if !password.is_empty() {
        users.set_default_password(password.as_bytes());
    }
    users
}

fn push_users(blocks: &mut Vec<Vec<u8>>, snapshot: &StateSnapshot) {
    if snapshot.users == users_of(&snapshot.settings) {
        return;
    }
    let mut block = vec![USERS];
    for user in snapshot.users.iter() {
        let mut record = user.born().to_le_bytes().to_vec();
        let bounded = "users are bounded by RULES_BYTES_MAX";
        let put = |record: &mut Vec<u8>, text: &[u8]| {
            record.extend_from_slice(&u16::try_from(text.len()).expect(bounded).to_le_bytes());
            record.extend_from_slice(text);
        };
        put(&mut record, user.name());
        let rules = user.rules();
        record.extend_from_slice(&u16::try_from(rules.len()).expect(bounded).to_le_bytes());
        rules.iter().for_each(|rule| put(&mut record, rule));
        if block.len() > 1 && block.len() + record.len() > 64 * 1024 {
            blocks.push(std::mem::replace(&mut block, vec![USERS]));
        }
        block.extend_from_slice(&record);
    }
    blocks.push(block);
}

/// A script's code, in as many blocks as it takes.
fn push_code(blocks: &mut Vec<Vec<u8>>, kind: u8, code: &[u8]) {
    let (mut rest, mut last) = (code, false);
    while !last {
        let (part, after) = rest.split_at(rest.len().min(BLOCK_BYTES_FULL));
        (rest, last) = (after, after.is_empty());
        let mut block = vec![SCRIPTS, kind, u8::from(last)];
        block.extend_from_slice(part);
        blocks.push(block);
    }
}

/// Reads the blocks of a [`StateEncoder`] in their order.
#[derive(Debug, Default)]
pub struct StateDecoder {
    clock: Option<Millis>,
    settings: Settings,
    scripts: Scripts,
    /// Nothing before the first block of users.
    users: Option<Users>,
    subscriptions: Subscriptions,
    /// The code whose last block has not come yet.
    code: Vec<u8>,
    waiters: Vec<u8>,
    keyspace: Decoder,
}

impl StateDecoder {
    /// A decoder at the first block.
    pub fn new() -> StateDecoder {
        StateDecoder::default()
    }

    /// Takes the next block. After an error the decoder is of no use.
    ///
    /// # Errors
    /// The block is damaged, or of a version that we do not read.
    pub fn push(&mut self, block: &[u8]) -> Result<(), DecodeError> {
        match (self.clock, block.split_first()) {
            (None, Some((&HEAD, head))) => self.clock = Some(read_head(head)?),
            (None, _) => return Err(DecodeError::NoSnapshot),
            (Some(_), Some((&SETTINGS, records))) => self.read_settings(records)?,
            (Some(_), Some((&USERS, records))) => self.read_users(records)?,
            (Some(_), Some((&SCRIPTS, part))) => self.read_code(part)?,
            (Some(_), Some((&SUBSCRIPTIONS, rows))) => self.read_subscriptions(rows)?,
            (Some(_), Some((&WAITERS, part))) => self.waiters.extend_from_slice(part),
            (Some(_), _) => self.keyspace.push(block)?,
        }
        Ok(())
    }

    /// The state, once the last block was taken.
    ///
    /// # Errors
    /// Blocks are missing, or what several of them hold together is damaged.
    pub fn finish(self) -> Result<State, DecodeError> {
        let clock = self.clock.ok_or(DecodeError::NoSnapshot)?;
        if !self.code.is_empty() {
            return Err(DecodeError::Truncated);
        }
        let mut keyspace: Keyspace = self.keyspace.finish()?;
        let waiters = waiters::decode(&self.waiters, &mut keyspace).ok_or(DecodeError::Waiters)?;
        let StateDecoder { settings, scripts, users, subscriptions, .. } = self;
        let users = users.unwrap_or_else(|| users_of(&settings));
        Ok(State { keyspace, settings, scripts, users, subscriptions, waiters, clock })
    }

    /// How many keys were read so far, for progress.
    pub fn keys(&self) -> u64 {
        self.keyspace.keys()
    }

    fn read_users(&mut self, mut records: &[u8]) -> Result<(), DecodeError> {
        let users = self.users.get_or_insert_default();
        while !records.is_empty() {
            let (born, rest) = records.split_first_chunk().ok_or(DecodeError::Truncated)?;
            let (name, rest) = split_text(rest)?;
            let (count, mut rest) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
            let mut rules = Vec::new();
            for _ in 0..u16::from_le_bytes(*count) {
                let (rule, after) = split_text(rest)?;
                rules.push(rule);
                rest = after;
            }
            users.restore(name, u64::from_le_bytes(*born), rules).map_err(DecodeError::User)?;
            records = rest;
        }
        Ok(())
    }

    fn read_code(&mut self, part: &[u8]) -> Result<(), DecodeError> {
        let [kind, last, bytes @ ..] = part else { return Err(DecodeError::Truncated) };
        if self.code.len() + bytes.len() > SCRIPT_BYTES_MAX {
            return Err(DecodeError::Script(format!("it is longer than {SCRIPT_BYTES_MAX} bytes")));
        }
        self.code.extend_from_slice(bytes);
        if *last == 0 {
            return Ok(());
        }
        let code = std::mem::take(&mut self.code);
        match *kind {
            SCRIPT => {
                let flags = quorate_script::script_flags(&code).map_err(DecodeError::Script)?;
                let sha = quorate_script::sha1_hex(&code);
                if self.scripts.script(&sha).is_none() {
                    self.scripts.keep(&sha, Arc::new(Script { code: code.into(), flags }));
                }
            }
            LIBRARY => {
                let library = quorate_script::load_library(&code).map_err(DecodeError::Script)?;
                let taken = library
                    .functions
                    .iter()
                    .any(|function| self.scripts.function(function.name.as_bytes()).is_some());
                if taken || self.scripts.library(library.name.as_bytes()).is_some() {
                    return Err(DecodeError::Script("a name is taken".into()));
                }
                self.scripts.add_library(library);
            }
            _ => return Err(DecodeError::Script(format!("it is of the unknown kind {kind}"))),
        }
        Ok(())
    }

    fn read_subscriptions(&mut self, mut rows: &[u8]) -> Result<(), DecodeError> {
        while let Some((kind, rest)) = rows.split_first() {
            let (node, rest) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
            let (count, rest) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
            let (name_bytes, rest) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
            let (name, rest) = split(rest, usize::from(u16::from_le_bytes(*name_bytes)))?;
            let kind = SubscriptionKind::at(*kind).ok_or(DecodeError::Subscription(*kind))?;
            let count = i64::from(u32::from_le_bytes(*count));
            self.subscriptions.change(kind, name, u64::from_le_bytes(*node), count);
            rows = rest;
        }
        Ok(())
    }

    fn read_settings(&mut self, mut records: &[u8]) -> Result<(), DecodeError> {
        while let Some((name_bytes, rest)) = records.split_first() {
            let (name, rest) = split(rest, usize::from(*name_bytes))?;
            let (value_bytes, rest) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
            let (value, rest) = split(rest, usize::from(u16::from_le_bytes(*value_bytes)))?;
            self.settings.set(&[(name, value)]).map_err(DecodeError::Setting)?;
            records = rest;
        }
        Ok(())
    }
}

fn read_head(head: &[u8]) -> Result<Millis, DecodeError> {
    let head = head.strip_prefix(MAGIC.as_slice()).ok_or(DecodeError::NoSnapshot)?;
    let (version, head) = head.split_first_chunk().ok_or(DecodeError::Truncated)?;
    let found = u16::from_le_bytes(*version);
    if found != VERSION {
        return Err(DecodeError::Version { found });
    }
    let clock = <[u8; 8]>::try_from(head).map_err(|_| DecodeError::Truncated)?;
    Ok(Millis(i64::from_le_bytes(clock)))
}

/// A length in two bytes and as many more, and what follows.
fn split_text(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let (len, rest) = bytes.split_first_chunk().ok_or(DecodeError::Truncated)?;
    split(rest, usize::from(u16::from_le_bytes(*len)))
}

fn split(bytes: &[u8], len: usize) -> Result<(&[u8], &[u8]), DecodeError> {
    bytes.split_at_checked(len).ok_or(DecodeError::Truncated)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quorate_keyspace::{DbIndex, Seed, Value, Version};

    use super::*;
    use crate::Waiters;

    fn sample() -> State {
        let mut state = State::new(Seed([3; 16]));
        state.clock = Millis(1_700_000_000_123);
        let pairs: [(&[u8], &[u8]); 5] = [
            (b"maxmemory", b"100mb"),
            (b"requirepass", b"secret"),
            (b"notify-keyspace-events", b"KEAnm"),
            (b"client-output-buffer-limit", b"pubsub 1mb 2mb 3"),
            (b"maxmemory-policy", b"allkeys-lfu"),
        ];
        state.configure(&pairs).expect("valid settings");
        state.users.set(b"reader", &[b"on", b">secret", b"+@read", b"(~a)"], 5, false).expect("rules");
        state.users.set(b"long", &[&[&b"~"[..], &[b'x'; 40_000]].concat()], 6, true).expect("rules");
        for length in [0, 10, 100_000] {
            let code: Box<[u8]> = format!("return '{}'", "x".repeat(length)).into_bytes().into();
            state.scripts.keep(&quorate_script::sha1_hex(&code), Arc::new(Script { code, flags: None }));
        }
        let library = b"#!lua name=lib\nredis.register_function('f', function() return 1 end)";
        state.scripts.add_library(quorate_script::load_library(library).expect("a good library"));
        let long = "x".repeat(SUBSCRIPTION_BYTES_MAX);
        for (kind, name, node) in [
            (SubscriptionKind::Channel, "news", 1),
            (SubscriptionKind::Channel, "news", 2),
            (SubscriptionKind::Pattern, "n*", 2),
            (SubscriptionKind::Shard, &long, 3),
            (SubscriptionKind::Channel, &long, 3),
            (SubscriptionKind::Pattern, &long, 3),
            (SubscriptionKind::Pattern, &long[1..], 3),
        ] {
            state.subscriptions.change(kind, name.as_bytes(), node, 1 + i64::from(node as u8));
        }
        for (ticket, request) in
            ["BLPOP a b 0", "XREADGROUP GROUP g c BLOCK 0 STREAMS s t > >"].iter().enumerate()
        {
            let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            let keys = if ticket == 0 { 1..3 } else { 7..9 };
            state.waiters.add_sample(&mut state.keyspace, ticket as u64 + 7, &args, keys);
        }
        for number in 0..100 {
            let key = format!("key:{number}");
            let db = state.keyspace.db_mut(DbIndex::ZERO);
            db.set(key.as_bytes(), Value::integer(number), Some(Millis(number)), Version(1));
        }
        state
    }

    #[test]
    fn a_state_goes_through_its_blocks_and_back() {
        let state = sample();
        let blocks: Vec<Vec<u8>> = state.capture().encode().collect();
        assert!(blocks.iter().all(|block| block.len() <= 64 * 1024));
        let restored = State::decode(&blocks).expect("what was just written");
        assert_eq!(restored.settings, state.settings);
        assert_eq!(restored.scripts, state.scripts);
        assert_eq!(restored.users, state.users);
        assert_eq!(restored.subscriptions, state.subscriptions);
        assert_eq!(restored.clock, state.clock);
        assert!(restored.waiters.iter().eq(state.waiters.iter()));
        assert_eq!(restored.waiters.next_deadline(), state.waiters.next_deadline());
        assert_eq!(restored.digest(), state.digest());
        assert!(restored.capture().encode().eq(blocks));
    }

    #[test]
    fn a_digest_sees_every_part() {
        let digests = [
            sample().digest(),
            State { clock: Millis(1), ..sample() }.digest(),
            State { settings: Settings::default(), ..sample() }.digest(),
            State { scripts: Scripts::default(), ..sample() }.digest(),
            State { users: Users::default(), ..sample() }.digest(),
            State { subscriptions: Subscriptions::default(), ..sample() }.digest(),
            State { waiters: Waiters::default(), ..sample() }.digest(),
            State { keyspace: Keyspace::new(Seed([3; 16])), ..sample() }.digest(),
        ];
        for (i, digest) in digests.iter().enumerate() {
            assert!(!digests[..i].contains(digest), "{i}");
        }
    }

    #[test]
    fn the_longest_settings_fit_their_blocks() {
        let mut state = State::new(Seed([3; 16]));
        let long = vec![b'x'; TEXT_BYTES_MAX];
        state.settings.set(&[(b"requirepass", &long), (b"masterauth", &long)]).expect("just short enough");
        let blocks: Vec<Vec<u8>> = state.capture().encode().collect();
        assert_eq!(State::decode(blocks).expect("what was just written").settings, state.settings);
        let longer = vec![b'x'; TEXT_BYTES_MAX + 1];
        assert!(state.settings.set(&[(b"requirepass", &longer)]).is_err());
    }

    /// What was written before there were users, and what a cluster without them still writes.
    #[test]
    fn a_password_alone_makes_the_default_user() {
        let mut state = State::new(Seed([3; 16]));
        state.configure(&[(b"requirepass", b"secret")]).expect("a password");
        let blocks: Vec<Vec<u8>> = state.capture().encode().collect();
        assert!(blocks.iter().all(|block| block[0] != USERS));
        let restored = State::decode(&blocks).expect("what was just written");
        assert!(restored.users.authenticate(b"default", b"secret").is_some());
        assert!(restored.users.authenticate(b"default", b"").is_none());
        assert_eq!(restored.users, state.users);
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        let blocks: Vec<Vec<u8>> = sample().capture().encode().collect();
        assert!(matches!(State::decode(&blocks[1..]), Err(DecodeError::NoSnapshot)));
        assert!(matches!(State::decode(&blocks[..0]), Err(DecodeError::NoSnapshot)));
        assert!(matches!(State::decode(&blocks[..2]), Err(DecodeError::Keyspace(_))));
        let mut later = blocks;
        later[0][5] = 2;
        assert!(matches!(State::decode(&later), Err(DecodeError::Version { found: 2 })));
    }

    proptest! {
        #[test]
        fn damaged_blocks_never_panic(block in 0_usize..10, at in any::<prop::sample::Index>(), bits in 1_u8..) {
            let mut blocks: Vec<Vec<u8>> = sample().capture().encode().collect();
            let at = at.index(blocks[block].len());
            blocks[block][at] ^= bits;
            // It may still be a snapshot, of other settings or another time.
            let _ = State::decode(&blocks).map(|state| state.digest());
            blocks[block].truncate(at);
            let _ = State::decode(&blocks).map(|state| state.digest());
        }
    }
}
