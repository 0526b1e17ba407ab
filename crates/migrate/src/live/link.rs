//! The connection over which a Redis feeds a replica.
//!
//! ```text
//! us      PING · REPLCONF listening-port … capa eof capa psync2 · PSYNC id offset
//! source  +FULLRESYNC id offset, then "$" len CRLF rdb, or "$EOF:" mark CRLF rdb mark      or +CONTINUE [id]
//! source  commands, each counted by its bytes: the offset      us   REPLCONF ACK offset
//! ```
//!
//! For: asking, and taking commands off the stream with the offset behind each. Leaves to others: what is done with them.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use quorate_resp::{Decoder, Limits, Request, encode_request};

use crate::error::shown;
use crate::rdb::Reader;
use crate::{Address, Connection, Error};

/// The port that a replica tells of; nobody is to connect to it.
const LISTENING_PORT: &str = "0";
/// The marks around an RDB file whose length is not known.
pub(super) const MARK_BYTES: usize = 40;
/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;
/// How long a stream may be silent before others have their turn.
const TURN: Duration = Duration::from_millis(50);
/// How long the source may be silent within an RDB file.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// A place in a source's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: String,
    /// Bytes of the history up to here.
    pub(super) offset: u64,
    /// The database of what comes next.
    pub(super) db: u32,
}

impl Place {
    /// As it is kept in the target.
    pub(super) fn to_text(&self) -> String {
        format!("{} {} {}", self.id, self.offset, self.db)
    }

    pub(super) fn parse(text: &str) -> Option<Place> {
        let mut words = text.split(' ');
        let id = words.next()?.to_owned();
        Some(Place { id, offset: words.next()?.parse().ok()?, db: words.next()?.parse().ok()? })
    }
}

/// What the source says to a replica that asks to be fed.
pub(super) enum Answer {
    /// It begins with a copy of everything, which follows on this connection.
    Full { connection: Connection, bound: Bound, place: Place },
    /// It goes on where the replica is.
    Continue(Link),
}

/// How the end of the copy is known.
pub(super) enum Bound {
    Len(u64),
    Mark(Vec<u8>),
}

/// What follows the answer: a copy, or the stream.
pub(super) enum Fed {
    Full(Dump),
    Continue(Link),
}

/// A copy of everything, and the stream that follows it.
pub(super) struct Dump {
    pub(super) reader: Reader<TcpStream>,
    bound: Bound,
    place: Place,
    name: String,
}

/// A stream of commands.
pub(super) struct Link {
    stream: TcpStream,
    received: BytesMut,
    decoder: Decoder,
    /// Where the last command that was taken ends.
    pub(super) place: Place,
    /// Bytes that came before those in `received`.
    base: u64,
    name: String,
}

/// Asks a source to feed us, from a place on or from the start.
pub(super) fn ask(source: &Address, from: Option<&Place>) -> Result<Fed, Error> {
    let (connection, bound, place) = match ask_bare(source, from)? {
        Answer::Continue(link) => return Ok(Fed::Continue(link)),
        Answer::Full { connection, bound, place } => (connection, bound, place),
    };
    let name = connection.name().to_owned();
    let (stream, ahead) = connection.into_parts();
    stream.set_read_timeout(Some(SILENCE_MAX)).map_err(Error::io(format!("reading from {name}")))?;
    Ok(Fed::Full(Dump { reader: Reader::with_ahead(stream, ahead)?, bound, place, name }))
}

