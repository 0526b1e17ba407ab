//! Between replies and values of Lua, by Redis' rules.
//!
//! For: what `redis.call` gives back, and what a script's result is to the client.
//! Invariant: whatever a script returns, cycles included, its reply is finite and counted.

use std::vec::IntoIter;

use mlua::{Lua, Table};
use quorate_resp::{Reply, Value as Answer};

use crate::arguments::{coerced_bytes, number_of};
use crate::format::format_g;
use crate::meter::Meter;
use crate::raise;
use crate::tables::{Key, sorted};

/// How deep a script's reply may be nested.
const DEPTH_MAX: usize = 200;

/// Steps that a value costs on its way in or out, and a table of a result, whose kind has to be found out: what they
/// take in time, in instructions of Lua.
const VALUE_STEPS: usize = 20;
const TABLE_STEPS: usize = 200;

/// What a script sees of a reply.
pub(crate) fn to_lua(lua: &Lua, meter: &Meter, answer: &Answer, resp3: bool) -> mlua::Result<mlua::Value> {
    raise::charge(meter, VALUE_STEPS)?;
    let single = |name: &str, value: mlua::Value| {
        let table = lua.create_table()?;
        table.raw_set(name, value)?;
        Ok::<_, mlua::Error>(mlua::Value::Table(table))
    };
    let string = |bytes: &[u8]| {
        raise::charge(meter, bytes.len() / 8)?;
        Ok::<_, mlua::Error>(mlua::Value::String(lua.create_string(bytes)?))
    };
    Ok(match answer {
        Answer::Simple(text) => single("ok", string(text)?)?,
        Answer::Error(text) => {
            let table = raise::error_table(lua, text)?;
            table.raw_set("ignore_error_stats_update", true)?;
            mlua::Value::Table(table)
        }
        Answer::Integer(number) => mlua::Value::Number(*number as f64),
        Answer::Bulk(bytes) => string(bytes)?,
        Answer::Null if resp3 => mlua::Value::Nil,
        Answer::Null => mlua::Value::Boolean(false),
        Answer::Array(items) | Answer::Push(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (i, item) in items.iter().enumerate() {
                table.raw_set(i + 1, to_lua(lua, meter, item, resp3)?)?;
            }
            mlua::Value::Table(table)
        }
        Answer::Map(pairs) => {
            let map = lua.create_table()?;
            for (key, value) in pairs {
                let key = to_lua(lua, meter, key, resp3)?;
                if !key.is_nil() {
                    map.raw_set(key, to_lua(lua, meter, value, resp3)?)?;
                }
            }
            single("map", mlua::Value::Table(map))?
        }
        Answer::Set(items) => {
            let set = lua.create_table()?;
            for item in items {
                let item = to_lua(lua, meter, item, resp3)?;
                if !item.is_nil() {
                    set.raw_set(item, true)?;
                }
            }
            single("set", mlua::Value::Table(set))?
        }
        Answer::Double(number) => single("double", mlua::Value::Number(*number))?,
        Answer::Boolean(truth) => mlua::Value::Boolean(*truth),
        Answer::BigNumber(digits) => single("big_number", string(digits)?)?,
        Answer::Verbatim { format, text } => {
            let verbatim = lua.create_table()?;
            verbatim.raw_set("string", string(text)?)?;
            verbatim.raw_set("format", string(format)?)?;
            single("verbatim_string", mlua::Value::Table(verbatim))?
        }
        Answer::Attributed { value, .. } => to_lua(lua, meter, value, resp3)?,
        _ => mlua::Value::Nil,
    })
}

/// Writes a script's result.
///
/// # Errors
/// The run has ended while its result was written: what is in the reply is to be dropped.
pub(crate) fn to_reply(
    lua: &Lua,
    meter: &Meter,
    value: &mlua::Value,
    resp3: bool,
    reply: &mut Reply,
) -> mlua::Result<()> {
    let mut writer = Writer { meter, resp3, reply };
    // Tables that are open wait in a list and not on the stack, whose size is the thread's.
    let mut open = Vec::new();
    writer.begin(value, &mut open)?;
    while let Some(table) = open.last_mut() {
        match table.next(lua)? {
            Some(value) => writer.begin(&value, &mut open)?,
            None => drop(open.pop()),
        }
    }
    Ok(())
}

/// A table of which a part is written. Its elements are taken one at a time: there may be few references into Lua at
/// once.
enum Open {
    Array { table: Table, at: usize, len: usize },
    Map { table: Table, keys: IntoIter<Key>, value: Option<mlua::Value> },
    Set { keys: IntoIter<Key> },
}

