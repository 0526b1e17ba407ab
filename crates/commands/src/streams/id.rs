//! Ids as clients write them.

use quorate_keyspace::StreamId;

use crate::Error;

/// Longest text that Redis reads as an id.
const TEXT_BYTES_MAX: usize = 127;

fn invalid() -> Error {
    Error::text("ERR Invalid stream ID specified as stream command argument")
}

/// An id of an entry; a missing number within the millisecond is `seq`.
pub(super) fn strict(text: &[u8], seq: u64) -> Result<StreamId, Error> {
    match new(text, seq)? {
        (id, true) => Ok(id),
        (_, false) => Err(invalid()),
    }
}

/// An id of an entry, or one of the ends: `-` and `+`.
pub(super) fn any(text: &[u8], seq: u64) -> Result<StreamId, Error> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        text => strict(text, seq),
    }
}

/// The id of an entry to be made, and whether the number within the millisecond was given: it may be `*`.
pub(super) fn new(text: &[u8], seq: u64) -> Result<(StreamId, bool), Error> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(invalid());
    }
    // What follows a NUL is not seen.
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let (ms, seq) = match memchr::memchr(b'-', text) {
        None => (text, Some(seq)),
        Some(at) if &text[at + 1..] == b"*" => (&text[..at], None),
        Some(at) => (&text[..at], Some(number(&text[at + 1..]).ok_or_else(invalid)?)),
    };
    let ms = number(ms).ok_or_else(invalid)?;
    Ok((StreamId::new(ms, seq.unwrap_or(0)), seq.is_some()))
}

/// The start of a range; after `(`, what comes after the id.
pub(super) fn start(text: &[u8]) -> Result<StreamId, Error> {
    let refused = || Error::text("ERR invalid start ID for the interval");
    match text {
        [b'(', id @ ..] if !id.is_empty() => strict(id, 0)?.next().ok_or_else(refused),
        text => any(text, 0),
    }
}

/// The end of a range; after `(`, what comes before the id.
pub(super) fn end(text: &[u8]) -> Result<StreamId, Error> {
    let refused = || Error::text("ERR invalid end ID for the interval");
    match text {
        [b'(', id @ ..] if !id.is_empty() => strict(id, u64::MAX)?.previous().ok_or_else(refused),
        text => any(text, u64::MAX),
    }
}

/// A number as C's `strtoull` reads it: spaces before it, a plus and leading zeros are accepted.
fn number(text: &[u8]) -> Option<u64> {
    let spaces = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let text = &text[spaces..];
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        let id = StreamId::new;
        for (text, expected) in [
            ("1-2", Some(id(1, 2))),
            ("7", Some(id(7, 9))),
            ("007-01", Some(id(7, 1))),
            ("18446744073709551615-18446744073709551615", Some(StreamId::MAX)),
            ("18446744073709551616-0", None),
            ("1-", None),
            ("-1", None),
            ("", None),
            ("-", None),
            ("1-*", None),
            ("1-2-3", None),
            ("x", None),
            (" 1- +2", Some(id(1, 2))),
            ("1 ", None),
        ] {
            assert_eq!(strict(text.as_bytes(), 9).ok(), expected, "{text}");
        }
        assert_eq!(new(b"5-*", 9).ok(), Some((id(5, 0), false)));
        assert_eq!(new(b"5-3", 9).ok(), Some((id(5, 3), true)));
        assert_eq!((start(b"(1-1").ok(), end(b"(1-1").ok()), (Some(id(1, 2)), Some(id(1, 0))));
        assert!(start(b"(-").is_err() && end(b"(0-0").is_err() && start(b"(").is_err());
    }
}
