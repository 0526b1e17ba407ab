//! Those who wait on a bare state: who is served, in which order, with which replies and effects.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use quorate_commands::golden::{quote, render};
use quorate_commands::{
    Args, Desk, Ending, EventClasses, Events, Notice, Seat, Service, State, Ticket, Unblock, Waiter,
    WriteContext, resolve, write_or_wait,
};
use quorate_keyspace::{DbIndex, Millis, Rng, Seed, Version};
use quorate_resp::{Protocol, Reply, Value};

/// A state, and clients that wait on this node under their names.
struct Bench {
    state: State,
    version: u64,
    seats: Seats,
    events: Vec<String>,
}

#[derive(Default)]
struct Seats {
    protocol: Option<Protocol>,
    waiting: BTreeMap<Ticket, String>,
    told: Vec<String>,
}

impl Desk for Seats {
    fn protocol(&self, ticket: Ticket) -> Option<Protocol> {
        self.protocol.filter(|_| self.waiting.contains_key(&ticket))
    }

    fn changed(&mut self, _: DbIndex, _: &Arc<[u8]>) {}

    fn ended(&mut self, ticket: Ticket, _: &Waiter, ending: Ending) {
        let name = self.waiting.remove(&ticket).unwrap_or_else(|| "nobody".to_owned());
        self.told.push(match ending {
            Ending::Reply(bytes) => format!("{name} {}", text(&bytes)),
            Ending::Lost => format!("{name} lost"),
        });
    }
}

fn text(bytes: &[u8]) -> String {
    let value = Value::decode(&mut BytesMut::from(bytes)).expect("a well-formed reply");
    value.map_or_else(String::new, |value| render(&value, false))
}

impl Bench {
    fn new() -> Bench {
        let seats = Seats { protocol: Some(Protocol::Resp2), ..Seats::default() };
        Bench { state: State::new(Seed([7; 16])), version: 1 << 20, seats, events: Vec::new() }
    }

    /// Runs a request on behalf of a client, and serves those whom it helps. Gives its reply, nothing if it waits.
    fn run(&mut self, client: &str, line: &str) -> String {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let args = Args::new(&args);
        let command = resolve(args).expect("a command that there is");
        self.version += 1;
        let (rng, version, now) = (&mut Rng::from_u64(1), Version(self.version), self.state.clock);
        let events = &mut Events::new(EventClasses::parse(b"KEA").expect("letters"));
        let mut reply = Reply::new(Protocol::Resp2);
        let context = WriteContext {
            db: DbIndex::ZERO,
            now,
            version,
            rng: &mut *rng,
            events: &mut *events,
            node: None,
            user: None,
        };
        let seat = Seat { node: 1, incarnation: 1, deadline: None };
        let ticket = write_or_wait(&mut self.state, context, Some(seat), command, args, &mut reply);
        if let Some(ticket) = ticket {
            assert!(reply.is_empty(), "{line}: who waits is not answered");
            self.seats.waiting.insert(ticket, client.to_owned());
        }
        let Bench { state, seats, .. } = self;
        Service { state, version, rng, events, desk: seats }.serve();
        self.events.extend(events.take().iter().filter_map(|notice| match notice {
            Notice::Event(event) => Some(format!("{} {}", event.name, quote(&event.key))),
            Notice::Message(_) => None,
        }));
        text(reply.as_bytes())
    }

    /// What clients were told since the last call.
    fn told(&mut self) -> String {
        std::mem::take(&mut self.seats.told).join("; ")
    }

