//! Counting and finding bits.

use quorate_keyspace::StringValue;
use quorate_resp::Reply;

use crate::{Args, Error, Read};

/// What positions count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Bytes,
    Bits,
}

impl Unit {
    fn parse(args: Args<'_>, i: usize) -> Result<Unit, Error> {
        match () {
            () if i >= args.len() || args.is(i, "BYTE") => Ok(Unit::Bytes),
            () if args.is(i, "BIT") => Ok(Unit::Bits),
            () => Err(Error::Syntax),
        }
    }

    fn count(self, bytes: usize) -> i64 {
        if self == Unit::Bits { 8 * bytes as i64 } else { bytes as i64 }
    }

    /// The bits of a range of units, both ends included.
    fn bits(self, (first, last): (i64, i64)) -> (u64, u64) {
        match self {
            Unit::Bits => (first as u64, last as u64),
            Unit::Bytes => (8 * first as u64, 8 * last as u64 + 7),
        }
    }
}

/// Where a range lies in `total` units; nothing if it is empty. Negative positions count from the end.
fn range(start: i64, end: i64, total: i64) -> Option<(i64, i64)> {
    let from_end = |position: i64| if position < 0 { (total + position).max(0) } else { position };
    let (start, end) = (from_end(start), from_end(end).min(total - 1));
    (start <= end).then_some((start, end))
}

/// `BITCOUNT key [start end [BYTE|BIT]]`
pub(crate) fn bitcount(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (start, end, unit) = match args.len() {
        2 => (0, -1, Unit::Bytes),
        4 | 5 => (args.integer(2)?, args.integer(3)?, Unit::parse(args, 4)?),
        _ => return Err(Error::Syntax),
    };
    let bits = match read.string(&args[1])? {
        // Both from the end and the wrong way round stays empty, even where both are cut to the start.
        Some(string) if !(start < 0 && end < 0 && start > end) => string.with_bytes(|bytes| {
            let range = range(start, end, unit.count(bytes.len()));
            range.map_or(0, |range| ones(bytes, unit.bits(range)))
        }),
        _ => 0,
    };
    reply.integer(bits as i64);
    Ok(())
}

/// How many bits are set from `first` to `last`, both included and both in range.
fn ones(bytes: &[u8], (first, last): (u64, u64)) -> u64 {
    let (low, high) = ((first / 8) as usize, (last / 8) as usize);
    let (words, rest) = bytes[low..=high].as_chunks();
    let all: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum::<u64>()
        + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
    let before = (bytes[low] & !before_mask(first)).count_ones();
    let after = (bytes[high] & !after_mask(last)).count_ones();
    all - u64::from(before) - u64::from(after)
}

/// The bits of its byte that come at or after this one.
fn before_mask(bit: u64) -> u8 {
    0xff >> (bit % 8)
}

/// The bits of its byte that come at or before this one.
fn after_mask(bit: u64) -> u8 {
    0xff << (7 - bit % 8)
}

/// `BITPOS key bit [start [end [BYTE|BIT]]]`
pub(crate) fn bitpos(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let wanted = match args.integer(2)? {
        0 => false,
        1 => true,
        _ => return Err(Error::text("ERR The bit argument must be 1 or 0.")),
    };
    let end_given = args.len() > 4;
    let (start, end, unit) = match args.len() {
        3 => (0, -1, Unit::Bytes),
        4 => (args.integer(3)?, -1, Unit::Bytes),
        5 | 6 => {
            let start = args.integer(3)?;
            let unit = Unit::parse(args, 5)?;
            (start, args.integer(4)?, unit)
        }
        _ => return Err(Error::Syntax),
    };
    let string = read.string(&args[1])?;
    let found = match string {
        // Endless zeros.
        None => (!wanted).then_some(0),
        Some(string) => string.with_bytes(|bytes| {
            let range = range(start, end, unit.count(bytes.len()))?;
            let found = first(bytes, wanted, unit.bits(range));
            // Without an end, zeros follow the string.
            let after = (!wanted && !end_given).then_some(8 * bytes.len() as u64);
            found.or(after)
        }),
    };
    debug_assert!(found.is_none_or(|at| at <= 8 * string.map_or(0, StringValue::len) as u64));
    reply.integer(found.map_or(-1, |at| at as i64));
    Ok(())
}

/// The first bit of this kind from `first` to `last`, both included and both in range.
fn first(bytes: &[u8], wanted: bool, (first, last): (u64, u64)) -> Option<u64> {
    let (low, high) = ((first / 8) as usize, (last / 8) as usize);
    let of = |byte: u8| if wanted { byte } else { !byte };
    let skipped: u8 = if wanted { 0 } else { 0xff };
    let mut at = low;
    while at <= high {
        let mut byte = of(bytes[at]);
        if at == low {
            byte &= before_mask(first);
        }
        if at == high {
            byte &= after_mask(last);
        }
        if byte != 0 {
            return Some(8 * at as u64 + u64::from(byte.leading_zeros()));
        }
        at += 1;
        // What is not at the ends is passed in words.
        while let Some(word) = bytes[at..high.max(at)].first_chunk::<8>() {
            if *word != [skipped; 8] {
                break;
            }
            at += 8;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both against one bit at a time.
    #[test]
    fn words_and_masks_lose_no_bit() {
        let mut rng = quorate_keyspace::Rng::from_u64(3);
        for case in 0..2_000 {
            let sparse = rng.below(3);
            let bytes: Vec<u8> = (0..rng.index(60) + 1)
                .map(|_| match (sparse, rng.below(30)) {
                    (0, 0) | (2, _) => rng.next_u64() as u8,
                    (0, _) => 0,
                    (_, 0) => 0x7f,
                    (..) => 0xff,
                })
                .collect();
            let last = rng.below(8 * bytes.len() as u64);
            let range = (rng.below(last + 1), last);
            let bits = |wanted| {
                let bytes = &bytes;
                (range.0..=range.1).filter(move |at| wanted == super::super::bit_at(bytes, *at))
            };
            assert_eq!(ones(&bytes, range), bits(true).count() as u64, "case {case}");
            for wanted in [false, true] {
                assert_eq!(first(&bytes, wanted, range), bits(wanted).next(), "case {case}");
            }
        }
    }
}
