//! At the end: does every node hold what was acknowledged, and nothing that was refused or done twice?
//!
//! Each node that answers is asked for each transfer, event and counter of the ledger, over its own connection.
//! Counters are compared from a base that was read before the run, so nobody else may work under the same prefix
//! meanwhile.
//!
//! Invariant: what is unknown is never an error, and never hides one: a sum must lie between what was
//! acknowledged and that plus what is unknown.

use std::io;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::super::connection::{Connection, Replies, Target};
use super::super::encode::request;
use super::ledger::{Event, Ledger, Outcome, Sum, WRONG_MAX};
use super::operations::{Names, TENANTS};
use super::transfers::event_mark;

/// How many requests are asked at once.
const CHUNK: usize = 200;
/// How long a node may take to come back, and to answer without an error.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
const NODE_TIME_MAX: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// What the counters were before the run.
#[derive(Debug, Default, Clone)]
pub(in super::super) struct Base {
    sequence: u64,
    event_sequence: u64,
    events: u64,
    usage: Vec<u64>,
}

/// What was compared of one kind.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(in super::super) struct Compared {
    pub(in super::super) acknowledged: u64,
    pub(in super::super) refused: u64,
    pub(in super::super) unknown: u64,
    /// Of the unknown ones, those that have taken effect.
    pub(in super::super) unknown_done: u64,
    /// Acknowledged, and not there on at least one node.
    pub(in super::super) lost: u64,
    /// There twice, or there though refused.
    pub(in super::super) too_many: u64,
}

/// The result.
#[derive(Debug, Default, Serialize)]
pub(in super::super) struct Verified {
    /// The addresses that were asked for everything.
    pub(in super::super) asked: Vec<String>,
    /// The addresses that did not answer, and why.
    pub(in super::super) silent: Vec<String>,
    pub(in super::super) creates: Compared,
    pub(in super::super) files: Compared,
    pub(in super::super) events: Compared,
    /// Steps of the counters.
    pub(in super::super) steps: Compared,
    /// All that must not be.
    pub(in super::super) wrong_count: u64,
    /// The first of them, in words.
    pub(in super::super) wrong: Vec<String>,
}

impl Compared {
    /// Counts one thing by its parts, each with its outcome and whether it is there; says what is wrong with it.
    fn note(&mut self, parts: &[(Outcome, bool)]) -> Option<&'static str> {
        let any = |outcome: Outcome, there: bool| parts.contains(&(outcome, there));
        let (lost, denied) = (any(Outcome::Acknowledged, false), any(Outcome::Refused, true));
        if any(Outcome::Unknown, true) || any(Outcome::Unknown, false) {
            self.unknown += 1;
            self.unknown_done += u64::from(any(Outcome::Unknown, true));
        } else if any(Outcome::Refused, true) || any(Outcome::Refused, false) {
            self.refused += 1;
        } else {
            self.acknowledged += 1;
        }
        self.lost += u64::from(lost);
        self.too_many += u64::from(denied);
        match (lost, denied) {
            (true, _) => Some("was acknowledged and is not all there"),
            (_, true) => Some("was refused and is there"),
            _ => None,
        }
    }
}

impl Verified {
    /// Whether nothing was wrong, and somebody could be asked.
    pub(in super::super) fn holds(&self) -> bool {
        self.wrong_count == 0 && !self.asked.is_empty()
    }
}

impl Base {
    /// Reads the counters before anything is written.
    pub(in super::super) async fn read(
        target: &Target,
        prefix: &str,
        connection: &mut Connection,
    ) -> io::Result<Self> {
        let mut asked = Asked { connection, target, until: Instant::now() + NODE_TIME_MAX };
        asked.base(prefix).await
    }
}

/// Compares the ledger with every node.
pub(in super::super) async fn verify(
    target: &Target,
    prefix: &str,
    label: &str,
    base: &Base,
    mut ledger: Ledger,
) -> Verified {
    let mut result = Verified {
        wrong_count: ledger.wrong_count,
        wrong: std::mem::take(&mut ledger.wrong),
        ..Verified::default()
    };
    let twice = ledger.sequence.duplicates() + ledger.event_sequence.duplicates();
    if twice > 0 {
        result.steps.too_many += twice;
        result.say(format!("{twice} values of the counters were given out more than once"));
    }
    for address in &target.addresses {
        let mut node = Node { address, prefix, label, base, ledger: &ledger, found: Verified::default() };
        match node.compare(target).await {
            Ok(()) => {
                let found = node.found;
                result.asked.push(address.clone());
                for (to, from) in [
                    (&mut result.creates, found.creates),
                    (&mut result.files, found.files),
                    (&mut result.events, found.events),
                    (&mut result.steps, found.steps),
                ] {
                    let worst = |a: u64, b: u64| a.max(b);
                    *to = Compared {
                        lost: worst(to.lost, from.lost),
                        too_many: worst(to.too_many, from.too_many),
                        unknown_done: worst(to.unknown_done, from.unknown_done),
                        ..from
                    };
                }
                result.wrong_count += found.wrong_count;
                result.wrong.extend(found.wrong);
            }
            Err(error) => result.silent.push(format!("{address}: {error}")),
        }
    }
    result.wrong.truncate(WRONG_MAX);
    result
}

