//! Clusters of three nodes and more over loopback: elections, replication, restarts, snapshots, membership, barriers.

mod disks;
mod harness;
mod members;
mod replication;
mod snapshots;
