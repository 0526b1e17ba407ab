//! A stock Redis follows this node as its replica (`REPLICAOF`), and `quorate export` takes a copy of it.
//!
//! ```text
//!  PSYNC ──► capture at a log position ──► RDB ──┬──► keys changed since, as they are at a later position ──► …
//!            (and notes from there on)           └──────────────── again and again ◄───────────────────────────┘
//! ```
//!
//! What a replica is told is state, not commands: for every key that has changed, its value and expiry as they are now, or
//! that it is gone. So nothing depends on how a command, a script, the agreed time or chance would work out there, and a
//! slow replica is behind in keys, whose number is bounded, rather than in bytes, whose is not.
//!
//! For: both ends of `PSYNC`. Leaves to others: the encodings (`quorate_commands::rdb`), writing to the socket.
//! Invariant: after any round of changes a replica holds exactly what the state held at one position of the log.

mod feed;
mod followers;

pub(crate) use self::feed::feed;
pub(crate) use self::followers::Followers;
