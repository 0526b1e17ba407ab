//! `cmsgpack`: MessagePack as Redis' library writes and reads it.

use mlua::{Lua, LuaString, MultiValue, Result, Table, Value};

use crate::arguments::{Arguments, number_of};
use crate::meter::{Meter, SharedMeter};
use crate::raise;
use crate::tables::{Key, sorted};

/// Tables nested deeper are written as nil.
const ENCODE_DEPTH_MAX: usize = 16;
/// Values nested deeper are not read.
const DECODE_DEPTH_MAX: usize = 200;
/// Most values that one call gives back.
const RESULTS_MAX: usize = 7000;

/// Makes the library.
pub(crate) fn library(lua: &Lua, meter: &SharedMeter) -> Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("_NAME", "cmsgpack")?;
    library.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    library.raw_set("_COPYRIGHT", "Copyright (C) 2012, Redis Ltd.")?;
    library.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    let shared = meter.clone();
    library.raw_set("pack", lua.create_function(move |lua, args: Arguments| pack(lua, &shared, &args))?)?;
    let shared = meter.clone();
    let all = move |lua: &Lua, args: Arguments| unpack(lua, &shared, &args, "unpack", 0, 0);
    library.raw_set("unpack", lua.create_function(all)?)?;
    let shared = meter.clone();
    let one = move |lua: &Lua, args: Arguments| {
        let offset = args.integer_or(lua, "unpack_one", 2, 0)?;
        unpack(lua, &shared, &args, "unpack_one", 1, offset)
    };
    library.raw_set("unpack_one", lua.create_function(one)?)?;
    let shared = meter.clone();
    let some = move |lua: &Lua, args: Arguments| {
        let limit = args.integer(lua, "unpack_limit", 2)?;
        let offset = args.integer_or(lua, "unpack_limit", 3, 0)?;
        unpack(lua, &shared, &args, "unpack_limit", limit, offset)
    };
    library.raw_set("unpack_limit", lua.create_function(some)?)?;
    Ok(library)
}

