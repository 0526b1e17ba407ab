//! What is executed together, in which order it is answered, and what happens when it fails.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use quorate_commands::{Route, commands};
use quorate_resp::Request;

use super::{Talk, check};
use crate::group::Failure;
use crate::session::{Admission, Backend, ClientOrigin, Flow, Session, Solo};

/// Rounds (barriers, groups) that a pipeline costs.
async fn check_rounds(pipeline: &str, rounds: (u64, u64), expected: &str) {
    let mut talk = Talk::new();
    assert_eq!(talk.say(pipeline).await, expected, "{pipeline}");
    assert_eq!(talk.solo().rounds(), rounds, "{pipeline}");
}

#[tokio::test]
async fn requests_go_together() {
    check_rounds("GET a\nGET b\nPING\nGET c", (1, 0), "$-1|$-1|+PONG|$-1|").await;
    check_rounds("SET a 1\nGET a\nPING\nINCR a\nGET a", (0, 1), "+OK|$1|1|+PONG|:2|$1|2|").await;
    check_rounds("GET a\nSET a 1\nGET a\nSET a 2\nGET a", (1, 1), "$-1|+OK|$1|1|+OK|$1|2|").await;
    check_rounds("PING\nECHO hi", (0, 0), "+PONG|$2|hi|").await;
    check_rounds("SET a 1\nRESET\nGET a", (1, 1), "+OK|+RESET|$1|1|").await;
    check_rounds("COMMAND COUNT", (0, 0), &Talk::new().say("COMMAND COUNT").await).await;
}

#[tokio::test]
async fn a_connection_chooses_how_strong_its_reads_are() {
    check_rounds("GET a\nCLIENT READMODE LOCAL\nGET a\nGET b", (1, 0), "$-1|+OK|$-1|$-1|").await;
    check_rounds("CLIENT READMODE local\nGET a\nCLIENT READMODE DEFAULT\nGET a", (1, 0), "+OK|$-1|+OK|$-1|")
        .await;
    check_rounds("CLIENT READMODE LOCAL\nRESET\nGET a", (1, 0), "+OK|+RESET|$-1|").await;
}

#[tokio::test]
async fn a_database_belongs_to_its_place_in_the_pipeline() {
    check_rounds(
        "SET k zero\nSELECT 1\nSET k one\nGET k\nSELECT 0\nGET k",
        (0, 1),
        "+OK|+OK|+OK|$3|one|+OK|$4|zero|",
    )
    .await;
}

#[tokio::test]
async fn errors_take_their_place() {
    let mut talk = Talk::new();
    let replies = talk.say("SET a x\nINCR a\nNOSUCH 1 2\nGET\nGET a").await;
    let expected = "+OK|-ERR value is not an integer or out of range|\
                    -ERR unknown command 'NOSUCH', with args beginning with: '1' '2' |\
                    -ERR wrong number of arguments for 'get' command|$1|x|";
    assert_eq!(replies, expected);
}

#[tokio::test]
async fn long_pipelines_are_cut_into_groups() {
    let mut talk = Talk::new();
    let pipeline = "INCR n\n".repeat(2500);
    let expected: String = (1..=2500).map(|n| format!(":{n}|")).collect();
    assert_eq!(talk.say(&pipeline).await, expected);
    assert_eq!(talk.solo().rounds(), (0, 3));
}

#[tokio::test]
async fn much_output_is_handed_over_before_more_is_made() {
    let mut talk = Talk::new();
    let value = "x".repeat(400_000);
    talk.say(&format!("SET big {value}")).await;
    let mut requests: VecDeque<_> = (0..5000).map(|_| Request::from_args(["GET", "big"])).collect();
    let mut rounds = 0;
    let mut bytes = 0;
    loop {
        let flow = talk.session.execute(&mut requests).await;
        let waiting: usize = talk.session.take_output().iter().map(bytes::Bytes::len).sum();
        assert!(waiting <= 2 * 1024 * 1024, "{waiting}");
        bytes += waiting;
        rounds += 1;
        if flow == Flow::Continue {
            break;
        }
        assert_eq!(flow, Flow::More);
    }
    assert!(rounds > 100, "{rounds}");
    assert_eq!(bytes, 5000 * 400_011);
    // Each thousand or so shares a barrier, however often it had to pause.
    assert!(talk.solo().rounds().0 <= 10, "{:?}", talk.solo().rounds());
}

