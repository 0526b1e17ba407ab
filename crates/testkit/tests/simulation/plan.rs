//! What goes wrong in a run, and when: drawn from the seed before the run begins.

use std::time::Duration;

use crate::world::{Seeds, between};

/// How a node dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// Its process is killed: its disk keeps all that was written, its connections are closed.
    Kill,
    /// Its power fails: what was not synced may be lost, and nobody is told.
    PowerCut,
    /// Its power fails in the middle of the n-th write to its disk from now.
    TornWrite(u64),
}

/// Whom it concerns: drawn from the nodes when it happens, or whoever leads then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    /// The node of that number.
    Node(u32),
    /// The leader.
    Leader,
}

/// A thing that goes wrong, or is put right again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A node dies, and is started again after a time.
    Crash { victim: Victim, death: Death, down: Duration },
    /// Nothing passes between a node and the others, for a time.
    Isolate { victim: Victim, length: Duration },
    /// Nothing passes between two nodes.
    Sever { one: u32, other: u32, length: Duration },
    /// What one node sends to another is lost, but not what it is sent.
    Deafen { from: u32, to: u32, length: Duration },
    /// Messages take up to so long.
    Slow { latency_max: Duration, length: Duration },
}

/// The faults of a run in their order, each with the time at which it begins.
pub(crate) fn draw(seeds: &Seeds, nodes: u32, from: Duration, until: Duration) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    // Every run has at least one crash of the leader and one partition.
    let mut at = from;
    let mut first = vec![
        Fault::Crash { victim: Victim::Leader, death: death(seeds), down: between(seeds, 200, 3_000) },
        Fault::Isolate { victim: victim(seeds, nodes), length: between(seeds, 300, 4_000) },
    ];
    loop {
        at += between(seeds, 100, 2_500);
        if at >= until && first.is_empty() {
            return faults;
        }
        faults.push((at, first.pop().unwrap_or_else(|| fault(seeds, nodes))));
    }
}

fn fault(seeds: &Seeds, nodes: u32) -> Fault {
    let length = between(seeds, 100, 4_000);
    let one = 1 + seeds.below(u64::from(nodes)) as u32;
    let other = 1 + (one + seeds.below(u64::from(nodes - 1)) as u32) % nodes;
    match seeds.below(10) {
        0..=4 => Fault::Crash { victim: victim(seeds, nodes), death: death(seeds), down: length },
        5..=6 => Fault::Isolate { victim: victim(seeds, nodes), length },
        7 => Fault::Sever { one, other, length },
        8 => Fault::Deafen { from: one, to: other, length },
        _ => Fault::Slow { latency_max: between(seeds, 20, 200), length },
    }
}

fn victim(seeds: &Seeds, nodes: u32) -> Victim {
    match seeds.below(2) {
        0 => Victim::Leader,
        _ => Victim::Node(1 + seeds.below(u64::from(nodes)) as u32),
    }
}

fn death(seeds: &Seeds) -> Death {
    match seeds.below(3) {
        0 => Death::Kill,
        1 => Death::PowerCut,
        _ => Death::TornWrite(seeds.below(12)),
    }
}
