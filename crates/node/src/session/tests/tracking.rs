//! Keys that clients keep, and commands that they watch.

use std::sync::Arc;

use super::{Talk, check};
use crate::session::{Backend, Solo};

fn invalidated(keys: &[&str]) -> String {
    let mut text = format!(">2|$10|invalidate|*{}|", keys.len());
    keys.iter().for_each(|key| text.push_str(&format!("${}|{key}|", key.len())));
    text
}

const ALL: &str = ">2|$10|invalidate|_|";

/// A client that tracks, and another.
async fn two(options: &str) -> (Talk, Talk) {
    let solo: Arc<Solo> = Arc::default();
    let (mut one, two) = (Talk::to(&solo), Talk::to(&solo));
    one.say("HELLO 3").await;
    assert_eq!(one.say(&format!("CLIENT TRACKING ON {options}")).await, "+OK|");
    (one, two)
}

#[tokio::test]
async fn what_was_read_is_told_once() {
    let (mut one, mut two) = two("").await;
    one.say("GET a\nMGET b c").await;
    two.say("SET x 1").await;
    assert_eq!(one.mail(), "");
    two.say("SET a 1\nSET a 2\nDEL c\nINCR b").await;
    assert_eq!(one.mail(), invalidated(&["a"]) + &invalidated(&["b"]));
    one.say("GET a").await;
    two.say("SET a 3").await;
    assert_eq!(one.mail(), invalidated(&["a"]));
    one.say("GET a").await;
    two.say("FLUSHALL").await;
    assert_eq!(one.mail(), ALL);
    one.say("CLIENT TRACKING OFF\nGET a").await;
    two.say("SET a 4").await;
    assert_eq!(one.mail(), "");
}

#[tokio::test]
async fn every_way_of_reading_and_changing_counts() {
    let (mut one, mut two) = two("").await;
    for (read, change) in [
        ("MULTI\nGET k\nEXEC", "SET k 1"),
        ("MULTI\nGET k\nPING\nEXEC", "MULTI\nSET k 1\nEXEC"),
        ("MULTI\nGET k\nSET other 1\nEXEC", "EVAL return(redis.call('set','k','2')) 0"),
        ("SET other 1\nGET k", "RENAME k k2\nRENAME k2 k3"),
        ("EVAL return(redis.call('get',KEYS[1])) 1 k", "SET k 1"),
        ("EXISTS k", "EXPIRE k 100"),
        ("TYPE k", "COPY k3 k REPLACE"),
    ] {
        one.say(read).await;
        assert_eq!(one.mail(), "", "{read}");
        two.say(change).await;
        assert_eq!(one.mail(), invalidated(&["k"]), "{read}, then {change}");
    }
}

#[tokio::test]
async fn own_changes_are_told_behind_the_reply_unless_unwanted() {
    let (mut one, _two) = two("").await;
    assert_eq!(one.say("GET a\nSET a 1\nGET a").await, "_|+OK|$1|1|");
    assert_eq!(one.mail(), invalidated(&["a"]));
    let (mut one, mut two) = self::two("NOLOOP").await;
    one.say("GET a\nGET b\nSET a 1").await;
    assert_eq!(one.mail(), "");
    two.say("SET b 1").await;
    assert_eq!(one.mail(), invalidated(&["b"]));
}

#[tokio::test]
async fn prefixes_are_told_of_without_reading() {
    let (mut one, mut two) = two("BCAST PREFIX a: PREFIX b:").await;
    two.say("SET a:1 1\nSET c 1").await;
    two.say("MSET b:1 1 b:2 2 x 1").await;
    assert_eq!(one.mail(), invalidated(&["a:1"]) + &invalidated(&["b:1", "b:2"]));
    let cases = [
        (
            "CLIENT TRACKING ON BCAST PREFIX a",
            "-ERR Prefix 'a' overlaps with an existing prefix 'a:'. Prefixes for a single client must not overlap.|",
        ),
        (
            "CLIENT TRACKING ON BCAST PREFIX x PREFIX xy",
            "-ERR Prefix 'x' overlaps with another provided prefix 'xy'. Prefixes for a single client must not overlap.|",
        ),
        ("CLIENT TRACKINGINFO", "%3|$5|flags|~2|$2|on|$5|bcast|$8|redirect|:0|$8|prefixes|*2|$2|a:|$2|b:|"),
    ];
    check(&mut one, &cases).await;
}

