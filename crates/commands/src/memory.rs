//! `MEMORY USAGE`.
//!
//! For: what one key costs, by the keyspace's own account. Leaves to others: the allocator's figures (the node).

use quorate_resp::Reply;

use crate::{Args, Error, Read};

/// `MEMORY USAGE key [SAMPLES count]`; all elements are counted, whatever the count.
pub(crate) fn usage(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let mut i = 3;
    while i < args.len() {
        if !args.is(i, "SAMPLES") || i + 1 >= args.len() {
            return Err(Error::Syntax);
        }
        if args.integer(i + 1)? < 0 {
            return Err(Error::Syntax);
        }
        i += 2;
    }
    match read.get(&args[2]) {
        Some(entry) => reply.count(entry.accounted_bytes(args[2].len())),
        None => reply.null(),
    }
    Ok(())
}
