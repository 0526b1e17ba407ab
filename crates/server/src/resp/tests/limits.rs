//! Who may connect, what a client may hold, and how the listener stops.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use quorate::session::{Admission, Backend, Solo};

use super::super::{Listener, ListenerOptions};
use super::{Served, encoded, until, within};

#[tokio::test]
async fn too_many_clients_are_refused() {
    let served = Served::new();
    served.solo.configure(&[("maxclients", "2")]);
    let (mut one, mut two) = (served.connect().await, served.connect().await);
    one.ask("PING", "+PONG\r\n").await;
    two.ask("PING", "+PONG\r\n").await;
    let mut three = served.connect().await;
    assert_eq!(three.rest().await, "-ERR max number of clients reached\r\n");
    drop(two);
    until("there is room", || served.solo.front().clients.len() == 1).await;
    served.connect().await.ask("PING", "+PONG\r\n").await;
    assert_eq!(served.solo.front().stats.connections_rejected.load(Relaxed), 1);
    served.stop().await;
}

#[tokio::test]
async fn a_draining_node_takes_no_new_clients() {
    let served = Served::new();
    let mut open = served.connect().await;
    open.ask("PING", "+PONG\r\n").await;
    served.solo.set_admission(Admission::Draining);
    let refused = served.connect().await.rest().await;
    assert_eq!(refused, "-ERR this node is being stopped, connect to another one\r\n");
    open.ask("SET a 1", "+OK\r\n").await;
    served.solo.set_admission(Admission::Open);
    served.connect().await.ask("PING", "+PONG\r\n").await;
    served.stop().await;
}

#[tokio::test]
async fn limits_before_authentication_are_low_and_end_with_it() {
    let served = Served::new();
    served.solo.configure(&[("requirepass", "secret")]);
    let mut wire = served.connect().await;
    wire.ask("GET a", "-NOAUTH Authentication required.\r\n").await;
    wire.send("*100\r\n").await;
    assert_eq!(wire.rest().await, "-ERR Protocol error: unauthenticated multibulk length\r\n");
    let mut wire = served.connect().await;
    wire.send("*1\r\n$20000\r\n").await;
    assert_eq!(wire.rest().await, "-ERR Protocol error: unauthenticated bulk length\r\n");
    // What follows an AUTH in the same piece is under the limits of the authenticated.
    let mut wire = served.connect().await;
    let many: Vec<String> = (0..100).map(|i| format!("k{i}")).collect();
    let many: Vec<&str> = std::iter::once("MGET").chain(many.iter().map(String::as_str)).collect();
    let bytes = [encoded(&["AUTH", "secret"]), encoded(&many), encoded(&["SET", "a", &"x".repeat(50_000)])];
    wire.send(bytes.concat()).await;
    wire.expect(&format!("+OK\r\n*100\r\n{}+OK\r\n", "$-1\r\n".repeat(100))).await;
    served.stop().await;
}

#[tokio::test]
async fn a_request_beyond_the_limit_closes_the_connection() {
    let served = Served::new();
    served.solo.configure(&[("client-query-buffer-limit", "1mb"), ("proto-max-bulk-len", "2mb")]);
    let mut wire = served.connect().await;
    wire.send("*2\r\n$3\r\nGET\r\n$3000000\r\n").await;
    assert_eq!(wire.rest().await, "-ERR Protocol error: invalid bulk length\r\n");
    let mut wire = served.connect().await;
    wire.send("*2\r\n$3\r\nGET\r\n$1900000\r\n").await;
    assert_eq!(wire.rest().await, "");
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_bounded_memory() {
    let served = Served::new();
    served.solo.configure(&[("client-output-buffer-limit", "normal 8mb 0 0")]);
    let mut wire = served.connect().await;
    wire.ask(&format!("SET k {}", "v".repeat(60_000)), "+OK\r\n").await;
    let request = encoded(&["GET", "k"]);
    let (mut reader, mut writer) = wire.stream.split();
    // The writes fail once the server has cut the connection.
    for _ in 0..2000 {
        if within(tokio::io::AsyncWriteExt::write_all(&mut writer, &request)).await.is_err() {
            break;
        }
    }
    until("the client is cut off", || served.solo.front().clients.is_empty()).await;
    let mut rest = Vec::new();
    let _end = within(tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut rest)).await;
    assert!(rest.len() < 2000 * 60_000, "{}", rest.len());
    assert_eq!(served.solo.front().output_bytes(), 0);
    served.stop().await;
}

