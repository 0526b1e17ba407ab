//! Which batches of each origin have been applied: what makes a repeat harmless.
//!
//! An origin numbers its batches without gaps and resends whatever is open to a new leader, so the same
//! batch may stand in the log more than once. This table lets exactly the first one through. It is part
//! of the replicated state and of every snapshot.
//!
//! Invariant: for one origin, batches pass in the order 1, 2, 3 …, each once; a batch of an earlier
//! incarnation never passes after one of a later incarnation did.

use std::collections::BTreeMap;

use quorate_raft::NodeId;

use crate::batch::Origin;

/// The last batch that was let through, by node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origins {
    nodes: BTreeMap<NodeId, Last>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Last {
    incarnation: u64,
    sequence: u64,
}

/// What becomes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is the next of its origin: apply it.
    Next,
    /// It has been applied before: skip it.
    Repeat,
    /// An earlier one is missing: skip it; the origin resends from the lowest open number.
    Gap,
    /// Its origin has started again since: skip it.
    Stale,
}

impl Origins {
    /// Decides on a batch, and remembers it if it passes.
    pub(crate) fn admit(&mut self, origin: Origin, sequence: u64) -> Admission {
        let last = self.nodes.entry(origin.node).or_insert(Last { incarnation: 0, sequence: 0 });
        if origin.incarnation < last.incarnation {
            return Admission::Stale;
        }
        let expected = if origin.incarnation == last.incarnation { last.sequence + 1 } else { 1 };
        if sequence < expected {
            return Admission::Repeat;
        }
        if sequence > expected {
            return Admission::Gap;
        }
        *last = Last { incarnation: origin.incarnation, sequence };
        Admission::Next
    }

    /// The last sequence number of an origin that was let through; 0 if none.
    pub(crate) fn last(&self, origin: Origin) -> u64 {
        match self.nodes.get(&origin.node) {
            Some(last) if last.incarnation == origin.incarnation => last.sequence,
            _ => 0,
        }
    }

    /// Forgets nodes that are no longer members; their ids are never given again.
    pub(crate) fn retain(&mut self, mut member: impl FnMut(NodeId) -> bool) {
        self.nodes.retain(|node, _| member(*node));
    }

    /// Encodes the table for a snapshot: `u32` count, then `node u64, incarnation u64, sequence u64`
    /// each, little-endian, in the order of the nodes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::try_from(self.nodes.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (node, last) in &self.nodes {
            for word in [node.0, last.incarnation, last.sequence] {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }
    }

    /// Reads what [`encode`](Origins::encode) wrote, and what is left after it; `None` if damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Origins, &[u8])> {
        let (count, mut rest) = bytes.split_first_chunk::<4>()?;
        let mut nodes = BTreeMap::new();
        for _ in 0..u32::from_le_bytes(*count) {
            let (row, after) = rest.split_first_chunk::<24>()?;
            let word = |i: usize| {
                let mut word = [0; 8];
                word.copy_from_slice(&row[8 * i..8 * i + 8]);
                u64::from_le_bytes(word)
            };
            nodes.insert(NodeId(word(0)), Last { incarnation: word(1), sequence: word(2) });
            rest = after;
        }
        Some((Origins { nodes }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(node: u64, incarnation: u64) -> Origin {
        Origin { node: NodeId(node), incarnation }
    }

    #[test]
    fn each_batch_passes_once_and_in_order() {
        let mut origins = Origins::default();
        let cases = [
            (origin(1, 1), 2, Admission::Gap),
            (origin(1, 1), 1, Admission::Next),
            (origin(1, 1), 1, Admission::Repeat),
            (origin(2, 9), 1, Admission::Next),
            (origin(1, 1), 3, Admission::Gap),
            (origin(1, 1), 2, Admission::Next),
            (origin(1, 2), 2, Admission::Gap),
            (origin(1, 2), 1, Admission::Next),
            (origin(1, 1), 3, Admission::Stale),
            (origin(1, 2), 2, Admission::Next),
        ];
        for (i, (origin, sequence, expected)) in cases.into_iter().enumerate() {
            assert_eq!(origins.admit(origin, sequence), expected, "case {i}");
        }
        assert_eq!(origins.last(origin(1, 2)), 2);
        assert_eq!(origins.last(origin(1, 1)), 0);
    }

    #[test]
    fn the_table_survives_a_snapshot() {
        let mut origins = Origins::default();
        origins.admit(origin(1, 4), 1);
        origins.admit(origin(1003, 1), 1);
        let mut bytes = Vec::new();
        origins.encode(&mut bytes);
        bytes.push(9);
        let (read, rest) = Origins::decode(&bytes).unwrap();
        assert_eq!((read, rest), (origins, &[9][..]));
        for cut in 0..bytes.len() - 1 {
            assert!(Origins::decode(&bytes[..cut]).is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn a_removed_node_is_forgotten() {
        let mut origins = Origins::default();
        origins.admit(origin(1, 1), 1);
        origins.admit(origin(2, 1), 1);
        origins.retain(|node| node == NodeId(2));
        assert_eq!((origins.last(origin(1, 1)), origins.last(origin(2, 1))), (0, 1));
    }
}