fn pack(lua: &Lua, meter: &Meter, args: &Arguments) -> Result<LuaString> {
    if args.len() == 0 {
        return Err(Arguments::bad(lua, "pack", 0, "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for value in args.values() {
        encode(lua, meter, &mut out, value, 0)?;
    }
    lua.create_string(out)
}

fn encode(lua: &Lua, meter: &Meter, out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<()> {
    raise::charge(meter, 20)?;
    match value {
        Value::String(string) => {
            let bytes = &*string.as_bytes();
            raise::charge(meter, bytes.len() / 8)?;
            head(out, bytes.len(), (0xa0, 32), Some(0xd9), 0xda);
            out.extend_from_slice(bytes);
        }
        Value::Boolean(truth) => out.push(if *truth { 0xc3 } else { 0xc2 }),
        Value::Table(table) if depth < ENCODE_DEPTH_MAX => {
            let keys = sorted(meter, table)?;
            if is_array(&keys) {
                head(out, keys.len(), (0x90, 16), None, 0xdc);
                let mut items = 1..=keys.len();
                return items.try_for_each(|i| encode(lua, meter, out, &table.raw_get(i)?, depth + 1));
            }
            head(out, keys.len(), (0x80, 16), None, 0xde);
            for key in &keys {
                let key = key.to_lua(lua)?;
                encode(lua, meter, out, &key, depth + 1)?;
                encode(lua, meter, out, &table.raw_get(key)?, depth + 1)?;
            }
        }
        other => match number_of(other) {
            Some(number) => encode_number(out, number),
            None => out.push(0xc0),
        },
    }
    Ok(())
}

/// Keys 1 to n and nothing else, in order; an empty table as well.
fn is_array(keys: &[Key]) -> bool {
    keys.iter().enumerate().all(|(i, key)| key.number() == Some((i + 1) as f64))
}

/// A length, in the shortest form: within the first byte, or in 1, 2 or 4 bytes after it.
fn head(out: &mut Vec<u8>, len: usize, (fixed, below): (u8, usize), byte: Option<u8>, word: u8) {
    match (byte, u8::try_from(len), u16::try_from(len)) {
        _ if len < below => out.push(fixed | len as u8),
        (Some(code), Ok(len), _) => out.extend([code, len]),
        (_, _, Ok(len)) => {
            out.push(word);
            out.extend(len.to_be_bytes());
        }
        _ => {
            out.push(word + 1);
            out.extend((len as u32).to_be_bytes());
        }
    }
}

fn encode_number(out: &mut Vec<u8>, number: f64) {
    let integer = number as i64;
    if integer as f64 != number || number == 9_223_372_036_854_775_808.0 {
        let short = number as f32;
        if f64::from(short) == number {
            out.push(0xca);
            out.extend(short.to_be_bytes());
        } else {
            out.push(0xcb);
            out.extend(number.to_be_bytes());
        }
        return;
    }
    match integer {
        0..=0x7f => out.push(integer as u8),
        0x80..=0xff => out.extend([0xcc, integer as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend((integer as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend((integer as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            out.push(0xcf);
            out.extend(integer.to_be_bytes());
        }
        -32..=-1 => out.push(integer as u8),
        -128..=-33 => out.extend([0xd0, integer as u8]),
        -32768..=-129 => {
            out.push(0xd1);
            out.extend((integer as i16).to_be_bytes());
        }
        -2_147_483_648..=-32769 => {
            out.push(0xd2);
            out.extend((integer as i32).to_be_bytes());
        }
        _ => {
            out.push(0xd3);
            out.extend(integer.to_be_bytes());
        }
    }
}

fn unpack(
    lua: &Lua,
    meter: &Meter,
    args: &Arguments,
    name: &str,
    limit: i64,
    offset: i64,
) -> Result<MultiValue> {
    let string = args.string(lua, name, 1)?;
    let bytes = &*string.as_bytes();
    let (Ok(most), Ok(start)) = (usize::try_from(limit), usize::try_from(offset)) else {
        let len = bytes.len();
        return Err(raise::text(
            lua,
            format!("Invalid request to unpack with offset of {offset} and limit of {len}."),
        ));
    };
    let Some(rest) = bytes.get(start..) else {
        return Err(raise::text(
            lua,
            format!("Start offset {offset} greater than input length {}.", bytes.len()),
        ));
    };
    let all = limit == 0 && offset == 0;
    let most = if all { usize::MAX } else { most };
    let mut reader = Reader { lua, meter, rest };
    let mut results = Vec::new();
    while !reader.rest.is_empty() && results.len() < most {
        if results.len() >= RESULTS_MAX {
            return Err(raise::text(lua, "stack overflow (in function mp_unpack_full)"));
        }
        results.push(reader.value(0)?);
    }
    if !all {
        let next = if reader.rest.is_empty() { -1 } else { (bytes.len() - reader.rest.len()) as i64 };
        results.insert(0, Value::Number(next as f64));
    }
    Ok(results.into_iter().collect())
}

struct Reader<'a> {
    lua: &'a Lua,
    meter: &'a Meter,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value> {
        raise::charge(self.meter, 20)?;
        if depth > DECODE_DEPTH_MAX {
            return Err(raise::text(self.lua, "stack overflow (in function mp_decode_to_lua_array)"));
        }
        let [code] = self.bytes::<1>()?;
        let number = match code {
            0..=0x7f => f64::from(code),
            0xe0..=0xff => f64::from(code as i8),
            0xcc => f64::from(self.bytes::<1>()?[0]),
            0xcd => f64::from(u16::from_be_bytes(self.bytes()?)),
            0xce => f64::from(u32::from_be_bytes(self.bytes()?)),
            0xcf => u64::from_be_bytes(self.bytes()?) as f64,
            0xd0 => f64::from(self.bytes::<1>()?[0] as i8),
            0xd1 => f64::from(i16::from_be_bytes(self.bytes()?)),
            0xd2 => f64::from(i32::from_be_bytes(self.bytes()?)),
            0xd3 => i64::from_be_bytes(self.bytes()?) as f64,
            0xca => f64::from(f32::from_be_bytes(self.bytes()?)),
            0xcb => f64::from_be_bytes(self.bytes()?),
            0xc0 => return Ok(Value::Nil),
            0xc2 => return Ok(Value::Boolean(false)),
            0xc3 => return Ok(Value::Boolean(true)),
            0xa0..=0xbf => return self.string(usize::from(code & 31)),
            0xd9 | 0xc4 => {
                let len = usize::from(self.bytes::<1>()?[0]);
                return self.string(len);
            }
            0xda | 0xc5 => {
                let len = usize::from(u16::from_be_bytes(self.bytes()?));
                return self.string(len);
            }
            0xdb | 0xc6 => {
                let len = u32::from_be_bytes(self.bytes()?) as usize;
                return self.string(len);
            }
            0x90..=0x9f => return self.array(usize::from(code & 15), depth),
            0xdc => {
                let len = usize::from(u16::from_be_bytes(self.bytes()?));
                return self.array(len, depth);
            }
            0xdd => {
                let len = u32::from_be_bytes(self.bytes()?) as usize;
                return self.array(len, depth);
            }
            0x80..=0x8f => return self.map(usize::from(code & 15), depth),
            0xde => {
                let len = usize::from(u16::from_be_bytes(self.bytes()?));
                return self.map(len, depth);
            }
            0xdf => {
                let len = u32::from_be_bytes(self.bytes()?) as usize;
                return self.map(len, depth);
            }
            _ => return Err(raise::text(self.lua, "Bad data format in input.")),
        };
        Ok(Value::Number(number))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else { return Err(self.missing()) };
        self.rest = rest;
        Ok(*bytes)
    }

    fn missing(&self) -> mlua::Error {
        raise::text(self.lua, "Missing bytes in input.")
    }

    fn string(&mut self, len: usize) -> Result<Value> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.missing())?;
        raise::charge(self.meter, len / 8)?;
        self.rest = rest;
        Ok(Value::String(self.lua.create_string(bytes)?))
    }

    fn array(&mut self, len: usize, depth: usize) -> Result<Value> {
        let table = self.lua.create_table()?;
        for i in 1..=len {
            table.raw_set(i, self.value(depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize, depth: usize) -> Result<Value> {
        let table = self.lua.create_table()?;
        for _ in 0..len {
            let key = self.value(depth + 1)?;
            let value = self.value(depth + 1)?;
            if key.is_nil() || number_of(&key).is_some_and(f64::is_nan) {
                return Err(raise::text(self.lua, "Bad data format in input."));
            }
            table.raw_set(key, value)?;
        }
        Ok(Value::Table(table))
    }
}
