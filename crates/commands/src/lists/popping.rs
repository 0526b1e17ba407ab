//! Taking elements off the ends.

use std::ops::Range;

use quorate_keyspace::{Blob, End, ListValue, Value};
use quorate_resp::Reply;

use super::{end, list_in, pop_event};
use crate::items::write_item;
use crate::{Args, Error, EventClass, Write};

/// `LPOP key [count]`
pub(crate) fn lpop(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    pop(write, args, End::Head, "lpop", reply)
}

/// `RPOP key [count]`
pub(crate) fn rpop(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    pop(write, args, End::Tail, "rpop", reply)
}

/// `LMPOP numkeys key [key ...] LEFT|RIGHT [COUNT count]`
pub(crate) fn lmpop(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let pops = Pops::parse(args, 1)?;
    if !write.pop_first_list(&args.as_slice()[pops.keys], pops.end, pops.count, reply)? {
        reply.null_array();
    }
    Ok(())
}

/// What `LMPOP` and `BLMPOP` are asked for.
pub(super) struct Pops {
    /// Which arguments are keys.
    pub(super) keys: Range<usize>,
    pub(super) end: End,
    pub(super) count: usize,
}

impl Pops {
    /// Reads the arguments from the number of keys on.
    pub(super) fn parse(args: Args<'_>, at: usize) -> Result<Pops, Error> {
        let positive = |i: usize, text: &'static str| {
            args.integer(i).ok().filter(|number| *number > 0).ok_or(Error::text(text))
        };
        let keys = positive(at, "ERR numkeys should be greater than 0")?;
        let keys = usize::try_from(keys).unwrap_or(usize::MAX);
        if keys > args.len() - (at + 2) {
            return Err(Error::Syntax);
        }
        let options = at + 2 + keys;
        let end = end(args, options - 1)?;
        let count = match args.len() - options {
            0 => 1,
            2 if args.is(options, "COUNT") => positive(options + 1, "ERR count should be greater than 0")?,
            _ => return Err(lmpop_options(args, options)),
        };
        Ok(Pops { keys: at + 1..at + 1 + keys, end, count: usize::try_from(count).unwrap_or(usize::MAX) })
    }
}

/// What is wrong with more options than one.
fn lmpop_options(args: Args<'_>, i: usize) -> Error {
    let count_is_bad =
        args.is(i, "COUNT") && args.len() > i + 1 && !args.integer(i + 1).is_ok_and(|count| count > 0);
    if count_is_bad { Error::text("ERR count should be greater than 0") } else { Error::Syntax }
}

fn pop(
    write: &mut Write<'_>,
    args: Args<'_>,
    end: End,
    name: &'static str,
    reply: &mut Reply,
) -> Result<(), Error> {
    if args.len() > 3 {
        return Err(Error::WrongArity(name.into()));
    }
    let key = &args[1];
    if args.len() == 2 {
        match write.list(key)? {
            Some(_) => reply.bulk(&write.pop_element(key, end)),
            None => reply.null(),
        }
        return Ok(());
    }
    let count = args.positive(2)?;
    match write.list(key)?.map(ListValue::len) {
        Some(len) => write.pop_elements(key, end, count.min(len), reply),
        None => reply.null_array(),
    }
    Ok(())
}

impl Write<'_> {
    /// Takes elements off the first of several lists that has any; false if none has.
    pub(super) fn pop_first_list(
        &mut self,
        keys: &[&[u8]],
        end: End,
        count: usize,
        reply: &mut Reply,
    ) -> Result<bool, Error> {
        for key in keys {
            let Some(len) = self.list(key)?.map(ListValue::len) else { continue };
            reply.array(2);
            reply.bulk(key);
            self.pop_elements(key, end, count.min(len), reply);
            return Ok(true);
        }
        Ok(false)
    }

    /// Takes an element off the list at a key, which is there.
    pub(super) fn pop_element(&mut self, key: &[u8], end: End) -> Blob {
        let limit = self.list_limit();
        let (element, empty) = {
            let mut entry = self.get_mut(key).expect("the list was found");
            let list = list_in(&mut entry);
            let element = list.pop(end).expect("a list has elements");
            list.shrink(limit);
            (element, list.is_empty())
        };
        self.notify(EventClass::List, pop_event(end), key);
        if empty {
            self.remove_emptied(key);
        }
        element
    }

    /// Takes as many elements off the list at a key, which has them, and writes them as an array.
    fn pop_elements(&mut self, key: &[u8], end: End, count: usize, reply: &mut Reply) {
        reply.array(count);
        if count == 0 {
            return;
        }
        let limit = self.list_limit();
        let empty = {
            let mut entry = self.get_mut(key).expect("the list was found");
            let list = list_in(&mut entry);
            let len = list.len();
            match end {
                End::Head => list.iter_from(0).take(count).for_each(|item| write_item(item, reply)),
                End::Tail => list.iter_back_from(len).take(count).for_each(|item| write_item(item, reply)),
            }
            // The last elements go with their key.
            if count < len {
                let (start, stop) = match end {
                    End::Head => (0, count),
                    End::Tail => (len - count, len),
                };
                let removed = list.remove_range(start, stop, limit);
                removed.into_iter().for_each(|removed| entry.discard(Value::list(removed)));
            }
            count == len
        };
        self.notify(EventClass::List, pop_event(end), key);
        if empty {
            self.remove_emptied(key);
        }
    }
}
