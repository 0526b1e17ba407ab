//! Greeting, authentication, database and end of a connection.

use std::sync::Arc;

use super::{Talk, check};
use crate::admin::Role;
use crate::session::{MemberFacts, NodeFacts, Solo};

#[tokio::test]
async fn simple_commands() {
    let cases = [
        ("PING", "+PONG|"),
        ("ping hello", "$5|hello|"),
        ("PING a b", "-ERR wrong number of arguments for 'ping' command|"),
        ("ECHO x", "$1|x|"),
        ("SELECT 15", "+OK|"),
        ("SELECT 16", "-ERR DB index is out of range|"),
        ("SELECT -1", "-ERR DB index is out of range|"),
        ("SELECT x", "-ERR value is not an integer or out of range|"),
        ("SELECT 99999999999", "-ERR value is out of range, value must between -2147483648 and 2147483647|"),
        ("ACL WHOAMI", "$7|default|"),
        ("ACL USERS", "*1|$7|default|"),
        ("ACL LIST", "*1|$51|user default on nopass sanitize-payload ~* &* +@all|"),
        ("ACL CAT nosuch", "-ERR Unknown category 'nosuch'|"),
        ("CLUSTER INFO", "-ERR This instance has cluster support disabled|"),
        ("QUIT", "+OK|"),
    ];
    let mut talk = Talk::new();
    check(&mut talk, &cases).await;
    assert!(talk.closed);
}

#[tokio::test]
async fn hello_chooses_the_protocol() {
    let mut talk = Talk::new();
    let resp2 = "*14|$6|server|$5|redis|$7|version|$5|7.2.4|$5|proto|:2|$2|id|:1|$4|mode|$10|standalone|\
                 $4|role|$6|master|$7|modules|*0|";
    let resp3 = resp2.replace("*14|", "%7|").replace(":2|", ":3|");
    let cases = [
        ("HELLO", resp2),
        ("HELLO 3", &resp3),
        ("GET nothing", "_|"),
        ("HELLO", &resp3),
        ("HELLO 4", "-NOPROTO unsupported protocol version|"),
        ("HELLO x", "-ERR Protocol version is not an integer or out of range|"),
        ("HELLO 3 WHAT", "-ERR Syntax error in HELLO option 'WHAT'|"),
        ("HELLO 3 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'|"),
        ("HELLO 2 SETNAME me", resp2),
        ("CLIENT GETNAME", "$2|me|"),
        ("GET nothing", "$-1|"),
    ];
    check(&mut talk, &cases).await;
}

#[tokio::test]
async fn a_password_is_asked_for() {
    let solo: Arc<Solo> = Arc::default();
    let mut early = Talk::to(&solo);
    let no_password = "-ERR AUTH <password> called without any password configured for the default user. Are you \
                       sure your configuration is correct?|";
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.|";
    check(&mut early, &[("AUTH x", no_password), ("AUTH default x", "+OK|"), ("AUTH alice x", wrong)]).await;
    // A connection that was open before the password was set stays as it is.
    check(&mut early, &[("CONFIG SET requirepass secret", "+OK|"), ("GET a", "$-1|")]).await;

    let mut talk = Talk::to(&solo);
    let no_auth = "-NOAUTH Authentication required.|";
    let hello = "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> \
                 <pass> option can be used to authenticate the client and select the RESP protocol version at the \
                 same time|";
    assert!(talk.session.must_authenticate() && talk.session.limits().unauthenticated);
    let cases = [
        ("GET a", no_auth),
        ("INFO", no_auth),
        ("PING", no_auth),
        ("ZADD z 1 a", no_auth),
        ("HELLO 3", hello),
        ("AUTH nope", wrong),
        ("AUTH alice secret", wrong),
        ("AUTH default secre", wrong),
        ("AUTH a b c", "-ERR syntax error|"),
        ("HELLO 3 AUTH default nope", wrong),
        ("AUTH secret\nGET a", "+OK|$-1|"),
        ("RESET\nGET a", "+RESET|-NOAUTH Authentication required.|"),
        ("AUTH default secret", "+OK|"),
        ("CONFIG SET requirepass other", "+OK|"),
        ("GET a", "$-1|"),
    ];
    check(&mut talk, &cases).await;
    assert!(!talk.session.limits().unauthenticated);
    let mut late = Talk::to(&solo);
    assert!(late.say("HELLO 3 AUTH default other SETNAME x").await.starts_with("%7|"));
    check(&mut late, &[("CLIENT GETNAME", "$1|x|")]).await;
    // Without a password, nobody has to authenticate, connections from before included.
    let mut waiting = Talk::to(&solo);
    check(&mut waiting, &[("GET a", no_auth)]).await;
    late.say("CONFIG SET requirepass ").await;
    solo.configure(&[("requirepass", "")]);
    check(&mut waiting, &[("GET a", "_|")].map(|(request, _)| (request, "$-1|"))).await;
}

