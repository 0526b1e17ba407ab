//! Walking over a hash step by step.

use quorate_resp::Reply;

use crate::scan::{Options, cursor, write_cursor};
use crate::{Args, Error, Read};

/// `HSCAN key cursor [MATCH pattern] [COUNT count]`
///
/// A compact hash is shown whole, whatever COUNT says.
pub(crate) fn hscan(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let cursor = cursor(&args[2])?;
    let Some(hash) = read.hash(&args[1])? else {
        // Redis looks at the options of an existing key only.
        reply.array(2);
        write_cursor(0, reply);
        reply.array(0);
        return Ok(());
    };
    let options = Options::parse(args, 3, false)?;
    let mut found: Vec<(&[u8], &[u8])> = Vec::new();
    let next = hash.scan(cursor, options.count, |field, value| {
        if options.matches(field) {
            found.push((field, value));
        }
    });
    reply.array(2);
    write_cursor(next, reply);
    reply.array(found.len() * 2);
    for (field, value) in found {
        reply.bulk(field);
        reply.bulk(value);
    }
    Ok(())
}