/// As [`ask`], with the copy still to be read.
pub(super) fn ask_bare(source: &Address, from: Option<&Place>) -> Result<Answer, Error> {
    let mut connection = Connection::open(source)?;
    let name = connection.name().to_owned();
    let port = LISTENING_PORT.as_bytes();
    for args in [
        &[b"REPLCONF", b"listening-port" as &[u8], port][..],
        &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"],
    ] {
        match connection.call(args) {
            // Old ones do not know all of it.
            Ok(_) | Err(Error::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let (id, next) = match from {
        Some(place) => (place.id.clone(), (place.offset + 1).to_string()),
        None => ("?".to_owned(), "-1".to_owned()),
    };
    connection.queue(&[b"PSYNC", id.as_bytes(), next.as_bytes()])?;
    connection.flush()?;
    let line = text_line(&mut connection)?;
    let mut words = line.split(' ');
    let strange =
        |line: &str| Error::Protocol { who: name.clone(), what: format!("to PSYNC it says {line}") };
    match (words.next(), words.next(), words.next()) {
        (Some("+FULLRESYNC"), Some(id), Some(offset)) => {
            let offset = offset.parse().map_err(|_| strange(&line))?;
            let place = Place { id: id.to_owned(), offset, db: 0 };
            let bound = bound_of(&mut connection)?;
            Ok(Answer::Full { connection, bound, place })
        }
        (Some("+CONTINUE"), id, _) => {
            let place = from.ok_or_else(|| strange(&line))?;
            let id = id.unwrap_or(&place.id).to_owned();
            let (stream, ahead) = connection.into_parts();
            Link::new(stream, ahead, Place { id, ..place.clone() }, name).map(Answer::Continue)
        }
        _ if line.starts_with('-') => {
            Err(Error::Refused { who: name.clone(), request: "PSYNC".into(), text: line[1..].to_owned() })
        }
        _ => Err(strange(&line)),
    }
}

/// The next line that is not empty: a source that is busy sends empty ones.
fn text_line(connection: &mut Connection) -> Result<String, Error> {
    loop {
        let line = connection.line()?;
        if !line.is_empty() {
            return Ok(String::from_utf8_lossy(&line).into_owned());
        }
    }
}

/// How the end of the copy that follows is known.
fn bound_of(connection: &mut Connection) -> Result<Bound, Error> {
    let line = text_line(connection)?;
    let bound = match line.strip_prefix("$EOF:") {
        Some(mark) if mark.len() == MARK_BYTES => Some(Bound::Mark(mark.as_bytes().to_vec())),
        Some(_) => None,
        None => line.strip_prefix('$').and_then(|len| len.parse().ok()).map(Bound::Len),
    };
    bound.ok_or_else(|| Error::Protocol {
        who: connection.name().to_owned(),
        what: format!("{} stands where a copy begins", shown(line.as_bytes())),
    })
}

impl Dump {
    /// Bytes of the copy, where they are known.
    pub(super) fn bytes_total(&self) -> Option<u64> {
        match self.bound {
            Bound::Len(len) => Some(len),
            Bound::Mark(_) => None,
        }
    }

    /// The stream behind the copy, which has been read to its end.
    pub(super) fn finish(self) -> Result<Link, Error> {
        let Dump { reader, bound, place, name } = self;
        let read = reader.offset();
        let (mut stream, mut ahead) = reader.into_parts();
        let strange = |what: String| Error::Protocol { who: name.clone(), what };
        match bound {
            Bound::Len(len) if len != read => {
                return Err(strange(format!("its copy was to have {len} bytes, and has {read}")));
            }
            Bound::Len(_) => {}
            Bound::Mark(mark) => {
                while ahead.len() < MARK_BYTES {
                    let mut buffer = [0; MARK_BYTES];
                    let room = &mut buffer[..MARK_BYTES - ahead.len()];
                    let count = stream.read(room).map_err(Error::io(format!("reading from {name}")))?;
                    if count == 0 {
                        let ended = std::io::Error::from(ErrorKind::UnexpectedEof);
                        return Err(Error::io(format!("reading from {name}"))(ended));
                    }
                    ahead.extend_from_slice(&buffer[..count]);
                }
                if ahead.drain(..MARK_BYTES).as_slice() != mark {
                    return Err(strange("its copy does not end with its mark".into()));
                }
            }
        }
        Link::new(stream, ahead, place, name)
    }
}

impl Link {
    fn new(stream: TcpStream, ahead: Vec<u8>, place: Place, name: String) -> Result<Link, Error> {
        stream.set_read_timeout(Some(TURN)).map_err(Error::io(format!("reading from {name}")))?;
        let base = place.offset;
        let received = BytesMut::from(&ahead[..]);
        Ok(Link { stream, received, decoder: Decoder::new(Limits::default()), place, base, name })
    }

    /// The next command that has come whole; `place` stands behind it then.
    pub(super) fn next(&mut self) -> Result<Option<Request>, Error> {
        let before = self.received.len();
        let request = self.decoder.decode(&mut self.received);
        self.base += (before - self.received.len()) as u64;
        let request =
            request.map_err(|error| Error::Protocol { who: self.name.clone(), what: error.to_string() })?;
        if request.is_some() {
            self.place.offset = self.base;
        }
        Ok(request)
    }

    /// Waits a moment for more bytes.
    pub(super) fn wait(&mut self) -> Result<(), Error> {
        let at = self.received.len();
        self.received.resize(at + READ_BYTES, 0);
        let read = self.stream.read(&mut self.received[at..]);
        self.received.truncate(at + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(std::io::Error::from(ErrorKind::UnexpectedEof)),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                Ok(())
            }
            read => read.map(drop),
        }
        .map_err(Error::io(format!("reading from {}", self.name)))
    }

    /// Tells the source how far its stream has taken effect.
    pub(super) fn acknowledge(&mut self, offset: u64) -> Result<(), Error> {
        let mut out = BytesMut::new();
        encode_request([&b"REPLCONF"[..], b"ACK", offset.to_string().as_bytes()], &mut out);
        self.stream.write_all(&out).map_err(Error::io(format!("sending to {}", self.name)))
    }
}
