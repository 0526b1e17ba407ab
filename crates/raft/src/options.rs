//! Settings of consensus on one node, with units and defaults fit for production.

use std::time::Duration;

use crate::Error;

/// Plain values; times of all members of a cluster should be the same.
#[derive(Clone, Debug)]
pub struct RaftOptions {
    /// Between two heartbeats of a leader. A heartbeat's answer counts only if it comes within the same time, so it must
    /// be longer than a round trip to the peers.
    pub heartbeat: Duration,
    /// Shortest wait of a follower before it stands for election, on top of the lease.
    pub election_min: Duration,
    /// Longest such wait, and the length of the leader's lease that followers grant.
    pub election_max: Duration,
    /// Allows [`crate::Raft::read_index_by_lease`]. A node that was just started then neither votes nor stands for
    /// election for [`Self::election_max`], because it has forgotten the lease that it may have granted. All members must
    /// have the same setting.
    pub lease_reads: bool,
    /// Entries in one replication message.
    pub append_entries_max: u64,
    /// Bytes in one replication message, unless a single entry is larger.
    pub append_bytes_max: usize,
    /// Replication messages under way to one follower.
    pub append_inflight_max: usize,
    /// Bytes under way to one follower, at which no further message is sent.
    pub append_inflight_bytes_max: usize,
    /// A snapshot is taken when the log since the last one exceeds this and [`Self::snapshot_log_percent`].
    pub snapshot_log_bytes: u64,
    /// A snapshot is taken only when the log since the last one exceeds this part of the last one's size, in percent.
    pub snapshot_log_percent: u64,
    /// Entries that a snapshot has made superfluous are kept up to this many bytes, for followers that lag.
    pub keep_log_bytes: u64,
    /// How often the need for a snapshot or a purge is looked at.
    pub policy_interval: Duration,
    /// Snapshots kept on disk.
    pub snapshots_kept: usize,
    /// Bytes in one snapshot chunk on its way to a peer.
    pub snapshot_chunk_bytes: usize,
    /// How fast a snapshot is sent to one peer, in bytes a second; 0 is without limit.
    pub snapshot_bytes_per_second: u64,
    /// How long one chunk may take before the transfer is taken up again.
    pub snapshot_chunk_timeout: Duration,
    /// How long a peer may take to verify and install a snapshot that it has received.
    pub snapshot_install_timeout: Duration,
    /// How long an operation on the membership may take.
    pub operation_timeout: Duration,
    /// Entries by which the target of a transfer of leadership may lag.
    pub transfer_lag_max: u64,
}

impl Default for RaftOptions {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(50),
            election_min: Duration::from_millis(250),
            election_max: Duration::from_millis(500),
            lease_reads: false,
            append_entries_max: 1024,
            append_bytes_max: 4 << 20,
            append_inflight_max: 64,
            append_inflight_bytes_max: 16 << 20,
            snapshot_log_bytes: 256 << 20,
            snapshot_log_percent: 100,
            keep_log_bytes: 128 << 20,
            policy_interval: Duration::from_secs(1),
            snapshots_kept: 2,
            snapshot_chunk_bytes: 1 << 20,
            snapshot_bytes_per_second: 0,
            snapshot_chunk_timeout: Duration::from_secs(5),
            snapshot_install_timeout: Duration::from_secs(600),
            operation_timeout: Duration::from_secs(10),
            transfer_lag_max: 4096,
        }
    }
}

impl RaftOptions {
    /// Refuses what cannot work, before anything is started.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let bad = |name, reason: &str| Err(Error::Option { name, reason: reason.to_owned() });
        if self.heartbeat.as_millis() == 0 {
            return bad("heartbeat", "must be at least 1 ms");
        }
        if self.election_min < self.heartbeat * 2 {
            return bad("election_min", "must be at least two heartbeats");
        }
        if self.election_max <= self.election_min {
            return bad("election_max", "must be longer than election_min");
        }
        if self.append_entries_max == 0 || self.append_inflight_max == 0 || self.append_bytes_max == 0 {
            return bad("append_entries_max", "limits of replication must not be 0");
        }
        if !(1024..=16 << 20).contains(&self.snapshot_chunk_bytes) {
            return bad("snapshot_chunk_bytes", "must be between 1 KiB and 16 MiB");
        }
        if self.snapshots_kept == 0 {
            return bad("snapshots_kept", "must be at least 1");
        }
        Ok(())
    }
}
