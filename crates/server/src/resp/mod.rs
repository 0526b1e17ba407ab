//! The RESP listener: sockets of Redis clients, and a session for each.
//!
//! ```text
//!  accept ──► admitted? ──► one task per connection:   read ──► decode ──► Session::execute ──► write
//!                                                        ▲                      │ under way       │
//!                                                        └── up to a bound ◄────┴────────────────┘
//! ```
//!
//! For: everything about sockets and bytes. Leaves to others: what requests mean (`quorate::session`), the
//! protocol (`quorate-resp`), which addresses to bind and when to stop (`serve`).
//!
//! Invariants:
//! - Replies leave in the order of the requests, one write for all that are ready.
//! - A connection holds bounded memory whatever its client does: input by the limit on one request and
//!   [`READ_AHEAD_BYTES_MAX`], output by [`OUTPUT_BYTES_MAX`] and what one call of `execute` makes.
//! - An idle connection holds no buffers.
//! - No client can make the listener stop accepting.
//!
//! Called by: `serve`, once for each set of addresses.

mod connection;
mod input;
mod listener;
mod output;
#[cfg(test)]
mod tests;

pub use self::connection::{AUTHENTICATION_MAX, OUTPUT_BYTES_MAX, READ_AHEAD_BYTES_MAX};
pub use self::listener::{Listener, ListenerOptions};
