//! `CONFIG GET` and `CONFIG SET`.
//!
//! For: showing and changing settings. Leaves to others: the settings themselves ([`crate::settings`]) and
//! `CONFIG REWRITE` and `RESETSTAT`, which are the node's.

use quorate_resp::Reply;

use crate::{Answering, Args, Error, Read, Settings, Write};

/// `CONFIG GET pattern …`
pub(crate) fn get(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let defaults = Settings::default();
    let node = read.node.map_or(&defaults, Answering::settings);
    let found = read.state.settings.get(node, args.from(2));
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    Ok(())
}

/// `CONFIG SET name value …`
pub(crate) fn set(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (pairs, rest) = args.from(2).as_chunks();
    if !rest.is_empty() {
        return Err(Error::Syntax);
    }
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|[name, value]| (*name, *value)).collect();
    write.state.configure(&pairs)?;
    write.events.set_wanted(write.state.settings.events());
    reply.ok();
    Ok(())
}
