//! Three nodes in one program, without a socket for clients:
//!
//! ```text
//! cargo run -p quorate-node --example embedded
//! ```

use std::collections::BTreeMap;
use std::time::Instant;

use quorate::{Components, Membership, Node, NodeOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("quorate-embedded-{}", std::process::id()));
    let peers = free_addresses(3)?;

    // Every node is given the same peers; together they form the cluster, once.
    let mut nodes = Vec::new();
    for (&number, address) in &peers {
        let membership = Membership::Static { number, peers: peers.clone() };
        let options = NodeOptions::new(folder.join(format!("node-{number}")), membership, address);
        nodes.push(Node::start(options, Components::real()).await?);
    }
    for node in &nodes {
        node.serving().await?;
    }

    // Any node takes writes, and any other sees them at once.
    let (first, second, third) = (nodes[0].client(), nodes[1].client(), nodes[2].client());
    first.set("greeting", "hello").await?;
    let seen = second.get("greeting").await?.ok_or("the write is visible on every node")?;
    println!("written on node 1, read on node 2: {}", String::from_utf8_lossy(&seen));

    let started = Instant::now();
    for client in [&first, &second, &third].into_iter().cycle().take(300) {
        client.incr("counter", 1).await?;
    }
    let counter = third.execute(&["GET", "counter"]).await?;
    println!("300 increments on three nodes in {:?}: {counter:?}", started.elapsed());

    // A transaction runs if nobody on any node has changed what it builds on.
    let mut watch = first.watch(&["greeting"]).await?;
    let seen = watch.execute(&["GET", "greeting"]).await?;
    second.set("greeting", "changed meanwhile").await?;
    let done = watch.commit([["SET", "greeting", "built on what was"]]).await?;
    println!("seen {seen:?}, then {}", if done.is_some() { "written" } else { "nothing was written" });

    // The cluster goes on without one node, whichever it is.
    nodes[0].stop().await;
    second.set("greeting", "still here").await?;
    let seen = third.get("greeting").await?.ok_or("two of three are a majority")?;
    println!("with node 1 stopped: {}", String::from_utf8_lossy(&seen));

    for node in &nodes[1..] {
        node.stop().await;
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn free_addresses(count: u32) -> std::io::Result<BTreeMap<u32, String>> {
    let listeners: Vec<_> =
        (0..count).map(|_| std::net::TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    (1..).zip(&listeners).map(|(number, listener)| Ok((number, listener.local_addr()?.to_string()))).collect()
}
