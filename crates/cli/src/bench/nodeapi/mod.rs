//! The load of a file-transfer site: what the NodeAPI of Aspera HSTS asks of its store, by a model of it.
//!
//! ```text
//!  profile ──► which operation, how often          what was told ──► ledger ──► verify ──► lost? twice?
//!     └──► Clients (one task a connection) ──► operations, transfers ──► client (batches) ──► a node
//! ```
//!
//! The names of keys and the commands are the model's, not the original's: they have its types, sizes, batches
//! and rates. Left to others: sockets (`connection`), due times (`pace`), counting (`tally`).
//!
//! Invariant: a client waits for each batch before it sends the next one, as the original's library does.

mod client;
mod ledger;
mod operations;
mod profile;
mod transfers;
mod verify;

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::connection::{Attempts, Connection, Target};
use super::encode::request;
use super::keys::{Chance, filler};
use super::pace::{Budget, Schedule};
use super::tally::{Names, micros};

pub(super) use self::client::{BATCHES, Site, State};
pub(super) use self::ledger::Ledger;
pub(super) use self::profile::{PROFILES, Profile};
pub(super) use self::verify::{Base, Verified, verify};

use self::client::Client;
use self::operations::{CLUSTER_MASTER, Names as Keys, TENANTS};
use self::profile::OPERATIONS;

/// What a site's requests and operations are called.
pub(super) fn names() -> Names {
    Names {
        requests: BATCHES.iter().map(ToString::to_string).collect(),
        operations: OPERATIONS.iter().map(|(_, name)| (*name).to_owned()).collect(),
    }
}

/// A ledger of nothing yet.
pub(super) fn ledger() -> Ledger {
    Ledger::new(TENANTS)
}

/// Writes what every site has before anything happens: tenants, permissions, keys.
pub(super) async fn prepare(target: &Target, prefix: &str, connection: &mut Connection) -> io::Result<()> {
    let keys = Keys(prefix);
    let config = String::from_utf8(filler(2000, 1)).expect("the filler is text");
    let mut count = 0;
    let mut send = |args: &[&str]| {
        request(&mut connection.out, args);
        count += 1;
    };
    for tenant in 0..TENANTS {
        let secret = format!("secret-{tenant}");
        send(&["HSET", &keys.tenant(tenant), "secret", &secret, "config", &config]);
    }
    for folder in 0..100 {
        send(&["HSET", &keys.permissions(folder), "group:all", "view", "user:admin", "edit"]);
    }
    send(&["SET", &format!("{prefix}tokkey:xfer:str"), &config[..64]]);
    send(&["SET", CLUSTER_MASTER, "node-1", "NX"]);
    let replies = connection.exchange(count, target.time_max).await?;
    match replies.iter().find_map(|reply| reply.error()) {
        None => Ok(()),
        Some(error) => Err(io::Error::other(String::from_utf8_lossy(error).into_owned())),
    }
}

/// The part of connection `number` among `of`, until the run is over; begins at the address with this number.
pub(super) async fn run(
    site: Rc<Site>,
    budget: Budget,
    (number, of): (usize, usize),
    rate: Option<f64>,
    seed: u64,
    address: usize,
) {
    let run = Arc::clone(&site.run);
    let mut schedule = Schedule::new(rate, number, of, run.started);
    let mut chance = Chance::new(seed, number as u64 + 1);
    let mut from = address;
    let mut first = true;
    while Instant::now() < run.end() && !budget.is_empty() {
        let mut attempts = Attempts::default();
        let opened = Connection::open_any(&site.target, from, || run.end(), &mut attempts).await;
        site.tally.borrow_mut().connected(attempts.failed, first);
        let Some((connection, address)) = opened else { return };
        schedule.freed(if first { run.started } else { Instant::now() });
        first = false;
        let mut client =
            Client { site: Rc::clone(&site), connection, chance: chance.clone(), address, errors: 0 };
        let lost = client.work(&mut schedule, &budget).await.is_err();
        chance = client.chance;
        let mut tally = site.tally.borrow_mut();
        tally.bytes_sent += client.connection.bytes_sent;
        tally.bytes_received += client.connection.bytes_received;
        if !lost {
            return;
        }
        from = address + 1;
    }
}

impl Client {
    /// Does what is due over this connection; an error says that it is of no use any more.
    async fn work(&mut self, schedule: &mut Schedule, budget: &Budget) -> io::Result<()> {
        let run = Arc::clone(&self.site.run);
        loop {
            let due = loop {
                let now = Instant::now();
                if now >= run.end() || budget.is_empty() {
                    return Ok(());
                }
                match schedule.take(now) {
                    Some(due) => break due,
                    None => sleep_until(schedule.next().unwrap_or(now).min(run.end())).await,
                }
            };
            if !budget.take() {
                return Ok(());
            }
            let kind = self.site.profile.pick(self.chance.part());
            let errors = self.errors;
            let result = self.perform(OPERATIONS[kind].0).await;
            let now = Instant::now();
            schedule.freed(now);
            let mut tally = self.site.tally.borrow_mut();
            if run.counts(now) {
                if let Some(late) = due.late {
                    tally.late(late);
                }
                let count = &mut tally.operations[kind];
                match result {
                    Ok(()) => {
                        count.delay(micros(now - due.from.min(now)));
                        if self.errors == errors { count.ok += 1 } else { count.errors += 1 }
                    }
                    Err(_) => count.unknown += 1,
                }
            }
            drop(tally);
            result?;
        }
    }
}
