//! One value in a file: as a payload where it is small, in parts where it is large.
//!
//! While a value is gone over, its bytes are recorded; once there are more than [`WHOLE_BYTES_MAX`] of them, the
//! recorded ones are decoded and handed out as the first part, and the rest is decoded as it comes.

use std::io::Read;

use quorate_commands::rdb::kind::*;
use quorate_commands::rdb::{self, crc64};

use super::input::Input;
use super::{PART_BYTES, STREAM_BYTES_MAX, WHOLE_BYTES_MAX};
use crate::Error;

const MODULE_1: u8 = 6;
pub(super) const MODULE_2: u8 = 7;
/// What ends the values of a module.
const MODULE_END: u64 = 0;
/// Versions of payloads: the one that Redis 7.0 reads, and that of the types that 7.2 added.
const PAYLOAD_VERSION: u16 = 10;
const PAYLOAD_VERSION_NEWER: u16 = 11;

/// What a value in parts is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A string.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A hash.
    Hash,
    /// A sorted set.
    SortedSet,
}

/// A part of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Bytes of a string, elements of a list, or members of a set, in order.
    Elements(Vec<Vec<u8>>),
    /// Fields and values.
    Pairs(Vec<(Vec<u8>, Vec<u8>)>),
    /// Members and scores.
    Scores(Vec<(Vec<u8>, f64)>),
}

/// Why values of a type are not read.
pub(super) fn refused(kind: u8) -> Option<&'static str> {
    match kind {
        STRING..=SORTED_SET_2 | HASH_ZIPMAP..=STREAM_3 => None,
        MODULE_1 => Some("a value of a module"),
        MODULE_2 => Some("a value of a module's type"),
        // The numbers are shared by Valkey 9 and by pre-releases of Redis 7.4.
        22 | 23 => {
            Some("a hash whose fields expire (type 22 or 23, of Valkey 9 or a pre-release of Redis 7.4)")
        }
        24 | 25 => Some("a hash whose fields expire (type 24 or 25, of Redis 7.4 and later)"),
        _ => Some("a value of a type that no Redis up to 7.2 writes"),
    }
}

/// The name of a module's type, which is in its id: nine characters of six bits, and ten bits of a version.
pub(super) fn module_name(id: u64) -> String {
    const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).map(|i| char::from(CHARACTERS[(id >> (58 - 6 * i) & 63) as usize])).collect()
}

/// Goes over what a module has kept, up to its end.
pub(super) fn skip_module(input: &mut Input<impl Read>) -> Result<(), Error> {
    loop {
        match input.length()? {
            MODULE_END => return Ok(()),
            1 | 2 => drop(input.length()?),
            3 => input.skip(4)?,
            4 => input.skip(8)?,
            5 => input.skip_string()?,
            other => return Err(input.damaged(format!("a module's value has a part of kind {other}"))),
        }
    }
}

/// A value of which the first bytes were read.
pub(super) enum Begun {
    Empty,
    Whole(Vec<u8>),
    Parts(Open),
}

/// A value that is handed out in parts.
#[derive(Debug)]
pub(super) struct Open {
    kind: u8,
    /// Elements, pairs or nodes that were not yet read.
    left: u64,
    part: Gathered,
}

/// Reads a value, or as much of it as fits.
pub(super) fn begin(kind: u8, input: &mut Input<impl Read>) -> Result<Begun, Error> {
    input.record();
    if matches!(kind, STREAM | STREAM_2 | STREAM_3) {
        skip_stream(kind, input)?;
        return Ok(Begun::Whole(payload(kind, &input.take_record())));
    }
    let count = if is_counted(kind) { input.length()? } else { 1 };
    let mut read = 0;
    while read < count && input.recorded_bytes() <= WHOLE_BYTES_MAX {
        skip_unit(kind, input)?;
        read += 1;
    }
    let offset = input.offset();
    let record = input.take_record();
    if count == 0 || record.len() <= EMPTY_BYTES_MAX && is_empty(kind, &record, count) {
        return Ok(Begun::Empty);
    }
    if read == count && record.len() <= WHOLE_BYTES_MAX {
        return Ok(Begun::Whole(payload(kind, &record)));
    }
    let mut open = Open { kind, left: read, part: Gathered::default() };
    let mut again = Input::new(&record[..], Vec::new(), offset - record.len() as u64);
    if is_counted(kind) {
        again.length()?;
    }
    while open.left > 0 {
        open.unit(&mut again)?;
    }
    open.left = count - read;
    Ok(Begun::Parts(open))
}

