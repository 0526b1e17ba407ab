//! The source's commands on their way into the target, each exactly once.
//!
//! ```text
//! MULTI · SELECT db · commands · SELECT 0 · SET quorate:import:progress "id offset db" · EXEC
//! ```
//!
//! For: batches. A batch and the place behind it take effect together or not at all, so whoever comes back after a
//! broken connection, or a start of the import, finds out from the target how far it is.
//! Invariant: a transaction of the source is never split over two batches.

use std::time::{Duration, Instant};

use quorate_resp::Request;

use super::link::Place;
use crate::connection::request_name;
use crate::load::Databases;
use crate::{Address, Connection, Error, Event, Observer};

/// Where the target remembers how far it is.
pub(super) const PROGRESS_KEY: &[u8] = b"quorate:import:progress";
/// A batch is sent from this on.
const BATCH_BYTES: usize = 512 * 1024;
const BATCH_COMMANDS: usize = 1000;
/// How long the target may be away.
const AWAY_MAX: Duration = Duration::from_secs(120);
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Commands that take effect together.
#[derive(Default)]
pub(super) struct Batch {
    commands: Vec<(u32, Request)>,
    bytes: usize,
    /// Whether a transaction of the source is open.
    in_transaction: bool,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Whether it may be sent.
    pub(super) fn is_whole(&self) -> bool {
        !self.in_transaction
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_whole() && (self.bytes >= BATCH_BYTES || self.commands.len() >= BATCH_COMMANDS)
    }

    /// Takes up a command of a database that is moved.
    pub(super) fn push(&mut self, db: u32, request: Request) {
        self.bytes += request.frame_bytes();
        self.commands.push((db, request));
    }

    pub(super) fn transaction(&mut self, is_open: bool) {
        self.in_transaction = is_open;
    }
}

/// The target of a stream.
pub(super) struct Applier {
    addresses: Vec<Address>,
    pub(super) connection: Connection,
    /// The place up to which everything has taken effect.
    pub(super) applied: Place,
    pub(super) commands: u64,
}

impl Applier {
    pub(super) fn new(addresses: Vec<Address>, connection: Connection, applied: Place) -> Applier {
        Applier { addresses, connection, applied, commands: 0 }
    }

    /// Notes a place behind commands that change nothing.
    pub(super) fn skip_to(&mut self, place: &Place) {
        self.applied = place.clone();
    }

    /// Applies a batch that ends at a place, and empties it.
    pub(super) fn apply(
        &mut self,
        batch: &mut Batch,
        place: &Place,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        while let Err(error) = self.send(batch, place) {
            if !error.is_broken_connection() {
                return Err(error);
            }
            observer.event(Event::Warning(format!("{error}; looking for the target")));
            if self.find_again(place)? {
                break;
            }
        }
        self.commands += batch.commands.len() as u64;
        self.applied = place.clone();
        *batch = Batch::default();
        Ok(())
    }

    fn send(&mut self, batch: &Batch, place: &Place) -> Result<(), Error> {
        let connection = &mut self.connection;
        let mut selected = None;
        let mut sent = 1;
        connection.queue(&[b"MULTI"])?;
        for (db, request) in &batch.commands {
            if selected != Some(*db) {
                connection.queue(&[b"SELECT", db.to_string().as_bytes()])?;
                selected = Some(*db);
                sent += 1;
            }
            let args: Vec<&[u8]> = request.args().collect();
            connection.queue(&args)?;
            sent += 1;
        }
        connection.queue(&[b"SELECT", b"0"])?;
        connection.queue(&[b"SET", PROGRESS_KEY, place.to_text().as_bytes()])?;
        connection.queue(&[b"EXEC"])?;
        connection.flush()?;
        let mut refused = None;
        for _ in 0..sent + 2 {
            let reply = connection.receive()?;
            if let Some(text) = reply.as_error() {
                refused.get_or_insert_with(|| String::from_utf8_lossy(text).into_owned());
            }
        }
        let replies = connection.receive()?;
        let failed = || Error::Refused {
            who: connection.name().to_owned(),
            request: "a command of the source's stream".into(),
            text: refused.clone().unwrap_or_default(),
        };
        // What was not queued ends the whole transaction, so nothing of it has taken effect.
        if refused.is_some() {
            return Err(failed());
        }
        let replies = connection.checked(replies, || "EXEC".into())?;
        let mut replies = replies.as_array().unwrap_or_default().iter();
        let mut selected = None;
        for (db, request) in &batch.commands {
            if selected != Some(*db) {
                selected = Some(*db);
                replies.next();
            }
            if let Some(text) = replies.next().and_then(|reply| reply.as_error()) {
                let args: Vec<&[u8]> = request.args().collect();
                return Err(Error::Differs(format!(
                    "what the source has done fails in the target, so they are not the same: {}: {}",
                    request_name(&args),
                    String::from_utf8_lossy(text)
                )));
            }
        }
        Ok(())
    }

    /// Connects again; true if the batch up to this place had taken effect before the connection broke.
    fn find_again(&mut self, place: &Place) -> Result<bool, Error> {
        let deadline = Instant::now() + AWAY_MAX;
        loop {
            for address in &self.addresses {
                let found = Connection::open(address).and_then(|mut connection| {
                    let progress = read_progress(&mut connection)?;
                    Ok((connection, progress))
                });
                match found {
                    Ok((connection, progress)) => {
                        self.connection = connection;
                        return match progress {
                            Some(progress) if progress == *place => Ok(true),
                            Some(progress) if progress.offset <= self.applied.offset => Ok(false),
                            _ => {
                                Err(Error::Differs("somebody else has changed how far the import is".into()))
                            }
                        };
                    }
                    Err(error) if Instant::now() >= deadline => return Err(error),
                    Err(_) => {}
                }
            }
            std::thread::sleep(RETRY_PAUSE);
        }
    }
}

/// How far an import into this target is, if there is one.
pub(super) fn read_progress(target: &mut Connection) -> Result<Option<Place>, Error> {
    target.call(&[b"SELECT", b"0"])?;
    let reply = target.call(&[b"GET", PROGRESS_KEY])?;
    Ok(reply.as_str().and_then(Place::parse))
}

/// Notes how far it is.
pub(super) fn write_progress(target: &mut Connection, place: &Place) -> Result<(), Error> {
    target.call(&[b"SELECT", b"0"])?;
    target.call(&[b"SET", PROGRESS_KEY, place.to_text().as_bytes()]).map(drop)
}

/// Forgets it.
pub(super) fn forget_progress(target: &mut Connection) -> Result<(), Error> {
    target.call(&[b"SELECT", b"0"])?;
    target.call(&[b"DEL", PROGRESS_KEY]).map(drop)
}

/// Takes a command into the batch, unless it is about the stream itself; true if it wants an acknowledgement.
pub(super) fn route(request: Request, place: &mut Place, databases: &Databases, batch: &mut Batch) -> bool {
    let is = |name: &str| request.arg(0).eq_ignore_ascii_case(name.as_bytes());
    if is("SELECT") {
        let db = request.get(1).and_then(|db| std::str::from_utf8(db).ok()?.parse().ok());
        place.db = db.unwrap_or(place.db);
    } else if is("MULTI") || is("EXEC") {
        batch.transaction(is("MULTI"));
    } else if is("REPLCONF") {
        return request.get(1).is_some_and(|what| what.eq_ignore_ascii_case(b"GETACK"));
    } else if !is("PING")
        && let Some(db) = databases.to(place.db)
    {
        batch.push(db, request);
    }
    false
}
