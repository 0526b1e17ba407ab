//! The two that are compared: Redis behind its port, and Quorate, as a bare state or behind a node's port.
//!
//! Leaves to others: what the answers mean (`compare`).
//! Invariant: the answers are kept as they were sent, because decoded ones do not tell the nulls of RESP2 apart.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::BytesMut;
use quorate_commands::golden::{Local, Target as _, quote};
use quorate_resp::{Protocol, Value, encode_request};

use crate::generate::Request;

/// A reply as sent, and what it says.
pub(crate) struct Answer {
    pub(crate) raw: Vec<u8>,
    pub(crate) value: Value,
}

impl Answer {
    fn new(raw: &[u8]) -> Answer {
        let value =
            Value::decode(&mut BytesMut::from(raw)).expect("a well-formed reply").expect("a whole reply");
        Answer { raw: raw.to_vec(), value }
    }
}

/// A server.
pub(crate) trait Side {
    /// Empties it, and sets the protocol and settings of a round.
    fn reset(&mut self, protocol: Protocol, settings: &[&str]);
    /// Sets the time, if it has no clock of its own.
    fn set_time(&mut self, millis: i64);
    /// Runs the requests in order.
    fn run(&mut self, requests: &[&Request]) -> Vec<Answer>;
    /// The keyspace events since the last call, as lines; without those of expiry, which come when the server gets to it.
    /// None if the server has no subscriptions.
    fn events(&mut self) -> Option<Vec<String>>;
}

/// A state by itself.
#[derive(Default)]
pub(crate) struct Bare {
    local: Local,
    millis: Option<i64>,
    events: Vec<String>,
}

impl Side for Bare {
    fn reset(&mut self, protocol: Protocol, settings: &[&str]) {
        *self = Bare::default();
        self.local.protocol(protocol);
        self.local.events("KEA");
        let request: Vec<Vec<u8>> =
            ["CONFIG", "SET"].iter().chain(settings).map(|arg| arg.as_bytes().to_vec()).collect();
        let (reply, _) = self.local.request(&request);
        assert_eq!(reply.as_str(), Some("OK"), "the settings of the round");
    }

    fn set_time(&mut self, millis: i64) {
        let before = self.millis.replace(millis).unwrap_or(Local::EPOCH.0);
        self.local.advance((millis - before).max(0));
    }

    fn run(&mut self, requests: &[&Request]) -> Vec<Answer> {
        let answers = requests.iter().map(|request| match request.as_slice() {
            [name, db] if name == b"SELECT" => {
                self.local.select(i64::from(db == b"1"));
                Answer::new(b"+OK\r\n")
            }
            request => {
                // Whatever a command does, the run goes on: a panic is one more answer that Redis does not give.
                let answer = catch_unwind(AssertUnwindSafe(|| self.local.answer(request)));
                let (reply, events) = answer.unwrap_or_else(|_| (b"-PANIC\r\n".to_vec(), Vec::new()));
                self.events.extend(
                    events.iter().map(|event| event_line(&event.db.to_string(), event.name, &event.key)),
                );
                Answer::new(&reply)
            }
        });
        answers.collect()
    }

    fn events(&mut self) -> Option<Vec<String>> {
        self.events.retain(|event| !event.contains(EXPIRED));
        Some(std::mem::take(&mut self.events))
    }
}

/// The event of a key whose time has come.
const EXPIRED: &str = " expired ";

fn event_line(db: &str, name: &str, key: &[u8]) -> String {
    format!("event {db} {name} {}", quote(key))
}

/// A server behind a port: a connection for requests, and one on which its keyspace events arrive.
pub(crate) struct Remote {
    requests: Connection,
    events: Option<Connection>,
    is_quorate: bool,
}

impl Remote {
    /// Connects.
    pub(crate) fn connect(address: &str, is_quorate: bool) -> Remote {
        let mut events = Connection::open(address);
        events.call(&["HELLO", "3"]);
        let subscribed = matches!(events.call(&["PSUBSCRIBE", "__keyevent@*__:*"]).value, Value::Push(_));
        let events = subscribed.then_some(events);
        Remote { requests: Connection::open(address), events, is_quorate }
    }

