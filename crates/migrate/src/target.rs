//! The server that data is written to.
//!
//! For: values and commands, many under way at once, each reply looked at. Leaves to others: what is written.
//! Invariants: replies are read before more than [`WINDOW_BYTES`] or [`WINDOW_REQUESTS`] are open; a large value is
//! built under another name and gets its own at once, so nobody sees half of it, and nothing takes half of it for whole.

use std::collections::VecDeque;

use quorate_resp::Value;

use crate::connection::request_name;
use crate::error::shown;
use crate::rdb::{Key, Part, Type};
use crate::{Address, Connection, Error};

/// Bytes that may be under way.
const WINDOW_BYTES: usize = 4 << 20;
/// Requests that may be under way.
const WINDOW_REQUESTS: usize = 2048;
/// What stands before a key's name while its value is built.
const BUILDING: &[u8] = b"quorate:import:";

/// What is done about a key that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// Stop.
    #[default]
    Error,
    /// The new value takes its place.
    Replace,
    /// The old one stays.
    Skip,
}

/// How to write.
#[derive(Debug, Clone, Default)]
pub struct TargetOptions {
    /// What is done about keys that are there already.
    pub on_conflict: OnConflict,
}

/// What a reply is to be.
enum Expected {
    /// `OK`, or that the key is there.
    Restored(Vec<u8>),
    /// The new name of a built value, or that it has expired.
    Renamed(Vec<u8>),
    /// Anything but an error.
    Done(String),
    /// The replies of a transaction's commands, of which some may be errors that the source had too.
    Transaction,
}

/// The server that data is written to.
pub struct Target {
    connection: Connection,
    options: TargetOptions,
    db: u32,
    open: VecDeque<(Expected, usize)>,
    open_bytes: usize,
    skipped: u64,
    /// The key whose value is built, unless it is skipped.
    building: Option<(Key, Type)>,
}

