//! Adding elements.

use quorate_keyspace::{End, ListValue, Value};
use quorate_resp::Reply;

use super::{list_in, push_event};
use crate::{Args, Error, EventClass, Write};

/// `LPUSH key element [element ...]`
pub(crate) fn lpush(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    push(write, args, End::Head, reply)
}

/// `RPUSH key element [element ...]`
pub(crate) fn rpush(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    push(write, args, End::Tail, reply)
}

/// `LPUSHX key element [element ...]`
pub(crate) fn lpushx(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    push_to_existing(write, args, End::Head, reply)
}

/// `RPUSHX key element [element ...]`
pub(crate) fn rpushx(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    push_to_existing(write, args, End::Tail, reply)
}

/// `LINSERT key BEFORE|AFTER pivot element`
pub(crate) fn linsert(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let behind = if args.is(2, "AFTER") {
        1
    } else if args.is(2, "BEFORE") {
        0
    } else {
        return Err(Error::Syntax);
    };
    let (key, element) = (&args[1], &args[4]);
    let Some(list) = write.list(key)? else {
        reply.integer(0);
        return Ok(());
    };
    let Some(pivot) = list.position(&args[3]) else {
        reply.integer(-1);
        return Ok(());
    };
    let limit = write.list_limit();
    let len = {
        let mut entry = write.get_mut(key).expect("the list was found");
        let list = list_in(&mut entry);
        list.expect(&[element], limit);
        list.insert(pivot + behind, element, limit);
        list.len()
    };
    write.notify(EventClass::List, "linsert", key);
    reply.count(len);
    Ok(())
}

fn push(write: &mut Write<'_>, args: Args<'_>, end: End, reply: &mut Reply) -> Result<(), Error> {
    let len = write.push_elements(&args[1], args.from(2), end)?;
    reply.count(len);
    Ok(())
}

fn push_to_existing(write: &mut Write<'_>, args: Args<'_>, end: End, reply: &mut Reply) -> Result<(), Error> {
    if write.list(&args[1])?.is_some() {
        return push(write, args, end, reply);
    }
    reply.integer(0);
    Ok(())
}

impl Write<'_> {
    /// Puts elements one after the other at an end of the list at a key, which is created if need be; how many it
    /// has then.
    pub(super) fn push_elements(&mut self, key: &[u8], elements: &[&[u8]], end: End) -> Result<usize, Error> {
        let limit = self.list_limit();
        let push_to = |list: &mut ListValue| {
            list.expect(elements, limit);
            elements.iter().for_each(|element| list.push(end, element, limit));
            list.len()
        };
        let len = match self.list(key)? {
            Some(_) => push_to(list_in(&mut self.get_mut(key).expect("the list was found"))),
            None => {
                let mut list = ListValue::new();
                let len = push_to(&mut list);
                self.set(key, Value::list(list), None);
                len
            }
        };
        self.notify(EventClass::List, push_event(end), key);
        Ok(len)
    }
}
