//! Commands that wait: who waits for which keys, and what becomes of them.
//!
//! ```text
//! BLPOP k ─► runs ─┬─ k has elements ─► reply
//!                  └─ nothing there ──► a waiter in the state ─┬─ k changes: runs again, in order of arrival ─► reply
//!                                                              ├─ its deadline passes ───────────────────────► null
//!                                                              └─ CLIENT UNBLOCK, its client or node is gone ─► …
//! ```
//!
//! For: the waiters of the replicated state ([`Waiters`]) and serving them ([`Service`]). A waiter is a request that
//! runs again whenever one of its keys may have something for it, as in Redis since 7.2; so it ends with whatever the
//! command says then, an error included.
//! Leaves to others: which change makes a key worth looking at (`quorate-keyspace`), the connections behind the waiters
//! and when those are gone (the node).
//!
//! Invariants: waiters are served in the order of their tickets, which is the order in which they came to the log; on
//! every node alike, wherever their clients are. Time is agreed time. An element is given to one waiter, at the entry
//! that brought it. A waiter that cannot be served keeps its place.
//!
//! Called by: the apply task.

mod service;
pub(crate) mod waiters;
mod waits;

use quorate_keyspace::{Millis, Version};

pub use self::service::{Desk, Ending, Service, Unblock};
pub use self::waiters::{Waiter, Waiters};
pub(crate) use self::waits::seconds;

/// A waiter's place in the order: the version of the request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// On whose behalf a request may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// The node that has the connection.
    pub node: u64,
    /// In which of its lives.
    pub incarnation: u64,
    /// Until when, if that was settled before: the request is entered anew. The outer nothing: as the request says.
    pub deadline: Option<Option<Millis>>,
}

/// Whether a command may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Waiting {
    /// It is part of a transaction or a script.
    Never,
    /// It may.
    May(Seat),
    /// It did, and is run again.
    Again(Ticket),
    /// It does.
    Does(Ticket),
}

/// What a waiter waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A list.
    List = 1,
    /// A sorted set.
    SortedSet = 2,
    /// New entries for a group; also ends when the stream or the group is gone.
    Group = 3,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::List, Kind::SortedSet, Kind::Group];
}

impl Ticket {
    const LAST: Ticket = Ticket(u64::MAX);

    fn of(version: Version) -> Ticket {
        Ticket(version.0)
    }
}
