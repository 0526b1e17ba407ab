//! `cjson`: JSON as Redis' library writes and reads it.
//!
//! For: the library's functions, and its switches, which hold for one script only.
//! Leaves to others: nothing. Invariant: objects are written in the order of their keys (`tables`).

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, LuaString, Result, Table, Value};

use crate::arguments::{Arguments, number_of, type_name};
use crate::format::format_g;
use crate::meter::{Meter, SharedMeter};
use crate::raise;
use crate::tables::{Key, sorted};

mod decode;

/// The switches of the library.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Switches {
    sparse_convert: bool,
    sparse_ratio: i64,
    sparse_safe: i64,
    encode_depth_max: i64,
    decode_depth_max: i64,
    number_digits: i64,
    encode_invalid: Invalid,
    decode_invalid: bool,
    keep_buffer: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Invalid {
    Refused,
    Written,
    Null,
}

impl Default for Switches {
    fn default() -> Switches {
        Switches {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth_max: 1000,
            decode_depth_max: 1000,
            number_digits: 14,
            encode_invalid: Invalid::Refused,
            decode_invalid: true,
            keep_buffer: true,
        }
    }
}

pub(crate) type SharedSwitches = Rc<Cell<Switches>>;

/// Makes the library.
pub(crate) fn library(lua: &Lua, meter: &SharedMeter, switches: &SharedSwitches) -> Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    library.raw_set("null", Value::NULL)?;
    let (shared, cell) = (meter.clone(), switches.clone());
    let encode = move |lua: &Lua, args: Arguments| encode(lua, &shared, cell.get(), &args);
    library.raw_set("encode", lua.create_function(encode)?)?;
    let (shared, cell) = (meter.clone(), switches.clone());
    let decode = move |lua: &Lua, args: Arguments| decode::decode(lua, &shared, cell.get(), &args);
    library.raw_set("decode", lua.create_function(decode)?)?;
    install_switches(lua, &library, switches)?;
    Ok(library)
}

