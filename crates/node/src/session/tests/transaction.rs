//! Transactions: what goes through the log and how often, what is bounded, what others see, what fails.

use std::sync::Arc;

use super::super::{Admission, Backend, Solo, TRANSACTION_BYTES_MAX};
use super::{Talk, check};
use crate::group::Failure;

#[tokio::test]
async fn a_pipeline_of_transactions_is_one_group() {
    let mut talk = Talk::new();
    let solo = talk.solo();
    let reply = talk.say("MULTI\nINCR n\nGET n\nEXEC\nGET n\nMULTI\nINCR n\nEXEC\nPING").await;
    let expected = "+OK|+QUEUED|+QUEUED|*2|:1|$1|1|$1|1|+OK|+QUEUED|*1|:2|+PONG|";
    assert_eq!((reply.as_str(), solo.rounds()), (expected, (0, 1)));
}

#[tokio::test]
async fn a_transaction_that_only_reads_shares_a_barrier() {
    let mut talk = Talk::new();
    let solo = talk.solo();
    let reply = talk.say("GET a\nMULTI\nGET a\nGET b\nEXEC\nGET c").await;
    assert_eq!((reply.as_str(), solo.rounds()), ("$-1|+OK|+QUEUED|+QUEUED|*2|$-1|$-1|$-1|", (1, 0)));
    // Nothing about data: nobody is asked. A watched key is about data.
    check(&mut talk, &[("MULTI\nPING\nEXEC", "+OK|+QUEUED|*1|+PONG|"), ("MULTI\nEXEC", "+OK|*0|")]).await;
    assert_eq!(solo.rounds(), (1, 0));
    check(&mut talk, &[("WATCH a", "+OK|"), ("MULTI\nPING\nEXEC", "+OK|+QUEUED|*1|+PONG|")]).await;
    assert_eq!(solo.rounds(), (3, 0));
}

#[tokio::test]
async fn reads_before_a_transaction_that_writes_see_what_was_before() {
    let mut talk = Talk::new();
    let reply = talk.say("GET n\nMULTI\nINCR n\nEXEC\nSELECT 1\nGET n").await;
    assert_eq!(reply, "$-1|+OK|+QUEUED|*1|:1|+OK|$-1|");
}

#[tokio::test]
async fn a_change_by_another_client_makes_exec_do_nothing() {
    let mut one = Talk::new();
    let mut two = Talk::to(&one.solo());
    for change in ["SET k 1", "DEL k", "SET k 1 EX 100", "EXPIRE k 50", "APPEND k x", "FLUSHALL"] {
        assert_eq!(one.say("WATCH k").await, "+OK|");
        two.say(change).await;
        check(&mut one, &[("MULTI\nSET k mine\nEXEC", "+OK|+QUEUED|*-1|"), ("GET mine", "$-1|")]).await;
    }
    assert_eq!(one.say("WATCH k").await, "+OK|");
    two.say("GET k\nSET other 1\nDEL nothing").await;
    check(&mut one, &[("MULTI\nSET k mine\nEXEC", "+OK|+QUEUED|*1|+OK|")]).await;
    // The watch has ended with EXEC.
    two.say("SET k 2").await;
    check(&mut one, &[("MULTI\nGET k\nEXEC", "+OK|+QUEUED|*1|$1|2|")]).await;
}

#[tokio::test]
async fn nothing_of_a_connection_that_goes_takes_effect() {
    let mut talk = Talk::new();
    let solo = talk.solo();
    talk.say("MULTI\nSET k 1").await;
    drop(talk);
    check(&mut Talk::to(&solo), &[("GET k", "$-1|"), ("EXEC", "-ERR EXEC without MULTI|")]).await;
    check(
        &mut Talk::to(&solo),
        &[("MULTI\nSET k 1\nRESET\nEXEC", "+OK|+QUEUED|+RESET|-ERR EXEC without MULTI|")],
    )
    .await;
}

#[tokio::test]
async fn others_see_how_much_is_queued() {
    let mut talk = Talk::new();
    let mut other = Talk::to(&talk.solo());
    for (request, flags, multi) in [
        ("PING", "flags=N", "multi=-1"),
        ("MULTI", "flags=x", "multi=0"),
        ("SET a 1\nSET b 2", "flags=x", "multi=2"),
        ("EXEC", "flags=N", "multi=-1"),
    ] {
        talk.say(request).await;
        let line = other.text("CLIENT LIST ID 1").await;
        assert!(line.contains(flags) && line.contains(multi), "{request}: {line}");
    }
}

#[tokio::test]
async fn what_a_transaction_holds_is_bounded() {
    let mut talk = Talk::new();
    let large = "x".repeat(TRANSACTION_BYTES_MAX / 4);
    let too_large = "-ERR The transaction's commands and watched keys are too large together|";
    let set = format!("SET k {large}");
    assert_eq!(talk.say(&format!("WATCH {large}")).await, "+OK|");
    check(&mut talk, &[("MULTI", "+OK|"), (&set, "+QUEUED|"), (&set, "+QUEUED|"), (&set, too_large)]).await;
    check(
        &mut talk,
        &[
            (&set, "+QUEUED|"),
            ("EXEC", "-EXECABORT Transaction discarded because of previous errors.|"),
            ("EXISTS k", ":0|"),
        ],
    )
    .await;
    for _ in 0..3 {
        talk.say(&format!("SELECT 0\nWATCH {large}")).await;
    }
    // The same key takes no more.
    assert_eq!(talk.say(&format!("WATCH a{large} b{large}")).await, "+OK|");
    assert_eq!(talk.say(&format!("WATCH c{large}")).await, too_large);
    assert_eq!(talk.say("UNWATCH").await, "+OK|");
    assert_eq!(talk.say(&format!("WATCH c{large}")).await, "+OK|");
}