impl Verified {
    fn say(&mut self, what: String) {
        self.wrong_count += 1;
        if self.wrong.len() < WRONG_MAX {
            self.wrong.push(what);
        }
    }
}

/// A connection that is asked until it answers.
struct Asked<'a> {
    connection: &'a mut Connection,
    target: &'a Target,
    until: Instant,
}

impl Asked<'_> {
    /// The replies to all requests, none of them an error. A node that cannot serve now is asked again.
    async fn ask(&mut self, requests: &[Vec<String>]) -> io::Result<Replies> {
        loop {
            for args in requests {
                request(&mut self.connection.out, args);
            }
            let replies = self.connection.exchange(requests.len(), self.target.time_max).await?;
            let error = replies.iter().find_map(|reply| reply.error()).map(<[u8]>::to_vec);
            match error {
                None => return Ok(replies),
                Some(_) if Instant::now() < self.until => sleep(PAUSE).await,
                Some(error) => return Err(io::Error::other(String::from_utf8_lossy(&error).into_owned())),
            }
        }
    }

    async fn base(&mut self, prefix: &str) -> io::Result<Base> {
        let keys = Names(prefix);
        let mut requests = vec![
            args(&["GET", &keys.sequence()]),
            args(&["GET", &keys.event_sequence()]),
            args(&["ZCARD", &keys.events()]),
        ];
        requests.extend((0..TENANTS).map(|tenant| args(&["HGET", &keys.usage(tenant), "bytes"])));
        let replies = self.ask(&requests).await?;
        let mut numbers = replies.iter().map(|reply| reply.integer().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        let (sequence, event_sequence, events) = (next(), next(), next());
        Ok(Base { sequence, event_sequence, events, usage: (0..TENANTS).map(|_| next()).collect() })
    }
}

fn args(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// One node that is compared.
struct Node<'a> {
    address: &'a str,
    prefix: &'a str,
    label: &'a str,
    base: &'a Base,
    ledger: &'a Ledger,
    found: Verified,
}

