//! The arguments of a library function, read as Lua's own C functions read theirs.
//!
//! For: coercions between strings and numbers, defaults, and errors to the letter.

use mlua::{Error, FromLuaMulti, Lua, LuaString, MultiValue, Result, Table, Value};

use crate::format::format_g;
use crate::raise;

/// Arguments of a call, counted from 1.
pub(crate) struct Arguments {
    values: Vec<Value>,
}

impl FromLuaMulti for Arguments {
    fn from_lua_multi(values: MultiValue, _: &Lua) -> Result<Arguments> {
        Ok(Arguments { values: values.into_iter().collect() })
    }
}

impl Arguments {
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Value> {
        self.values.get(number - 1)
    }

    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    pub(crate) fn is_none_or_nil(&self, number: usize) -> bool {
        matches!(self.get(number), None | Some(Value::Nil))
    }

    /// `bad argument #1 to 'name' (…)`
    pub(crate) fn bad(lua: &Lua, name: &str, number: usize, what: &str) -> Error {
        raise::text(lua, format!("bad argument #{number} to '{name}' ({what})"))
    }

    fn wrong_type(&self, lua: &Lua, name: &str, number: usize, expected: &str) -> Error {
        let got = self.get(number).map_or("no value", type_name);
        Arguments::bad(lua, name, number, &format!("{expected} expected, got {got}"))
    }

    /// A string, or a number as its text.
    pub(crate) fn string(&self, lua: &Lua, name: &str, number: usize) -> Result<LuaString> {
        match self.get(number) {
            Some(Value::String(string)) => Ok(string.clone()),
            Some(value) => match number_of(value) {
                Some(double) => lua.create_string(format_g(double, 14)),
                None => Err(self.wrong_type(lua, name, number, "string")),
            },
            None => Err(self.wrong_type(lua, name, number, "string")),
        }
    }

    /// A number, or a string that reads as one.
    pub(crate) fn number(&self, lua: &Lua, name: &str, number: usize) -> Result<f64> {
        let value = self.get(number).and_then(|value| coerced_number(lua, value));
        value.ok_or_else(|| self.wrong_type(lua, name, number, "number"))
    }

    /// A number without its fraction.
    pub(crate) fn integer(&self, lua: &Lua, name: &str, number: usize) -> Result<i64> {
        Ok(self.number(lua, name, number)? as i64)
    }

    pub(crate) fn integer_or(&self, lua: &Lua, name: &str, number: usize, default: i64) -> Result<i64> {
        if self.is_none_or_nil(number) { Ok(default) } else { self.integer(lua, name, number) }
    }

    pub(crate) fn table(&self, lua: &Lua, name: &str, number: usize) -> Result<Table> {
        match self.get(number) {
            Some(Value::Table(table)) => Ok(table.clone()),
            _ => Err(self.wrong_type(lua, name, number, "table")),
        }
    }
}

/// Lua's name of a value's type.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}

/// The number that a value is.
pub(crate) fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

/// The number that a value is or reads as.
pub(crate) fn coerced_number(lua: &Lua, value: &Value) -> Option<f64> {
    number_of(value).or_else(|| match value {
        Value::String(_) => lua.coerce_number(value.clone()).ok().flatten(),
        _ => None,
    })
}

/// The bytes of a string, or of a number's text.
pub(crate) fn coerced_bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(string) => Some(string.as_bytes().to_vec()),
        other => number_of(other).map(|number| format_g(number, 14).into_bytes()),
    }
}
