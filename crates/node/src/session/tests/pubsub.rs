//! Subscriptions and messages.

use std::sync::Arc;

use super::{Talk, check};
use crate::session::Solo;

/// A push or array of bulk strings and numbers, as it is sent.
pub(super) fn sent(mark: char, parts: &[&str]) -> String {
    let mut text = format!("{mark}{}|", parts.len());
    for part in parts {
        match part.strip_prefix(':') {
            Some(number) => text.push_str(&format!(":{number}|")),
            None if *part == "nil" => text.push_str(if mark == '>' { "_|" } else { "$-1|" }),
            None => text.push_str(&format!("${}|{part}|", part.len())),
        }
    }
    text
}

#[tokio::test]
async fn subscriptions_are_answered_and_counted() {
    let solo: Arc<Solo> = Arc::default();
    let (mut one, mut two) = (Talk::to(&solo), Talk::to(&solo));
    let ack = |word: &str, name: &str, count: &str| sent('*', &[word, name, count]);
    assert_eq!(
        one.say("SUBSCRIBE a b a").await,
        ack("subscribe", "a", ":1") + &ack("subscribe", "b", ":2") + &ack("subscribe", "a", ":2")
    );
    assert_eq!(one.say("PSUBSCRIBE a*").await, ack("psubscribe", "a*", ":3"));
    assert_eq!(one.say("SSUBSCRIBE a").await, ack("ssubscribe", "a", ":1"));
    assert!(two.text("CLIENT LIST TYPE pubsub").await.contains(" sub=2 psub=1 ssub=1 "));
    let cases = [
        ("PUBSUB CHANNELS", "*2|$1|a|$1|b|"),
        ("PUBSUB CHANNELS b*", "*1|$1|b|"),
        ("PUBSUB NUMSUB a c", "*4|$1|a|:1|$1|c|:0|"),
        ("PUBSUB NUMPAT", ":1|"),
        ("PUBSUB SHARDCHANNELS", "*1|$1|a|"),
        ("PUBSUB SHARDNUMSUB a", "*2|$1|a|:1|"),
        ("PUBLISH a x", ":2|"),
        ("PUBLISH c x", ":0|"),
        ("SPUBLISH a y", ":1|"),
    ];
    check(&mut two, &cases).await;
    assert_eq!(
        one.mail(),
        sent('*', &["message", "a", "x"])
            + &sent('*', &["pmessage", "a*", "a", "x"])
            + &sent('*', &["smessage", "a", "y"])
    );
    assert_eq!(one.say("UNSUBSCRIBE").await, ack("unsubscribe", "a", ":2") + &ack("unsubscribe", "b", ":1"));
    assert_eq!(one.say("PUNSUBSCRIBE none").await, ack("punsubscribe", "none", ":1"));
    assert_eq!(one.say("PUNSUBSCRIBE").await, ack("punsubscribe", "a*", ":0"));
    assert_eq!(one.say("SUNSUBSCRIBE").await, ack("sunsubscribe", "a", ":0"));
    assert_eq!(one.say("UNSUBSCRIBE").await, ack("unsubscribe", "nil", ":0"));
    let cases = [("PUBSUB CHANNELS", "*0|"), ("PUBSUB NUMPAT", ":0|"), ("PUBLISH a x", ":0|")];
    check(&mut two, &cases).await;
    assert_eq!(one.mail(), "");
}

#[tokio::test]
async fn who_listens_in_resp2_does_little_else() {
    let mut talk = Talk::new();
    talk.say("SUBSCRIBE a").await;
    let refused = |name: &str| {
        format!(
            "-ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context|"
        )
    };
    let (get, client) = (refused("get"), refused("client|id"));
    let cases = [
        ("GET a", get.as_str()),
        ("CLIENT ID", &client),
        ("PING", "*2|$4|pong|$0||"),
        ("PING x", "*2|$4|pong|$1|x|"),
        ("RESET", "+RESET|"),
        ("PING", "+PONG|"),
        ("PUBLISH a x", ":0|"),
    ];
    check(&mut talk, &cases).await;
}

