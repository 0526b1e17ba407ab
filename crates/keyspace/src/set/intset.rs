//! Integers in one allocation, in ascending order: a set of nothing else.
//!
//! ```text
//! intset := width:u8 number*       little-endian, strictly ascending, each of `width` bytes
//! ```
//!
//! As in Redis' intset, the numbers are as wide as the widest that ever was in the set: 2, 4 or 8
//! bytes. The same bytes are the set's payload in a snapshot.

use std::cmp::Ordering;

use crate::slots;

/// Sorted integers.
#[derive(Clone, Debug)]
pub(crate) struct Intset {
    /// As above; the width is always there.
    data: Vec<u8>,
}

/// Sorted integers to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ints<'a> {
    data: &'a [u8],
}

/// The widths that numbers may have.
const WIDTHS: [usize; 3] = [2, 4, 8];
/// Of the width in front of the numbers.
const HEAD_BYTES: usize = 1;

impl Intset {
    pub(crate) fn new() -> Intset {
        Intset { data: vec![WIDTHS[0] as u8] }
    }

    /// The set of bytes that are one.
    pub(crate) fn of(data: Vec<u8>) -> Intset {
        Intset { data }
    }

    pub(crate) fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The width and the numbers.
    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(crate) fn ints(&self) -> Ints<'_> {
        Ints { data: &self.data }
    }

    /// These bytes as a set; `None` where the numbers are not ascending, not whole, or none.
    pub(crate) fn from_data(data: Vec<u8>) -> Option<Intset> {
        let (width, numbers) = data.split_first()?;
        let width = usize::from(*width);
        if !WIDTHS.contains(&width) || numbers.is_empty() || !numbers.len().is_multiple_of(width) {
            return None;
        }
        let set = Intset { data };
        set.ints().iter().is_sorted_by(|a, b| a < b).then_some(set)
    }

    /// True where the number is new.
    pub(crate) fn insert(&mut self, number: i64) -> bool {
        let Err(rank) = self.ints().rank(number) else { return false };
        let width = width_of(number);
        if width > self.ints().width() {
            self.widen(width);
        }
        let width = self.ints().width();
        slots::reserve(&mut self.data, width);
        let start = self.ints().offset(rank);
        self.data.splice(start..start, number.to_le_bytes()[..width].iter().copied());
        true
    }

    /// Whether the number was there.
    pub(crate) fn remove(&mut self, number: i64) -> bool {
        let ints = self.ints();
        let Ok(rank) = ints.rank(number) else { return false };
        let bytes = ints.offset(rank)..ints.offset(rank + 1);
        self.data.drain(bytes);
        slots::give_back(&mut self.data);
        true
    }

    fn widen(&mut self, width: usize) {
        let ints = self.ints();
        let mut data = Vec::with_capacity(slots::class_bytes(HEAD_BYTES + (ints.len() + 1) * width));
        data.push(width as u8);
        for number in ints.iter() {
            data.extend_from_slice(&number.to_le_bytes()[..width]);
        }
        self.data = data;
    }
}

impl<'a> Ints<'a> {
    /// The set of bytes that are one.
    pub(crate) fn new(data: &'a [u8]) -> Ints<'a> {
        Ints { data }
    }

    pub(crate) fn len(self) -> usize {
        (self.data.len() - HEAD_BYTES) / self.width()
    }

    /// The number of this rank.
    ///
    /// # Panics
    /// If there are not as many.
    pub(crate) fn get(self, rank: usize) -> i64 {
        let start = self.offset(rank);
        let bytes = &self.data[start..start + self.width()];
        match bytes {
            [a, b] => i64::from(i16::from_le_bytes([*a, *b])),
            [a, b, c, d] => i64::from(i32::from_le_bytes([*a, *b, *c, *d])),
            _ => i64::from_le_bytes(bytes.try_into().expect("numbers have 2, 4 or 8 bytes")),
        }
    }

    pub(crate) fn contains(self, number: i64) -> bool {
        self.rank(number).is_ok()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = i64> + 'a {
        (0..self.len()).map(move |rank| self.get(rank))
    }

    fn width(self) -> usize {
        usize::from(self.data[0])
    }

    fn offset(self, rank: usize) -> usize {
        HEAD_BYTES + rank * self.width()
    }

    /// Where the number is, or where it belongs.
    fn rank(self, number: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).cmp(&number) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}

fn width_of(number: i64) -> usize {
    if i16::try_from(number).is_ok() {
        WIDTHS[0]
    } else if i32::try_from(number).is_ok() {
        WIDTHS[1]
    } else {
        WIDTHS[2]
    }
}
