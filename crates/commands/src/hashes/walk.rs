//! Walking over a hash step by step.

use quorate_resp::Reply;

use crate::scan::{Found, Options, cursor};
use crate::{Args, Error, Read};

/// `HSCAN key cursor [MATCH pattern] [COUNT count]`
///
/// A compact hash is shown whole, whatever COUNT says.
pub(crate) fn hscan(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let cursor = cursor(&args[2])?;
    let Some(hash) = read.hash(&args[1])? else {
        // Redis looks at the options of an existing key only.
        Found::new(reply).finish(0, reply);
        return Ok(());
    };
    let options = Options::parse(args, 3, false)?;
    let mut found = Found::new(reply);
    let next = hash.scan(cursor, options.count, |field, value| {
        if options.matches(field) {
            found.push(field);
            found.push(value);
        }
    });
    found.finish(next, reply);
    Ok(())
}
