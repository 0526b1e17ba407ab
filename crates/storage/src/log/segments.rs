//! The default engine: a write-ahead log in segment files.
//!
//! A segment has its full length, written with zeros, before the first record comes: overwriting needs no metadata, so
//! that one `fdatasync` is one flush of the device. A group is one vectored write and one sync, and never crosses a
//! segment's end. The bytes are in [`format`], where the log ends in [`recovery`], who makes segments in [`maker`],
//! where entries lie in [`index`].
//!
//! Invariants:
//! - a group is on disk before the next one is written;
//! - the last part of each segment is kept for groups without entries: with a full disk, votes and purges still fit;
//! - a purge repeats vote and committed position, so that the oldest segments can go without losing them.

use std::{
    hash::{BuildHasher, Hasher},
    sync::Arc,
};

use parking_lot::RwLock;

mod format;
mod index;
mod maker;
mod recovery;

pub use self::format::FORMAT_VERSION;

use self::{
    format::{EncodedGroup, SEGMENT_HEADER_BYTES, record_bytes},
    index::{Index, SegmentReader},
    maker::Maker,
};
use super::{Executor, LogEngine, LogOptions, LogReader, Record, engine::Recovery};
use crate::{
    disk::Disk,
    error::Error,
    id::{LogId, Vote},
};

const FOLDER: &str = "log";
/// The part of a segment that entries do not use; a small segment keeps an eighth.
const RESERVE_BYTES_MAX: u64 = 64 << 10;
/// Smaller segments would have no room between header and reserve.
const SEGMENT_BYTES_MIN: u64 = 4096;
/// Offsets are kept in 32 bits, in units of 8 bytes.
const SEGMENT_BYTES_MAX: u64 = 16 << 30;

/// The write-ahead log in segment files.
pub(super) struct Segments {
    index: Arc<RwLock<Index>>,
    maker: Maker,
    /// Number of the last group.
    group: u64,
    vote: Option<Vote>,
    committed: Option<LogId>,
    reserve_bytes: u64,
}

impl Segments {
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        options: &LogOptions,
        executor: Executor,
    ) -> Result<(Self, Recovery), Error> {
        let found = recovery::recover(disk.as_ref())?;
        let segment_bytes =
            options.segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX).next_multiple_of(512);
        // The standard library's hash keys are drawn from the operating system.
        let drawn = || std::hash::RandomState::new().build_hasher().finish();
        let salt_seed = options.salt_seed.unwrap_or_else(drawn);
        let with_thread = executor == Executor::Thread;
        let maker = Maker::start(
            Arc::clone(disk),
            segment_bytes,
            salt_seed,
            options.recycled_segments_max,
            with_thread,
        )?;
        let mut index = found.index;
        maker.retire(found.retired)?;
        match index.segments.back() {
            Some(last) => maker.prepare(last.number + 1, found.ready),
            None => index.segments.push_back(maker.take(1, 0)?),
        }
        let engine = Self {
            index: Arc::new(RwLock::new(index)),
            maker,
            group: found.group,
            vote: found.recovery.vote,
            committed: found.recovery.committed,
            reserve_bytes: RESERVE_BYTES_MAX.min(segment_bytes / 8),
        };
        Ok((engine, found.recovery))
    }

    /// Makes sure that the last segment takes `bytes` more.
    fn make_room(&self, bytes: u64, has_entries: bool) -> Result<(), Error> {
        let reserve = if has_entries { self.reserve_bytes } else { 0 };
        let next = {
            let index = self.index.read();
            match index.segments.back() {
                Some(last) if last.end.saturating_add(bytes).saturating_add(reserve) <= last.file_bytes => {
                    return Ok(());
                }
                Some(last) => last.number.saturating_add(1),
                None => 1,
            }
        };
        let needed = SEGMENT_HEADER_BYTES.saturating_add(bytes).saturating_add(self.reserve_bytes);
        let segment = self.maker.take(next, needed)?;
        self.index.write().segments.push_back(segment);
        Ok(())
    }

    /// Writes the encoded group at the end of the last segment, and syncs it.
    fn write_out(&self, records: &[&Record]) -> Result<EncodedGroup, Error> {
        let (file, path, end, salt) = {
            let index = self.index.read();
            let last = index.segments.back().ok_or_else(|| Error::NotFound("log segment".into()))?;
            (Arc::clone(&last.file), last.path.clone(), last.end, last.salt)
        };
        let encoded = EncodedGroup::encode(records, self.group + 1, salt);
        // Not `Error::io`: a file system that is full *here* has written we do not know what.
        let fault = |action| move |source| Error::Io { action, path, source };
        file.write_at(end, &encoded.slices()).map_err(fault.clone()("write"))?;
        file.sync_data().map_err(fault("sync"))?;
        Ok(encoded)
    }

    /// Brings the index up to a group that is durable.
    fn note(&mut self, records: &[&Record], encoded: &EncodedGroup) -> Result<(), Error> {
        let mut index = self.index.write();
        let start = index.segments.back().map_or(0, |last| last.end);
        let mut entries = encoded.entries.iter();
        let mut retired = Vec::new();
        if let Some(last) = index.segments.back_mut() {
            last.end = start.saturating_add(encoded.bytes);
        }
        for record in records {
            match record {
                Record::Entry(_) => {
                    if let Some((entry, offset)) = entries.next() {
                        index.push(*entry, start.saturating_add(*offset));
                    }
                }
                Record::Truncate(last) => index.truncate(last.map_or(0, |last| last.index.saturating_add(1))),
                Record::Purge(upto) => {
                    index.purge(upto.index.saturating_add(1));
                    let live = index.segments.back().map_or(0, |last| last.number);
                    retired.extend(index.take_empty(live));
                }
                Record::Vote(_) | Record::Committed(_) => {}
            }
        }
        drop(index);
        if retired.is_empty() { Ok(()) } else { self.maker.retire(retired) }
    }
}

impl LogEngine for Segments {
    fn write(&mut self, group: &[&Record]) -> Result<(), Error> {
        let (mut vote, mut committed) = (self.vote, self.committed);
        for record in group {
            match record {
                Record::Vote(new) => vote = Some(*new),
                Record::Committed(new) => committed = Some(*new),
                Record::Entry(_) | Record::Truncate(_) | Record::Purge(_) => {}
            }
        }
        let mut records = group.to_vec();
        let carried = [vote.map(Record::Vote), committed.map(Record::Committed)];
        if group.iter().any(|record| matches!(record, Record::Purge(_))) {
            records.extend(carried.iter().flatten());
        }
        let bytes = records.iter().map(|record| record_bytes(record)).sum();
        let has_entries = group.iter().any(|record| matches!(record, Record::Entry(_)));
        self.make_room(bytes, has_entries)?;
        let encoded = self.write_out(&records)?;
        self.group += 1;
        (self.vote, self.committed) = (vote, committed);
        self.note(&records, &encoded)
    }

    fn reader(&self) -> Arc<dyn LogReader> {
        Arc::new(SegmentReader { index: Arc::clone(&self.index) })
    }
}

fn segment_path(number: u64) -> String {
    format!("{FOLDER}/{number:016x}.log")
}

fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}