#[tokio::test]
async fn secrets_never_get_into_the_slow_log() {
    let solo: Arc<Solo> = Arc::default();
    solo.configure(&[("requirepass", "secret"), ("slowlog-log-slower-than", "0")]);
    let mut talk = Talk::to(&solo);
    talk.say("AUTH secret").await;
    talk.say("HELLO 3 AUTH default secret").await;
    talk.say("GET a").await;
    let log = talk.say("SLOWLOG GET").await;
    assert!(log.contains("GET") && !log.contains("secret"), "{log}");
    assert!(log.contains("|AUTH|$10|(redacted)|"), "{log}");
}

#[tokio::test]
async fn reset_forgets_the_connection_state() {
    let mut talk = Talk::new();
    talk.say("HELLO 3 SETNAME me\nSELECT 5\nSET a 1\nCLIENT NO-EVICT ON").await;
    check(&mut talk, &[("RESET", "+RESET|"), ("GET a", "$-1|"), ("CLIENT GETNAME", "$-1|")]).await;
    assert!(talk.text("CLIENT INFO").await.contains(" flags=N db=0 "));
}

#[tokio::test]
async fn the_role_is_master_everywhere_unless_roles_are_shown() {
    let solo: Arc<Solo> = Arc::default();
    let member = |id, resp: &str| MemberFacts {
        id,
        resp: resp.to_owned(),
        voter: true,
        durable: Some(7),
        ..MemberFacts::default()
    };
    let facts = NodeFacts {
        node: 1,
        role: Some(Role::Follower),
        leader: Some(2),
        members: vec![member(1, "a:7001"), member(2, "b:7002"), member(3, "[::1]:7003")],
        ..NodeFacts::default()
    };
    solo.set_facts(facts.clone());
    let mut talk = Talk::to(&solo);
    let master = "*3|$6|master|:0|*2|*3|$1|b|$4|7002|$1|7|*3|$3|::1|$4|7003|$1|7|";
    check(
        &mut talk,
        &[("ROLE", master), ("WAIT 2 0", ":2|"), ("WAIT 3 10", ":2|"), ("WAITAOF 1 2 0", "*2|:1|:2|")],
    )
    .await;
    let info = talk.text("INFO replication").await;
    assert!(
        info.contains("role:master\nconnected_slaves:2\nslave0:ip=b,port=7002,state=online,offset=7,lag=0\n"),
        "{info}"
    );
    solo.set_facts(NodeFacts { show_roles: true, ..facts });
    check(&mut talk, &[("ROLE", "*5|$5|slave|$1|b|:7002|$9|connected|:0|")]).await;
    let info = talk.text("INFO replication").await;
    assert!(info.contains("role:slave\nmaster_host:b\nmaster_port:7002\nmaster_link_status:up\n"), "{info}");
    assert!(talk.say("HELLO").await.contains("$4|role|$7|replica|"));
}
