//! Replays the golden scripts below `golden/` against a state by itself.
//!
//! Those in `golden/connection/` need a connection: they are replayed here against a real Redis only, and against a
//! cluster elsewhere.
//!
//! `QUORATE_BLESS=1` writes what was answered into the scripts (those of the connection: what Redis answered). `QUORATE_REDIS=127.0.0.1:6379` replays them against
//! that Redis instead, which it empties.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use quorate_commands::golden::{Local, Server, Target, render, replay};
use quorate_resp::{Protocol, Value, encode_request};

#[test]
fn scripts_of_all_groups() {
    let redis = std::env::var("QUORATE_REDIS").ok();
    let mut differences = Vec::new();
    for path in scripts() {
        let needs_connection = path.parent().is_some_and(|group| group.ends_with("connection"));
        if needs_connection && redis.is_none() {
            continue;
        }
        let script = fs::read_to_string(&path).expect("a readable script");
        let answered = match &redis {
            None => replay(&script, &mut Local::default()),
            Some(address) => replay(&script, &mut Redis::connect(address)),
        };
        let answered = answered.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if std::env::var_os("QUORATE_BLESS").is_some() && needs_connection == redis.is_some() {
            fs::write(&path, answered).expect("a writable script");
            continue;
        }
        differences.extend(difference(&path, &script, &answered));
    }
    assert!(differences.is_empty(), "replies differ from the scripts:\n{}", differences.join("\n"));
}

fn scripts() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<PathBuf> = fs::read_dir(root)
        .expect("the folder of scripts")
        .flat_map(|group| fs::read_dir(group.expect("a group").path()).expect("a group's folder"))
        .map(|script| script.expect("a script").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "golden"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// The lines that differ, with the request that they belong to.
fn difference(path: &Path, script: &str, answered: &str) -> Vec<String> {
    let mut request = "";
    let mut differences = Vec::new();
    let (mut expected, mut got) = (script.lines(), answered.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (expected.next(), got.next()) {
            (None, None) => return differences,
            (Some(expected), Some(got)) if expected == got => {
                if expected.starts_with('>') {
                    request = expected;
                }
            }
            (expected, got) => {
                let file = path.file_name().unwrap_or_default().display();
                differences
                    .push(format!("{file}:{number}: {request}\n  script: {expected:?}\n  got:    {got:?}"));
                if expected.is_none_or(|line| line.starts_with('>')) || got.is_none() {
                    return differences;
                }
            }
        }
    }
}

/// A real Redis, on one connection for requests and one for events.
struct Redis {
    requests: Connection,
    events: Connection,
}

struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    fn open(address: &str) -> Connection {
        let stream = TcpStream::connect(address).expect("a Redis at QUORATE_REDIS");
        let mut connection = Connection { stream, buffer: BytesMut::new() };
        connection.run(&["hello", "3"]);
        connection
    }

    fn run(&mut self, args: &[&str]) -> Value {
        self.send(args);
        self.receive()
    }

    fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        let mut request = BytesMut::new();
        encode_request(args, &mut request);
        self.stream.write_all(&request).expect("an open connection");
    }

    fn receive(&mut self) -> Value {
        loop {
            if let Some(value) = Value::decode(&mut self.buffer).expect("a well-formed reply") {
                return value;
            }
            let mut chunk = [0; 65536];
            let len = self.stream.read(&mut chunk).expect("an open connection");
            assert!(len > 0, "Redis closed the connection");
            self.buffer.extend_from_slice(&chunk[..len]);
        }
    }
}

impl Redis {
    fn connect(address: &str) -> Redis {
        let mut redis = Redis { requests: Connection::open(address), events: Connection::open(address) };
        redis.events("");
        redis.requests.run(&["flushall"]);
        // What earlier scripts have changed: each begins with the defaults of Redis, and without a configuration file.
        let defaults = [
            "save",
            "",
            "maxmemory",
            "0",
            "hash-max-listpack-entries",
            "512",
            "hash-max-listpack-value",
            "64",
            "zset-max-listpack-entries",
            "128",
            "zset-max-listpack-value",
            "64",
            "hll-sparse-max-bytes",
            "3000",
            "stream-node-max-entries",
            "100",
            "stream-node-max-bytes",
            "4096",
        ];
        redis.requests.run(&[&["config", "set"], &defaults[..]].concat());
        redis.events.run(&["psubscribe", "__keyevent@*__:*"]);
        redis
    }

    /// The events that were published by now, as lines.
    fn published(&mut self) -> Vec<String> {
        self.events.send(&["ping"]);
        let mut lines = Vec::new();
        loop {
            match self.events.receive() {
                Value::Push(items) => {
                    let [.., channel, key] = items.as_slice() else { panic!("a message: {items:?}") };
                    let channel = channel.as_str().expect("a channel's name");
                    let (db, event) = channel.split_once("__:").expect("a channel of key events");
                    let db = db.rsplit('@').next().expect("a database");
                    lines.push(format!("{db} {event} {}", render(key, false)));
                }
                _pong => return lines,
            }
        }
    }
}

impl Target for Redis {
    fn request(&mut self, args: &[Vec<u8>]) -> (Value, Vec<String>) {
        self.requests.send(args);
        let reply = self.requests.receive();
        (reply, self.published())
    }

    fn advance(&mut self, millis: i64) {
        std::thread::sleep(Duration::from_millis(millis.unsigned_abs()));
        self.published();
    }

    fn protocol(&mut self, protocol: Protocol) {
        self.requests.run(&["hello", if matches!(protocol, Protocol::Resp2) { "2" } else { "3" }]);
    }

    fn select(&mut self, db: i64) {
        self.requests.run(&["select", &db.to_string()]);
    }

    fn events(&mut self, classes: &str) {
        self.requests.run(&["config", "set", "notify-keyspace-events", classes]);
    }

    fn server(&self) -> Server {
        Server::Redis
    }
}
