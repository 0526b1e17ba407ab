//! What a node keeps an eye on while it lives: consensus itself, who leads, whom it hears of, whether its
//! state is what the others have, whether it is a member still, and which keys its reads have used; on the leader, whose
//! waiters are to go because their node is silent.
//!
//! What it leaves to others: what makes states comparable ([`crate::divergence`]), what a phase means to
//! clients and administrators ([`crate::node`]).
//!
//! Invariants: what changes is logged once, when it changes, so that a node that is down for a day costs its
//! peers two lines; a node that diverged or was removed takes part no more before anybody is told of it.
//!
//! Called by: its own tasks, spawned when consensus has been started.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_commands::Waiter;
use quorate_raft::{NodeId, Raft};
use quorate_storage::{DataDir, Disk};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::batch::{self, Origin};
use crate::divergence::Verdict;
use crate::group::Slot;
use crate::leader::{Leader, Proposal};
use crate::messages::report;
use crate::node::{Error, Inner, Phase, REMOVED};
use crate::peers::HEARD_MAX;
use crate::pipeline::Pipeline;
use crate::rules;

/// How often the log is told of reads.
const TELL_USES: Duration = Duration::from_millis(250);
/// How long a node is not heard of before it counts as having no clients.
pub(crate) const ABSENT: Duration = Duration::from_secs(5);
/// How often every other member is pinged, for its clock and its life.
const PING: Duration = Duration::from_secs(1);

/// Ends the node's life when consensus has ended by itself.
pub(crate) async fn consensus(inner: Arc<Inner>, raft: Raft) {
    let mut metrics = raft.metrics_watch();
    let failed =
        async { metrics.wait_for(|metrics| metrics.error.is_some()).await.ok().map(|m| m.error.clone()) };
    let error = tokio::select! {
        // Whoever stops the node stops consensus after that.
        biased;
        () = inner.stop.cancelled() => return,
        error = failed => error.flatten().unwrap_or_else(|| "it stopped".into()),
    };
    tracing::error!(%error, "consensus has stopped on this node");
    if let Some(running) = inner.running.get() {
        running.pipeline.close();
    }
    inner.desk.close();
    inner.enter(Phase::Failed(Error::Raft(Arc::new(quorate_raft::Error::Stopped(error)))));
}

/// Logs who leads.
pub(crate) async fn leadership(raft: Raft, stop: CancellationToken) {
    let mut leadership = raft.leadership();
    let mut last = None;
    loop {
        let now = *leadership.borrow_and_update();
        if now.leader != last {
            last = now.leader;
            match now.leader {
                // The leader's own task tells when it begins to.
                Some(_) if now.leader_is_me => {}
                Some(leader) => tracing::info!(%leader, term = now.term, "another node leads"),
                None => tracing::info!(term = now.term, "no leader is known"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = leadership.changed() => if changed.is_err() { return },
        }
    }
}

/// Tells the log which keys this node's reads have used.
pub(crate) async fn uses(inner: Arc<Inner>, pipeline: Arc<Pipeline>) {
    let mut rounds = tokio::time::interval(TELL_USES);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = inner.stop.cancelled() => return,
            _ = rounds.tick() => {}
        }
        let group = inner.front.uses.take();
        if !group.slots.is_empty() {
            // Uses that do not get through are forgotten: the next reads tell of the keys again.
            let _told = pipeline.write(group).await;
        }
    }
}

/// Tells the log of subscriptions that have ended.
pub(crate) async fn subscriptions(inner: Arc<Inner>, pipeline: Arc<Pipeline>) {
    let me = pipeline.origin().node.0;
    if inner.replica.read(|replicated| replicated.state.subscriptions.has(me)) {
        // They are of an earlier life.
        inner.front.post.doubt();
    }
    tokio::select! {
        () = inner.stop.cancelled() => {}
        () = Arc::clone(&inner.front.post).report(|group| pipeline.write(group)) => {}
    }
}

