//! One run of a script: its world set up, called, and its result or error made a reply.
//!
//! ```text
//!  used machine, lower bounds ──ended──► fresh machine, the bounds; answers so far are given again ──► the verdict
//!          └──── not ended ────────────────────────────────────────────────────────────────────────► the verdict
//! ```
//!
//! How much memory a run takes depends a little on what a machine has run before: strings that are there already take
//! none. So a run that comes near a bound is decided on a fresh machine, where nothing came before it. The commands
//! that it ran are not run again: their answers were kept.
//!
//! Invariant: the host sees each command of a run once, in order.

use std::cell::{Cell, RefCell};

use mlua::{Function, Table, Value};
use quorate_resp::{Reply, Value as Answer};

use crate::arguments::Arguments;
use crate::convert::{command_arguments, to_lua, to_reply};
use crate::host::{Host, LogLevel};
use crate::machine::{Kind, Machine, Shared};
use crate::meter::{Ended, Limits};
use crate::raise;

/// What is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) kind: Kind,
    /// SHA-1 of the code.
    pub(crate) sha: &'a str,
    pub(crate) code: &'a [u8],
    /// The function of a library; of a script, its digest.
    pub(crate) name: &'a str,
    pub(crate) keys: &'a [&'a [u8]],
    pub(crate) args: &'a [&'a [u8]],
}

/// What the host has answered in this run, across machines.
pub(crate) struct Conversation<'h> {
    host: RefCell<&'h mut dyn Host>,
    seed: u64,
    answers: RefCell<Vec<Answer>>,
    lines: Cell<usize>,
}

