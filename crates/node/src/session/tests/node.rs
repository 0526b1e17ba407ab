//! Commands about the node: `INFO`, snapshots, statistics, `DEBUG`.

use std::sync::Arc;

use quorate_commands::Settings;

use super::{Talk, check};
use crate::session::Solo;

#[tokio::test]
async fn info_has_what_clients_read() {
    let mut talk = Talk::new();
    talk.say("SET a 1\nSET b 1 EX 1000\nSELECT 3\nSET c 1").await;
    let info = talk.text("INFO").await;
    for line in [
        "# Server",
        "redis_version:7.2.4",
        "redis_mode:standalone",
        "server_name:quorate",
        "loading:0",
        "rdb_bgsave_in_progress:0",
        "aof_enabled:1",
        "maxmemory_policy:noeviction",
        "role:master",
        "connected_slaves:0",
        "connected_clients:1",
        "cluster_enabled:0",
        "# Keyspace",
        "db0:keys=2,expires=1,avg_ttl=0",
        "db3:keys=1,expires=0,avg_ttl=0",
        "quorate_node:1",
    ] {
        assert!(info.lines().any(|found| found == line), "{line} is not in\n{info}");
    }
    assert!(!info.contains("# Commandstats"));
    assert!(info.contains("\n\n# Clients\n"), "sections are apart");
    let text = talk.text("INFO commandstats").await;
    assert!(text.starts_with("# Commandstats\n") && text.contains("\ncmdstat_set:calls=3,"), "{text}");
    assert_eq!(talk.text("INFO nosuchsection").await, "\n");
    assert!(talk.say("HELLO 3\nINFO cluster").await.ends_with("=34|txt:# Cluster|cluster_enabled:0||"));
}

#[tokio::test]
async fn calls_and_errors_are_counted() {
    let mut talk = Talk::new();
    talk.say("SET a x\nINCR a\nGET a\nCLIENT REPLY SKIP\nINCR a\nGET a").await;
    talk.say("GET a\nGET\nHGET a f\nSELECT 99").await;
    let info = talk.text("INFO commandstats").await;
    let check = |name: &str, expected: &str| {
        let line =
            info.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:"))).unwrap_or_default();
        let counts: Vec<_> = line.split([':', ',']).filter(|field| !field.contains("usec")).skip(1).collect();
        assert_eq!(counts.join(" "), expected, "{name}");
    };
    check("get", "calls=3 rejected_calls=1 failed_calls=0");
    check("hget", "calls=1 rejected_calls=0 failed_calls=1");
    check("select", "calls=1 rejected_calls=0 failed_calls=1");
    check("client|reply", "calls=1 rejected_calls=0 failed_calls=0");
    let errors = talk.text("INFO errorstats").await;
    assert_eq!(errors, "# Errorstats\nerrorstat_ERR:count=3\nerrorstat_WRONGTYPE:count=1\n\n");
    let times = talk.text("INFO latencystats").await;
    assert!(times.contains("\nlatency_percentiles_usec_get:p50="), "{times}");
    assert!(
        talk.say("LATENCY HISTOGRAM get").await.starts_with("*2|$3|get|*4|$5|calls|:3|$14|histogram_usec|*")
    );
    assert_eq!(talk.say("CONFIG RESETSTAT").await, "+OK|");
    assert_eq!(talk.text("INFO errorstats").await, "# Errorstats\n\n");
}

#[tokio::test]
async fn keys_that_reads_find_and_miss_are_counted() {
    let mut talk = Talk::new();
    talk.say("SET a x").await;
    talk.say("GET a\nGET b\nMGET a b c\nEXISTS a\nHGET a f").await;
    let counts = async |talk: &mut Talk| {
        let info = talk.text("INFO stats").await;
        let of = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok());
        (of("keyspace_hits:"), of("keyspace_misses:"))
    };
    assert_eq!(counts(&mut talk).await, (Some(4), Some(3)));
    assert_eq!(talk.say("CONFIG RESETSTAT").await, "+OK|");
    assert_eq!(counts(&mut talk).await, (Some(0), Some(0)));
}

