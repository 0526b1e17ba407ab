//! Carries out what an administrator asks, on whichever node he asks, and heals the membership.
//!
//! A call goes to the leader, which checks it against the rules ([`crate::rules`]) and changes the
//! membership through consensus, one change at a time. Beside that the leader looks after nodes that
//! came back with an empty disk: when such a node has caught up it takes the place of its former life.
//!
//! What it leaves to others: joint consensus (`quorate_raft`), HTTP and tables (server, command line).
//!
//! Invariant: every step is derived from the replicated membership alone, so a new leader carries on
//! where the old one stopped.
//!
//! Called by: the admin API and the peer service (`call`, `status`), its own task (`run`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use quorate_raft::{CallError, Members, NodeId, NodeInfo, Raft};
use tokio_util::sync::CancellationToken;

use crate::admin::{
    Addresses, Call, ClusterStatus, Done, NodeReport, NodeStatus, Refusal, RefusalKind, Role,
};
use crate::machine::Replica;
use crate::peers::{JOIN, Join, Joined, Peers};
use crate::rules::{self, Known};

/// How long a call waits for a leader, and for the change to commit.
const CALL_MAX: Duration = Duration::from_secs(15);
/// How long a status waits for another node's report.
const REPORT_MAX: Duration = Duration::from_millis(700);
/// How often the leader looks after the membership.
const LOOK: Duration = Duration::from_millis(500);

/// What this node contributes that the cluster's code cannot know.
pub(crate) trait Local: Send + Sync + 'static {
    /// What this node tells of itself.
    fn report(&self) -> NodeReport;
    /// Drains this node or takes it back; `false` if it was so already.
    fn drain(&self, on: bool) -> bool;
}

