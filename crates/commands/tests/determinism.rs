//! The same log on machines that differ in all else: one state, the same replies, the same events.
//!
//! A log is made of random commands, those of the differential test. Three machines run it: one answers its clients,
//! one knows nothing of reads and throws replies away as a node does with the batches of others, and one is now and
//! then made again from a snapshot of another machine and answers too. Their own settings differ. After every entry
//! the digests of the states are compared, and what was answered and notified.
//!
//! `QUORATE_SEED` repeats one log, `QUORATE_LOGS` runs more of them.

#[path = "../examples/differential/chance.rs"]
mod chance;
#[path = "../examples/differential/generate.rs"]
#[expect(dead_code, reason = "the names of the commands are for the differential test's account")]
mod generate;
#[path = "../examples/differential/setup.rs"]
mod setup;
#[path = "../examples/differential/values.rs"]
mod values;

use chance::Chance;
use generate::{Generator, Request};
use quorate_commands::{
    Answering, Args, EventClasses, Events, Notice, Route, Settings, State, WriteContext, resolve, write,
};
use quorate_keyspace::{DbIndex, Millis, Rng, Seed, Version};
use quorate_resp::{Protocol, Reply};

const LOGS: u64 = 24;
const ENTRIES: usize = 60;
const EXPIRED_PER_ENTRY_MAX: usize = 4;

/// An entry of a log: what every machine is given.
struct Entry {
    index: u64,
    time: Millis,
    seed: u64,
    requests: Vec<(DbIndex, Request)>,
}

/// What an entry shows: replies to writes and to reads, and events.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    writes: Vec<u8>,
    reads: Option<Vec<u8>>,
    events: Vec<Notice>,
}

/// One machine.
struct Machine {
    state: State,
    /// Settings of its own, which must reach nothing that is replicated.
    node: Settings,
    answers_reads: bool,
}

impl Machine {
    fn new(port: &str, answers_reads: bool) -> Machine {
        let mut node = Settings::default();
        node.set_node(&[(b"port", port.as_bytes())]).expect("a setting of a node");
        Machine { state: State::new(Seed([3; 16])), node, answers_reads }
    }

    fn apply(&mut self, entry: &Entry) -> Shown {
        let mut events = Events::new(EventClasses::parse(b"KEAmn").expect("classes"));
        let mut rng = Rng::from_u64(entry.seed);
        let (mut writes, mut reads) = (Reply::new(Protocol::Resp3), Reply::new(Protocol::Resp3));
        self.state.begin(entry.time);
        let before_bytes = self.state.used_bytes();
        for (position, (db, request)) in entry.requests.iter().enumerate() {
            let words: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
            let args = Args::new(&words);
            let Ok(command) = resolve(args) else { continue };
            let version = Version(entry.index << 20 | position as u64);
            // The chance of a read is its reader's: a machine without readers draws none.
            let mut own = Rng::from_u64(entry.seed ^ version.0);
            let is_write = matches!(command.route, Route::Write(_));
            let (rng, reply) = if is_write { (&mut rng, &mut writes) } else { (&mut own, &mut reads) };
            let node = (!is_write).then_some(&self.node as &dyn Answering);
            let now = self.state.clock;
            let context = WriteContext { db: *db, now, version, rng, events: &mut events, node, user: None };
            if is_write || self.answers_reads {
                write(&mut self.state, context, command, args, reply);
            }
        }
        self.state.keyspace.expire_slice(self.state.clock, EXPIRED_PER_ENTRY_MAX);
        let last = Version(entry.index << 20 | 0xfffff);
        self.state.evict(before_bytes, &mut Rng::from_u64(!entry.seed), last, &mut events);
        drop(self.state.keyspace.take_garbage());
        let reads = self.answers_reads.then(|| reads.as_bytes().to_vec());
        Shown { writes: writes.as_bytes().to_vec(), reads, events: events.take() }
    }
}

/// A log of random commands.
fn log(seed: u64) -> Vec<Entry> {
    let mut chance = Chance::new(seed, 0);
    let mut generator = Generator::new(Chance::new(seed, 1), "");
    let limit = (State::BASE_BYTES + 20_000 + chance.below(200_000)).to_string();
    let policy =
        *chance.pick(&["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl", "noeviction"]);
    let settings: [&str; 6] = ["CONFIG", "SET", "maxmemory-policy", policy, "maxmemory", &limit];
    let mut first = vec![(DbIndex::ZERO, settings.map(|word| word.as_bytes().to_vec()).to_vec())];
    let (mut time, mut db) = (1_700_000_000_000, DbIndex::ZERO);
    let mut entries = Vec::new();
    for index in 1..=ENTRIES as u64 {
        let mut requests = std::mem::take(&mut first);
        for request in (0..1 + chance.below(20)).flat_map(|_| generator.step()) {
            match request.as_slice() {
                [name, number] if name == b"SELECT" => {
                    db = DbIndex::new(i64::from(number == b"1")).expect("a database");
                }
                _ => requests.push((db, request)),
            }
        }
        time += [0, 1, 50, 1_000, 60_000][chance.below(5)];
        entries.push(Entry { index, time: Millis(time), seed: index ^ seed << 32, requests });
    }
    entries
}

/// Runs a log on machines that differ; tells where they come apart.
fn difference(seed: u64, spoil: impl Fn(&mut Machine, &Entry)) -> Option<String> {
    let mut chance = Chance::new(seed, 2);
    let mut machines = [Machine::new("1", true), Machine::new("2", false), Machine::new("3", true)];
    for entry in log(seed) {
        spoil(&mut machines[2], &entry);
        let shown = machines.each_mut().map(|machine| machine.apply(&entry));
        let [first, silent, restored] = &shown;
        let at = format!("entry {} of log {seed}", entry.index);
        if first != restored || (&first.writes, &first.events) != (&silent.writes, &silent.events) {
            return Some(format!("{at}: what it shows\n{first:?}\n{silent:?}\n{restored:?}"));
        }
        let digests = machines.each_ref().map(|machine| machine.state.digest());
        if digests.iter().any(|digest| *digest != digests[0]) {
            let requests = entry.requests.iter().map(|(_, request)| {
                request.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
            });
            return Some(format!(
                "{at}: the states {digests:x?}\n{}",
                requests.collect::<Vec<_>>().join("\n")
            ));
        }
        if chance.below(10) == 0 {
            let from = chance.below(2);
            let snapshot = machines[from].state.capture();
            machines[2].state = State::decode(snapshot.encode()).expect("a whole snapshot");
        }
    }
    None
}

#[test]
fn machines_that_share_nothing_but_the_log_stay_alike() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let logs = match number("QUORATE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("QUORATE_LOGS").unwrap_or(LOGS),
    };
    for seed in logs {
        let found = difference(seed, |_, _| ());
        assert!(found.is_none(), "QUORATE_SEED={seed} repeats it: {}", found.unwrap_or_default());
    }
}

#[test]
fn a_machine_that_goes_its_own_way_is_found_out() {
    let ahead = |machine: &mut Machine, entry: &Entry| {
        if entry.index == 30 {
            machine.state.begin(Millis(entry.time.0 + 1));
        }
    };
    assert!(difference(1, ahead).is_some(), "a clock of its own");
    let chosen = |machine: &mut Machine, entry: &Entry| {
        if entry.index == 30 {
            machine.state.settings.set(&[(b"zset-max-listpack-entries", b"1")]).expect("a good setting");
        }
    };
    assert!(difference(1, chosen).is_some(), "a setting of its own");
}
