//! A request's arguments, and how Redis reads numbers from them.
//!
//! For: typed access with Redis' errors. Leaves to others: arity, checked by [`crate::resolve`] before a
//! command runs, so that a command may index the arguments that its arity guarantees.

use std::ops::Index;

use crate::Error;

/// The arguments of one request; argument 0 is the command's name as sent.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a>(&'a [&'a [u8]]);

impl<'a> Args<'a> {
    /// Wraps the arguments, name included.
    pub fn new(args: &'a [&'a [u8]]) -> Args<'a> {
        Args(args)
    }

    /// Number of arguments, name included.
    #[expect(clippy::len_without_is_empty, reason = "a request always has a name")]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// All arguments.
    pub fn as_slice(self) -> &'a [&'a [u8]] {
        self.0
    }

    /// The arguments from `start` on.
    pub fn from(self, start: usize) -> &'a [&'a [u8]] {
        self.0.get(start..).unwrap_or_default()
    }

    /// Argument `i`, with the life of the request.
    pub fn at(self, i: usize) -> &'a [u8] {
        self.0[i]
    }

    /// Argument `i`, if there is one.
    pub fn get(self, i: usize) -> Option<&'a [u8]> {
        self.0.get(i).copied()
    }

    /// True if argument `i` is there and is `word`, in any case.
    pub fn is(self, i: usize, word: &str) -> bool {
        self.get(i).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Argument `i` as an integer.
    pub fn integer(self, i: usize) -> Result<i64, Error> {
        parse_integer(self.0[i]).ok_or(Error::NotInteger)
    }

    /// Argument `i` as a count, which is not negative.
    pub(crate) fn positive(self, i: usize) -> Result<usize, Error> {
        let number = parse_integer(self.0[i]).filter(|number| *number >= 0).ok_or(Error::NotPositive)?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// Argument `i` as an integer that can be negated.
    pub(crate) fn integer_but_least(self, i: usize) -> Result<i64, Error> {
        match self.integer(i)? {
            i64::MIN => Err(Error::text(format!(
                "ERR value is out of range, value must between {} and {}",
                -i64::MAX,
                i64::MAX
            ))),
            number => Ok(number),
        }
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    fn index(&self, i: usize) -> &[u8] {
        self.0[i]
    }
}

/// Reads an integer as strictly as Redis: no sign but a minus, no leading zeros, no spaces.
pub(crate) fn parse_integer(bytes: &[u8]) -> Option<i64> {
    quorate_resp::parse_i64(bytes)
}
