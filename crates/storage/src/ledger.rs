//! The ledger: a second, independent memory of what must never go back.
//!
//! It mirrors the identity, each saved vote and, now and then, a committed position of the log; at start the log is
//! compared with it. A log that is *older* was rolled back (a restored image, a lost disk), and its node must not vote
//! with a forgotten vote. It also keeps what people ask for later: snapshots, memberships, an audit trail.
//!
//! It lives in sled, through [`DurableSled`], and may be lost: a ledger that is missing, damaged or behind is made anew.
//! Invariant: it is written *after* the log or the file that it mirrors is durable, so it can never be ahead of them
//! unless they went back.
//!
//! Tasks that may block call it: a call takes one sync. With [`Ledger::off`] every call does nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{
    codec::{self, Kind, LogIdV1, VoteV1},
    durable_sled::{Changes, DurableSled, Found},
    error::Error,
    id::{LogId, Vote},
    identity::Identity,
    log::Recovered,
    snapshot::{SnapshotId, SnapshotInfo},
};

/// Lines that the audit trail keeps.
pub const AUDIT_LINES_MAX: usize = 10_000;
/// Longer lines are cut to this many bytes.
const AUDIT_LINE_BYTES_MAX: usize = 2000;
/// Memberships that the history keeps.
const MEMBERSHIPS_MAX: usize = 1000;
/// A larger database is rewritten at open, since sled gives no room back.
const DATABASE_BYTES_MAX: u64 = 64 << 20;

const LEDGER: Kind = Kind { magic: b"QRLEDGER", version: 1 };
const KEY_IDENTITY: &[u8] = b"I";
const KEY_VOTE: &[u8] = b"V";
const KEY_POSITION: &[u8] = b"P";
const PREFIX_SNAPSHOT: &[u8] = b"s";
const PREFIX_MEMBERSHIP: &[u8] = b"m";
const PREFIX_AUDIT: &[u8] = b"a";

/// What the comparison of log and ledger said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerVerdict {
    /// They agree.
    Fine,
    /// The ledger was missing or damaged, and was made anew from what is there. The node goes on.
    Rebuilt(String),
    /// The log is purged further than the newest snapshot reaches: this node has lost state, and must rejoin.
    SnapshotLost {
        /// Entries up to here are gone from the log.
        purged: LogId,
        /// The newest snapshot ends here.
        snapshot: Option<LogId>,
    },
    /// The log is older than the ledger: this node must not vote, and must rejoin.
    LogRolledBack {
        /// The vote and position that the ledger remembers.
        ledger: (Option<Vote>, Option<LogId>),
        /// What the log holds.
        log: (Option<Vote>, Option<LogId>),
    },
}

/// The node's ledger. A cheap handle; calls block for some milliseconds.
#[derive(Clone, Debug)]
pub struct Ledger {
    shared: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    store: DurableSled,
    /// Number of the next line of the audit trail.
    next_line: Mutex<u64>,
}

impl Ledger {
    /// A ledger that remembers nothing, for simulation.
    #[must_use]
    pub fn off() -> Self {
        Self { shared: None }
    }

    /// Opens the ledger in the folder `ledger` of the data directory; the text says why it had to begin anew.
    /// A damaged one is set aside as `ledger.bad`. If even a new one cannot be made, the node goes on without.
    pub(crate) fn open(data_dir: &Path) -> (Self, Option<String>) {
        let folder = data_dir.join("ledger");
        let (opened, reason) = match open_compact(&folder) {
            Ok((store, Found::Existing)) => return Self::with(store, None),
            Ok((store, Found::New)) => return Self::with(store, Some("there was no ledger".into())),
            Err(error) => {
                tracing::warn!(%error, "the ledger is damaged, it is set aside and made anew");
                (set_aside(&folder).and_then(|()| DurableSled::open(&folder)), error.to_string())
            }
        };
        match opened {
            Ok((store, _)) => Self::with(store, Some(reason)),
            Err(error) => {
                tracing::error!(%error, "no ledger can be made, the node goes on without one");
                (Self::off(), Some(reason))
            }
        }
    }

    fn with(store: DurableSled, reason: Option<String>) -> (Self, Option<String>) {
        let last = store
            .scan(PREFIX_AUDIT)
            .ok()
            .and_then(|lines| lines.last().and_then(|(key, _)| line_number(key)));
        let next_line = Mutex::new(last.map_or(0, |last| last.saturating_add(1)));
        (Self { shared: Some(Arc::new(Shared { store, next_line })) }, reason)
    }

