//! Requests and replies as streams of bytes: splits, pipelines, errors, ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate::session::{Backend, Solo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::ListenerOptions;
use super::{Served, encoded, until, within};

#[tokio::test]
async fn inline_and_arrays_are_served() {
    let served = Served::new();
    let mut wire = served.connect().await;
    wire.ask("PING", "+PONG\r\n").await;
    wire.ask("set \"a key\" 'a value'", "+OK\r\n").await;
    wire.send(encoded(&["GET", "a key"])).await;
    wire.expect("$7\r\na value\r\n").await;
    wire.send("\r\n*0\r\n*-1\r\nPING\r\n").await;
    wire.expect("+PONG\r\n").await;
    served.stop().await;
}

#[tokio::test]
async fn a_pipeline_may_be_split_anywhere() {
    let served = Served::new();
    let mut pipeline = encoded(&["SET", "k", "some value"]);
    pipeline.extend(b"GET k\r\n");
    pipeline.extend(encoded(&["APPEND", "k", "!"]));
    pipeline.extend(encoded(&["GET", "k"]));
    let expected = "+OK\r\n$10\r\nsome value\r\n:11\r\n$11\r\nsome value!\r\n";
    let mut wire = served.connect().await;
    for cut in 0..pipeline.len() {
        wire.send(&pipeline[..cut]).await;
        tokio::task::yield_now().await;
        wire.send(&pipeline[cut..]).await;
        wire.expect(expected).await;
    }
    for byte in &pipeline {
        wire.send([*byte]).await;
    }
    wire.expect(expected).await;
    served.stop().await;
}

#[tokio::test]
async fn a_half_closed_client_gets_its_replies() {
    let served = Served::new();
    let mut wire = served.connect().await;
    wire.send("SET a 1\r\nGET a\r\nGET ").await;
    wire.stream.shutdown().await.expect("it is open");
    assert_eq!(wire.rest().await, "+OK\r\n$1\r\n1\r\n");
    until("the client is gone", || served.solo.front().clients.is_empty()).await;
    served.stop().await;
}

#[tokio::test]
async fn quit_answers_and_closes() {
    let served = Served::new();
    let mut wire = served.connect().await;
    wire.send("SET a 1\r\nQUIT\r\nSET a 2\r\n").await;
    assert_eq!(wire.rest().await, "+OK\r\n+OK\r\n");
    served.connect().await.ask("GET a", "$1\r\n1\r\n").await;
    served.stop().await;
}

