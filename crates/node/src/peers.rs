//! What nodes say to each other beside consensus: typed calls over `quorate_raft`'s transport.
//!
//! ```text
//! channel  kind            request                         answer
//! Control  64 ping         –                               i64 wall clock, u64 applied index, u64 1 if the
//!                                                          asker is no member there, else 0; then per
//!                                                          check u64 index, u64 digest (LE)
//! Control  65 barrier      the asker's support, or –       u64 index, i64 agreed time (LE)
//! Forward   – batch        a sealed batch                  1 byte: 0 taken, 1 send it again
//! Admin    80 discover     JSON Discover                   JSON Discovered
//! Admin    81 form         JSON Form                       JSON null, once durable
//! Admin    82 join         JSON Join                       JSON Result<Joined, Refusal>
//! Admin    83 call         JSON admin::Call                JSON Result<Done, Refusal>
//! Admin    84 report       –                               JSON admin::NodeReport
//! ```
//!
//! Cold messages are JSON, so that nodes of neighbouring versions can still form and be administered;
//! unknown fields are ignored, missing ones have defaults.
//!
//! Invariant: an answer that cannot be decoded is an error of the call, never a panic.
//!
//! Called by: barriers, the driver of the pipeline, the cluster's administration, formation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_keyspace::Millis;
use quorate_raft::transport::USER_KIND_MIN;
use quorate_raft::{CallError, Channel, NodeId, Support, Transport};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::admin::{Addresses, Call, Done, NodeReport, Refusal, RefusalKind};
use crate::barrier::Barrier;
use crate::divergence::Check;

pub(crate) const PING: u8 = USER_KIND_MIN;
pub(crate) const BARRIER: u8 = USER_KIND_MIN + 1;
pub(crate) const DISCOVER: u8 = USER_KIND_MIN + 16;
pub(crate) const FORM: u8 = USER_KIND_MIN + 17;
pub(crate) const JOIN: u8 = USER_KIND_MIN + 18;
pub(crate) const CALL: u8 = USER_KIND_MIN + 19;
pub(crate) const REPORT: u8 = USER_KIND_MIN + 20;
/// The answers to a forwarded batch: it went into the log and its outcome will show in apply, or it is to
/// be sent again.
pub(crate) const TAKEN: &[u8] = &[0];
pub(crate) const AGAIN: &[u8] = &[1];

/// A node that has not been heard of for this long counts as dead in decisions about membership.
pub(crate) const HEARD_MAX: Duration = Duration::from_secs(3);

/// The answer to a ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pong {
    /// The node's wall clock.
    pub(crate) wall: Millis,
    /// The last entry that it applied.
    pub(crate) applied: u64,
    /// Whether the node that asked is a member there.
    pub(crate) asker_is_member: bool,
    /// Its latest digests.
    pub(crate) checks: Vec<Check>,
}

impl Pong {
    pub(crate) fn encode(&self) -> Bytes {
        let words = [self.wall.0 as u64, self.applied, u64::from(!self.asker_is_member)].into_iter();
        let words = words.chain(self.checks.iter().flat_map(|(index, digest)| [*index, *digest]));
        words.flat_map(u64::to_le_bytes).collect()
    }

    fn decode(bytes: &[u8]) -> Option<Pong> {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        let (wall, applied) = (Millis(words.next()? as i64), words.next()?);
        let asker_is_member = words.next()? == 0;
        let mut checks = Vec::new();
        while let Some(index) = words.next() {
            checks.push((index, words.next()?));
        }
        rest.is_empty().then_some(Pong { wall, applied, asker_is_member, checks })
    }
}

/// A node asks another who it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Discover {
    /// The asker's number, if it has one.
    pub(crate) number: Option<u32>,
}

/// Who a node is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Discovered {
    /// Its number, if it has one.
    pub(crate) number: Option<u32>,
    /// Its cluster's id in hexadecimal, once it has one.
    pub(crate) cluster: Option<String>,
    /// Whether that cluster has begun: its first membership is in the log.
    pub(crate) formed: bool,
    /// Where it listens.
    pub(crate) addresses: Addresses,
}

/// The node with the lowest number tells the others the new cluster's id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Form {
    /// The cluster's id in hexadecimal.
    pub(crate) cluster: String,
}

