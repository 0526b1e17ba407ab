//! What must hold at every step of a simulation, whatever goes wrong.

use std::collections::BTreeMap;

use quorate::{Node, Phase};

use crate::history::Trace;

/// What was seen of all nodes so far.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    leaders: BTreeMap<u64, u64>,
    /// Digest of the state by log index.
    states: BTreeMap<u64, u64>,
    nodes: BTreeMap<u32, Seen>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    term: u64,
    leader: Option<u64>,
    applied: u64,
}

impl Invariants {
    /// A node begins a new life: what it has applied is in its log only.
    pub(crate) fn reborn(&mut self, number: u32) {
        self.nodes.remove(&number);
    }

    /// The last index that a node was seen to have applied.
    pub(crate) fn applied(&self, number: u32) -> u64 {
        self.nodes.get(&number).map_or(0, |seen| seen.applied)
    }

    /// The node that leads in the highest term that is known.
    pub(crate) fn leader(&self) -> Option<u64> {
        self.leaders.last_key_value().map(|(_, leader)| *leader)
    }

    /// Looks at a node after a step; notes in the trace what has changed.
    ///
    /// # Errors
    /// An invariant does not hold.
    pub(crate) fn check(
        &mut self,
        number: u32,
        node: &Node,
        disk_is_sound: bool,
        now: u128,
        trace: &mut Trace,
    ) -> Result<(), String> {
        if let Phase::Failed(error) = &*node.phase().borrow()
            && disk_is_sound
        {
            return Err(format!("node {number} failed without a fault of its disk: {error}"));
        }
        let report = node.report();
        let seen = Seen { term: report.term, leader: report.leader, applied: report.applied };
        let before = self.nodes.insert(number, seen).unwrap_or_default();
        if seen == before {
            return Ok(());
        }
        trace.note(now, format_args!("node {number} {seen:?}"));
        if seen.applied < before.applied {
            return Err(format!("node {number} went back from entry {} to {}", before.applied, seen.applied));
        }
        if let Some(leader) = seen.leader
            && *self.leaders.entry(seen.term).or_insert(leader) != leader
        {
            return Err(format!("term {} has two leaders, one of them {leader}", seen.term));
        }
        if seen.applied > before.applied
            && let Some((index, digest)) = node.digest()
        {
            trace.note(now, format_args!("node {number} has state {digest:016x} at {index}"));
            if *self.states.entry(index).or_insert(digest) != digest {
                return Err(format!("the state of node {number} differs from another's at entry {index}"));
            }
        }
        Ok(())
    }
}
