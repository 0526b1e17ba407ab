//! Sessions over [`Solo`]: what clients see of connection commands, and how requests are grouped.

mod acl;
mod blocking;
mod client;
mod connection;
mod golden;
mod node;
mod pipeline;
mod pubsub;
mod tracking;
mod transaction;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use quorate_resp::Request;

use super::{Backend, ClientOrigin, Flow, Session, Solo};

/// A connection to a node in memory; requests and replies as text.
struct Talk {
    session: Session<Solo>,
    closed: bool,
}

impl Talk {
    fn new() -> Talk {
        Talk::to(&Arc::default())
    }

    fn to(solo: &Arc<Solo>) -> Talk {
        let origin = ClientOrigin {
            addr: "127.0.0.1:5000".to_owned(),
            laddr: "127.0.0.1:6379".to_owned(),
            fd: 9,
            local: true,
            ..ClientOrigin::default()
        };
        Talk { session: Session::new(Arc::clone(solo), origin), closed: false }
    }

    fn solo(&self) -> Arc<Solo> {
        Arc::clone(self.session.backend())
    }

    /// Sends requests, a line each with arguments between spaces, as one pipeline; gives the bytes that came
    /// back, with line ends as `|`.
    async fn say(&mut self, pipeline: &str) -> String {
        let mut requests: VecDeque<_> =
            pipeline.lines().map(|line| Request::from_args(line.split_ascii_whitespace())).collect();
        let mut all = BytesMut::new();
        loop {
            let flow = self.session.execute(&mut requests).await;
            for piece in self.session.take_output() {
                all.extend_from_slice(&piece);
            }
            self.closed |= flow == Flow::Close;
            if flow != Flow::More {
                assert!(requests.is_empty());
                break;
            }
        }
        String::from_utf8_lossy(&all).replace("\r\n", "|")
    }

    /// What has come besides replies.
    fn mail(&mut self) -> String {
        self.session.take_mail();
        String::from_utf8_lossy(&self.session.take_output().concat()).replace("\r\n", "|")
    }

    /// The bulk or verbatim text of one reply.
    async fn text(&mut self, request: &str) -> String {
        let mut requests = VecDeque::from([Request::from_args(request.split_ascii_whitespace())]);
        assert_eq!(self.session.execute(&mut requests).await, Flow::Continue);
        let reply = self.session.take_output().concat();
        let reply = String::from_utf8(reply).expect("the reply is text");
        let text = reply.split_once("\r\n").map_or("", |(_, text)| text);
        text.strip_prefix("txt:").unwrap_or(text).replace("\r\n", "\n")
    }
}

/// Says lines one by one and compares.
async fn check(talk: &mut Talk, cases: &[(&str, &str)]) {
    for (request, expected) in cases {
        let reply = talk.say(request).await;
        assert_eq!(reply, *expected, "{request}");
    }
}

#[test]
fn a_session_can_be_run_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let solo: Arc<Solo> = Arc::default();
    let mut session = Session::new(solo, ClientOrigin::default());
    let mut requests = VecDeque::new();
    is_send(&session);
    is_send(&session.execute(&mut requests));
}

#[tokio::test]
async fn a_connection_leaves_the_registry_with_its_session() {
    let talk = Talk::new();
    let solo = talk.solo();
    assert_eq!(solo.front().clients.len(), 1);
    drop(talk);
    assert_eq!(solo.front().clients.len(), 0);
}
