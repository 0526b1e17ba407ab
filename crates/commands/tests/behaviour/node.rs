//! A node reduced to its state: applies requests one by one, as the log would.

use bytes::BytesMut;
use quorate_commands::{Args, EventClasses, Events, Notice, State, WriteContext, resolve, write};
use quorate_keyspace::{DbIndex, Millis, Rng, Seed, Version};
use quorate_resp::{Protocol, Reply, Value};

/// The state, and how far it has applied the log.
pub(crate) struct Node {
    pub(crate) state: State,
    pub(crate) index: u64,
    pub(crate) clock: Millis,
    pub(crate) protocol: Protocol,
}

impl Node {
    /// An empty node.
    pub(crate) fn new() -> Node {
        Node {
            state: State::new(Seed([7; 16])),
            index: 0,
            clock: Millis(1_700_000_000_000),
            protocol: Protocol::Resp3,
        }
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, millis: i64) {
        self.clock.0 += millis;
    }

    /// Applies a request; the bytes of its reply, and its events as `name key`, with `@db` where it is not 0.
    pub(crate) fn apply(&mut self, request: &[&[u8]]) -> (BytesMut, Vec<String>) {
        self.index += 1;
        let args = Args::new(request);
        let mut reply = Reply::new(self.protocol);
        let mut events = Events::new(EventClasses::parse(b"KEAnm").expect("known letters"));
        match resolve(args) {
            Err(error) => reply.error(&error.to_string()),
            Ok(command) => {
                let context = WriteContext {
                    db: DbIndex::ZERO,
                    now: self.clock,
                    version: Version(self.index),
                    rng: &mut Rng::from_u64(self.index),
                    events: &mut events,
                    node: None,
                    user: None,
                };
                write(&mut self.state, context, command, args, &mut reply);
            }
        }
        let events = events.take().into_iter().filter_map(|notice| {
            let Notice::Event(event) = notice else { return None };
            let db = if event.db == DbIndex::ZERO { String::new() } else { format!("@{}", event.db) };
            Some(format!("{} {}{db}", event.name, String::from_utf8_lossy(&event.key)))
        });
        (BytesMut::from(&reply.take()[..]), events.collect())
    }

    /// Applies a request of words without spaces; its reply.
    pub(crate) fn run(&mut self, line: &str) -> Value {
        let request: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let (mut bytes, _) = self.apply(&request);
        Value::decode(&mut bytes).expect("a well-formed reply").expect("a whole reply")
    }

    /// Applies a request; its events.
    pub(crate) fn events(&mut self, line: &str) -> Vec<String> {
        let request: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.apply(&request).1
    }

    /// What WATCH would remember of a key.
    pub(crate) fn version(&self, key: &str) -> Version {
        self.state.keyspace.db(DbIndex::ZERO).key_version(key.as_bytes(), self.clock)
    }
}

/// The texts of an array of bulk strings.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().expect("an array");
    items.iter().map(|item| item.as_str().expect("a text").to_owned()).collect()
}