/// A node without an identity asks to be let in.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Join {
    /// The number that it has, or wants.
    pub(crate) number: Option<u32>,
    /// Where it listens.
    pub(crate) addresses: Addresses,
}

/// The identity of a node that was let in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Joined {
    /// The cluster's id in hexadecimal.
    pub(crate) cluster: String,
    /// The node's id.
    pub(crate) node: u64,
}

/// Calls to other nodes.
#[derive(Clone)]
pub(crate) struct Peers {
    transport: Transport,
    heard: Arc<Mutex<BTreeMap<NodeId, Instant>>>,
}

impl Peers {
    pub(crate) fn new(transport: Transport) -> Peers {
        Peers { transport, heard: Arc::default() }
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Whether a node answered a ping lately.
    pub(crate) fn heard_of(&self, node: NodeId) -> bool {
        self.heard_within(node, HEARD_MAX)
    }

    /// Whether a node answered a ping no longer ago than this.
    pub(crate) fn heard_within(&self, node: NodeId, span: Duration) -> bool {
        self.heard.lock().get(&node).is_some_and(|at| at.elapsed() < span)
    }

    /// Asks a node for its wall clock, applied index and checks.
    pub(crate) async fn ping(&self, node: NodeId, within: Duration) -> Result<Pong, CallError> {
        let answer = self.transport.call(node, Channel::Control, PING, Bytes::new(), within).await?;
        let pong = Pong::decode(&answer).ok_or_else(malformed)?;
        self.heard.lock().insert(node, Instant::now());
        Ok(pong)
    }

    /// Asks the leader for a read barrier.
    pub(crate) async fn read_barrier(
        &self,
        leader: NodeId,
        support: Option<Support>,
        within: Duration,
    ) -> Result<Barrier, CallError> {
        let body = support.map(|support| support.encode()).unwrap_or_default();
        let answer = self.transport.call(leader, Channel::Control, BARRIER, body, within).await?;
        Barrier::decode(&answer).ok_or_else(malformed)
    }

    /// Asks a node to carry out an administrator's call.
    pub(crate) async fn call(&self, node: NodeId, call: &Call, within: Duration) -> Result<Done, Refusal> {
        let body = json(call);
        let answer = self.transport.call(node, Channel::Admin, CALL, body, within).await;
        let unreachable = |error: CallError| Refusal {
            kind: if matches!(error, CallError::Timeout { .. }) {
                RefusalKind::Timeout
            } else {
                RefusalKind::Unavailable
            },
            detail: format!("node {}: {error}", node.0),
        };
        let answer = answer.map_err(unreachable)?;
        parse::<Result<Done, Refusal>>(&answer).map_err(unreachable)?
    }

    /// Asks a node to tell of itself.
    pub(crate) async fn report(&self, node: NodeId, within: Duration) -> Option<NodeReport> {
        let answer = self.transport.call(node, Channel::Admin, REPORT, Bytes::new(), within).await.ok()?;
        parse(&answer).ok()
    }

    /// Asks whoever listens at an address something of formation.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &self,
        address: &str,
        kind: u8,
        question: &impl Serialize,
        within: Duration,
    ) -> Result<A, CallError> {
        let answer = self.transport.call_addr(address, kind, json(question), within).await?;
        parse(&answer)
    }
}

/// Encodes a cold message.
pub(crate) fn json(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("our messages have string keys and no failing serialisers"))
}

/// Decodes a cold message.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(bytes).map_err(|_| malformed())
}

fn malformed() -> CallError {
    CallError::Remote("the answer is malformed".into())
}

/// Reads a cluster id as [`Form`] and [`Joined`] carry it.
pub(crate) fn cluster_id(hex: &str) -> Option<u128> {
    u128::from_str_radix(hex, 16).ok().filter(|id| *id != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pong_survives_the_wire() {
        for asker_is_member in [true, false] {
            let checks = vec![(1, 2), (3, 4)];
            let pong = Pong { wall: Millis(-5), applied: 7, asker_is_member, checks };
            let bytes = pong.encode();
            assert_eq!(Pong::decode(&bytes), Some(pong));
            assert_eq!(Pong::decode(&bytes[..24]).map(|pong| pong.checks), Some(Vec::new()));
            for torn in [0, 16, 23, 32] {
                assert_eq!(Pong::decode(&bytes[..torn]), None, "{torn}");
            }
        }
    }
}
