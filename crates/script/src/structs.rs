//! `struct`: packing and unpacking of binary data, as lua_struct has it, on a little-endian machine of 64 bits whatever
//! machine this is.

use mlua::{Lua, MultiValue, Result, Table, Value};

use crate::arguments::{Arguments, number_of};
use crate::meter::{Meter, SharedMeter};
use crate::raise;

/// Widest integer, in bytes.
const INTEGER_BYTES_MAX: usize = 32;
/// What `!` alone aligns to.
const ALIGN_DEFAULT: usize = 8;
/// Most values that one call gives back.
const RESULTS_MAX: usize = 7000;

/// Makes the library.
pub(crate) fn library(lua: &Lua, meter: &SharedMeter) -> Result<Table> {
    let library = lua.create_table()?;
    let shared = meter.clone();
    library.raw_set("pack", lua.create_function(move |lua, args: Arguments| pack(lua, &shared, &args))?)?;
    let shared = meter.clone();
    library
        .raw_set("unpack", lua.create_function(move |lua, args: Arguments| unpack(lua, &shared, &args))?)?;
    library.raw_set("size", lua.create_function(|lua, args: Arguments| size(lua, &args))?)?;
    Ok(library)
}

/// A format on its way.
struct Format<'a> {
    lua: &'a Lua,
    name: &'static str,
    rest: &'a [u8],
    big_endian: bool,
    align: usize,
}

impl<'a> Format<'a> {
    fn new(lua: &'a Lua, name: &'static str, format: &'a [u8]) -> Format<'a> {
        let end = format.iter().position(|byte| *byte == 0).unwrap_or(format.len());
        Format { lua, name, rest: &format[..end], big_endian: false, align: 1 }
    }

    fn error<T>(&self, text: impl AsRef<str>) -> Result<T> {
        Err(raise::text(self.lua, text.as_ref()))
    }

    fn bad<T>(&self, number: usize, text: &str) -> Result<T> {
        Err(Arguments::bad(self.lua, self.name, number, text))
    }

    /// The next option and its size.
    fn next(&mut self) -> Result<Option<(u8, usize)>> {
        let Some((option, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > INTEGER_BYTES_MAX {
                    return self
                        .error(format!("integral size {size} is larger than limit of {INTEGER_BYTES_MAX}"));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((*option, size)))
    }

    fn number(&mut self, default: usize) -> Result<usize> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(default);
        }
        let (text, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i32>().ok());
        match number.and_then(|number| usize::try_from(number).ok()) {
            Some(number) => Ok(number),
            None => self.error("integral size overflow"),
        }
    }

    /// Bytes to skip before an item of this size at this place.
    fn padding(&self, at: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        size.wrapping_sub(at & size.wrapping_sub(1)) & size.wrapping_sub(1)
    }

    fn control(&mut self, option: u8) -> Result<()> {
        match option {
            b' ' => {}
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let align = self.number(ALIGN_DEFAULT)?;
                if !align.is_power_of_two() {
                    return self.error(format!("alignment {align} is not a power of 2"));
                }
                self.align = align;
            }
            other => return self.bad(1, &format!("invalid format option '{}'", char::from(other))),
        }
        Ok(())
    }

    fn ordered<const N: usize>(&self, mut bytes: [u8; N]) -> [u8; N] {
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }
}

fn pack(lua: &Lua, meter: &Meter, args: &Arguments) -> Result<mlua::LuaString> {
    let format = args.string(lua, "pack", 1)?;
    let format = &*format.as_bytes();
    let mut format = Format::new(lua, "pack", format);
    let mut out = Vec::new();
    let mut next = 2;
    let mut argument = || {
        next += 1;
        next - 1
    };
    while let Some((option, size)) = format.next()? {
        raise::charge(meter, 1 + size / 8)?;
        out.resize(out.len() + format.padding(out.len(), option, size), 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = args.number(lua, "pack", argument())?;
                let value = if number < 0.0 { number as i64 as u64 } else { number as u64 };
                let start = out.len();
                out.extend((0..size).map(|i| if i < 8 { (value >> (8 * i)) as u8 } else { 0 }));
                if format.big_endian {
                    out[start..].reverse();
                }
            }
            b'x' => out.push(0),
            b'f' => {
                let number = args.number(lua, "pack", argument())? as f32;
                out.extend_from_slice(&format.ordered(number.to_le_bytes()));
            }
            b'd' => {
                let number = args.number(lua, "pack", argument())?;
                out.extend_from_slice(&format.ordered(number.to_le_bytes()));
            }
            b'c' | b's' => {
                let at = argument();
                let string = args.string(lua, "pack", at)?;
                let bytes = &*string.as_bytes();
                let size = if size == 0 { bytes.len() } else { size };
                if bytes.len() < size {
                    return format.bad(at + 1, "string too short");
                }
                out.extend_from_slice(&bytes[..size]);
                if option == b's' {
                    out.push(0);
                }
            }
            other => format.control(other)?,
        }
    }
    lua.create_string(out)
}