impl Open {
    fn next(&mut self, lua: &Lua) -> mlua::Result<Option<mlua::Value>> {
        match self {
            Open::Array { at, len, .. } if *at == *len => Ok(None),
            Open::Array { table, at, .. } => {
                *at += 1;
                table.raw_get(*at).map(Some)
            }
            Open::Map { value: value @ Some(_), .. } => Ok(value.take()),
            Open::Map { table, keys, value } => {
                let Some(key) = keys.next() else { return Ok(None) };
                let key = key.to_lua(lua)?;
                *value = Some(table.raw_get(&key)?);
                Ok(Some(key))
            }
            Open::Set { keys } => keys.next().map(|key| key.to_lua(lua)).transpose(),
        }
    }
}

struct Writer<'a> {
    meter: &'a Meter,
    resp3: bool,
    reply: &'a mut Reply,
}

impl Writer<'_> {
    /// Writes a plain value, or opens a table.
    fn begin(&mut self, value: &mlua::Value, open: &mut Vec<Open>) -> mlua::Result<()> {
        raise::charge(self.meter, VALUE_STEPS)?;
        match value {
            mlua::Value::String(string) => {
                raise::charge(self.meter, string.as_bytes().len() / 8)?;
                self.reply.bulk(&string.as_bytes());
            }
            mlua::Value::Boolean(truth) if self.resp3 => self.reply.boolean(*truth),
            mlua::Value::Boolean(true) => self.reply.integer(1),
            mlua::Value::Table(_) if open.len() >= DEPTH_MAX => {
                self.reply.error("ERR reached lua stack limit");
            }
            mlua::Value::Table(table) => open.extend(self.table(table)?),
            other => match number_of(other) {
                Some(number) => self.reply.integer(truncated(number)),
                None => self.reply.null(),
            },
        }
        Ok(())
    }

    /// Writes what a table stands for, or its head: then the elements follow.
    fn table(&mut self, table: &Table) -> mlua::Result<Option<Open>> {
        raise::charge(self.meter, TABLE_STEPS)?;
        use mlua::Value::{String, Table};
        let field = |name: &str| table.raw_get::<mlua::Value>(name);
        if let String(text) = field("err")? {
            self.reply.error_bytes(&text.as_bytes());
        } else if let String(text) = field("ok")? {
            self.reply.simple_bytes(&text.as_bytes());
        } else if let Some(number) = number_of(&field("double")?) {
            self.reply.double(number);
        } else if let String(digits) = field("big_number")? {
            let digits = digits.to_string_lossy().replace(['\r', '\n'], " ");
            self.reply.big_number(&digits);
        } else if let Some((format, text)) = verbatim(&field("verbatim_string")?)? {
            self.reply.verbatim(&format, &text);
        } else if let Table(map) = field("map")? {
            let keys = sorted(self.meter, &map)?;
            self.reply.map(keys.len());
            return Ok(Some(Open::Map { table: map, keys: keys.into_iter(), value: None }));
        } else if let Table(set) = field("set")? {
            let keys = sorted(self.meter, &set)?;
            self.reply.set(keys.len());
            return Ok(Some(Open::Set { keys: keys.into_iter() }));
        } else {
            // The elements up to the first that is nil.
            let mut len = 0;
            while !table.raw_get::<mlua::Value>(len + 1)?.is_nil() {
                raise::charge(self.meter, VALUE_STEPS)?;
                len += 1;
            }
            self.reply.array(len);
            return Ok(Some(Open::Array { table: table.clone(), at: 0, len }));
        }
        Ok(None)
    }
}

/// Format of three characters and text, if it is such a table.
fn verbatim(value: &mlua::Value) -> mlua::Result<Option<(String, Vec<u8>)>> {
    let mlua::Value::Table(table) = value else { return Ok(None) };
    let (format, text): (mlua::Value, mlua::Value) = (table.raw_get("format")?, table.raw_get("string")?);
    let (mlua::Value::String(format), mlua::Value::String(text)) = (format, text) else { return Ok(None) };
    let ascii = format
        .as_bytes()
        .iter()
        .map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { ' ' })
        .take(3)
        .collect::<String>();
    Ok(Some((format!("{ascii:<3}"), text.as_bytes().to_vec())))
}

/// The integer of a number as C's conversion has it: the least one for what has none.
fn truncated(number: f64) -> i64 {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
    if fits { number as i64 } else { i64::MIN }
}

/// The arguments of a command; nothing if one is neither string nor number.
pub(crate) fn command_arguments(values: &[mlua::Value]) -> Option<Vec<Vec<u8>>> {
    let bytes = |value: &mlua::Value| match number_of(value) {
        Some(number) => Some(format_g(number, 17).into_bytes()),
        None => coerced_bytes(value),
    };
    values.iter().map(bytes).collect()
}
