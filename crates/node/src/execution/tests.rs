//! The same batches on their origin and on another node: one state, whatever the origin answers and reads besides,
//! and the same answers where the other node is asked for them.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use quorate_commands::{Flag, Route, Settings, Unblock, resolve};
use quorate_keyspace::{Millis, Seed};
use quorate_raft::NodeId;
use quorate_resp::Request;
use tokio::sync::oneshot;

use super::*;
use crate::batch::{BatchBuilder, Data};
use crate::desk::Desk;
use crate::group::{Queued, Slot, Watched};
use crate::pipeline::place;
use crate::session::Front;

/// What a client hands over at a time.
#[derive(Debug, Clone)]
enum Part {
    Request(&'static str),
    Transaction { commands: Vec<&'static str>, watches: Watches },
}

#[derive(Debug, Clone, Copy)]
enum Watches {
    Nothing,
    Right,
    Wrong,
}

/// Commands that depend on chance, time, versions or what precedes them; reads as well.
const COMMANDS: &[&str] = &[
    "SET n 1",
    "INCR n",
    "SET n x",
    "GET n",
    "APPEND s x",
    "EXPIRE n 1",
    "PEXPIRE s 30",
    "DEL n s",
    "RENAME n k",
    "RANDOMKEY",
    "SADD k a b c d e f g",
    "SADD k 1 2 3",
    "SPOP k 2",
    "SPOP k",
    "SRANDMEMBER k -3",
    "HSET h a 1 b 2 c 3",
    "HRANDFIELD h 2",
    "HDEL h a b",
    "ZADD z 1 a 2 b 3 c",
    "ZPOPMIN z",
    "ZRANDMEMBER z",
    "RPUSH l a b c",
    "LPOP l 2",
    "LRANGE l 0 -1",
    "XADD q * f v",
    "XLEN q",
    "XGROUP CREATE q g $ MKSTREAM",
    "XGROUP DESTROY q g",
    "BLPOP l z 0",
    "BLMOVE l k LEFT RIGHT 0.03",
    "BZPOPMAX z w 0.05",
    "BZMPOP 0 1 z MIN COUNT 2",
    "XREADGROUP GROUP g me BLOCK 0 STREAMS q >",
    "CLIENT UNBLOCK 1",
    "FLUSHALL",
    "EVAL redis.call('INCR','n');return{redis.pcall('LPUSH','k','x'),redis.log(2,'line')} 0",
    "SWAPDB 0 1",
    "CONFIG SET set-max-listpack-entries 3",
    "CONFIG SET set-max-listpack-entries 128",
];

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let command = || prop::sample::select(COMMANDS);
    let watches = prop::sample::select(vec![Watches::Nothing, Watches::Right, Watches::Wrong]);
    let part = prop_oneof![
        3 => command().prop_map(Part::Request),
        1 => (prop::collection::vec(command(), 1..5), watches)
            .prop_map(|(commands, watches)| Part::Transaction { commands, watches }),
    ];
    prop::collection::vec(part, 1..12)
}

fn queued(line: &str) -> Queued {
    let request = Request::from_args(line.split(' '));
    let args: RequestArgs<'_> = request.args().collect();
    let command = resolve(Args::new(&args)).expect("a command that there is");
    drop(args);
    Queued { db: DbIndex::ZERO, command, request, protocol: Protocol::Resp3 }
}

fn slot(part: &Part, state: &State) -> Slot {
    let style = Style { protocol: Protocol::Resp3, silent: false };
    match part {
        Part::Request(line) => {
            let Queued { db, command, request, .. } = queued(line);
            match command.route {
                Route::Session(_) => {
                    let ticket = state.waiters.iter().next().map_or(Ticket(0), |(ticket, _)| ticket);
                    Slot::Unblock { ticket, how: Unblock::Error, style }
                }
                Route::Write(_) if command.flags.has(Flag::Blocking) => {
                    let seat = Seat { deadline: None, ticket: Arc::default(), wake: oneshot::channel().0 };
                    Slot::Wait { db, command, request, style, seat }
                }
                Route::Write(_) => Slot::Write { db, command, request, style, caller: None },
                _ => Slot::Read { db, command, request, style, caller: None },
            }
        }
        Part::Transaction { commands, watches } => {
            let commands: Vec<Queued> = commands.iter().map(|line| queued(line)).collect();
            let current = state.keyspace.db(DbIndex::ZERO).key_version(b"n", state.clock);
            let watched =
                |version| vec![Watched { db: DbIndex::ZERO, key: Bytes::from_static(b"n"), version }];
            let watched = match watches {
                Watches::Nothing => Vec::new(),
                Watches::Right => watched(current),
                Watches::Wrong => watched(Version(current.0 + 1)),
            };
            let (elements, command) = (commands.len(), queued("EXEC").command);
            Slot::Transaction(Box::new(Transaction {
                command,
                watched,
                commands,
                elements,
                style,
                caller: None,
            }))
        }
    }
}

/// A group as its origin has it, and the entry's bytes.
fn seal(group: Vec<Slot>, sequence: u64) -> (Bytes, Sealed, oneshot::Receiver<Result<Bytes, Failure>>) {
    let mut builder = BatchBuilder::with_capacity(0);
    let places = group.into_iter().map(|slot| place(slot, &mut builder)).collect();
    let (reply, replies) = oneshot::channel();
    let data = builder.seal(Origin { node: NodeId(1), incarnation: 1 }, sequence);
    (data, Sealed { client: None, places, reply }, replies)
}

fn apply(state: &mut State, index: u64, data: &[u8], groups: Vec<Sealed>, front: &Front) -> Bytes {
    let Ok(Data::Batch { origin, requests, .. }) = Data::decode(data) else { panic!("a batch was sealed") };
    let stamp = Stamp { time: state.clock, seed: index.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
    let is_own = !groups.is_empty();
    let entry = BatchEntry { index, stamp, origin, is_own, requests, groups };
    let (desk, mut outbox) = (Desk::default(), Vec::new());
    let serving = &mut Serving::new(&desk);
    // Whether anybody listens is a node's own business as well.
    state.keyspace.note_changes(is_own);
    let here = Here { node: NodeId(1), front, has_listeners: is_own, has_trackers: is_own };
    run_batch(state, entry, &here, serving, &mut outbox, &mut Reply::discarding()).expect("a whole batch");
    state.keyspace.expire_slice(state.clock, 2);
    outbox.pop().map(|(_, replies)| replies).unwrap_or_default()
}

/// Whether one of the parts may wait, and be served by another.
fn may_wait(parts: &[Part]) -> bool {
    parts
        .iter()
        .any(|part| matches!(part, Part::Request(line) if line.starts_with('B') || line.contains("BLOCK ")))
}

/// The number of replies in a buffer.
fn replies(bytes: &Bytes) -> usize {
    let mut bytes = bytes::BytesMut::from(&bytes[..]);
    std::iter::from_fn(|| quorate_resp::Value::decode(&mut bytes).expect("well-formed replies")).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_state_follows_from_the_batch_and_not_from_who_sent_it(
        batches in prop::collection::vec((parts(), 0..60_i64), 1..12),
        restored_at in 0..12_usize,
    ) {
        let mut origin = State::new(Seed([3; 16]));
        let mut other = State::new(Seed([3; 16]));
        let mut twin = State::new(Seed([3; 16]));
        let mut other_settings = Settings::default();
        other_settings.set_node(&[(b"port", b"7")]).expect("a setting of a node");
        let (front, other_front) = (Front::new(Settings::default()), Front::new(other_settings));
        for (number, (parts, later)) in batches.iter().enumerate() {
            for state in [&mut origin, &mut other, &mut twin] {
                state.clock = Millis(state.clock.0.max(1_000) + later);
            }
            let group = parts.iter().map(|part| slot(part, &origin)).collect();
            let index = number as u64 + 1;
            let (data, sealed, _kept) = seal(group, index);
            let (same, twin_sealed, _twin_kept) =
                seal(parts.iter().map(|part| slot(part, &twin)).collect(), index);
            prop_assert_eq!(&same, &data);
            let answered = apply(&mut origin, index, &data, vec![sealed], &front);
            let waiting = origin.waiters.iter().filter(|(ticket, _)| ticket.0 >> POSITION_BITS == index).count();
            // Who was served within the batch that it came with has its reply elsewhere.
            prop_assert!(replies(&answered) + waiting == parts.len() || may_wait(parts), "{:?}", parts);
            let answered_by_twin = apply(&mut twin, index, &data, vec![twin_sealed], &other_front);
            prop_assert_eq!(answered, answered_by_twin, "{:?}", parts);
            apply(&mut other, index, &data, Vec::new(), &other_front);
            prop_assert_eq!(origin.digest(), other.digest(), "after batch {}: {:?}", index, parts);
            if number == restored_at {
                other = State::decode(other.capture().encode()).expect("a whole snapshot");
            }
        }
    }
}
