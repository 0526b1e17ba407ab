//! Scored members in one allocation, ordered by (score, member): a small sorted set.
//!
//! ```text
//! scored := score member
//! score  := count (one byte, 0 to 8) bytes       the first `count` bytes of the double, which is
//!                                                big-endian here; the others are zero
//! member := length (LEB128, at most 5 bytes) bytes
//! ```
//!
//! So small whole numbers take two or three bytes. The same bytes are the set's payload in a
//! snapshot, so loading one checks every length, every score and the order.

use std::cmp::Ordering;
use std::ops::Range;

use super::compare;
use crate::{packed, slots};

/// A list of scored members; look-ups walk it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackedScores {
    data: Vec<u8>,
    members: u32,
}

/// Where one member is.
pub(crate) struct Place {
    pub(crate) rank: usize,
    pub(crate) score: f64,
    bytes: Range<usize>,
}

impl PackedScores {
    pub(crate) fn len(&self) -> usize {
        self.members as usize
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// The list of bytes that are whole members in order.
    pub(crate) fn of(data: Vec<u8>) -> PackedScores {
        let members = PackedScoresIter::new(&data).count();
        PackedScores {
            data,
            members: u32::try_from(members).expect("members are counted before they are kept"),
        }
    }

    pub(crate) fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// These bytes as a list, where they are whole members in order and at least one. That no member
    /// is there with two scores is not checked: it would cost more than reading the rest.
    pub(crate) fn from_data(data: Vec<u8>) -> Option<PackedScores> {
        let mut members = PackedScoresIter::new(&data);
        let mut last: Option<(&[u8], f64)> = None;
        let mut count = 0u32;
        for (member, score) in members.by_ref() {
            if last.is_some_and(|(name, other)| compare((other, name), (score, member)) != Ordering::Less) {
                return None;
            }
            last = Some((member, score));
            count = count.checked_add(1)?;
        }
        (count > 0 && members.rest.is_empty()).then_some(PackedScores { members: count, data })
    }

    pub(crate) fn find(&self, member: &[u8]) -> Option<Place> {
        self.iter().find_place(member)
    }

    /// Sets the score of a member that was looked for with `find`; returns the old one.
    pub(crate) fn set(&mut self, found: Option<Place>, member: &[u8], score: f64) -> Option<f64> {
        // As in Redis' compact form, -0 is 0 here.
        let score = score + 0.0;
        let old = found.as_ref().map(|place| place.score);
        if old == Some(score) {
            return old;
        }
        match found {
            Some(place) => drop(self.data.drain(place.bytes)),
            None => self.members += 1,
        }
        let mut members = self.iter();
        let mut at = 0;
        while let Some((name, other)) = members.next() {
            if compare((other, name), (score, member)) == Ordering::Greater {
                break;
            }
            at = self.data.len() - members.rest.len();
        }
        let mut scored = Vec::with_capacity(SCORE_BYTES_MAX + LENGTH_BYTES_MAX + member.len());
        push_scored(&mut scored, member, score);
        slots::reserve(&mut self.data, scored.len());
        self.data.splice(at..at, scored);
        old
    }

    pub(crate) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let place = self.find(member)?;
        self.data.drain(place.bytes);
        self.members -= 1;
        slots::give_back(&mut self.data);
        Some(place.score)
    }

    pub(crate) fn remove_range(&mut self, ranks: Range<usize>) {
        let offset = |rank: usize| {
            let mut members = self.iter();
            if let Some(passed) = rank.checked_sub(1) {
                members.nth(passed);
            }
            self.data.len() - members.rest.len()
        };
        let bytes = offset(ranks.start)..offset(ranks.end);
        self.data.drain(bytes);
        self.members -= u32::try_from(ranks.len()).expect("the ranks are there");
        slots::give_back(&mut self.data);
    }

    pub(crate) fn iter(&self) -> PackedScoresIter<'_> {
        PackedScoresIter::new(&self.data)
    }
}

/// Longest score: its count and all bytes.
const SCORE_BYTES_MAX: usize = 9;
/// Longest length prefix.
const LENGTH_BYTES_MAX: usize = 5;

/// The scored members in order. Also reads bytes that did not come from here: it ends at the first
/// that are none.
#[derive(Clone, Debug)]
pub(crate) struct PackedScoresIter<'a> {
    rest: &'a [u8],
}

impl<'a> PackedScoresIter<'a> {
    pub(crate) fn new(data: &'a [u8]) -> PackedScoresIter<'a> {
        PackedScoresIter { rest: data }
    }

    /// Where a member is among those to come.
    pub(crate) fn find_place(mut self, member: &[u8]) -> Option<Place> {
        let total = self.rest.len();
        let mut rank = 0;
        loop {
            let start = total - self.rest.len();
            let (name, score) = self.next()?;
            if name == member {
                return Some(Place { rank, score, bytes: start..total - self.rest.len() });
            }
            rank += 1;
        }
    }
}

impl<'a> Iterator for PackedScoresIter<'a> {
    type Item = (&'a [u8], f64);

    fn next(&mut self) -> Option<Self::Item> {
        let (member, score, rest) = split_scored(self.rest)?;
        self.rest = rest;
        Some((member, score))
    }
}

/// Appends one scored member.
pub(crate) fn push_scored(out: &mut Vec<u8>, member: &[u8], score: f64) {
    let bytes = score.to_bits().to_be_bytes();
    let count = score_bytes(score);
    out.push(count as u8);
    out.extend_from_slice(&bytes[..count]);
    packed::push(out, member);
}

/// How many bytes `push_scored` appends for a member of this length.
pub(crate) fn encoded_bytes(score: f64, member_bytes: usize) -> usize {
    1 + score_bytes(score) + packed::encoded_bytes(member_bytes)
}

fn score_bytes(score: f64) -> usize {
    8 - (score.to_bits().trailing_zeros() / 8) as usize
}

/// One scored member off the front; `None` where it is not all there, or none.
pub(crate) fn split_scored(data: &[u8]) -> Option<(&[u8], f64, &[u8])> {
    let (&count, rest) = data.split_first()?;
    let (significant, rest) = rest.split_at_checked(usize::from(count))?;
    let mut bytes = [0; 8];
    bytes.get_mut(..significant.len())?.copy_from_slice(significant);
    let score = f64::from_bits(u64::from_be_bytes(bytes));
    // One score has one form, so that equal sets have equal bytes.
    if score.is_nan() || score_bytes(score) != significant.len() {
        return None;
    }
    let (member, rest) = packed::split_one(rest)?;
    Some((member, score, rest))
}