    fn service<R>(&mut self, act: impl FnOnce(&mut Service<'_, Seats>) -> R) -> R {
        let (rng, events, version) = (&mut Rng::from_u64(1), &mut Events::default(), Version(self.version));
        act(&mut Service { state: &mut self.state, version, rng, events, desk: &mut self.seats })
    }

    /// Runs lines as `client request`, or a request alone, and compares what all were told.
    fn check(&mut self, lines: &[(&str, &str)]) {
        for (line, expected) in lines {
            let (client, request) = line.split_once(": ").unwrap_or(("", line));
            self.run(client, request);
            assert_eq!(self.told(), *expected, "{line}");
        }
    }
}

#[test]
fn the_first_to_come_is_the_first_to_be_served() {
    Bench::new().check(&[
        ("a: BLPOP k 0", ""),
        ("b: BRPOP other k 0", ""),
        ("c: BLPOP k k 0", ""),
        ("RPUSH k 1", r#"a ["k", "1"]"#),
        ("RPUSH k 1 2 3 4", r#"b ["k", "4"]; c ["k", "1"]"#),
        ("a: BLPOP k 0", ""),
        ("DEL k", ""),
        ("a: BLMPOP 0 2 x y RIGHT COUNT 2", ""),
        ("b: BLPOP y 0", ""),
        ("RPUSH y 1 2 3", r#"a ["y", ["3", "2"]]; b ["y", "1"]"#),
        ("a: BZPOPMIN z 0", ""),
        ("b: BZMPOP 0 1 z MAX COUNT 9", ""),
        ("c: BZPOPMAX z 0", ""),
        ("ZADD z 1 one 2 two 3 three", r#"a ["z", "one", "1"]; b ["z", [["three", "3"], ["two", "2"]]]"#),
        ("ZADD z 5 five", r#"c ["z", "five", "5"]"#),
    ]);
}

#[test]
fn whatever_makes_a_key_serves_those_who_wait_for_it() {
    for maker in [
        "RPUSH k 1",
        "LINSERT src BEFORE 1 0",
        "RENAME src k",
        "COPY src k",
        "SORT src STORE k",
        "RPOPLPUSH src k",
        "LMOVE src k LEFT LEFT",
        "SWAPDB 0 1",
        "EVAL return(redis.call('rpush','k','1')) 0",
    ] {
        let mut bench = Bench::new();
        bench.run("", "RPUSH src 1");
        if maker == "SWAPDB 0 1" {
            bench.check(&[("COPY src k DB 1", "")]);
        }
        bench.check(&[("a: BLPOP k 0", "")]);
        bench.run("", maker);
        let expected = if maker.starts_with("LINSERT") { "" } else { r#"a ["k", "1"]"# };
        assert_eq!(bench.told(), expected, "{maker}");
    }
}

#[test]
fn what_one_is_served_with_may_serve_another() {
    let mut bench = Bench::new();
    bench.check(&[
        ("c: BLPOP three 0", ""),
        ("b: BLMOVE two three LEFT RIGHT 0", ""),
        ("a: BRPOPLPUSH one two 0", ""),
        ("RPUSH one x", r#"a "x"; b "x"; c ["three", "x"]"#),
        ("a: BLMOVE k k LEFT RIGHT 0", ""),
        ("RPUSH k 1 2", r#"a "1""#),
    ]);
    assert_eq!(bench.run("", "LRANGE k 0 -1"), r#"["2", "1"]"#);
    let events = bench.events.join(" ");
    assert!(
        events.starts_with(
            r#"rpush "one" lpush "two" rpop "one" del "one" rpush "three" lpop "two" del "two""#
        ),
        "{events}"
    );
}

#[test]
fn a_wait_ends_with_whatever_the_command_says_then() {
    let wrong = "(error) WRONGTYPE Operation against a key holding the wrong kind of value";
    Bench::new().check(&[
        ("a: BLMOVE k text LEFT LEFT 0", ""),
        ("SET text x", ""),
        ("RPUSH k 1", &format!("a {wrong}")),
        ("b: BLPOP k 0", ""),
        ("b: BLPOP x y 0", ""),
        ("SET x text", ""),
        ("RPUSH y 1", &format!("b {wrong}")),
        ("DEL x y k", ""),
        ("a: BLPOP x 0", ""),
        // Another type is nothing to wait for, and no reason to go.
        ("SADD x 1", ""),
        ("DEL x", ""),
        ("LPUSH x 1", r#"a ["x", "1"]"#),
    ]);
}

#[test]
fn consumers_of_a_group_wait_for_entries_and_learn_of_its_end() {
    let gone = |after: &str| format!("(error) NOGROUP No such key 's' or consumer group 'g'{after}");
    let gone = gone(" in XREADGROUP with GROUP option");
    let read = "XREADGROUP GROUP g me BLOCK 0 STREAMS s >";
    let waits = |name: &str| format!("{name}: {read}");
    let (a, b) = (waits("a"), waits("b"));
    let mut bench = Bench::new();
    bench.check(&[
        ("XGROUP CREATE s g $ MKSTREAM", ""),
        (&a, ""),
        (&b, ""),
        ("XADD s 1-1 f v", r#"a [["s", [["1-1", ["f", "v"]]]]]"#),
        ("XADD s 2-1 f v", r#"b [["s", [["2-1", ["f", "v"]]]]]"#),
        // What was given out before is never waited for.
        ("a: XREADGROUP GROUP g me BLOCK 0 STREAMS s 0", ""),
        (&a, ""),
        ("XGROUP DESTROY s g", &format!("a {gone}")),
        ("XGROUP CREATE s g $", ""),
        (&a, ""),
        ("DEL s", &format!("a {gone}")),
        ("XGROUP CREATE s g $ MKSTREAM", ""),
        (&a, ""),
        ("SET s text", "a (error) WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("DEL s", ""),
        ("XGROUP CREATE s g $ MKSTREAM", ""),
        (&a, ""),
        ("FLUSHALL", &format!("a {gone}")),
    ]);
    assert!(bench.state.waiters.is_empty());
}

#[test]
fn deadlines_and_strangers_end_a_wait() {
    let mut bench = Bench::new();
    bench.state.clock = Millis(1_000);
    bench.check(&[
        ("a: BLPOP k 0.0301", ""),
        ("b: BLPOP k 0.05", ""),
        ("c: BLPOP k 0", ""),
        ("d: BLPOP k 0", ""),
    ]);
    let tickets: Vec<Ticket> = bench.state.waiters.iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(bench.state.waiters.next_deadline(), Some(Millis(1_031)));
    for (now, expected) in [(1_030, ""), (1_031, "a (null)"), (1_049, ""), (2_000, "b (null)")] {
        bench.service(|service| service.time_out(Millis(now)));
        assert_eq!(bench.told(), expected, "{now}");
    }
    assert!(!bench.service(|service| service.unblock(tickets[0], Unblock::Error)));
    assert!(bench.service(|service| service.unblock(tickets[2], Unblock::Error)));
    assert_eq!(bench.told(), "c (error) UNBLOCKED client unblocked via CLIENT UNBLOCK");
    bench.service(|service| service.dismiss(|waiter| waiter.node == 2));
    assert_eq!(bench.told(), "");
    bench.service(|service| service.dismiss(|waiter| waiter.node == 1));
    assert_eq!(bench.told(), "d lost");
    assert_eq!(bench.state.waiters.next_deadline(), None);
    bench.check(&[("RPUSH k 1", "")]);
    assert_eq!(bench.run("", "LLEN k"), "(integer) 1");
}

#[test]
fn scripts_wait_for_nothing() {
    let mut bench = Bench::new();
    bench.run("", "XGROUP CREATE s g $ MKSTREAM");
    let refused =
        |name: &str| format!("(error) ERR {name} command is not allowed with BLOCK option from scripts");
    for (request, expected) in [
        ("EVAL return(redis.call('blmpop','0','1','k','LEFT')) 0", "(null)"),
        ("EVAL return(redis.call('xread','block','0','streams','s','$')) 0", &refused("xread")),
        (
            "EVAL return(redis.call('xreadgroup','group','g','c','block','0','streams','s','>')) 0",
            &refused("xreadgroup"),
        ),
        ("EVAL return(redis.call('xreadgroup','group','g','c','streams','s','>')) 0", "(null)"),
    ] {
        let reply = bench.run("a", request);
        assert!(reply.starts_with(expected), "{request}: {reply}");
    }
    assert!(bench.state.waiters.is_empty());
}

#[test]
fn timeouts_are_read_as_redis_reads_them() {
    let mut bench = Bench::new();
    for (timeout, error) in [
        ("-1", "ERR timeout is negative"),
        ("x", "ERR timeout is not a float or out of range"),
        ("inf", "ERR timeout is not a float or out of range"),
        ("1e300", "ERR timeout is not a float or out of range"),
    ] {
        for request in
            ["BLPOP k T", "BZPOPMIN k T", "BLMOVE k k LEFT LEFT T", "BLMPOP T 1 k LEFT", "BZMPOP T 1 k MIN"]
        {
            let reply =
                bench.run("a", &request.replace('T', timeout).replace(&format!("LEF{timeout}"), "LEFT"));
            assert_eq!(reply, format!("(error) {error}"), "{request} {timeout}");
        }
    }
    for (timeout, deadline) in [("1e3", 1_000_000), ("0.5", 500), ("1.0005", 1_001), ("0.0001", 1)] {
        bench.run("a", &format!("BLPOP k {timeout}"));
        assert_eq!(bench.state.waiters.next_deadline(), Some(Millis(deadline)), "{timeout}");
        let (ticket, _) = bench.state.waiters.iter().next().expect("somebody waits");
        bench.service(|service| service.unblock(ticket, Unblock::Gone));
    }
}

#[test]
fn a_restored_state_goes_on_serving() {
    let mut bench = Bench::new();
    bench.check(&[("a: BLPOP k j 0", ""), ("b: BLPOP j 9", ""), ("c: BZPOPMIN z 0", "")]);
    bench.state = State::decode(bench.state.capture().encode()).expect("a whole snapshot");
    bench.check(&[
        ("RPUSH j 1", r#"a ["j", "1"]"#),
        ("RPUSH k 1", ""),
        ("RPUSH j 2", r#"b ["j", "2"]"#),
        ("ZADD z 1 m", r#"c ["z", "m", "1"]"#),
    ]);
    assert_eq!(bench.state.waiters.next_deadline(), None);
}
