//! What the façade knows: the cluster in Sentinel's terms, at one moment.
//!
//! For: deciding which node is the master of every set, and which are its replicas and Sentinels.
//! Leaves to others: telling it (`lookup`), and what changed (`events`). Invariant: a view follows from the node's
//! facts and from how long it has been without a leader, nothing else.

use std::time::Duration;

use quorate::session::{Admission, MemberFacts, NodeFacts};

use crate::{HostPort, Roles};

/// A node that has been without a leader for this long calls the master down, for it cannot serve.
pub(super) const DOWN_AFTER: Duration = Duration::from_secs(5);

/// One node of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: u64,
    /// Where clients reach it.
    pub(super) data: Address,
    /// Where its façade listens, if it has one.
    pub(super) sentinel: Option<Address>,
    pub(super) votes: bool,
    /// Whether it was heard of lately.
    pub(super) alive: bool,
    pub(super) offset: u64,
}

/// A host and a port, as Sentinel gives them apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    fn parse(text: &str) -> Option<Address> {
        let HostPort { host, port } = HostPort::parse(text).ok()?;
        Some(Address { host: host.to_owned(), port })
    }
}

/// The cluster as this node sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    cluster: String,
    pub(super) me: u64,
    /// Raft's term, which is Sentinel's epoch.
    pub(super) epoch: u64,
    pub(super) leader: Option<u64>,
    /// All members that clients can reach, by id.
    pub(super) members: Vec<Member>,
    pub(super) master: Option<u64>,
    /// Since when there is no leader, once that is too long.
    pub(super) down: Option<Duration>,
}

impl View {
    /// `leaderless` is the time without a leader, `last` the master of the view before.
    pub(super) fn of(
        facts: &NodeFacts,
        admission: Admission,
        roles: Roles,
        leaderless: Duration,
        last: Option<u64>,
    ) -> View {
        let members: Vec<Member> =
            facts.members.iter().filter_map(|member| of_member(facts, member)).collect();
        let reachable = |id: u64| members.iter().any(|member| member.id == id);
        let leader = facts.leader.filter(|id| reachable(*id));
        let last = last.filter(|id| reachable(*id));
        let serves = matches!(admission, Admission::Open | Admission::OutOfMemory) && reachable(facts.node);
        let other = || members.iter().find(|member| member.id != facts.node && member.votes && member.alive);
        let master = match roles {
            Roles::Any if serves => Some(facts.node),
            // Whoever asks a node that does not serve is sent to one that does.
            Roles::Any => leader.filter(|id| *id != facts.node).or_else(|| other().map(|member| member.id)),
            Roles::Leader => leader.or(last),
        };
        let down = (leaderless >= DOWN_AFTER).then_some(leaderless);
        View {
            cluster: facts.cluster.clone(),
            me: facts.node,
            epoch: facts.term,
            leader,
            members,
            master,
            down,
        }
    }

    pub(super) fn member(&self, id: u64) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// The master, as long as there is a node that can be one.
    pub(super) fn master(&self) -> Option<&Member> {
        self.member(self.master?)
    }

    /// All nodes but the master.
    pub(super) fn replicas(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| Some(member.id) != self.master)
    }

    /// The façades of other nodes.
    pub(super) fn sentinels(&self) -> impl Iterator<Item = (&Member, &Address)> {
        let others = self.members.iter().filter(|member| member.id != self.me);
        others.filter_map(|member| Some((member, member.sentinel.as_ref()?)))
    }

    /// Voters that a majority takes.
    pub(super) fn quorum(&self) -> usize {
        self.members.iter().filter(|member| member.votes).count() / 2 + 1
    }

    /// Voters that are there.
    pub(super) fn usable(&self) -> usize {
        self.members.iter().filter(|member| member.votes && member.alive).count()
    }

    /// Forty digits that stand for a node's façade, the same on every node.
    pub(super) fn sentinel_id(&self, node: u64) -> String {
        format!("{:0>32}{:08x}", self.cluster, node & 0xffff_ffff)
    }

    /// Forty digits that stand for a node as a server, the same on every node.
    pub(super) fn run_id(&self, node: u64) -> String {
        format!("{:08x}{:0>32}", node & 0xffff_ffff, self.cluster)
    }
}

fn of_member(facts: &NodeFacts, member: &MemberFacts) -> Option<Member> {
    let is_me = member.id == facts.node;
    Some(Member {
        id: member.id,
        data: Address::parse(&member.resp)?,
        sentinel: Address::parse(&member.sentinel),
        votes: member.voter,
        alive: is_me || member.alive,
        offset: if is_me { facts.applied } else { member.durable.unwrap_or(facts.applied) },
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Three nodes, of which the second tells and the first leads.
    pub(in super::super) fn facts() -> NodeFacts {
        let member = |id: u64| MemberFacts {
            id,
            resp: format!("10.0.0.{id}:6379"),
            sentinel: format!("10.0.0.{id}:26379"),
            voter: true,
            alive: true,
            durable: None,
        };
        NodeFacts {
            cluster: "ab".repeat(16),
            node: 2,
            leader: Some(1),
            term: 7,
            members: (1..=3).map(member).collect(),
            ..NodeFacts::default()
        }
    }

    #[test]
    fn the_master_is_who_serves() {
        let facts = facts();
        let master = |facts: &NodeFacts, admission, roles, last| {
            View::of(facts, admission, roles, Duration::ZERO, last).master
        };
        let leaderless = NodeFacts { leader: None, ..facts.clone() };
        for (facts, admission, roles, last, expected) in [
            (&facts, Admission::Open, Roles::Any, None, Some(2)),
            (&leaderless, Admission::Open, Roles::Any, None, Some(2)),
            (&facts, Admission::OutOfMemory, Roles::Any, None, Some(2)),
            (&facts, Admission::Draining, Roles::Any, Some(2), Some(1)),
            (&leaderless, Admission::Loading, Roles::Any, Some(2), Some(1)),
            (&facts, Admission::Open, Roles::Leader, None, Some(1)),
            (&leaderless, Admission::Open, Roles::Leader, None, None),
            (&leaderless, Admission::Open, Roles::Leader, Some(3), Some(3)),
        ] {
            assert_eq!(master(facts, admission, roles, last), expected, "{admission:?} {roles:?} {last:?}");
        }
        let empty = NodeFacts::default();
        assert_eq!(master(&empty, Admission::Loading, Roles::Any, None), None);
        let mut cut_off = leaderless;
        cut_off.members[0].alive = false;
        assert_eq!(master(&cut_off, Admission::Draining, Roles::Any, None), Some(3));
        assert!(View::of(&cut_off, Admission::Open, Roles::Any, DOWN_AFTER, None).down.is_some());
    }

    #[test]
    fn ids_have_forty_digits_and_tell_nodes_and_facades_apart() {
        let view = View::of(&facts(), Admission::Open, Roles::Any, Duration::ZERO, None);
        let ids = [view.sentinel_id(1), view.sentinel_id(2), view.run_id(1), view.run_id(2)];
        for (i, id) in ids.iter().enumerate() {
            assert!(id.len() == 40 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
            assert!(!ids[..i].contains(id), "{id}");
        }
        assert_eq!((view.quorum(), view.usable(), view.sentinels().count()), (2, 3, 2));
    }
}
