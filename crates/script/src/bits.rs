//! `bit`: operations on 32-bit integers, as LuaBitOp has them.

use mlua::{Lua, Result, Table};

use crate::arguments::Arguments;

type Fold = fn(i32, i32) -> i32;
type Shift = fn(i32, u32) -> i32;

/// Makes the library.
pub(crate) fn library(lua: &Lua) -> Result<Table> {
    let bit = lua.create_table()?;
    bit.raw_set("tobit", lua.create_function(|lua, args: Arguments| word(lua, &args, "tobit", 1))?)?;
    bit.raw_set("bnot", lua.create_function(|lua, args: Arguments| Ok(!word(lua, &args, "bnot", 1)?))?)?;
    bit.raw_set(
        "bswap",
        lua.create_function(|lua, args: Arguments| Ok(word(lua, &args, "bswap", 1)?.swap_bytes()))?,
    )?;
    bit.raw_set("tohex", lua.create_function(|lua, args: Arguments| tohex(lua, &args))?)?;
    let folds: [(&'static str, Fold); 3] =
        [("band", |a, b| a & b), ("bor", |a, b| a | b), ("bxor", |a, b| a ^ b)];
    for (name, fold) in folds {
        let run = move |lua: &Lua, args: Arguments| {
            let first = word(lua, &args, name, 1)?;
            (2..=args.len()).try_fold(first, |all, i| Ok(fold(all, word(lua, &args, name, i)?)))
        };
        bit.raw_set(name, lua.create_function(run)?)?;
    }
    let shifts: [(&'static str, Shift); 5] = [
        ("lshift", |a, n| a << n),
        ("rshift", |a, n| (a as u32 >> n) as i32),
        ("arshift", |a, n| a >> n),
        ("rol", i32::rotate_left),
        ("ror", i32::rotate_right),
    ];
    for (name, shift) in shifts {
        let run = move |lua: &Lua, args: Arguments| {
            Ok(shift(word(lua, &args, name, 1)?, word(lua, &args, name, 2)? as u32 & 31))
        };
        bit.raw_set(name, lua.create_function(run)?)?;
    }
    Ok(bit)
}

/// The 32 low bits of a number, rounded to the nearest integer first.
fn word(lua: &Lua, args: &Arguments, name: &str, number: usize) -> Result<i32> {
    // Adding 2^52 + 2^51 leaves the integer, rounded to even, in the low bits of the fraction.
    let shifted = args.number(lua, name, number)? + 6_755_399_441_055_744.0;
    Ok(shifted.to_bits() as u32 as i32)
}

fn tohex(lua: &Lua, args: &Arguments) -> Result<String> {
    let value = word(lua, args, "tohex", 1)?;
    let digits = if args.is_none_or_nil(2) { 8 } else { word(lua, args, "tohex", 2)? };
    let text = if digits < 0 { format!("{:08X}", value as u32) } else { format!("{:08x}", value as u32) };
    let kept = digits.unsigned_abs().min(8) as usize;
    Ok(text[8 - kept..].to_owned())
}