/// As the leader, has the subscriptions of nodes forgotten that have not been heard of for long.
pub(crate) async fn absent(inner: Arc<Inner>, raft: Raft, pipeline: Arc<Pipeline>) {
    let mut rounds = tokio::time::interval(PING);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let me = pipeline.origin().node;
    let began = Instant::now();
    loop {
        tokio::select! {
            () = inner.stop.cancelled() => return,
            _ = rounds.tick() => {}
        }
        if !raft.leadership().borrow().leader_is_me || began.elapsed() < ABSENT {
            continue;
        }
        let is_absent = |node: &NodeId| *node != me && !inner.peers.heard_within(*node, ABSENT);
        let absent: Vec<_> = raft.members().nodes.into_keys().filter(is_absent).collect();
        for node in absent {
            if inner.replica.read(|replicated| replicated.state.subscriptions.has(node.0)) {
                // If it does not get through, the next round tries again.
                let _told = pipeline.write(vec![Slot::Internal(report::forget(node))].into()).await;
            }
        }
    }
}

/// On the leader: has the waiters of nodes go that it does not hear of, before they take what nobody is there to get.
pub(crate) async fn silent_waiters(inner: Arc<Inner>, raft: Raft, leader: Arc<Leader>) {
    let me = inner.peers.transport().identity().node;
    let mut rounds = tokio::time::interval(PING);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut leading_since: Option<Instant> = None;
    loop {
        tokio::select! {
            () = inner.stop.cancelled() => return,
            _ = rounds.tick() => {}
        }
        if !raft.leadership().borrow().leader_is_me {
            leading_since = None;
            continue;
        }
        // Whoever leads has to have had the time to hear of the others.
        if leading_since.get_or_insert_with(Instant::now).elapsed() < HEARD_MAX {
            continue;
        }
        let origins: BTreeSet<Origin> = inner.replica.read(|replicated| {
            let origin =
                |waiter: &Waiter| Origin { node: NodeId(waiter.node), incarnation: waiter.incarnation };
            replicated.state.waiters.iter().map(|(_, waiter)| origin(waiter)).collect()
        });
        for origin in origins {
            if origin.node != me && !inner.peers.heard_of(origin.node) {
                tracing::warn!(node = %origin.node, "its waiting clients lose their places, as it is not heard of");
                // Where it is refused, the next round says it again.
                leader.propose(Proposal { data: batch::silence(origin), refused: Box::new(|_| ()) });
            }
        }
    }
}

/// Samples the other members' clocks, notes who is alive, and compares states and memberships.
pub(crate) async fn members(inner: Arc<Inner>, raft: Raft, disk: Arc<dyn Disk>) {
    let me = inner.peers.transport().identity().node;
    let heard = Arc::new(Heard::default());
    let mut silence = Silence::default();
    let mut rounds = tokio::time::interval(PING);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = inner.stop.cancelled() => return,
            _ = rounds.tick() => {}
        }
        let members = raft.members();
        let voters = rules::voters(&members);
        for node in members.nodes.into_keys().filter(|node| *node != me) {
            match silence.look(node, inner.peers.heard_of(node), Instant::now()) {
                Some(Change::Silent) => {
                    let error = heard.errors.lock().remove(&node).unwrap_or_default();
                    tracing::warn!(%node, error, "not heard of for {} s", HEARD_MAX.as_secs());
                }
                Some(Change::Back) => tracing::info!(%node, "heard of again"),
                None => {}
            }
            tokio::spawn(ping(inner.clone(), heard.clone(), node, voters.contains(&node)));
        }
        if let Some(index) = heard.removed(inner.replica.membership_of(me)) {
            return removed(&inner, raft, index).await;
        }
        let others: Vec<_> = voters.iter().copied().filter(|node| *node != me).collect();
        match inner.divergence.verdict(&others, voters.len() / 2 + 1) {
            Verdict::Fine => {}
            Verdict::Disputed { index } => {
                tracing::error!(index, "the states of the nodes differ at this entry")
            }
            Verdict::Diverged { index } => return diverged(&inner, raft, disk.as_ref(), index).await,
        }
    }
}

async fn ping(inner: Arc<Inner>, heard: Arc<Heard>, node: NodeId, votes: bool) {
    let sent = Instant::now();
    let pong = match inner.peers.ping(node, PING).await {
        Ok(pong) => pong,
        Err(error) => {
            heard.errors.lock().insert(node, error.to_string());
            return;
        }
    };
    inner.divergence.heard(node, pong.checks);
    if votes {
        inner.clock.sample(node, pong.wall, sent.elapsed());
    }
    if !pong.asker_is_member {
        let mut without = heard.without_this_node.lock();
        *without = (*without).max(pong.applied);
    }
}

