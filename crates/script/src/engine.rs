//! What commands call: checking, running, loading.
//!
//! For: one machine per thread, made when it is first needed, replaced after a run that was ended.
//! Leaves to others: `run` and `machine`. Invariant: see the crate's head.

use std::cell::RefCell;

use quorate_resp::Reply;

use crate::library::{self, Library};
use crate::machine::{Kind, Machine};
use crate::meter::{Ended, Limits};
use crate::run::{self, Conversation, Job};
use crate::{Host, sha1_hex};

thread_local! {
    static MACHINE: RefCell<Option<Machine>> = const { RefCell::new(None) };
}

/// The arguments of a run.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// SHA-1 of the code, 40 digits in lower case.
    pub sha: &'a str,
    /// The code, first line included.
    pub code: &'a [u8],
    /// What the script sees as `KEYS`.
    pub keys: &'a [&'a [u8]],
    /// What the script sees as `ARGV`.
    pub args: &'a [&'a [u8]],
    /// How much it may do, the same on every node.
    pub limits: Limits,
}

fn with_machine<R>(work: impl FnOnce(&mut Machine) -> R) -> R {
    MACHINE.with_borrow_mut(|slot| work(slot.get_or_insert_with(Machine::new)))
}

/// Whether a script compiles; it is kept for its first run.
///
/// # Errors
/// What the compiler has to say.
pub fn check_script(sha: &str, code: &[u8]) -> Result<(), String> {
    with_machine(|machine| machine.function(Kind::Script, sha, code).map(drop))
}

/// Runs a script and writes its reply.
pub fn eval(call: Call<'_>, host: &mut dyn Host, reply: &mut Reply) {
    let Call { sha, code, keys, args, limits } = call;
    decide(&Job { kind: Kind::Script, sha, code, name: sha, keys, args }, limits, host, reply);
}

/// Runs a function of a library and writes its reply.
pub fn call_function(call: Call<'_>, function: &str, host: &mut dyn Host, reply: &mut Reply) {
    let Call { sha, code, keys, args, limits } = call;
    decide(&Job { kind: Kind::Library, sha, code, name: function, keys, args }, limits, host, reply);
}

fn decide(job: &Job<'_>, limits: Limits, host: &mut dyn Host, reply: &mut Reply) {
    let conversation = Conversation::new(host);
    let first = with_machine(|machine| run::run(machine, job, limits.clear(), &conversation, reply));
    if first.is_err() {
        let mut fresh = Machine::new();
        if let Err(ended) = run::run(&mut fresh, job, limits, &conversation, reply) {
            reply.error(ended.text());
            fresh = Machine::new();
        }
        MACHINE.set(Some(fresh));
    }
}

/// Runs the code of a library, which registers its functions.
///
/// # Errors
/// The text of the error reply, without its code.
pub fn load_library(code: &[u8]) -> Result<Library, String> {
    let name = library::name_of(code)?;
    let sha = sha1_hex(code);
    let first = with_machine(|machine| register(machine, &sha, code, Limits::LOAD.clear()));
    let functions = match first {
        Ok(functions) => functions?,
        Err(_) => {
            let mut fresh = Machine::new();
            let verdict = register(&mut fresh, &sha, code, Limits::LOAD);
            MACHINE.set(None);
            verdict.map_err(|_| "Error registering functions: FUNCTION LOAD timeout".to_owned())??
        }
    };
    if functions.is_empty() {
        return Err("No functions registered".into());
    }
    Ok(Library { name, code: code.to_vec(), functions })
}

fn register(
    machine: &mut Machine,
    sha: &str,
    code: &[u8],
    limits: Limits,
) -> Result<Result<Vec<library::Function>, String>, Ended> {
    let function = match machine.function(Kind::Library, sha, code) {
        Ok(function) => function,
        Err(why) => return Ok(Err(format!("Error compiling function: {why}"))),
    };
    run::begin(machine, 0, limits);
    let result = run::registered(machine, &function);
    let _ = machine.lua.set_memory_limit(0);
    if let Some(ended) = machine.shared.meter.ended() {
        return Err(ended);
    }
    machine.tidy();
    Ok(result.map(|mut functions| {
        functions.sort_by(|a, b| a.name.cmp(&b.name));
        functions
    }))
}
