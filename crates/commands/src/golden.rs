//! Golden scripts: requests, and every visible effect of them, as text.
//!
//! For: tests. A script is replayed against a [`Target`] and comes back with what the target answered; where that
//! differs from the script, the test fails, or rewrites the script when it is told to. The same scripts run against
//! a bare [`State`], through every node of a cluster, and against a real Redis.
//! Leaves to others: finding the scripts, and connecting to anything.
//!
//! ```text
//! # a comment
//! > SET a "x y"           a request; quotes and escapes as in redis-cli
//! OK                      its reply, on one line
//!   event 0 set "a"       keyspace events that it emitted, once asked for with `events`
//! >~ KEYS *               the order within the reply does not matter: it is sorted
//! >? LPOS p 1 RANK 0      a real Redis, being an older one, answers otherwise: left out there
//! >! PTTL a               only the bare state, whose clock, seed and figures are known, answers so: left out elsewhere
//! time +1000              the agreed time moves by milliseconds
//! resp2                   the protocol from here on; scripts begin with RESP3
//! db 1                    the database from here on
//! events KEA              the events that are shown from here on
//! ```

use std::fmt::Write as _;

use bytes::BytesMut;
use quorate_keyspace::{DbIndex, Millis, Rng, Seed, Version};
use quorate_resp::{Protocol, Reply, Value};

use crate::{
    Args, Event, EventClasses, Events, Notice, Read, Route, State, WriteContext, read, resolve, write,
};

/// What kind of server a script runs against: which marked requests make sense there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// A state by itself, with the clock and the seed of the script.
    BareState,
    /// A running Quorate.
    Quorate,
    /// A real Redis 7.0.
    Redis,
}

impl Server {
    fn leaves_out(self, marks: &str) -> bool {
        (self != Server::BareState && marks.contains('!')) || (self == Server::Redis && marks.contains('?'))
    }
}

/// What a script runs against.
pub trait Target {
    /// Runs a request; its reply, and the keyspace events as lines.
    fn request(&mut self, args: &[Vec<u8>]) -> (Value, Vec<String>);
    /// Lets time pass.
    fn advance(&mut self, millis: i64);
    /// Changes the protocol.
    fn protocol(&mut self, protocol: Protocol);
    /// Changes the database.
    fn select(&mut self, db: i64);
    /// Changes which events are shown.
    fn events(&mut self, classes: &str);
    /// What it is: requests that make no sense there are left out, with their replies as they are.
    fn server(&self) -> Server;
}

/// Replays a script; it comes back with what the target answered.
///
/// # Errors
/// A line that is none of the above, with its number.
pub fn replay(script: &str, target: &mut dyn Target) -> Result<String, String> {
    let mut out = String::new();
    // Lines that follow a request are its effects and are replaced by those that we see, up to an empty line, a
    // comment or the next request; after a request that was left out they stay.
    let mut effects = Effects::None;
    for (i, line) in script.lines().enumerate() {
        let fail = |what: &str| format!("line {}: {what}: {line}", i + 1);
        if line.is_empty() || line.starts_with('#') {
            effects = Effects::None;
            out.push_str(line);
        } else if let Some(request) = line.strip_prefix('>') {
            let marks_len = request.len() - request.trim_start_matches(['~', '!', '?']).len();
            let (marks, request) = request.split_at(marks_len);
            let args = split(request).ok_or_else(|| fail("unbalanced quotes"))?;
            out.push_str(line);
            if target.server().leaves_out(marks) {
                effects = Effects::Kept;
            } else {
                effects = Effects::Replaced;
                let (reply, events) = target.request(&args);
                write!(out, "\n{}", render(&reply, marks.contains('~'))).expect("a string takes everything");
                for event in events {
                    write!(out, "\n  event {event}").expect("a string takes everything");
                }
            }
        } else if matches!(effects, Effects::Replaced) && !is_directive(line) {
            continue;
        } else if matches!(effects, Effects::Kept) && !is_directive(line) {
            out.push_str(line);
        } else {
            effects = Effects::None;
            direct(line, target).ok_or_else(|| fail("neither request nor directive"))?;
            out.push_str(line);
        }
        out.push('\n');
    }
    Ok(out)
}

