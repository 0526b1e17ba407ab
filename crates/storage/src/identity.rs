//! Who this node is: the root file `identity`.
//!
//! A frame of [`codec`](crate::codec) with magic `QRIDENTI`; replaced as a whole, so that a crash leaves the old or the
//! new one. It is written only while the data directory's lock is held.

use bincode::{Decode, Encode};

use crate::{
    codec::{self, Kind},
    disk::{self, Disk},
    error::Error,
    id::NodeId,
};

pub(crate) const IDENTITY_PATH: &str = "identity";
pub(crate) const IDENTITY: Kind = Kind { magic: b"QRIDENTI", version: 1 };

/// Who this node is, and which life of it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster that the node belongs to, once it has been formed or joined.
    pub cluster_id: Option<u128>,
    /// The node.
    pub node_id: NodeId,
    /// One more at each open of the data directory, durable before anything is sent.
    pub incarnation: u64,
}

#[derive(Encode, Decode)]
struct IdentityV1 {
    cluster_id: Option<[u8; 16]>,
    node_id: u64,
    incarnation: u64,
}

impl Identity {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let stored = IdentityV1 {
            cluster_id: self.cluster_id.map(u128::to_le_bytes),
            node_id: self.node_id.0,
            incarnation: self.incarnation,
        };
        codec::encode(IDENTITY, &stored)
    }

    pub(crate) fn decode(bytes: &[u8], file: &str) -> Result<Self, Error> {
        let stored: IdentityV1 = codec::decode(IDENTITY, bytes, file)?;
        Ok(Self {
            cluster_id: stored.cluster_id.map(u128::from_le_bytes),
            node_id: NodeId(stored.node_id),
            incarnation: stored.incarnation,
        })
    }

    /// Reads the identity of a data directory, or makes the first one for `node_id`; then starts a new life of it.
    pub(crate) fn open(disk: &dyn Disk, node_id: NodeId) -> Result<Self, Error> {
        let mut identity = match disk.open(IDENTITY_PATH) {
            Ok(file) => {
                let bytes =
                    disk::read_all(file.as_ref()).map_err(|error| Error::io("read", IDENTITY_PATH, error))?;
                Self::decode(&bytes, IDENTITY_PATH)?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Self { cluster_id: None, node_id, incarnation: 0 }
            }
            Err(error) => return Err(Error::io("open", IDENTITY_PATH, error)),
        };
        if identity.node_id != node_id {
            let expected = format!("node {node_id}");
            return Err(Error::Identity { expected, found: format!("node {}", identity.node_id) });
        }
        identity.incarnation = identity.incarnation.saturating_add(1);
        identity.save(disk)?;
        Ok(identity)
    }

    pub(crate) fn save(&self, disk: &dyn Disk) -> Result<(), Error> {
        disk::replace(disk, IDENTITY_PATH, &self.encode()?)
            .map_err(|error| Error::io("write", IDENTITY_PATH, error))
    }
}
