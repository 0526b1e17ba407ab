//! Values in and out in Redis' own format: `DUMP` and `RESTORE`.

use quorate_keyspace::{AccessClock, Millis};
use quorate_resp::Reply;

use crate::eviction::access_clock;
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
    idle_seconds: Option<i64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Options, Error> {
        let mut options = Options::default();
        let mut i = 4;
        while i < args.len() {
            let more = i + 1 < args.len();
            if args.is(i, "REPLACE") {
                options.replace = true;
            } else if args.is(i, "ABSTTL") {
                options.absolute = true;
            } else if more && args.is(i, "IDLETIME") && options.frequency.is_none() {
                i += 1;
                let seconds = args.integer(i)?;
                if seconds < 0 {
                    return Err(Error::text("ERR Invalid IDLETIME value, must be >= 0"));
                }
                options.idle_seconds = Some(seconds);
            } else if more && args.is(i, "FREQ") && options.idle_seconds.is_none() {
                i += 1;
                let invalid = |_| Error::text("ERR Invalid FREQ value, must be >= 0 and <= 255");
                options.frequency = Some(u8::try_from(args.integer(i)?).map_err(invalid)?);
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
        let clock = access_clock(&write.state.settings, write.now);
        let by_frequency = matches!(clock, AccessClock::Frequency { .. });
        let accessed = match (options.idle_seconds, options.frequency) {
            (Some(idle), _) if !by_frequency => {
                Some(clock.idle_for(u32::try_from(idle).unwrap_or(u32::MAX / 2)))
            }
            (_, Some(counter)) if by_frequency => Some(clock.with_counter(counter)),
            _ => None,
        };
        if let (Some(accessed), Some(mut entry)) = (accessed, write.get_mut(key)) {
            entry.set_accessed(accessed);
        }
        write.notify(EventClass::Generic, "restore", key);
    }
    reply.ok();
    Ok(())
}