/// The cluster's administration on one node.
pub(crate) struct Cluster {
    pub(crate) me: NodeId,
    pub(crate) cluster_id: u128,
    pub(crate) raft: Raft,
    pub(crate) replica: Arc<Replica>,
    pub(crate) peers: Peers,
    pub(crate) local: Arc<dyn Local>,
    /// One change at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl Cluster {
    /// Carries out a call, here or on the node that can. Boxed, because everything that can be asked of a
    /// cluster is behind it.
    pub(crate) fn call(&self, call: Call) -> BoxFuture<'_, Result<Done, Refusal>> {
        self.dispatch(call).boxed()
    }

    async fn dispatch(&self, call: Call) -> Result<Done, Refusal> {
        match call {
            Call::Drain { node, on } if node == self.me.0 => self.drain(on).await,
            Call::Drain { node, .. } => self.elsewhere(NodeId(node), &call).await,
            Call::Snapshot { node: Some(node) } if node == self.me.0 => self.snapshot().await,
            Call::Snapshot { node: Some(node) } => self.elsewhere(NodeId(node), &call).await,
            Call::Snapshot { node: None } => self.snapshot_all().await,
            call => self.on_leader(call).await,
        }
    }

    async fn elsewhere(&self, node: NodeId, call: &Call) -> Result<Done, Refusal> {
        if !self.raft.members().nodes.contains_key(&node) {
            return Err(refuse(RefusalKind::NotFound, format!("there is no node {}", node.0)));
        }
        self.peers.call(node, call, CALL_MAX).await
    }

    /// Asks the leader; when it has to hand its leadership over first, asks its heir.
    async fn on_leader(&self, call: Call) -> Result<Done, Refusal> {
        for _ in 0..HANDOVERS_MAX {
            match self.ask_leader(call.clone()).await {
                Err(refusal) if refusal.detail == HANDED_OVER => {}
                outcome => return outcome,
            }
        }
        Err(refuse(RefusalKind::Busy, "the leadership keeps moving; try again later"))
    }

    async fn ask_leader(&self, call: Call) -> Result<Done, Refusal> {
        let mut leadership = self.raft.leadership();
        let known = async { leadership.wait_for(|now| now.leader.is_some()).await.ok().map(|now| *now) };
        let Ok(Some(leader)) = tokio::time::timeout(CALL_MAX, known).await else {
            return Err(refuse(
                RefusalKind::Unavailable,
                "no leader is known; is a majority of the voters up?",
            ));
        };
        if leader.leader_is_me {
            return self.change(call).await;
        }
        match leader.leader {
            Some(leader) => self.peers.call(leader, &call, CALL_MAX).await,
            None => Err(refuse(RefusalKind::Unavailable, "no leader is known")),
        }
    }

    /// Carries out a change on the leader.
    pub(crate) async fn change(&self, call: Call) -> Result<Done, Refusal> {
        let changed = async {
            let _one_at_a_time = self.changing.lock().await;
            self.change_now(call).await
        };
        tokio::time::timeout(CALL_MAX, changed).await.unwrap_or_else(|_| {
            Err(refuse(RefusalKind::Timeout, "the change did not commit in time; see the status"))
        })
    }

    async fn change_now(&self, call: Call) -> Result<Done, Refusal> {
        let members = self.raft.members();
        let known = self.known();
        let ids = |nodes: &[u64]| nodes.iter().map(|id| NodeId(*id)).collect::<Vec<_>>();
        match call {
            Call::Add { number, addresses } => self.add(number, addresses, false).await.map(|(_, done)| done),
            Call::Promote { nodes, force } => {
                let target = rules::promote(&members, &known, &ids(&nodes), force)?;
                let Some(target) = target else { return Ok(unchanged("they vote already", nodes)) };
                self.raft.change_voters(target, true).await.map_err(failed)?;
                Ok(done(format!("now voting: {}", list(&nodes)), nodes))
            }
            Call::Demote { nodes, force } => {
                let target = rules::without(&members, &known, &ids(&nodes), force)?;
                let Some(target) = target else { return Ok(unchanged("they do not vote", nodes)) };
                self.step_aside(&ids(&nodes)).await?;
                self.raft.change_voters(target, true).await.map_err(failed)?;
                Ok(done(format!("no longer voting: {}", list(&nodes)), nodes))
            }
            Call::Remove { nodes, force } => self.remove(&members, &known, nodes, force).await,
            Call::Replace { old, new, force } => {
                let target = rules::replace(&members, &known, NodeId(old), NodeId(new), force)?;
                let Some(target) = target else {
                    return Ok(unchanged("it has been replaced already", vec![new]));
                };
                self.step_aside(&[NodeId(old)]).await?;
                self.raft.change_voters(target, true).await.map_err(failed)?;
                self.raft.remove_nodes([NodeId(old)].into()).await.map_err(failed)?;
                Ok(done(format!("node {new} took the place of node {old}"), vec![old, new]))
            }
            Call::SetAddresses { node, addresses } => {
                self.set_addresses(&members, NodeId(node), addresses).await
            }
            Call::Transfer { to } => self.transfer(&members, &known, to.map(NodeId)).await,
            Call::Snapshot { .. } | Call::Drain { .. } => {
                Err(refuse(RefusalKind::Internal, "this call is for a node, not for the leader"))
            }
        }
    }

    /// Lets a node in that has no identity, on the leader: under a new id, if its number had one.
    pub(crate) async fn admit(&self, number: Option<u32>, addresses: Addresses) -> Result<NodeId, Refusal> {
        let leader = self.raft.leadership().borrow().leader;
        if let Some(leader) = leader.filter(|leader| *leader != self.me) {
            let members = self.raft.members();
            let peer = members.nodes.get(&leader).map(|info| info.peer.clone()).unwrap_or_default();
            let join = Join { number, addresses };
            let unreachable = |error: CallError| refuse(RefusalKind::Unavailable, error.to_string());
            let joined = self.peers.ask::<Result<Joined, Refusal>>(&peer, JOIN, &join, CALL_MAX).await;
            return Ok(NodeId(joined.map_err(unreachable)??.node));
        }
        let _one_at_a_time = self.changing.lock().await;
        self.add(number, addresses, true).await.map(|(id, _)| id)
    }

    /// Adds a node; returns its id. `disk_lost`: it had the number, and lost its disk.
    async fn add(
        &self,
        number: Option<u32>,
        addresses: Addresses,
        disk_lost: bool,
    ) -> Result<(NodeId, Done), Refusal> {
        let members = self.raft.members();
        let (id, present) = rules::admit(&members, &self.known(), number, &addresses.peer, disk_lost)?;
        if present {
            return Ok((id, unchanged("it is a member already", vec![id.0])));
        }
        let info = NodeInfo { number: rules::number_of(id), ..info(&addresses) };
        self.raft.add_learner(id, info).await.map_err(failed)?;
        tracing::info!(node = id.0, peer = addresses.peer, "added as a learner");
        Ok((
            id,
            done(format!("node {} added as a learner; promote it when it has caught up", id.0), vec![id.0]),
        ))
    }

    async fn remove(
        &self,
        members: &Members,
        known: &Known,
        nodes: Vec<u64>,
        force: bool,
    ) -> Result<Done, Refusal> {
        let present: Vec<_> =
            nodes.iter().map(|id| NodeId(*id)).filter(|id| members.nodes.contains_key(id)).collect();
        if present.is_empty() {
            return Ok(unchanged("they are no members", nodes));
        }
        let target = rules::without(members, known, &present, force)?;
        self.step_aside(&present).await?;
        if let Some(target) = target {
            self.raft.change_voters(target, true).await.map_err(failed)?;
        }
        self.raft.remove_nodes(present.into_iter().collect()).await.map_err(failed)?;
        Ok(done(format!("removed: {}", list(&nodes)), nodes))
    }

    /// A leader that is to leave hands over first; the caller's node then asks the new one.
    async fn step_aside(&self, leaving: &[NodeId]) -> Result<(), Refusal> {
        if !leaving.contains(&self.me) {
            return Ok(());
        }
        let members = self.raft.members();
        let known = self.known();
        let heir = rules::voters(&members)
            .into_iter()
            .filter(|id| !leaving.contains(id))
            .filter_map(|id| Some((*known.lag.get(&id)?, id)))
            .min();
        let Some((_, heir)) = heir else {
            return Err(refuse(
                RefusalKind::Unavailable,
                "no other voter is alive to take the leadership over",
            ));
        };
        self.hand_over(heir).await?;
        // The change itself is the new leader's.
        Err(refuse(RefusalKind::Busy, HANDED_OVER))
    }

    async fn hand_over(&self, heir: NodeId) -> Result<(), Refusal> {
        self.raft.transfer_leader(heir).await.map_err(failed)?;
        let mut leadership = self.raft.leadership();
        let moved =
            async { leadership.wait_for(|now| now.leader.is_some() && !now.leader_is_me).await.is_ok() };
        match tokio::time::timeout(Duration::from_secs(5), moved).await {
            Ok(true) => Ok(()),
            _ => Err(refuse(
                RefusalKind::Timeout,
                format!("node {} did not take the leadership over in time", heir.0),
            )),
        }
    }

    async fn transfer(&self, members: &Members, known: &Known, to: Option<NodeId>) -> Result<Done, Refusal> {
        let voters = rules::voters(members);
        let heir = match to {
            Some(to) if to == self.me => return Ok(unchanged("it leads already", vec![to.0])),
            Some(to) if !members.nodes.contains_key(&to) => {
                return Err(refuse(RefusalKind::NotFound, format!("there is no node {}", to.0)));
            }
            Some(to) if !voters.contains(&to) => {
                return Err(refuse(
                    RefusalKind::Invalid,
                    format!("node {} is a learner and cannot lead", to.0),
                ));
            }
            Some(to) => to,
            None => voters
                .into_iter()
                .filter(|id| *id != self.me)
                .filter_map(|id| Some((*known.lag.get(&id)?, id)))
                .min()
                .map(|(_, id)| id)
                .ok_or_else(|| refuse(RefusalKind::Unavailable, "no other voter is alive"))?,
        };
        // A target that lags, or is dead, would cost a whole election.
        if known.lag.get(&heir).is_none_or(|lag| *lag > rules::LAG_ENTRIES_MAX) {
            return Err(refuse(
                RefusalKind::Busy,
                format!("node {} is not alive or has not caught up", heir.0),
            ));
        }
        self.hand_over(heir).await?;
        Ok(done(format!("node {} leads", heir.0), vec![heir.0]))
    }

    async fn set_addresses(&self, members: &Members, node: NodeId, new: Addresses) -> Result<Done, Refusal> {
        let Some(old) = members.nodes.get(&node) else {
            return Err(refuse(RefusalKind::NotFound, format!("there is no node {}", node.0)));
        };
        let keep = |new: String, old: &str| if new.is_empty() { old.to_owned() } else { new };
        let info = NodeInfo {
            peer: keep(new.peer, &old.peer),
            resp: keep(new.resp, &old.resp),
            admin: keep(new.admin, &old.admin),
            sentinel: keep(new.sentinel, &old.sentinel),
            ..old.clone()
        };
        if info == *old {
            return Ok(unchanged("its addresses are these already", vec![node.0]));
        }
        self.raft.set_node_info(node, info).await.map_err(failed)?;
        Ok(done(format!("node {} has new addresses", node.0), vec![node.0]))
    }

    async fn snapshot(&self) -> Result<Done, Refusal> {
        let last = self.raft.snapshot().await.map_err(failed)?;
        Ok(done(format!("node {} has a snapshot up to entry {}", self.me.0, last.index), vec![self.me.0]))
    }

    async fn snapshot_all(&self) -> Result<Done, Refusal> {
        let nodes: Vec<_> = self.raft.members().nodes.keys().copied().collect();
        let calls = nodes.iter().map(|node| async {
            let call = Call::Snapshot { node: Some(node.0) };
            if *node == self.me {
                self.snapshot().await
            } else {
                self.peers.call(*node, &call, CALL_MAX).await
            }
        });
        let mut taken = Vec::new();
        let mut trouble = Vec::new();
        for (node, result) in nodes.iter().zip(join_all(calls).await) {
            match result {
                Ok(_) => taken.push(node.0),
                Err(refusal) => trouble.push(format!("node {}: {refusal}", node.0)),
            }
        }
        if taken.is_empty() {
            return Err(refuse(RefusalKind::Unavailable, trouble.join("; ")));
        }
        let mut message = format!("snapshots taken by {}", list(&taken));
        if !trouble.is_empty() {
            message = format!("{message}; {}", trouble.join("; "));
        }
        Ok(done(message, taken))
    }

    /// Drains this node: leadership first, then new connections are refused.
    async fn drain(&self, on: bool) -> Result<Done, Refusal> {
        let leads = self.raft.leadership().borrow().leader_is_me;
        if on && leads {
            let members = self.raft.members();
            if rules::voters(&members).len() > 1 {
                self.transfer(&members, &self.known(), None).await?;
            }
        }
        let nodes = vec![self.me.0];
        match (self.local.drain(on), on) {
            (false, _) => Ok(unchanged(if on { "it drains already" } else { "it does not drain" }, nodes)),
            (true, true) => Ok(done("it drains: new connections are refused".into(), nodes)),
            (true, false) => Ok(done("it serves again".into(), nodes)),
        }
    }

    /// What the leader knows of the members: who is alive, and how far behind.
    fn known(&self) -> Known {
        let metrics = self.raft.metrics();
        let last = metrics.last_log.unwrap_or(0);
        let mut lag = BTreeMap::new();
        for (node, matched) in &metrics.replication {
            if *node != self.me && self.peers.heard_of(*node) {
                let matched = matched.map_or(0, |id| id.index);
                lag.insert(*node, last.saturating_sub(matched));
            }
        }
        lag.insert(self.me, 0);
        Known { lag, highest_ids: self.replica.read(|replicated| replicated.highest_ids.clone()) }
    }

    /// The cluster as this node sees it, with the reports of all nodes that answer in time.
    pub(crate) async fn status(&self) -> ClusterStatus {
        let members = self.raft.members();
        let leadership = *self.raft.leadership().borrow();
        let reports = join_all(members.nodes.keys().map(|node| async {
            if *node == self.me {
                Some(self.local.report())
            } else {
                self.peers.report(*node, REPORT_MAX).await
            }
        }))
        .await;
        let voters = rules::voters(&members);
        let nodes: BTreeMap<u64, NodeStatus> = members
            .nodes
            .iter()
            .zip(reports)
            .map(|((id, info), report)| {
                let voter = voters.contains(id);
                let role = match (leadership.leader == Some(*id), voter) {
                    (true, _) => Role::Leader,
                    (false, true) => Role::Follower,
                    (false, false) => Role::Learner,
                };
                let addresses = addresses(info);
                let status = NodeStatus {
                    id: id.0,
                    number: info.number,
                    role,
                    voter,
                    alive: report.is_some(),
                    addresses,
                    report,
                };
                (id.0, status)
            })
            .collect();
        let alive = nodes.values().filter(|node| node.voter && node.alive).count();
        ClusterStatus {
            cluster: format!("{:032x}", self.cluster_id),
            answered_by: self.me.0,
            term: leadership.term,
            leader: leadership.leader.map(|leader| leader.0),
            committed: self.raft.metrics().committed.map_or(0, |id| id.index),
            quorum: alive > voters.len() / 2,
            joint: members.voters.len() > 1,
            nodes,
        }
    }

    /// What a node that was removed can still say: nothing of the cluster, and of itself that it is outside.
    pub(crate) fn status_outside(&self) -> ClusterStatus {
        let report = self.local.report();
        let number = rules::number_of(self.me);
        let info = self.raft.members().nodes.get(&self.me).cloned().unwrap_or_default();
        let me = NodeStatus {
            id: self.me.0,
            number,
            role: Role::Outsider,
            voter: false,
            alive: true,
            addresses: addresses(&info),
            report: Some(report),
        };
        ClusterStatus {
            cluster: format!("{:032x}", self.cluster_id),
            answered_by: self.me.0,
            term: 0,
            leader: None,
            committed: self.replica.applied(),
            quorum: false,
            joint: false,
            nodes: BTreeMap::from([(self.me.0, me)]),
        }
    }

    /// Looks after the membership while this node leads, until `stop`.
    pub(crate) async fn run(self: Arc<Cluster>, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            let leads = self.raft.leadership().borrow().leader_is_me;
            if leads && let Err(refusal) = self.heal().await {
                tracing::debug!(%refusal, "the membership cannot be healed yet");
            }
        }
    }

    async fn heal(&self) -> Result<(), Refusal> {
        let members = self.raft.members();
        if let Some((old, new)) = rules::reborn(&members) {
            let done = self.change(Call::Replace { old: old.0, new: new.0, force: false }).await?;
            tracing::info!(old = old.0, new = new.0, message = done.message, "a lost disk was replaced");
            return Ok(());
        }
        let remains = rules::remains(&members);
        if !remains.is_empty() && members.voters.len() == 1 {
            let _one_at_a_time = self.changing.lock().await;
            self.raft.remove_nodes(remains).await.map_err(failed)?;
        }
        Ok(())
    }
}

