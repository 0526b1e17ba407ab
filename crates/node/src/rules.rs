//! The rules of membership: which changes are safe, and what they change. Pure functions of what the
//! leader knows; [`crate::cluster`] carries them out.
//!
//! The rules (section 7 of the design): the number of voters stays odd, a majority of the voters stays
//! alive, a node that is promoted has caught up, and no node id is ever used twice. `force` overrides the
//! first three by name. A node's *id* is its number plus a thousand for each disk that it lost: node 3
//! comes back as 1003, then 2003. A forgotten vote can thus never be cast again.

use std::collections::{BTreeMap, BTreeSet};

use quorate_raft::{Members, NodeId, NodeInfo};

use crate::admin::{Refusal, RefusalKind};

/// The largest number that a node may have.
pub(crate) const NUMBER_MAX: u32 = 999;
const LIFE: u64 = 1000;
/// A learner that lacks no more entries than this has caught up.
pub(crate) const LAG_ENTRIES_MAX: u64 = 1000;

/// The number of a node id.
pub(crate) fn number_of(id: NodeId) -> u32 {
    u32::try_from(id.0 % LIFE).unwrap_or(0)
}

/// The first id of a number.
pub(crate) fn first_id(number: u32) -> NodeId {
    NodeId(u64::from(number))
}

/// The id of the life after `id`.
pub(crate) fn next_life(id: NodeId) -> NodeId {
    NodeId(id.0 + LIFE)
}

/// What the leader knows beyond the membership.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// How many entries each member lacks; absent if it has not been heard of lately.
    pub lag: BTreeMap<NodeId, u64>,
    /// The highest id that each number ever had, members or not.
    pub highest_ids: BTreeMap<u32, NodeId>,
}

impl Known {
    fn alive(&self, id: NodeId) -> bool {
        self.lag.contains_key(&id)
    }

    fn caught_up(&self, id: NodeId) -> bool {
        self.lag.get(&id).is_some_and(|lag| *lag <= LAG_ENTRIES_MAX)
    }
}

fn refuse(kind: RefusalKind, detail: impl Into<String>) -> Refusal {
    Refusal { kind, detail: detail.into() }
}

/// All voters of a membership, both sides of a joint one.
pub(crate) fn voters(members: &Members) -> BTreeSet<NodeId> {
    members.voters.iter().flatten().copied().collect()
}

/// Refuses while a change is half done.
fn settled(members: &Members) -> Result<(), Refusal> {
    if members.voters.len() > 1 {
        return Err(refuse(RefusalKind::Busy, "another change of membership is half done"));
    }
    Ok(())
}

fn known_node(members: &Members, id: NodeId) -> Result<(), Refusal> {
    if members.nodes.contains_key(&id) {
        return Ok(());
    }
    let ids: Vec<_> = members.nodes.keys().map(|id| id.0.to_string()).collect();
    Err(refuse(RefusalKind::NotFound, format!("there is no node {}; members: {}", id.0, ids.join(", "))))
}

/// Refuses a set of voters that is even or that has no living majority.
fn sound(target: &BTreeSet<NodeId>, known: &Known) -> Result<(), Refusal> {
    if target.is_empty() {
        return Err(refuse(RefusalKind::Invalid, "a cluster needs at least one voter"));
    }
    if target.len().is_multiple_of(2) {
        let detail = format!(
            "that would leave {} voters, an even number, which survives no more failures than {} would; \
             force it if you mean to go on at once",
            target.len(),
            target.len() - 1
        );
        return Err(refuse(RefusalKind::Unsafe, detail));
    }
    let alive = target.iter().filter(|id| known.alive(**id)).count();
    if alive <= target.len() / 2 {
        let detail =
            format!("only {alive} of the {} voters would be alive, which is no majority", target.len());
        return Err(refuse(RefusalKind::Unsafe, detail));
    }
    Ok(())
}

/// The voters after promoting learners; `None` if they vote already.
pub(crate) fn promote(
    members: &Members,
    known: &Known,
    nodes: &[NodeId],
    force: bool,
) -> Result<Option<BTreeSet<NodeId>>, Refusal> {
    settled(members)?;
    let mut target = voters(members);
    for id in nodes {
        known_node(members, *id)?;
        if target.insert(*id) && !known.caught_up(*id) {
            let detail = format!("node {} has not caught up with the log yet; try again later", id.0);
            if !force {
                return Err(refuse(RefusalKind::Busy, detail));
            }
        }
    }
    if target == voters(members) {
        return Ok(None);
    }
    if !force {
        sound(&target, known)?;
    }
    Ok(Some(target))
}

