//! A node inside a program, and its typed client.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use quorate::{ClientError, Components, Membership, Node, NodeOptions};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_waits_for_an_element_of_a_list() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedded");
    // What an earlier run has left, if there was one.
    let _nothing = std::fs::remove_dir_all(&folder);
    let address =
        TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let peers = BTreeMap::from([(1, address.to_string())]);
    let membership = Membership::Static { number: 1, peers };
    let options = NodeOptions::new(folder.join("node"), membership, address.to_string());
    let node = Node::start(options, Components::real()).await.expect("a node");
    node.serving().await.expect("it serves");

    let (waiting, giving) = (node.client(), node.client());
    let nothing = waiting.blpop(&["none"], Some(Duration::ZERO)).await;
    assert_eq!(nothing, Ok(None));
    let wait = tokio::spawn(async move { waiting.blpop(&["none", "queue"], None).await });
    loop {
        let info = giving.execute(&["INFO", "quorate"]).await.expect("a text");
        if info.as_str().expect("a text").contains("quorate_waiters:1\r\n") {
            break;
        }
        tokio::task::yield_now().await;
    }
    giving.execute(&["RPUSH", "queue", "a", "b"]).await.expect("it is pushed");
    let given = wait.await.expect("it ends").expect("an element");
    assert_eq!(given, Some(("queue".into(), "a".into())));
    let at_once = giving.blpop(&["queue"], None).await.expect("an element");
    assert_eq!(at_once, Some(("queue".into(), "b".into())));
    giving.set("queue", "text").await.expect("it is set");
    let refused = giving.blpop(&["queue"], None).await.expect_err("it is no list");
    assert!(matches!(&refused, ClientError::Reply(text) if text.starts_with("WRONGTYPE")), "{refused}");
    node.stop().await;
}
