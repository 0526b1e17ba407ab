//! The bytes of a segment file.
//!
//! All integers are little-endian. Lengths, salts and checksums make a record recognisable by itself.
//!
//! Segment header, at 0, alone in its sector so that no later write touches it:
//!
//! | offset | bytes | field |
//! |---:|---:|---|
//! | 0 | 8 | magic `QRLOGSEG` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | salt, never 0: tells this segment's records from those that the file held before it was recycled |
//! | 16 | 8 | segment number, one more than the segment before |
//! | 24 | 8 | length of the file |
//! | 32 | 28 | zero |
//! | 60 | 4 | CRC-32C of the bytes 0..60 |
//! | 64 | 448 | zero |
//!
//! Records follow from 512 on, each at a multiple of 8, the padding being zero:
//!
//! | offset | bytes | field |
//! |---:|---:|---|
//! | 0 | 4 | CRC-32C of header bytes 4..24 and the body |
//! | 4 | 4 | length of the body |
//! | 8 | 4 | the segment's salt |
//! | 12 | 1 | kind: 1 entry, 2 vote, 3 committed, 4 truncate, 5 purge |
//! | 13 | 1 | flags: bit 0 marks the last record of its group |
//! | 14 | 2 | zero |
//! | 16 | 8 | group number, one more than the group before |
//! | 24 | | body |
//!
//! Bodies: *log id* is term, node, index (8 bytes each). Entry: log id, entry kind (1), zero (7), payload.
//! Vote: term, node, committed (8 bytes each, 0 or 1). Committed, purge: log id.
//! Truncate: 1 and the log id of the last entry kept, or 0 and zeros for none (8 + 24 bytes).

use std::{io::IoSlice, ops::Range};

use bytes::Bytes;

use crate::{
    crc::{Crc, crc32c},
    error::Error,
    id::{Entry, LogId, Vote},
    log::Record,
};

/// The version of the log's segments that this program writes.
pub const FORMAT_VERSION: u32 = 1;
/// Where the first record begins.
pub(super) const SEGMENT_HEADER_BYTES: u64 = 512;
pub(super) const RECORD_HEADER_BYTES: usize = 24;
const ENTRY_HEADER_BYTES: usize = 32;
const MAGIC: &[u8; 8] = b"QRLOGSEG";
const LAST_OF_GROUP: u8 = 1;
/// Payloads up to this size are copied into the group's buffer; larger ones are written from where they are.
const COPIED_BYTES_MAX: usize = 4096;

const KIND_ENTRY: u8 = 1;
const KIND_VOTE: u8 = 2;
const KIND_COMMITTED: u8 = 3;
const KIND_TRUNCATE: u8 = 4;
const KIND_PURGE: u8 = 5;

/// What the header of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    pub(super) salt: u32,
    pub(super) file_bytes: u64,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES as usize);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.file_bytes.to_le_bytes());
        bytes.resize(60, 0);
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.resize(SEGMENT_HEADER_BYTES as usize, 0);
        bytes
    }

    pub(super) fn decode(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let damaged = |reason: &str| Error::corrupt(file, 0, reason);
        let (Some(head), Some(crc)) = (bytes.get(..60), u32_at(bytes, 60)) else {
            return Err(damaged("the segment header is cut off"));
        };
        if !head.starts_with(MAGIC) {
            return Err(damaged("this is not a log segment"));
        }
        if crc32c(head) != crc {
            return Err(damaged("the segment header has a wrong checksum"));
        }
        let fields = (u32_at(head, 8), u32_at(head, 12), u64_at(head, 16), u64_at(head, 24));
        let (Some(version), Some(salt), Some(number), Some(file_bytes)) = fields else {
            return Err(damaged("the segment header is cut off"));
        };
        if version != FORMAT_VERSION {
            return Err(Error::Version { file: file.into(), found: version, supported: FORMAT_VERSION });
        }
        Ok(Self { number, salt, file_bytes })
    }
}

/// A group, encoded, and where its entries begin.
pub(super) struct EncodedGroup {
    scratch: Vec<u8>,
    parts: Vec<Part>,
    /// Index of each entry, and the offset of its record within the group.
    pub(super) entries: Vec<(u64, u64)>,
    pub(super) bytes: u64,
}

enum Part {
    Scratch(Range<usize>),
    Payload(Bytes),
}

