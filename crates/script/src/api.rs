//! The functions of `redis` that need no host.
//!
//! For: replies, digests, switches and constants. Leaves to others: `call`, `pcall`, `log` and `acl_check_cmd`, which
//! `run` makes for each run around its host.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, Result, Table, Value};

use crate::arguments::{Arguments, coerced_bytes};
use crate::meter::SharedMeter;
use crate::{raise, sha1_hex};

/// The version of Redis that scripts may rely on.
const VERSION: (&str, u32) = ("7.2.4", 0x0007_0204);

/// Whether a script has asked for RESP3.
pub(crate) type SharedProtocol = Rc<Cell<bool>>;

/// Makes `redis`.
pub(crate) fn redis(lua: &Lua, meter: &SharedMeter, resp3: &SharedProtocol) -> Result<Table> {
    let redis = lua.create_table()?;
    constants(&redis)?;
    for (name, value) in
        [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)]
    {
        redis.raw_set(name, value)?;
    }
    let shared = meter.clone();
    let sha1hex = move |_: &Lua, args: Arguments| {
        let [value] = args.values() else { return Err(raise::reply("ERR wrong number of arguments")) };
        let bytes = coerced_bytes(value).unwrap_or_default();
        raise::charge(&shared, bytes.len())?;
        Ok(sha1_hex(&bytes))
    };
    redis.raw_set("sha1hex", lua.create_function(sha1hex)?)?;
    redis.raw_set("error_reply", lua.create_function(|lua, args: Arguments| error_reply(lua, &args))?)?;
    redis.raw_set("status_reply", lua.create_function(|lua, args: Arguments| status_reply(lua, &args))?)?;
    let shared = resp3.clone();
    let setresp = move |lua: &Lua, args: Arguments| {
        let [value] = args.values() else {
            return Err(raise::reply("ERR redis.setresp() requires one argument."));
        };
        match crate::arguments::coerced_number(lua, value) {
            Some(version @ (2.0 | 3.0)) => shared.set(version == 3.0),
            _ => return Err(raise::reply("ERR RESP version must be 2 or 3.")),
        }
        Ok(())
    };
    redis.raw_set("setresp", lua.create_function(setresp)?)?;
    redis.raw_set("set_repl", lua.create_function(|lua, args: Arguments| set_repl(lua, &args))?)?;
    redis.raw_set("replicate_commands", lua.create_function(|_, ()| Ok(true))?)?;
    // There is no debugger: both do what they do in Redis without one.
    redis.raw_set("breakpoint", lua.create_function(|_, ()| Ok(false))?)?;
    redis.raw_set("debug", lua.create_function(|_, _: Arguments| Ok(()))?)?;
    Ok(redis)
}

/// Versions and log levels, which libraries see while they are loaded as well.
pub(crate) fn constants(redis: &Table) -> Result<()> {
    redis.raw_set("REDIS_VERSION", VERSION.0)?;
    redis.raw_set("REDIS_VERSION_NUM", VERSION.1)?;
    for (level, name) in ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"].into_iter().enumerate() {
        redis.raw_set(name, level)?;
    }
    Ok(())
}

fn wrong_arguments(lua: &Lua) -> Result<Table> {
    raise::error_table(lua, b"ERR wrong number or type of arguments")
}

fn error_reply(lua: &Lua, args: &Arguments) -> Result<Table> {
    let [Value::String(text)] = args.values() else { return wrong_arguments(lua) };
    let text = text.as_bytes();
    // A code is what precedes the first space; without one it is ERR.
    let text = text.strip_prefix(b"-").unwrap_or(&text);
    let text = text.trim_ascii_end();
    let message = if text.contains(&b' ') { text.to_vec() } else { [b"ERR ", text].concat() };
    raise::error_table(lua, &message)
}

fn status_reply(lua: &Lua, args: &Arguments) -> Result<Table> {
    let [Value::String(text)] = args.values() else { return wrong_arguments(lua) };
    let table = lua.create_table()?;
    table.raw_set("ok", text)?;
    Ok(table)
}

/// Every command that changes something is replicated here, whatever a script asks for.
fn set_repl(lua: &Lua, args: &Arguments) -> Result<()> {
    let [value] = args.values() else {
        return Err(raise::reply("ERR redis.set_repl() requires two arguments."));
    };
    match crate::arguments::coerced_number(lua, value).map(|number| number as i64) {
        Some(0..=3) | None => Ok(()),
        Some(_) => Err(raise::reply(
            "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        )),
    }
}