enum Effects {
    None,
    Replaced,
    Kept,
}

const DIRECTIVES: [&str; 5] = ["time ", "resp2", "resp3", "db ", "events "];

fn is_directive(line: &str) -> bool {
    DIRECTIVES.iter().any(|directive| line.starts_with(directive))
}

fn direct(line: &str, target: &mut dyn Target) -> Option<()> {
    match line.split_once(' ') {
        None if line == "resp2" => target.protocol(Protocol::Resp2),
        None if line == "resp3" => target.protocol(Protocol::Resp3),
        Some(("time", millis)) => target.advance(millis.strip_prefix('+')?.parse().ok()?),
        Some(("db", db)) => target.select(db.parse().ok()?),
        Some(("events", classes)) => target.events(classes),
        _ => return None,
    }
    Some(())
}

/// Splits a request into arguments; quotes and escapes as in redis-cli. Nothing if a quote stays open.
pub fn split(line: &str) -> Option<Vec<Vec<u8>>> {
    let mut args = Vec::new();
    let mut rest = line.as_bytes();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(args);
        }
        let mut arg = Vec::new();
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            rest = unquote(quoted, &mut arg)?;
        } else {
            let len = memchr::memchr(b' ', rest).unwrap_or(rest.len());
            arg.extend_from_slice(&rest[..len]);
            rest = &rest[len..];
        }
        args.push(arg);
    }
}

fn unquote<'a>(mut rest: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'x', high, low, after @ ..] => {
                let digits = [*high, *low];
                arg.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                rest = after;
            }
            [b'\\', escaped, after @ ..] => {
                arg.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                rest = after;
            }
            [byte, after @ ..] => {
                arg.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

/// A reply on one line; with `sorted`, the elements of the outermost aggregate in the order of their texts.
pub fn render(value: &Value, sorted: bool) -> String {
    let list = |open: &str, items: &[Value], close: &str| {
        let mut items: Vec<String> = items.iter().map(|item| render(item, false)).collect();
        if sorted {
            items.sort();
        }
        format!("{open}{}{close}", items.join(", "))
    };
    match value {
        Value::Simple(text) => String::from_utf8_lossy(text).into_owned(),
        Value::Error(text) => format!("(error) {}", String::from_utf8_lossy(text)),
        Value::Integer(number) => format!("(integer) {number}"),
        Value::Bulk(bytes) => quote(bytes),
        Value::Null => "(null)".to_owned(),
        Value::Array(items) => list("[", items, "]"),
        Value::Set(items) => list("(set) [", items, "]"),
        Value::Push(items) => list("(push) [", items, "]"),
        Value::Map(pairs) => {
            let mut pairs: Vec<String> = pairs
                .iter()
                .map(|(key, value)| format!("{}: {}", render(key, false), render(value, false)))
                .collect();
            if sorted {
                pairs.sort();
            }
            format!("{{{}}}", pairs.join(", "))
        }
        Value::Double(number) => {
            let text = quorate_resp::format_double(*number);
            format!("(double) {}", String::from_utf8_lossy(&text))
        }
        Value::Boolean(truth) => format!("({truth})"),
        Value::BigNumber(digits) => format!("(big) {}", String::from_utf8_lossy(digits)),
        Value::Verbatim { format, text } => {
            format!("({}) {}", String::from_utf8_lossy(format), quote(text))
        }
        other => format!("{other:?}"),
    }
}

/// Bytes in quotes, with escapes for what is not plain ASCII.
pub fn quote(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => write!(text, "\\x{other:02x}").expect("a string takes everything"),
        }
    }
    text.push('"');
    text
}

/// A state by itself, without connections, log or cluster.
#[derive(Debug)]
pub struct Local {
    state: State,
    db: DbIndex,
    now: Millis,
    version: Version,
    protocol: Protocol,
    events: EventClasses,
}

