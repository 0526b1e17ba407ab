//! Several keys at once.

use quorate_keyspace::{Entry, Value};
use quorate_resp::Reply;

use super::{set, write_string};
use crate::{Args, Error, Read, Write};

/// `MGET key …`; keys of other types count as missing.
pub(crate) fn mget(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let keys = args.from(1);
    reply.array(keys.len());
    for key in keys {
        match read.get(key).map(Entry::value) {
            Some(Value::String(string)) => write_string(string, reply),
            _ => reply.null(),
        }
    }
    Ok(())
}

/// `MSET key value …`
pub(crate) fn mset(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let pairs = pairs(args, "mset")?;
    store_all(write, pairs);
    reply.ok();
    Ok(())
}

/// `MSETNX key value …`
pub(crate) fn msetnx(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let pairs = pairs(args, "msetnx")?;
    let free = pairs.iter().all(|[key, _]| write.get(key).is_none());
    if free {
        store_all(write, pairs);
    }
    reply.integer(free.into());
    Ok(())
}

fn pairs<'a>(args: Args<'a>, name: &'static str) -> Result<&'a [[&'a [u8]; 2]], Error> {
    let (pairs, rest) = args.from(1).as_chunks();
    if rest.is_empty() { Ok(pairs) } else { Err(Error::WrongArity(name.into())) }
}

fn store_all(write: &mut Write<'_>, pairs: &[[&[u8]; 2]]) {
    for [key, value] in pairs {
        set::store(write, key, value, None, false);
    }
}
