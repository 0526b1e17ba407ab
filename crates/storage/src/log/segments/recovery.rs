//! Reads the segments at start, in order, and decides where the log ends.
//!
//! Groups are numbered without gaps, and group *g+2* is written only after the sync of group *g+1* returned. So after
//! the last whole group *g*, whole records of *g+1* may lie beside torn ones: the power went before its sync returned,
//! nobody was told that it is durable, and it is cut. A record of *g+2* or later anywhere after the end means that
//! something durable is missing before it: that is damage, and is reported.
//! (A damaged *last* group looks like a torn one. The ledger's checkpoints are there to notice that.)
//!
//! Nothing is written before all segments were judged.

use std::{io::IoSlice, sync::Arc};

use bytes::Bytes;

use super::{
    FOLDER,
    format::{Parsed, SEGMENT_HEADER_BYTES, SegmentHeader, scan},
    index::{Index, Segment},
    segment_number, segment_path,
};
use crate::{
    disk::{Disk, read_all},
    error::Error,
    id::LogId,
    log::{Record, engine::Recovery},
};

/// The segments as found, and what to go on with.
pub(super) struct Found {
    pub(super) index: Index,
    pub(super) recovery: Recovery,
    /// Number of the last whole group.
    pub(super) group: u64,
    /// A segment that was made ready and holds nothing yet.
    pub(super) ready: Option<Segment>,
    /// Segments that hold nothing of the log any more.
    pub(super) retired: Vec<Segment>,
}

struct Loaded {
    segment: Segment,
    bytes: Bytes,
}

/// Where a segment's whole groups end.
struct End {
    offset: usize,
    /// Where the first torn record begins.
    torn_at: usize,
}

pub(super) fn recover(disk: &dyn Disk) -> Result<Found, Error> {
    let names = disk.list(FOLDER).map_err(|error| Error::io("list", FOLDER, error))?;
    let mut numbers = Vec::new();
    for name in names {
        if name.ends_with(".tmp") {
            let path = format!("{FOLDER}/{name}");
            disk.remove(&path).map_err(|error| Error::io("remove", path, error))?;
        } else {
            numbers.extend(segment_number(&name));
        }
    }
    // Purged segments go oldest first, but a crash may undo some removals and not others: what lies before a gap is
    // left over from a purge, or else the check for a missing beginning below fails.
    let chain_start =
        numbers.windows(2).rposition(|pair| !matches!(pair, [a, b] if a + 1 == *b)).map_or(0, |gap| gap + 1);
    let chain = numbers.split_off(chain_start);
    let strays = numbers;
    let mut replay = Replay::new(&chain);
    replay.run(disk, &chain)?;
    replay.check_beginning(&chain)?;
    let mut found = replay.finish(disk)?;
    for number in strays {
        let path = segment_path(number);
        let file = disk.open(&path).map_err(|error| Error::io("open", path.as_str(), error))?;
        let file_bytes = file.len().map_err(|error| Error::io("measure", path.as_str(), error))?;
        found.retired.insert(0, Segment::new(number, path, file, 0, file_bytes));
    }
    Ok(found)
}

fn load(disk: &dyn Disk, number: u64) -> Result<Loaded, Error> {
    let path = segment_path(number);
    let io = |error| Error::io("read", path.as_str(), error);
    let file = disk.open(&path).map_err(io)?;
    let bytes = Bytes::from(read_all(file.as_ref()).map_err(io)?);
    let header = SegmentHeader::decode(&path, &bytes)?;
    if header.number != number {
        return Err(Error::corrupt(
            path,
            16,
            format!("the segment says that it is number {}", header.number),
        ));
    }
    if header.file_bytes != bytes.len() as u64 {
        return Err(Error::corrupt(path, bytes.len() as u64, "the segment is cut off"));
    }
    Ok(Loaded { segment: Segment::new(number, path, file, header.salt, header.file_bytes), bytes })
}

struct Replay {
    index: Index,
    recovery: Recovery,
    /// Last whole group; `None` before the first of a log whose beginning was purged.
    group: Option<u64>,
    /// The purged position must reach this far for the missing beginning to be explained.
    missing_before: u64,
    /// Number of the segment with the last purge, whose group repeats vote and committed position; 0 for none.
    purge_segment: u64,
    /// Segments after the end.
    after: Vec<Segment>,
    /// Records of a cut group that must not be found again.
    wipes: Vec<Wipe>,
}

