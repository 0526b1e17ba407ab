//! Tables in an order that is the same everywhere, and the functions of `table` and `string` whose cost must count.
//!
//! Lua keeps keys in the order of their hashes, which for tables and functions are addresses, and which depends on what
//! was removed before. Scripts see numbers first, then strings by their bytes, then booleans.

use std::cmp::Ordering;

use mlua::{Lua, LuaString, Result, Table, Value};

use crate::arguments::{Arguments, coerced_bytes, number_of, type_name};
use crate::meter::{Ended, Meter, SharedMeter};
use crate::raise;

/// Longest string that a library function makes.
const STRING_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Replaces functions of the libraries, and adds those of the prelude's `native`.
pub(crate) fn install(
    lua: &Lua,
    table: &Table,
    string: &Table,
    native: &Table,
    meter: &SharedMeter,
) -> Result<()> {
    let shared = meter.clone();
    table.raw_set("concat", lua.create_function(move |lua, args: Arguments| concat(lua, &shared, &args))?)?;
    let shared = meter.clone();
    table.raw_set("insert", lua.create_function(move |lua, args: Arguments| insert(lua, &shared, &args))?)?;
    let shared = meter.clone();
    table.raw_set("remove", lua.create_function(move |lua, args: Arguments| remove(lua, &shared, &args))?)?;
    let shared = meter.clone();
    string.raw_set("rep", lua.create_function(move |lua, args: Arguments| rep(lua, &shared, &args))?)?;
    let shared = meter.clone();
    let keys = move |lua: &Lua, table: Table| {
        let keys = sorted(&shared, &table).map_err(|error| told(lua, error))?;
        let list = lua.create_table_with_capacity(keys.len(), 0)?;
        for (i, key) in keys.iter().enumerate() {
            list.raw_set(i + 1, key.to_lua(lua)?)?;
        }
        Ok(list)
    };
    native.raw_set("keys", lua.create_function(keys)?)?;
    let shared = meter.clone();
    let charge = move |_: &Lua, steps: usize| raise::charge(&shared, steps);
    native.raw_set("charge", lua.create_function(charge)?)?;
    Ok(())
}

fn told(lua: &Lua, error: mlua::Error) -> mlua::Error {
    match raise::raised(&error) {
        Some(raise::Raised::Text(text)) => raise::text(lua, text),
        _ => error,
    }
}

/// A key of a table. It refers to no object of Lua but where it has to: there may be 8000 such references at a time.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    Number(f64),
    Bytes(Vec<u8>),
    Boolean(bool),
    /// A table, a function, a thread or a pointer; of those that have no order there is one at most.
    Other(Value),
}

impl Key {
    fn of(value: Value) -> Key {
        match value {
            Value::String(string) => Key::Bytes(string.as_bytes().to_vec()),
            Value::Boolean(truth) => Key::Boolean(truth),
            other => number_of(&other).map_or(Key::Other(other), Key::Number),
        }
    }

    pub(crate) fn to_lua(&self, lua: &Lua) -> Result<Value> {
        Ok(match self {
            Key::Number(number) => Value::Number(*number),
            Key::Bytes(bytes) => Value::String(lua.create_string(bytes)?),
            Key::Boolean(truth) => Value::Boolean(*truth),
            Key::Other(value) => value.clone(),
        })
    }

    pub(crate) fn number(&self) -> Option<f64> {
        if let Key::Number(number) = self { Some(*number) } else { None }
    }

    fn rank(&self) -> u8 {
        match self {
            Key::Number(_) => 0,
            Key::Bytes(_) => 1,
            Key::Boolean(_) => 2,
            Key::Other(Value::LightUserData(_)) => 3,
            Key::Other(_) => UNORDERED,
        }
    }
}

const UNORDERED: u8 = 4;

/// The keys of a table in our order.
///
/// # Errors
/// It has more than one key that has no order: a table, a function, a thread.
pub(crate) fn sorted(meter: &Meter, table: &Table) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    let (mut bytes, mut unordered) = (0, 0);
    table.for_each(|key: Value, _: Value| {
        let key = Key::of(key);
        unordered += usize::from(key.rank() == UNORDERED);
        if unordered > 1 {
            let text = "Script attempted to walk a table whose keys have no order: tables or functions";
            return Err(mlua::Error::external(raise::Raised::Text(text.into())));
        }
        if let Key::Bytes(name) = &key {
            bytes += name.len();
        }
        keys.push(key);
        Ok(())
    })?;
    raise::charge(meter, keys.len() * 30 + bytes / 8 + 1)?;
    let in_order = |keys: &[Key]| keys.windows(2).all(|two| order(&two[0], &two[1]) == Ordering::Less);
    if !in_order(&keys) {
        keys.sort_by(order);
    }
    Ok(keys)
}

