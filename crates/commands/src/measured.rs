//! A state to measure: requests applied to it, with nothing kept of them and nothing allocated beside them.
//!
//! For: the tests of the memory account and of stalls, and the benches of memory and of stalls. Leaves to others: what
//! is measured. [`crate::golden`] is for replies.

use quorate_keyspace::{DbIndex, Millis, Rng, Seed, Version};
use quorate_resp::{Protocol, Reply};

use crate::{Args, EventClasses, Events, State, WriteContext, resolve, write};

/// A state and what it takes to apply requests to it.
#[derive(Debug)]
pub struct Measured {
    /// The state.
    pub state: State,
    rng: Rng,
    events: Events,
    reply: Reply,
    version: Version,
}

impl Measured {
    /// The time of every request: some day in 2023.
    pub const NOW: Millis = Millis(1_700_000_000_000);

    /// An empty state.
    pub fn new() -> Measured {
        Measured {
            state: State::new(Seed([7; 16])),
            rng: Rng::from_u64(1),
            events: Events::new(EventClasses::NONE),
            reply: Reply::new(Protocol::Resp2),
            version: Version(0),
        }
    }

    /// Applies a request, as an entry of its own.
    ///
    /// # Panics
    /// If there is no such command, or it answers with an error.
    pub fn run(&mut self, words: &[&[u8]]) {
        let args = Args::new(words);
        let command = resolve(args).expect("the command exists");
        self.version.0 += 1 << 20;
        self.reply.truncate(0);
        let (db, now, version) = (DbIndex::ZERO, Measured::NOW, self.version);
        let (rng, events) = (&mut self.rng, &mut self.events);
        let context = WriteContext { db, now, version, rng, events, node: None, user: None };
        write(&mut self.state, context, command, args, &mut self.reply);
        let reply = self.reply.as_bytes();
        assert!(!reply.starts_with(b"-"), "{}: {}", command.name, reply.escape_ascii());
    }

    /// Applies a request whose words are divided by single spaces.
    ///
    /// # Panics
    /// As [`Measured::run`].
    pub fn run_line(&mut self, line: &str) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.run(&words);
    }
}

impl Default for Measured {
    fn default() -> Measured {
        Measured::new()
    }
}