impl Default for Local {
    fn default() -> Local {
        Local {
            state: State::new(Seed([7; 16])),
            db: DbIndex::ZERO,
            now: Local::EPOCH,
            version: Version(0),
            protocol: Protocol::Resp3,
            events: EventClasses::NONE,
        }
    }
}

impl Local {
    /// The time at the start: some day in 2023.
    pub const EPOCH: Millis = Millis(1_700_000_000_000);

    /// Runs a request; its reply as it is sent, and the keyspace events.
    pub fn answer(&mut self, args: &[Vec<u8>]) -> (Vec<u8>, Vec<Event>) {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let args = Args::new(&args);
        let mut reply = Reply::new(self.protocol);
        let mut events = Events::new(self.events);
        self.version.0 += 1;
        let (db, now, seed) = (self.db, self.now, self.version.0);
        self.state.begin(now);
        match resolve(args) {
            Err(error) => reply.error(&error.to_string()),
            Ok(command) if matches!(command.route, Route::Read(_)) => {
                read(
                    &Read { state: &self.state, db, now, seed, node: None, lookups: None, user: None },
                    command,
                    args,
                    &mut reply,
                );
            }
            Ok(command) => {
                let rng = &mut Rng::from_u64(seed);
                let context = WriteContext {
                    db,
                    now,
                    version: self.version,
                    rng,
                    events: &mut events,
                    node: None,
                    user: None,
                };
                write(&mut self.state, context, command, args, &mut reply);
            }
        }
        let events = events.take().into_iter().filter_map(|notice| match notice {
            Notice::Event(event) => Some(event),
            Notice::Message(_) => None,
        });
        (reply.take().to_vec(), events.collect())
    }
}

impl Target for Local {
    fn request(&mut self, args: &[Vec<u8>]) -> (Value, Vec<String>) {
        let (reply, events) = self.answer(args);
        let mut bytes = BytesMut::from(&reply[..]);
        let value = Value::decode(&mut bytes).expect("replies are well formed").expect("and whole");
        assert!(bytes.is_empty(), "a command has one reply");
        (value, events.iter().map(event_line).collect())
    }

    fn advance(&mut self, millis: i64) {
        self.now.0 += millis;
    }

    fn protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    fn select(&mut self, db: i64) {
        self.db = DbIndex::new(db).expect("scripts name databases that there are");
    }

    fn events(&mut self, classes: &str) {
        self.events =
            EventClasses::parse(classes.as_bytes()).expect("scripts name event classes that there are");
    }

    fn server(&self) -> Server {
        Server::BareState
    }
}

fn event_line(event: &Event) -> String {
    format!("{} {} {}", event.db, event.name, quote(&event.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_comes_back_with_its_replies() {
        let script = "# A comment\n> SET a \"x y\\x00\" PX 50\nevents KEA\n> DEL a\n\n> SET t 1 PX 50\ntime +50\n> GET t\nwrong\n\
                      db 1\nresp2\n>~ MGET a b\n";
        let answered = replay(script, &mut Local::default()).expect("a valid script");
        let expected = "# A comment\n> SET a \"x y\\x00\" PX 50\nOK\nevents KEA\n> DEL a\n(integer) 1\n  event 0 del \"a\"\n\n\
                        > SET t 1 PX 50\nOK\n  event 0 set \"t\"\n  event 0 expire \"t\"\ntime +50\n> GET t\n(null)\n\
                        db 1\nresp2\n>~ MGET a b\n[(null), (null)]\n";
        assert_eq!(answered, expected);
        assert_eq!(replay(&answered, &mut Local::default()).as_deref(), Ok(expected));
    }

    #[test]
    fn lines_that_are_nothing_are_refused() {
        for script in ["nonsense\n", "time 5\n", "time +x\n", "db x\n", "> GET \"a\n", "\nOK\n"] {
            let error = replay(script, &mut Local::default()).expect_err(script);
            assert!(error.starts_with("line "), "{error}");
        }
    }
}