/// How often a call follows a leadership that moves.
const HANDOVERS_MAX: usize = 3;
/// Says that the leadership moved first, so that the caller asks the new leader.
const HANDED_OVER: &str = "the leadership has been handed over first; ask again";

fn refuse(kind: RefusalKind, detail: impl Into<String>) -> Refusal {
    Refusal { kind, detail: detail.into() }
}

fn done(message: String, nodes: Vec<u64>) -> Done {
    Done { changed: true, message, nodes }
}

fn unchanged(message: &str, nodes: Vec<u64>) -> Done {
    Done { changed: false, message: message.into(), nodes }
}

fn list(nodes: &[u64]) -> String {
    nodes.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

fn failed(error: quorate_raft::Error) -> Refusal {
    use quorate_raft::Error;
    let kind = match &error {
        Error::NotLeader { .. } | Error::Unavailable(_) | Error::Stopped(_) => RefusalKind::Unavailable,
        Error::InProgress => RefusalKind::Busy,
        Error::Unsafe(_) => RefusalKind::Unsafe,
        Error::Timeout(_) => RefusalKind::Timeout,
        _ => RefusalKind::Internal,
    };
    refuse(kind, error.to_string())
}

/// A member's info from announced addresses; its number is the caller's to set.
pub(crate) fn info(addresses: &Addresses) -> NodeInfo {
    NodeInfo {
        peer: addresses.peer.clone(),
        resp: addresses.resp.clone(),
        admin: addresses.admin.clone(),
        sentinel: addresses.sentinel.clone(),
        ..NodeInfo::default()
    }
}

/// The addresses in a member's info.
pub(crate) fn addresses(info: &NodeInfo) -> Addresses {
    Addresses {
        peer: info.peer.clone(),
        resp: info.resp.clone(),
        admin: info.admin.clone(),
        sentinel: info.sentinel.clone(),
    }
}