struct Wipe {
    file: Arc<dyn crate::disk::File>,
    path: String,
    start: u64,
    bytes: u64,
}

impl Replay {
    fn new(chain: &[u64]) -> Self {
        let group = (chain.first() == Some(&1)).then_some(0);
        let recovery = Recovery { segments: chain.len() as u64, ..Recovery::default() };
        Self {
            index: Index::default(),
            recovery,
            group,
            missing_before: 0,
            purge_segment: 0,
            after: Vec::new(),
            wipes: Vec::new(),
        }
    }

    fn run(&mut self, disk: &dyn Disk, chain: &[u64]) -> Result<(), Error> {
        let mut numbers = chain.iter().copied();
        let Some(first) = numbers.next() else { return Ok(()) };
        let mut current = load(disk, first)?;
        loop {
            let (segment, bytes) = (current.segment, current.bytes);
            let (path, salt) = (segment.path.clone(), segment.salt);
            self.index.segments.push_back(segment);
            let end = self.replay_segment(&path, salt, &bytes)?;
            if let Some(segment) = self.index.segments.back_mut() {
                segment.end = end.offset as u64;
            }
            let next = numbers.next().map(|number| load(disk, number)).transpose()?;
            if let Some(next) = next {
                let first = Parsed::at(&next.bytes, SEGMENT_HEADER_BYTES as usize, next.segment.salt);
                let follows = first.is_some_and(|first| first.group == self.next_group());
                if follows {
                    self.refuse_later_records(&path, &end, salt, &bytes, &path)?;
                    current = next;
                    continue;
                }
                self.judge_tail(&path, &end, salt, &bytes)?;
                self.judge_after(next, &end)?;
            } else {
                self.judge_tail(&path, &end, salt, &bytes)?;
            }
            for number in numbers {
                self.judge_after(load(disk, number)?, &end)?;
            }
            return Ok(());
        }
    }

    fn next_group(&self) -> u64 {
        self.group.map_or(0, |group| group.saturating_add(1))
    }

    /// Applies the whole groups of a segment.
    fn replay_segment(&mut self, path: &str, salt: u32, bytes: &Bytes) -> Result<End, Error> {
        let mut end = End { offset: SEGMENT_HEADER_BYTES as usize, torn_at: SEGMENT_HEADER_BYTES as usize };
        let mut group: Vec<(usize, Parsed)> = Vec::new();
        while let Some(parsed) = Parsed::at(bytes, end.torn_at, salt) {
            let number = group
                .first()
                .map_or_else(|| self.group.map(|group| group + 1), |(_, first)| Some(first.group));
            if number.is_some_and(|number| number != parsed.group) {
                break;
            }
            let (is_last, next, number) = (parsed.is_last_of_group, parsed.end, parsed.group);
            group.push((end.torn_at, parsed));
            end.torn_at = next;
            if is_last {
                for (offset, parsed) in group.drain(..) {
                    let record = parsed.decode(bytes, path, 0)?;
                    self.apply(record, offset as u64, path)?;
                }
                self.group = Some(number);
                end.offset = next;
            }
        }
        Ok(end)
    }

    fn apply(&mut self, record: Record, offset: u64, path: &str) -> Result<(), Error> {
        let view = &mut self.recovery.view;
        match record {
            Record::Entry(entry) => {
                let index = entry.id.index;
                if let Some(expected) = view.next_index().filter(|expected| *expected != index) {
                    if view.len() > 0 || index < expected {
                        let reason = format!("entry {index} follows where {expected} should");
                        return Err(Error::corrupt(path, offset, reason));
                    }
                    // The entries between were in segments that a later purge or truncation gave up.
                    self.missing_before = index;
                }
                view.push(&entry);
                self.index.push(index, offset);
            }
            Record::Vote(vote) => self.recovery.vote = Some(vote),
            Record::Committed(id) => self.recovery.committed = Some(id),
            Record::Truncate(last) => {
                let next = last.map_or(0, |last: LogId| last.index.saturating_add(1));
                view.truncate(next);
                self.index.truncate(next);
                self.missing_before = self.missing_before.min(next);
            }
            Record::Purge(upto) => {
                // A position that changes nothing is only found where the beginning was given up.
                let _ = view.purge(upto);
                self.index.purge(upto.index.saturating_add(1));
                self.purge_segment = self.index.segments.back().map_or(0, |segment| segment.number);
            }
        }
        Ok(())
    }