/// Bytes that a record takes in the segment.
pub(super) fn record_bytes(record: &Record) -> u64 {
    let body = match record {
        Record::Entry(entry) => ENTRY_HEADER_BYTES + entry.payload.len(),
        Record::Vote(_) | Record::Committed(_) | Record::Purge(_) => 24,
        Record::Truncate(_) => 32,
    };
    padded(RECORD_HEADER_BYTES as u64 + body as u64)
}

const fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(8)
}

impl EncodedGroup {
    pub(super) fn encode(records: &[&Record], group: u64, salt: u32) -> Self {
        let bytes = records.iter().map(|record| record_bytes(record)).sum();
        let copied = records.iter().map(|record| match record {
            Record::Entry(entry) if entry.payload.len() > COPIED_BYTES_MAX => 64,
            record => record_bytes(record),
        });
        let mut encoder = Self {
            scratch: Vec::with_capacity(copied.sum::<u64>() as usize),
            parts: Vec::new(),
            entries: Vec::new(),
            bytes,
        };
        let mut offset = 0;
        for (position, record) in records.iter().enumerate() {
            if let Record::Entry(entry) = record {
                encoder.entries.push((entry.id.index, offset));
            }
            let flags = if position + 1 == records.len() { LAST_OF_GROUP } else { 0 };
            encoder.push(record, flags, group, salt);
            offset += record_bytes(record);
        }
        encoder
    }

    fn push(&mut self, record: &Record, flags: u8, group: u64, salt: u32) {
        let mut body = Vec::with_capacity(ENTRY_HEADER_BYTES);
        let (kind, payload) = match record {
            Record::Entry(entry) => {
                put_log_id(&mut body, &entry.id);
                body.push(entry.kind);
                body.resize(ENTRY_HEADER_BYTES, 0);
                (KIND_ENTRY, Some(&entry.payload))
            }
            Record::Vote(vote) => {
                for field in [vote.leader.term, vote.leader.node, u64::from(vote.committed)] {
                    body.extend_from_slice(&field.to_le_bytes());
                }
                (KIND_VOTE, None)
            }
            Record::Committed(id) => {
                put_log_id(&mut body, id);
                (KIND_COMMITTED, None)
            }
            Record::Truncate(last) => {
                body.extend_from_slice(&u64::from(last.is_some()).to_le_bytes());
                put_log_id(&mut body, &last.unwrap_or_default());
                (KIND_TRUNCATE, None)
            }
            Record::Purge(id) => {
                put_log_id(&mut body, id);
                (KIND_PURGE, None)
            }
        };
        let payload_bytes = payload.map_or(0, Bytes::len);
        let mut header = [0; RECORD_HEADER_BYTES - 4];
        let body_bytes = (body.len() + payload_bytes) as u32;
        let fields =
            body_bytes.to_le_bytes().into_iter().chain(salt.to_le_bytes()).chain([kind, flags, 0, 0]);
        for (to, from) in header.iter_mut().zip(fields.chain(group.to_le_bytes())) {
            *to = from;
        }
        let mut crc = Crc::new();
        crc.update(&header);
        crc.update(&body);
        crc.update(payload.map_or(&[], |payload| payload));
        let start = self.scratch.len();
        self.scratch.extend_from_slice(&crc.finish().to_le_bytes());
        self.scratch.extend_from_slice(&header);
        self.scratch.extend_from_slice(&body);
        match payload {
            Some(payload) if payload_bytes > COPIED_BYTES_MAX => {
                self.extend_scratch_part(start);
                self.parts.push(Part::Payload(payload.clone()));
                let start = self.scratch.len();
                self.scratch.resize(start + padded(payload_bytes as u64) as usize - payload_bytes, 0);
                self.extend_scratch_part(start);
            }
            Some(payload) => {
                self.scratch.extend_from_slice(payload);
                self.scratch.resize(start + record_bytes(record) as usize, 0);
                self.extend_scratch_part(start);
            }
            None => self.extend_scratch_part(start),
        }
    }

    /// Makes the scratch bytes from `start` on part of the group, joined to the part before where possible.
    fn extend_scratch_part(&mut self, start: usize) {
        let end = self.scratch.len();
        match self.parts.last_mut() {
            Some(Part::Scratch(range)) if range.end == start => range.end = end,
            _ => self.parts.push(Part::Scratch(start..end)),
        }
    }