#[tokio::test]
async fn commands_behind_much_output_keep_their_place() {
    let mut talk = Talk::new();
    let value = "x".repeat(700_000);
    talk.say(&format!("SET big {value}")).await;
    let reply = format!("$700000|{value}|");
    for (behind, expected) in [
        ("SET a 1\nGET a", "+OK|$1|1|"),
        ("SELECT 1\nGET big", "+OK|$-1|"),
        ("RESET", "+RESET|"),
        ("CLIENT REPLY SKIP\nINCR n\nPING", "+PONG|"),
        ("QUIT", "+OK|"),
    ] {
        let replies = talk.say(&format!("GET big\nGET big\nGET big\n{behind}")).await;
        assert_eq!(replies, format!("{reply}{reply}{reply}{expected}"), "{behind}");
        talk.say("SELECT 0").await;
    }
    assert!(talk.closed);
}

#[tokio::test]
async fn a_refused_group_is_answered_with_errors() {
    let mut talk = Talk::new();
    talk.solo().fail_next(Failure::Refused("CLUSTERDOWN The cluster is down".to_owned()));
    let replies = talk.say("SET a 1\nPING\nGET a").await;
    assert_eq!(replies, "-CLUSTERDOWN The cluster is down|+PONG|-CLUSTERDOWN The cluster is down|");
    assert!(!talk.closed);
    assert_eq!(talk.say("GET a").await, "$-1|");
    talk.solo().fail_next(Failure::Refused("CLUSTERDOWN no quorum".to_owned()));
    assert_eq!(talk.say("GET a\nPING\nGET b").await, "-CLUSTERDOWN no quorum|+PONG|-CLUSTERDOWN no quorum|");
}

#[tokio::test]
async fn an_unknown_outcome_closes_the_connection_without_a_reply() {
    let mut talk = Talk::new();
    talk.solo().fail_next(Failure::Unknown);
    assert_eq!(talk.say("PING\nSET a 1\nPING").await, "+PONG|");
    assert!(talk.closed);
}

#[tokio::test]
async fn replies_can_be_switched_off() {
    let mut talk = Talk::new();
    let cases = [
        ("CLIENT REPLY SKIP\nSET a 1\nGET a", "$1|1|"),
        ("CLIENT REPLY OFF\nSET a 2\nPING\nGET a\nNOSUCH", ""),
        ("GET a", ""),
        ("CLIENT REPLY SKIP", ""),
        ("CLIENT REPLY MAYBE", ""),
        ("CLIENT REPLY ON\nGET a", "+OK|$1|2|"),
        ("CLIENT REPLY MAYBE", "-ERR syntax error|"),
        ("CLIENT REPLY OFF\nRESET", "+RESET|"),
        ("PING", "+PONG|"),
        ("SET a 1\nCLIENT REPLY SKIP\nPING\nINCR a", "+OK|:2|"),
    ];
    check(&mut talk, &cases).await;
}

