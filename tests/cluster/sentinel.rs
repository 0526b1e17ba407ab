//! Clients that find their Redis through Sentinels find it here, before and after the leader is gone.

use std::net::SocketAddr;
use std::time::Duration;

use quorate_resp::Value;
use quorate_testkit::{Client, Cluster, until};

use crate::{QUORATE, alone, calm};

/// Where the Sentinel ports are, as the nodes told the cluster: the system has chosen them.
fn sentinels(cluster: &Cluster) -> Vec<SocketAddr> {
    until("all nodes have told where their Sentinel ports are", Duration::from_secs(60), || {
        let status = cluster.nodes[0].get("/v1/cluster").ok()?;
        let nodes = status["nodes"].as_object()?;
        let address = |number: usize| -> Option<SocketAddr> {
            let node = nodes.values().find(|node| node["number"].as_u64() == Some(number as u64))?;
            node["addresses"]["sentinel"].as_str()?.parse().ok()
        };
        (1..=cluster.nodes.len()).map(address).collect()
    })
}

fn master(client: &mut Client) -> Option<SocketAddr> {
    match client.call(&["SENTINEL", "get-master-addr-by-name", "myprimary"]) {
        Ok(Value::Array(parts)) => {
            let [Value::Bulk(host), Value::Bulk(port)] = parts.as_slice() else { return None };
            format!("{}:{}", String::from_utf8_lossy(host), String::from_utf8_lossy(port)).parse().ok()
        }
        _ => None,
    }
}

/// What a node calls itself.
fn role(cluster: &Cluster, i: usize) -> String {
    match cluster.client(i).call(&["ROLE"]) {
        Ok(Value::Array(parts)) => match parts.first() {
            Some(Value::Bulk(role)) => String::from_utf8_lossy(role).into_owned(),
            other => panic!("a role: {other:?}"),
        },
        other => panic!("a role: {other:?}"),
    }
}

#[test]
fn the_leader_is_the_master_where_roles_are_shown_and_its_successor_is_announced() {
    let _alone = alone();
    let mut cluster =
        Cluster::start(QUORATE, 3, &calm(&["--sentinel-bind", "127.0.0.1:0", "--roles", "leader"]));
    let sentinels = sentinels(&cluster);
    let leader = cluster.leader();
    let survivor = (leader + 1) % 3;
    let mut asked = Client::connect(sentinels[survivor]).expect("a Sentinel port");
    until("the leader is the master", Duration::from_secs(30), || {
        (master(&mut asked)? == cluster.nodes[leader].resp).then_some(())
    });
    assert_eq!((role(&cluster, leader), role(&cluster, survivor)), ("master".into(), "slave".into()));
    // A replica by name only: it writes as every node does.
    assert_eq!(cluster.client(survivor).text(&["SET", "through", "a replica"]).as_deref(), Some("OK"));
    let mut subscriber = Client::connect(sentinels[survivor]).expect("a Sentinel port");
    subscriber.call(&["SUBSCRIBE", "+switch-master"]).expect("it subscribes");

    cluster.kill(leader);
    let successor = loop {
        let Ok(Value::Array(message)) = subscriber.receive() else { panic!("a message") };
        let Some(Value::Bulk(text)) = message.get(2) else { panic!("its text: {message:?}") };
        let text = String::from_utf8_lossy(text).into_owned();
        let words: Vec<_> = text.split(' ').collect();
        if words[0] == "myprimary" {
            assert_eq!(format!("{}:{}", words[1], words[2]), cluster.nodes[leader].resp.to_string());
            break format!("{}:{}", words[3], words[4]);
        }
    };
    let now = cluster.leader();
    assert_eq!(successor, cluster.nodes[now].resp.to_string());
    assert_eq!(master(&mut asked), Some(cluster.nodes[now].resp));
    assert_eq!(cluster.client(now).text(&["GET", "through"]).as_deref(), Some("a replica"));
    assert_eq!(role(&cluster, now), "master");
}

#[test]
fn every_node_is_the_master_of_its_own_clients_and_hands_them_on_when_it_is_stopped() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&["--sentinel-bind", "127.0.0.1:0"]));
    let sentinels = sentinels(&cluster);
    for (i, address) in sentinels.iter().enumerate() {
        let mut client = Client::connect(*address).expect("a Sentinel port");
        assert_eq!(master(&mut client), Some(cluster.nodes[i].resp));
        assert_eq!(role(&cluster, i), "master");
    }
    let mut subscriber = Client::connect(sentinels[1]).expect("a Sentinel port");
    subscriber.call(&["SUBSCRIBE", "+switch-master"]).expect("it subscribes");
    cluster.stop(1);
    let Ok(Value::Array(message)) = subscriber.receive() else { panic!("a message before the end") };
    let Some(Value::Bulk(text)) = message.get(2) else { panic!("its text: {message:?}") };
    let own = cluster.nodes[1].resp;
    let text = String::from_utf8_lossy(text).into_owned();
    assert!(text.contains(&format!("{} {}", own.ip(), own.port())), "{text}");
    assert!(!text.ends_with(&format!("{} {}", own.ip(), own.port())), "{text}");
}
