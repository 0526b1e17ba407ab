//! Errors that library functions raise in a script.
//!
//! ```text
//!  Rust function ──► Err(Raised) ──► Lua sees an opaque error ──► pcall, xpcall, coroutine.resume ──► string or table
//!                                                             └─► end of the script ──► error reply
//! ```
//!
//! For: carrying a string or an error table through Lua's unwinding. Leaves to others: catching (`sandbox`, `run`).
//! Invariant: a script sees strings and tables only, as in Redis; never the carrier.

use std::fmt;

use mlua::{Error, Lua, Table, Value};

use crate::meter::{Ended, Meter};

/// What a library function raises.
#[derive(Debug, Clone)]
pub(crate) enum Raised {
    /// A string, with the place of the caller before it.
    Text(Vec<u8>),
    /// A table with the field `err`.
    Reply(Vec<u8>),
    /// The run has ended; nothing catches it.
    Ended,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Raised::Text(text) | Raised::Reply(text) => f.write_str(&String::from_utf8_lossy(text)),
            Raised::Ended => f.write_str("the script was ended"),
        }
    }
}

impl std::error::Error for Raised {}

/// An error string, with the place of the calling Lua function before it as C functions put it there.
pub(crate) fn text(lua: &Lua, message: impl AsRef<[u8]>) -> Error {
    let mut out = place(lua, 1).into_bytes();
    out.extend_from_slice(message.as_ref());
    Error::external(Raised::Text(out))
}

/// An error table as `redis.call` raises it.
pub(crate) fn reply(message: impl Into<Vec<u8>>) -> Error {
    Error::external(Raised::Reply(message.into()))
}

/// The end of the run.
pub(crate) fn ended() -> Error {
    Error::external(Raised::Ended)
}

/// Counts steps, or ends the run.
pub(crate) fn charge(meter: &Meter, steps: usize) -> mlua::Result<()> {
    if meter.charge(steps) { Ok(()) } else { Err(ended()) }
}

/// `user_script:1: `, or nothing where the caller is no Lua function.
fn place(lua: &Lua, level: usize) -> String {
    let found = lua.inspect_stack(level, |frame| {
        let line = frame.current_line()?;
        let source = frame.source().short_src?.into_owned();
        Some(format!("{source}:{line}: "))
    });
    found.flatten().unwrap_or_default()
}

/// Source and line of the innermost function of a script.
pub(crate) fn script_place(lua: &Lua) -> Option<(String, usize)> {
    let mut level = 0;
    loop {
        let found = lua.inspect_stack(level, |frame| {
            let source = frame.source().source?.into_owned();
            Some((source, frame.current_line()?))
        })?;
        match found {
            Some((source, line)) if source.starts_with("@user") => return Some((source, line)),
            _ => level += 1,
        }
    }
}

/// Steps that catching an error of a library function costs.
const CAUGHT_STEPS: usize = 500;

/// What Lua says when an allocation fails.
const OUT_OF_MEMORY: &[u8] = b"not enough memory";

/// Turns a caught error into what a script may see.
///
/// # Errors
/// The run has ended: then the catch does not count.
pub(crate) fn seen(lua: &Lua, meter: &Meter, caught: Value) -> mlua::Result<Value> {
    if let Value::String(text) = &caught
        && text.as_bytes() == OUT_OF_MEMORY
    {
        meter.end(Ended::Memory);
    }
    let Value::Error(error) = &caught else {
        return if meter.ended().is_some() { Err(ended()) } else { Ok(caught) };
    };
    // Raising through Rust costs far more than the instructions around it.
    meter.charge(CAUGHT_STEPS);
    let raised = raised(error);
    if raised.is_none() && is_out_of_memory(error) {
        meter.end(Ended::Memory);
    }
    match raised {
        _ if meter.ended().is_some() => Err(ended()),
        Some(Raised::Text(text)) => Ok(Value::String(lua.create_string(text)?)),
        Some(Raised::Reply(message)) => Ok(Value::Table(error_table(lua, &message)?)),
        Some(Raised::Ended) => Err(ended()),
        None => Ok(Value::String(lua.create_string(first_line(&error.to_string()))?)),
    }
}

pub(crate) fn error_table(lua: &Lua, message: &[u8]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("err", lua.create_string(message)?)?;
    Ok(table)
}

/// What we raised, under the wrappings that it got on its way.
pub(crate) fn raised(error: &Error) -> Option<Raised> {
    match error {
        Error::CallbackError { cause, .. } => raised(cause),
        Error::WithContext { cause, .. } => raised(cause),
        Error::BadArgument { cause, .. } => raised(cause),
        Error::ExternalError(external) => external.downcast_ref::<Raised>().cloned(),
        _ => None,
    }
}

pub(crate) fn is_out_of_memory(error: &Error) -> bool {
    match error {
        Error::MemoryError(_) => true,
        Error::CallbackError { cause, .. } | Error::WithContext { cause, .. } => is_out_of_memory(cause),
        _ => false,
    }
}

/// Errors of Lua's own come with a traceback below them.
pub(crate) fn first_line(text: &str) -> &str {
    let text = text.strip_prefix("runtime error: ").unwrap_or(text);
    text.split("\nstack traceback:").next().unwrap_or(text)
}