#[tokio::test]
async fn a_node_that_cannot_take_a_request_says_so() {
    let mut talk = Talk::new();
    talk.solo().set_admission(Admission::Loading);
    let loading = "-LOADING Redis is loading the dataset in memory|";
    let cases = [("GET a", loading), ("SET a 1", loading), ("ECHO hi", "$2|hi|"), ("SELECT 1", "+OK|")];
    check(&mut talk, &cases).await;
    talk.solo().set_admission(Admission::Removed);
    let removed = "-CLUSTERDOWN This node has been removed from its cluster; connect to another one|";
    check(&mut talk, &[("GET a", removed), ("SET a 1", removed), ("ECHO hi", "$2|hi|")]).await;
    talk.solo().set_admission(Admission::OutOfMemory);
    let oom = "-OOM command not allowed when used memory > 'maxmemory'.|";
    check(&mut talk, &[("SET a 1", oom), ("GET a", "$-1|"), ("DEL a", ":0|")]).await;
    talk.solo().set_admission(Admission::Draining);
    check(&mut talk, &[("SET a 1", "+OK|")]).await;
}

#[tokio::test]
async fn unsupported_commands_are_named_and_counted() {
    let mut talk = Talk::new();
    let row = commands().find(|command| matches!(command.route, Route::Unsupported));
    let command = row.expect("some are left to do");
    let words = vec!["0"; command.arity.unsigned_abs() as usize - 1].join(" ");
    let reply = talk.say(&format!("{} {words}", command.name)).await;
    assert_eq!(reply, format!("-ERR command '{}' is not supported by Quorate yet|", command.name));
    let info = talk.text("INFO commandstats").await;
    let counted =
        format!("cmdstat_{}:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0", command.name);
    assert!(info.contains(&counted), "{info}");
}

#[tokio::test]
async fn a_browser_that_was_lured_here_is_cut_off() {
    let mut talk = Talk::new();
    assert_eq!(talk.say("POST / HTTP/1.1\nSET a 1").await, "");
    assert!(talk.closed);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_requests_in_order() {
    let solo: Arc<Solo> = Arc::default();
    let mut other = Talk::to(&solo);
    assert_eq!(other.say("CLIENT PAUSE 5000 WRITE").await, "+OK|");
    let mut talk = Talk::to(&solo);
    let start = tokio::time::Instant::now();
    assert_eq!(talk.say("GET a").await, "$-1|");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(talk.say("GET a\nSET a 1\nGET a").await, "$-1|+OK|$1|1|");
    assert!(start.elapsed() >= Duration::from_secs(5));

    assert_eq!(other.say("CLIENT PAUSE 60000 WRITE").await, "+OK|");
    let (written, ended) = tokio::join!(talk.say("SET a 2"), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let list = other.text("CLIENT LIST").await;
        assert!(list.contains("flags=b"), "{list}");
        other.say("CLIENT UNPAUSE").await
    });
    assert_eq!((written.as_str(), ended.as_str()), ("+OK|", "+OK|"));
    assert!(start.elapsed() < Duration::from_secs(10));
    let refused = [
        ("CLIENT PAUSE x", "-ERR timeout is not an integer or out of range|"),
        ("CLIENT PAUSE -1", "-ERR timeout is negative|"),
        ("CLIENT PAUSE 1 SOME", "-ERR CLIENT PAUSE mode must be WRITE or ALL|"),
    ];
    check(&mut other, &refused).await;
}

#[tokio::test]
async fn large_replies_are_passed_on_in_order() {
    let mut talk = Talk::new();
    let value = "v".repeat(100_000);
    let replies = talk.say(&format!("PING\nSET a {value}\nGET a\nPING")).await;
    assert_eq!(replies, format!("+PONG|+OK|$100000|{value}|+PONG|"));
}

#[tokio::test]
async fn a_dropped_session_leaves_no_trace() {
    let solo: Arc<Solo> = Arc::default();
    solo.hold();
    let mut session = Session::new(Arc::clone(&solo), ClientOrigin::default());
    let mut requests = VecDeque::from([Request::from_args(["SET", "a", "1"])]);
    let timeout = tokio::time::timeout(Duration::from_millis(20), session.execute(&mut requests)).await;
    assert!(timeout.is_err());
    drop(session);
    assert_eq!(solo.front().clients.len(), 0);
}
