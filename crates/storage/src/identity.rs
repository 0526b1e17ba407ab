//! Who this node is: the root file `identity`.

use crate::id::NodeId;

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
