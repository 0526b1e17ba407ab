//! The commands of the list group.
//!
//! For: the list commands of Redis 7.2. Leaves to others: serving those who wait (`crate::blocking`); the two encodings
//! and when one becomes
//! the other (`quorate-keyspace`); their limit is a setting.
//! Invariants: all checks come before the first change (see the crate's head); a list without elements does not
//! exist; a command that changes no element leaves the key's version as it was.

pub(crate) mod blocking;
pub(crate) mod changing;
pub(crate) mod moving;
pub(crate) mod popping;
pub(crate) mod pushing;
pub(crate) mod reading;

use quorate_keyspace::{End, Entry, ListLimit, ListValue};

use crate::{Args, Error, Read, Write};

/// The list of an entry, or the wrong type.
fn as_list(entry: &Entry) -> Result<&ListValue, Error> {
    entry.value().as_list().ok_or(Error::WrongType)
}

/// The list of an entry that was found to be one.
fn list_in(entry: &mut Entry) -> &mut ListValue {
    entry.value_mut().as_list_mut().expect("the type was checked")
}

impl<'a> Read<'a> {
    /// The list at a key, if there is one.
    fn list(&self, key: &[u8]) -> Result<Option<&'a ListValue>, Error> {
        self.get(key).map(as_list).transpose()
    }
}

impl Write<'_> {
    /// The list at a key, if there is one.
    fn list(&self, key: &[u8]) -> Result<Option<&ListValue>, Error> {
        self.get(key).map(as_list).transpose()
    }

    /// How large a list in one piece may be.
    pub(crate) fn list_limit(&self) -> ListLimit {
        ListLimit::from_setting(self.state.settings.list_max_listpack_size())
    }
}

/// Argument `i`, which says `LEFT` or `RIGHT`.
fn end(args: Args<'_>, i: usize) -> Result<End, Error> {
    if args.is(i, "LEFT") {
        Ok(End::Head)
    } else if args.is(i, "RIGHT") {
        Ok(End::Tail)
    } else {
        Err(Error::Syntax)
    }
}

/// The event of a push at this end.
fn push_event(end: End) -> &'static str {
    match end {
        End::Head => "lpush",
        End::Tail => "rpush",
    }
}

/// The event of a removal from this end.
fn pop_event(end: End) -> &'static str {
    match end {
        End::Head => "lpop",
        End::Tail => "rpop",
    }
}

/// The elements that a range of indexes means, which count from the end if negative: from the first up to the
/// second number.
fn range(start: i64, last: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let start = if start < 0 { start.saturating_add(len).max(0) } else { start };
    let last = if last < 0 { last.saturating_add(len) } else { last.min(len - 1) };
    if start > last || start >= len { (0, 0) } else { (start as usize, last as usize + 1) }
}

/// The index that a number means, which counts from the end if negative.
fn index(number: i64, len: usize) -> Option<usize> {
    let index = if number < 0 { number.checked_add(len as i64)? } else { number };
    usize::try_from(index).ok().filter(|index| *index < len)
}