/// The voters after demoting or removing some; `None` if none of them votes.
pub(crate) fn without(
    members: &Members,
    known: &Known,
    nodes: &[NodeId],
    force: bool,
) -> Result<Option<BTreeSet<NodeId>>, Refusal> {
    settled(members)?;
    for id in nodes {
        known_node(members, *id)?;
    }
    let before = voters(members);
    let target: BTreeSet<_> = before.iter().filter(|id| !nodes.contains(id)).copied().collect();
    if target == before {
        return Ok(None);
    }
    if target.is_empty() {
        return Err(refuse(RefusalKind::Invalid, "a cluster needs at least one voter"));
    }
    if !force {
        sound(&target, known)?;
    }
    Ok(Some(target))
}

/// The voters after one node took another's place; `None` if it has done so already.
pub(crate) fn replace(
    members: &Members,
    known: &Known,
    old: NodeId,
    new: NodeId,
    force: bool,
) -> Result<Option<BTreeSet<NodeId>>, Refusal> {
    settled(members)?;
    known_node(members, new)?;
    let before = voters(members);
    if !members.nodes.contains_key(&old) && before.contains(&new) {
        return Ok(None);
    }
    known_node(members, old)?;
    if !before.contains(&old) {
        return Err(refuse(RefusalKind::Invalid, format!("node {} is no voter", old.0)));
    }
    if !force && !known.caught_up(new) {
        let detail = format!("node {} has not caught up with the log yet; try again later", new.0);
        return Err(refuse(RefusalKind::Busy, detail));
    }
    let mut target = before;
    target.remove(&old);
    target.insert(new);
    if !force {
        sound(&target, known)?;
    }
    Ok(Some(target))
}

/// The id for a node that is to be added, and whether it is a member already.
///
/// A number whose node is a member with the same peer address stays that member, unless the caller says
/// that its disk was lost.
pub(crate) fn admit(
    members: &Members,
    known: &Known,
    number: Option<u32>,
    peer: &str,
    disk_lost: bool,
) -> Result<(NodeId, bool), Refusal> {
    settled(members)?;
    if peer.is_empty() {
        return Err(refuse(RefusalKind::Invalid, "a node needs a peer address"));
    }
    let same = |info: &NodeInfo| info.peer == peer && number.is_none_or(|number| number == info.number);
    if let Some((id, info)) = members.nodes.iter().rev().find(|(_, info)| same(info)) {
        if !disk_lost {
            return Ok((*id, true));
        }
        return Ok((next_id(members, known, info.number), false));
    }
    let number = match number {
        Some(number) if (1..=NUMBER_MAX).contains(&number) => number,
        Some(number) => {
            let detail = format!("node numbers go from 1 to {NUMBER_MAX}; {number} is none");
            return Err(refuse(RefusalKind::Invalid, detail));
        }
        None => free_number(members, known)?,
    };
    let other = members.nodes.iter().find(|(id, info)| info.number == number && known.alive(**id));
    if let Some((id, info)) = other
        && !disk_lost
    {
        let detail = format!("number {number} belongs to node {} at {}, which is alive", id.0, info.peer);
        return Err(refuse(RefusalKind::Invalid, detail));
    }
    Ok((next_id(members, known, number), false))
}

fn next_id(members: &Members, known: &Known, number: u32) -> NodeId {
    let member = members.nodes.keys().filter(|id| number_of(**id) == number).max().copied();
    let ever = known.highest_ids.get(&number).copied();
    member.max(ever).map_or(first_id(number), next_life)
}

fn free_number(members: &Members, known: &Known) -> Result<u32, Refusal> {
    let taken = |number: &u32| {
        known.highest_ids.contains_key(number) || members.nodes.keys().any(|id| number_of(*id) == *number)
    };
    (1..=NUMBER_MAX)
        .find(|number| !taken(number))
        .ok_or_else(|| refuse(RefusalKind::Invalid, "all node numbers are taken"))
}

/// Members that came back with an empty disk and still wait to take the place of their former life:
/// `(old, new)`.
pub(crate) fn reborn(members: &Members) -> Option<(NodeId, NodeId)> {
    let voters = voters(members);
    members.learners.iter().rev().find_map(|new| {
        Some((*voters.iter().find(|old| number_of(**old) == number_of(*new) && *old < new)?, *new))
    })
}

