//! What the commands of the SCAN family share: cursor and options.
//!
//! For: `SCAN` and `HSCAN`, later `SSCAN` and `ZSCAN`.
//! Leaves to others: the walk itself (the containers of `quorate-keyspace`), whose cursor is a position in hash
//! order and therefore good on every node, after any change and after a failover.
//! Invariant: the work of one call is bounded by COUNT, whatever MATCH and TYPE let through.

use quorate_resp::{Deferred, Reply};

use crate::{Args, Error, glob};

/// How many elements a call looks at when it does not say.
const COUNT_DEFAULT: usize = 10;

/// The options behind the cursor.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    /// How many elements to look at.
    pub(crate) count: usize,
    /// Which names to show; all if nothing is given.
    pattern: Option<&'a [u8]>,
    /// Which type to show; all if nothing is given.
    type_name: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// Reads the options from argument `i` on. Only `SCAN` itself has a TYPE option.
    pub(crate) fn parse(args: Args<'a>, mut i: usize, types: bool) -> Result<Options<'a>, Error> {
        let mut options = Options { count: COUNT_DEFAULT, pattern: None, type_name: None };
        while i < args.len() {
            let Some(value) = args.get(i + 1) else { return Err(Error::Syntax) };
            if args.is(i, "COUNT") {
                let count = args.integer(i + 1)?;
                if count < 1 {
                    return Err(Error::Syntax);
                }
                options.count = usize::try_from(count).unwrap_or(usize::MAX);
            } else if args.is(i, "MATCH") {
                // The lone star matches the empty name too, which the pattern does not.
                options.pattern = (value != b"*").then_some(value);
            } else if types && args.is(i, "TYPE") {
                options.type_name = Some(value);
            } else {
                return Err(Error::Syntax);
            }
            i += 2;
        }
        Ok(options)
    }

    /// True if an element of this name is to be shown.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name))
    }

    /// True if a key of this type is to be shown. A type that does not exist shows nothing.
    pub(crate) fn is_type(&self, name: &str) -> bool {
        self.type_name.is_none_or(|wanted| wanted.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// Reads a cursor as Redis does, with C's `strtoul`: an empty one is 0, a sign is accepted, and a negative
/// number counts back from the largest.
pub(crate) fn cursor(bytes: &[u8]) -> Result<u64, Error> {
    // What follows a NUL is not seen.
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return if bytes.is_empty() { Ok(0) } else { Err(Error::InvalidCursor) };
    }
    let mut number: u64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(Error::InvalidCursor);
        }
        number = number
            .checked_mul(10)
            .and_then(|number| number.checked_add(u64::from(digit - b'0')))
            .ok_or(Error::InvalidCursor)?;
    }
    Ok(if negative { number.wrapping_neg() } else { number })
}

/// The elements that a call found, gathered before the next cursor is known.
#[derive(Debug)]
pub(crate) struct Found {
    elements: Reply,
    place: Deferred,
    count: usize,
}

impl Found {
    /// Nothing yet, to go into `reply`.
    pub(crate) fn new(reply: &Reply) -> Found {
        let elements = if reply.is_discarding() { Reply::discarding() } else { Reply::new(reply.protocol()) };
        Found { place: elements.deferred(), elements, count: 0 }
    }

    /// Adds an element.
    pub(crate) fn push(&mut self, element: &[u8]) {
        self.elements.bulk(element);
        self.count += 1;
    }

    /// Writes the reply: the next cursor, and the elements.
    pub(crate) fn finish(mut self, next: u64, reply: &mut Reply) {
        self.elements.finish_array(self.place, self.count);
        reply.array(2);
        reply.bulk(itoa::Buffer::new().format(next).as_bytes());
        reply.raw(self.elements.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_strtoul_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("", Some(0)),
            ("17", Some(17)),
            ("+17", Some(17)),
            ("-1", Some(u64::MAX)),
            ("-0", Some(0)),
            ("007", Some(7)),
            ("5\0x", Some(5)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            (" 1", None),
            ("1 ", None),
            ("-", None),
            ("1x", None),
            ("x", None),
        ] {
            assert_eq!(cursor(text.as_bytes()).ok(), expected, "{text:?}");
        }
    }
}