    /// Compares the recovered log with the ledger.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn check(&self, recovered: &Recovered) -> Result<LedgerVerdict, Error> {
        let ledger = (self.vote()?, self.position()?);
        let log = (recovered.state.vote, recovered.state.last);
        // `None` is less than everything.
        if ledger.0 > log.0 || ledger.1 > log.1 {
            return Ok(LedgerVerdict::LogRolledBack { ledger, log });
        }
        Ok(LedgerVerdict::Fine)
    }

    /// The vote that the ledger remembers.
    pub fn vote(&self) -> Result<Option<Vote>, Error> {
        let vote: Option<VoteV1> = self.get(KEY_VOTE)?;
        Ok(vote.map(codec::vote_from_v1))
    }

    /// The committed position that the ledger remembers.
    pub fn position(&self) -> Result<Option<LogId>, Error> {
        let position: Option<LogIdV1> = self.get(KEY_POSITION)?;
        Ok(position.map(codec::log_id_from_v1))
    }

    /// The identity that the ledger remembers.
    pub fn identity(&self) -> Result<Option<Identity>, Error> {
        let Some(shared) = &self.shared else { return Ok(None) };
        shared.store.get(KEY_IDENTITY)?.map(|bytes| Identity::decode(&bytes, "ledger")).transpose()
    }

    /// Mirrors the identity.
    pub fn record_identity(&self, identity: &Identity) -> Result<(), Error> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let mut changes = Changes::new();
        changes.set(KEY_IDENTITY, &identity.encode()?);
        shared.store.commit(changes)
    }

    /// Remembers a vote that the log has made durable.
    pub fn record_vote(&self, vote: Vote) -> Result<(), Error> {
        self.set(KEY_VOTE, &codec::vote_to_v1(vote))
    }

    /// Remembers a position that is durable in the log *and committed*, so that it can never be truncated.
    pub fn checkpoint(&self, position: LogId) -> Result<(), Error> {
        self.set(KEY_POSITION, &codec::log_id_to_v1(position))
    }

    /// Forgets vote and position: for a node that rejoins after [`LedgerVerdict::LogRolledBack`], once it may.
    pub fn forget_log(&self) -> Result<(), Error> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let mut changes = Changes::new();
        changes.remove(KEY_VOTE);
        changes.remove(KEY_POSITION);
        shared.store.commit(changes)
    }

    /// Adds a finished snapshot to the catalogue.
    pub fn record_snapshot(&self, snapshot: &SnapshotInfo) -> Result<(), Error> {
        let last = snapshot.manifest.last_log_id.map(codec::log_id_to_v1);
        let value = (last, snapshot.file_bytes, snapshot.manifest.created_ms);
        self.set(&snapshot_key(&snapshot.id), &value)
    }

    /// Takes a deleted snapshot from the catalogue.
    pub fn forget_snapshot(&self, id: &SnapshotId) -> Result<(), Error> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let mut changes = Changes::new();
        changes.remove(&snapshot_key(id));
        shared.store.commit(changes)
    }

    /// Names of the snapshots in the catalogue, oldest first.
    pub fn snapshots(&self) -> Result<Vec<SnapshotId>, Error> {
        let Some(shared) = &self.shared else { return Ok(Vec::new()) };
        let names = shared.store.scan(PREFIX_SNAPSHOT)?.into_iter();
        names
            .map(|(key, _)| SnapshotId::parse(&String::from_utf8_lossy(key.get(1..).unwrap_or_default())))
            .collect()
    }

    /// Adds a membership to the history.
    pub fn record_membership(&self, at: LogId, membership: &[u8]) -> Result<(), Error> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let known = shared.membership_keys()?;
        let mut changes = Changes::new();
        for old in known.iter().take((known.len() + 1).saturating_sub(MEMBERSHIPS_MAX)) {
            shared.store.remove_split(old, &mut changes)?;
        }
        let value = codec::encode(LEDGER, &(codec::log_id_to_v1(at), membership.to_vec()))?;
        changes.set_split(&membership_key(at), &value);
        shared.store.commit(changes)
    }

    /// The history of the membership, oldest first.
    pub fn memberships(&self) -> Result<Vec<(LogId, Vec<u8>)>, Error> {
        let Some(shared) = &self.shared else { return Ok(Vec::new()) };
        let mut memberships = Vec::new();
        for key in shared.membership_keys()? {
            let value = shared.store.get_split(&key)?.unwrap_or_default();
            let (at, membership): (LogIdV1, Vec<u8>) = codec::decode(LEDGER, &value, "ledger")?;
            memberships.push((codec::log_id_from_v1(at), membership));
        }
        Ok(memberships)
    }

    /// Adds a line to the audit trail, which keeps the newest [`AUDIT_LINES_MAX`].
    pub fn audit(&self, now_ms: u64, text: &str) -> Result<(), Error> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let text = text.get(..text.floor_char_boundary(AUDIT_LINE_BYTES_MAX)).unwrap_or_default();
        let value = codec::encode(LEDGER, &(now_ms, text.to_owned()))?;
        // Held over the commit, so that lines become durable in their order.
        let mut next_line = shared.next_line.lock();
        let mut changes = Changes::new();
        changes.set(&line_key(*next_line), &value);
        if let Some(oldest) = next_line.checked_sub(AUDIT_LINES_MAX as u64) {
            changes.remove(&line_key(oldest));
        }
        shared.store.commit(changes)?;
        *next_line += 1;
        Ok(())
    }

    /// The audit trail, oldest first: milliseconds and text.
    pub fn audit_trail(&self) -> Result<Vec<(u64, String)>, Error> {
        let Some(shared) = &self.shared else { return Ok(Vec::new()) };
        let lines = shared.store.scan(PREFIX_AUDIT)?;
        lines.iter().map(|(_, value)| codec::decode(LEDGER, value, "ledger")).collect()
    }

    fn get<T: bincode::Decode<()>>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        let Some(shared) = &self.shared else { return Ok(None) };
        shared.store.get(key)?.map(|bytes| codec::decode(LEDGER, &bytes, "ledger")).transpose()
    }

    fn set<T: bincode::Encode>(&self, key: &[u8], value: &T) -> Result<(), Error> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let mut changes = Changes::new();
        changes.set(key, &codec::encode(LEDGER, value)?);
        shared.store.commit(changes)
    }
}

