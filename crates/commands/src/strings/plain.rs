//! Reading and writing whole strings.

use quorate_resp::Reply;

use crate::{Args, Error, Read};

/// `GET key`
pub(crate) fn get(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    match read.string(&args[1])? {
        Some(string) => super::write_string(string, reply),
        None => reply.null(),
    }
    Ok(())
}
