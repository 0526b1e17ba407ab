//! Who listens where, over the whole cluster: how many subscriptions each node has to each channel and pattern.
//!
//! For: the counts that `PUBLISH` and `PUBSUB` answer, the same on every node at the same entry of the log.
//! Leaves to others: which connections these are, and bringing them messages (each node for its own).
//! See `docs/decisions/0013-subscriptions-are-counted-in-the-log.md`.
//!
//! Invariants: no count is zero; a function of the log alone; [`Subscriptions::clone`] takes the same time however
//! many there are, and after it a change copies a small part of them.
//! Called by: the apply task; commands that read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::glob;

/// Bytes of a channel or pattern to subscribe to.
pub const SUBSCRIPTION_BYTES_MAX: usize = 16 * 1024;

/// Parts of the table of channels; a change copies one of them at most.
const PARTS: usize = 64;

/// What a subscription is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubscriptionKind {
    /// A channel.
    Channel,
    /// All channels that match a pattern.
    Pattern,
    /// A shard channel.
    Shard,
}

/// How many subscriptions each node has to one name.
type Counts = BTreeMap<u64, u32>;

/// All subscriptions of the cluster, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriptions {
    names: [Names; 3],
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Names {
    parts: Vec<Arc<BTreeMap<Bytes, Counts>>>,
    len: usize,
}

impl SubscriptionKind {
    /// All kinds.
    pub const ALL: [SubscriptionKind; 3] =
        [SubscriptionKind::Channel, SubscriptionKind::Pattern, SubscriptionKind::Shard];

    /// Its place among all kinds.
    pub fn place(self) -> usize {
        self as usize
    }

    /// The kind of that place.
    pub fn at(place: u8) -> Option<SubscriptionKind> {
        Self::ALL.get(usize::from(place)).copied()
    }
}

impl Default for Subscriptions {
    fn default() -> Subscriptions {
        let names = |parts| Names { parts: vec![Arc::default(); parts], len: 0 };
        // Every message is held against every pattern, so those are better all in one place.
        Subscriptions { names: [names(PARTS), names(1), names(PARTS)] }
    }
}

impl Subscriptions {
    /// Adds to the count of a node's subscriptions to a name, or takes from it.
    pub fn change(&mut self, kind: SubscriptionKind, name: &[u8], node: u64, by: i64) {
        let names = &mut self.names[kind.place()];
        let place = part_of(name, names.parts.len());
        let part = Arc::make_mut(&mut names.parts[place]);
        let before = part.get(name).and_then(|counts| counts.get(&node)).copied().unwrap_or(0);
        let after = u32::try_from(i64::from(before).saturating_add(by).max(0)).unwrap_or(u32::MAX);
        if after > 0 {
            if !part.contains_key(name) {
                part.insert(Bytes::copy_from_slice(name), Counts::new());
                names.len += 1;
            }
            part.get_mut(name).expect("it was just put there").insert(node, after);
        } else if let Some(counts) = part.get_mut(name) {
            counts.remove(&node);
            if counts.is_empty() {
                part.remove(name);
                names.len -= 1;
            }
        }
    }

    /// Takes away all subscriptions of a node; whether it had any.
    pub fn forget(&mut self, node: u64) -> bool {
        let mut any = false;
        for kind in SubscriptionKind::ALL {
            let names: Vec<Bytes> = self.of_node(kind, node).map(|(name, _)| name.clone()).collect();
            any |= !names.is_empty();
            for name in names {
                self.change(kind, &name, node, i64::MIN);
            }
        }
        any
    }

    /// Takes away the subscriptions of all nodes that are no members any more.
    pub fn retain(&mut self, is_member: impl Fn(u64) -> bool) {
        let gone: BTreeSet<u64> =
            self.rows().map(|(_, _, node, _)| node).filter(|node| !is_member(*node)).collect();
        for node in gone {
            self.forget(node);
        }
    }

    /// Whether a node has any.
    pub fn has(&self, node: u64) -> bool {
        SubscriptionKind::ALL.into_iter().any(|kind| self.of_node(kind, node).next().is_some())
    }

