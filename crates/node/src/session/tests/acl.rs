//! What users may do on connections: at once, in transactions, in scripts, and after they have changed.

use std::sync::Arc;

use super::{Solo, Talk, check};
use crate::session::Backend;

/// A connection of a user with these rules.
async fn user(solo: &Arc<Solo>, name: &str, rules: &str) -> Talk {
    let mut admin = Talk::to(solo);
    assert_eq!(admin.say(&format!("ACL SETUSER {name} on nopass {rules}")).await, "+OK|");
    let mut talk = Talk::to(solo);
    check(&mut talk, &[(&format!("AUTH {name} x"), "+OK|")]).await;
    talk
}

fn no_command(user: &str, command: &str) -> String {
    format!("-NOPERM User {user} has no permissions to run the '{command}' command|")
}

const NO_KEY: &str = "-NOPERM No permissions to access a key|";
const NO_CHANNEL: &str = "-NOPERM No permissions to access a channel|";

#[tokio::test]
async fn requests_are_checked_before_they_run() {
    let solo: Arc<Solo> = Arc::default();
    let mut talk =
        user(&solo, "ann", "~a:* %R~r:* &news +@all -flushall -config|set -select +select|1").await;
    let cases = [
        ("ACL WHOAMI", "$3|ann|"),
        ("SET a:1 x\nGET a:1", "+OK|$1|x|"),
        ("GET r:1", "$-1|"),
        ("SET r:1 x", NO_KEY),
        ("SET b x\nGET a:1\nMGET a:1 b", &format!("{NO_KEY}$1|x|{NO_KEY}")),
        ("FLUSHALL", &no_command("ann", "flushall")),
        ("CONFIG SET maxmemory 0", &no_command("ann", "config|set")),
        ("CONFIG GET maxmemory", "*2|$9|maxmemory|$1|0|"),
        ("SELECT 2", &no_command("ann", "select")),
        ("SELECT 1", "+OK|"),
        ("PUBLISH news x", ":0|"),
        ("PUBLISH other x", NO_CHANNEL),
        ("SUBSCRIBE other", NO_CHANNEL),
        ("PSUBSCRIBE n*", NO_CHANNEL),
        ("NOTHING", "-ERR unknown command 'NOTHING', with args beginning with: |"),
        ("SORT a:1 BY w_*", "-ERR BY option of SORT denied due to insufficient ACL permissions.|"),
        ("SORT a:1 GET #", "-ERR GET option of SORT denied due to insufficient ACL permissions.|"),
        ("HELLO 2 AUTH default x\nFLUSHALL", "*14|"),
    ];
    for (request, expected) in &cases[..cases.len() - 1] {
        assert_eq!(talk.say(request).await, *expected, "{request}");
    }
    let greeted = talk.say(cases[cases.len() - 1].0).await;
    assert!(greeted.starts_with("*14|") && greeted.ends_with("+OK|"), "{greeted}");
    check(&mut talk, &[("RESET", "+RESET|"), ("ACL WHOAMI", "$7|default|")]).await;
}

#[tokio::test]
async fn a_change_holds_for_the_next_request_of_every_connection() {
    let solo: Arc<Solo> = Arc::default();
    let mut talk = user(&solo, "ann", "allkeys +@all").await;
    let mut other = Talk::to(&solo);
    check(&mut talk, &[("SET k v", "+OK|")]).await;
    check(&mut other, &[("ACL SETUSER ann -set", "+OK|")]).await;
    check(&mut talk, &[("SET k v", &no_command("ann", "set"))]).await;
    // Within one pipeline as well.
    let expected = format!("+OK|{}", no_command("ann", "get"));
    check(&mut talk, &[("ACL SETUSER ann -get\nGET k", &expected)]).await;
    check(
        &mut other,
        &[
            ("ACL SETUSER ann off", "+OK|"),
            ("AUTH ann x", "-WRONGPASS invalid username-password pair or user is disabled.|"),
        ],
    )
    .await;
    check(&mut talk, &[("PING", "+PONG|")]).await;
}

