//! Messages between nodes: counted over the cluster, in the order of the log, through the death of a leader.

use std::thread;
use std::time::Duration;

use quorate_resp::Value;
use quorate_testkit::{Client, Cluster, until};

use crate::{QUORATE, alone, calm, count};

/// The texts of an array or push.
fn texts(value: Value) -> Vec<String> {
    let (Value::Array(items) | Value::Push(items)) = value else { panic!("no message: {value:?}") };
    items
        .iter()
        .map(|item| match item {
            Value::Integer(number) => number.to_string(),
            Value::Array(_) | Value::Null => format!("{item:?}"),
            other => other.as_str().expect("a text").to_owned(),
        })
        .collect()
}

/// Waits until a publication reaches so many.
fn until_reached(publisher: &mut Client, channel: &str, text: &str, receivers: i64) {
    until(&format!("{receivers} are reached"), Duration::from_secs(60), || {
        (publisher.integer(&["PUBLISH", channel, text]) == receivers).then_some(())
    });
}

fn subscribe(client: &mut Client, args: &[&str]) {
    let answer = texts(client.call(args).expect("an answer"));
    assert_eq!(answer[1], args[1], "{answer:?}");
}

fn next(client: &mut Client) -> Vec<String> {
    texts(client.receive().expect("a message"))
}

#[test]
fn a_message_reaches_the_subscribers_of_all_nodes_and_counts_them() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let mut listeners: Vec<Client> = (0..3).map(|node| cluster.client(node)).collect();
    for listener in &mut listeners {
        subscribe(listener, &["SUBSCRIBE", "news"]);
    }
    subscribe(&mut listeners[1], &["PSUBSCRIBE", "n*"]);
    for publisher in 0..3 {
        let mut publisher = cluster.client(publisher);
        assert_eq!(publisher.integer(&["PUBLISH", "news", "x"]), 4);
        assert_eq!(publisher.integer(&["PUBSUB", "NUMPAT"]), 1);
        for listener in &mut listeners {
            assert_eq!(next(listener), ["message", "news", "x"]);
        }
        assert_eq!(next(&mut listeners[1]), ["pmessage", "n*", "news", "x"]);
    }
    // Who hangs up is counted no more, and neither is who was connected to a node that is gone.
    drop(listeners.remove(0));
    let mut publisher = cluster.client(0);
    until_reached(&mut publisher, "news", "y", 3);
    cluster.kill(2);
    until_reached(&mut publisher, "news", "y", 2);
    cluster.spawn(2);
    cluster.wait_ready();
    subscribe(&mut cluster.client(2), &["SUBSCRIBE", "other"]);
    assert_eq!(publisher.integer(&["PUBLISH", "news", "y"]), 2);
}

#[test]
fn messages_stand_in_the_order_of_the_log_among_writes() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let mut listener = cluster.client(0);
    subscribe(&mut listener, &["SUBSCRIBE", "steps"]);
    let mut reader = cluster.client(0);
    let mut publisher = cluster.client(2);
    for step in 0..count(200, 5_000) {
        let step = step.to_string();
        publisher.send(&[&["SET", "step", &step], &["PUBLISH", "steps", &step]]).expect("it is sent");
        assert_eq!(next(&mut listener)[2], step);
        // Whoever reacts to a message sees the write that preceded it, even without a barrier.
        let seen: usize = reader.text(&["GET", "step"]).expect("it is set").parse().expect("a number");
        assert!(seen >= step.parse().expect("a number"), "{seen} after the message of {step}");
        assert!(publisher.receive().is_ok() && publisher.receive().is_ok());
    }
}

#[test]
fn subscribers_of_surviving_nodes_miss_nothing_while_the_leader_dies() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let leader = cluster.leader();
    let (near, far) = ((leader + 1) % 3, (leader + 2) % 3);
    let mut listeners = [cluster.client(near), cluster.client(far)];
    for listener in &mut listeners {
        subscribe(listener, &["SUBSCRIBE", "numbers"]);
    }
    let messages = count(300, 20_000);
    let mut publisher = cluster.client(far);
    let publishing = thread::spawn(move || {
        for number in 0..messages {
            let reached = publisher.integer(&["PUBLISH", "numbers", &number.to_string()]);
            assert_eq!(reached, 2, "message {number}");
        }
    });
    for number in 0..messages {
        if number == messages / 3 {
            cluster.kill(leader);
        }
        for listener in &mut listeners {
            assert_eq!(next(listener), ["message", "numbers", &number.to_string()]);
        }
    }
    publishing.join().expect("every message is acknowledged");
}

#[test]
fn keyspace_events_are_told_on_every_node() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let mut writer = cluster.client(0);
    assert_eq!(writer.text(&["CONFIG", "SET", "notify-keyspace-events", "KEA"]).as_deref(), Some("OK"));
    let mut listeners: Vec<Client> = (0..3).map(|node| cluster.client(node)).collect();
    for listener in &mut listeners {
        subscribe(listener, &["PSUBSCRIBE", "__keyevent@0__:*"]);
    }
    assert_eq!(writer.text(&["SET", "k", "v", "PX", "50"]).as_deref(), Some("OK"));
    for listener in &mut listeners {
        for event in ["set", "expire", "expired"] {
            let channel = format!("__keyevent@0__:{event}");
            assert_eq!(next(listener), ["pmessage", "__keyevent@0__:*", &channel, "k"]);
        }
    }
}

#[test]
fn a_subscriber_that_does_not_read_is_cut_off_and_counted_no_more() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let mut publisher = cluster.client(1);
    let limit = &["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0"];
    assert_eq!(publisher.text(limit).as_deref(), Some("OK"));
    let mut slow = cluster.client(0);
    subscribe(&mut slow, &["SUBSCRIBE", "flood"]);
    let text = "x".repeat(100_000);
    until_reached(&mut publisher, "flood", &text, 0);
    let mut last = slow.receive();
    while last.is_ok() {
        last = slow.receive();
    }
    assert!(last.is_err(), "its connection ends");
}
