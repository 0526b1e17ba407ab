//! Lengths and parts of strings.

use quorate_keyspace::StringValue;
use quorate_resp::Reply;

use super::check_length;
use crate::{Args, Error, EventClass, Read, Write};

/// `STRLEN key`
pub(crate) fn strlen(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.count(read.string(&args[1])?.map_or(0, StringValue::len));
    Ok(())
}

/// `GETRANGE key start end`, and `SUBSTR`, its old name
pub(crate) fn getrange(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (start, end) = (args.integer(2)?, args.integer(3)?);
    let Some(string) = read.string(&args[1])? else {
        reply.bulk(b"");
        return Ok(());
    };
    string.with_bytes(|bytes| reply.bulk(part(bytes, start, end)));
    Ok(())
}

/// The bytes from `start` to `end`, both included; negative positions count from the end.
fn part(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    let len = bytes.len() as i64;
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let from_end = |position: i64| if position < 0 { (len + position).max(0) } else { position };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    if start > end { b"" } else { &bytes[start as usize..=end as usize] }
}

/// `SETRANGE key offset value`
pub(crate) fn setrange(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (key, offset, value) = (&args[1], args.integer(2)?, &args[3]);
    let offset = usize::try_from(offset).map_err(|_| Error::OffsetOutOfRange)?;
    let old_len = write.string(key)?.map_or(0, StringValue::len);
    if value.is_empty() {
        reply.count(old_len);
        return Ok(());
    }
    check_length(write.state, offset, value.len())?;
    let new_len = write.edit_string(key, |string| string.set_range(offset, value));
    write.notify(EventClass::String, "setrange", key);
    reply.count(new_len);
    Ok(())
}

/// `APPEND key value`
pub(crate) fn append(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (key, value) = (&args[1], &args[2]);
    let new_len = match write.string(key)?.map(StringValue::len) {
        Some(old_len) => {
            check_length(write.state, old_len, value.len())?;
            write.edit_string(key, |string| string.append(value))
        }
        None => {
            write.put_string(key, StringValue::new(value));
            value.len()
        }
    };
    write.notify(EventClass::String, "append", key);
    reply.count(new_len);
    Ok(())
}