#[tokio::test]
async fn the_default_user_can_be_closed() {
    let solo: Arc<Solo> = Arc::default();
    let mut admin = user(&solo, "admin", "allkeys allchannels +@all").await;
    check(&mut admin, &[("ACL SETUSER default off", "+OK|")]).await;
    let mut talk = Talk::to(&solo);
    check(&mut talk, &[("PING", "-NOAUTH Authentication required.|")]).await;
    check(&mut admin, &[("ACL SETUSER default on -@all", "+OK|")]).await;
    let mut talk = Talk::to(&solo);
    check(
        &mut talk,
        &[("PING", &no_command("default", "ping")), ("AUTH admin x", "+OK|"), ("PING", "+PONG|")],
    )
    .await;
    // A password is that of the default user, whatever else it may do.
    check(&mut admin, &[("CONFIG SET requirepass secret", "+OK|")]).await;
    assert!(admin.say("ACL LIST").await.contains(
        "user default on sanitize-payload #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~* &* -@all|"
    ));
}

#[tokio::test]
async fn transactions_are_checked_when_they_are_queued_and_when_they_run() {
    let solo: Arc<Solo> = Arc::default();
    let mut talk = user(&solo, "ann", "~a:* +@all -incr").await;
    let mut other = Talk::to(&solo);
    let queued = format!(
        "+OK|+QUEUED|{}-EXECABORT Transaction discarded because of previous errors.|",
        no_command("ann", "incr")
    );
    check(&mut talk, &[("MULTI\nGET a:1\nINCR a:1\nEXEC", &queued)]).await;
    check(&mut talk, &[("MULTI\nSET a:1 x\nGET a:1\nPING", "+OK|+QUEUED|+QUEUED|+QUEUED|")]).await;
    check(&mut other, &[("ACL SETUSER ann -set -ping", "+OK|")]).await;
    let changed = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
                   command is no longer allowed for the following reason: no permission to execute the command or \
                   subcommand|";
    check(&mut talk, &[("EXEC", &format!("*3|{changed}$-1|{changed}"))]).await;
    let log = other.say("ACL LOG 1").await;
    assert!(log.contains("|$7|context|$5|multi|") && log.contains("|$6|object|$4|ping|"), "{log}");
}

#[tokio::test]
async fn scripts_are_checked_call_by_call() {
    let solo: Arc<Solo> = Arc::default();
    let mut talk = user(&solo, "ann", "~a:* +@all -incr").await;
    let mut raw = async |args: &[&str]| {
        let request = quorate_resp::Request::from_args(args.iter().copied());
        let mut requests = std::collections::VecDeque::from([request]);
        let _flow = talk.session.execute(&mut requests).await;
        String::from_utf8_lossy(&talk.session.take_output().concat()).replace("\r\n", "|")
    };
    for eval in ["EVAL", "EVAL_RO"] {
        let reply = raw(&[eval, "return redis.pcall('get', 'b').err", "0"]).await;
        assert!(reply.contains("NOPERM ACL failure in script: No permissions to access a key"), "{reply}");
        assert_eq!(raw(&[eval, "return redis.call('get', 'a:1')", "0"]).await, "$-1|");
        let reply = raw(&[eval, "return redis.acl_check_cmd('incr', 'a:1') and 1 or 0", "0"]).await;
        assert_eq!(reply, ":0|");
        assert_eq!(raw(&[eval, "return redis.acl_check_cmd('get', 'a:1') and 1 or 0", "0"]).await, ":1|");
        assert_eq!(raw(&[eval, "return 1", "1", "b"]).await, NO_KEY);
    }
    let reply = raw(&["EVAL", "return redis.call('incr', 'a:1')", "0"]).await;
    assert!(
        reply.starts_with(
            "-NOPERM ACL failure in script: User ann has no permissions to run the 'incr' command"
        ),
        "{reply}"
    );
    assert!(
        raw(&["EVAL", "return redis.call('sort', 'a:1', 'get', 'x*')", "0"])
            .await
            .contains("GET option of SORT denied")
    );
    let mut other = Talk::to(&solo);
    let log = other.say("ACL LOG").await;
    assert!(log.contains("|$7|context|$3|lua|") && log.contains("|$6|object|$4|incr|"), "{log}");
    assert!(log.contains("user=ann"), "the client is known: {log}");
    let stats = other.text("INFO stats").await;
    assert!(stats.contains("acl_access_denied_key:4\n"), "{stats}");
}

#[tokio::test]
async fn connections_of_a_deleted_user_end() {
    let solo: Arc<Solo> = Arc::default();
    let mut talk = user(&solo, "ann", "allkeys +@all").await;
    let mut bob = user(&solo, "bob", "+@all").await;
    let mut other = Talk::to(&solo);
    check(&mut other, &[("ACL DELUSER ann", ":1|")]).await;
    assert!(talk.session.client().is_killed());
    assert!(!other.say("CLIENT LIST").await.contains("user=ann"));
    // One that deletes itself is answered first; a user who comes after it is another.
    check(&mut bob, &[("ACL DELUSER bob\nPING", ":1|")]).await;
    assert!(bob.closed);
    let mut again = user(&solo, "ann", "allkeys +@all").await;
    check(&mut again, &[("PING", "+PONG|")]).await;
    check(&mut other, &[("ACL DELUSER ann\nACL SETUSER ann on nopass +@all", ":1|+OK|")]).await;
    assert!(again.session.client().is_killed());
    talk.say("PING").await;
    assert!(talk.closed);
}

