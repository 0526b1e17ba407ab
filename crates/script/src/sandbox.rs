//! What scripts can reach: the libraries, made safe, and the prelude that ties them together.
//!
//! For: building the world of a machine once. Leaves to others: what changes from run to run (`run`).
//! Invariant: files, other code, addresses, time and chance are out of reach.

use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaString, Result, Table, Value};

use crate::arguments::{Arguments, coerced_bytes};
use crate::machine::Shared;
use crate::{api, bits, json, library, matching, mathematics, msgpack, raise, structs, tables};

const PRELUDE: &str = include_str!("prelude.lua");

/// Built-in functions that scripts get as they are.
const KEEP: [&str; 10] =
    ["assert", "error", "ipairs", "rawequal", "select", "tonumber", "type", "_VERSION", "rawget", "next"];

/// How many steps pass for a second of `os.clock`.
const STEPS_PER_SECOND: f64 = 100_000_000.0;

/// What the prelude hands back.
pub(crate) struct World {
    /// All globals; scripts see them through `globals`.
    pub(crate) visible: Table,
    /// The environment of scripts.
    pub(crate) globals: Table,
    /// The environment of libraries.
    pub(crate) library_globals: Table,
    /// The functions of `redis`, behind what scripts see.
    pub(crate) redis: Table,
    /// The functions of `redis` while a library is loaded.
    pub(crate) loading: Table,
    pub(crate) load_phase: Function,
    pub(crate) reset: Function,
    pub(crate) run: Function,
    pub(crate) run_function: Function,
    /// Turns whatever ends a script into a table with message and place.
    pub(crate) handler: Function,
}

pub(crate) fn build(lua: &Lua, shared: &Rc<Shared>) -> Result<World> {
    let globals = lua.globals();
    let (string, table, math): (Table, Table, Table) =
        (globals.raw_get("string")?, globals.raw_get("table")?, globals.raw_get("math")?);
    let native = lua.create_table()?;
    let meter = &shared.meter;
    matching::install(lua, &string, &native, meter)?;
    tables::install(lua, &table, &string, &native, meter)?;
    mathematics::install(lua, &math, &shared.chance)?;
    native.raw_set("bit", bits::library(lua)?)?;
    native.raw_set("struct", structs::library(lua, meter)?)?;
    native.raw_set("cjson", json::library(lua, meter, &shared.switches)?)?;
    native.raw_set("cmsgpack", msgpack::library(lua, meter)?)?;
    let redis = api::redis(lua, meter, &shared.resp3)?;
    native.raw_set("redis", &redis)?;
    let loading = lua.create_table()?;
    api::constants(&loading)?;
    loading.raw_set("register_function", library::register_function(lua, meter, &shared.registered)?)?;
    native.raw_set("loading", &loading)?;
    native.raw_set("keep", lua.create_sequence_from(KEEP)?)?;
    let own = shared.clone();
    native.raw_set(
        "seen",
        lua.create_function(move |lua, caught: Value| raise::seen(lua, &own.meter, caught))?,
    )?;
    let own = shared.clone();
    let clock = move |_: &Lua, ()| Ok(own.meter.steps() as f64 / STEPS_PER_SECOND);
    native.raw_set("clock", lua.create_function(clock)?)?;
    native.raw_set("compile", lua.create_function(compile)?)?;
    let own = shared.clone();
    let handler = lua.create_function(move |lua, caught: Value| describe(lua, &own, caught))?;
    let prelude: Table = lua.load(PRELUDE).set_name("=prelude").set_mode(ChunkMode::Text).call(native)?;
    let globals: Table = prelude.raw_get("globals")?;
    lua.set_named_registry_value("globals", &globals)?;
    Ok(World {
        visible: prelude.raw_get("visible")?,
        globals,
        library_globals: prelude.raw_get("library_globals")?,
        redis,
        loading,
        load_phase: prelude.raw_get("load_phase")?,
        reset: prelude.raw_get("reset")?,
        run: prelude.raw_get("run")?,
        run_function: prelude.raw_get("run_function")?,
        handler,
    })
}

/// `loadstring`: a function, or nil and why not.
fn compile(lua: &Lua, args: Arguments) -> Result<(Value, Option<LuaString>)> {
    let code = args.string(lua, "loadstring", 1)?;
    let code = code.as_bytes();
    let name = args.get(2).and_then(coerced_bytes).unwrap_or_else(|| code.to_vec());
    let environment: Table = lua.named_registry_value("globals")?;
    let chunk = lua.load(&*code).set_name(String::from_utf8_lossy(&name)).set_mode(ChunkMode::Text);
    match chunk.set_environment(environment).into_function() {
        Ok(function) => Ok((Value::Function(function), None)),
        Err(error) => Ok((Value::Nil, Some(lua.create_string(compile_error(&error))?))),
    }
}

/// What Lua's compiler has to say.
pub(crate) fn compile_error(error: &mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. } => raise::first_line(message).to_owned(),
        other => raise::first_line(&other.to_string()).to_owned(),
    }
}

/// What ends a script, as `{err, source, line}`; the place is that of the innermost function of the script.
fn describe(lua: &Lua, shared: &Shared, caught: Value) -> Result<Table> {
    let caught = raise::seen(lua, &shared.meter, caught).unwrap_or(Value::Nil);
    let table = match caught {
        Value::Table(table) => table,
        other => {
            let text = match coerced_bytes(&other) {
                Some(text) => [b"ERR ".as_slice(), &text].concat(),
                None => format!("ERR {}", crate::arguments::type_name(&other)).into_bytes(),
            };
            raise::error_table(lua, &text)?
        }
    };
    let described = lua.create_table()?;
    described.raw_set("err", table.raw_get::<Value>("err")?)?;
    if let Some((source, line)) = raise::script_place(lua) {
        described.raw_set("source", source)?;
        described.raw_set("line", line)?;
    }
    Ok(described)
}