#[tokio::test]
async fn mail_reaches_an_idle_client_behind_its_replies() {
    let served = Served::new();
    let mut wire = served.connect().await;
    wire.ask("PING", "+PONG\r\n").await;
    let client = served.solo.front().clients.all().remove(0);
    let limits = served.solo.front().tunables().output_limits;
    for i in 0..3 {
        assert!(client.send(format!(">2\r\n+a\r\n:{i}\r\n").into(), &limits));
        assert!(client.send(">1\r\n+b\r\n".into(), &limits));
        wire.expect(&format!(">2\r\n+a\r\n:{i}\r\n>1\r\n+b\r\n")).await;
    }
    wire.ask("PING", "+PONG\r\n").await;
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_mail_is_cut_off() {
    let served = Served::new();
    served.solo.configure(&[("client-output-buffer-limit", "normal 8mb 0 0")]);
    let mut wire = served.connect().await;
    wire.ask("PING", "+PONG\r\n").await;
    let client = served.solo.front().clients.all().remove(0);
    let limits = served.solo.front().tunables().output_limits;
    let piece = bytes::Bytes::from(vec![b'x'; 60_000]);
    let sent = (0..2000).take_while(|_| client.send(piece.clone(), &limits)).count();
    assert!(sent < 2000, "the limit holds");
    until("the client is cut off", || served.solo.front().clients.is_empty()).await;
    assert_eq!(served.solo.front().output_bytes(), 0);
    assert!(wire.rest().await.len() <= 2000 * 60_000);
    served.stop().await;
}

#[tokio::test]
async fn no_output_limit_is_too_low_for_a_status() {
    let served = Served::new();
    served.solo.configure(&[("client-output-buffer-limit", "normal 1 1 1")]);
    let mut wire = served.connect().await;
    wire.ask("PING", "+PONG\r\n").await;
    wire.ask("PING", "+PONG\r\n").await;
    served.stop().await;
}

#[tokio::test]
async fn idle_clients_hold_no_buffers_and_end_by_the_timeout() {
    let served = Served::new();
    let mut wire = served.connect().await;
    wire.ask("PING", "+PONG\r\n").await;
    let client = served.solo.front().clients.all().remove(0);
    until("the buffer is given back", || {
        client.input_bytes.load(Relaxed) + client.input_free_bytes.load(Relaxed) == 0
    })
    .await;
    served.solo.configure(&[("timeout", "1")]);
    // The next request lets the connection see the new timeout.
    wire.ask("PING", "+PONG\r\n").await;
    assert_eq!(wire.rest().await, "");
    served.stop().await;
}

#[tokio::test]
async fn a_stop_finishes_open_requests() {
    let served = Served::new();
    let (mut idle, mut busy) = (served.connect().await, served.connect().await);
    idle.ask("PING", "+PONG\r\n").await;
    busy.ask("PING", "+PONG\r\n").await;
    served.solo.hold();
    busy.send("SET a 1\r\nGET a\r\n").await;
    until("the request is under way", || served.solo.rounds().1 == 1).await;
    let address = served.addresses[0];
    let solo = Arc::clone(&served.solo);
    let stopping = tokio::spawn(served.stop());
    assert_eq!(idle.rest().await, "");
    let refused = tokio::net::TcpStream::connect(address).await;
    assert!(refused.is_err(), "nobody listens any more");
    solo.release();
    assert_eq!(busy.rest().await, "+OK\r\n$1\r\n1\r\n");
    within(stopping).await.expect("it stops");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let options = ListenerOptions { drain_max: Duration::from_millis(100), ..ListenerOptions::default() };
    let served = Served::with(Arc::new(Solo::default()), &["127.0.0.1:0"], options);
    let mut busy = served.connect().await;
    served.solo.hold();
    busy.send("SET a 1\r\n").await;
    until("the request is under way", || served.solo.rounds().1 == 1).await;
    served.stop().await;
    assert_eq!(busy.rest().await, "");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let served = Served::new();
    let address = served.addresses[0];
    let error = Listener::bind(&[address], ListenerOptions::default()).expect_err("it is taken");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    served.stop().await;
}

#[tokio::test]
async fn several_addresses_are_served() {
    let served = Served::with(Arc::default(), &["127.0.0.1:0", "127.0.0.2:0"], ListenerOptions::default());
    for address in served.addresses.clone() {
        let stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
        super::Wire { stream }.ask("PING", "+PONG\r\n").await;
    }
    served.stop().await;
}
