//! Clients that wait, track or listen, while what they rely on dies or is replaced.

use std::time::Duration;

use quorate_resp::Value;
use quorate_testkit::{COMES_UP, Client, Cluster, until};

use crate::{QUORATE, alone, calm, count};

fn bulk(text: &str) -> Value {
    Value::Bulk(text.to_owned().into())
}

fn popped(key: &str, element: &str) -> Value {
    Value::Array(vec![bulk(key), bulk(element)])
}

fn wait_until_info(client: &mut Client, line: &str) {
    until(line, COMES_UP, || {
        let info = client.text(&["INFO", "everything"]).expect("a text");
        info.lines().any(|found| found == line).then_some(())
    });
}

/// What a client keeps is never out of date unnoticed: each change that anybody makes anywhere is told once.
#[test]
fn a_client_that_tracks_is_told_of_each_change_on_another_node_while_the_leader_dies() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let leader = cluster.leader();
    let (near, far) = ((leader + 1) % 3, (leader + 2) % 3);
    let (mut tracker, mut prefixes, mut writer) =
        (cluster.client(near), cluster.client(near), cluster.client(far));
    for (client, options) in [
        (&mut tracker, &["CLIENT", "TRACKING", "ON"][..]),
        (&mut prefixes, &["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k"]),
    ] {
        client.call(&["HELLO", "3"]).expect("a greeting");
        assert_eq!(client.text(options).as_deref(), Some("OK"));
    }
    let told = |key: &str| Value::Push(vec![bulk("invalidate"), Value::Array(vec![bulk(key)])]);
    let rounds = count(60, 3_000);
    for round in 0..rounds {
        if round == rounds / 3 {
            cluster.kill(leader);
        }
        let (key, value) = (format!("key:{}", round % 7), round.to_string());
        let kept = tracker.call(&["GET", &key]).expect("a value");
        let expected = round.checked_sub(7).map_or(Value::Null, |before| bulk(&before.to_string()));
        assert_eq!(kept, expected, "{key}");
        assert_eq!(writer.text(&["SET", &key, &value]).as_deref(), Some("OK"));
        assert_eq!(tracker.receive().expect("a push"), told(&key), "round {round}");
        assert_eq!(prefixes.receive().expect("a push"), told(&key), "round {round}");
    }
}

/// An entry of a stream reaches whoever waits to read it on a node that follows, through the death of the leader.
#[test]
fn a_reader_that_waits_on_a_follower_misses_no_entry_while_the_leader_dies() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let leader = cluster.leader();
    let (near, far) = ((leader + 1) % 3, (leader + 2) % 3);
    let (mut reader, mut writer) = (cluster.client(near), cluster.client(far));
    let mut last = "0-0".to_owned();
    let rounds = count(40, 2_000);
    for round in 0..rounds {
        reader.send(&[&["XREAD", "BLOCK", "0", "STREAMS", "stream", &last]]).expect("an open connection");
        wait_until_info(&mut cluster.client(near), "blocked_clients:1");
        if round == rounds / 2 {
            cluster.kill(leader);
        }
        let id = writer.text(&["XADD", "stream", "*", "n", &round.to_string()]).expect("an id");
        let entry = Value::Array(vec![bulk(&id), Value::Array(vec![bulk("n"), bulk(&round.to_string())])]);
        let expected = Value::Array(vec![Value::Array(vec![bulk("stream"), Value::Array(vec![entry])])]);
        assert_eq!(reader.receive().expect("an entry"), expected, "round {round}");
        last = id;
    }
}

/// A pause holds up requests of one node's clients; who waits already is served, and who is held up comes to it.
#[test]
fn a_pause_loses_nobody_who_waits() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let (mut early, mut late, mut pauser) = (cluster.client(0), cluster.client(0), cluster.client(0));
    early.send(&[&["BLPOP", "queue", "0"]]).expect("an open connection");
    let mut other = cluster.client(1);
    wait_until_info(&mut other, "quorate_waiters:1");
    assert_eq!(pauser.text(&["CLIENT", "PAUSE", "1500", "WRITE"]).as_deref(), Some("OK"));
    late.send(&[&["BLPOP", "queue", "0"]]).expect("an open connection");
    assert_eq!(other.integer(&["RPUSH", "queue", "a", "b"]), 2);
    assert_eq!(early.receive().expect("an element"), popped("queue", "a"));
    assert_eq!(late.receive().expect("an element"), popped("queue", "b"));
    assert_eq!(other.integer(&["EXISTS", "queue"]), 0);
}

