//! Whether a cluster does what it is for: a write on one node is read at once on the others.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::event::Event;
use super::plan::Plan;
use crate::resp::Client;

/// For one reply; longer than requests are held through an election.
const REPLY_TIME_MAX: Duration = Duration::from_secs(12);
/// A key that no user's data is likely to have; removed after.
const KEY: &str = "quorate:dev:check";

/// Writes on the first node, reads on the others. Blocks.
pub(super) fn write_and_read(plan: &Plan) -> anyhow::Result<Event> {
    let addresses: Vec<(u32, SocketAddr)> = plan.nodes.iter().map(|node| (node.number, node.resp)).collect();
    match run(&addresses) {
        Err(error) if error.to_string().contains("NOAUTH") => {
            Ok(Event::CheckSkipped { reason: "the cluster asks for a password".into() })
        }
        result => result,
    }
}

fn run(nodes: &[(u32, SocketAddr)]) -> anyhow::Result<Event> {
    let [(first, address), others @ ..] = nodes else {
        anyhow::bail!("there is no node");
    };
    let mut writer = Client::connect(*address, REPLY_TIME_MAX)?;
    let mut readers = Vec::new();
    for (node, address) in others {
        readers.push((*node, Client::connect(*address, REPLY_TIME_MAX)?));
    }
    // Different each time, so that an old value is not taken for the new one.
    let value = RandomState::new().build_hasher().finish().to_string();
    let start = Instant::now();
    writer.call(&["SET", KEY, &value])?;
    let mut read = Vec::new();
    for (node, reader) in &mut readers {
        let reply = reader.call(&["GET", KEY])?;
        ensure!(
            reply.as_bytes() == Some(value.as_bytes()),
            "node {node} does not have what node {first} has written"
        );
        read.push(*node);
    }
    if read.is_empty() {
        let reply = writer.call(&["GET", KEY])?;
        ensure!(reply.as_bytes() == Some(value.as_bytes()), "node {first} does not have what it has written");
    }
    let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    writer.call(&["DEL", KEY])?;
    Ok(Event::Checked { wrote: *first, read, elapsed_ms })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A node that holds one value, shared with others, or answers everything with `fixed`.
    fn node(shared: &Arc<Mutex<String>>, fixed: Option<&'static str>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                let parts: Vec<&str> = text.split("\r\n").collect();
                let mut value = shared.lock().expect("no panic holds it");
                let reply = match (fixed, parts[2]) {
                    (Some(fixed), _) => fixed.to_owned(),
                    (None, "SET") => {
                        *value = parts[6].to_owned();
                        "+OK\r\n".to_owned()
                    }
                    (None, "GET") => format!("${}\r\n{}\r\n", value.len(), value),
                    (None, _) => ":1\r\n".to_owned(),
                };
                stream.write_all(reply.as_bytes()).expect("writes");
            }
        });
        address
    }

    #[test]
    fn what_is_written_on_one_node_is_read_on_the_others() {
        let shared = Arc::default();
        let nodes = [(1, node(&shared, None)), (2, node(&shared, None)), (3, node(&shared, None))];
        let event = run(&nodes).expect("checked");
        assert!(matches!(&event, Event::Checked { wrote: 1, read, .. } if *read == [2, 3]), "{event:?}");
        let alone = run(&[(1, node(&shared, None))]).expect("checked");
        assert!(matches!(&alone, Event::Checked { wrote: 1, read, .. } if read.is_empty()), "{alone:?}");
    }

    #[test]
    fn a_stale_read_and_an_error_fail() {
        let shared = Arc::default();
        for (fixed, expected) in [
            ("$3\r\nold\r\n", "node 2 does not have what node 1 has written"),
            ("$-1\r\n", "node 2 does not have"),
            ("-CLUSTERDOWN no leader\r\n", "GET: CLUSTERDOWN no leader"),
        ] {
            let nodes = [(1, node(&shared, None)), (2, node(&shared, Some(fixed)))];
            let error = run(&nodes).expect_err("not as written").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
