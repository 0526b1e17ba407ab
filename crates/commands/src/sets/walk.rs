//! Walking over a set step by step.

use quorate_resp::Reply;

use crate::scan::{Found, Options, cursor};
use crate::{Args, Error, Read};

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
///
/// A compact set is shown whole, whatever COUNT says.
pub(crate) fn sscan(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let cursor = cursor(&args[2])?;
    let Some(set) = read.set(&args[1])? else {
        // Redis looks at the options of an existing key only.
        Found::new(reply).finish(0, reply);
        return Ok(());
    };
    let options = Options::parse(args, 3, false)?;
    let mut found = Found::new(reply);
    let mut digits = itoa::Buffer::new();
    let next = set.scan(cursor, options.count, |member| {
        let member = member.text(&mut digits);
        if options.matches(member) {
            found.push(member);
        }
    });
    found.finish(next, reply);
    Ok(())
}
