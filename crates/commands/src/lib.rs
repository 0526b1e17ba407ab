//! The one command table and everything that a command does to the replicated state.
//!
//! For: finding a request's command, checking it, and running it against [`State`].
//! Leaves to others: the wire (`quorate-resp`), the containers (`quorate-keyspace`), and whatever a
//! command asks of its connection or of the cluster (`Route::Session`, run by `quorate-node`).
//!
//! Invariants:
//! - Pure and deterministic: no clock, no local randomness, no environment, no iteration order that
//!   differs between nodes. Time, seed and version arrive with [`WriteContext`] from the log entry.
//! - A command that fails has written nothing to the reply and changed nothing in the state.
//! - A command's name is written in one place, its row below [`table`].
//!
//! Called by: the apply task (writes), each connection's task (reads), and the tests.
//!
//! How a command is added: write `fn name(&mut Write, Args, &mut Reply) -> Result<(), Error>` (or with
//! `&Read`) in its group's folder, and a row in `table/<group>.rs` that points at it. A golden script in
//! `tests/golden/<group>/` shows its replies; `docs/commands.md` follows from the row.

mod acl;
mod answering;
mod args;
mod bitmaps;
mod blocking;
mod command;
mod config;
mod context;
mod error;
mod events;
mod eviction;
mod expiry;
mod geo;
pub mod glob;
#[doc(hidden)]
pub mod golden;
mod hashes;
mod hyperloglog;
mod introspection;
mod items;
mod key_search;
mod keys;
mod lists;
mod long_double;
#[doc(hidden)]
pub mod measured;
mod memory;
mod pubsub;
pub mod rdb;
mod sampling;
mod scan;
mod scripting;
mod sets;
pub mod settings;
mod sort;
mod sorted_sets;
mod state;
mod streams;
mod strings;
pub mod table;

pub use acl::{DEFAULT_USER, Denial, Denied, PasswordHash, User, Users};
pub use answering::{Answering, Called};
pub use args::Args;
pub use blocking::{Desk, Ending, Seat, Service, Ticket, Unblock, Waiter, Waiters};
pub use command::{
    Argument, ArgumentKind, BeginSearch, Categories, Category, Command, FindKeys, Flag, Flags, Group, Hidden,
    KeyFlag, KeyFlags, KeySpec, ReadFn, Route, SessionCommand, WriteFn,
};
pub use context::{Lookups, Read, Write, WriteContext, read, write, write_or_wait};
pub use error::Error;
pub use events::{Event, EventClass, EventClasses, Events, Message, Notice};
pub use eviction::{Evicted, reads_count};
pub use introspection::syntax;
pub use key_search::{KeyPosition, KeyPositions, keys};
pub use quorate_script::LogLevel;
pub use settings::Settings;
pub use state::VERSION as STATE_VERSION;
pub use state::subscriptions::{SUBSCRIPTION_BYTES_MAX, SubscriptionKind, Subscriptions};
pub use state::{DecodeError, Scripts, State, StateDecoder, StateEncoder, StateSnapshot};
pub use streams::read::{ReadWait, asks_to_wait, read_wait, settle_ids};
pub use table::{commands, lookup, resolve};

/// The version of Redis whose behaviour clients may rely on.
pub const REDIS_VERSION: &str = "7.2.4";
