//! The node that answers a request, as commands see it.
//!
//! For: settings that replies show, and what the node keeps of a script's doings: counters, and lines in its log.
//! Leaves to others: where they are kept (the node).
//! Invariant: nothing of it reaches the state. The other nodes run the same commands without one.

use std::fmt;

use quorate_keyspace::DbIndex;
use quorate_script::LogLevel;

use crate::{Args, Command, Denied, Settings, User};

/// What became of a command that a script has called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    /// It has run.
    Done,
    /// It has run, and its reply is an error.
    Failed,
    /// A script may not run it, or not now.
    Rejected,
}

/// The node that answers.
pub trait Answering: fmt::Debug {
    /// Its own settings.
    fn settings(&self) -> &Settings;

    /// Runs a command that a script calls, by calling `run` once, and counts it.
    fn call(&self, command: &'static Command, run: &mut dyn FnMut() -> Called);

    /// Sees a command that a script is about to run in this database, and may look at what it reads.
    fn begins(&self, db: DbIndex, command: &'static Command, args: Args<'_>);

    /// Counts an error that a script was answered, and that is not its own reply.
    fn error(&self, text: &[u8]);

    /// Notes what a script wanted and its user may not do.
    fn denied(&self, user: &User, denied: Denied, command: &'static Command, args: Args<'_>);

    /// Takes a line of a script for its log.
    fn log(&self, level: LogLevel, line: &[u8]);
}

/// Settings by themselves: a node that counts and logs nothing.
impl Answering for Settings {
    fn settings(&self) -> &Settings {
        self
    }

    fn call(&self, _: &'static Command, run: &mut dyn FnMut() -> Called) {
        run();
    }

    fn begins(&self, _: DbIndex, _: &'static Command, _: Args<'_>) {}

    fn error(&self, _: &[u8]) {}

    fn denied(&self, _: &User, _: Denied, _: &'static Command, _: Args<'_>) {}

    fn log(&self, _: LogLevel, _: &[u8]) {}
}
