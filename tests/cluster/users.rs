//! Users and passwords: set on one node they hold on all, and survive what a cluster survives.

use quorate_resp::Value;
use quorate_testkit::{Client, Cluster, until};

use crate::{QUORATE, alone, calm};

const NO_AUTH: &str = "NOAUTH Authentication required.";

fn error(client: &mut Client, args: &[&str]) -> String {
    match client.call(args) {
        Ok(Value::Error(text)) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{args:?} gave {other:?} instead of an error"),
    }
}

fn ok(client: &mut Client, args: &[&str]) {
    assert_eq!(client.text(args).as_deref(), Some("OK"), "{args:?}");
}

/// What auditors check of a node's database: nothing without the password, on any node, at any time.
#[test]
fn a_password_set_on_one_node_holds_on_all_and_after_a_kill_of_all() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let secret = "a-secret-of-nobody";
    let mut early = cluster.client(1);
    ok(&mut early, &["SET", "key", "value"]);
    let mut admin = cluster.client(0);
    ok(&mut admin, &["CONFIG", "SET", "requirepass", secret]);
    ok(&mut admin, &["CONFIG", "REWRITE"]);
    assert_eq!(early.text(&["GET", "key"]).as_deref(), Some("value"), "who was connected stays so");

    for round in 0..2 {
        for node in 0..3 {
            // A node may be a moment behind the one that was told.
            let mut client =
                until("the node asks for the password", quorate_testkit::process::COMES_UP, || {
                    let mut client = cluster.client(node);
                    matches!(client.call(&["PING"]), Ok(Value::Error(_))).then_some(client)
                });
            for request in [&["INFO"][..], &["GET", "key"], &["CONFIG", "GET", "requirepass"], &["NOTHING"]] {
                let text = error(&mut client, request);
                assert!(text == NO_AUTH || request == ["NOTHING"], "{request:?}: {text}");
            }
            assert!(error(&mut client, &["AUTH", "wrong"]).starts_with("WRONGPASS "));
            ok(&mut client, &["AUTH", secret]);
            assert_eq!(client.text(&["GET", "key"]).as_deref(), Some("value"));
            let info = client.text(&["INFO", "everything"]).expect("figures");
            assert!(!info.contains(secret));
        }
        if round == 0 {
            (0..3).for_each(|node| cluster.kill(node));
            (0..3).for_each(|node| cluster.spawn(node));
            cluster.wait_ready();
        }
    }

    let mut client = cluster.client(2);
    ok(&mut client, &["AUTH", "default", secret]);
    ok(&mut client, &["CONFIG", "SET", "requirepass", ""]);
    until("no password is asked for", quorate_testkit::process::COMES_UP, || {
        matches!(cluster.client(0).call(&["GET", "key"]), Ok(Value::Bulk(_))).then_some(())
    });
}

/// Users are the cluster's: made on one node, met on all, gone from all.
#[test]
fn users_are_the_same_on_all_nodes_and_their_connections_end_with_them() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let mut admin = cluster.client(0);
    let rules = "on >a-password ~ann:* +@all -acl -flushall";
    let set: Vec<&str> = ["ACL", "SETUSER", "ann"].into_iter().chain(rules.split(' ')).collect();
    ok(&mut admin, &set);
    ok(&mut admin, &["ACL", "SAVE"]);

    for round in 0..2 {
        for node in 0..3 {
            let mut client = cluster.client(node);
            ok(&mut client, &["AUTH", "ann", "a-password"]);
            ok(&mut client, &["SET", "ann:1", "x"]);
            assert!(error(&mut client, &["SET", "bob:1", "x"]).starts_with("NOPERM "));
            assert!(error(&mut client, &["FLUSHALL"]).starts_with("NOPERM "));
            // What a script calls is decided where it is applied: on every node alike, or their states would differ.
            let script =
                "redis.call('SET', 'ann:2', ARGV[1]); redis.pcall('SET', 'bob:2', ARGV[1]); return 1";
            assert_eq!(client.integer(&["EVAL", script, "0", &node.to_string()]), 1);
        }
        for node in 0..3 {
            let mut client = cluster.client(node);
            assert_eq!(client.text(&["GET", "ann:2"]).as_deref(), Some("2"));
            assert_eq!(client.integer(&["EXISTS", "bob:1", "bob:2"]), 0);
            let Ok(Value::Array(users)) = client.call(&["ACL", "LIST"]) else { panic!("a list of users") };
            assert_eq!(users.len(), 2);
        }
        if round == 0 {
            (0..3).for_each(|node| cluster.kill(node));
            (0..3).for_each(|node| cluster.spawn(node));
            cluster.wait_ready();
        }
    }

    let mut elsewhere = cluster.client(1);
    ok(&mut elsewhere, &["AUTH", "ann", "a-password"]);
    let mut admin = cluster.client(0);
    assert_eq!(admin.integer(&["ACL", "DELUSER", "ann"]), 1);
    until("the deleted user's connection to another node ends", quorate_testkit::process::COMES_UP, || {
        elsewhere.call(&["GET", "ann:1"]).is_err().then_some(())
    });
    let mut again = cluster.client(2);
    assert!(error(&mut again, &["AUTH", "ann", "a-password"]).starts_with("WRONGPASS "));
}
