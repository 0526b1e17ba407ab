//! What this node answers its peers; the other end of [`crate::peers`].
//!
//! Invariants: a batch that is forwarded here joins the leader's queue in the order of its arrival; a
//! message that cannot be read is answered with an error.
//!
//! Called by: the transport's connection tasks.

use std::sync::Weak;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use quorate_raft::{Channel, ForwardAnswer, NodeId, Peer, PeerService, Support};
use tokio::sync::oneshot;

use crate::admin::{Call, Refusal};
use crate::leader::Proposal;
use crate::node::Inner;
use crate::options::Membership;
use crate::peers::{
    AGAIN, BARRIER, CALL, DISCOVER, Discovered, FORM, Form, JOIN, Join, Joined, PING, Pong, REPORT, TAKEN,
    cluster_id, json, parse,
};

/// A FORM on its way to the start-up task, and how it is answered.
pub(crate) struct FormRequest {
    pub(crate) cluster_id: u128,
    pub(crate) durable: oneshot::Sender<()>,
}

/// Serves this node's peers.
pub(crate) struct Service {
    pub(crate) node: Weak<Inner>,
}

impl PeerService for Service {
    fn call(
        &self,
        from: Peer,
        _channel: Channel,
        kind: u8,
        body: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, String>> {
        let Some(node) = self.node.upgrade() else {
            return async { Err("the node is stopping".to_owned()) }.boxed();
        };
        async move {
            match kind {
                PING => Ok(ping(&node, from.identity.node)),
                BARRIER => {
                    let running = node.running.get().ok_or("the node is starting")?;
                    running.raft.hurry(from.identity.node);
                    let asker = Support::decode(body).map(|support| (from.identity.node, support));
                    let barrier =
                        running.source.answer(asker).await.map_err(|refused| refused.to_string())?;
                    Ok(Bytes::copy_from_slice(&barrier.encode()))
                }
                DISCOVER => Ok(json(&discovered(&node).await)),
                FORM => form(&node, &body).await,
                JOIN => Ok(json(&join(&node, &body).await?)),
                CALL => {
                    let running = node.running.get().ok_or("the node is starting")?;
                    let call: Call = read(&body)?;
                    // A call that came over the network is carried out here or not at all, so that two
                    // nodes which both take the other for the leader do not send it to and fro.
                    let done = match call {
                        Call::Drain { .. } | Call::Snapshot { .. } => running.cluster.call(call).await,
                        call => running.cluster.change(call).await,
                    };
                    Ok(json(&done))
                }
                REPORT => Ok(json(&node.report())),
                kind => Err(format!("unknown message kind {kind}")),
            }
        }
        .boxed()
    }

    fn forward(&self, from: Peer, body: BytesMut, answer: ForwardAnswer) {
        let receipt = Receipt(Some(answer));
        match self.node.upgrade().as_ref().and_then(|node| node.running.get()) {
            Some(running) => {
                running.raft.hurry(from.identity.node);
                running.leader.propose(Proposal { data: body, refused: Box::new(move |_| receipt.again()) })
            }
            None => receipt.again(),
        }
    }
}

/// Answers a forwarded batch: taken, unless it is refused. An unanswered one would close the stream.
struct Receipt(Option<ForwardAnswer>);

impl Receipt {
    fn again(mut self) {
        self.answer(AGAIN);
    }

    fn answer(&mut self, body: &'static [u8]) {
        if let Some(answer) = self.0.take() {
            answer.send(Bytes::from_static(body));
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.answer(TAKEN);
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    parse(body).map_err(|_| "the message is malformed".to_owned())
}

fn ping(node: &Inner, asker: NodeId) -> Bytes {
    let (asker_is_member, applied) = node.replica.membership_of(asker);
    Pong { wall: node.clock.wall(), applied, asker_is_member, checks: node.divergence.mine() }.encode()
}

async fn discovered(node: &Inner) -> Discovered {
    let number = match &node.options.membership {
        Membership::Static { number, .. } => Some(*number),
        Membership::Join { number, .. } => *number,
    };
    let identity = node.peers.transport().identity();
    let formed = match node.running.get() {
        Some(running) => !running.raft.members().nodes.is_empty(),
        None => false,
    };
    let cluster = (identity.cluster != 0).then(|| format!("{:032x}", identity.cluster));
    Discovered { number, cluster, formed, addresses: node.options.announce.clone() }
}

async fn form(node: &Inner, body: &[u8]) -> Result<Bytes, String> {
    let form: Form = read(body)?;
    let cluster_id = cluster_id(&form.cluster).ok_or("the cluster id is malformed")?;
    let mine = node.peers.transport().identity().cluster;
    if mine != 0 {
        return if mine == cluster_id {
            Ok(json(&()))
        } else {
            Err(format!("this node belongs to the cluster {mine:032x} already"))
        };
    }
    let (durable, made_durable) = oneshot::channel();
    node.form.send(FormRequest { cluster_id, durable }).await.map_err(|_| "the node is stopping")?;
    made_durable.await.map_err(|_| "the node could not keep its identity")?;
    Ok(json(&()))
}

async fn join(node: &Inner, body: &[u8]) -> Result<Result<Joined, Refusal>, String> {
    let join: Join = read(body)?;
    let running = node.running.get().ok_or("the node is starting")?;
    // Who asks to be let in has no identity: whatever a former life of his had is lost.
    let admitted = running.cluster.admit(join.number, join.addresses).await;
    let cluster = format!("{:032x}", running.identity.cluster);
    Ok(admitted.map(|id| Joined { cluster, node: id.0 }))
}