impl Shared {
    /// Keys of the memberships, without the number of the piece, oldest first.
    fn membership_keys(&self) -> Result<Vec<Vec<u8>>, Error> {
        let length = membership_key(LogId::default()).len();
        let mut keys: Vec<Vec<u8>> =
            self.store.scan(PREFIX_MEMBERSHIP)?.into_iter().map(|(key, _)| key).collect();
        keys.iter_mut().for_each(|key| key.truncate(length));
        keys.dedup();
        Ok(keys)
    }
}

/// Opens the database, rewritten first if it has grown too large.
fn open_compact(folder: &Path) -> Result<(DurableSled, Found), Error> {
    let (store, found) = DurableSled::open(folder)?;
    if store.file_bytes()? <= DATABASE_BYTES_MAX {
        return Ok((store, found));
    }
    let copy = folder.with_extension("new");
    let io = |error| Error::io("rewrite", "ledger", error);
    remove_folder(&copy).map_err(io)?;
    store.copy_to(&copy)?;
    drop(store);
    set_aside(folder)?;
    fs::rename(&copy, folder).map_err(io)?;
    DurableSled::open(folder)
}

/// Gives the folder the ending `.bad`, in place of an earlier one.
fn set_aside(folder: &Path) -> Result<(), Error> {
    let aside: PathBuf = folder.with_extension("bad");
    remove_folder(&aside)
        .and_then(|()| fs::rename(folder, &aside))
        .map_err(|error| Error::io("set aside", "ledger", error))
}

fn remove_folder(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn snapshot_key(id: &SnapshotId) -> Vec<u8> {
    [PREFIX_SNAPSHOT, id.as_str().as_bytes()].concat()
}

fn membership_key(at: LogId) -> Vec<u8> {
    [PREFIX_MEMBERSHIP, &at.index.to_be_bytes(), &at.leader.term.to_be_bytes()].concat()
}

fn line_key(number: u64) -> Vec<u8> {
    [PREFIX_AUDIT, &number.to_be_bytes()].concat()
}

fn line_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.get(1..)?.first_chunk()?))
}
