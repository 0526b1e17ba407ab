//! The golden scripts of the connection group, which need a connection, against a session.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use quorate_commands::golden::{Server, Target, replay};
use quorate_resp::{Protocol, Request, Value};
use tokio::runtime::Runtime;

use super::{Flow, Session, Solo, Talk};

struct Client {
    runtime: Runtime,
    session: Session<Solo>,
}

impl Client {
    fn run(&mut self, args: &[Vec<u8>]) -> Value {
        let mut requests = VecDeque::from([Request::from_args(args)]);
        let flow = self.runtime.block_on(self.session.execute(&mut requests));
        assert_eq!(flow, Flow::Continue, "{args:?}");
        let mut bytes = BytesMut::from(&self.session.take_output().concat()[..]);
        let value = Value::decode(&mut bytes).expect("replies are well formed").expect("and whole");
        assert!(bytes.is_empty(), "a request has one reply: {args:?}");
        value
    }

    fn must(&mut self, args: &[&str]) {
        let owned: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        let reply = self.run(&owned);
        assert!(!matches!(reply, Value::Error(_)), "{args:?}: {reply:?}");
    }
}

impl Target for Client {
    fn request(&mut self, args: &[Vec<u8>]) -> (Value, Vec<String>) {
        (self.run(args), Vec::new())
    }

    fn advance(&mut self, millis: i64) {
        std::thread::sleep(Duration::from_millis(millis.unsigned_abs()));
    }

    fn protocol(&mut self, protocol: Protocol) {
        self.must(&["hello", if matches!(protocol, Protocol::Resp2) { "2" } else { "3" }]);
    }

    fn select(&mut self, db: i64) {
        self.must(&["select", &db.to_string()]);
    }

    fn events(&mut self, classes: &str) {
        self.must(&["config", "set", "notify-keyspace-events", classes]);
    }

    fn server(&self) -> Server {
        Server::Quorate
    }
}

#[test]
fn scripts_of_the_connection_group() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../commands/tests/golden/connection");
    let mut scripts = 0;
    for script in fs::read_dir(folder).expect("the group's folder") {
        let path = script.expect("a script").path();
        let script = fs::read_to_string(&path).expect("a readable script");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let solo: Arc<Solo> = Arc::default();
        let mut client = Client { runtime, session: Talk::to(&solo).session };
        client.must(&["hello", "3"]);
        let answered = replay(&script, &mut client).expect("a valid script");
        let (mut request, mut differences) = ("", Vec::new());
        for (number, (expected, got)) in script.lines().zip(answered.lines()).enumerate() {
            if expected.starts_with('>') {
                request = expected;
            }
            if got != expected {
                let number = number + 1;
                differences.push(format!("{number}: {request}\n  script: {expected}\n  got:    {got}"));
            }
        }
        assert!(differences.is_empty(), "{}:\n{}", path.display(), differences.join("\n"));
        assert_eq!(answered.lines().count(), script.lines().count(), "{}", path.display());
        scripts += 1;
    }
    assert!(scripts > 0);
}
