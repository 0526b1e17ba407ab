//! A keyspace as it was at one moment, shared with the live one.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::format::{Contents, Place};
use crate::removals::Removals;
use crate::{Blob, DbIndex, Entry, Keys, Keyspace, Seed};

/// All databases as they were at [`Keyspace::capture`].
///
/// It is plain data: send it to another thread, encode it there ([`Snapshot::encode`]) and drop it
/// there, because it may hold the last share of much that the live keyspace has replaced since.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) seed: Seed,
    pub(crate) dbs: Vec<(Keys, Removals)>,
}

const _: fn() = || {
    fn is_send<T: Send + Sync>() {}
    is_send::<Snapshot>();
    is_send::<Keyspace>();
};

impl Snapshot {
    /// How many keys are stored in all databases, expired ones included.
    pub fn len(&self) -> usize {
        self.dbs.iter().map(|(map, _)| map.len()).sum()
    }

    /// Whether no key is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys a database has, expired ones included.
    pub fn db_len(&self, db: DbIndex) -> usize {
        self.dbs[db.index()].0.len()
    }

    /// What is stored under a key, expired or not.
    pub fn get(&self, db: DbIndex, key: &[u8]) -> Option<&Entry> {
        self.dbs[db.index()].0.get(key)
    }

    /// All keys of a database with what is stored, expired ones included.
    pub fn entries(&self, db: DbIndex) -> impl Iterator<Item = (&Blob, &Entry)> + Send {
        self.dbs[db.index()].0.iter()
    }

    /// A checksum of all that is stored, expired keys included: equal on nodes that applied the same
    /// log, whatever came by snapshot. It walks everything.
    ///
    /// It is a sum over entries, so that it can be kept up to date with each change one day.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::new(0, 0);
        digest.bytes(&self.seed.0);
        let mut sum = digest.finish();
        for (db, (map, removals)) in DbIndex::all().zip(&self.dbs) {
            let mut digest = Digest::new(1, db.as_u8());
            digest.number(removals.floor().0);
            digest.number(removals.swapped().0);
            sum = sum.wrapping_add(digest.finish());
            for (slot, version) in removals.above_floor() {
                let mut digest = Digest::new(2, db.as_u8());
                digest.number(slot as u64);
                digest.number(version.0);
                sum = sum.wrapping_add(digest.finish());
            }
            for (key, entry) in map {
                sum = sum.wrapping_add(entry_digest(db, key, entry));
            }
        }
        sum
    }
}

fn entry_digest(db: DbIndex, key: &Blob, entry: &Entry) -> u64 {
    let mut digest = Digest::new(3, db.as_u8());
    digest.bytes(key);
    digest.number(entry.version().0);
    match entry.expires() {
        Some(at) => digest.number(at.0 as u64),
        None => digest.byte(0),
    }
    digest.number(entry.accessed().into());
    digest.byte(entry.value().format_type());
    match entry.value().contents(&Place::Start) {
        Contents::Number(bytes) => digest.number(u64::from_le_bytes(bytes)),
        Contents::Bytes(bytes) => digest.bytes(bytes),
        Contents::Pieces(mut walk, _) => {
            let mut piece = Vec::new();
            while walk.next_piece(&mut piece) {
                digest.bytes(&piece);
                piece.clear();
            }
        }
    }
    digest.finish()
}

/// A hash over self-delimiting parts.
struct Digest(SipHasher13);

impl Digest {
    fn new(kind: u8, db: u8) -> Digest {
        let mut digest = Digest(SipHasher13::new());
        digest.byte(kind);
        digest.byte(db);
        digest
    }

    fn byte(&mut self, byte: u8) {
        self.0.write(&[byte]);
    }

    fn number(&mut self, number: u64) {
        self.0.write(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.write(bytes);
    }

    fn finish(self) -> u64 {
        self.0.finish()
    }
}
