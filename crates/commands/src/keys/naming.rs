//! Moving and copying whole keys: to another name, to another database.

use quorate_keyspace::{DbIndex, Millis, Value};
use quorate_resp::Reply;

use super::database;
use crate::{Args, Error, EventClass, Write};

/// `RENAME key newkey`
pub(crate) fn rename(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    rename_key(write, &args[1], &args[2], true)?;
    reply.ok();
    Ok(())
}

/// `RENAMENX key newkey`
pub(crate) fn renamenx(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let renamed = rename_key(write, &args[1], &args[2], false)?;
    reply.integer(i64::from(renamed));
    Ok(())
}

/// `MOVE key db`
pub(crate) fn move_key(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let target = database(args, 2)?;
    let source = write.db;
    if target == source {
        return Err(same_object());
    }
    let key = &args[1];
    let moved = write.get(key).is_some() && !exists(write, target, key);
    if moved {
        relocate(write, (source, key), (target, key));
        write.events.notify(EventClass::Generic, "move_from", source, key);
        write.events.notify(EventClass::Generic, "move_to", target, key);
    }
    reply.integer(i64::from(moved));
    Ok(())
}

/// `COPY source destination [DB destination-db] [REPLACE]`
pub(crate) fn copy(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (from, to) = (&args[1], &args[2]);
    let mut target = write.db;
    let mut replace = false;
    let mut i = 3;
    while i < args.len() {
        if args.is(i, "REPLACE") {
            replace = true;
        } else if args.is(i, "DB") && i + 1 < args.len() {
            target = database(args, i + 1)?;
            i += 1;
        } else {
            return Err(Error::Syntax);
        }
        i += 1;
    }
    if target == write.db && from == to {
        return Err(same_object());
    }
    let Some(entry) = write.get(from) else {
        reply.integer(0);
        return Ok(());
    };
    let (value, expires) = (entry.value().clone(), entry.expires());
    if exists(write, target, to) && !replace {
        reply.integer(0);
        return Ok(());
    }
    put(write, target, to, value, expires);
    write.events.notify(EventClass::Generic, "copy_to", target, to);
    reply.integer(1);
    Ok(())
}

fn same_object() -> Error {
    Error::text("ERR source and destination objects are the same")
}

/// True if the key was renamed; false if it has that name already or the name may not be taken.
fn rename_key(write: &mut Write<'_>, from: &[u8], to: &[u8], replace: bool) -> Result<bool, Error> {
    if write.get(from).is_none() {
        return Err(Error::NoSuchKey);
    }
    if from == to || !replace && write.get(to).is_some() {
        return Ok(false);
    }
    relocate(write, (write.db, from), (write.db, to));
    write.notify(EventClass::Generic, "rename_from", from);
    write.notify(EventClass::Generic, "rename_to", to);
    Ok(true)
}

/// Moves a live entry with its expiry, replacing what is there.
fn relocate(write: &mut Write<'_>, from: (DbIndex, &[u8]), to: (DbIndex, &[u8])) {
    let (now, version) = (write.now, write.version);
    let entry = write.state.keyspace.db_mut(from.0).take(from.1, now, version);
    let entry = entry.expect("the caller found the key");
    let expires = entry.expires();
    put(write, to.0, to.1, entry.into_value(), expires);
}

/// True if the key is in that database.
fn exists(write: &Write<'_>, db: DbIndex, key: &[u8]) -> bool {
    write.state.keyspace.db(db).contains(key, write.now)
}

/// Stores a value with this expiry. What is there goes first, so that the key counts as new, as in Redis.
fn put(write: &mut Write<'_>, db: DbIndex, key: &[u8], value: Value, expires: Option<Millis>) {
    let own = std::mem::replace(&mut write.db, db);
    write.remove(key);
    write.set(key, value, expires);
    write.db = own;
}