#[tokio::test]
async fn a_refused_transaction_is_over() {
    let mut talk = Talk::new();
    let solo = talk.solo();
    for commands in ["INCR n", "GET n", "INCR n\nPING", "PING\nGET n"] {
        talk.say("MULTI").await;
        talk.say(commands).await;
        solo.fail_next(Failure::Refused("CLUSTERDOWN no".to_owned()));
        check(&mut talk, &[("EXEC", "-CLUSTERDOWN no|"), ("EXEC", "-ERR EXEC without MULTI|")]).await;
    }
    solo.fail_next(Failure::Refused("CLUSTERDOWN no".to_owned()));
    check(&mut talk, &[("WATCH n", "-CLUSTERDOWN no|"), ("GET n", "$-1|")]).await;
    for commands in ["INCR n", "PING\nINCR n"] {
        let mut talk = Talk::to(&solo);
        talk.say("MULTI").await;
        talk.say(commands).await;
        solo.fail_next(Failure::Unknown);
        assert_eq!((talk.say("EXEC").await.as_str(), talk.closed), ("", true));
    }
}

#[tokio::test]
async fn a_full_memory_lets_a_transaction_end() {
    let mut talk = Talk::new();
    let solo = talk.solo();
    let oom = "OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(talk.say("MULTI\nSET k 1").await, "+OK|+QUEUED|");
    solo.set_admission(Admission::OutOfMemory);
    let aborted = format!("-EXECABORT Transaction discarded because of: {oom}|");
    check(&mut talk, &[("EXEC", &aborted), ("EXEC", "-ERR EXEC without MULTI|")]).await;
    // What is queued takes memory: everything but the end of the transaction is refused.
    let refused = format!("+OK|-{oom}|");
    check(&mut talk, &[("MULTI\nGET k", &refused), ("DISCARD", "+OK|"), ("GET k", "$-1|")]).await;
    solo.set_admission(Admission::Open);
    talk.say("MULTI\nDEL k").await;
    solo.set_admission(Admission::OutOfMemory);
    check(&mut talk, &[("EXEC", "*1|:0|")]).await;
    solo.set_admission(Admission::Open);
    talk.say("MULTI\nGET k").await;
    solo.set_admission(Admission::Loading);
    let loading =
        "-EXECABORT Transaction discarded because of: LOADING Redis is loading the dataset in memory|";
    check(&mut talk, &[("EXEC", loading)]).await;
}

#[tokio::test]
async fn calls_and_errors_inside_are_counted() {
    let mut talk = Talk::new();
    let solo = talk.solo();
    talk.say("SET s x").await;
    talk.say("MULTI\nINCR s\nGET s\nEXEC").await;
    talk.say("MULTI\nINCR s\nPING\nEXEC").await;
    talk.say("MULTI\nGET s\nLLEN s\nEXEC\nMULTI\nNOSUCH\nEXEC").await;
    let stats = &solo.front().stats;
    let count = |name: &str| {
        let used = stats.used().find(|used| used.command.name == name).expect("it was used");
        let load = |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Relaxed);
        (load(&used.calls), load(&used.failed))
    };
    for (name, expected) in [
        ("multi", (4, 0)),
        ("exec", (4, 1)),
        ("incr", (2, 2)),
        ("get", (2, 0)),
        ("llen", (1, 1)),
        ("ping", (1, 0)),
    ] {
        assert_eq!(count(name), expected, "{name}");
    }
    let errors = stats.errors();
    assert_eq!((errors["ERR"], errors["WRONGTYPE"], errors["EXECABORT"]), (3, 1, 1), "{errors:?}");
}

#[tokio::test]
async fn silence_and_pauses_hold_for_transactions() {
    let mut talk = Talk::new();
    let said = talk.say("MULTI\nINCR n\nCLIENT REPLY SKIP\nEXEC\nGET n").await;
    assert_eq!(said, "+OK|+QUEUED|+QUEUED|*2|:1|+OK|", "the skip holds for the request behind EXEC");
    let said = talk
        .say("CLIENT REPLY OFF\nMULTI\nINCR n\nEXEC\nMULTI\nINCR n\nPING\nEXEC\nCLIENT REPLY ON\nGET n")
        .await;
    assert_eq!(said, "+OK|$1|3|");
    talk.say("CLIENT PAUSE 100000 WRITE").await;
    check(&mut talk, &[("MULTI\nGET n\nEXEC", "+OK|+QUEUED|*1|$1|3|")]).await;
    let mut writer = Talk::to(&talk.solo());
    assert_eq!(writer.say("MULTI").await, "+OK|");
    let solo: Arc<Solo> = talk.solo();
    let write = tokio::spawn(async move { writer.say("INCR n\nEXEC").await });
    while !solo.front().clients.get(2).is_some_and(|client| client.is_blocked()) {
        tokio::task::yield_now().await;
    }
    check(&mut talk, &[("GET n", "$1|3|"), ("CLIENT UNPAUSE", "+OK|")]).await;
    assert_eq!(write.await.expect("it ends"), "+QUEUED|*1|:4|");
}
