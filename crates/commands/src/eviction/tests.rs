//! What each policy gives up, and what it keeps.

use quorate_keyspace::{DbIndex, Millis, Rng, Seed, Version};
use quorate_resp::{Protocol, Reply};

use super::Evicted;
use crate::{Args, EventClass, EventClasses, Events, Notice, Route, State, WriteContext, resolve, write};

const START: i64 = 1_700_000_000_000;

struct Node {
    state: State,
    seconds: i64,
    index: u64,
    events: Events,
}

impl Node {
    fn new(settings: &str) -> Node {
        let mut state = State::new(Seed([5; 16]));
        let words: Vec<&[u8]> = settings.split_whitespace().map(str::as_bytes).collect();
        let pairs: Vec<(&[u8], &[u8])> = words.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        state.settings.set(&pairs).expect("the test's settings are good");
        let wanted = EventClasses::parse(b"KEe").expect("a good string");
        Node { state, seconds: 0, index: 0, events: Events::new(wanted) }
    }

    /// Runs requests as one entry, a second after the one before.
    fn entry(&mut self, requests: &[String]) -> Evicted {
        self.seconds += 1;
        self.index += 1;
        self.state.begin(Millis(START + self.seconds * 1000));
        let before = self.state.used_bytes();
        let mut rng = Rng::from_u64(self.index);
        for (i, request) in requests.iter().enumerate() {
            let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            let command = resolve(Args::new(&words)).expect("a good request");
            let context = WriteContext {
                db: DbIndex::ZERO,
                now: self.state.clock,
                version: Version(self.index << 20 | i as u64),
                rng: &mut rng,
                events: &mut self.events,
                node: None,
                user: None,
            };
            let mut reply = Reply::new(Protocol::Resp2);
            assert!(matches!(command.route, Route::Write(_)), "{request}");
            write(&mut self.state, context, command, Args::new(&words), &mut reply);
            assert!(!reply.as_bytes().starts_with(b"-"), "{request}");
        }
        let version = Version(self.index << 20 | 0xfffff);
        self.state.evict(before, &mut Rng::from_u64(self.index), version, &mut self.events)
    }

    fn run(&mut self, request: &str) -> Evicted {
        self.entry(&[request.to_owned()])
    }

    fn limit_data(&mut self, bytes: usize) {
        let limit = (State::BASE_BYTES + bytes).to_string();
        self.state.settings.set(&[(b"maxmemory", limit.as_bytes())]).expect("a good setting");
    }

    fn has(&self, key: &str) -> bool {
        self.state.keyspace.db(DbIndex::ZERO).contains(key.as_bytes(), self.state.clock)
    }

    fn bytes(&self) -> usize {
        self.state.keyspace.memory_bytes()
    }
}

fn node(policy: &str) -> Node {
    Node::new(&format!(
        "maxmemory {} maxmemory-policy {policy} maxmemory-samples 10",
        State::BASE_BYTES + 20_000
    ))
}

#[test]
fn the_limit_holds_after_every_entry() {
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        let mut node = node(policy);
        let mut gone = 0;
        for n in 0..1000 {
            let evicted = node.run(&format!("SETEX key:{n} {} {}", 10_000 + n, "x".repeat(n % 300)));
            assert!(!evicted.is_full && !evicted.has_more, "{policy}");
            assert!(node.bytes() <= 20_000, "{policy}: {} B after {n}", node.bytes());
            gone += evicted.keys;
        }
        assert_eq!(gone as usize + node.state.keyspace.db(DbIndex::ZERO).len(), 1000, "{policy}");
        let events = node.events.take();
        assert_eq!(events.len() as u64, gone, "{policy}");
        let is_evicted = |notice: &Notice| matches!(notice, Notice::Event(event) if (event.class, event.name) == (EventClass::Evicted, "evicted"));
        assert!(events.iter().all(is_evicted));
    }
}

#[test]
fn volatile_policies_give_up_nothing_that_stays_for_ever() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let mut node = node(policy);
        for n in 0..50 {
            node.run(&format!("SET stays:{n} x"));
        }
        for n in 0..500 {
            assert!(!node.run(&format!("SETEX goes:{n} 10000 x")).is_full, "{policy}");
        }
        assert!((0..50).all(|n| node.has(&format!("stays:{n}"))), "{policy}");
        let mut full = false;
        for n in 50..500 {
            full |= node.run(&format!("SET stays:{n} x")).is_full;
        }
        assert!(full, "{policy}: nothing is left to give up");
        assert!((0..500).all(|n| node.has(&format!("stays:{n}"))), "{policy}");
    }
}

#[test]
fn nothing_is_evicted_without_a_policy_or_a_limit() {
    let mut node = node("noeviction");
    let requests: Vec<String> = (0..500).map(|n| format!("SET key:{n} x")).collect();
    assert_eq!(node.entry(&requests), Evicted { keys: 0, is_full: true, has_more: false });
    node.state.settings.set(&[(b"maxmemory", b"0")]).expect("a good setting");
    assert_eq!(node.run("SET a 1"), Evicted::default());
    assert_eq!(node.state.keyspace.db(DbIndex::ZERO).len(), 501);
}

#[test]
fn what_is_used_stays() {
    for policy in ["allkeys-lru", "allkeys-lfu"] {
        let mut node = node(policy);
        let hot: Vec<String> = (0..20).map(|n| format!("hot:{n}")).collect();
        node.entry(&hot.iter().map(|key| format!("SET {key} x")).collect::<Vec<_>>());
        // Many times what fits goes by; the hot keys are read all the while.
        for n in 0..2000 {
            let mut requests = vec![format!("SET cold:{n} x")];
            if n % 10 == 0 {
                requests.push(format!("TOUCH {}", hot.join(" ")));
            }
            node.entry(&requests);
        }
        let left = hot.iter().filter(|key| node.has(key)).count();
        assert!(left >= 19, "{policy}: {left} of 20 hot keys are left");
        assert!(!node.has("cold:0") && node.has("cold:1999"), "{policy}");
    }
}

#[test]
fn what_expires_soonest_goes_first() {
    let mut node = node("volatile-ttl");
    for n in 0..1000 {
        node.run(&format!("SETEX key:{n} {} x", 100_000 - n * 10));
    }
    // The latest are those that expire the soonest: each goes with the entry that it came with.
    assert!(node.has("key:0") && node.has("key:50") && !node.has("key:999"));
}

#[test]
fn a_lowered_limit_is_reached_in_slices() {
    let mut node = Node::new("maxmemory 0 maxmemory-policy allkeys-random");
    let requests: Vec<String> = (0..3000).map(|n| format!("SET key:{n} x")).collect();
    node.entry(&requests);
    node.limit_data(10_000);
    let mut slices = 0;
    loop {
        let evicted = node.run("DEL nothing");
        slices += 1;
        assert!(evicted.keys <= super::EVICTED_PER_ENTRY_MAX && !evicted.is_full);
        if !evicted.has_more {
            break;
        }
    }
    assert!(slices > 3 && node.bytes() <= 10_000, "{slices} slices to {} B", node.bytes());
    // What an entry adds it makes up for, however much it is.
    node.state.settings.set(&[(b"maxmemory", b"0")]).expect("a good setting");
    node.entry(&requests);
    node.limit_data(10_000);
    let before = node.bytes();
    node.entry(&(3000..6000).map(|n| format!("SET key:{n} x")).collect::<Vec<_>>());
    assert!(node.bytes() <= before);
}
