//! Values in and out in Redis' own format: `DUMP` and `RESTORE`.

use quorate_keyspace::Millis;
use quorate_resp::Reply;

use crate::rdb::{self, Shape};
use crate::{Args, Error, EventClass, Read, Write};

/// `DUMP key`
pub(crate) fn dump(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    match read.get(&args[1]) {
        Some(entry) => reply.bulk(&rdb::dump(entry.value())),
        None => reply.null(),
    }
    Ok(())
}

/// What stands behind the payload.
#[derive(Debug, Default)]
struct Options {
    replace: bool,
    absolute: bool,
}

impl Options {
    /// Checks the time and frequency of access as well, though they are not kept.
    fn parse(args: Args<'_>) -> Result<Options, Error> {
        let mut options = Options::default();
        let (mut idle_given, mut frequency_given) = (false, false);
        let mut i = 4;
        while i < args.len() {
            let more = i + 1 < args.len();
            if args.is(i, "REPLACE") {
                options.replace = true;
            } else if args.is(i, "ABSTTL") {
                options.absolute = true;
            } else if more && args.is(i, "IDLETIME") && !frequency_given {
                i += 1;
                if args.integer(i)? < 0 {
                    return Err(Error::text("ERR Invalid IDLETIME value, must be >= 0"));
                }
                idle_given = true;
            } else if more && args.is(i, "FREQ") && !idle_given {
                i += 1;
                if !(0..=255).contains(&args.integer(i)?) {
                    return Err(Error::text("ERR Invalid FREQ value, must be >= 0 and <= 255"));
                }
                frequency_given = true;
            } else {
                return Err(Error::Syntax);
            }
            i += 1;
        }
        Ok(options)
    }
}

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`
pub(crate) fn restore(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let options = Options::parse(args)?;
    let key = &args[1];
    let exists = write.get(key).is_some();
    if exists && !options.replace {
        return Err(Error::text("BUSYKEY Target key name already exists."));
    }
    let ttl = args.integer(2)?;
    if ttl < 0 {
        return Err(Error::text("ERR Invalid TTL value, must be >= 0"));
    }
    let expires = match (ttl, options.absolute) {
        (0, _) => None,
        (at, true) => Some(Millis(at)),
        (millis, false) => Some(Millis(write.now.0.saturating_add(millis))),
    };
    let shape = Shape { seed: write.state.keyspace.seed(), settings: &write.state.settings };
    let value = rdb::restore(&args[3], shape).map_err(|error| match error {
        rdb::Error::Payload => Error::text("ERR DUMP payload version or checksum are wrong"),
        _ => Error::text("ERR Bad data format"),
    })?;
    if exists {
        write.remove(key);
    }
    if expires.is_some_and(|at| at <= write.now) {
        if exists {
            write.notify(EventClass::Generic, "del", key);
        }
    } else {
        write.set(key, value, expires);
        write.notify(EventClass::Generic, "restore", key);
    }
    reply.ok();
    Ok(())
}
