//! A blocking connection to a server that speaks RESP.
//!
//! For: requests in a row and their replies in order. Leaves to others: what is asked.
//! Invariant: the caller reads replies before too many are open; a server that cannot write does not read either.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use quorate_resp::{Value, ValueDecoder, ValueLimits, encode_request};

use crate::Error;
use crate::error::shown;

/// The port of a Redis.
const PORT: u16 = 6379;
/// How long connecting may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long an answer may take: longer than any election and any large value.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);
/// Queued bytes from which on they are sent.
const SEND_BYTES: usize = 64 * 1024;
/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// Where a server is, and as whom to speak to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Its host's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user, where it is not the default one.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
}

impl Address {
    /// Reads `host:port` or `redis://[[user]:password@]host[:port]`.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Address, Error> {
        let usage =
            |what: &str| Error::Usage(format!("{what}: give host:port or redis://[user:password@]host:port"));
        if text.starts_with("rediss://") {
            return Err(usage("TLS to the other side is not supported"));
        }
        let rest = text.strip_prefix("redis://").unwrap_or(text);
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (Some(credentials), rest),
            None => (None, rest),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() || rest.contains('/') {
            return Err(usage("the address is not understood"));
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().map_err(|_| usage("the port is not understood"))?)
            }
            _ => (rest, PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (user, password) = match credentials {
            None => (None, None),
            Some(credentials) => {
                let (user, password) = credentials.split_once(':').unwrap_or(("", credentials));
                let decoded =
                    |text: &str| percent_decoded(text).ok_or_else(|| usage("a % stands for nothing"));
                (Some(decoded(user)?).filter(|user| !user.is_empty()), Some(decoded(password)?))
            }
        };
        Ok(Address { host, port, user, password })
    }

    /// As people know it, without the password.
    pub fn name(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    name: String,
    stream: TcpStream,
    received: BytesMut,
    decoder: ValueDecoder,
    outgoing: BytesMut,
}

