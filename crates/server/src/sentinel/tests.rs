//! The façade on a socket, in front of a node that a test moves about.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::BytesMut;
use quorate::session::{Admission, NodeFacts, Solo};
use quorate_commands::Settings;
use quorate_commands::golden::render;
use quorate_resp::{Value, encode_request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::view::tests::facts;
use super::{Facade, FacadeOptions};
use crate::Roles;

/// A façade that serves until it is dropped.
struct Served {
    solo: Arc<Solo>,
    address: std::net::SocketAddr,
    failovers: Arc<AtomicUsize>,
    _stop: DropGuard,
}

async fn serve(roles: Roles, asks_password: bool) -> Served {
    let solo = Arc::new(Solo::new(Settings::default()));
    solo.set_facts(NodeFacts { in_touch: true, ..facts() });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let failovers = Arc::new(AtomicUsize::new(0));
    let counted = failovers.clone();
    let names = vec!["mymaster".to_owned(), "myprimary".to_owned()];
    let options = FacadeOptions { names, roles, asks_password };
    let facade = Facade::new(solo.clone(), options, move || {
        counted.fetch_add(1, SeqCst);
    });
    let stop = CancellationToken::new();
    tokio::spawn(facade.serve(listener, stop.clone()));
    Served { solo, address, failovers, _stop: stop.drop_guard() }
}

struct Caller {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Served {
    async fn connect(&self) -> Caller {
        let stream = TcpStream::connect(self.address).await.expect("it listens");
        Caller { stream, buffer: BytesMut::new() }
    }
}

impl Caller {
    async fn ask(&mut self, line: &str) -> String {
        let mut request = BytesMut::new();
        encode_request(line.split(' ').collect::<Vec<_>>(), &mut request);
        self.stream.write_all(&request).await.expect("it reads");
        self.next().await
    }

    async fn next(&mut self) -> String {
        loop {
            if let Some(value) = Value::decode(&mut self.buffer).expect("well-formed replies") {
                return render(&value, false);
            }
            let read = self.stream.read_buf(&mut self.buffer).await.expect("it writes");
            assert!(read > 0, "the façade closed the connection");
        }
    }

    async fn check(&mut self, cases: &[(&str, &str)]) {
        for (line, expected) in cases {
            assert_eq!(self.ask(line).await, *expected, "{line}");
        }
    }
}

const NO_SUCH: &str = "(error) ERR No such master with that name";

#[tokio::test]
async fn every_set_is_this_node_under_its_own_name() {
    let served = serve(Roles::Any, false).await;
    let mut caller = served.connect().await;
    caller
        .check(&[
            ("PING", "PONG"),
            ("SENTINEL get-master-addr-by-name myprimary", "[\"10.0.0.2\", \"6379\"]"),
            ("SENTINEL GET-MASTER-ADDR-BY-NAME mymaster", "[\"10.0.0.2\", \"6379\"]"),
            ("SENTINEL get-master-addr-by-name other", "(null)"),
            ("SENTINEL master other", NO_SUCH),
            ("SENTINEL replicas other", NO_SUCH),
            ("SENTINEL sentinels other", NO_SUCH),
            ("SENTINEL ckquorum other", NO_SUCH),
            (
                "SENTINEL ckquorum mymaster",
                "OK 3 usable Sentinels. Quorum and failover authorization can be reached",
            ),
            ("SENTINEL is-master-down-by-addr 10.0.0.2 6379 0 *", "[(integer) 0, \"*\", (integer) 0]"),
            ("SENTINEL pending-scripts", "[]"),
            ("SENTINEL flushconfig", "OK"),
            ("SENTINEL reset my*", "(integer) 2"),
            ("SENTINEL config get announce-port", "[\"announce-port\", \"26379\"]"),
            ("SENTINEL config set what 1", "(error) ERR Invalid argument 'what' to SENTINEL CONFIG SET"),
            ("SENTINEL masters x", "(error) ERR wrong number of arguments for 'sentinel' command"),
            ("SENTINEL what", "(error) ERR unknown subcommand 'what'. Try SENTINEL HELP."),
            ("ROLE", "[\"sentinel\", [\"mymaster\", \"myprimary\"]]"),
            ("CLIENT SETNAME me", "OK"),
            ("CLIENT GETNAME", "\"me\""),
            ("CLIENT SETINFO lib-name x", "OK"),
            ("CLIENT ID", "(integer) 1"),
            ("COMMAND COUNT", "(integer) 17"),
            ("PUBLISH a b", "(error) ERR Only HELLO messages are accepted by Sentinel instances."),
            ("GET x", "(error) ERR unknown command 'GET', with args beginning with: 'x' "),
            (
                "AUTH x",
                "(error) ERR AUTH <password> called without any password configured for the default user. \
                        Are you sure your configuration is correct?",
            ),
        ])
        .await;
    let hello = caller.ask("HELLO 3 SETNAME you").await;
    assert!(hello.contains("\"mode\": \"sentinel\"") && !hello.contains("role"), "{hello}");
    for part in [
        "{\"name\": \"mymaster\", \"ip\": \"10.0.0.2\", \"port\": \"6379\"",
        "\"flags\": \"master\"",
        "\"num-slaves\": \"2\"",
        "\"num-other-sentinels\": \"2\"",
        "\"quorum\": \"2\"",
        "\"config-epoch\": \"7\"",
        "\"name\": \"myprimary\"",
    ] {
        let masters = caller.ask("SENTINEL masters").await;
        assert!(masters.contains(part), "{part}: {masters}");
    }
    let replicas = caller.ask("SENTINEL replicas mymaster").await;
    assert!(replicas.contains("10.0.0.1:6379") && replicas.contains("10.0.0.3:6379"), "{replicas}");
    assert!(!replicas.contains("10.0.0.2:6379"), "{replicas}");
    let sentinels = caller.ask("SENTINEL sentinels mymaster").await;
    assert!(sentinels.contains("\"ip\": \"10.0.0.3\", \"port\": \"26379\""), "{sentinels}");
    assert_eq!(caller.ask("SENTINEL myid").await.len(), 42);
    let info = caller.ask("INFO").await;
    for part in
        ["redis_mode:sentinel", "master1:name=myprimary,status=ok,address=10.0.0.2:6379,slaves=2,sentinels=3"]
    {
        assert!(info.contains(part), "{part}: {info}");
    }
    assert!(caller.ask("CLIENT LIST").await.contains(" name=you "));
    caller.check(&[("RESET", "RESET"), ("QUIT", "OK")]).await;
}

#[tokio::test]
async fn subscribers_are_told_of_a_new_leader() {
    let served = serve(Roles::Leader, false).await;
    let (mut one, mut two) = (served.connect().await, served.connect().await);
    assert_eq!(one.ask("SENTINEL get-master-addr-by-name mymaster").await, "[\"10.0.0.1\", \"6379\"]");
    assert_eq!(one.ask("SUBSCRIBE +switch-master").await, "[\"subscribe\", \"+switch-master\", (integer) 1]");
    assert!(one.ask("SENTINEL masters").await.starts_with("(error) ERR Can't execute 'sentinel'"));
    assert_eq!(one.ask("PING").await, "[\"pong\", \"\"]");
    assert!(two.ask("HELLO 3").await.starts_with('{'));
    assert_eq!(two.ask("PSUBSCRIBE +switch*").await, "(push) [\"psubscribe\", \"+switch*\", (integer) 1]");
    served.solo.set_facts(NodeFacts { in_touch: true, leader: Some(3), term: 8, ..facts() });
    for name in ["mymaster", "myprimary"] {
        let text = format!("{name} 10.0.0.1 6379 10.0.0.3 6379");
        assert_eq!(one.next().await, format!("[\"message\", \"+switch-master\", \"{text}\"]"));
        let message = format!("(push) [\"pmessage\", \"+switch*\", \"+switch-master\", \"{text}\"]");
        assert_eq!(two.next().await, message);
    }
    assert_eq!(two.ask("SENTINEL get-master-addr-by-name mymaster").await, "[\"10.0.0.3\", \"6379\"]");
    assert_eq!(one.ask("UNSUBSCRIBE").await, "[\"unsubscribe\", \"+switch-master\", (integer) 0]");
    assert_eq!(one.ask("ROLE").await, "[\"sentinel\", [\"mymaster\", \"myprimary\"]]");
}

#[tokio::test]
async fn a_node_that_is_drained_sends_its_clients_to_another() {
    let served = serve(Roles::Any, false).await;
    let mut caller = served.connect().await;
    caller.ask("SUBSCRIBE +switch-master").await;
    served.solo.set_admission(Admission::Draining);
    let expected = "[\"message\", \"+switch-master\", \"mymaster 10.0.0.2 6379 10.0.0.1 6379\"]";
    assert_eq!(caller.next().await, expected);
}

#[tokio::test]
async fn the_password_is_asked_for_where_it_is_wished_and_always_for_a_failover() {
    let open = serve(Roles::Any, false).await;
    let mut caller = open.connect().await;
    assert_eq!(caller.ask("SENTINEL failover mymaster").await, "OK");
    assert_eq!(open.failovers.load(SeqCst), 1);
    open.solo.configure(&[("requirepass", "secret")]);
    caller
        .check(&[
            ("SENTINEL get-master-addr-by-name mymaster", "[\"10.0.0.2\", \"6379\"]"),
            ("SENTINEL failover mymaster", "(error) NOAUTH Authentication required."),
            ("AUTH wrong", "(error) WRONGPASS invalid username-password pair or user is disabled."),
            ("AUTH default secret", "OK"),
            ("SENTINEL failover mymaster", "OK"),
        ])
        .await;
    assert_eq!(open.failovers.load(SeqCst), 2);

    let closed = serve(Roles::Any, true).await;
    closed.solo.configure(&[("requirepass", "secret")]);
    let mut caller = closed.connect().await;
    caller
        .check(&[
            ("SENTINEL masters", "(error) NOAUTH Authentication required."),
            ("AUTH secret", "OK"),
            ("SENTINEL get-master-addr-by-name mymaster", "[\"10.0.0.2\", \"6379\"]"),
        ])
        .await;
}