#[tokio::test]
async fn a_broken_stream_is_answered_and_closed() {
    let served = Served::new();
    for (bytes, error) in [
        ("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"),
        ("*x\r\n", "invalid multibulk length"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("PING \"a\r\n", "unbalanced quotes in request"),
        ("*3000000000\r\n", "invalid multibulk length"),
    ] {
        let mut wire = served.connect().await;
        wire.send(format!("PING\r\n{bytes}PING\r\n")).await;
        assert_eq!(wire.rest().await, format!("+PONG\r\n-ERR Protocol error: {error}\r\n"));
    }
    let mut wire = served.connect().await;
    wire.send(vec![b'x'; 100_000]).await;
    assert_eq!(wire.rest().await, "-ERR Protocol error: too big inline request\r\n");
    served.stop().await;
}

#[tokio::test]
async fn replies_can_be_switched_off() {
    let served = Served::new();
    let mut wire = served.connect().await;
    wire.send("CLIENT REPLY OFF\r\nPING\r\nSET a 1\r\nCLIENT REPLY ON\r\n").await;
    wire.expect("+OK\r\n").await;
    wire.send("CLIENT REPLY SKIP\r\nPING\r\nGET a\r\n").await;
    wire.expect("$1\r\n1\r\n").await;
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_writes_all_before_it_reads_is_served() {
    let served = Served::new();
    let mut wire = served.connect().await;
    let value = "v".repeat(1000);
    wire.ask(&format!("SET k {value}"), "+OK\r\n").await;
    // Replies of 30 MB, far more than the sockets' buffers take.
    let rounds = 30_000;
    let request = encoded(&["GET", "k"]);
    wire.send(request.repeat(rounds)).await;
    let mut expected = format!("$1000\r\n{value}\r\n").repeat(rounds).into_bytes();
    let mut got = vec![0; expected.len()];
    within(wire.stream.read_exact(&mut got)).await.expect("all replies come");
    assert!(got == expected);
    expected.clear();
    until("nothing waits", || served.solo.front().output_bytes() == 0).await;
    served.stop().await;
}

#[tokio::test]
async fn requests_of_many_clients_are_kept_apart() {
    let served = Served::new();
    let mut tasks = Vec::new();
    for client in 0..20 {
        let mut wire = served.connect().await;
        tasks.push(tokio::spawn(async move {
            for round in 0..50 {
                let value = format!("{client}-{round}");
                wire.send(encoded(&["SET", &format!("k{client}"), &value])).await;
                wire.send(encoded(&["GET", &format!("k{client}")])).await;
                wire.expect(&format!("+OK\r\n${}\r\n{value}\r\n", value.len())).await;
            }
        }));
    }
    for task in tasks {
        task.await.expect("every client gets its own replies");
    }
    served.stop().await;
}

#[tokio::test]
async fn killed_clients_are_closed_at_once() {
    let served = Served::new();
    let (mut one, mut two) = (served.connect().await, served.connect().await);
    one.ask("CLIENT ID", ":1\r\n").await;
    two.ask("CLIENT ID", ":2\r\n").await;
    one.ask("CLIENT KILL ID 2", ":1\r\n").await;
    assert_eq!(two.rest().await, "");
    one.ask("CLIENT KILL ID 1 SKIPME no", ":1\r\n").await;
    assert_eq!(one.rest().await, "");
    drop((one, two));
    until("they are gone", || served.solo.front().clients.is_empty()).await;
    // Even while a request is under way.
    let (mut one, mut three) = (served.connect().await, served.connect().await);
    one.ask("PING", "+PONG\r\n").await;
    served.solo.hold();
    three.send("SET a 1\r\n").await;
    until("the request is under way", || served.solo.rounds().1 == 1).await;
    one.ask("CLIENT KILL TYPE normal", ":1\r\n").await;
    assert_eq!(three.rest().await, "");
    served.solo.release();
    served.stop().await;
}

#[tokio::test]
async fn a_paused_client_waits_and_others_can_end_it() {
    let served = Served::new();
    let (mut one, mut two) = (served.connect().await, served.connect().await);
    let start = Instant::now();
    one.ask("CLIENT PAUSE 200 WRITE", "+OK\r\n").await;
    two.send("GET a\r\nSET a 1\r\nGET a\r\n").await;
    two.expect("$-1\r\n").await;
    two.expect("+OK\r\n$1\r\n1\r\n").await;
    assert!(start.elapsed() >= Duration::from_millis(200));
    one.ask("CLIENT PAUSE 100000 WRITE", "+OK\r\n").await;
    two.send("SET a 2\r\n").await;
    one.ask("CLIENT UNPAUSE", "+OK\r\n").await;
    two.expect("+OK\r\n").await;
    served.stop().await;
}

#[tokio::test]
async fn a_unix_socket_is_served_and_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("redis.sock");
    let options = ListenerOptions { unix_socket: Some(path.clone()), ..ListenerOptions::default() };
    let served = Served::with(Arc::new(Solo::default()), &[], options);
    let mut stream = tokio::net::UnixStream::connect(&path).await.expect("it listens");
    stream.write_all(b"PING\r\nCLIENT INFO\r\n").await.expect("it reads");
    let mut got = vec![0; 400];
    let mut len = 0;
    while !got[..len].ends_with(b"\n\r\n") {
        len += within(stream.read(&mut got[len..])).await.expect("it answers");
    }
    let text = String::from_utf8_lossy(&got[..len]);
    assert!(text.starts_with("+PONG\r\n$") && text.contains(" flags=U "), "{text}");
    served.stop().await;
    assert!(!path.exists());
}