fn order(a: &Key, b: &Key) -> Ordering {
    match (a, b) {
        (Key::Bytes(a), Key::Bytes(b)) => a.cmp(b),
        (Key::Boolean(a), Key::Boolean(b)) => a.cmp(b),
        (Key::Number(a), Key::Number(b)) => a.total_cmp(b),
        _ => a.rank().cmp(&b.rank()),
    }
}

/// Refuses a string that is too long before it is made.
fn check_length(meter: &Meter, len: usize) -> Result<()> {
    if len > STRING_BYTES_MAX {
        meter.end(Ended::Memory);
        return Err(raise::ended());
    }
    raise::charge(meter, len / 8)
}

fn concat(lua: &Lua, meter: &Meter, args: &Arguments) -> Result<LuaString> {
    let table = args.table(lua, "concat", 1)?;
    let separator =
        if args.is_none_or_nil(2) { Vec::new() } else { args.string(lua, "concat", 2)?.as_bytes().to_vec() };
    let first = args.integer_or(lua, "concat", 3, 1)?;
    let last = if args.is_none_or_nil(4) { table.raw_len() as i64 } else { args.integer(lua, "concat", 4)? };
    let mut out = Vec::new();
    for i in first..=last {
        let value: Value = table.raw_get(i)?;
        let Some(bytes) = coerced_bytes(&value) else {
            let type_name = type_name(&value);
            return Err(raise::text(
                lua,
                format!("invalid value ({type_name}) at index {i} in table for 'concat'"),
            ));
        };
        out.extend_from_slice(&bytes);
        if i != last {
            out.extend_from_slice(&separator);
        }
        raise::charge(meter, 10 + (bytes.len() + separator.len()) / 8)?;
        if out.len() > STRING_BYTES_MAX {
            check_length(meter, out.len())?;
        }
    }
    lua.create_string(out)
}

/// Refuses a table that scripts share.
fn check_own(lua: &Lua, table: &Table) -> Result<()> {
    match table.metatable() {
        Some(meta) if meta.raw_get::<Option<bool>>("readonly")? == Some(true) => {
            Err(raise::text(lua, "Attempt to modify a readonly table"))
        }
        _ => Ok(()),
    }
}

fn insert(lua: &Lua, meter: &Meter, args: &Arguments) -> Result<()> {
    let table = args.table(lua, "insert", 1)?;
    check_own(lua, &table)?;
    let end = table.raw_len() as i64 + 1;
    match args.values() {
        [_, value] => table.raw_set(end, value),
        [_, _, value] => {
            let at = args.integer(lua, "insert", 2)?;
            raise::charge(meter, usize::try_from(end.max(at) - at).unwrap_or(usize::MAX).saturating_mul(20))?;
            for i in (at + 1..=end).rev() {
                table.raw_set(i, table.raw_get::<Value>(i - 1)?)?;
            }
            table.raw_set(at, value)
        }
        _ => Err(raise::text(lua, "wrong number of arguments to 'insert'")),
    }
}

fn remove(lua: &Lua, meter: &Meter, args: &Arguments) -> Result<Option<Value>> {
    let table = args.table(lua, "remove", 1)?;
    check_own(lua, &table)?;
    let end = table.raw_len() as i64;
    let at = args.integer_or(lua, "remove", 2, end)?;
    if !(1..=end).contains(&at) {
        return Ok(None);
    }
    raise::charge(meter, (end - at) as usize * 20)?;
    let removed = table.raw_get::<Value>(at)?;
    for i in at..end {
        table.raw_set(i, table.raw_get::<Value>(i + 1)?)?;
    }
    table.raw_set(end, Value::Nil)?;
    Ok(Some(removed))
}

fn rep(lua: &Lua, meter: &Meter, args: &Arguments) -> Result<LuaString> {
    let string = args.string(lua, "rep", 1)?;
    let times = usize::try_from(args.integer(lua, "rep", 2)?).unwrap_or(0);
    let bytes = &*string.as_bytes();
    check_length(meter, bytes.len().saturating_mul(times))?;
    lua.create_string(bytes.repeat(times))
}
