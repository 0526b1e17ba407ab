//! Whether two sides hold the same, key by key.
//!
//! For: an RDB file and a server; two servers. Each value is fetched with `DUMP` and compared by what it holds
//! ([`digest`]), each expiry as an absolute time.
//! Leaves to others: that nothing changes meanwhile.
//! Invariant: one value at a time is held, and [`KEYS_PER_TURN`] keys.

mod digest;
mod servers;

use std::io::Read;

use quorate_resp::Value;

use self::digest::Digest;
pub(crate) use self::servers::compare_servers;
use crate::error::shown;
use crate::load::Databases;
use crate::rdb::{Item, Key, Reader};
use crate::{Connection, Error, Observer, Progress};

/// Keys that are asked for at once.
const KEYS_PER_TURN: usize = 64;
/// Differences that are named one by one.
const NAMED_MAX: usize = 20;

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// Keys that were looked at.
    pub keys: u64,
    /// Keys that are the same on both sides.
    pub same: u64,
    /// Keys whose time was up on one side at least.
    pub expired: u64,
    /// Keys that differ, or are on one side only.
    pub different: u64,
    /// The first of them, and how they differ.
    pub named: Vec<String>,
}

impl Comparison {
    fn differs(&mut self, db: u32, key: &[u8], how: &str) {
        self.different += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push(format!("database {db}, key {}: {how}", shown(key)));
        }
    }
}

/// A value's digest and expiry on one side; none where the key is not there.
type Side = Option<(u64, Option<i64>)>;

impl Comparison {
    fn enter(&mut self, db: u32, key: &[u8], left: Side, right: Side, now: i64) {
        self.keys += 1;
        let is_due = |side: &Side| matches!(side, Some((_, Some(at))) if *at <= now);
        match (&left, &right) {
            _ if left == right => self.same += 1,
            (None, _) if is_due(&right) => self.expired += 1,
            (_, None) if is_due(&left) => self.expired += 1,
            (Some(_), Some(_)) if is_due(&left) && is_due(&right) => self.expired += 1,
            (_, None) => self.differs(db, key, "it is missing in the target"),
            (None, _) => self.differs(db, key, "the target has it, the source has not"),
            (Some((a, _)), Some((b, _))) if a != b => self.differs(db, key, "its value differs"),
            (Some((_, a)), Some((_, b))) => {
                let shown = |at: &Option<i64>| at.map_or("never".to_owned(), |at| at.to_string());
                self.differs(db, key, &format!("it expires at {} there and at {} here", shown(a), shown(b)));
            }
        }
    }
}

/// Compares what a file holds with what a server does. Keys that the server has besides are not looked at.
///
/// # Errors
/// The file cannot be read, or the server refuses.
pub fn compare_file(
    reader: &mut Reader<impl Read>,
    server: &mut Connection,
    databases: &Databases,
    progress: &mut Progress,
    observer: &mut dyn Observer,
) -> Result<Comparison, Error> {
    let mut comparison = Comparison::default();
    let mut turn: Vec<(Key, u64)> = Vec::with_capacity(KEYS_PER_TURN);
    let mut parts: Option<(Key, Digest)> = None;
    let before = progress.bytes;
    loop {
        let item = reader.next_item()?;
        progress.bytes = before + reader.offset();
        match item {
            Item::Whole(key, payload) => {
                let digest = digest::of_payload(&payload).map_err(|error| Error::Damaged {
                    offset: key.offset,
                    what: format!("key {}: {error}", shown(&key.name)),
                })?;
                turn.push((key, digest));
            }
            Item::Begin(key, kind) => parts = Some((key, Digest::new(kind))),
            Item::Part(part) => {
                if let Some((_, digest)) = &mut parts {
                    digest.add(&part);
                }
            }
            Item::Complete => turn.extend(parts.take().map(|(key, digest)| (key, digest.finish()))),
            Item::End { .. } => {
                settle(&mut turn, server, databases, &mut comparison)?;
                observer.progress(progress);
                return Ok(comparison);
            }
            Item::Note { .. } | Item::Function(_) | Item::Module(_) | Item::Empty(_) => {}
        }
        if turn.len() >= KEYS_PER_TURN {
            progress.keys += turn.len() as u64;
            settle(&mut turn, server, databases, &mut comparison)?;
            observer.progress(progress);
        }
    }
}

fn settle(
    turn: &mut Vec<(Key, u64)>,
    server: &mut Connection,
    databases: &Databases,
    comparison: &mut Comparison,
) -> Result<(), Error> {
    turn.retain(|(key, _)| databases.to(key.db).is_some());
    let mut selected = None;
    for (key, _) in &*turn {
        let db = databases.to(key.db).unwrap_or_default();
        if selected != Some(db) {
            server.queue(&[b"SELECT", db.to_string().as_bytes()])?;
            selected = Some(db);
        }
        ask(server, &key.name, false)?;
    }
    server.queue(&[b"TIME"])?;
    server.flush()?;
    let mut sides = Vec::with_capacity(turn.len());
    let mut selected = None;
    for (key, _) in &*turn {
        let db = databases.to(key.db).unwrap_or_default();
        if selected != Some(db) {
            let reply = server.receive()?;
            server.checked(reply, || "SELECT".into())?;
            selected = Some(db);
        }
        sides.push(answer(server, &key.name, false)?);
    }
    let now = time(server)?;
    for ((key, digest), side) in turn.drain(..).zip(sides) {
        let db = databases.to(key.db).unwrap_or_default();
        comparison.enter(db, &key.name, Some((digest, key.expires)), side, now);
    }
    Ok(())
}

/// Asks for a value and its expiry.
fn ask(server: &mut Connection, key: &[u8], is_old: bool) -> Result<(), Error> {
    // Two looks at one moment: a key may expire between them, and then its value is none.
    server.queue(&[if is_old { b"PTTL" } else { b"PEXPIRETIME" }, key])?;
    server.queue(&[b"DUMP", key])
}

/// What the server says to [`ask`]. An old one says how long a key has to live, which is kept as it is.
fn answer(server: &mut Connection, key: &[u8], is_old: bool) -> Result<Side, Error> {
    let request = || format!("{} {}", if is_old { "PTTL" } else { "PEXPIRETIME" }, shown(key));
    let expires = server.receive()?;
    let expires = server.checked(expires, request)?.as_integer().filter(|at| *at >= 0);
    let payload = server.receive()?;
    let payload = server.checked(payload, || format!("DUMP {}", shown(key)))?;
    let Value::Bulk(payload) = payload else { return Ok(None) };
    let digest = digest::of_payload(&payload).map_err(|error| Error::Protocol {
        who: server.name().to_owned(),
        what: format!("the value of {}: {error}", shown(key)),
    })?;
    Ok(Some((digest, expires)))
}

/// The time on a server, in milliseconds; asked before.
fn time(server: &mut Connection) -> Result<i64, Error> {
    let reply = server.receive()?;
    let reply = server.checked(reply, || "TIME".into())?;
    let number = |i: usize| reply.as_array()?.get(i)?.as_str()?.parse::<i64>().ok();
    Ok(number(0).unwrap_or_default() * 1000 + number(1).unwrap_or_default() / 1000)
}
