//! Lua 5.1 as Redis has it: what a script may do, and how much of it.
//!
//! For: compiling and running scripts and libraries of functions, and turning their results into replies.
//! Leaves to others: the commands a script calls, which scripts exist and who may run them (`quorate-commands`, through
//! the [`Host`]).
//!
//! ```text
//!  EVAL ──► commands ──► eval() ──► machine (one per thread, reused) ──► script ──► redis.call ──► Host ──► commands
//! ```
//!
//! Invariants:
//! - The same script with the same arguments and the same answers of its host does the same on every node: no clock,
//!   no chance, no address and no order of a hash table reaches it, and its bounds ([`Limits`]) are counted, not timed.
//! - A machine that has run other scripts gives the same results as a fresh one: nothing that a script can reach
//!   outlives it, and a run that comes near a bound is decided on a fresh machine (see `run`).
//! - No script makes the process panic, read a file or load code other than text.
//!
//! Called by: the apply task, and connection tasks for scripts that only read.

mod api;
mod arguments;
mod bits;
mod convert;
mod engine;
mod format;
mod host;
mod json;
mod library;
mod machine;
mod matching;
mod mathematics;
mod meter;
mod msgpack;
mod pattern;
mod raise;
mod run;
mod sandbox;
mod sha1;
mod shebang;
mod structs;
mod tables;

pub use engine::{Call, call_function, check_script, eval, load_library};
pub use host::{Host, LogLevel};
pub use library::{Function, Library};
pub use meter::Limits;
pub use sha1::sha1_hex;
pub use shebang::{Flag, Flags, script_flags};