impl Connection {
    /// Connects, and authenticates where the address says as whom.
    ///
    /// # Errors
    /// The server is not reached, or refuses.
    pub fn open(address: &Address) -> Result<Connection, Error> {
        let name = address.name();
        let connecting = || Error::io(format!("connecting to {name}"));
        let mut last = None;
        for address in (address.host.as_str(), address.port).to_socket_addrs().map_err(connecting())? {
            match TcpStream::connect_timeout(&address, CONNECT_TIME_MAX) {
                Ok(stream) => {
                    last = Some(Ok(stream));
                    break;
                }
                Err(error) => last = Some(Err(error)),
            }
        }
        let nowhere = || Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        let stream = last.unwrap_or_else(nowhere).map_err(connecting())?;
        let set = |stream: &TcpStream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
            stream.set_write_timeout(Some(ANSWER_TIME_MAX))
        };
        set(&stream).map_err(connecting())?;
        let mut connection = Connection {
            name,
            stream,
            received: BytesMut::new(),
            decoder: ValueDecoder::new(ValueLimits::default()),
            outgoing: BytesMut::new(),
        };
        if let Some(password) = &address.password {
            let user = address.user.as_deref();
            let args: Vec<&[u8]> =
                [Some("AUTH"), user, Some(password)].into_iter().flatten().map(str::as_bytes).collect();
            connection.call(&args)?;
        }
        connection.call(&[b"PING"])?;
        Ok(connection)
    }

    /// The server, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Queues a request; sends what is queued when that is much.
    ///
    /// # Errors
    /// The connection broke.
    pub fn queue(&mut self, args: &[&[u8]]) -> Result<(), Error> {
        encode_request(args, &mut self.outgoing);
        if self.outgoing.len() >= SEND_BYTES { self.flush() } else { Ok(()) }
    }

    /// Sends what is queued.
    ///
    /// # Errors
    /// The connection broke.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.stream.write_all(&self.outgoing).map_err(Error::io(format!("sending to {}", self.name)))?;
        self.outgoing.clear();
        if self.outgoing.capacity() > 4 * SEND_BYTES {
            self.outgoing = BytesMut::new();
        }
        Ok(())
    }

    /// Waits for the next reply, which may be an error's.
    ///
    /// # Errors
    /// The connection broke, or what came is no reply.
    pub fn receive(&mut self) -> Result<Value, Error> {
        loop {
            let value = self.decoder.decode(&mut self.received);
            let value =
                value.map_err(|error| Error::Protocol { who: self.name.clone(), what: error.to_string() })?;
            if let Some(value) = value {
                return Ok(value);
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> Result<(), Error> {
        let at = self.received.len();
        self.received.resize(at + READ_BYTES, 0);
        let read = self.stream.read(&mut self.received[at..]);
        self.received.truncate(at + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(()),
            read => read.map(drop),
        }
        .map_err(Error::io(format!("reading from {}", self.name)))
    }

    /// Sends one request and waits for its reply, with none open before.
    ///
    /// # Errors
    /// The connection broke, or the reply is an error.
    pub fn call(&mut self, args: &[&[u8]]) -> Result<Value, Error> {
        self.queue(args)?;
        self.flush()?;
        let value = self.receive()?;
        self.checked(value, || request_name(args))
    }

    /// The reply, unless it is an error.
    pub(crate) fn checked(&self, value: Value, request: impl FnOnce() -> String) -> Result<Value, Error> {
        match value.as_error() {
            None => Ok(value),
            Some(text) => Err(Error::Refused {
                who: self.name.clone(),
                request: request(),
                text: String::from_utf8_lossy(text).into_owned(),
            }),
        }
    }

    /// The section of `INFO`, as pairs.
    ///
    /// # Errors
    /// As of [`Connection::call`].
    pub fn info(&mut self, section: &str) -> Result<Vec<(String, String)>, Error> {
        let value = self.call(&[b"INFO", section.as_bytes()])?;
        let text = String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned();
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect())
    }

    /// Databases with keys, and how many keys each has.
    ///
    /// # Errors
    /// As of [`Connection::call`].
    pub fn databases(&mut self) -> Result<Vec<(u32, u64)>, Error> {
        let pairs = self.info("keyspace")?.into_iter();
        Ok(pairs
            .filter_map(|(name, value)| {
                let db = name.strip_prefix("db")?.parse().ok()?;
                let keys = value.strip_prefix("keys=")?.split(',').next()?.parse().ok()?;
                Some((db, keys))
            })
            .collect())
    }

    /// A line up to its end, without it.
    pub(crate) fn line(&mut self) -> Result<Vec<u8>, Error> {
        const LINE_BYTES_MAX: usize = 64 * 1024;
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let mut line = self.received.split_to(end + 1);
                line.truncate(end);
                if line.last() == Some(&b'\r') {
                    line.truncate(end - 1);
                }
                return Ok(line.to_vec());
            }
            if self.received.len() > LINE_BYTES_MAX {
                let what = format!("a line begins with {}", shown(&self.received));
                return Err(Error::Protocol { who: self.name.clone(), what });
            }
            self.read_more()?;
        }
    }

    /// The bare stream, and what was read ahead of it.
    pub(crate) fn into_parts(mut self) -> (TcpStream, Vec<u8>) {
        let ahead = self.received.copy_to_bytes(self.received.len()).to_vec();
        (self.stream, ahead)
    }
}

/// A request as errors name it: the command, and the key where it has one.
pub(crate) fn request_name(args: &[&[u8]]) -> String {
    let name = String::from_utf8_lossy(args.first().copied().unwrap_or_default()).into_owned();
    match args.get(1) {
        // What follows may be a secret.
        Some(_) if name.eq_ignore_ascii_case("AUTH") => name,
        Some(key) => format!("{name} {}", shown(key)),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parse = |text: &str| Address::parse(text).ok().map(|a| (a.name(), a.user, a.password));
        let plain = |name: &str| Some((name.to_owned(), None, None));
        assert_eq!(parse("a:1"), plain("a:1"));
        assert_eq!(parse("redis://a"), plain("a:6379"));
        assert_eq!(parse("[::1]:7"), plain("[::1]:7"));
        assert_eq!(parse("::1"), plain("[::1]:6379"));
        let with =
            |user: Option<&str>| Some(("a:1".to_owned(), user.map(str::to_owned), Some("p@:".to_owned())));
        assert_eq!(parse("redis://:p%40%3a@a:1/"), with(None));
        assert_eq!(parse("redis://u:p%40%3A@a:1"), with(Some("u")));
        for wrong in ["", "a:x", "rediss://a", "redis://a/b/c", "redis://:%4@a"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