impl<'h> Conversation<'h> {
    pub(crate) fn new(host: &'h mut dyn Host) -> Conversation<'h> {
        let seed = host.seed();
        Conversation { host: RefCell::new(host), seed, answers: RefCell::default(), lines: Cell::new(0) }
    }
}

/// How far one machine got with the conversation.
#[derive(Debug, Default)]
struct Progress {
    answers: Cell<usize>,
    lines: Cell<usize>,
}

/// Runs a job and writes its reply.
///
/// # Errors
/// The run has used up one of `limits`: nothing is in the reply.
pub(crate) fn run(
    machine: &mut Machine,
    job: &Job<'_>,
    limits: Limits,
    conversation: &Conversation<'_>,
    reply: &mut Reply,
) -> Result<(), Ended> {
    let start = reply.len();
    let function = match machine.function(job.kind, job.sha, job.code) {
        Ok(function) => function,
        Err(why) => {
            reply.error(&format!("ERR Error compiling script (new function): {why}"));
            return Ok(());
        }
    };
    let shared = machine.shared.clone();
    begin(machine, conversation.seed, limits);
    let result = call(machine, job, &function, conversation, reply);
    // The limit must not strike where nothing expects it.
    let _ = machine.lua.set_memory_limit(0);
    shared.registered.replace(None);
    if let Err(error) = &result
        && raise::is_out_of_memory(error)
    {
        shared.meter.end(Ended::Memory);
    }
    if let Some(ended) = shared.meter.ended() {
        reply.truncate(start);
        return Err(ended);
    }
    if let Err(error) = result {
        reply.truncate(start);
        let text = error.to_string();
        reply.error(&format!("ERR Error running script {}, {}", job.name, raise::first_line(&text)));
    }
    machine.tidy();
    Ok(())
}

/// Forgets the last run, and sets the bounds of this one.
pub(crate) fn begin(machine: &Machine, seed: u64, limits: Limits) {
    let shared = &machine.shared;
    shared.meter.begin(limits);
    machine.count_instructions();
    shared.chance.seed(seed as u32 ^ (seed >> 32) as u32);
    shared.switches.set(Default::default());
    shared.resp3.set(false);
    let _ = machine.lua.set_memory_limit(machine.lua.used_memory() + limits.memory_bytes_max);
}

fn call(
    machine: &Machine,
    job: &Job<'_>,
    function: &Function,
    conversation: &Conversation<'_>,
    reply: &mut Reply,
) -> mlua::Result<()> {
    let Machine { lua, shared, world, .. } = machine;
    world.reset.call::<()>(())?;
    let progress = Progress::default();
    lua.scope(|scope| {
        let ask = |raises: bool| {
            let progress = &progress;
            move |lua: &mlua::Lua, args: Arguments| {
                command(lua, shared, conversation, progress, &args, raises)
            }
        };
        world.redis.raw_set("call", scope.create_function(ask(true))?)?;
        world.redis.raw_set("pcall", scope.create_function(ask(false))?)?;
        let log = |_: &mlua::Lua, args: Arguments| log(shared, conversation, &progress, &args);
        world.redis.raw_set("log", scope.create_function(log)?)?;
        let check = |_: &mlua::Lua, args: Arguments| may_call(conversation, &args);
        world.redis.raw_set("acl_check_cmd", scope.create_function(check)?)?;
        let keys = strings(lua, job.keys)?;
        let args = strings(lua, job.args)?;
        let (finished, value): (bool, Value) = match job.kind {
            Kind::Script => {
                world.visible.raw_set("KEYS", keys)?;
                world.visible.raw_set("ARGV", args)?;
                world.run.call((function, &world.handler))?
            }
            Kind::Library => {
                world.visible.raw_set("KEYS", Value::Nil)?;
                world.visible.raw_set("ARGV", Value::Nil)?;
                match callback(machine, function, job.name)? {
                    Ok(callback) => world.run_function.call((callback, &world.handler, keys, args))?,
                    Err(described) => (false, described),
                }
            }
        };
        // Lua calls no handler where memory has run out.
        if !finished && matches!(value, Value::String(_)) {
            raise::seen(lua, &shared.meter, value.clone())?;
        }
        if finished {
            to_reply(lua, &shared.meter, &value, shared.resp3.get(), reply)
        } else {
            reply.error_bytes(&error_text(job.name, &value)?);
            Ok(())
        }
    })
}

/// Runs a library's code for the functions that it registers.
///
/// # Errors
/// The text of the error reply, without its code.
pub(crate) fn registered(machine: &Machine, code: &Function) -> Result<Vec<crate::Function>, String> {
    let Machine { lua, shared, world, .. } = machine;
    let fail = |what: &str| format!("Error registering functions: {what}");
    let run = || {
        world.reset.call::<()>(())?;
        world.loading.raw_set("log", lua.create_function(|_, _: Arguments| Ok(()))?)?;
        shared.registered.replace(Some(Vec::new()));
        world.load_phase.call::<()>(true)?;
        let result: mlua::Result<(bool, Value)> = world.run.call((code, &world.handler));
        world.load_phase.call::<()>(false)?;
        result
    };
    let result = run();
    let registered = shared.registered.take().unwrap_or_default();
    let described = match result {
        Ok((true, _)) => return Ok(registered.into_iter().map(|(function, _)| function).collect()),
        Ok((false, described)) => described,
        Err(error) if raise::is_out_of_memory(&error) => {
            shared.meter.end(Ended::Memory);
            return Err(fail("not enough memory"));
        }
        Err(error) => return Err(fail(raise::first_line(&error.to_string()))),
    };
    let Value::Table(described) = described else { return Err(fail("execution failure")) };
    let message: Option<Value> = described.raw_get("err").ok();
    let text = message.as_ref().and_then(crate::arguments::coerced_bytes).unwrap_or_default();
    Err(fail(&String::from_utf8_lossy(&text)))
}

/// Runs a library's code afresh, so that no state of its own outlives a call, and picks the function.
fn callback(machine: &Machine, code: &Function, name: &str) -> mlua::Result<Result<Function, Value>> {
    let Machine { shared, world, .. } = machine;
    shared.registered.replace(Some(Vec::new()));
    world.load_phase.call::<()>(true)?;
    let result: mlua::Result<(bool, Value)> = world.run.call((code, &world.handler));
    world.load_phase.call::<()>(false)?;
    let registered = shared.registered.take().unwrap_or_default();
    let (finished, value) = result?;
    if !finished {
        return Ok(Err(value));
    }
    let found = registered.into_iter().find(|(function, _)| function.name == name);
    Ok(match found {
        Some((_, callback)) => Ok(callback),
        None => Err(Value::Nil),
    })
}

fn strings(lua: &mlua::Lua, list: &[&[u8]]) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(list.len(), 0)?;
    for (i, bytes) in list.iter().enumerate() {
        table.raw_set(i + 1, lua.create_string(bytes)?)?;
    }
    Ok(table)
}

