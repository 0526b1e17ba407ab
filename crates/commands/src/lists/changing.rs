//! Replacing and removing elements anywhere in a list.

use quorate_keyspace::{End, Value};
use quorate_resp::Reply;

use super::{index, list_in, range};
use crate::{Args, Error, EventClass, Write};

/// `LSET key index element`
pub(crate) fn lset(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (key, element) = (&args[1], &args[3]);
    let list = write.list(key)?.ok_or(Error::NoSuchKey)?;
    let index = index(args.integer(2)?, list.len()).ok_or(Error::IndexOutOfRange)?;
    let limit = write.list_limit();
    {
        let mut entry = write.get_mut(key).expect("the list was found");
        let list = list_in(&mut entry);
        list.expect(&[element], limit);
        list.replace(index, element, limit);
    }
    write.notify(EventClass::List, "lset", key);
    reply.ok();
    Ok(())
}

/// `LREM key count element`
pub(crate) fn lrem(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let count = args.integer_but_least(2)?;
    let (key, element) = (&args[1], &args[3]);
    let found = write.list(key)?.is_some_and(|list| list.position(element).is_some());
    if !found {
        reply.integer(0);
        return Ok(());
    }
    let limit = write.list_limit();
    let from = if count < 0 { End::Tail } else { End::Head };
    let max = match usize::try_from(count.unsigned_abs()) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(max) => max,
    };
    let (removed, empty) = {
        let mut entry = write.get_mut(key).expect("the list was found");
        let list = list_in(&mut entry);
        (list.remove_equal(element, from, max, limit), list.is_empty())
    };
    write.notify(EventClass::List, "lrem", key);
    if empty {
        write.remove_emptied(key);
    }
    reply.count(removed);
    Ok(())
}

/// `LTRIM key start stop`
pub(crate) fn ltrim(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (start, last) = (args.integer(2)?, args.integer(3)?);
    let key = &args[1];
    let Some(list) = write.list(key)? else {
        reply.ok();
        return Ok(());
    };
    let len = list.len();
    let (start, end) = range(start, last, len);
    let limit = write.list_limit();
    // What is trimmed to nothing goes with its key; what stays whole counts as changed, as in Redis.
    if start < end {
        let mut entry = write.get_mut(key).expect("the list was found");
        for (start, end) in [(end, len), (0, start)] {
            let removed = list_in(&mut entry).remove_range(start, end, limit);
            removed.into_iter().for_each(|removed| entry.discard(Value::list(removed)));
        }
    }
    write.notify(EventClass::List, "ltrim", key);
    if start == end {
        write.remove_emptied(key);
    }
    reply.ok();
    Ok(())
}
