//! The status as a table for people.

use quorate::admin::{ClusterStatus, NodeReport, NodeStatus, Role};

const HEAD: [&str; 12] =
    ["ID", "NODE", "ROLE", "STATE", "RESP", "PEER", "APPLIED", "LAG", "KEYS", "MEMORY", "CLIENTS", "UP"];

/// One line about the cluster and one about each node.
pub(super) fn render(status: &ClusterStatus) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(status.nodes.values().map(|node| row(status, node)));
    let widths: Vec<usize> =
        (0..HEAD.len()).map(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0)).collect();
    let mut text = headline(status);
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    let troubles = status.nodes.values().filter_map(|node| Some((node, node.report.as_ref()?)));
    for (node, report) in troubles.filter(|(_, report)| !report.trouble.is_empty()) {
        text.push_str(&format!("node {}: {}\n", node.id, report.trouble));
    }
    text
}

fn headline(status: &ClusterStatus) -> String {
    let cluster = if status.cluster.is_empty() { "(not formed yet)" } else { &status.cluster };
    let quorum = if status.quorum { "quorum" } else { "NO QUORUM" };
    let leader = status.leader.map_or("no leader".to_owned(), |id| format!("leader {id}"));
    let joint = if status.joint { ", membership is changing" } else { "" };
    format!(
        "cluster {cluster}: {quorum}, {leader}, term {}, committed {}{joint} (seen by node {})\n",
        status.term, status.committed, status.answered_by
    )
}

fn row(status: &ClusterStatus, node: &NodeStatus) -> [String; HEAD.len()] {
    let report = node.report.as_ref();
    let figure = |read: fn(&NodeReport) -> String| report.map_or("-".to_owned(), read);
    let address = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [
        node.id.to_string(),
        node.number.to_string(),
        role(node).to_owned(),
        state(node).to_owned(),
        address(&node.addresses.resp),
        address(&node.addresses.peer),
        figure(|r| r.applied.to_string()),
        report.map_or("-".to_owned(), |r| status.committed.saturating_sub(r.applied).to_string()),
        figure(|r| r.keys.to_string()),
        figure(|r| bytes(r.memory_bytes)),
        figure(|r| r.clients.to_string()),
        figure(|r| seconds(r.uptime_seconds)),
    ]
}

fn role(node: &NodeStatus) -> &'static str {
    match node.role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Learner => "learner",
        Role::Outsider => "outsider",
    }
}

fn state(node: &NodeStatus) -> &'static str {
    match &node.report {
        None => "no answer",
        Some(_) if !node.alive => "no answer",
        Some(report) if report.draining => "draining",
        Some(report) if report.ready => "ready",
        Some(_) => "not ready",
    }
}

/// What is waited for: how far the nodes lag.
pub(super) fn progress(status: &ClusterStatus, nodes: &[u64]) -> String {
    let lag = |id: &u64| {
        let node = status.nodes.get(id)?;
        Some(match &node.report {
            Some(report) => {
                format!("node {id} is {} entries behind", status.committed.saturating_sub(report.applied))
            }
            None => format!("node {id} does not answer"),
        })
    };
    nodes.iter().filter_map(lag).map(|text| format!("; {text}")).collect()
}

fn bytes(count: u64) -> String {
    let units = [("G", 1_u64 << 30), ("M", 1 << 20), ("K", 1 << 10)];
    match units.iter().find(|(_, scale)| count >= *scale) {
        // Tenths without floating point, rounded down.
        Some((unit, scale)) => format!("{}.{}{unit}", count / scale, count % scale * 10 / scale),
        None => format!("{count}B"),
    }
}

fn seconds(count: u64) -> String {
    match count {
        0..60 => format!("{count}s"),
        60..3600 => format!("{}m{:02}s", count / 60, count % 60),
        3600..86400 => format!("{}h{:02}m", count / 3600, count % 3600 / 60),
        _ => format!("{}d{:02}h", count / 86400, count % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up_and_shows_trouble() {
        let report = serde_json::json!({
            "version": "0.1.0", "uptime_seconds": 3700, "incarnation": 1, "term": 2, "leader": 1, "last_log": 12,
            "applied": 10, "snapshot": 0, "first_log": 1, "log_bytes": 100, "keys": 3, "memory_bytes": 1_600_000,
            "clients": 4, "ready": false, "trouble": "catching up", "draining": false, "pid": 5
        });
        let node = |id: u64, report: serde_json::Value, role: &str| {
            serde_json::json!({
                "id": id, "number": id, "role": role, "voter": true, "alive": !report.is_null(), "report": report,
                "addresses": { "peer": "127.0.0.1:10001", "resp": format!("127.0.0.1:700{id}"), "admin": "", "sentinel": "" }
            })
        };
        let status: ClusterStatus = serde_json::from_value(serde_json::json!({
            "cluster": "abcd", "answered_by": 1, "term": 2, "leader": 1, "committed": 12, "quorum": true, "joint": false,
            "nodes": { "1": node(1, report, "leader"), "2": node(2, serde_json::Value::Null, "follower") }
        }))
        .expect("a status");
        assert_eq!(
            render(&status),
            "\
cluster abcd: quorum, leader 1, term 2, committed 12 (seen by node 1)
ID  NODE  ROLE      STATE      RESP            PEER             APPLIED  LAG  KEYS  MEMORY  CLIENTS  UP
1   1     leader    not ready  127.0.0.1:7001  127.0.0.1:10001  10       2    3     1.5M    4        1h01m
2   2     follower  no answer  127.0.0.1:7002  127.0.0.1:10001  -        -    -     -       -        -
node 1: catching up
"
        );
        assert_eq!(progress(&status, &[1, 2, 9]), "; node 1 is 2 entries behind; node 2 does not answer");
    }

    #[test]
    fn figures_are_short() {
        let cases = [(0, "0B"), (1023, "1023B"), (1024, "1.0K"), (1_600_000, "1.5M"), (5 << 30, "5.0G")];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
        let cases = [(59, "59s"), (61, "1m01s"), (3700, "1h01m"), (90_000, "1d01h")];
        for (count, text) in cases {
            assert_eq!(seconds(count), text);
        }
    }
}
