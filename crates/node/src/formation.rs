//! How a node without an identity finds its cluster: it forms one with its peers, once, or is let in.
//!
//! ```text
//! no identity ─┬─ static peers, all of them blank ── lowest number: FORM to all, then the first membership
//!              │                                     others: wait for FORM
//!              ├─ static peers, a cluster exists ─── this node lost its disk: JOIN under a new id
//!              └─ --join ─────────────────────────── JOIN under a new id
//! ```
//!
//! A cluster forms only when *every* listed peer answers and none belongs to a cluster: a node that lost
//! its disk can thus never form a second one beside the first. It never votes with a forgotten vote
//! either, because it comes back under an id that has never voted ([`crate::rules`]).
//!
//! Invariants: FORM has been answered, and so made durable, by every peer before the first membership is
//! written; after that, a node without an identity is one that lost it.
//!
//! Called once, by the node's start-up task.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use quorate_raft::{NodeId, NodeInfo};
use tokio::sync::{mpsc, oneshot};

use crate::cluster;
use crate::options::{Membership, NodeOptions};
use crate::peers::{DISCOVER, Discover, Discovered, FORM, Form, JOIN, Join, Joined, Peers, cluster_id};
use crate::rules;
use crate::service::FormRequest;

/// How long a peer has for an answer.
const ASK_MAX: Duration = Duration::from_secs(2);
/// The pause between two rounds of asking.
const PAUSE: Duration = Duration::from_millis(150);

/// Who this node is from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) cluster_id: u128,
    pub(crate) node_id: NodeId,
}

/// Looks for an identity until it has one. `tell` hears why it takes long; `formed` brings the FORM that
/// a peer sends.
pub(crate) async fn find(
    options: &NodeOptions,
    peers: &Peers,
    new_cluster_id: u128,
    formed: &mut mpsc::Receiver<FormRequest>,
    mut tell: impl FnMut(String),
) -> (Found, Option<oneshot::Sender<()>>) {
    loop {
        let attempt = match &options.membership {
            Membership::Static { number, peers: all } => {
                among_peers(*number, all, peers, new_cluster_id, options, &mut tell).await
            }
            Membership::Join { through, number } => join(peers, through, *number, options, &mut tell).await,
        };
        if let Some(found) = attempt {
            return (found, None);
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            Some(FormRequest { cluster_id, durable }) = formed.recv() => {
                if let Membership::Static { number, .. } = options.membership {
                    return (Found { cluster_id, node_id: rules::first_id(number) }, Some(durable));
                }
            }
        }
    }
}

/// The nodes of the first membership, once all peers are ready for it; `None` if it must wait.
///
/// For the node with the lowest number, after its own identity is durable.
pub(crate) async fn first_members(
    number: u32,
    all: &BTreeMap<u32, String>,
    peers: &Peers,
    cluster: u128,
    options: &NodeOptions,
) -> Option<BTreeMap<NodeId, NodeInfo>> {
    let form = Form { cluster: format!("{cluster:032x}") };
    let others: Vec<_> = all.iter().filter(|(other, _)| **other != number).collect();
    let told =
        join_all(others.iter().map(|(_, address)| peers.ask::<()>(address, FORM, &form, ASK_MAX))).await;
    if told.iter().any(Result::is_err) {
        return None;
    }
    let discover = Discover { number: Some(number) };
    let answers = join_all(
        others.iter().map(|(_, address)| peers.ask::<Discovered>(address, DISCOVER, &discover, ASK_MAX)),
    )
    .await;
    let mut members = BTreeMap::new();
    let mine = NodeInfo { number, ..cluster::info(&options.announce) };
    members.insert(rules::first_id(number), mine);
    for ((other, address), answer) in others.into_iter().zip(answers) {
        let mut info = NodeInfo { number: *other, ..cluster::info(&answer.ok()?.addresses) };
        info.peer.clone_from(address);
        members.insert(rules::first_id(*other), info);
    }
    Some(members)
}

/// Whether this node is the one that forms the cluster.
pub(crate) fn forms(number: u32, all: &BTreeMap<u32, String>) -> bool {
    all.keys().next() == Some(&number)
}

async fn among_peers(
    number: u32,
    all: &BTreeMap<u32, String>,
    peers: &Peers,
    new_cluster_id: u128,
    options: &NodeOptions,
    tell: &mut impl FnMut(String),
) -> Option<Found> {
    let others: Vec<_> = all.iter().filter(|(other, _)| **other != number).collect();
    let discover = Discover { number: Some(number) };
    let answers = join_all(
        others.iter().map(|(_, address)| peers.ask::<Discovered>(address, DISCOVER, &discover, ASK_MAX)),
    )
    .await;
    let mut silent = Vec::new();
    let mut cluster = None;
    for ((other, address), answer) in others.iter().zip(answers) {
        match answer {
            Ok(known) if known.number.is_some_and(|said| said != **other) => {
                let said = known.number.unwrap_or_default();
                tell(format!("{address} should be node {other} and says that it is node {said}"));
                return None;
            }
            Ok(known) if known.formed => {
                return ask_to_join(peers, address, Some(number), options, tell).await;
            }
            Ok(known) => cluster = cluster.or(known.cluster),
            Err(error) => silent.push(format!("node {other} at {address} ({error})")),
        }
    }
    if !silent.is_empty() {
        tell(format!("a new cluster forms when all its nodes are there; missing: {}", silent.join(", ")));
        return None;
    }
    if !forms(number, all) {
        tell("waiting for the node with the lowest number to form the cluster".into());
        return None;
    }
    if cluster.is_some() {
        // The former life of this node began to form a cluster and lost its disk before it was done.
        // Nothing was ever written to that cluster; its peers take the new id.
        tell("forming the cluster anew".into());
    }
    Some(Found { cluster_id: new_cluster_id, node_id: rules::first_id(number) })
}

async fn join(
    peers: &Peers,
    through: &[String],
    number: Option<u32>,
    options: &NodeOptions,
    tell: &mut impl FnMut(String),
) -> Option<Found> {
    for address in through {
        if let Some(found) = ask_to_join(peers, address, number, options, tell).await {
            return Some(found);
        }
    }
    None
}

async fn ask_to_join(
    peers: &Peers,
    address: &str,
    number: Option<u32>,
    options: &NodeOptions,
    tell: &mut impl FnMut(String),
) -> Option<Found> {
    let join = Join { number, addresses: options.announce.clone() };
    match peers
        .ask::<Result<Joined, crate::admin::Refusal>>(address, JOIN, &join, Duration::from_secs(20))
        .await
    {
        Ok(Ok(joined)) => {
            let cluster_id = cluster_id(&joined.cluster)?;
            Some(Found { cluster_id, node_id: NodeId(joined.node) })
        }
        Ok(Err(refusal)) => {
            tell(format!("{address} does not let this node in yet: {refusal}"));
            None
        }
        Err(error) => {
            tell(format!("{address} cannot be asked: {error}"));
            None
        }
    }
}
