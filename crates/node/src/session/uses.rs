//! Reads that count as uses of keys: gathered here, and told to the log now and then.
//!
//! Eviction by time or frequency of use is decided at apply, on every node alike, so it can only go by uses
//! that the log tells of. Writes are in it anyway. A read is not: the node that answers it notes its keys here,
//! and hands them in as `TOUCH` requests of its own, a few times a second, so that a key that is read through
//! any node stays. See `docs/decisions/0010-eviction-at-apply.md`.
//!
//! What it leaves to others: which policy wants it ([`quorate_commands::reads_count`]), replication.
//!
//! Invariants: nothing is noted, at the price of one atomic load a read, unless the policy goes by uses; a key
//! is told of at most once a round; what exceeds the bounds is forgotten, which costs precision and nothing else.
//!
//! Called by: sessions (`note`), one task of the node (`take`).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_commands::{Args, Command, KeyFlag, Read, Settings, lookup};
use quorate_keyspace::DbIndex;
use quorate_resp::{Protocol, Request};

use crate::group::{Group, Slot, Style};

/// Keys that wait to be told of.
const KEYS_MAX: usize = 8192;
/// Bytes of keys that wait to be told of.
const BYTES_MAX: usize = 1 << 20;
/// Keys of one request.
const KEYS_PER_REQUEST_MAX: usize = 512;

/// The uses that wait to be told of.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    wanted: AtomicBool,
    /// In an order that is the same in every simulation.
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    keys: BTreeSet<(DbIndex, Bytes)>,
    bytes: usize,
}

impl Uses {
    /// Takes over the settings.
    pub(super) fn refresh(&self, settings: &Settings) {
        self.wanted.store(quorate_commands::reads_count(settings), Ordering::Relaxed);
    }

    /// Notes what a read has used: keys whose data it may have returned, that are there, and that were not noted
    /// in this second already.
    pub(super) fn note(&self, read: &Read<'_>, command: &Command, args: Args<'_>) {
        if !self.wanted.load(Ordering::Relaxed) {
            return;
        }
        let Some(positions) = quorate_commands::keys(command, args) else { return };
        let clock = read.state.access_clock(read.now);
        for position in positions.iter().filter(|position| position.flags.has(KeyFlag::Access)) {
            let key = &args[position.index];
            let is_news = read.get(key).is_some_and(|entry| clock.is_news(entry.accessed()));
            if is_news {
                self.push(read.db, key);
            }
        }
    }

    fn push(&self, db: DbIndex, key: &[u8]) {
        let mut noted = self.noted.lock();
        if noted.keys.len() < KEYS_MAX
            && noted.bytes + key.len() <= BYTES_MAX
            && noted.keys.insert((db, Bytes::copy_from_slice(key)))
        {
            noted.bytes += key.len();
        }
    }

    /// What was noted since the last call, as writes; nothing if nothing was.
    pub(crate) fn take(&self) -> Group {
        let keys: Vec<(DbIndex, Bytes)> = std::mem::take(&mut *self.noted.lock()).keys.into_iter().collect();
        let command = lookup(b"TOUCH").expect("the table has it");
        let style = Style { protocol: Protocol::Resp2, silent: true };
        let of_one_db = keys.chunk_by(|(a, _), (b, _)| a == b);
        let requests = of_one_db.flat_map(|keys| keys.chunks(KEYS_PER_REQUEST_MAX)).map(|keys| {
            let names = keys.iter().map(|(_, key)| &key[..]);
            let request = Request::from_args(std::iter::once(&b"TOUCH"[..]).chain(names));
            Slot::Write { db: keys[0].0, command, request, style, caller: None }
        });
        requests.collect::<Vec<_>>().into()
    }
}