fn unpack(lua: &Lua, meter: &Meter, args: &Arguments) -> Result<MultiValue> {
    let format = args.string(lua, "unpack", 1)?;
    let format = &*format.as_bytes();
    let data = args.string(lua, "unpack", 2)?;
    let data = &*data.as_bytes();
    let mut format = Format::new(lua, "unpack", format);
    let Some(mut at) =
        usize::try_from(args.integer_or(lua, "unpack", 3, 1)?).ok().and_then(|at| at.checked_sub(1))
    else {
        return format.bad(3, "offset must be 1 or greater");
    };
    let mut results = Vec::new();
    while let Some((option, mut size)) = format.next()? {
        raise::charge(meter, 1 + size / 8)?;
        at = at.saturating_add(format.padding(at, option, size));
        if size > data.len() || at > data.len() - size {
            return format.bad(2, "data string too short");
        }
        if results.len() >= RESULTS_MAX {
            return format.error("stack overflow (too many results)");
        }
        let bytes = &data[at..at + size];
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                results.push(Value::Number(integer(bytes, format.big_endian, option.is_ascii_lowercase())));
            }
            b'x' => {}
            b'f' => {
                let word = format.ordered(bytes.try_into().expect("its size is 4"));
                results.push(Value::Number(f64::from(f32::from_le_bytes(word))));
            }
            b'd' => {
                let word = format.ordered(bytes.try_into().expect("its size is 8"));
                results.push(Value::Number(f64::from_le_bytes(word)));
            }
            b'c' => {
                if size == 0 {
                    let Some(previous) = results.pop().as_ref().and_then(number_of) else {
                        return format.error("format 'c0' needs a previous size");
                    };
                    size = previous as usize;
                    if size > data.len() || at > data.len() - size {
                        return format.bad(2, "data string too short");
                    }
                }
                results.push(Value::String(lua.create_string(&data[at..at + size])?));
            }
            b's' => {
                let Some(len) = data[at..].iter().position(|byte| *byte == 0) else {
                    return format.error("unfinished string in data");
                };
                raise::charge(meter, len / 8)?;
                results.push(Value::String(lua.create_string(&data[at..at + len])?));
                size = len + 1;
            }
            other => format.control(other)?,
        }
        at += size;
    }
    results.push(Value::Number((at + 1) as f64));
    Ok(results.into_iter().collect())
}

/// The low 64 bits of an integer of any width.
fn integer(bytes: &[u8], big_endian: bool, signed: bool) -> f64 {
    let word = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    let value = if big_endian { bytes.iter().fold(0, word) } else { bytes.iter().rev().fold(0, word) };
    if !signed || bytes.is_empty() {
        return value as f64;
    }
    let shift = 64_usize.saturating_sub(bytes.len() * 8);
    ((value << shift) as i64 >> shift) as f64
}

fn size(lua: &Lua, args: &Arguments) -> Result<usize> {
    let format = args.string(lua, "size", 1)?;
    let format = &*format.as_bytes();
    let mut format = Format::new(lua, "size", format);
    let mut at: usize = 0;
    while let Some((option, size)) = format.next()? {
        at = at.saturating_add(format.padding(at, option, size));
        match option {
            b's' => return format.bad(1, "option 's' has no fixed size"),
            b'c' if size == 0 => return format.bad(1, "option 'c0' has no fixed size"),
            other if !other.is_ascii_alphanumeric() => format.control(other)?,
            _ => {}
        }
        at = at.saturating_add(size);
    }
    Ok(at)
}
