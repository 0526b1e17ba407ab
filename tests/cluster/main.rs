//! What a cluster of real processes promises, shown over sockets, with `kill -9`, SIGSTOP, lost and full disks.
//!
//! Each test is a sentence of the promise. `QUORATE_LONG=1` runs the same code with larger counts.
//! Leaves to others: what one command answers (golden scripts of `quorate-commands`), consensus step by step
//! (simulation).
//!
//! Invariants: one cluster at a time, because a test machine is small; every wait is for a condition; a client
//! of a node that a test does not disturb meets no error at all.

mod alone;
mod bench;
mod blocking;
mod disk;
mod eviction;
mod failover;
mod golden;
mod listening;
mod load;
mod membership;
mod messages;
mod minority;
mod quiet;
mod restart;
mod sentinel;
mod snapshots;
mod stock_client;
mod transactions;
mod users;

pub(crate) use alone::{QUORATE, alone, calm, count};