#[tokio::test]
async fn a_client_may_choose_what_it_keeps() {
    let (mut one, mut two) = two("OPTIN").await;
    one.say("GET a\nCLIENT CACHING YES\nGET b\nGET c").await;
    two.say("MSET a 1 b 1 c 1").await;
    assert_eq!(one.mail(), invalidated(&["b"]));
    let (mut one, mut two) = self::two("OPTOUT").await;
    one.say("GET a\nCLIENT CACHING NO\nGET b").await;
    two.say("MSET a 1 b 1").await;
    assert_eq!(one.mail(), invalidated(&["a"]));
    let cases = [
        (
            "CLIENT CACHING YES",
            "-ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.|",
        ),
        ("CLIENT TRACKING ON PREFIX a", "-ERR PREFIX option requires BCAST mode to be enabled|"),
        ("CLIENT TRACKING ON REDIRECT 99", "-ERR The client ID you want redirect to does not exist|"),
        ("CLIENT TRACKING maybe", "-ERR syntax error|"),
        ("CLIENT GETREDIR", ":0|"),
        ("RESET", "+RESET|"),
        ("CLIENT GETREDIR", ":-1|"),
        ("CLIENT TRACKINGINFO", "*6|$5|flags|*1|$3|off|$8|redirect|:-1|$8|prefixes|*0|"),
    ];
    check(&mut one, &cases).await;
}

#[tokio::test]
async fn another_connection_is_told_instead() {
    let solo: Arc<Solo> = Arc::default();
    let (mut data, mut ear, mut other) = (Talk::to(&solo), Talk::to(&solo), Talk::to(&solo));
    ear.say("SUBSCRIBE __redis__:invalidate").await;
    assert_eq!(data.say("CLIENT TRACKING ON REDIRECT 2\nCLIENT GETREDIR\nGET a").await, "+OK|:2|$-1|");
    assert!(other.text("CLIENT LIST ID 1").await.contains(" flags=t "));
    other.say("SET a 1").await;
    assert_eq!(ear.mail(), "*3|$7|message|$20|__redis__:invalidate|*1|$1|a|");
    drop(ear);
    data.say("HELLO 3\nGET a").await;
    other.say("SET a 2").await;
    assert_eq!(data.mail(), ">2|$21|tracking-redir-broken|:2|");
    assert!(other.text("CLIENT LIST ID 1").await.contains(" flags=tR "));
}

#[tokio::test]
async fn few_keys_are_remembered_if_few_are_allowed() {
    let (mut one, mut two) = two("").await;
    two.say("CONFIG SET tracking-table-max-keys 1").await;
    one.say("GET a").await;
    assert_eq!(one.mail(), "");
    one.say("GET b").await;
    assert_eq!(one.mail(), invalidated(&["a"]));
    assert!(two.text("INFO stats").await.contains("tracking_total_keys:1\ntracking_total_items:1\n"));
    assert!(two.text("INFO clients").await.contains("tracking_clients:1\n"));
}

#[tokio::test]
async fn commands_are_shown_without_secrets() {
    let solo: Arc<Solo> = Arc::default();
    let (mut monitor, mut other) = (Talk::to(&solo), Talk::to(&solo));
    assert_eq!(monitor.say("MONITOR").await, "+OK|");
    other.say("SET k v\nSELECT 2\nMULTI\nGET k\nEXEC\nCONFIG SET requirepass secret\nAUTH secret").await;
    other.say("HELLO 2 AUTH default secret").await;
    let shown = monitor.mail();
    let lines: Vec<&str> =
        shown.split_terminator('|').map(|line| line.split_once(" [").expect("a time").1).collect();
    let expected = [
        r#"0 127.0.0.1:5000] "SET" "k" "v""#,
        // It is shown once it is done.
        r#"2 127.0.0.1:5000] "SELECT" "2""#,
        r#"2 127.0.0.1:5000] "MULTI""#,
        r#"2 127.0.0.1:5000] "GET" "k""#,
        r#"2 127.0.0.1:5000] "EXEC""#,
        r#"2 127.0.0.1:5000] "AUTH" "(redacted)""#,
        r#"2 127.0.0.1:5000] "HELLO" "2" "AUTH" "(redacted)" "(redacted)""#,
    ];
    assert_eq!(lines, expected);
    assert!(shown.starts_with('+'));
}

#[tokio::test]
async fn of_a_script_what_it_reads_is_told_and_not_what_it_is_given() {
    let (mut one, mut two) = two("").await;
    for (script, told) in [
        ("EVAL return(redis.call('set','x','1')) 2 a b", None),
        ("EVAL redis.call('set','x','1');return(redis.call('get',KEYS[2])) 2 a b", Some("b")),
        ("EVAL_RO return(redis.call('ping')) 2 a b", None),
        ("EVAL_RO return(redis.call('get','a')) 1 b", Some("a")),
        ("MULTI\nSET x 1\nEVAL return(redis.call('get','a')) 0\nEXEC", Some("a")),
        ("MULTI\nEVAL_RO return(redis.call('get','a')) 0\nEXEC", Some("a")),
    ] {
        one.say(script).await;
        assert_eq!(one.mail(), "", "{script}");
        two.say("SET a 1\nSET b 1").await;
        let expected = told.map(|key| invalidated(&[key])).unwrap_or_default();
        assert_eq!(one.mail(), expected, "{script}");
    }
    // What it reads and changes has changed for its client, too.
    one.say("EVAL redis.call('get','a');return(redis.call('set','a',2)) 0").await;
    assert_eq!(one.mail(), invalidated(&["a"]));

    // Only what is asked for is kept, where it has to be asked for.
    one.say("CLIENT TRACKING OFF\nCLIENT TRACKING ON OPTIN").await;
    one.say("EVAL_RO return(redis.call('get','a')) 0\nCLIENT CACHING YES").await;
    one.say("EVAL_RO return(redis.call('get','b')) 0").await;
    two.say("SET a 2\nSET b 2").await;
    assert_eq!(one.mail(), invalidated(&["b"]));
    one.say("EVAL_RO return(redis.call('get','b')) 0").await;
    two.say("SET b 3").await;
    assert_eq!(one.mail(), "");
}