impl Target {
    /// Connects to the first of these that answers; all are to be nodes of one cluster.
    ///
    /// # Errors
    /// None answers, or one refuses.
    pub fn open(addresses: &[Address], options: TargetOptions) -> Result<Target, Error> {
        let mut last = Error::Usage("no target is given".into());
        for address in addresses {
            match Connection::open(address) {
                Ok(connection) => return Ok(Target::new(connection, options)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn new(connection: Connection, options: TargetOptions) -> Target {
        Target {
            connection,
            options,
            db: 0,
            open: VecDeque::new(),
            open_bytes: 0,
            skipped: 0,
            building: None,
        }
    }

    /// Keys that were left as they were.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// What is done about keys that are there already.
    pub fn on_conflict(&self) -> OnConflict {
        self.options.on_conflict
    }

    /// The connection, with no reply open.
    ///
    /// # Errors
    /// The connection broke, or the server refused something before.
    pub fn connection(&mut self) -> Result<&mut Connection, Error> {
        self.finish()?;
        // Whoever uses it may choose another database.
        self.db = u32::MAX;
        Ok(&mut self.connection)
    }

    /// The bare connection; replies that are open are lost.
    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }

    /// Writes a whole value.
    ///
    /// # Errors
    /// The connection broke, or the server refused this or something before.
    pub fn restore(&mut self, key: &Key, payload: &[u8]) -> Result<(), Error> {
        self.select(key.db)?;
        let expires = key.expires.map(expiry).unwrap_or_default().to_string();
        let mut args: Vec<&[u8]> = vec![b"RESTORE", &key.name, expires.as_bytes(), payload, b"ABSTTL"];
        if self.options.on_conflict == OnConflict::Replace {
            args.push(b"REPLACE");
        }
        let number = key.idle_seconds.or(key.frequency.map(u64::from)).map(|number| number.to_string());
        if let Some(number) = &number {
            args.push(if key.idle_seconds.is_some() { b"IDLETIME" } else { b"FREQ" });
            args.push(number.as_bytes());
        }
        self.send(&args, Expected::Restored(key.name.clone()))
    }

    /// Begins a value that is written in parts.
    ///
    /// # Errors
    /// As of [`Target::restore`].
    pub fn begin(&mut self, key: &Key, kind: Type) -> Result<(), Error> {
        self.select(key.db)?;
        self.finish()?;
        let exists = self.connection.call(&[b"EXISTS", &key.name])?.as_integer() == Some(1);
        self.building = None;
        match self.options.on_conflict {
            OnConflict::Error if exists => return Err(Error::Conflict(shown(&key.name))),
            OnConflict::Skip if exists => {
                self.skipped += 1;
                return Ok(());
            }
            _ => {}
        }
        self.building = Some((key.clone(), kind));
        // What an earlier run may have left.
        self.command(&[b"DEL", &building(&key.name)])
    }

    /// Writes a part.
    ///
    /// # Errors
    /// As of [`Target::restore`].
    pub fn part(&mut self, part: &Part) -> Result<(), Error> {
        let Some((key, kind)) = &self.building else { return Ok(()) };
        let name = building(&key.name);
        let mut texts = Vec::new();
        let mut args: Vec<&[u8]> = vec![b"", &name];
        args[0] = match kind {
            Type::String => b"APPEND",
            Type::List => b"RPUSH",
            Type::Set => b"SADD",
            Type::Hash => b"HSET",
            Type::SortedSet => b"ZADD",
        };
        match part {
            Part::Elements(elements) if *kind == Type::String => {
                for piece in elements {
                    self.command(&[b"APPEND", &name, piece])?;
                }
                return Ok(());
            }
            Part::Elements(elements) => args.extend(elements.iter().map(Vec::as_slice)),
            Part::Pairs(pairs) => {
                args.extend(pairs.iter().flat_map(|(field, value)| [field.as_slice(), value.as_slice()]));
            }
            Part::Scores(scores) => {
                texts.extend(scores.iter().map(|(_, score)| score.to_string().into_bytes()));
                let pairs = scores.iter().zip(&texts);
                args.extend(pairs.flat_map(|((member, _), score)| [score.as_slice(), member.as_slice()]));
            }
        }
        self.command(&args)
    }

    /// Gives the value that was written in parts its name.
    ///
    /// # Errors
    /// As of [`Target::restore`].
    pub fn complete(&mut self) -> Result<(), Error> {
        let Some((key, _)) = self.building.take() else { return Ok(()) };
        let name = building(&key.name);
        if let Some(expires) = key.expires {
            let expires = expiry(expires).to_string();
            self.command(&[b"PEXPIREAT", &name, expires.as_bytes()])?;
        }
        if self.options.on_conflict == OnConflict::Replace {
            // Should the new value have expired, the old one goes all the same.
            self.command(&[b"UNLINK", &key.name])?;
        }
        self.send(&[b"RENAMENX", &name, &key.name], Expected::Renamed(key.name.clone()))
    }

    /// Loads a library of functions.
    ///
    /// # Errors
    /// As of [`Target::restore`].
    pub fn function(&mut self, code: &[u8]) -> Result<(), Error> {
        self.finish()?;
        let args: &[&[u8]] = match self.options.on_conflict {
            OnConflict::Replace => &[b"FUNCTION", b"LOAD", b"REPLACE", code],
            _ => &[b"FUNCTION", b"LOAD", code],
        };
        match self.connection.call(args) {
            Err(Error::Refused { text, .. })
                if self.options.on_conflict == OnConflict::Skip && text.contains("already exists") =>
            {
                self.skipped += 1;
                Ok(())
            }
            result => result.map(drop),
        }
    }

    /// Sends any command of a source's log.
    ///
    /// # Errors
    /// As of [`Target::restore`].
    pub fn command(&mut self, args: &[&[u8]]) -> Result<(), Error> {
        let is_exec = args.first().is_some_and(|name| name.eq_ignore_ascii_case(b"EXEC"));
        let expected = if is_exec { Expected::Transaction } else { Expected::Done(request_name(args)) };
        self.send(args, expected)
    }

    /// Goes to a database.
    ///
    /// # Errors
    /// As of [`Target::restore`].
    pub fn select(&mut self, db: u32) -> Result<(), Error> {
        if self.db == db {
            return Ok(());
        }
        self.db = db;
        self.command(&[b"SELECT", db.to_string().as_bytes()])
    }

    fn send(&mut self, args: &[&[u8]], expected: Expected) -> Result<(), Error> {
        let bytes: usize = args.iter().map(|arg| arg.len() + 16).sum();
        while !self.open.is_empty()
            && (self.open.len() >= WINDOW_REQUESTS || self.open_bytes + bytes > WINDOW_BYTES)
        {
            self.connection.flush()?;
            self.settle()?;
        }
        self.connection.queue(args)?;
        self.open.push_back((expected, bytes));
        self.open_bytes += bytes;
        Ok(())
    }

    /// Waits until everything that was sent is answered.
    ///
    /// # Errors
    /// As of [`Target::restore`].
    pub fn finish(&mut self) -> Result<(), Error> {
        self.connection.flush()?;
        while !self.open.is_empty() {
            self.settle()?;
        }
        Ok(())
    }

    /// Looks at the next reply.
    fn settle(&mut self) -> Result<(), Error> {
        let Some((expected, bytes)) = self.open.pop_front() else { return Ok(()) };
        self.open_bytes -= bytes;
        let reply = self.connection.receive()?;
        let error = reply.as_error().unwrap_or_default();
        match expected {
            Expected::Restored(key) if error.starts_with(b"BUSYKEY") => self.conflict(&key),
            Expected::Restored(key) => {
                self.connection.checked(reply, || format!("RESTORE {}", shown(&key))).map(drop)
            }
            Expected::Renamed(key) if reply.as_integer() == Some(0) => self.conflict(&key),
            // It has expired meanwhile.
            Expected::Renamed(_) if error.starts_with(b"ERR no such key") => Ok(()),
            Expected::Renamed(key) => {
                self.connection.checked(reply, || format!("RENAMENX {}", shown(&key))).map(drop)
            }
            Expected::Done(request) => self.connection.checked(reply, || request).map(drop),
            Expected::Transaction => {
                let failed = match &reply {
                    Value::Array(replies) => replies.iter().find(|reply| reply.as_error().is_some()).cloned(),
                    _ => None,
                };
                self.connection.checked(failed.unwrap_or(reply), || "EXEC".into()).map(drop)
            }
        }
    }

    fn conflict(&mut self, key: &[u8]) -> Result<(), Error> {
        if self.options.on_conflict == OnConflict::Error {
            return Err(Error::Conflict(shown(key)));
        }
        self.skipped += 1;
        Ok(())
    }
}

/// An expiry as `RESTORE` takes it: nought says never, so what was due in 1970 or before was due a moment after.
fn expiry(millis: i64) -> i64 {
    millis.max(1)
}

fn building(key: &[u8]) -> Vec<u8> {
    [BUILDING, key].concat()
}