#[tokio::test]
async fn snapshots_are_taken_on_request() {
    let mut talk = Talk::new();
    let cases = [
        ("SAVE", "+OK|"),
        ("BGSAVE", "+Background saving started|"),
        ("BGSAVE SCHEDULE", "+Background saving started|"),
        ("BGSAVE WHAT", "-ERR syntax error|"),
        ("BGREWRITEAOF", "+Background append only file rewriting started|"),
        ("CONFIG REWRITE", "+OK|"),
        ("WAIT 0 0", ":0|"),
        ("WAIT x 0", "-ERR value is not an integer or out of range|"),
        ("WAIT 0 -1", "-ERR timeout is negative|"),
        ("WAITAOF 2 0 0", "-ERR value is out of range, must be between 0 and 1|"),
        ("WAITAOF 1 -1 0", "-ERR value is out of range, must be positive|"),
    ];
    check(&mut talk, &cases).await;
    assert!(talk.text("INFO persistence").await.contains("rdb_saves:"));
    let saved = talk.say("LASTSAVE").await;
    assert!(saved.starts_with(":1") || saved.starts_with(":2"), "{saved}");
    let time = talk.say("TIME").await;
    assert!(time.starts_with("*2|$10|") && time.matches('|').count() == 5, "{time}");
}

#[tokio::test]
async fn a_client_can_stop_the_node() {
    let solo: Arc<Solo> = Arc::default();
    let mut talk = Talk::to(&solo);
    let cases = [
        ("SHUTDOWN WHAT", "-ERR syntax error|"),
        ("SHUTDOWN SAVE NOSAVE", "-ERR syntax error|"),
        ("SHUTDOWN ABORT NOW", "-ERR syntax error|"),
        ("SHUTDOWN ABORT", "-ERR No shutdown in progress.|"),
    ];
    check(&mut talk, &cases).await;
    assert!(!solo.is_stopped());
    assert_eq!(talk.say("SHUTDOWN NOSAVE").await, "");
    assert!(talk.closed && solo.is_stopped());
}

#[tokio::test]
async fn the_slow_log_follows_its_settings() {
    let mut talk = Talk::new();
    check(&mut talk, &[("SLOWLOG LEN", ":0|"), ("CONFIG SET slowlog-log-slower-than 0", "+OK|")]).await;
    talk.say("CLIENT SETNAME me").await;
    talk.say("GET first\nGET second").await;
    let log = talk.say("SLOWLOG GET 1").await;
    assert!(log.starts_with("*1|*6|:3|:"), "{log}");
    assert!(log.ends_with("*2|$3|GET|$6|second|$14|127.0.0.1:5000|$2|me|"), "{log}");
    assert_eq!(talk.say("SLOWLOG GET -2").await, "-ERR count should be greater than or equal to -1|");
    let cases = [
        ("CONFIG SET slowlog-log-slower-than -1", "+OK|"),
        ("SLOWLOG RESET", "+OK|"),
        ("SLOWLOG LEN", ":0|"),
    ];
    check(&mut talk, &cases).await;
}