impl Node<'_> {
    async fn compare(&mut self, target: &Target) -> io::Result<()> {
        let begun = Instant::now();
        let mut connection = loop {
            match Connection::open(target, self.address).await {
                Ok(connection) => break connection,
                Err(error) if begun.elapsed() >= CONNECT_TIME_MAX => return Err(error),
                Err(_) => sleep(PAUSE).await,
            }
        };
        let until = Instant::now() + NODE_TIME_MAX;
        let mut asked = Asked { connection: &mut connection, target, until };
        self.counters(&mut asked).await?;
        self.events(&mut asked).await?;
        self.transfers(&mut asked).await
    }

    fn wrong(&mut self, what: &str) {
        let what = format!("{}: {what}", self.address);
        self.found.say(what);
    }

    /// Compares a sum with what it must and may be; gives how much is missing, too much, and of the unknown.
    fn sum(&mut self, what: &str, found: u64, base: u64, sum: Sum) -> (u64, u64, u64) {
        let least = base + sum.acknowledged;
        let most = least + sum.unknown;
        if found < least || found > most {
            let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
            self.wrong(&format!("{what} is {found}, not {expected}"));
        }
        let unknown_done = found.saturating_sub(least).min(sum.unknown);
        (least.saturating_sub(found), found.saturating_sub(most), unknown_done)
    }

    async fn counters(&mut self, asked: &mut Asked<'_>) -> io::Result<()> {
        let now = asked.base(self.prefix).await?;
        let ledger = self.ledger;
        let sums = [
            ("the counter of changes", now.sequence, self.base.sequence, &ledger.sequence),
            ("the counter of events", now.event_sequence, self.base.event_sequence, &ledger.event_sequence),
        ];
        for (what, found, base, counter) in sums {
            let (lost, too_many, unknown_done) = self.sum(what, found, base, counter.sum);
            let steps = &mut self.found.steps;
            steps.acknowledged += counter.sum.acknowledged;
            steps.unknown += counter.sum.unknown;
            steps.lost += lost;
            steps.too_many += too_many;
            steps.unknown_done += unknown_done;
            if found < counter.highest {
                self.wrong(&format!("{what} is {found} and had been {}", counter.highest));
            }
        }
        let mut listed = Sum::default();
        for event in &ledger.events {
            listed.note(event.listed, 1);
        }
        let (_, too_many, _) =
            self.sum("the length of the list of events", now.events, self.base.events, listed);
        self.found.events.too_many += too_many;
        for (tenant, sum) in ledger.usage.iter().enumerate() {
            let what = format!("the usage of tenant {tenant}");
            self.sum(&what, now.usage[tenant], self.base.usage[tenant], *sum);
        }
        Ok(())
    }

    async fn events(&mut self, asked: &mut Asked<'_>) -> io::Result<()> {
        let keys = Names(self.prefix);
        for chunk in self.ledger.events.chunks(CHUNK) {
            let mut requests = Vec::with_capacity(2 * chunk.len());
            for Event { number, .. } in chunk {
                let mark = event_mark(self.label, *number);
                let end = (mark.len() - 1).to_string();
                requests.push(args(&["GETRANGE", &keys.event(*number), "0", &end]));
                requests.push(args(&["ZSCORE", &keys.events(), &number.to_string()]));
            }
            let replies = asked.ask(&requests).await?;
            for (i, event) in chunk.iter().enumerate() {
                let mark = event_mark(self.label, event.number);
                let text = replies.get(2 * i).string() == Some(mark.as_bytes());
                let listed = replies.get(2 * i + 1).integer() == Some(event.number);
                let parts = [(event.text, text), (event.listed, listed)];
                if let Some(wrong) = self.found.events.note(&parts) {
                    let number = event.number;
                    self.wrong(&format!("event {number} {wrong} (text there: {text}, listed: {listed})"));
                }
            }
        }
        Ok(())
    }

    async fn transfers(&mut self, asked: &mut Asked<'_>) -> io::Result<()> {
        let keys = Names(self.prefix);
        let ledger = self.ledger;
        for chunk in ledger.transfers.chunks(CHUNK) {
            let mut requests = Vec::with_capacity(5 * chunk.len());
            for transfer in chunk {
                let id = format!("{}.{}", self.label, transfer.id);
                requests.push(args(&["HGET", &keys.transfer(&id), "id"]));
                requests.push(args(&["ZSCORE", &keys.by_change(), &id]));
                requests.push(args(&["ZSCORE", &keys.of_tenant(transfer.tenant), &id]));
                requests.push(args(&["LLEN", &keys.files(&id)]));
                requests.push(args(&["HGET", &keys.transfer(&id), "files_completed"]));
            }
            let replies = asked.ask(&requests).await?;
            for (i, transfer) in chunk.iter().enumerate() {
                let reply = |part: usize| replies.get(5 * i + part);
                let id = format!("{}.{}", self.label, transfer.id);
                let found =
                    [reply(0).string() == Some(id.as_bytes()), !reply(1).is_null(), !reply(2).is_null()];
                let parts: Vec<_> = transfer.outcomes.into_iter().zip(found).collect();
                if let Some(wrong) = self.found.creates.note(&parts) {
                    self.wrong(&format!("transfer {id} {wrong} (hash, changes, tenant: {found:?})"));
                }
                let files = reply(3).integer().unwrap_or(0);
                let (lost, too_many, done) =
                    self.sum(&format!("the list of files of transfer {id}"), files, 0, transfer.files);
                let counted = &mut self.found.files;
                counted.acknowledged += transfer.files.acknowledged;
                counted.unknown += transfer.files.unknown;
                counted.lost += lost;
                counted.too_many += too_many;
                counted.unknown_done += done;
                let completed = reply(4).integer().unwrap_or(0);
                self.sum(
                    &format!("the count of files of transfer {id}"),
                    completed,
                    0,
                    transfer.files_completed,
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What became of each part, and the counts that it comes to.
    type Case = (&'static [(Outcome, bool)], [u64; 6]);

    #[test]
    fn what_is_unknown_is_no_error_and_hides_none() {
        use Outcome::{Acknowledged, Refused, Unknown};
        let cases: &[Case] = &[
            (&[(Acknowledged, true), (Acknowledged, true)], [1, 0, 0, 0, 0, 0]),
            (&[(Acknowledged, true), (Acknowledged, false)], [1, 0, 0, 0, 1, 0]),
            (&[(Refused, false), (Acknowledged, true)], [0, 1, 0, 0, 0, 0]),
            (&[(Refused, true), (Acknowledged, true)], [0, 1, 0, 0, 0, 1]),
            (&[(Unknown, false), (Unknown, false)], [0, 0, 1, 0, 0, 0]),
            (&[(Unknown, true), (Acknowledged, false)], [0, 0, 1, 1, 1, 0]),
        ];
        for (parts, expected) in cases {
            let mut found = Compared::default();
            let wrong = found.note(parts);
            let Compared { acknowledged, refused, unknown, unknown_done, lost, too_many } = found;
            assert_eq!(
                [acknowledged, refused, unknown, unknown_done, lost, too_many],
                *expected,
                "{parts:?}"
            );
            assert_eq!(wrong.is_some(), lost + too_many > 0, "{parts:?}");
        }
    }
}
