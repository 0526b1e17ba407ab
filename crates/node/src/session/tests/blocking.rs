//! Blocking commands on a node without a cluster.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Talk;
use crate::session::{Backend, Solo};

/// Has a client of its own say something; gives when it is over.
fn ask(solo: &Arc<Solo>, pipeline: &'static str) -> tokio::task::JoinHandle<String> {
    let mut talk = Talk::to(solo);
    tokio::spawn(async move { talk.say(pipeline).await })
}

/// Lets others run until so many clients wait.
async fn until_blocked(solo: &Arc<Solo>, wanted: usize) {
    let blocked = || solo.front().clients.all().iter().filter(|client| client.is_blocked()).count();
    while blocked() != wanted {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn those_who_wait_are_served_in_turn() {
    let solo: Arc<Solo> = Arc::default();
    let first = ask(&solo, "BLPOP none queue 0\nLLEN queue");
    until_blocked(&solo, 1).await;
    let second = ask(&solo, "BLMOVE queue other LEFT RIGHT 0");
    until_blocked(&solo, 2).await;
    let third = ask(&solo, "BZPOPMIN scores 0");
    until_blocked(&solo, 3).await;
    let mut talk = Talk::to(&solo);
    assert!(talk.text("INFO clients").await.contains("blocked_clients:3\n"));
    // `none`, `queue` and `scores`.
    assert!(talk.text("INFO clients").await.contains("total_blocking_keys:3\n"));
    assert_eq!(talk.say("RPUSH queue a b c\nZADD scores 1 m").await, ":3|:1|");
    assert_eq!(first.await.expect("it ends"), "*2|$5|queue|$1|a|:1|");
    assert_eq!(second.await.expect("it ends"), "$1|b|");
    assert_eq!(third.await.expect("it ends"), "*3|$6|scores|$1|m|$1|1|");
    assert_eq!(talk.say("LRANGE queue 0 -1\nLRANGE other 0 -1").await, "*1|$1|c|*1|$1|b|");
}

#[tokio::test]
async fn a_wait_ends_in_time_by_another_client_or_with_its_own() {
    let solo: Arc<Solo> = Arc::default();
    let mut talk = Talk::to(&solo);
    let late = ask(&solo, "BLPOP queue 0.01");
    while !late.is_finished() {
        // As the leader of a cluster does by itself.
        solo.tick();
        tokio::task::yield_now().await;
    }
    assert_eq!(late.await.expect("it ends"), "*-1|");

    let ended = ask(&solo, "BLPOP queue 0");
    until_blocked(&solo, 1).await;
    let clients = solo.front().clients.all();
    let id = clients.iter().find(|client| client.is_blocked()).expect("one that waits").id;
    assert_eq!(talk.say(&format!("CLIENT UNBLOCK {id} ERROR\nCLIENT UNBLOCK {id}")).await, ":1|:0|");
    assert_eq!(ended.await.expect("it ends"), "-UNBLOCKED client unblocked via CLIENT UNBLOCK|");

    let gone = ask(&solo, "BLPOP queue 0");
    until_blocked(&solo, 1).await;
    gone.abort();
    assert!(gone.await.expect_err("it was ended").is_cancelled());
    assert_eq!(talk.say("RPUSH queue a\nLLEN queue").await, ":1|:1|");
}

#[tokio::test]
async fn a_reader_of_a_stream_waits_for_entries_and_keeps_track_of_it() {
    let solo: Arc<Solo> = Arc::default();
    let mut talk = Talk::to(&solo);
    let mut reader = Talk::to(&solo);
    reader.say("HELLO 3\nCLIENT TRACKING ON").await;
    let reading = tokio::spawn(async move {
        let reply = reader.say("XREAD BLOCK 0 STREAMS s $").await;
        (reply, reader)
    });
    until_blocked(&solo, 1).await;
    assert_eq!(talk.say("XADD s 1-1 f v").await, "$3|1-1|");
    let (reply, mut reader) = reading.await.expect("it ends");
    assert_eq!(reply, "%1|$1|s|*1|*2|$3|1-1|*2|$1|f|$1|v|");
    // What it was told of by its entry is not told again, and what comes later is.
    reader.mail();
    talk.say("XADD s 2-1 f v").await;
    assert_eq!(reader.mail(), ">2|$10|invalidate|*1|$1|s|");
    assert_eq!(solo.front().stats.lookups.hits.load(Relaxed), 1, "what was not there yet is no hit");
}
