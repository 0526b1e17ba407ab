//! Where each entry lies, and the reading of entries from segment files.
//!
//! Four bytes of memory an entry. The writer changes the index after a group is durable; readers on any thread copy
//! what they need and read the file without a lock. A segment may be recycled under a reader: its salt changes then,
//! the record does not parse, and the reader looks again.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;

use super::format::Parsed;
use crate::{
    disk::File,
    error::Error,
    id::Entry,
    log::{LogReader, Record},
};

/// A segment file and the entries that it holds of the log.
#[derive(Clone)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: String,
    pub(super) file: Arc<dyn File>,
    pub(super) salt: u32,
    pub(super) file_bytes: u64,
    /// Where the next group goes.
    pub(super) end: u64,
    first: u64,
    /// Offsets of the records of entries `first..`, divided by 8.
    offsets: VecDeque<u32>,
}

impl Segment {
    pub(super) fn new(number: u64, path: String, file: Arc<dyn File>, salt: u32, file_bytes: u64) -> Self {
        let end = super::format::SEGMENT_HEADER_BYTES;
        Self { number, path, file, salt, file_bytes, end, first: 0, offsets: VecDeque::new() }
    }

    fn entries(&self) -> Range<u64> {
        self.first..self.first.saturating_add(self.offsets.len() as u64)
    }

    fn offset_of(&self, index: u64) -> Option<u64> {
        let position = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.offsets.get(position).map(|offset| u64::from(*offset) * 8)
    }
}

/// All segments of the log, oldest first. The last one is being written.
#[derive(Default)]
pub(super) struct Index {
    pub(super) segments: VecDeque<Segment>,
}

impl Index {
    /// Notes an entry of the last segment.
    pub(super) fn push(&mut self, index: u64, offset: u64) {
        if let Some(segment) = self.segments.back_mut() {
            if segment.offsets.is_empty() {
                segment.first = index;
            }
            segment.offsets.push_back(u32::try_from(offset / 8).unwrap_or(u32::MAX));
        }
    }

    /// Forgets the entries from `next` on.
    pub(super) fn truncate(&mut self, next: u64) {
        for segment in &mut self.segments {
            let keep = usize::try_from(next.saturating_sub(segment.first)).unwrap_or(usize::MAX);
            segment.offsets.truncate(keep);
        }
    }

    /// Forgets the entries before `next`.
    pub(super) fn purge(&mut self, next: u64) {
        for segment in &mut self.segments {
            let gone = usize::try_from(next.saturating_sub(segment.first)).unwrap_or(usize::MAX);
            segment.offsets.drain(..gone.min(segment.offsets.len()));
            segment.first = segment.first.max(next);
        }
    }

    /// Takes out the oldest segments that hold no entry of the log and come before segment `stop`.
    pub(super) fn take_empty(&mut self, stop: u64) -> Vec<Segment> {
        let mut retired = Vec::new();
        let is_empty = |segment: &Segment| segment.number < stop && segment.offsets.is_empty();
        while self.segments.front().is_some_and(is_empty) {
            retired.extend(self.segments.pop_front());
        }
        retired
    }

    /// What to read for the first entries of `range`: one piece of one segment.
    fn plan(&self, range: &Range<u64>, bytes_max: usize) -> Option<Plan> {
        let segment = self.segments.iter().find(|segment| segment.entries().contains(&range.start))?;
        let start = segment.offset_of(range.start)?;
        let stop = range.end.min(segment.entries().end);
        let mut plan = Plan {
            number: segment.number,
            path: segment.path.clone(),
            file: Arc::clone(&segment.file),
            salt: segment.salt,
            start,
            end: start,
            offsets: Vec::new(),
        };
        for index in range.start..stop {
            let offset = segment.offset_of(index)?;
            let end = segment.offset_of(index + 1).unwrap_or(segment.end);
            if !plan.offsets.is_empty() && end - start > bytes_max as u64 {
                break;
            }
            plan.offsets.push(offset - start);
            plan.end = end;
        }
        Some(plan)
    }
}

struct Plan {
    number: u64,
    path: String,
    file: Arc<dyn File>,
    salt: u32,
    start: u64,
    end: u64,
    /// Of the entries' records, from `start`.
    offsets: Vec<u64>,
}

impl Plan {
    fn read(&self, first: u64) -> Result<Vec<Entry>, Error> {
        let io = |error| Error::io("read", self.path.as_str(), error);
        let length = usize::try_from(self.end - self.start)
            .map_err(|_| Error::corrupt(self.path.as_str(), self.start, "more than the memory can hold"))?;
        let mut buffer = vec![0; length];
        let read = self.file.read_at(self.start, &mut buffer).map_err(io)?;
        buffer.truncate(read);
        let bytes = Bytes::from(buffer);
        let mut entries = Vec::with_capacity(self.offsets.len());
        for (index, offset) in (first..).zip(&self.offsets) {
            let damaged = || {
                Error::corrupt(self.path.as_str(), self.start + offset, format!("entry {index} is not here"))
            };
            let position = usize::try_from(*offset).map_err(|_| damaged())?;
            let parsed = Parsed::at(&bytes, position, self.salt).ok_or_else(damaged)?;
            match parsed.decode(&bytes, &self.path, self.start)? {
                Record::Entry(entry) if entry.id.index == index => entries.push(entry),
                _ => return Err(damaged()),
            }
        }
        Ok(entries)
    }
}

/// The reading side of the engine.
pub(super) struct SegmentReader {
    pub(super) index: Arc<RwLock<Index>>,
}

impl LogReader for SegmentReader {
    fn read(&self, mut range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        while !range.is_empty() {
            let Some(plan) = self.index.read().plan(&range, bytes_max.saturating_sub(bytes)) else {
                // Purged meanwhile, as far as nothing was read yet: go on with what is left.
                let first = self
                    .index
                    .read()
                    .segments
                    .iter()
                    .find(|segment| !segment.offsets.is_empty())
                    .map(|s| s.first);
                match first {
                    Some(first) if entries.is_empty() && first > range.start => range.start = first,
                    _ => break,
                }
                continue;
            };
            match plan.read(range.start) {
                Ok(read) => {
                    for entry in read {
                        bytes += entry.bytes();
                        if !entries.is_empty() && bytes > bytes_max {
                            return Ok(entries);
                        }
                        range.start = entry.id.index.saturating_add(1);
                        entries.push(entry);
                    }
                }
                Err(error) => {
                    let index = self.index.read();
                    let is_still_there = index.segments.iter().any(|segment| {
                        segment.number == plan.number && segment.offset_of(range.start) == Some(plan.start)
                    });
                    if is_still_there {
                        return Err(error);
                    }
                }
            }
            if bytes >= bytes_max {
                break;
            }
        }
        Ok(entries)
    }
}
