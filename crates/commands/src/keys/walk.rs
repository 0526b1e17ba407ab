//! Finding keys: all that match, step by step, or one at random.

use quorate_resp::Reply;

use crate::scan::{Found, Options, cursor};
use crate::{Args, Error, Read, glob};

/// `KEYS pattern`
pub(crate) fn keys(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let pattern = &args[1];
    let all = pattern == b"*";
    let place = reply.deferred();
    let mut found = 0;
    for (key, _) in read.db().iter(read.now) {
        if all || glob::matches(pattern, key) {
            reply.bulk(key);
            found += 1;
        }
    }
    reply.finish_array(place, found);
    Ok(())
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(crate) fn scan(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let cursor = cursor(&args[1])?;
    let options = Options::parse(args, 2, true)?;
    let mut found = Found::new(reply);
    let next = read.db().scan(cursor, options.count, read.now, |key, entry| {
        if options.matches(key) && options.is_type(entry.value().type_name()) {
            found.push(key);
        }
    });
    found.finish(next, reply);
    Ok(())
}

/// `RANDOMKEY`
pub(crate) fn randomkey(read: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    match read.db().random(&mut read.rng(), read.now) {
        Some(key) => reply.bulk(key),
        None => reply.null(),
    }
    Ok(())
}
