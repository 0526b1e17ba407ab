//! What scripts see, from outside the crate: each file one topic.

mod abuse;
mod bounds;
mod calls;
mod functions;
mod libraries;
mod sameness;
mod world;

use bytes::{Bytes, BytesMut};
use quorate_resp::{Protocol, ProtocolError, Reply, Value};
use quorate_script::{Call, Host, Limits, LogLevel, eval, sha1_hex};

/// A host with a few commands of its own, which notes what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    pub(crate) asked: Vec<Vec<Vec<u8>>>,
    pub(crate) lines: Vec<String>,
}

impl Host for Echo {
    fn call(&mut self, args: &[Vec<u8>], resp3: bool) -> Value {
        self.asked.push(args.to_vec());
        let bulk = |bytes: &[u8]| Value::Bulk(Bytes::copy_from_slice(bytes));
        match args[0].as_slice() {
            b"ECHO" => bulk(&args[1]),
            b"OK" => Value::Simple(Bytes::from_static(b"OK")),
            b"COUNT" => Value::Integer(self.asked.len() as i64),
            b"NIL" => Value::Null,
            b"LIST" => Value::Array(args[1..].iter().map(|arg| bulk(arg)).collect()),
            b"MAP" if resp3 => Value::Map(vec![(bulk(b"k"), bulk(b"v"))]),
            b"MAP" => Value::Array(vec![bulk(b"k"), bulk(b"v")]),
            b"DOUBLE" => Value::Double(1.5),
            b"BIG" => bulk(&vec![b'x'; 20_000_000]),
            _ => Value::Error(Bytes::from_static(b"ERR no such command")),
        }
    }

    fn may_call(&mut self, args: &[Vec<u8>]) -> Option<bool> {
        (args[0] != b"UNKNOWN").then(|| args[0] != b"SECRET")
    }

    fn log(&mut self, _: LogLevel, line: &[u8]) {
        self.lines.push(String::from_utf8_lossy(line).into_owned());
    }

    fn seed(&mut self) -> u64 {
        7
    }
}

/// Small, as tests are not compiled to be fast.
pub(crate) const LIMITS: Limits = Limits { steps_max: 2_000_000, memory_bytes_max: 64 * 1024 * 1024 };

/// Runs a script; its reply in RESP3, line ends as spaces.
pub(crate) fn run_on(host: &mut Echo, code: &str, keys: &[&[u8]], args: &[&[u8]]) -> String {
    run_within(LIMITS, host, code, keys, args)
}

/// Runs a script that does more than those of most tests.
pub(crate) fn run_large(code: &str) -> String {
    run_within(Limits::RUN, &mut Echo::default(), code, &[], &[])
}

pub(crate) fn run_within(
    limits: Limits,
    host: &mut Echo,
    code: &str,
    keys: &[&[u8]],
    args: &[&[u8]],
) -> String {
    let mut reply = Reply::new(Protocol::Resp3);
    let sha = sha1_hex(code.as_bytes());
    eval(Call { sha: &sha, code: code.as_bytes(), keys, args, limits }, host, &mut reply);
    shown(&mut reply).replace(&sha, "SHA")
}

pub(crate) fn run(code: &str) -> String {
    run_on(&mut Echo::default(), code, &[], &[])
}

pub(crate) fn shown(reply: &mut Reply) -> String {
    let bytes = reply.take();
    match Value::decode(&mut BytesMut::from(&bytes[..])) {
        Ok(whole) => assert!(whole.is_some(), "a whole reply"),
        // A script may nest its reply deeper than our own client follows.
        Err(error) => assert_eq!(error, ProtocolError::ReplyTooBig, "a well-formed reply"),
    }
    String::from_utf8_lossy(&bytes).replace("\r\n", " ").trim_end().to_owned()
}

/// Scripts and their replies.
pub(crate) fn check(cases: &[(&str, &str)]) {
    for (code, expected) in cases {
        assert_eq!(run(code), *expected, "{code}");
    }
}
