//! `BITOP`.

use std::sync::Arc;

use quorate_keyspace::{StringValue, Value};
use quorate_resp::Reply;

use crate::{Args, Error, EventClass, Write};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

/// `BITOP AND|OR|XOR|NOT destination key [key ...]`
///
/// Shorter strings end in zeros; a result without bytes removes the destination.
pub(crate) fn bitop(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let operations =
        [("AND", Operation::And), ("OR", Operation::Or), ("XOR", Operation::Xor), ("NOT", Operation::Not)];
    let named = operations.iter().find(|(name, _)| args.is(1, name));
    let operation = named.ok_or(Error::Syntax)?.1;
    let (destination, keys) = (&args[2], args.from(3));
    if operation == Operation::Not && keys.len() != 1 {
        return Err(Error::text("ERR BITOP NOT must be called with a single source key."));
    }
    let mut sources = Vec::with_capacity(keys.len());
    for key in keys {
        sources.push(write.string(key)?);
    }
    let result = combine(operation, &sources);
    let len = result.len();
    if len > 0 {
        write.set(destination, Value::String(StringValue::Raw(Arc::new(result))), None);
        write.notify(EventClass::String, "set", destination);
    } else if write.remove(destination).is_some() {
        write.notify(EventClass::Generic, "del", destination);
    }
    reply.count(len);
    Ok(())
}

fn combine(operation: Operation, sources: &[Option<&StringValue>]) -> Vec<u8> {
    let len_of = |source: &Option<&StringValue>| source.map_or(0, StringValue::len);
    let len = sources.iter().map(len_of).max().unwrap_or(0);
    let mut result = vec![0; len];
    for (i, source) in sources.iter().enumerate() {
        let mut merge = |bytes: &[u8]| {
            let (covered, rest) = result.split_at_mut(bytes.len());
            match operation {
                _ if i == 0 => covered.copy_from_slice(bytes),
                Operation::And => {
                    covered.iter_mut().zip(bytes).for_each(|(to, from)| *to &= from);
                    rest.fill(0);
                }
                Operation::Or => covered.iter_mut().zip(bytes).for_each(|(to, from)| *to |= from),
                Operation::Xor | Operation::Not => {
                    covered.iter_mut().zip(bytes).for_each(|(to, from)| *to ^= from);
                }
            }
        };
        match source {
            Some(string) => string.with_bytes(merge),
            None => merge(b""),
        }
    }
    if operation == Operation::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    result
}