/// A node that has missed more than the log keeps gets the waiters of the others in a snapshot, and what it does with
/// them is done once. Its own clients, whose fate it does not know, are cut off rather than left to wait for nothing.
#[test]
fn waiters_and_subscriptions_are_kept_through_a_snapshot_of_a_node_that_was_away() {
    let _alone = alone();
    let small = ["--segment-bytes", "1mb", "--snapshot-log-bytes", "1mb", "--log-kept-bytes-max", "1mb"];
    let cluster = Cluster::start(QUORATE, 3, &calm(&small));
    let (leader, late) = (cluster.leader(), cluster.follower());
    let third = (0..3).find(|node| *node != leader && *node != late).expect("three nodes");
    let (mut waiting, mut listening) = (cluster.client(third), cluster.client(third));
    let (mut lost, mut deaf) = (cluster.client(late), cluster.client(late));
    lost.send(&[&["BLPOP", "late", "0"]]).expect("an open connection");
    for listener in [&mut listening, &mut deaf] {
        listener.call(&["SUBSCRIBE", "news"]).expect("an answer");
    }
    let mut client = cluster.client(leader);
    wait_until_info(&mut client, "quorate_waiters:1");
    let missed_from =
        cluster.nodes[late].get("/v1/node").expect("a report")["last_log"].as_u64().expect("an index");
    cluster.pause(late, true);
    wait_until_info(&mut client, "quorate_waiters:0");
    waiting.send(&[&["BLPOP", "queue", "0"]]).expect("an open connection");
    wait_until_info(&mut client, "quorate_waiters:1");
    let large = "x".repeat(100_000);
    until("the others' logs begin after what the late node has", COMES_UP, || {
        assert_eq!(client.text(&["SET", "large", &large]).as_deref(), Some("OK"));
        let begins = |i: usize| cluster.nodes[i].get("/v1/node").ok()?["first_log"].as_u64();
        [leader, third].iter().all(|i| begins(*i).is_some_and(|first| first > missed_from + 1)).then_some(())
    });
    assert_eq!(client.text(&["SET", "last", "1"]).as_deref(), Some("OK"));
    cluster.pause(late, false);
    cluster.wait_ready();

    let mut producer = cluster.client(late);
    until("the late node has caught up", COMES_UP, || {
        (producer.text(&["GET", "last"]).as_deref() == Some("1")).then_some(())
    });
    assert!(deaf.receive().is_err(), "a subscriber of the late node has missed messages, and learns of it");
    assert_eq!(producer.integer(&["RPUSH", "queue", "a", "b"]), 2);
    assert_eq!(waiting.receive().expect("an element"), popped("queue", "a"));
    assert_eq!(client.integer(&["LLEN", "queue"]), 1);
    // The one who waited on the late node is cut off, or waits again; what is pushed for it is with one of the two.
    assert_eq!(producer.integer(&["RPUSH", "late", "x"]), 1);
    match lost.receive() {
        Ok(reply) => {
            assert_eq!(reply, popped("late", "x"));
            assert_eq!(client.integer(&["LLEN", "late"]), 0);
        }
        Err(_) => assert_eq!(client.integer(&["LLEN", "late"]), 1),
    }
    until("the one listener that is left is counted", Duration::from_secs(60), || {
        let numbers = producer.call(&["PUBSUB", "NUMSUB", "news"]).expect("an answer");
        (numbers == Value::Array(vec![bulk("news"), Value::Integer(1)])).then_some(())
    });
    assert_eq!(producer.integer(&["PUBLISH", "news", "late"]), 1);
    let message = Value::Array(vec![bulk("message"), bulk("news"), bulk("late")]);
    assert_eq!(listening.receive().expect("a message"), message);
}
