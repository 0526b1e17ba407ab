//! Taking entries away, and setting the ids that remember them.

use quorate_keyspace::StreamId;
use quorate_resp::Reply;

use super::add::Options;
use super::id;
use crate::{Args, Error, EventClass, Write};

/// `XDEL key id [id ...]`
pub(crate) fn xdel(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let key = &args[1];
    let Some(stream) = write.stream(key)? else {
        reply.integer(0);
        return Ok(());
    };
    let mut ids = Vec::with_capacity(args.len() - 2);
    for text in args.from(2) {
        ids.push(id::strict(text, 0)?);
    }
    ids.retain(|id| stream.entries().get(*id).is_some());
    let mut deleted = 0;
    if !ids.is_empty() {
        deleted = write.edit_stream(key, |stream| {
            let entries = stream.entries_mut();
            ids.into_iter().filter(|id| entries.delete(*id)).count()
        });
        write.notify(EventClass::Stream, "xdel", key);
    }
    reply.count(deleted);
    Ok(())
}

/// `XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count]`
pub(crate) fn xtrim(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let options = Options::parse(write.state, args, false)?;
    let trim = options.trim.expect("its absence is an error");
    let key = &args[1];
    let found = write.stream(key)?.is_some();
    let count = if found { write.trim_stream(key, trim) } else { 0 };
    reply.count(count);
    Ok(())
}

/// `XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]`
pub(crate) fn xsetid(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let last_id = id::strict(&args[2], 0)?;
    let (mut added, mut max_deleted_id) = (None, StreamId::MIN);
    let mut i = 3;
    while i < args.len() {
        if i + 1 < args.len() && args.is(i, "ENTRIESADDED") {
            let number = args.integer(i + 1)?;
            added =
                Some(u64::try_from(number).map_err(|_| Error::text("ERR entries_added must be positive"))?);
        } else if i + 1 < args.len() && args.is(i, "MAXDELETEDID") {
            max_deleted_id = id::strict(&args[i + 1], 0)?;
            if last_id < max_deleted_id {
                return Err(Error::text(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(Error::Syntax);
        }
        i += 2;
    }
    let key = &args[1];
    let entries = write.stream(key)?.ok_or(Error::NoSuchKey)?.entries();
    if entries.top_id().is_some_and(|top| last_id < top) {
        return Err(Error::text("ERR The ID specified in XSETID is smaller than the target stream top item"));
    }
    if added.is_some_and(|added| added < entries.len() as u64) {
        return Err(Error::text(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    let max_deleted_id = (max_deleted_id != StreamId::MIN).then_some(max_deleted_id);
    write.edit_stream(key, |stream| stream.entries_mut().set_ids(last_id, added, max_deleted_id));
    write.notify(EventClass::Stream, "xsetid", key);
    reply.ok();
    Ok(())
}
