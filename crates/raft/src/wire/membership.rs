//! The membership as it is kept in the log and in snapshots.
//!
//! Log entries hold [`encode`]'s bytes, snapshot manifests [`encode_stored`]'s, which add the entry's log id.

use std::collections::{BTreeMap, BTreeSet};

use quorate_storage::{LogId, NodeId};
use serde::{Deserialize, Serialize};

use super::codec;
use crate::{Error, Members, NodeInfo};

const WHAT: &str = "the membership";
/// The version of a membership in the log and in snapshots that this program writes.
pub const VERSION: u16 = 1;

#[derive(Serialize, Deserialize)]
struct MembersV1 {
    voters: Vec<Vec<u64>>,
    nodes: Vec<(u64, NodeInfoV1)>,
}

#[derive(Serialize, Deserialize)]
struct NodeInfoV1 {
    number: u32,
    peer: String,
    resp: String,
    admin: String,
    sentinel: String,
    version_min: u32,
    version_max: u32,
    labels: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct StoredV1 {
    /// Term, node, index.
    log_id: Option<(u64, u64, u64)>,
    members: MembersV1,
}

impl From<&Members> for MembersV1 {
    fn from(members: &Members) -> Self {
        let voters = members.voters.iter().map(|set| set.iter().map(|node| node.0).collect()).collect();
        let nodes = members.nodes.iter().map(|(node, info)| (node.0, info.into())).collect();
        Self { voters, nodes }
    }
}

impl From<MembersV1> for Members {
    fn from(members: MembersV1) -> Self {
        let voters: Vec<BTreeSet<NodeId>> =
            members.voters.into_iter().map(|set| set.into_iter().map(NodeId).collect()).collect();
        let nodes: BTreeMap<NodeId, NodeInfo> =
            members.nodes.into_iter().map(|(node, info)| (NodeId(node), info.into())).collect();
        let learners =
            nodes.keys().filter(|node| !voters.iter().any(|set| set.contains(node))).copied().collect();
        Self { voters, learners, nodes }
    }
}

impl From<&NodeInfo> for NodeInfoV1 {
    fn from(info: &NodeInfo) -> Self {
        Self {
            number: info.number,
            peer: info.peer.clone(),
            resp: info.resp.clone(),
            admin: info.admin.clone(),
            sentinel: info.sentinel.clone(),
            version_min: info.version.0,
            version_max: info.version.1,
            labels: info.labels.clone(),
        }
    }
}

impl From<NodeInfoV1> for NodeInfo {
    fn from(info: NodeInfoV1) -> Self {
        Self {
            number: info.number,
            peer: info.peer,
            resp: info.resp,
            admin: info.admin,
            sentinel: info.sentinel,
            version: (info.version_min, info.version_max),
            labels: info.labels,
        }
    }
}

/// The payload of a membership entry.
pub(crate) fn encode(members: &Members) -> Vec<u8> {
    codec::encode(VERSION, &MembersV1::from(members))
}

/// Reads the payload of a membership entry.
pub(crate) fn decode(bytes: &[u8]) -> Result<Members, Error> {
    match codec::split_version(WHAT, bytes)? {
        (VERSION, rest) => Ok(codec::decode::<MembersV1>(WHAT, rest)?.into()),
        (other, _) => Err(unknown(other)),
    }
}

/// The membership of a snapshot: the entry that holds, and its log id.
pub(crate) fn encode_stored(log_id: Option<LogId>, members: &Members) -> Vec<u8> {
    let log_id = log_id.map(|id| (id.leader.term, id.leader.node, id.index));
    codec::encode(VERSION, &StoredV1 { log_id, members: members.into() })
}

/// Reads the membership of a snapshot.
pub(crate) fn decode_stored(bytes: &[u8]) -> Result<(Option<LogId>, Members), Error> {
    match codec::split_version(WHAT, bytes)? {
        (VERSION, rest) => {
            let stored = codec::decode::<StoredV1>(WHAT, rest)?;
            let log_id = stored.log_id.map(|(term, node, index)| LogId::new(term, node, index));
            Ok((log_id, stored.members.into()))
        }
        (other, _) => Err(unknown(other)),
    }
}

fn unknown(version: u16) -> Error {
    Error::Format { what: WHAT, reason: format!("version {version} is unknown to this program") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joint() -> Members {
        let info = NodeInfo {
            number: 3,
            peer: "10.0.0.3:7400".into(),
            version: (1, 2),
            labels: vec![("zone".into(), "b".into())],
            ..NodeInfo::default()
        };
        Members {
            voters: vec![[NodeId(1), NodeId(2)].into(), [NodeId(2), NodeId(3)].into()],
            learners: [NodeId(4)].into(),
            nodes: (1..=4).map(|node| (NodeId(node), info.clone())).collect(),
        }
    }

    #[test]
    fn members_survive_the_round_trip() {
        let members = joint();
        assert_eq!(decode(&encode(&members)).expect("just encoded"), members);
        let stored = encode_stored(Some(LogId::new(4, 2, 9)), &members);
        assert_eq!(decode_stored(&stored).expect("just encoded"), (Some(LogId::new(4, 2, 9)), members));
    }

    #[test]
    fn damaged_or_newer_bytes_are_errors() {
        let bytes = encode(&joint());
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let mut newer = bytes.clone();
        newer[0] = 9;
        assert!(decode(&newer).unwrap_err().to_string().contains("version 9"));
        let mut huge = bytes;
        huge[2..10].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(decode(&huge).is_err());
    }

    #[test]
    fn the_format_is_what_version_1_wrote() {
        let members = Members {
            voters: vec![[NodeId(7)].into()],
            learners: BTreeSet::new(),
            nodes: [(NodeId(7), NodeInfo { number: 1, peer: "a:1".into(), ..NodeInfo::default() })].into(),
        };
        let mut golden = vec![1, 0];
        for number in [1_u64, 1, 7, 1, 7] {
            golden.extend_from_slice(&number.to_le_bytes());
        }
        golden.extend_from_slice(&[1, 0, 0, 0]);
        golden.extend_from_slice(&[3, 0, 0, 0, 0, 0, 0, 0, b'a', b':', b'1']);
        golden.extend_from_slice(&[0; 3 * 8 + 2 * 4 + 8]);
        assert_eq!(encode(&members), golden);
    }
}