    /// Fails if a record of a group after the next one lies beyond the end.
    fn refuse_later_records(
        &self,
        path: &str,
        end: &End,
        salt: u32,
        bytes: &Bytes,
        file: &str,
    ) -> Result<usize, Error> {
        let mut last = end.offset;
        for (offset, parsed) in scan(bytes, end.offset, salt) {
            // With no group known there is nothing that could be torn.
            if self.group.is_none() || parsed.group > self.next_group() {
                let reason = format!(
                    "group {} is missing, group {} is at {offset} of {file}",
                    self.next_group(),
                    parsed.group
                );
                return Err(Error::corrupt(path, end.torn_at as u64, reason));
            }
            if parsed.group == self.next_group() {
                last = parsed.end.min(bytes.len());
            }
        }
        Ok(last)
    }

    /// The log ends in the last replayed segment: makes sure that nothing durable follows, and notes what to wipe.
    fn judge_tail(&mut self, path: &str, end: &End, salt: u32, bytes: &Bytes) -> Result<(), Error> {
        let stale_end = self.refuse_later_records(path, end, salt, bytes, path)?;
        let torn_end = stale_end.max(end.torn_at).min(bytes.len());
        if let Some(segment) = self.index.segments.back() {
            self.wipes.extend(Wipe::of(segment, end.offset, torn_end));
        }
        Ok(())
    }

    /// The same for a segment after the one in which the log ends.
    fn judge_after(&mut self, loaded: Loaded, end: &End) -> Result<(), Error> {
        let start = SEGMENT_HEADER_BYTES as usize;
        let here = End { offset: start, torn_at: end.torn_at };
        let path = self.index.segments.back().map_or_else(String::new, |segment| segment.path.clone());
        let (segment, bytes) = (loaded.segment, loaded.bytes);
        let stale_end = self.refuse_later_records(&path, &here, segment.salt, &bytes, &segment.path)?;
        self.wipes.extend(Wipe::of(&segment, start, stale_end));
        self.after.push(segment);
        Ok(())
    }

    /// Entries may be missing at the beginning only if they were purged.
    fn check_beginning(&self, chain: &[u64]) -> Result<(), Error> {
        let Some(first) = chain.first().filter(|first| **first > 1) else { return Ok(()) };
        let view = &self.recovery.view;
        let next = view.purged().map(|purged| purged.index.saturating_add(1));
        let starts_at = if view.len() > 0 { view.indexes().start } else { 0 };
        if self.group.is_none() || next.is_none_or(|next| next < self.missing_before || next < starts_at) {
            let reason = format!("the segment is missing, though entries are purged only before {next:?}");
            return Err(Error::corrupt(segment_path(first - 1), 0, reason));
        }
        Ok(())
    }

    fn finish(mut self, disk: &dyn Disk) -> Result<Found, Error> {
        for wipe in &self.wipes {
            wipe.run()?;
        }
        self.recovery.torn_bytes = self.wipes.iter().map(|wipe| wipe.bytes).sum();
        let mut after = self.after.into_iter();
        let ready = after.next();
        // There are two when the power went just after a segment was taken and the next one made.
        for segment in after {
            disk.remove(&segment.path).map_err(|error| Error::io("remove", segment.path, error))?;
        }
        self.recovery.is_new = self.index.segments.is_empty();
        let retired = self.index.take_empty(self.purge_segment);
        Ok(Found {
            index: self.index,
            recovery: self.recovery,
            group: self.group.unwrap_or(0),
            ready,
            retired,
        })
    }
}

impl Wipe {
    fn of(segment: &Segment, start: usize, end: usize) -> Option<Self> {
        let bytes = end.checked_sub(start).filter(|bytes| *bytes > 0)? as u64;
        Some(Self { file: Arc::clone(&segment.file), path: segment.path.clone(), start: start as u64, bytes })
    }

    /// Overwrites the records of the cut group, whose number will be given again.
    fn run(&self) -> Result<(), Error> {
        let io = |error| Error::io("wipe", self.path.as_str(), error);
        let zeros = vec![0; 1 << 16];
        let mut done = 0;
        while done < self.bytes {
            let count = (self.bytes - done).min(zeros.len() as u64) as usize;
            let piece = zeros.get(..count).unwrap_or_default();
            self.file.write_at(self.start + done, &[IoSlice::new(piece)]).map_err(io)?;
            done += count as u64;
        }
        self.file.sync_data().map_err(io)
    }
}