/// Former lives that no longer vote and have nothing left to do: to be removed.
pub(crate) fn remains(members: &Members) -> BTreeSet<NodeId> {
    let voters = voters(members);
    let newest = |id: &NodeId| {
        members.nodes.keys().filter(|other| number_of(**other) == number_of(*id)).max().copied() == Some(*id)
    };
    members.nodes.keys().filter(|id| !voters.contains(id) && !newest(id)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().map(|id| NodeId(*id)).collect()
    }

    fn members(voting: &[u64], learning: &[u64]) -> Members {
        let nodes = voting.iter().chain(learning).map(|id| {
            let number = number_of(NodeId(*id));
            let info = NodeInfo { number, peer: format!("host{number}:1"), ..NodeInfo::default() };
            (NodeId(*id), info)
        });
        Members { voters: vec![ids(voting)], learners: ids(learning), nodes: nodes.collect() }
    }

    fn known(alive: &[(u64, u64)]) -> Known {
        Known { lag: alive.iter().map(|(id, lag)| (NodeId(*id), *lag)).collect(), ..Known::default() }
    }

    fn kind<T: std::fmt::Debug>(result: Result<T, Refusal>) -> RefusalKind {
        result.expect_err("it is refused").kind
    }

    #[test]
    fn promotions_keep_the_number_of_voters_odd() {
        let members = members(&[1, 2, 3], &[4, 5]);
        let known = known(&[(1, 0), (2, 0), (3, 0), (4, 10), (5, 5000)]);
        let n = |id| NodeId(id);
        assert_eq!(kind(promote(&members, &known, &[n(4)], false)), RefusalKind::Unsafe);
        assert_eq!(kind(promote(&members, &known, &[n(4), n(5)], false)), RefusalKind::Busy);
        assert_eq!(promote(&members, &known, &[n(4), n(5)], true), Ok(Some(ids(&[1, 2, 3, 4, 5]))));
        assert_eq!(promote(&members, &known, &[n(2)], false), Ok(None));
        assert_eq!(kind(promote(&members, &known, &[n(9)], false)), RefusalKind::NotFound);
    }

    #[test]
    fn removals_keep_a_living_majority() {
        let members = members(&[1, 2, 3, 4, 5], &[]);
        let known = known(&[(1, 0), (2, 0), (3, 0)]);
        let n = |id| NodeId(id);
        assert_eq!(without(&members, &known, &[n(4), n(5)], false), Ok(Some(ids(&[1, 2, 3]))));
        assert_eq!(kind(without(&members, &known, &[n(1), n(2)], false)), RefusalKind::Unsafe);
        assert_eq!(kind(without(&members, &known, &[n(5)], false)), RefusalKind::Unsafe);
        assert_eq!(without(&members, &known, &[n(5)], true), Ok(Some(ids(&[1, 2, 3, 4]))));
        let all = [n(1), n(2), n(3), n(4), n(5)];
        assert_eq!(kind(without(&members, &known, &all, true)), RefusalKind::Invalid);
    }

    #[test]
    fn a_change_waits_for_the_one_before() {
        let mut joint = members(&[1, 2, 3], &[4]);
        joint.voters.push(ids(&[1, 2, 4]));
        assert_eq!(kind(promote(&joint, &known(&[]), &[NodeId(4)], true)), RefusalKind::Busy);
        assert_eq!(kind(admit(&joint, &known(&[]), None, "x:1", false)), RefusalKind::Busy);
    }

    #[test]
    fn a_lost_disk_gives_a_new_id_and_the_old_place() {
        let before = members(&[1, 2, 3], &[]);
        let alive = known(&[(1, 0), (2, 0)]);
        assert_eq!(admit(&before, &alive, Some(3), "host3:1", false), Ok((NodeId(3), true)));
        assert_eq!(admit(&before, &alive, Some(3), "host3:1", true), Ok((NodeId(1003), false)));
        let after = members(&[1, 2, 3], &[1003]);
        assert_eq!(reborn(&after), Some((NodeId(3), NodeId(1003))));
        assert_eq!(remains(&after), ids(&[]));
        let alive = known(&[(1, 0), (2, 0), (1003, 3)]);
        assert_eq!(replace(&after, &alive, NodeId(3), NodeId(1003), false), Ok(Some(ids(&[1, 2, 1003]))));
        let demoted = members(&[1, 2, 1003], &[3]);
        assert_eq!((reborn(&demoted), remains(&demoted)), (None, ids(&[3])));
        let done = members(&[1, 2, 1003], &[]);
        assert_eq!(replace(&done, &alive, NodeId(3), NodeId(1003), false), Ok(None));
        assert_eq!(admit(&done, &alive, Some(3), "host3:1", true), Ok((NodeId(2003), false)));
    }

    #[test]
    fn ids_are_never_given_twice() {
        let members = members(&[1, 2, 3], &[]);
        let mut known = known(&[(1, 0), (2, 0), (3, 0)]);
        assert_eq!(admit(&members, &known, None, "new:1", false), Ok((NodeId(4), false)));
        known.highest_ids.insert(4, NodeId(1004));
        assert_eq!(admit(&members, &known, None, "new:1", false), Ok((NodeId(5), false)));
        assert_eq!(admit(&members, &known, Some(4), "new:1", false), Ok((NodeId(2004), false)));
        assert_eq!(kind(admit(&members, &known, Some(2), "new:1", false)), RefusalKind::Invalid);
        assert_eq!(kind(admit(&members, &known, Some(1000), "new:1", false)), RefusalKind::Invalid);
    }
}
