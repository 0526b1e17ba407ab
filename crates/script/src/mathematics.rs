//! `math` where C's would differ between nodes: random numbers, and functions that each C library rounds its own way.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, Result, Table};

use crate::arguments::Arguments;
use crate::raise;

/// The 48-bit linear congruence of `lrand48`, which Redis uses as well.
#[derive(Debug, Default)]
pub(crate) struct Chance(Cell<u64>);

const MASK: u64 = (1 << 48) - 1;

impl Chance {
    /// Begins the sequence that belongs to a seed, as `srand48` does.
    pub(crate) fn seed(&self, seed: u32) {
        self.0.set(u64::from(seed) << 16 | 0x330e);
    }

    /// The next number of 31 bits.
    fn next(&self) -> u32 {
        let state = self.0.get().wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & MASK;
        self.0.set(state);
        (state >> 17) as u32
    }
}

type Unary = fn(f64) -> f64;
type Binary = fn(f64, f64) -> f64;

/// Replaces functions of the `math` library.
pub(crate) fn install(lua: &Lua, math: &Table, chance: &Rc<Chance>) -> Result<()> {
    let shared = chance.clone();
    math.raw_set("random", lua.create_function(move |lua, args: Arguments| random(lua, &shared, &args))?)?;
    let shared = chance.clone();
    let seed = move |lua: &Lua, args: Arguments| {
        shared.seed(args.integer(lua, "randomseed", 1)? as u32);
        Ok(())
    };
    math.raw_set("randomseed", lua.create_function(seed)?)?;
    let plain: [(&'static str, Unary); 12] = [
        ("sin", libm::sin),
        ("cos", libm::cos),
        ("tan", libm::tan),
        ("asin", libm::asin),
        ("acos", libm::acos),
        ("atan", libm::atan),
        ("sinh", libm::sinh),
        ("cosh", libm::cosh),
        ("tanh", libm::tanh),
        ("exp", libm::exp),
        ("log", libm::log),
        ("log10", libm::log10),
    ];
    for (name, function) in plain {
        let run = move |lua: &Lua, args: Arguments| Ok(function(args.number(lua, name, 1)?));
        math.raw_set(name, lua.create_function(run)?)?;
    }
    let pairs: [(&'static str, Binary); 2] = [("atan2", libm::atan2), ("pow", libm::pow)];
    for (name, function) in pairs {
        let run = move |lua: &Lua, args: Arguments| {
            Ok(function(args.number(lua, name, 1)?, args.number(lua, name, 2)?))
        };
        math.raw_set(name, lua.create_function(run)?)?;
    }
    Ok(())
}

fn random(lua: &Lua, chance: &Chance, args: &Arguments) -> Result<f64> {
    let limit = f64::from(i32::MAX);
    let share = f64::from(chance.next() % i32::MAX as u32) / limit;
    let bound = |number| Ok::<f64, mlua::Error>(f64::from(args.integer(lua, "random", number)? as i32));
    match args.len() {
        0 => Ok(share),
        1 => {
            let upper = bound(1)?;
            if upper < 1.0 {
                return Err(Arguments::bad(lua, "random", 1, "interval is empty"));
            }
            Ok((share * upper).floor() + 1.0)
        }
        2 => {
            let (lower, upper) = (bound(1)?, bound(2)?);
            if lower > upper {
                return Err(Arguments::bad(lua, "random", 2, "interval is empty"));
            }
            Ok((share * (upper - lower + 1.0)).floor() + lower)
        }
        _ => Err(raise::text(lua, "wrong number of arguments")),
    }
}