/// Bytes of a value that may be one without elements: a few empty nodes.
const EMPTY_BYTES_MAX: usize = 64;

/// Whether nothing is in the strings in which a value is kept.
fn is_empty(kind: u8, record: &[u8], count: u64) -> bool {
    let mut open = Open { kind, left: count, part: Gathered::default() };
    let mut again = Input::new(record, Vec::new(), 0);
    let is_packed = !matches!(kind, STRING | LIST | SET | SORTED_SET | SORTED_SET_2 | HASH);
    if is_counted(kind) && again.length().is_err() {
        return false;
    }
    // What cannot be decoded is for the one to refuse that restores it.
    is_packed && open.part(&mut again).is_ok_and(|part| part.is_none())
}

fn payload(kind: u8, value: &[u8]) -> Vec<u8> {
    let version = if kind >= SET_LISTPACK { PAYLOAD_VERSION_NEWER } else { PAYLOAD_VERSION };
    let mut payload = Vec::with_capacity(value.len() + 11);
    payload.push(kind);
    payload.extend_from_slice(value);
    payload.extend(version.to_le_bytes());
    let checksum = crc64(&payload);
    payload.extend(checksum.to_le_bytes());
    payload
}

fn is_counted(kind: u8) -> bool {
    matches!(kind, LIST | SET | SORTED_SET | SORTED_SET_2 | HASH | LIST_QUICKLIST | LIST_QUICKLIST_2)
}

fn skip_unit(kind: u8, input: &mut Input<impl Read>) -> Result<(), Error> {
    match kind {
        HASH => {
            input.skip_string()?;
            input.skip_string()
        }
        SORTED_SET => {
            input.skip_string()?;
            input.text_double().map(drop)
        }
        SORTED_SET_2 => {
            input.skip_string()?;
            input.skip(8)
        }
        LIST_QUICKLIST_2 => {
            node(input)?;
            input.skip_string()
        }
        _ => input.skip_string(),
    }
}

fn node(input: &mut Input<impl Read>) -> Result<u64, Error> {
    match input.length()? {
        node @ (NODE_PLAIN | NODE_PACKED) => Ok(node),
        node => Err(input.damaged(format!("a list's node is of kind {node}"))),
    }
}

fn skip_stream(kind: u8, input: &mut Input<impl Read>) -> Result<(), Error> {
    const IDS: [u64; 3] = [2, 7, 7];
    let newer = usize::from(kind != STREAM) + usize::from(kind == STREAM_3);
    for _ in 0..input.length()? {
        input.skip_string()?;
        input.skip_string()?;
        bound_stream(input)?;
    }
    // The length; the last id; the first, the highest that was deleted, and how many there ever were.
    for _ in 0..1 + IDS[newer] {
        input.length()?;
    }
    for _ in 0..input.length()? {
        input.skip_string()?;
        for _ in 0..2 + newer.min(1) {
            input.length()?;
        }
        for _ in 0..input.length()? {
            input.skip(16 + 8)?;
            input.length()?;
            bound_stream(input)?;
        }
        for _ in 0..input.length()? {
            input.skip_string()?;
            input.skip(if kind == STREAM_3 { 16 } else { 8 })?;
            for _ in 0..input.length()? {
                input.skip(16)?;
                bound_stream(input)?;
            }
            bound_stream(input)?;
        }
    }
    Ok(())
}

fn bound_stream(input: &Input<impl Read>) -> Result<(), Error> {
    if input.recorded_bytes() > STREAM_BYTES_MAX {
        let what = format!("a stream of more than {STREAM_BYTES_MAX} bytes");
        return Err(Error::Unsupported { offset: input.offset(), what });
    }
    Ok(())
}

/// What comes next of a value in parts.
#[derive(Debug, Default)]
struct Gathered {
    bytes: usize,
    elements: Vec<Vec<u8>>,
    scores: Vec<f64>,
}

