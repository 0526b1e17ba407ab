//! The second engine: the log in a sled database. Experimental, several times slower, gives no room back.
//!
//! It shows that the seam holds, and serves where a database file is wanted instead of segments.
//!
//! | key | value |
//! |---|---|
//! | `e`, index (8, big-endian), piece (4, big-endian) | a piece of the entry; all pieces together: CRC-32C of the rest (4), term (8), node (8), kind (1), payload |
//! | `v` | vote: term, node, committed (8 each) |
//! | `c`, `p` | committed and purged position: term, node, index (8 each) |
//!
//! A group is one atomic batch of [`DurableSled`].

use std::{ops::Range, path::Path, sync::Arc};

use bytes::Bytes;

use super::{LogEngine, LogReader, Record, engine::Recovery};
use crate::{
    crc::crc32c,
    durable_sled::{Changes, DurableSled, Found},
    error::Error,
    id::{Entry, LeaderId, LogId, Vote},
};

const FOLDER: &str = "log-sled";
const KEY_VOTE: &[u8] = b"v";
const KEY_COMMITTED: &[u8] = b"c";
const KEY_PURGED: &[u8] = b"p";
const ENTRY_HEADER_BYTES: usize = 21;

/// The log in a sled database.
pub(super) struct SledEngine {
    store: Arc<DurableSled>,
}

impl SledEngine {
    pub(super) fn open(data_dir: &Path) -> Result<(Self, Recovery), Error> {
        let (store, found) = DurableSled::open(&data_dir.join(FOLDER))?;
        let mut recovery = Recovery { is_new: found == Found::New, segments: 1, ..Recovery::default() };
        let id_at = |key| Ok::<_, Error>(store.get(key)?.and_then(|value| decode_log_id(&value)));
        recovery.committed = id_at(KEY_COMMITTED)?;
        recovery.vote = id_at(KEY_VOTE)?.map(|id| Vote { leader: id.leader, committed: id.index != 0 });
        if let Some(purged) = id_at(KEY_PURGED)? {
            recovery.view.purge(purged);
        }
        for entry in read_entries(&store, 0..u64::MAX, usize::MAX)? {
            if recovery.view.next_index().is_some_and(|expected| expected != entry.id.index) {
                return Err(Error::corrupt(FOLDER, entry.id.index, "entries are missing before this index"));
            }
            recovery.view.push(&entry);
        }
        Ok((Self { store: Arc::new(store) }, recovery))
    }

    /// Notes the removal of all pieces of the entries of `range`.
    fn remove_entries(&self, range: Range<u64>, changes: &mut Changes) -> Result<(), Error> {
        self.store.for_each(&entry_key(range.start), &entry_key(range.end), |key, _| {
            changes.remove(key);
            true
        })
    }
}

impl LogEngine for SledEngine {
    fn write(&mut self, group: &[&Record]) -> Result<(), Error> {
        let mut changes = Changes::new();
        for record in group {
            match record {
                Record::Entry(entry) => changes.set_split(&entry_key(entry.id.index), &encode_entry(entry)),
                Record::Vote(vote) => {
                    let id = LogId { leader: vote.leader, index: u64::from(vote.committed) };
                    changes.set(KEY_VOTE, &encode_log_id(id));
                }
                Record::Committed(id) => changes.set(KEY_COMMITTED, &encode_log_id(*id)),
                Record::Truncate(_) | Record::Purge(_) => {
                    // Removal looks at what the database holds, so what came before in this group must be in it.
                    self.store.commit(std::mem::replace(&mut changes, Changes::new()))?;
                    if let Record::Purge(upto) = record {
                        changes.set(KEY_PURGED, &encode_log_id(*upto));
                        self.remove_entries(0..upto.index.saturating_add(1), &mut changes)?;
                    } else if let Record::Truncate(last) = record {
                        let next = last.map_or(0, |last| last.index.saturating_add(1));
                        self.remove_entries(next..u64::MAX, &mut changes)?;
                    }
                    self.store.commit(std::mem::replace(&mut changes, Changes::new()))?;
                }
            }
        }
        self.store.commit(changes)
    }

    fn reader(&self) -> Arc<dyn LogReader> {
        Arc::new(SledReader { store: Arc::clone(&self.store) })
    }
}

struct SledReader {
    store: Arc<DurableSled>,
}

impl LogReader for SledReader {
    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, Error> {
        read_entries(&self.store, range, bytes_max)
    }
}

fn read_entries(store: &DurableSled, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    let mut current: Option<(u64, Vec<u8>)> = None;
    let mut damaged = None;
    // Takes a whole entry; false once there are enough.
    let mut take = |index: u64, value: Vec<u8>| match decode_entry(index, value) {
        Some(entry) => {
            bytes += entry.bytes();
            let fits = entries.is_empty() || bytes <= bytes_max;
            if fits {
                entries.push(entry);
            }
            fits
        }
        None => {
            damaged = Some(index);
            false
        }
    };
    store.for_each(&entry_key(range.start), &entry_key(range.end), |key, piece| {
        let Some(index) =
            key.get(1..).and_then(|key| key.first_chunk()).map(|index| u64::from_be_bytes(*index))
        else {
            return true;
        };
        match &mut current {
            Some((open, value)) if *open == index => value.extend_from_slice(piece),
            _ => {
                if let Some((index, value)) = current.replace((index, piece.to_vec()))
                    && !take(index, value)
                {
                    current = None;
                    return false;
                }
            }
        }
        true
    })?;
    if let Some((index, value)) = current {
        take(index, value);
    }
    match damaged {
        Some(index) => Err(Error::corrupt(FOLDER, index, "the entry of this index is damaged")),
        None => Ok(entries),
    }
}

fn entry_key(index: u64) -> Vec<u8> {
    [b"e".as_slice(), &index.to_be_bytes()].concat()
}

fn encode_entry(entry: &Entry) -> Vec<u8> {
    let mut value = vec![0; 4];
    value.extend_from_slice(&entry.id.leader.term.to_le_bytes());
    value.extend_from_slice(&entry.id.leader.node.to_le_bytes());
    value.push(entry.kind);
    value.extend_from_slice(&entry.payload);
    let crc = crc32c(value.get(4..).unwrap_or_default());
    for (to, from) in value.iter_mut().zip(crc.to_le_bytes()) {
        *to = from;
    }
    value
}

fn decode_entry(index: u64, value: Vec<u8>) -> Option<Entry> {
    let (crc, rest) = value.split_first_chunk()?;
    if u32::from_le_bytes(*crc) != crc32c(rest) {
        return None;
    }
    let term = u64::from_le_bytes(*rest.first_chunk()?);
    let node = u64::from_le_bytes(*rest.get(8..)?.first_chunk()?);
    let kind = *rest.get(16)?;
    let payload = Bytes::from(value).slice(ENTRY_HEADER_BYTES..);
    Some(Entry { id: LogId { leader: LeaderId { term, node }, index }, kind, payload })
}

fn encode_log_id(id: LogId) -> Vec<u8> {
    [id.leader.term, id.leader.node, id.index].iter().flat_map(|field| field.to_le_bytes()).collect()
}

fn decode_log_id(value: &[u8]) -> Option<LogId> {
    let field = |at: usize| Some(u64::from_le_bytes(*value.get(at..)?.first_chunk()?));
    Some(LogId::new(field(0)?, field(8)?, field(16)?))
}