    /// A node's subscriptions of a kind, with their counts.
    pub fn of_node(&self, kind: SubscriptionKind, node: u64) -> impl Iterator<Item = (&Bytes, u32)> {
        self.all(kind).filter_map(move |(name, counts)| counts.get(&node).map(|count| (name, *count)))
    }

    /// How many subscribers a message on this channel has; those of patterns count too, as they get it as well.
    pub fn receivers(&self, channel: &[u8]) -> u64 {
        let by_pattern = self.all(SubscriptionKind::Pattern);
        let matching = by_pattern.filter(|(pattern, _)| glob::matches(pattern, channel));
        self.count(SubscriptionKind::Channel, channel)
            + matching.map(|(_, counts)| total(counts)).sum::<u64>()
    }

    /// How many subscriptions there are to a name.
    pub fn count(&self, kind: SubscriptionKind, name: &[u8]) -> u64 {
        let names = &self.names[kind.place()];
        if names.len == 0 {
            return 0;
        }
        let part = &names.parts[part_of(name, names.parts.len())];
        part.get(name).map_or(0, total)
    }

    /// How many names there are subscriptions to.
    pub fn len(&self, kind: SubscriptionKind) -> usize {
        self.names[kind.place()].len
    }

    /// Whether there are no subscriptions at all.
    pub fn is_empty(&self) -> bool {
        SubscriptionKind::ALL.into_iter().all(|kind| self.len(kind) == 0)
    }

    /// The names of a kind that there are subscriptions to.
    pub fn names(&self, kind: SubscriptionKind) -> impl Iterator<Item = &Bytes> {
        self.all(kind).map(|(name, _)| name)
    }

    /// Everything: kind, name, node and count, in an order that follows from what there is.
    pub(super) fn rows(&self) -> impl Iterator<Item = (SubscriptionKind, &Bytes, u64, u32)> {
        SubscriptionKind::ALL.into_iter().flat_map(|kind| {
            let all = self.all(kind);
            all.flat_map(move |(name, counts)| {
                counts.iter().map(move |(node, count)| (kind, name, *node, *count))
            })
        })
    }

    fn all(&self, kind: SubscriptionKind) -> impl Iterator<Item = (&Bytes, &Counts)> {
        self.names[kind.place()].parts.iter().flat_map(|part| part.iter())
    }
}

fn total(counts: &Counts) -> u64 {
    counts.values().map(|count| u64::from(*count)).sum()
}

/// FNV-1a: the part that a name is in, which decides nothing but what a change copies.
fn part_of(name: &[u8], parts: usize) -> usize {
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 32) as usize % parts
}

#[cfg(test)]
mod tests {
    use super::SubscriptionKind::{Channel, Pattern, Shard};
    use super::*;

    #[test]
    fn counts_are_of_the_whole_cluster() {
        let mut all = Subscriptions::default();
        for (kind, name, node, by) in [
            (Channel, "news", 1, 2),
            (Channel, "news", 2, 1),
            (Pattern, "n*", 3, 4),
            (Pattern, "x*", 3, 1),
            (Shard, "news", 1, 5),
        ] {
            all.change(kind, name.as_bytes(), node, by);
        }
        assert_eq!(all.receivers(b"news"), 7);
        assert_eq!(all.receivers(b"nothing"), 4);
        assert_eq!((all.count(Shard, b"news"), all.count(Shard, b"n")), (5, 0));
        assert_eq!((all.len(Channel), all.len(Pattern), all.len(Shard)), (1, 2, 1));
        all.change(Channel, b"news", 1, -1);
        all.change(Channel, b"news", 2, -1);
        assert_eq!(all.count(Channel, b"news"), 1);
        all.change(Channel, b"none", 2, -1);
        assert_eq!(all.len(Channel), 1, "what is not there is not taken away");
        let before = all.clone();
        assert!(all.has(3) && all.forget(3) && !all.has(3) && !all.forget(3));
        assert_eq!((all.receivers(b"news"), before.receivers(b"news")), (1, 5));
        assert!(all.forget(1) && all.is_empty());
        assert_eq!(all, Subscriptions::default());
    }
}