impl Open {
    pub(super) fn kind(&self) -> Type {
        match self.kind {
            STRING => Type::String,
            LIST | LIST_ZIPLIST | LIST_QUICKLIST | LIST_QUICKLIST_2 => Type::List,
            SET | SET_INTSET | SET_LISTPACK => Type::Set,
            HASH | HASH_ZIPMAP | HASH_ZIPLIST | HASH_LISTPACK => Type::Hash,
            _ => Type::SortedSet,
        }
    }

    /// The next part; none at the value's end.
    pub(super) fn part(&mut self, input: &mut Input<impl Read>) -> Result<Option<Part>, Error> {
        while self.left > 0 && self.part.bytes < PART_BYTES {
            self.unit(input)?;
        }
        if self.part.elements.is_empty() {
            return Ok(None);
        }
        // What one node or one string holds may be more than a part.
        let mut end = 0;
        let mut bytes = 0;
        let step = if matches!(self.kind(), Type::Hash) { 2 } else { 1 };
        while end < self.part.elements.len() && bytes < PART_BYTES {
            bytes += self.part.elements[end..].iter().take(step).map(Vec::len).sum::<usize>() + step;
            end = (end + step).min(self.part.elements.len());
        }
        let rest = self.part.elements.split_off(end);
        let elements = std::mem::replace(&mut self.part.elements, rest);
        self.part.bytes = self.part.bytes.saturating_sub(bytes);
        Ok(Some(match self.kind() {
            Type::Hash => {
                let mut elements = elements.into_iter();
                let mut pairs = Vec::with_capacity(end / 2);
                while let (Some(field), Some(value)) = (elements.next(), elements.next()) {
                    pairs.push((field, value));
                }
                Part::Pairs(pairs)
            }
            Type::SortedSet => {
                let rest = self.part.scores.split_off(end);
                let scores = std::mem::replace(&mut self.part.scores, rest);
                Part::Scores(elements.into_iter().zip(scores).collect())
            }
            _ => Part::Elements(elements),
        }))
    }

    fn unit(&mut self, input: &mut Input<impl Read>) -> Result<(), Error> {
        self.left -= 1;
        match self.kind {
            STRING => {
                let string = input.string()?;
                for piece in string.chunks(PART_BYTES) {
                    self.push(piece.to_vec());
                }
            }
            LIST | SET => self.push(input.string()?),
            HASH => {
                self.push(input.string()?);
                self.push(input.string()?);
            }
            SORTED_SET | SORTED_SET_2 => {
                let member = input.string()?;
                let score = match self.kind {
                    SORTED_SET => input.text_double()?,
                    _ => f64::from_le_bytes(input.array()?),
                };
                self.push(member);
                self.score(score, input)?;
            }
            LIST_QUICKLIST_2 if node(input)? == NODE_PLAIN => self.push(input.string()?),
            _ => self.packed(input)?,
        }
        Ok(())
    }

    fn packed(&mut self, input: &mut Input<impl Read>) -> Result<(), Error> {
        let bytes = input.string()?;
        let mut found = Vec::new();
        let walk = rdb::visit(self.kind, &bytes, &mut |element| {
            found.push(element.to_vec());
            Ok(())
        });
        walk.map_err(|error| input.damaged(error.to_string()))?;
        let has_pairs = matches!(self.kind(), Type::Hash | Type::SortedSet);
        if has_pairs && found.len() % 2 == 1 {
            return Err(input.damaged("a value of pairs has an odd number of elements"));
        }
        let mut found = found.into_iter();
        while let Some(element) = found.next() {
            self.push(element);
            if self.kind() == Type::SortedSet {
                let score = found.next().unwrap_or_default();
                let score = std::str::from_utf8(&score).ok().and_then(|score| score.parse().ok());
                self.score(score.unwrap_or(f64::NAN), input)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, element: Vec<u8>) {
        // An element takes room however short it is.
        self.part.bytes += element.len() + 1;
        self.part.elements.push(element);
    }

    fn score(&mut self, score: f64, input: &Input<impl Read>) -> Result<(), Error> {
        if score.is_nan() {
            return Err(input.damaged("a score is no number"));
        }
        self.part.scores.push(score);
        Ok(())
    }
}