#[tokio::test]
async fn debug_is_closed_unless_it_is_opened() {
    let mut talk = Talk::new();
    assert!(
        talk.say("DEBUG OBJECT a")
            .await
            .starts_with("-ERR DEBUG command not allowed. If the enable-debug-command")
    );
    let mut settings = Settings::default();
    settings.set_node(&[(b"enable-debug-command", b"local")]).expect("it is a setting");
    let mut talk = Talk::to(&Arc::new(Solo::new(settings)));
    let cases = [
        ("DEBUG OBJECT a", "-ERR no such key|"),
        ("SET a 12", "+OK|"),
        ("DEBUG SET-ACTIVE-EXPIRE 0", "+OK|"),
        ("DEBUG LOG hello", "+OK|"),
        ("DEBUG PROTOCOL array", "*3|:0|:1|:2|"),
        ("DEBUG PROTOCOL attrib", "$39|Some real reply following the attribute|"),
        ("DEBUG PROTOCOL push", "-ERR RESP2 is not supported by this command|"),
        ("DEBUG ERROR OOPS", "-OOPS|"),
    ];
    check(&mut talk, &cases).await;
    assert!(talk.say("DEBUG OBJECT a").await.starts_with("+Value at:0x0 refcount:1 encoding:int "));
    let none = "0".repeat(40);
    assert_eq!(talk.say("DEBUG DIGEST-VALUE").await, "*0|");
    assert_eq!(talk.say("DEBUG DIGEST-VALUE missing").await, format!("*1|+{none}|"));
    for request in ["HSET h a 1 b 2", "HSET same b 2 a 1", "HSET other a 2 b 1", "HSET text a 12"] {
        talk.say(request).await;
    }
    let reply = talk.say("DEBUG DIGEST-VALUE h same other text a").await;
    let digests: Vec<&str> = reply.trim_end_matches('|').split("|+").skip(1).collect();
    assert_eq!(digests.len(), 5, "{reply}");
    assert_eq!(digests[0], digests[1], "{reply}");
    assert!(digests.iter().all(|digest| digest.len() == 40 && *digest != none), "{reply}");
    let different: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(different.len(), 4, "{reply}");
    // The same in any encoding, and in any order where the type has none.
    for (make, same) in [
        ([&["RPUSH k a 1"][..], &["RPUSH k a 1 x", "RPOP k"]], true),
        ([&["RPUSH k a b"], &["RPUSH k b a"]], false),
        ([&["SADD k 1 2"], &["SADD k a 2 1", "SREM k a"]], true),
        ([&["SADD k 1 2"], &["SADD k 1 3"]], false),
        ([&["ZADD k 0 a 2 b"], &["ZADD k 2 b -0 a"]], true),
        ([&["ZADD k 1 a 2 b"], &["ZADD k 2 a 1 b"]], false),
        ([&["XADD k 1-1 f v"], &["XADD k 1-1 f v", "XADD k 2-1 f v", "XDEL k 2-1"]], true),
        ([&["XADD k 1-1 f v"], &["XADD k 1-2 f v"]], false),
    ] {
        let mut digests = Vec::new();
        for requests in make {
            talk.say("DEL k").await;
            for request in requests {
                assert!(!talk.say(request).await.starts_with('-'), "{request}");
            }
            digests.push(talk.say("DEBUG DIGEST-VALUE k").await);
        }
        assert!(digests[0].starts_with("*1|+"), "{digests:?}");
        assert_eq!(digests[0] == digests[1], same, "{make:?} {digests:?}");
    }
    let started = std::time::Instant::now();
    assert_eq!(talk.say("DEBUG SLEEP 0.02\nDEBUG SLEEP nan\nDEBUG SLEEP -1").await, "+OK|+OK|+OK|");
    assert!(started.elapsed() >= std::time::Duration::from_millis(20));
    assert!(
        talk.say("DEBUG SEGFAULT").await.starts_with("-ERR DEBUG subcommand 'SEGFAULT' is not supported")
    );
    talk.say("HELLO 3").await;
    assert_eq!(talk.say("DEBUG PROTOCOL bignum").await, "(1234567999999999999999999999999999999|");
    assert_eq!(talk.say("DEBUG PROTOCOL map").await, "%3|:0|#f|:1|#t|:2|#f|");
}

#[tokio::test]
async fn memory_and_latency_answer_as_with_nothing_to_report() {
    let mut talk = Talk::new();
    let cases = [
        ("MEMORY PURGE", "+OK|"),
        ("LATENCY LATEST", "*0|"),
        ("LATENCY HISTORY command", "*0|"),
        ("LATENCY RESET", ":0|"),
        ("LATENCY GRAPH command", "-ERR No samples available for event 'command'|"),
    ];
    check(&mut talk, &cases).await;
    assert!(talk.text("MEMORY STATS").await.contains("keys.count"));
    assert!(talk.text("MEMORY DOCTOR").await.starts_with("Sam"));
}