    /// Milliseconds of its clock.
    pub(crate) fn time(&mut self) -> i64 {
        let answer = self.requests.call(&["TIME"]);
        let Value::Array(parts) = answer.value else { panic!("seconds and microseconds") };
        let number =
            |i: usize| -> i64 { parts[i].as_str().and_then(|text| text.parse().ok()).expect("a number") };
        number(0) * 1000 + number(1) / 1000
    }
}

impl Side for Remote {
    fn reset(&mut self, protocol: Protocol, settings: &[&str]) {
        // Redis 7.0 has one encoding for what 7.2 keeps in two.
        let settings =
            settings.chunks(2).filter(|pair| self.is_quorate || !pair[0].starts_with("set-max-listpack"));
        let settings: Vec<&str> = settings.flatten().copied().collect();
        let mut call = |words: &[&str]| self.requests.call(words);
        call(&["FLUSHALL"]);
        call(&["HELLO", if matches!(protocol, Protocol::Resp2) { "2" } else { "3" }]);
        call(&["SELECT", "0"]);
        let answer = call(&[&["CONFIG", "SET"], settings.as_slice()].concat());
        assert_eq!(answer.value.as_str(), Some("OK"), "the settings of the round");
    }

    fn set_time(&mut self, _: i64) {}

    fn run(&mut self, requests: &[&Request]) -> Vec<Answer> {
        self.requests.run(requests)
    }

    fn events(&mut self) -> Option<Vec<String>> {
        let connection = self.events.as_mut()?;
        connection.send(&[&vec![b"PING".to_vec()]]);
        let mut lines: Vec<String> = Vec::new();
        while let Value::Push(message) = connection.receive().value {
            let [.., channel, key] = message.as_slice() else { panic!("a message: {message:?}") };
            let (db, name) =
                channel.as_str().and_then(|name| name.split_once("__:")).expect("a channel of events");
            let db = db.rsplit('@').next().expect("a database");
            lines.push(event_line(db, name, key.as_bytes().expect("a key")));
        }
        lines.retain(|event| !event.contains(EXPIRED));
        Some(lines)
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where the next reply begins in the buffer.
    at: usize,
}

impl Connection {
    fn open(address: &str) -> Connection {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_nodelay(true).expect("a socket takes the option");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket takes the option");
        Connection { stream, buffer: Vec::new(), at: 0 }
    }

    fn call(&mut self, words: &[&str]) -> Answer {
        let request = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        self.run(&[&request]).remove(0)
    }

    fn run(&mut self, requests: &[&Request]) -> Vec<Answer> {
        self.send(requests);
        requests.iter().map(|_| self.receive()).collect()
    }

    fn send(&mut self, requests: &[&Request]) {
        let mut out = BytesMut::new();
        for request in requests {
            encode_request(request.as_slice(), &mut out);
        }
        self.stream.write_all(&out).expect("an open connection");
    }

    fn receive(&mut self) -> Answer {
        loop {
            if let Some(len) = reply_len(&self.buffer[self.at..]) {
                let answer = Answer::new(&self.buffer[self.at..self.at + len]);
                self.at += len;
                return answer;
            }
            self.buffer.drain(..self.at);
            self.at = 0;
            let mut chunk = [0; 65536];
            let len = match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                len => len.expect("an answer within a minute"),
            };
            assert!(len > 0, "the server closed the connection");
            self.buffer.extend_from_slice(&chunk[..len]);
        }
    }
}

/// How long the reply at the front is; none while it is not whole.
fn reply_len(bytes: &[u8]) -> Option<usize> {
    let line = memchr::memchr(b'\n', bytes)?;
    let mut len = line + 1;
    let number = || -> i64 {
        let digits = std::str::from_utf8(&bytes[1..line - 1]).ok();
        digits.and_then(|digits| digits.parse().ok()).expect("a length")
    };
    let items = match bytes[0] {
        b'$' | b'=' if number() >= 0 => {
            len += usize::try_from(number()).expect("not negative") + 2;
            return (bytes.len() >= len).then_some(len);
        }
        b'*' | b'~' | b'>' => number().max(0),
        b'%' => 2 * number(),
        _ => 0,
    };
    for _ in 0..items {
        len += reply_len(&bytes[len..])?;
    }
    Some(len)
}