/// The error reply for what the handler has described.
fn error_text(name: &str, described: &Value) -> mlua::Result<Vec<u8>> {
    let Value::Table(described) = described else {
        return Ok(format!("ERR Error running script {name}, execution failure").into_bytes());
    };
    let message: Value = described.raw_get("err")?;
    let mut text = crate::arguments::coerced_bytes(&message).unwrap_or_else(|| b"ERR unknown error".to_vec());
    let source: Option<String> = described.raw_get("source")?;
    let line: Option<u64> = described.raw_get("line")?;
    if let (Some(source), Some(line)) = (source, line) {
        text.extend_from_slice(format!(" script: {name}, on {source}:{line}.").as_bytes());
    }
    Ok(text)
}

/// `redis.call` and `redis.pcall`.
fn command(
    lua: &mlua::Lua,
    shared: &Shared,
    conversation: &Conversation<'_>,
    progress: &Progress,
    args: &Arguments,
    raises: bool,
) -> mlua::Result<Value> {
    let fail = |text: &str| {
        if raises {
            Err(raise::reply(text))
        } else {
            Ok(Value::Table(raise::error_table(lua, text.as_bytes())?))
        }
    };
    if args.len() == 0 {
        return fail("ERR Please specify at least one argument for this redis lib call");
    }
    let Some(arguments) = command_arguments(args.values()) else {
        return fail("ERR Lua redis lib command arguments must be strings or integers");
    };
    // A command costs about as much as so many instructions, and then by its size.
    let bytes: usize = arguments.iter().map(Vec::len).sum();
    raise::charge(&shared.meter, 200 + bytes / 8)?;
    let place = progress.answers.replace(progress.answers.get() + 1);
    let mut answers = conversation.answers.borrow_mut();
    if place == answers.len() {
        let answer = conversation.host.borrow_mut().call(&arguments, shared.resp3.get());
        answers.push(answer);
    }
    match &answers[place] {
        Answer::Error(text) if raises => Err(raise::reply(text.to_vec())),
        answer => to_lua(lua, &shared.meter, answer, shared.resp3.get()),
    }
}

fn log(
    shared: &Shared,
    conversation: &Conversation<'_>,
    progress: &Progress,
    args: &Arguments,
) -> mlua::Result<()> {
    let [level, words @ ..] = args.values() else {
        return Err(raise::reply("ERR redis.log() requires two arguments or more."));
    };
    if words.is_empty() {
        return Err(raise::reply("ERR redis.log() requires two arguments or more."));
    }
    let Some(level) = crate::arguments::number_of(level) else {
        return Err(raise::reply("ERR First argument must be a number (log level)."));
    };
    let Some(level) = LogLevel::from_number(level as i64) else {
        return Err(raise::reply("ERR Invalid debug level."));
    };
    let words: Vec<Vec<u8>> = words.iter().filter_map(crate::arguments::coerced_bytes).collect();
    let line = words.join(&b' ');
    raise::charge(&shared.meter, 1000 + line.len())?;
    let place = progress.lines.replace(progress.lines.get() + 1);
    if place == conversation.lines.get() {
        conversation.lines.set(place + 1);
        conversation.host.borrow_mut().log(level, &line);
    }
    Ok(())
}

fn may_call(conversation: &Conversation<'_>, args: &Arguments) -> mlua::Result<bool> {
    if args.len() == 0 {
        return Err(raise::reply("ERR Please specify at least one argument for this redis lib call"));
    }
    let Some(arguments) = command_arguments(args.values()) else {
        return Err(raise::reply("ERR Lua redis lib command arguments must be strings or integers"));
    };
    let allowed = conversation.host.borrow_mut().may_call(&arguments);
    allowed.ok_or_else(|| raise::reply("ERR Invalid command passed to redis.acl_check_cmd()"))
}
