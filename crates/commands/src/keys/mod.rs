//! The commands of the keys group: what can be done with a key whatever its value is.
//!
//! For: existence, names, expiry, walks over a database, whole databases.
//! Leaves to others: the value's own commands, and SELECT, which belongs to the connection.
//! Invariant: all checks come before the first change; see the crate's head.

pub(crate) mod database;
pub(crate) mod dump;
pub(crate) mod existence;
pub(crate) mod expire;
pub(crate) mod naming;
pub(crate) mod object;
pub(crate) mod ttl;
pub(crate) mod walk;

use quorate_keyspace::DbIndex;

use crate::{Args, Error};

/// Argument `i` as C's `int`, with Redis' two different errors.
fn int(args: Args<'_>, i: usize) -> Result<i32, Error> {
    i32::try_from(args.integer(i)?).map_err(|_| {
        Error::text(format!("ERR value is out of range, value must between {} and {}", i32::MIN, i32::MAX))
    })
}

/// Argument `i` as the index of a database.
fn database(args: Args<'_>, i: usize) -> Result<DbIndex, Error> {
    db_index(int(args, i)?)
}

/// The database with this number, if it is one of those that there are.
fn db_index(number: i32) -> Result<DbIndex, Error> {
    DbIndex::new(i64::from(number)).ok_or(Error::DbOutOfRange)
}