#[tokio::test]
async fn messages_come_behind_the_replies_and_as_pushes() {
    let mut talk = Talk::new();
    talk.say("HELLO 3").await;
    let all = talk.say("SUBSCRIBE a\nPUBLISH a x\nGET k\nPUBLISH a y").await;
    assert_eq!(all, sent('>', &["subscribe", "a", ":1"]) + ":1|_|:1|");
    assert_eq!(talk.mail(), sent('>', &["message", "a", "x"]) + &sent('>', &["message", "a", "y"]));
    assert_eq!(talk.say("CLIENT REPLY OFF\nUNSUBSCRIBE\nPING").await, sent('>', &["unsubscribe", "a", ":0"]));
}

#[tokio::test]
async fn an_unsubscribed_client_gets_nothing_of_later() {
    let solo: Arc<Solo> = Arc::default();
    let (mut one, mut two) = (Talk::to(&solo), Talk::to(&solo));
    one.say("SUBSCRIBE a").await;
    two.say("PUBLISH a 1\nPUBLISH a 2").await;
    let all = one.say("UNSUBSCRIBE a").await;
    let message = |text| sent('*', &["message", "a", text]);
    assert_eq!(all, message("1") + &message("2") + &sent('*', &["unsubscribe", "a", ":0"]));
    two.say("PUBLISH a 3").await;
    assert_eq!(one.mail(), "");
}

#[tokio::test]
async fn a_connection_takes_its_subscriptions_with_it() {
    let solo: Arc<Solo> = Arc::default();
    let (mut one, mut two) = (Talk::to(&solo), Talk::to(&solo));
    one.say("SUBSCRIBE a b\nPSUBSCRIBE *").await;
    drop(one);
    // The counts go with the next request of the log.
    check(&mut two, &[("PUBLISH a x", ":0|"), ("PUBSUB CHANNELS", "*0|"), ("PUBSUB NUMPAT", ":0|")]).await;
}

#[tokio::test]
async fn keyspace_events_go_to_their_channels() {
    let solo: Arc<Solo> = Arc::default();
    let (mut one, mut two) = (Talk::to(&solo), Talk::to(&solo));
    one.say("PSUBSCRIBE __key*").await;
    two.say("SET k 1").await;
    assert_eq!(one.mail(), "");
    two.say("CONFIG SET notify-keyspace-events KEA\nSELECT 3\nSET k 1\nDEL k").await;
    let event = |channel, payload| sent('*', &["pmessage", "__key*", channel, payload]);
    assert_eq!(
        one.mail(),
        event("__keyspace@3__:k", "set")
            + &event("__keyevent@3__:set", "k")
            + &event("__keyspace@3__:k", "del")
            + &event("__keyevent@3__:del", "k")
    );
    two.say("CONFIG SET notify-keyspace-events El\nSET k 1\nRPUSH l a").await;
    assert_eq!(one.mail(), event("__keyevent@3__:rpush", "l"));
}

#[tokio::test]
async fn transactions_and_scripts_publish() {
    let solo: Arc<Solo> = Arc::default();
    let (mut one, mut two) = (Talk::to(&solo), Talk::to(&solo));
    one.say("SUBSCRIBE a").await;
    assert_eq!(two.say("MULTI\nPUBLISH a 1\nSET k v\nEXEC").await, "+OK|+QUEUED|+QUEUED|*2|:1|+OK|");
    assert_eq!(two.say("EVAL return(redis.call('publish','a','2')) 0").await, ":1|");
    assert_eq!(one.mail(), sent('*', &["message", "a", "1"]) + &sent('*', &["message", "a", "2"]));
    assert_eq!(
        two.say("MULTI\nSUBSCRIBE b\nEXEC").await,
        format!("+OK|+QUEUED|*1|{}", sent('*', &["subscribe", "b", ":1"]))
    );
}
