//! Libraries of functions: what the first line says, and what their code registers.
//!
//! For: the facts that `FUNCTION LIST` shows. Leaves to others: which libraries there are, and that names are unique
//! among them (`quorate-commands`); running the code (`run`).

use std::cell::RefCell;
use std::rc::Rc;

use mlua::{Lua, Result, Table, Value};

use crate::arguments::{Arguments, coerced_bytes};
use crate::meter::Meter;
use crate::raise;
use crate::shebang::{self, Flag, Flags};
use crate::tables::sorted;

/// A library that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Its name.
    pub name: String,
    /// Its code, first line included.
    pub code: Vec<u8>,
    /// Its functions, by name.
    pub functions: Vec<Function>,
}

/// A function that a library registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it is for, in its author's words.
    pub description: Option<Vec<u8>>,
    /// What it declares about itself.
    pub flags: Flags,
}

const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// The name of a library, from its code's first line.
pub(crate) fn name_of(code: &[u8]) -> std::result::Result<String, String> {
    let Some((line, _)) = shebang::split(code) else {
        let has_line = code.starts_with(b"#!");
        return Err(if has_line { "Invalid library metadata" } else { "Missing library metadata" }.into());
    };
    let words = shebang::quoted_words(line).ok_or("Invalid library metadata")?;
    let (engine, words) = words.split_first().ok_or("Invalid library metadata")?;
    let mut name = None;
    for word in words {
        let is_name = word.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"name="));
        if !is_name {
            return Err(format!("Invalid metadata value given: {}", String::from_utf8_lossy(word)));
        }
        if name.replace(&word[5..]).is_some() {
            return Err("Invalid metadata value, name argument was given multiple times".into());
        }
    }
    let name = name.ok_or("Library name was not given")?;
    let name = valid_name(name).ok_or(BAD_NAME)?;
    if !engine.eq_ignore_ascii_case(b"#!lua") {
        let engine = String::from_utf8_lossy(engine.strip_prefix(b"#!").unwrap_or(engine)).into_owned();
        return Err(format!("Engine '{engine}' not found"));
    }
    Ok(name)
}

fn valid_name(name: &[u8]) -> Option<String> {
    let valid = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    valid.then(|| String::from_utf8_lossy(name).into_owned())
}

/// What the code of a library has registered so far.
pub(crate) type Registered = Vec<(Function, mlua::Function)>;
pub(crate) type SharedRegistered = Rc<RefCell<Option<Registered>>>;

/// Makes `redis.register_function`.
pub(crate) fn register_function(
    lua: &Lua,
    meter: &Rc<Meter>,
    registered: &SharedRegistered,
) -> Result<mlua::Function> {
    let (meter, registered) = (meter.clone(), registered.clone());
    lua.create_function(move |lua, args: Arguments| {
        let mut registered = registered.borrow_mut();
        let Some(registered) = registered.as_mut() else {
            return Err(raise::reply("ERR redis.register_function can only be called on FUNCTION LOAD command"));
        };
        let (function, callback) = match args.values() {
            [Value::Table(named)] => named_arguments(lua, &meter, named)?,
            [_] => return refuse(
                "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
            ),
            [name, callback] => positional_arguments(name, callback)?,
            _ => return refuse("wrong number of arguments to redis.register_function"),
        };
        if registered.iter().any(|(known, _)| known.name == function.name) {
            return refuse("Function already exists in the library");
        }
        registered.push((function, callback));
        Ok(())
    })
}

fn refuse<T>(text: &str) -> Result<T> {
    Err(raise::reply(format!("ERR {text}")))
}

fn function_name(name: &[u8]) -> Result<String> {
    valid_name(name).map_or_else(|| refuse(BAD_NAME), Ok)
}

fn positional_arguments(name: &Value, callback: &Value) -> Result<(Function, mlua::Function)> {
    let Some(name) = coerced_bytes(name) else {
        return refuse("first argument to redis.register_function must be a string");
    };
    let Value::Function(callback) = callback else {
        return refuse("second argument to redis.register_function must be a function");
    };
    let name = function_name(&name)?;
    Ok((Function { name, description: None, flags: Flags::default() }, callback.clone()))
}

fn named_arguments(lua: &Lua, meter: &Meter, named: &Table) -> Result<(Function, mlua::Function)> {
    let (mut name, mut description, mut callback, mut flags) = (None, None, None, Flags::default());
    for key in sorted(meter, named)? {
        let key = key.to_lua(lua)?;
        let value: Value = named.raw_get(&key)?;
        let Some(key) = coerced_bytes(&key) else {
            return refuse("named argument key given to redis.register_function is not a string");
        };
        match key.to_ascii_lowercase().as_slice() {
            b"function_name" => match coerced_bytes(&value) {
                Some(bytes) => name = Some(bytes),
                None => {
                    return refuse(
                        "function_name argument given to redis.register_function must be a string",
                    );
                }
            },
            b"description" => match coerced_bytes(&value) {
                Some(bytes) => description = Some(bytes),
                None => {
                    return refuse("description argument given to redis.register_function must be a string");
                }
            },
            b"callback" => match value {
                Value::Function(function) => callback = Some(function),
                _ => return refuse("callback argument given to redis.register_function must be a function"),
            },
            b"flags" => match value {
                Value::Table(list) => flags = read_flags(&list)?,
                _ => {
                    return refuse(
                        "flags argument to redis.register_function must be a table representing function flags",
                    );
                }
            },
            _ => return refuse("unknown argument given to redis.register_function"),
        }
    }
    let Some(name) = name else {
        return refuse("redis.register_function must get a function name argument");
    };
    let Some(callback) = callback else {
        return refuse("redis.register_function must get a callback argument");
    };
    Ok((Function { name: function_name(&name)?, description, flags }, callback))
}

fn read_flags(list: &Table) -> Result<Flags> {
    let mut flags = Flags::default();
    for i in 1.. {
        let value: Value = list.raw_get(i)?;
        if value.is_nil() {
            break;
        }
        match coerced_bytes(&value).and_then(|name| Flag::named(&name.to_ascii_lowercase())) {
            Some(flag) => flags = flags.with(flag),
            None => return refuse("unknown flag given"),
        }
    }
    Ok(flags)
}