    /// The group's bytes in order.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        let parts = self.parts.iter().map(|part| match part {
            Part::Scratch(range) => IoSlice::new(self.scratch.get(range.clone()).unwrap_or_default()),
            Part::Payload(payload) => IoSlice::new(payload),
        });
        parts.filter(|slice| !slice.is_empty()).collect()
    }
}

/// A record whose checksum is right.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    kind: u8,
    pub(super) is_last_of_group: bool,
    pub(super) group: u64,
    body: Range<usize>,
    /// Where the next record begins.
    pub(super) end: usize,
}

impl Parsed {
    /// The record at `offset`, if there is a whole and right one of this segment.
    pub(super) fn at(bytes: &[u8], offset: usize, salt: u32) -> Option<Self> {
        if u32_at(bytes, offset.checked_add(8)?)? != salt {
            return None;
        }
        let body_bytes = usize::try_from(u32_at(bytes, offset + 4)?).ok()?;
        let start = offset.checked_add(RECORD_HEADER_BYTES)?;
        let body = start..start.checked_add(body_bytes)?;
        let checked = bytes.get(offset + 4..body.end)?;
        if crc32c(checked) != u32_at(bytes, offset)? {
            return None;
        }
        let flags = *bytes.get(offset + 13)?;
        Some(Self {
            kind: *bytes.get(offset + 12)?,
            is_last_of_group: flags & LAST_OF_GROUP != 0,
            group: u64_at(bytes, offset + 16)?,
            end: body.end.next_multiple_of(8),
            body,
        })
    }

    /// What the record says; payloads are slices of `bytes`, which is what it was parsed from.
    ///
    /// # Errors
    /// [`Error::Version`] for a kind that a later version added, [`Error::Corrupt`] for a body of the wrong shape,
    /// which only a faulty writer can make.
    pub(super) fn decode(&self, bytes: &Bytes, file: &str, base: u64) -> Result<Record, Error> {
        let malformed = || {
            let offset = base + (self.body.start - RECORD_HEADER_BYTES) as u64;
            Error::corrupt(file, offset, "a record has a right checksum and a wrong shape")
        };
        let body = bytes.get(self.body.clone()).ok_or_else(malformed)?;
        let record = match self.kind {
            KIND_ENTRY => log_id_at(body, 0).zip(body.get(24)).and_then(|(id, kind)| {
                let payload = self.body.start.checked_add(ENTRY_HEADER_BYTES)?..self.body.end;
                (payload.start <= payload.end)
                    .then(|| Record::Entry(Entry { id, kind: *kind, payload: bytes.slice(payload) }))
            }),
            KIND_VOTE => log_id_at(body, 0)
                .map(|fields| Record::Vote(Vote { leader: fields.leader, committed: fields.index != 0 })),
            KIND_COMMITTED => log_id_at(body, 0).map(Record::Committed),
            KIND_TRUNCATE => {
                let last = log_id_at(body, 8);
                u64_at(body, 0)
                    .zip(last)
                    .map(|(is_some, last)| Record::Truncate((is_some != 0).then_some(last)))
            }
            KIND_PURGE => log_id_at(body, 0).map(Record::Purge),
            kind => {
                return Err(Error::Version {
                    file: format!("{file} (record kind {kind})"),
                    found: FORMAT_VERSION + 1,
                    supported: FORMAT_VERSION,
                });
            }
        };
        record.ok_or_else(malformed)
    }
}

/// Every whole record of this segment at or after `offset`, whatever lies between them: where it starts, and itself.
pub(super) fn scan(bytes: &[u8], offset: usize, salt: u32) -> impl Iterator<Item = (usize, Parsed)> + '_ {
    let mut next = offset.next_multiple_of(8);
    std::iter::from_fn(move || {
        while next < bytes.len() {
            let here = next;
            if let Some(parsed) = Parsed::at(bytes, here, salt) {
                next = parsed.end;
                return Some((here, parsed));
            }
            next += 8;
        }
        None
    })
}

fn put_log_id(bytes: &mut Vec<u8>, id: &LogId) {
    for field in [id.leader.term, id.leader.node, id.index] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
}

fn log_id_at(bytes: &[u8], offset: usize) -> Option<LogId> {
    Some(LogId::new(u64_at(bytes, offset)?, u64_at(bytes, offset + 8)?, u64_at(bytes, offset + 16)?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}
