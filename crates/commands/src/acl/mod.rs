//! Users: who may run which commands, on which keys and channels.
//!
//! For: the rules of `ACL SETUSER`, what follows from them for a request, and `ACL` on the replicated state. Leaves to
//! others: who is connected as whom, checking requests before they run, the log of what was denied (the node).
//! See `docs/decisions/0017-users-are-part-of-the-state.md`.
//!
//! Invariants: users are a function of the log; a user that may do everything is known at a glance
//! ([`User::is_unrestricted`]); no password is kept, only its SHA-256, which `Debug` does not show.
//! Called by: the apply task, for what changes users and for scripts; connection tasks, for each request of a user with
//! limits.

mod check;
pub(crate) mod commands;
mod password;
mod permitted;
mod rule;
mod selector;
mod user;
mod users;

pub use self::check::{Denial, Denied};
pub use self::password::PasswordHash;
pub use self::user::User;
pub use self::users::{DEFAULT_USER, Users};
pub(crate) use self::users::{RULES_BYTES_MAX, RULES_MAX};
