//! Nodes come and go while clients work.

use quorate_resp::Value;
use quorate_testkit::process::COMES_UP;
use quorate_testkit::{Client, Cluster, until};
use serde_json::{Value as Json, json};

use crate::load::{Load, check_counter, increments};
use crate::{QUORATE, alone, calm, count};

#[test]
fn nodes_join_are_promoted_together_and_the_leader_is_removed_under_load() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let steps = count(100, 5_000);

    let load = Load::start(increments(&cluster, &[0, 1, 2], "counter"));
    load.wait(steps);
    let (fourth, fifth) = (cluster.join(), cluster.join());
    let joined = [fourth as u64 + 1, fifth as u64 + 1];
    until("both are learners that serve", COMES_UP, || {
        let status = cluster.nodes[1].get("/v1/cluster").ok()?;
        joined.iter().all(|id| status["nodes"][id.to_string()]["role"] == "learner").then_some(())
    });
    cluster.wait_ready();
    assert_eq!(voters(&cluster, 0), [1, 2, 3]);
    // One voter more would be an even number of them.
    let even = cluster.nodes[0].request("POST", &format!("/v1/nodes/{}/promote", joined[0]), None);
    assert!(even.as_ref().is_err_and(|refusal| refusal.starts_with("409")), "{even:?}");
    told(&cluster, fifth, "POST", "/v1/voters", Some(json!({ "nodes": joined })));
    assert_eq!(voters(&cluster, 0), [1, 2, 3, 4, 5]);
    load.wait_more(steps);
    let tally = load.stop();
    tally.untroubled();
    check_counter(&cluster, &[0, 1, 2, 3, 4], "counter", &tally);

    let leader = cluster.leader();
    let other = (0..3).find(|i| *i != leader).expect("three of them");
    let stay: Vec<_> = (0..5).filter(|i| ![leader, other].contains(i)).collect();
    let load = Load::start(increments(&cluster, &stay, "second"));
    load.wait(steps);
    let alone = cluster.nodes[stay[0]].request("DELETE", &format!("/v1/nodes/{}", leader + 1), None);
    assert!(alone.as_ref().is_err_and(|refusal| refusal.starts_with("409")), "four voters: {alone:?}");
    let both = format!("/v1/nodes?nodes={},{}", leader + 1, other + 1);
    told(&cluster, fourth, "DELETE", &both, None);
    load.wait_more(steps);
    let tally = load.stop();
    tally.untroubled();
    check_counter(&cluster, &stay, "second", &tally);
    let expected: Vec<_> = stay.iter().map(|i| *i as u64 + 1).collect();
    assert_eq!(voters(&cluster, stay[0]), expected);
    assert!(stay.contains(&cluster.leader_among(&stay)), "the removed leader leads no more");

    // What was removed shows nothing old, says why, and knocks at the others no more.
    for gone in [leader, other] {
        let stale =
            Client::connect(cluster.nodes[gone].resp).and_then(|mut client| client.call(&["GET", "second"]));
        assert!(matches!(stale, Err(_) | Ok(Value::Error(_))), "a removed node answered {stale:?}");
        check_removed(&cluster, gone);
    }
    // One that was not there when it was removed finds out as well.
    cluster.kill(other);
    cluster.spawn(other);
    check_removed(&cluster, other);
    cluster.nodes[stay[0]].get("/readyz").expect("the others are well");
}

/// The node has found out that it is no member: it is not ready, refuses clients with the reason, is alive all the
/// same, and has no connection to any other node.
fn check_removed(cluster: &Cluster, gone: usize) {
    let node = &cluster.nodes[gone];
    until("a removed node notices", COMES_UP, || {
        let unready = node.get("/readyz").err()?;
        unready.contains("has been removed from its cluster").then_some(())
    });
    node.get("/livez").expect("it is alive");
    let status = node.get("/v1/cluster").expect("a status");
    let told = &status["nodes"][(gone + 1).to_string()];
    assert_eq!((&told["role"], &status["quorum"]), (&json!("outsider"), &json!(false)), "{status}");
    let refused = node.request("POST", "/v1/leader/transfer", None);
    assert!(refused.as_ref().is_err_and(|text| text.starts_with("503")), "{refused:?}");
    let answer = Client::connect(node.resp).and_then(|mut client| client.call(&["SET", "second", "0"]));
    let text = format!("{answer:?}");
    assert!(text.contains("CLUSTERDOWN This node has been removed"), "{text}");
    let pid = node.get("/v1/node").expect("a report")["pid"].as_u64().expect("a process id");
    let peers: Vec<_> = cluster.nodes.iter().map(|node| node.peer.port()).collect();
    until("a removed node keeps no connection to another", COMES_UP, || {
        let held = connections(pid);
        held.iter().all(|port| !peers.contains(port)).then_some(())
    });
}

/// The remote ports of a process's open TCP connections.
fn connections(pid: u64) -> Vec<u16> {
    let sockets: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("our own child's descriptors")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()?.into_os_string().into_string().ok())
        .collect();
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the table of connections");
    // Local and remote address, state and, further on, the socket's inode; the state 1 is "established".
    let remote_port = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (_, port) = fields.get(2)?.split_once(':')?;
        let is_open = fields[3] == "01" && sockets.contains(&format!("socket:[{}]", fields.get(9)?));
        is_open.then(|| u16::from_str_radix(port, 16).ok()).flatten()
    };
    table.lines().skip(1).filter_map(remote_port).collect()
}

/// Tells the admin API of a node something until it is done: what is busy or has not caught up may be asked again.
fn told(cluster: &Cluster, node: usize, method: &str, path: &str, body: Option<Json>) -> Json {
    let mut last = String::new();
    let done = until_or(COMES_UP, || match cluster.nodes[node].request(method, path, body.clone()) {
        Ok(done) => Some(done),
        Err(refusal) => {
            last = refusal;
            None
        }
    });
    done.unwrap_or_else(|| panic!("{method} {path}: {last}"))
}

fn until_or<T>(within: std::time::Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let started = std::time::Instant::now();
    while started.elapsed() < within {
        if let Some(found) = condition() {
            return Some(found);
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    None
}

/// The ids of the voters, as a node tells.
fn voters(cluster: &Cluster, asked: usize) -> Vec<u64> {
    let status = cluster.nodes[asked].get("/v1/cluster").expect("a status");
    let nodes = status["nodes"].as_object().expect("members by id");
    let mut ids: Vec<_> =
        nodes.values().filter(|node| node["voter"] == true).filter_map(|node| node["id"].as_u64()).collect();
    ids.sort_unstable();
    ids
}
