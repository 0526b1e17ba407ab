//! What a script needs from outside.
//!
//! For: keeping commands, logs and seeds out of this crate. Leaves to others: all of it.
//! Invariant: a host's answers are a function of the log where the script is replicated.

use quorate_resp::Value;

/// Runs a script's commands.
pub trait Host {
    /// Runs a command; its reply as RESP3 or RESP2 has it, an error as [`Value::Error`].
    fn call(&mut self, args: &[Vec<u8>], resp3: bool) -> Value;

    /// Whether the script's user may run a command; nothing if there is no such command.
    fn may_call(&mut self, args: &[Vec<u8>]) -> Option<bool>;

    /// Takes a line that a script wants in the log of the node.
    fn log(&mut self, level: LogLevel, line: &[u8]);

    /// Seeds the random numbers of the script.
    fn seed(&mut self) -> u64;
}

/// Redis' log levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is Redis' level of that name")]
pub enum LogLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
}

impl LogLevel {
    /// The level of a script's number.
    pub(crate) fn from_number(number: i64) -> Option<LogLevel> {
        Some(match number {
            0 => LogLevel::Debug,
            1 => LogLevel::Verbose,
            2 => LogLevel::Notice,
            3 => LogLevel::Warning,
            _ => return None,
        })
    }
}
