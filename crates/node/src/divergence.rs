//! Finds a node whose state is not what the log says: by a fault of its memory, or of our own.
//!
//! The leader puts a *check* into the log now and then. Every node captures its state at that very entry,
//! computes its digest beside the apply task, and tells it in its answers to pings. A node whose digest
//! differs from one that a majority of the voters agrees on has diverged: it stops serving, and its data
//! is set aside, so that it comes back under a new id and is given the state anew.
//!
//! Invariant: digests are compared only for the same log index, where equal logs mean equal states.
//!
//! Called by: the apply task (`begin`), the ping loop (`heard`, `verdict`).

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_commands::StateSnapshot;
use quorate_raft::NodeId;

/// Checks that are remembered.
const CHECKS_MAX: usize = 4;

/// A log index and the digest of the state there.
pub(crate) type Check = (u64, u64);

/// This node's digests and what others told of theirs.
#[derive(Debug, Default)]
pub(crate) struct Divergence {
    mine: Mutex<BTreeMap<u64, u64>>,
    others: Mutex<BTreeMap<NodeId, Vec<Check>>>,
}

/// What the comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing speaks against this node.
    Fine,
    /// Somebody differs, and no majority says who is right.
    Disputed {
        /// The log index.
        index: u64,
    },
    /// A majority agrees on another state than this node's.
    Diverged {
        /// The log index.
        index: u64,
    },
}

impl Divergence {
    /// Computes the digest of a state captured at `index`, on a thread of its own, or at once.
    pub(crate) fn begin(self: &Arc<Self>, index: u64, state: StateSnapshot, inline: bool) {
        let divergence = self.clone();
        let compute = move || divergence.computed(index, state.digest());
        if inline {
            return compute();
        }
        if let Err(error) = std::thread::Builder::new().name("quorate-digest".into()).spawn(compute) {
            tracing::warn!(%error, "a check of the state is left out");
        }
    }

    fn computed(&self, index: u64, digest: u64) {
        let mut mine = self.mine.lock();
        mine.insert(index, digest);
        while mine.len() > CHECKS_MAX {
            mine.pop_first();
        }
    }

    /// This node's digests, for others.
    pub(crate) fn mine(&self) -> Vec<Check> {
        self.mine.lock().iter().map(|(index, digest)| (*index, *digest)).collect()
    }

    /// Notes what another node told.
    pub(crate) fn heard(&self, node: NodeId, checks: Vec<Check>) {
        self.others.lock().insert(node, checks);
    }

    /// Compares this node's digests with the others'. `voters` are the voters but for this node.
    pub(crate) fn verdict(&self, voters: &[NodeId], majority: usize) -> Verdict {
        let others = self.others.lock();
        let mut verdict = Verdict::Fine;
        for (index, mine) in self.mine.lock().iter() {
            let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
            for checks in voters.iter().filter_map(|node| others.get(node)) {
                for (_, digest) in checks.iter().filter(|(at, _)| at == index) {
                    *counts.entry(*digest).or_default() += 1;
                }
            }
            if counts.iter().any(|(digest, count)| digest != mine && *count >= majority) {
                return Verdict::Diverged { index: *index };
            }
            if counts.keys().any(|digest| digest != mine) {
                verdict = Verdict::Disputed { index: *index };
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majority_says_who_has_diverged() {
        let divergence = Divergence::default();
        let voters = [NodeId(2), NodeId(3)];
        divergence.computed(10, 7);
        assert_eq!(divergence.verdict(&voters, 2), Verdict::Fine, "nobody else has said anything");
        divergence.heard(NodeId(2), vec![(10, 8)]);
        assert_eq!(divergence.verdict(&voters, 2), Verdict::Disputed { index: 10 });
        divergence.heard(NodeId(3), vec![(10, 7)]);
        assert_eq!(divergence.verdict(&voters, 2), Verdict::Disputed { index: 10 }, "node 2 has diverged");
        divergence.heard(NodeId(3), vec![(10, 8)]);
        assert_eq!(divergence.verdict(&voters, 2), Verdict::Diverged { index: 10 });
        divergence.heard(NodeId(2), vec![(11, 8)]);
        divergence.heard(NodeId(3), vec![(11, 8)]);
        assert_eq!(divergence.verdict(&voters, 2), Verdict::Fine, "other indexes say nothing");
    }

    #[test]
    fn a_learner_does_not_decide() {
        let divergence = Divergence::default();
        divergence.computed(10, 7);
        divergence.heard(NodeId(2), vec![(10, 8)]);
        divergence.heard(NodeId(4), vec![(10, 8)]);
        assert_eq!(divergence.verdict(&[NodeId(2), NodeId(3)], 2), Verdict::Disputed { index: 10 });
    }

    #[test]
    fn few_checks_are_remembered() {
        let divergence = Divergence::default();
        for index in 0..100 {
            divergence.computed(index, index);
        }
        assert_eq!(divergence.mine().first(), Some(&(96, 96)));
    }
}
