//! `CLIENT` and its subcommands.

use std::sync::Arc;

use super::{Talk, check};
use crate::session::Solo;

#[tokio::test]
async fn names() {
    let bad = "-ERR Client names cannot contain spaces, newlines or special characters.|";
    let mut talk = Talk::new();
    let cases = [
        ("CLIENT GETNAME", "$-1|"),
        ("CLIENT SETNAME me", "+OK|"),
        ("CLIENT GETNAME", "$2|me|"),
        ("CLIENT SETNAME ü", bad),
        ("HELLO 2 SETNAME ü", bad),
        ("CLIENT GETNAME", "$2|me|"),
        ("CLIENT ID", ":1|"),
        ("CLIENT SETINFO LIB-NAME lib", "+OK|"),
        ("CLIENT SETINFO lib-ver 1.2", "+OK|"),
        ("CLIENT SETINFO lib-ver ü", "-ERR lib-ver cannot contain spaces, newlines or special characters.|"),
        ("CLIENT SETINFO what x", "-ERR Unrecognized option 'what'|"),
        ("CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.|"),
    ];
    check(&mut talk, &cases).await;
    let info = talk.text("CLIENT INFO").await;
    assert!(info.contains("id=1 addr=127.0.0.1:5000 laddr=127.0.0.1:6379 fd=9 name=me "), "{info}");
    assert!(
        info.contains(" cmd=client|info user=default redir=-1 resp=2 lib-name=lib lib-ver=1.2\n"),
        "{info}"
    );
}

#[tokio::test]
async fn list() {
    let solo: Arc<Solo> = Arc::default();
    let (mut one, _two, _three) = (Talk::to(&solo), Talk::to(&solo), Talk::to(&solo));
    let ids = |list: String| -> Vec<u64> {
        let id = |line: &str| line.strip_prefix("id=")?.split(' ').next()?.parse().ok();
        list.lines().filter_map(id).collect()
    };
    assert_eq!(ids(one.text("CLIENT LIST").await), [1, 2, 3]);
    assert_eq!(ids(one.text("CLIENT LIST TYPE normal").await), [1, 2, 3]);
    assert_eq!(ids(one.text("CLIENT LIST TYPE pubsub").await), [0; 0]);
    assert_eq!(ids(one.text("CLIENT LIST ID 3 99 1").await), [3, 1]);
    let cases = [
        ("CLIENT LIST ID x", "-ERR Invalid client ID|"),
        ("CLIENT LIST TYPE what", "-ERR Unknown client type 'what'|"),
        ("CLIENT LIST WHAT", "-ERR syntax error|"),
        ("CLIENT LIST ID", "-ERR syntax error|"),
    ];
    check(&mut one, &cases).await;
}

#[tokio::test]
async fn kill() {
    let solo: Arc<Solo> = Arc::default();
    let (mut one, two, three) = (Talk::to(&solo), Talk::to(&solo), Talk::to(&solo));
    let cases = [
        ("CLIENT KILL", "-ERR wrong number of arguments for 'client|kill' command|"),
        ("CLIENT KILL 1.2.3.4:5", "-ERR No such client|"),
        ("CLIENT KILL ID 10 wrong", "-ERR syntax error|"),
        ("CLIENT KILL ID x", "-ERR client-id should be greater than 0|"),
        ("CLIENT KILL ID 0", "-ERR client-id should be greater than 0|"),
        ("CLIENT KILL TYPE what", "-ERR Unknown client type 'what'|"),
        ("CLIENT KILL USER what", "-ERR No such user 'what'|"),
        ("CLIENT KILL SKIPME perhaps", "-ERR syntax error|"),
        ("CLIENT KILL ID 2", ":1|"),
        ("CLIENT KILL TYPE pubsub", ":0|"),
    ];
    check(&mut one, &cases).await;
    assert!(two.session.client().is_killed() && !three.session.client().is_killed());
    assert_eq!(one.say("CLIENT KILL USER default").await, ":2|");
    assert!(three.session.client().is_killed() && !one.closed);
    drop((two, three));
    assert_eq!(one.say("CLIENT KILL SKIPME no\nPING").await, ":1|");
    assert!(one.closed);
    let mut four = Talk::to(&solo);
    drop(one);
    assert_eq!(four.say("CLIENT KILL 127.0.0.1:5000").await, "+OK|");
    assert!(four.closed);
}

#[tokio::test]
async fn what_is_not_there_is_told_truthfully() {
    let mut talk = Talk::new();
    let cases = [
        ("CLIENT GETREDIR", ":-1|"),
        ("CLIENT TRACKINGINFO", "*6|$5|flags|*1|$3|off|$8|redirect|:-1|$8|prefixes|*0|"),
        ("CLIENT TRACKING OFF", "+OK|"),
        ("CLIENT TRACKING ON", "+OK|"),
        ("CLIENT UNBLOCK 1", ":0|"),
        ("CLIENT UNBLOCK 1 WHY", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR|"),
        ("CLIENT NO-EVICT ON", "+OK|"),
        ("CLIENT NO-TOUCH ON", "+OK|"),
        ("CLIENT NO-TOUCH MAYBE", "-ERR syntax error|"),
        ("CLIENT READMODE index", "+OK|"),
        ("CLIENT READMODE LEASE", "-ERR Lease reads are off: they are the setting read-mode of every node|"),
        ("CLIENT READMODE SOME", "-ERR syntax error|"),
    ];
    check(&mut talk, &cases).await;
    assert!(talk.text("CLIENT INFO").await.contains(" flags=teT "));
}
