//! Transports over loopback.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::*;

/// Answers calls with their kind and body; collects forwarded batches.
#[derive(Default)]
struct Echo {
    forwarded: Mutex<Vec<Bytes>>,
    held: Mutex<Vec<ForwardAnswer>>,
    calls: AtomicUsize,
    stuck: Notify,
}

const STUCK: u8 = 99;

impl PeerService for Arc<Echo> {
    fn call(
        &self,
        from: Peer,
        channel: Channel,
        kind: u8,
        body: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, String>> {
        let me = Arc::clone(self);
        Box::pin(async move {
            me.calls.fetch_add(1, Ordering::SeqCst);
            if kind == STUCK {
                me.stuck.notified().await;
            }
            if body.is_empty() {
                return Err("nothing to echo".into());
            }
            Ok(format!("{} {channel:?} {kind} {}", from.identity.node, String::from_utf8_lossy(&body)).into())
        })
    }

    fn forward(&self, _from: Peer, body: BytesMut, answer: ForwardAnswer) {
        let body = body.freeze();
        self.forwarded.lock().push(body.clone());
        if body.starts_with(b"hold") {
            self.held.lock().push(answer);
        } else {
            answer.send(body);
        }
    }
}

fn identity(node: u64) -> PeerIdentity {
    PeerIdentity { cluster: 77, node: NodeId(node), incarnation: 1 }
}

async fn node(identity: PeerIdentity, options: TransportOptions) -> (Transport, Arc<Echo>) {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let transport =
        Transport::bind(Arc::new(TcpNet), listen, options).await.expect("loopback has free ports");
    transport.set_identity(identity);
    let echo = Arc::new(Echo::default());
    transport.set_service(Arc::new(Arc::clone(&echo)));
    (transport, echo)
}

async fn pair() -> (Transport, Transport, Arc<Echo>) {
    let (one, _) = node(identity(1), TransportOptions::default()).await;
    let (two, echo) = node(identity(2), TransportOptions::default()).await;
    one.set_address(NodeId(2), &two.local_addr().to_string());
    (one, two, echo)
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn calls_are_answered_concurrently_and_errors_keep_their_text() {
    let (one, _two, echo) = pair().await;
    let call =
        |kind, body: &'static str| one.call(NodeId(2), Channel::Control, kind, body.into(), SECOND * 5);
    let stuck = call(STUCK, "slow");
    let quick = async {
        let answer = call(70, "hello").await.expect("an answer");
        echo.stuck.notify_one();
        answer
    };
    let (stuck, quick) = tokio::join!(stuck, quick);
    assert_eq!(quick, "1 Control 70 hello");
    assert_eq!(stuck.expect("an answer"), "1 Control 99 slow");
    assert_eq!(call(70, "").await, Err(CallError::Remote("nothing to echo".into())));
    // Raft's kinds are not the service's.
    assert_eq!(call(1, "x").await, Err(CallError::Remote("this node is starting".into())));
    assert_eq!(echo.calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_timeout() {
    let (one, _two, _echo) = pair().await;
    let limit = Duration::from_millis(50);
    let result = one.call(NodeId(2), Channel::Admin, STUCK, "x".into(), limit).await;
    assert!(matches!(result, Err(CallError::Timeout { .. })), "{result:?}");
    assert!(one.call(NodeId(2), Channel::Admin, 70, "x".into(), SECOND).await.is_ok());
    let result = one.call(NodeId(9), Channel::Admin, 70, "x".into(), SECOND).await;
    assert_eq!(result, Err(CallError::NoAddress(NodeId(9))));
}

#[tokio::test]
async fn forwarded_batches_arrive_in_order_and_a_broken_stream_is_noticed() {
    let (one, two, echo) = pair().await;
    let (sender, mut answers) = one.forward(NodeId(2)).await.expect("connects");
    for number in 1..=1000_u64 {
        let sent = sender.send("batch ".into(), number.to_string().into()).await.expect("sent");
        assert_eq!(sent, number);
        if number % 100 == 0 {
            for expected in number - 99..=number {
                let (id, body) = answers.next().await.expect("an answer");
                assert_eq!((id, body), (expected, Bytes::from(format!("batch {expected}"))));
            }
        }
    }
    let order: Vec<_> = (1..=1000).map(|number| Bytes::from(format!("batch {number}"))).collect();
    assert_eq!(*echo.forwarded.lock(), order);

    // An answer that is never given closes the stream.
    sender.send("hold".into(), Bytes::new()).await.expect("sent");
    while echo.held.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    echo.held.lock().clear();
    assert_eq!(answers.next().await, None);
    sender.broken().await;
    assert!(matches!(sender.send("x".into(), Bytes::new()).await, Err(CallError::Broken(_))));

    // So does the end of the peer; and a new stream cannot be had then.
    let (sender, mut answers) = one.forward(NodeId(2)).await.expect("connects again");
    two.shutdown().await;
    assert_eq!(answers.next().await, None);
    sender.broken().await;
}

#[tokio::test]
async fn only_members_of_the_cluster_get_beyond_the_admin_channel() {
    let (member, _) = node(identity(1), TransportOptions::default()).await;
    let addr = member.local_addr().to_string();
    let cases = [
        (PeerIdentity::default(), true, Some("only members")),
        (PeerIdentity { cluster: 78, ..identity(2) }, false, Some("another cluster")),
        (PeerIdentity { node: NodeId(0), ..identity(2) }, true, Some("only members")),
        (identity(1), false, Some("this node itself")),
        (identity(2), true, None),
    ];
    for (who, admin, control) in cases {
        let (other, _) = node(who, TransportOptions::default()).await;
        let answer = other.call_addr(&addr, 70, "hi".into(), SECOND).await;
        assert_eq!(answer.is_ok(), admin, "{who:?}: {answer:?}");
        other.set_address(NodeId(1), &addr);
        let answer = other.call(NodeId(1), Channel::Control, 70, "hi".into(), SECOND).await;
        match (control, answer) {
            (None, answer) => assert!(answer.is_ok(), "{who:?}: {answer:?}"),
            (Some(part), Err(CallError::Rejected { reason, .. })) => {
                assert!(reason.contains(part), "{who:?}: {reason}")
            }
            (_, answer) => panic!("{who:?}: {answer:?}"),
        }
    }
    let (other, _) = node(identity(2), TransportOptions::default()).await;
    other.set_address(NodeId(5), &addr);
    let answer = other.call(NodeId(5), Channel::Control, 70, "hi".into(), SECOND).await;
    assert!(matches!(answer, Err(CallError::Rejected { .. })), "the wrong node answered: {answer:?}");
}

#[tokio::test]
async fn connections_come_back_after_a_restart_at_another_address() {
    let (one, two, _) = pair().await;
    let call = || one.call(NodeId(2), Channel::Control, 70, "x".into(), SECOND);
    assert!(call().await.is_ok());
    two.shutdown().await;
    let (again, _) = node(identity(2), TransportOptions::default()).await;
    one.set_address(NodeId(2), &again.local_addr().to_string());
    assert!(call().await.is_ok());
}

#[tokio::test]
async fn a_silent_peer_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let options = TransportOptions { dead_after: Duration::from_millis(60), ..TransportOptions::default() };
    // Shakes hands, then says nothing, not even that it lives.
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let shaken =
            crate::wire::handshake::accept(&mut stream, identity(2), None, |_| Ok(Channel::Forward)).await;
        assert!(shaken.is_ok());
        std::future::pending::<()>().await;
        drop(stream);
    });
    let (one, _) = node(identity(1), options).await;
    one.set_address(NodeId(2), &addr.to_string());
    let (sender, mut answers) = one.forward(NodeId(2)).await.expect("connects");
    assert_eq!(answers.next().await, None);
    sender.broken().await;
}

#[tokio::test]
async fn an_idle_connection_lives_on_through_signs_of_life() {
    let options = TransportOptions { dead_after: Duration::from_millis(90), ..TransportOptions::default() };
    let (one, _) = node(identity(1), options.clone()).await;
    let (two, _) = node(identity(2), options).await;
    one.set_address(NodeId(2), &two.local_addr().to_string());
    let (sender, mut answers) = one.forward(NodeId(2)).await.expect("connects");
    let idle = tokio::time::timeout(Duration::from_millis(400), sender.broken()).await;
    assert!(idle.is_err(), "the connection was closed although both sides live");
    sender.send("still ".into(), "there".into()).await.expect("sent");
    assert_eq!(answers.next().await, Some((1, "still there".into())));
}