fn install_switches(lua: &Lua, library: &Table, switches: &SharedSwitches) -> Result<()> {
    type Field = fn(&mut Switches) -> &mut i64;
    let numbers: [(&'static str, i64, Field); 3] = [
        ("encode_max_depth", i64::from(i32::MAX), |switches| &mut switches.encode_depth_max),
        ("decode_max_depth", 1000, |switches| &mut switches.decode_depth_max),
        ("encode_number_precision", 14, |switches| &mut switches.number_digits),
    ];
    for (name, most, field) in numbers {
        let cell = switches.clone();
        let set = move |lua: &Lua, args: Arguments| {
            let mut switches = cell.get();
            set_number(lua, &args, name, 1, 1..=most, field(&mut switches))?;
            cell.set(switches);
            Ok(*field(&mut switches))
        };
        library.raw_set(name, lua.create_function(set)?)?;
    }
    let cell = switches.clone();
    let sparse = move |lua: &Lua, args: Arguments| {
        let mut switches = cell.get();
        if let Some(convert) = truth(lua, &args, "encode_sparse_array")? {
            switches.sparse_convert = convert;
        }
        let range = 0..=i64::from(i32::MAX);
        set_number(lua, &args, "encode_sparse_array", 2, range.clone(), &mut switches.sparse_ratio)?;
        set_number(lua, &args, "encode_sparse_array", 3, range, &mut switches.sparse_safe)?;
        cell.set(switches);
        Ok((switches.sparse_convert, switches.sparse_ratio, switches.sparse_safe))
    };
    library.raw_set("encode_sparse_array", lua.create_function(sparse)?)?;
    let cell = switches.clone();
    let keep = move |lua: &Lua, args: Arguments| {
        let mut switches = cell.get();
        if let Some(keep) = truth(lua, &args, "encode_keep_buffer")? {
            switches.keep_buffer = keep;
        }
        cell.set(switches);
        Ok(switches.keep_buffer)
    };
    library.raw_set("encode_keep_buffer", lua.create_function(keep)?)?;
    let cell = switches.clone();
    let encode_invalid = move |lua: &Lua, args: Arguments| {
        let mut switches = cell.get();
        if let Some(Value::String(word)) = args.get(1) {
            if word.as_bytes() != b"null" {
                let what = format!("invalid option '{}'", word.to_string_lossy());
                return Err(Arguments::bad(lua, "encode_invalid_numbers", 1, &what));
            }
            switches.encode_invalid = Invalid::Null;
        } else if let Some(written) = truth(lua, &args, "encode_invalid_numbers")? {
            switches.encode_invalid = if written { Invalid::Written } else { Invalid::Refused };
        }
        cell.set(switches);
        Ok(match switches.encode_invalid {
            Invalid::Null => Value::String(lua.create_string("null")?),
            other => Value::Boolean(other == Invalid::Written),
        })
    };
    library.raw_set("encode_invalid_numbers", lua.create_function(encode_invalid)?)?;
    let cell = switches.clone();
    let decode_invalid = move |lua: &Lua, args: Arguments| {
        let mut switches = cell.get();
        if let Some(read) = truth(lua, &args, "decode_invalid_numbers")? {
            switches.decode_invalid = read;
        }
        cell.set(switches);
        Ok(switches.decode_invalid)
    };
    library.raw_set("decode_invalid_numbers", lua.create_function(decode_invalid)?)
}

fn set_number(
    lua: &Lua,
    args: &Arguments,
    name: &str,
    number: usize,
    range: std::ops::RangeInclusive<i64>,
    field: &mut i64,
) -> Result<()> {
    if !args.is_none_or_nil(number) {
        let value = args.integer(lua, name, number)?;
        if !range.contains(&value) {
            let what = format!("expected integer between {} and {}", range.start(), range.end());
            return Err(Arguments::bad(lua, name, number, &what));
        }
        *field = value;
    }
    Ok(())
}

fn truth(lua: &Lua, args: &Arguments, name: &str) -> Result<Option<bool>> {
    match args.get(1) {
        None | Some(Value::Nil) => Ok(None),
        Some(Value::Boolean(truth)) => Ok(Some(*truth)),
        Some(Value::String(word)) if word.as_bytes() == b"on" => Ok(Some(true)),
        Some(Value::String(word)) if word.as_bytes() == b"off" => Ok(Some(false)),
        Some(other) => {
            let what = format!("invalid option '{}'", type_name(other));
            Err(Arguments::bad(lua, name, 1, &what))
        }
    }
}

fn encode(lua: &Lua, meter: &Meter, switches: Switches, args: &Arguments) -> Result<LuaString> {
    if args.len() != 1 {
        return Err(Arguments::bad(lua, "encode", 1, "expected 1 argument"));
    }
    let mut writer = Writer { lua, meter, switches, out: Vec::new() };
    writer.value(&args.values()[0])?;
    lua.create_string(writer.out)
}

/// A table of which a part is written.
enum Open {
    Array { table: Table, at: usize, len: usize },
    Object { table: Table, keys: std::vec::IntoIter<Key>, first: bool },
}

fn table_end(open: Option<&Open>) -> u8 {
    if matches!(open, Some(Open::Array { .. })) { b']' } else { b'}' }
}

struct Writer<'a> {
    lua: &'a Lua,
    meter: &'a Meter,
    switches: Switches,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn refuse<T>(&self, value: &Value, why: &str) -> Result<T> {
        let name = type_name(value);
        Err(raise::text(self.lua, format!("Cannot serialise {name}: {why}")))
    }

    /// Writes a value. Tables that are open wait in a list and not on the stack, which a script could exhaust.
    fn value(&mut self, value: &Value) -> Result<()> {
        let mut open = Vec::new();
        self.begin(value, &mut open)?;
        while let Some(table) = open.last_mut() {
            let next = match table {
                Open::Array { table, at, len } => {
                    *at += 1;
                    if *at <= *len { Some(table.raw_get::<Value>(*at)?) } else { None }
                }
                Open::Object { table, keys, first } => match keys.next() {
                    Some(key) => {
                        let key = key.to_lua(self.lua)?;
                        let value: Value = table.raw_get(&key)?;
                        if !std::mem::take(first) {
                            self.out.push(b',');
                        }
                        self.key(&key)?;
                        Some(value)
                    }
                    None => None,
                },
            };
            match (next, table_end(open.last())) {
                (Some(value), _) => {
                    if let Some(Open::Array { at: 2.., .. }) = open.last() {
                        self.out.push(b',');
                    }
                    self.begin(&value, &mut open)?;
                }
                (None, end) => {
                    self.out.push(end);
                    open.pop();
                }
            }
        }
        Ok(())
    }

    /// Writes a plain value, or opens a table.
    fn begin(&mut self, value: &Value, open: &mut Vec<Open>) -> Result<()> {
        raise::charge(self.meter, 20)?;
        match value {
            Value::String(string) => self.string(&string.as_bytes())?,
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => self.out.extend_from_slice(b"null"),
            Value::Table(table) => {
                let depth = open.len() as i64 + 1;
                if depth > self.switches.encode_depth_max {
                    return Err(raise::text(
                        self.lua,
                        format!("Cannot serialise, excessive nesting ({depth})"),
                    ));
                }
                let keys = sorted(self.meter, table)?;
                let len = self.array_length(&keys, table)?;
                self.out.push(if len.is_some() { b'[' } else { b'{' });
                let table = table.clone();
                open.push(match len {
                    Some(len) => Open::Array { table, at: 0, len },
                    None => Open::Object { table, keys: keys.into_iter(), first: true },
                });
            }
            other => match number_of(other) {
                Some(number) => self.number(number, other)?,
                None => return self.refuse(other, "type not supported"),
            },
        }
        Ok(())
    }

    fn key(&mut self, key: &Value) -> Result<()> {
        match (key, number_of(key)) {
            (Value::String(string), _) => self.string(&string.as_bytes())?,
            (_, Some(number)) => {
                self.out.push(b'"');
                self.number(number, key)?;
                self.out.push(b'"');
            }
            _ => return self.refuse(key, "table key must be a number or string"),
        }
        self.out.push(b':');
        Ok(())
    }

    /// How long the table is as an array; nothing if it is an object, as an empty table is.
    fn array_length(&self, keys: &[Key], table: &Table) -> Result<Option<usize>> {
        let mut most = 0.0_f64;
        for key in keys {
            match key.number().filter(|number| *number >= 1.0 && number.fract() == 0.0) {
                Some(number) => most = most.max(number),
                None => return Ok(None),
            }
        }
        if keys.is_empty() {
            return Ok(None);
        }
        let sparse = self.switches.sparse_ratio > 0
            && most > keys.len() as f64 * self.switches.sparse_ratio as f64
            && most > self.switches.sparse_safe as f64;
        match sparse {
            false => Ok(Some(most as usize)),
            true if self.switches.sparse_convert => Ok(None),
            true => self.refuse(&Value::Table(table.clone()), "excessively sparse array"),
        }
    }

    fn number(&mut self, number: f64, value: &Value) -> Result<()> {
        if !number.is_finite() {
            match self.switches.encode_invalid {
                Invalid::Refused => return self.refuse(value, "must not be NaN or Inf"),
                Invalid::Null => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
                Invalid::Written if number.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                Invalid::Written => {}
            }
        }
        let text = format_g(number, self.switches.number_digits as usize);
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn string(&mut self, bytes: &[u8]) -> Result<()> {
        raise::charge(self.meter, bytes.len() / 4)?;
        self.out.push(b'"');
        for byte in bytes {
            match byte {
                b'"' | b'\\' | b'/' => self.out.extend_from_slice(&[b'\\', *byte]),
                8 => self.out.extend_from_slice(b"\\b"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                12 => self.out.extend_from_slice(b"\\f"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                0..=31 | 127 => self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                other => self.out.push(*other),
            }
        }
        self.out.push(b'"');
        Ok(())
    }
}
