//! Walking over a sorted set step by step.

use quorate_resp::{Reply, format_double};

use crate::scan::{Found, Options, cursor};
use crate::{Args, Error, Read};

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
///
/// A compact sorted set is shown whole, whatever COUNT says.
pub(crate) fn zscan(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let cursor = cursor(&args[2])?;
    let Some(set) = read.sorted_set(&args[1])? else {
        // Redis looks at the options of an existing key only.
        Found::new(reply).finish(0, reply);
        return Ok(());
    };
    let options = Options::parse(args, 3, false)?;
    let mut found = Found::new(reply);
    let next = set.scan(cursor, options.count, |member, score| {
        if options.matches(member) {
            found.push(member);
            found.push(&format_double(score));
        }
    });
    found.finish(next, reply);
    Ok(())
}