#[tokio::test]
async fn who_may_not_listen_any_more_is_cut_off() {
    let solo: Arc<Solo> = Arc::default();
    let mut other = Talk::to(&solo);
    for (rules, request, next, ends) in [
        ("&foo:1", "SUBSCRIBE foo:1", "resetchannels", true),
        ("&bar:*", "PSUBSCRIBE bar:*", "resetchannels", true),
        ("&foo", "SSUBSCRIBE foo", "resetchannels", true),
        ("allchannels", "PSUBSCRIBE foo", "resetchannels &foo*", true),
        ("&foo:1 &bar:*", "SUBSCRIBE foo:1", "resetchannels &foo:1 &bar:* &more", false),
        ("&foo:1 &bar:*", "SUBSCRIBE foo:1", "resetchannels &foo:*", false),
        ("&foo:1", "SUBSCRIBE foo:1", "allchannels", false),
    ] {
        let mut talk = user(&solo, "ann", &format!("reset on nopass +@all {rules}")).await;
        talk.say(request).await;
        check(&mut other, &[(&format!("ACL SETUSER ann {next}"), "+OK|")]).await;
        assert_eq!(talk.session.client().is_killed(), ends, "{rules} {next}");
    }
}

#[tokio::test]
async fn what_is_denied_is_logged_and_counted() {
    let solo: Arc<Solo> = Arc::default();
    let mut talk = user(&solo, "ann", "~a +get &c +publish +auth").await;
    for request in ["SET a x", "SET a x", "GET b", "PUBLISH d x", "AUTH ann x y", "AUTH nobody secret"] {
        assert!(talk.say(request).await.starts_with('-'), "{request}");
    }
    let mut other = Talk::to(&solo);
    let log = other.say("ACL LOG").await;
    for part in [
        "|$6|reason|$4|auth|$7|context|$8|toplevel|$6|object|$4|AUTH|$8|username|$6|nobody|",
        "|$6|reason|$7|channel|$7|context|$8|toplevel|$6|object|$1|d|$8|username|$3|ann|",
        "|$6|reason|$3|key|$7|context|$8|toplevel|$6|object|$1|b|",
        "|$5|count|:2|$6|reason|$7|command|$7|context|$8|toplevel|$6|object|$3|set|",
    ] {
        assert!(log.contains(part), "{part} in {log}");
    }
    assert!(!log.contains("secret"));
    let stats = other.text("INFO stats").await;
    for line in ["auth:1", "cmd:2", "key:1", "channel:1"] {
        assert!(stats.contains(&format!("acl_access_denied_{line}\n")), "{line} in {stats}");
    }
    let cases = [
        ("ACL LOG 0", "*0|"),
        ("ACL LOG x", "-ERR value is not an integer or out of range|"),
        ("CONFIG SET acllog-max-len 1", "+OK|"),
        ("ACL LOG RESET", "+OK|"),
        ("ACL LOG", "*0|"),
        ("ACL CAT nosuch", "-ERR Unknown category 'nosuch'|"),
        ("ACL CAT a b", "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.|"),
        (
            "ACL GENPASS 0",
            "-ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096|",
        ),
    ];
    check(&mut other, &cases).await;
    let password = other.text("ACL GENPASS").await;
    assert!(password.trim().len() == 64 && password != other.text("ACL GENPASS").await);
    assert_eq!(other.text("ACL GENPASS 5").await.trim().len(), 2);
    assert_eq!(solo.front().clients.len(), 2);
}

#[tokio::test]
async fn clients_are_known_by_their_users() {
    let solo: Arc<Solo> = Arc::default();
    let mut talk = user(&solo, "ann", "+@all").await;
    assert!(talk.text("CLIENT INFO").await.contains(" user=ann "));
    let mut other = Talk::to(&solo);
    check(
        &mut other,
        &[("CLIENT KILL USER nobody", "-ERR No such user 'nobody'|"), ("CLIENT KILL USER ann", ":1|")],
    )
    .await;
    assert!(talk.session.client().is_killed());
}
