//! Telling the log how many subscriptions this node has, where no request of a client does.
//!
//! For: connections that have ended, and counts that may have gone wrong; requests that only nodes make. Leaves to
//! others: subscribing itself, which tells the log with its own request.
//! Invariant: at most one report is under way, so that what the log answers can be compared with what is here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_commands::{State, SubscriptionKind};
use quorate_raft::NodeId;
use quorate_resp::Request;

use super::{Effect, Post};
use crate::batch::Origin;
use crate::group::{Failure, Group, Slot};

/// Changes of counts in one request.
const CHANGES_MAX: usize = 1024;

/// How long to wait before the log is told again.
const PAUSE: Duration = Duration::from_millis(200);

const COUNT: &[u8] = b"count";
const COMPARE: &[u8] = b"compare";
const FORGET: &[u8] = b"forget";

/// A request that changes how many subscriptions the node that sends it has.
pub(crate) fn count(changes: &[(SubscriptionKind, Bytes, i64)]) -> Request {
    let mut args = vec![Bytes::from_static(COUNT)];
    for (kind, name, by) in changes {
        args.extend([Bytes::from(kind.place().to_string()), Bytes::from(by.to_string()), name.clone()]);
    }
    Request::from_args(args)
}

/// A request that shows the node that sends it what the log counts for it.
pub(crate) fn compare() -> Request {
    Request::from_args([COMPARE])
}

/// A request that takes away what a node that is not heard of has.
pub(crate) fn forget(node: NodeId) -> Request {
    Request::from_args([FORGET, node.0.to_string().as_bytes()])
}

/// Carries out such a request; `own` on the node that has sent it. One of an unknown kind does nothing, on every node
/// alike.
pub(crate) fn apply(
    state: &mut State,
    origin: Origin,
    me: NodeId,
    args: &[&[u8]],
    effects: &mut Vec<Effect>,
) {
    let Some((kind, args)) = args.split_first() else { return };
    match *kind {
        COUNT => {
            for change in args.chunks_exact(3) {
                let number = |i: usize| quorate_resp::parse_i64(change[i]);
                let kind =
                    number(0).and_then(|place| u8::try_from(place).ok()).and_then(SubscriptionKind::at);
                if let (Some(kind), Some(by)) = (kind, number(1)) {
                    state.subscriptions.change(kind, change[2], origin.node.0, by);
                }
            }
        }
        COMPARE if origin.node == me => effects.push(counted(state, me)),
        FORGET => {
            let node = args.first().and_then(|node| quorate_resp::parse_u64(node));
            if let Some(node) = node
                && state.subscriptions.forget(node)
                && node == me.0
            {
                effects.push(Effect::Doubt);
            }
        }
        _ => {}
    }
}

fn counted(state: &State, node: NodeId) -> Effect {
    let all = SubscriptionKind::ALL.into_iter().flat_map(|kind| {
        let own = state.subscriptions.of_node(kind, node.0);
        own.map(move |(name, count)| (kind, name.clone(), i64::from(count)))
    });
    Effect::Counted(all.collect())
}

impl Post {
    /// Tells the log what it is owed, for as long as the caller goes on.
    pub(crate) async fn report<W>(self: Arc<Self>, write: impl Fn(Group) -> W)
    where
        W: Future<Output = Result<Bytes, Failure>>,
    {
        loop {
            self.owes().await;
            loop {
                if self.take_doubt() {
                    if write(vec![Slot::Internal(compare())].into()).await.is_err() {
                        self.doubt();
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    // What it answered is among the effects and has to be looked at before anything is told.
                    self.settled().await;
                }
                let owed = self.take_owed(CHANGES_MAX);
                if owed.is_empty() {
                    break;
                }
                match write(vec![Slot::Internal(count(&owed))].into()).await {
                    Ok(_) => {}
                    Err(Failure::Refused(_)) => {
                        self.give_back(owed);
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(Failure::Unknown) => {
                        self.doubt();
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
    }
}
