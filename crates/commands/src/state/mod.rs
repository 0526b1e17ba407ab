//! The replicated state that commands see.
//!
//! For: holding keyspace, settings, scripts, users, subscriptions, waiters and clock together, capturing them for a snapshot, and telling two
//! nodes' states apart. Leaves to others: origins and membership (the node's part of the replicated state); framing and
//! checksums of snapshot blocks (storage).
//! Invariants: everything here is a function of the log; [`State::digest`] of two nodes agrees at the same index.
//! Called by: the apply task; the snapshot thread owns a [`StateSnapshot`].

mod format;
pub(crate) mod scripts;
pub(crate) mod subscriptions;

use quorate_keyspace::{CowTree, Keyspace, Millis, Seed, Snapshot};

pub use self::format::VERSION;
pub use self::format::{DecodeError, StateDecoder, StateEncoder};
pub use self::scripts::Scripts;
use self::subscriptions::Subscriptions;
use crate::blocking::Waiters;
use crate::blocking::waiters::Standing;
use crate::settings::SettingId;
use crate::{Error, Settings, Users};

const REQUIREPASS: SettingId = SettingId::of("requirepass");

/// Keyspace, settings, scripts, users, subscriptions, waiters and clock.
#[derive(Debug)]
pub struct State {
    /// The sixteen databases.
    pub keyspace: Keyspace,
    /// Cluster settings.
    pub settings: Settings,
    /// Scripts and libraries of functions.
    pub scripts: Scripts,
    /// Who may do what.
    pub users: Users,
    /// Who listens to messages, over all nodes.
    pub subscriptions: Subscriptions,
    /// Requests that wait.
    pub waiters: Waiters,
    /// Agreed time of the last batch.
    pub clock: Millis,
}

impl State {
    /// What an empty state counts as, as an empty Redis counts its own tables and buffers: a share of `used_memory`
    /// and of the memory limit that is the same on every node, and about what it is in Redis.
    pub const BASE_BYTES: usize = 1 << 20;

    /// An empty state.
    pub fn new(seed: Seed) -> State {
        State {
            keyspace: Keyspace::new(seed),
            settings: Settings::default(),
            scripts: Scripts::default(),
            users: Users::default(),
            subscriptions: Subscriptions::default(),
            waiters: Waiters::default(),
            clock: Millis::default(),
        }
    }

    /// Changes cluster settings as `CONFIG SET` does, all of them or none; a password becomes the default user's.
    ///
    /// # Errors
    /// A setting does not exist or does not take its value.
    pub fn configure(&mut self, pairs: &[(&[u8], &[u8])]) -> Result<(), Error> {
        self.settings.set(pairs)?;
        if pairs.iter().any(|(name, _)| SettingId::find(name) == Some(REQUIREPASS)) {
            self.users.set_default_password(self.settings.text(REQUIREPASS).as_bytes());
        }
        Ok(())
    }

    /// What the memory limit is compared with: the data, as accounted, and [`State::BASE_BYTES`].
    pub fn used_bytes(&self) -> usize {
        State::BASE_BYTES + self.keyspace.memory_bytes()
    }

    /// The state as it is now, in constant time; it stays so while this one changes. Drop it off the apply task.
    pub fn capture(&self) -> StateSnapshot {
        StateSnapshot {
            keyspace: self.keyspace.capture(),
            settings: self.settings.clone(),
            scripts: self.scripts.clone(),
            users: self.users.clone(),
            subscriptions: self.subscriptions.clone(),
            waiters: self.waiters.capture(),
            clock: self.clock,
        }
    }

    /// The state that the blocks of a [`StateEncoder`] hold.
    ///
    /// # Errors
    /// The blocks are damaged, incomplete, or of a version that we do not read.
    pub fn decode<B: AsRef<[u8]>>(blocks: impl IntoIterator<Item = B>) -> Result<State, DecodeError> {
        let mut decoder = StateDecoder::new();
        for block in blocks {
            decoder.push(block.as_ref())?;
        }
        decoder.finish()
    }

    /// A checksum of all of it; it walks everything. See [`StateSnapshot::digest`].
    pub fn digest(&self) -> u64 {
        self.capture().digest()
    }
}

/// A state as it was at [`State::capture`].
#[derive(Debug, Clone)]
pub struct StateSnapshot {
    keyspace: Snapshot,
    settings: Settings,
    scripts: Scripts,
    users: Users,
    subscriptions: Subscriptions,
    waiters: CowTree<Standing>,
    clock: Millis,
}

impl StateSnapshot {
    /// The snapshot as blocks of at most 64 KiB, the last of which says that it is the last.
    pub fn encode(self) -> StateEncoder {
        StateEncoder::new(self)
    }

    /// How many keys are stored, expired ones included.
    pub fn len(&self) -> usize {
        self.keyspace.len()
    }

    /// Whether no key is stored.
    pub fn is_empty(&self) -> bool {
        self.keyspace.is_empty()
    }

    /// A checksum of keys, settings, scripts, users, subscriptions, waiters and clock: equal on nodes that applied the same log, whatever came by snapshot.
    pub fn digest(&self) -> u64 {
        // Any fixed seed will do: this is a checksum, not a hash table.
        let seed = Seed(*b"quorate settings");
        let rest = format::head_blocks(self).into_iter().map(|block| seed.hash(&block));
        rest.fold(self.keyspace.digest(), u64::wrapping_add)
    }
}
