//! Whether keys exist, what type they have, and removing them.

use quorate_resp::Reply;

use crate::{Args, Error, EventClass, Read, Write};

/// `DEL key [key ...]` and `UNLINK key [key ...]`
///
/// They are one: a large value is never freed on the apply task.
pub(crate) fn del(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let mut removed = 0;
    for key in args.from(1) {
        if write.remove(key).is_some() {
            write.notify(EventClass::Generic, "del", key);
            removed += 1;
        }
    }
    reply.integer(removed);
    Ok(())
}

/// `EXISTS key [key ...]`
///
/// A key given twice counts twice.
pub(crate) fn exists(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let found = args.from(1).iter().filter(|key| read.get(key).is_some()).count();
    reply.integer(found as i64);
    Ok(())
}

/// `TOUCH key [key ...]`
///
/// It goes through the log, so that the keys count as used on every node. They do not count as changed.
pub(crate) fn touch(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (now, version) = (write.now, write.version);
    let db = write.db_mut();
    let found = args.from(1).iter().filter(|key| db.touch(key, now, version)).count();
    reply.count(found);
    Ok(())
}

/// `TYPE key`
pub(crate) fn type_of(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.simple(read.get(&args[1]).map_or("none", |entry| entry.value().type_name()));
    Ok(())
}
