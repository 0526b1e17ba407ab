//! `SORT` and `SORT_RO`.
//!
//! For: reading their options, and what becomes of the result. Leaves to others: the order (`order`), and the keys
//! that a pattern names (`pattern`).
//! Invariants: elements that compare equal stay in the order in which their key has them, on every node alike, and
//! texts are compared byte by byte whatever the node's locale is.

mod order;
mod pattern;

use quorate_keyspace::{Blob, ListValue, Value};
use quorate_resp::Reply;

use self::pattern::Pattern;
use crate::command::{KeyFlag, KeyFlags};
use crate::{Args, Error, EventClass, KeyPosition, Read, User, Write, lookup};

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA] [STORE destination]`
pub(crate) fn sort(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let options = Options::parse(args, true, write.user)?;
    let result = options.run(&write.as_read(), &args[1])?;
    let Some(destination) = options.store else {
        write_result(&result, reply);
        return Ok(());
    };
    reply.count(result.len());
    if !result.is_empty() {
        // What is not there is stored as an empty text.
        let elements = result.iter().map(|element| element.as_deref().unwrap_or_default());
        let list = ListValue::from_elements(elements, write.list_limit());
        write.set(destination, Value::list(list), None);
        write.notify(EventClass::List, "sortstore", destination);
    } else if write.remove(destination).is_some() {
        write.notify(EventClass::Generic, "del", destination);
    }
    Ok(())
}

/// `SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA]`
pub(crate) fn sort_ro(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let result = Options::parse(args, false, read.user)?.run(read, &args[1])?;
    write_result(&result, reply);
    Ok(())
}

/// Where a request's destination is: behind the last STORE.
pub(crate) fn destination(args: Args<'_>) -> Option<KeyPosition> {
    let mut found = None;
    let mut i = 2;
    while i < args.len() {
        if args.is(i, "STORE") && i + 1 < args.len() {
            let flags = KeyFlags::of(&[KeyFlag::Ow, KeyFlag::Update]);
            found = Some(KeyPosition { index: i + 1, flags });
        }
        i += match () {
            () if args.is(i, "LIMIT") => 3,
            () if args.is(i, "GET") || args.is(i, "BY") => 2,
            () => 1,
        };
    }
    found
}

fn write_result(result: &[Option<Blob>], reply: &mut Reply) {
    reply.array(result.len());
    for element in result {
        reply.bulk_or_null(element.as_deref());
    }
}

/// What a request asks for.
struct Options<'a> {
    by: By<'a>,
    offset: i64,
    /// Negative: all.
    count: i64,
    get: Vec<Pattern<'a>>,
    descending: bool,
    alpha: bool,
    store: Option<&'a [u8]>,
}

/// What elements are compared by.
#[derive(Clone, Copy)]
enum By<'a> {
    /// Themselves.
    Element,
    /// What the pattern finds for each.
    Pattern(Pattern<'a>),
    /// Nothing: they stay as they are.
    Nothing,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>, may_store: bool, user: Option<&User>) -> Result<Options<'a>, Error> {
        // Which keys patterns lead to is not known before.
        let may_look_up = match (user, lookup(args.at(0))) {
            (Some(user), Some(command)) => user.may_read_all(command, args),
            _ => user.is_none(),
        };
        let denied = |option: &str| {
            let text = format!("ERR {option} option of SORT denied due to insufficient ACL permissions.");
            Err(Error::text(text))
        };
        let mut options = Options {
            by: By::Element,
            offset: 0,
            count: -1,
            get: Vec::new(),
            descending: false,
            alpha: false,
            store: None,
        };
        let mut unsorted = false;
        let mut i = 2;
        while i < args.len() {
            let left = args.len() - i - 1;
            if args.is(i, "ASC") {
                options.descending = false;
            } else if args.is(i, "DESC") {
                options.descending = true;
            } else if args.is(i, "ALPHA") {
                options.alpha = true;
            } else if args.is(i, "LIMIT") && left >= 2 {
                (options.offset, options.count) = (args.integer(i + 1)?, args.integer(i + 2)?);
                i += 2;
            } else if may_store && args.is(i, "STORE") && left >= 1 {
                options.store = Some(args.at(i + 1));
                i += 1;
            } else if args.is(i, "BY") && left >= 1 {
                let pattern = Pattern::new(args.at(i + 1));
                if pattern.varies() && !may_look_up {
                    return denied("BY");
                }
                options.by = By::Pattern(pattern);
                // One constant pattern is enough, whatever else there is.
                unsorted |= !pattern.varies();
                i += 1;
            } else if args.is(i, "GET") && left >= 1 {
                if !may_look_up {
                    return denied("GET");
                }
                options.get.push(Pattern::new(args.at(i + 1)));
                i += 1;
            } else {
                return Err(Error::Syntax);
            }
            i += 1;
        }
        if unsorted {
            options.by = By::Nothing;
        }
        Ok(options)
    }

    /// The elements in their order, or what GET finds for each.
    fn run(&self, read: &Read<'_>, key: &[u8]) -> Result<Vec<Option<Blob>>, Error> {
        let elements = self.elements(read, key)?;
        if self.get.is_empty() {
            return Ok(elements.into_iter().map(Some).collect());
        }
        let found =
            elements.iter().flat_map(|element| self.get.iter().map(|pattern| pattern.look_up(read, element)));
        Ok(found.collect())
    }

    /// The elements asked for, in their order.
    fn elements(&self, read: &Read<'_>, key: &[u8]) -> Result<Vec<Blob>, Error> {
        let Some(entry) = read.get(key) else { return Ok(Vec::new()) };
        let value = entry.value();
        let is_set = value.as_set().is_some();
        let (start, end) = self.bounds(order::len(value)?);
        let (by, alpha) = match self.by {
            // What is stored must not be in a set's own order.
            By::Nothing if is_set && self.store.is_some() => (By::Element, true),
            by => (by, self.alpha),
        };
        if matches!(by, By::Nothing) {
            return Ok(order::native(value, start..end, self.descending));
        }
        let mut elements = order::native(value, 0..order::len(value)?, false);
        match (by, alpha) {
            (By::Pattern(pattern), true) => {
                order::by_text(&mut elements, self.descending, |element| pattern.look_up(read, element))
            }
            (_, true) => order::by_itself(&mut elements, self.descending),
            (By::Pattern(pattern), false) => {
                order::by_number(&mut elements, self.descending, |element| pattern.look_up(read, element))?
            }
            (_, false) => {
                order::by_number(&mut elements, self.descending, |element| Some(element.clone()))?;
            }
        }
        elements.truncate(end);
        elements.drain(..start);
        Ok(elements)
    }

    /// From which element to which, of so many.
    fn bounds(&self, len: usize) -> (usize, usize) {
        let start = usize::try_from(self.offset).unwrap_or(0).min(len);
        match usize::try_from(self.count) {
            Ok(count) => (start, start.saturating_add(count).min(len)),
            Err(_) => (start, len),
        }
    }
}
