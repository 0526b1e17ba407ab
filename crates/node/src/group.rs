//! A group: what one connection hands over at a time, and gets its replies for in one piece.
//!
//! A connection decodes what its buffer holds and makes one group of it: writes, reads that follow a
//! write in the same pipeline, and replies that are known already, in the order of the requests. The
//! writes join the node's current batch; the replies come back as one buffer, in order, when the node
//! applies that batch. One group per connection is under way at a time, so order needs no further care.
//!
//! Invariant: a group holds at least one write; a connection answers pure reads itself.

use std::sync::Arc;

use bytes::Bytes;
use quorate_commands::{Command, Ticket, Unblock, User};
use quorate_keyspace::DbIndex;
use quorate_resp::{Protocol, Request};

pub use crate::desk::{Seat, Wake};
use crate::messages::Action;
use crate::session::Client;
pub use crate::transaction::{Queued, Transaction, Watched};

/// One request's place in a group.
#[derive(Debug)]
pub enum Slot {
    /// Goes through the log.
    Write {
        /// The database that the connection had selected.
        db: DbIndex,
        /// Its row of the table.
        command: &'static Command,
        /// The arguments as sent.
        request: Request,
        /// How to write the reply.
        style: Style,
        /// Who asks, a user who may not do everything, where the command has to
        /// [know him](Command::asks_user). What goes through the log meets him as he is there.
        caller: Option<Arc<User>>,
    },
    /// As a write, but where it finds nothing it waits. The last slot of its group: what follows waits with it.
    Wait {
        /// The database that the connection had selected.
        db: DbIndex,
        /// Its row of the table.
        command: &'static Command,
        /// The arguments as sent.
        request: Request,
        /// How to write the reply.
        style: Style,
        /// Where the client waits.
        seat: Seat,
    },
    /// The end of somebody's wait, through the log; answered with 1, or with 0 where it was over before.
    Unblock {
        /// Whose wait.
        ticket: Ticket,
        /// How it ends.
        how: Unblock,
        /// How to write the reply.
        style: Style,
    },
    /// Evaluated on this node alone, at this place of the log.
    Read {
        /// The database that the connection had selected.
        db: DbIndex,
        /// Its row of the table.
        command: &'static Command,
        /// The arguments as sent.
        request: Request,
        /// How to write the reply.
        style: Style,
        /// Who asks, a user who may not do everything, where the command has to
        /// [know him](Command::asks_user). What goes through the log meets him as he is there.
        caller: Option<Arc<User>>,
    },
    /// Executed in one piece; goes through the log if it writes.
    Transaction(Box<Transaction>),
    /// A request that only nodes make, with no reply; goes through the log.
    #[doc(hidden)]
    Internal(Request),
    /// Done at this place of the log, on this node alone; no reply.
    #[doc(hidden)]
    Act(Act),
    /// A reply that needed no data, already encoded (empty if the client wanted none).
    Ready(Bytes),
}

/// What is done at a place of the log; only this crate can make one.
#[derive(Debug)]
pub struct Act(pub(crate) Action);

/// How a reply is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// The protocol that the connection speaks at this request.
    pub protocol: Protocol,
    /// Whether the client asked for no reply (`CLIENT REPLY OFF` or `SKIP`).
    pub silent: bool,
}

/// Requests of one connection, in order.
#[derive(Debug)]
pub struct Group {
    /// Whose they are; nothing of it goes through the log. None where the node itself asks.
    pub client: Option<Arc<Client>>,
    /// The requests.
    pub slots: Vec<Slot>,
}

impl Group {
    /// Requests of a client.
    pub fn of(client: Arc<Client>, slots: Vec<Slot>) -> Group {
        Group { client: Some(client), slots }
    }
}

/// Requests of the node itself.
impl From<Vec<Slot>> for Group {
    fn from(slots: Vec<Slot>) -> Group {
        Group { client: None, slots }
    }
}

/// Why a group has no replies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// None of the group's writes entered the log, and none ever will: the text is an error reply
    /// (without `-`) for each of its reads and writes. The connection stays open.
    #[error("{0}")]
    Refused(String),
    /// Some of the group's writes may have taken effect or may yet: nothing true can be replied, so the
    /// connection must be closed.
    #[error("the outcome is unknown")]
    Unknown,
}