/// What pings have brought.
#[derive(Debug, Default)]
struct Heard {
    /// Why the last ping to each node failed.
    errors: Mutex<BTreeMap<NodeId, String>>,
    /// The highest log index for which another node said that this one is no member.
    without_this_node: Mutex<u64>,
}

impl Heard {
    /// The log index at which this node is known to be no member any more, given what it knows itself: whether
    /// it is a member, and after which entry.
    ///
    /// Both sides speak of committed entries, and no id is given twice ([`crate::rules`]): so a node that was a
    /// member, and is none at a later index, is none for good. A node that has not yet seen the entry that
    /// makes it a member is told that it is none as well, but of an earlier index than that entry's.
    fn removed(&self, (is_member, applied): (bool, u64)) -> Option<u64> {
        let without = *self.without_this_node.lock();
        (is_member && without > applied).then_some(without)
    }
}

/// Who has been told to be silent, so that nobody is told twice.
#[derive(Debug, Default)]
struct Silence {
    met: BTreeMap<NodeId, Instant>,
    silent: BTreeSet<NodeId>,
}

/// What is worth a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Silent,
    Back,
}

impl Silence {
    fn look(&mut self, node: NodeId, is_heard: bool, now: Instant) -> Option<Change> {
        let met = *self.met.entry(node).or_insert(now);
        if is_heard {
            return self.silent.remove(&node).then_some(Change::Back);
        }
        // Whoever was met just now has not had the time to answer.
        (now - met >= HEARD_MAX && self.silent.insert(node)).then_some(Change::Silent)
    }
}

/// Ends all that this node does in the cluster. It lives on to tell why it serves no more.
async fn removed(inner: &Inner, raft: Raft, index: u64) {
    tracing::error!(index, "{REMOVED}");
    inner.enter(Phase::Removed { index });
    if let Some(running) = inner.running.get() {
        running.pipeline.close();
    }
    inner.stop.cancel();
    // Whatever it answers, this node takes part no more.
    let _stopped = raft.shutdown().await;
    inner.peers.transport().shutdown().await;
}

/// Stops serving at once, and leaves a directory from which a restart joins anew.
async fn diverged(inner: &Inner, raft: Raft, disk: &dyn Disk, index: u64) {
    tracing::error!(
        index,
        "the state of this node is not what the log says; it stops, and joins anew when restarted"
    );
    inner.enter(Phase::Failed(Error::Diverged { index }));
    let Some(running) = inner.running.get() else { return };
    running.pipeline.close();
    // Whatever it answers, this node takes part no more.
    let _stopped = raft.shutdown().await;
    let directory = running.directory.lock().take();
    if let Some(directory) = directory {
        let _closed = directory.log.close();
    }
    if let Err(error) =
        DataDir::set_aside(disk, &format!("the state differed from the others' at entry {index}"))
    {
        tracing::error!(%error, "the data cannot be set aside");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_later_index_removes_a_member() {
        let heard = Heard::default();
        assert_eq!(heard.removed((true, 7)), None);
        *heard.without_this_node.lock() = 7;
        assert_eq!(heard.removed((false, 0)), None, "it has not seen itself become a member");
        assert_eq!(heard.removed((true, 9)), None, "who said so had not seen it become a member");
        assert_eq!(heard.removed((true, 7)), None, "the same index cannot say both");
        assert_eq!(heard.removed((true, 6)), Some(7));
    }

    #[test]
    fn silence_is_told_once() {
        let (mut silence, node, start) = (Silence::default(), NodeId(2), Instant::now());
        let mut look = |heard, seconds| silence.look(node, heard, start + Duration::from_secs(seconds));
        let told: Vec<_> = [
            (false, 0),
            (false, 1),
            (true, 2),
            (false, 5),
            (false, 6),
            (true, 3600),
            (true, 3601),
            (false, 3700),
        ]
        .into_iter()
        .map(|(heard, at)| look(heard, at))
        .collect();
        let (silent, back) = (Some(Change::Silent), Some(Change::Back));
        assert_eq!(told, [None, None, None, silent, None, back, None, silent]);
    }
}
