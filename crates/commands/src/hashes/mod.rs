//! The commands of the hashes group.
