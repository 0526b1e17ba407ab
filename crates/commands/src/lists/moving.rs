//! Moving an element from one list to another, or within one.

use quorate_keyspace::End;
use quorate_resp::Reply;

use super::{end, list_in, pop_event};
use crate::{Args, Error, EventClass, Write};

/// `LMOVE source destination LEFT|RIGHT LEFT|RIGHT`
pub(crate) fn lmove(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (from, to) = (end(args, 3)?, end(args, 4)?);
    move_element(write, (&args[1], from), (&args[2], to), reply)
}

/// `RPOPLPUSH source destination`
pub(crate) fn rpoplpush(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    move_element(write, (&args[1], End::Tail), (&args[2], End::Head), reply)
}

pub(super) fn move_element(
    write: &mut Write<'_>,
    (source, from): (&[u8], End),
    (destination, to): (&[u8], End),
    reply: &mut Reply,
) -> Result<(), Error> {
    if write.list(source)?.is_none() {
        reply.null();
        return Ok(());
    }
    write.list(destination)?;
    let element = {
        let mut entry = write.get_mut(source).expect("the list was found");
        list_in(&mut entry).pop(from).expect("a list has elements")
    };
    // In Redis' order: the element is at its new place before its old list goes.
    write.push_elements(destination, &[&element], to)?;
    write.notify(EventClass::List, pop_event(from), source);
    let limit = write.list_limit();
    let empty = {
        let mut entry = write.get_mut(source).expect("the list was found");
        let list = list_in(&mut entry);
        list.shrink(limit);
        list.is_empty()
    };
    if empty {
        write.remove_emptied(source);
    }
    reply.bulk(&element);
    Ok(())
}