#[tokio::test]
async fn fewer_keys_are_remembered_from_the_moment_it_is_said() {
    let (mut one, mut two) = two("").await;
    one.say("MGET a b c").await;
    two.say("CONFIG SET tracking-table-max-keys 1").await;
    assert_eq!(one.mail().matches("invalidate").count(), 2);
    assert!(two.text("INFO stats").await.contains("tracking_total_keys:1\n"));
}

#[tokio::test]
async fn one_that_says_goodbye_is_told_nothing_any_more() {
    let solo: Arc<Solo> = Arc::default();
    let (ear, mut data, mut other) = (Talk::to(&solo), Talk::to(&solo), Talk::to(&solo));
    data.say("HELLO 3").await;
    assert_eq!(data.say("CLIENT TRACKING ON REDIRECT 1\nGET a").await, "+OK|_|");
    // Its last replies are still being written.
    ear.session.client().go_deaf();
    other.say("SET a 1").await;
    assert_eq!(data.mail(), ">2|$21|tracking-redir-broken|:1|");
    let again = other.say("CLIENT TRACKING ON REDIRECT 1").await;
    assert_eq!(again, "-ERR The client ID you want redirect to does not exist|");
}

#[tokio::test]
async fn commands_of_a_script_are_shown_behind_it() {
    let solo: Arc<Solo> = Arc::default();
    let (mut monitor, mut other) = (Talk::to(&solo), Talk::to(&solo));
    monitor.say("MONITOR").await;
    let script = "return{redis.call('get','k'),redis.pcall('get'),redis.pcall('config','get','x')}";
    other.say("SELECT 3").await;
    other.say(&format!("EVAL {script} 0")).await;
    other.say(&format!("MULTI\nEVAL_RO {script} 0\nEXEC")).await;
    let shown = monitor.mail();
    let lines = shown.split_terminator('|').map(|line| line.split_once(" [").expect("a time").1);
    let lines: Vec<&str> = lines.map(|line| line.split(r#"" "return"#).next().unwrap_or(line)).collect();
    let expected = [
        r#"3 127.0.0.1:5000] "SELECT" "3""#,
        r#"3 127.0.0.1:5000] "EVAL"#,
        r#"3 lua] "get" "k""#,
        r#"3 127.0.0.1:5000] "MULTI""#,
        r#"3 127.0.0.1:5000] "EVAL_RO"#,
        r#"3 127.0.0.1:5000] "EXEC""#,
        r#"3 lua] "get" "k""#,
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn slow_requests_are_noted_with_their_client_wherever_they_run() {
    let solo: Arc<Solo> = Arc::default();
    let (mut one, mut two) = (Talk::to(&solo), Talk::to(&solo));
    one.say("CLIENT SETNAME me\nCONFIG SET slowlog-log-slower-than 0").await;
    one.say("SLOWLOG RESET").await;
    one.say("SET k v\nGET k\nMULTI\nINCR n\nGET n\nEXEC\nMULTI\nGET m\nEXEC\nEVAL return(1) 0").await;
    one.say("CONFIG SET requirepass secret").await;
    two.say("AUTH secret\nRPUSH l a").await;
    one.say("CONFIG SET slowlog-log-slower-than -1").await;
    let entries = solo.front().slowlog.newest(usize::MAX);
    let text = |entry: &crate::session::SlowEntry| {
        let args: Vec<_> = entry.args.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
        args.join(" ")
    };
    let noted: Vec<String> = entries.iter().rev().map(text).collect();
    let expected = [
        "SLOWLOG RESET",
        "MULTI",
        "MULTI",
        "SET k v",
        "GET k",
        "INCR n",
        "GET n",
        "GET m",
        "EVAL return(1) 0",
        "CONFIG SET requirepass (redacted)",
    ];
    assert_eq!(noted[..expected.len()], expected);
    // The request that ends the noting is measured by what it has set, as in Redis.
    assert!(!noted.iter().any(|entry| entry.ends_with(" -1")), "{noted:?}");
    let named = entries.iter().filter(|entry| entry.name == "me").count();
    assert_eq!(entries.len() - named, 2, "AUTH and RPUSH of another");
    assert!(entries.iter().all(|entry| entry.addr == "127.0.0.1:5000"));
}
