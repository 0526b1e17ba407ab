//! The versions of everything that a node writes to its disk and sends to others, in one place.
//!
//! What it leaves to others: the formats themselves; `docs/formats.md` collects their bytes.
//!
//! Called by: whoever tells an operator which versions a program writes.

use crate::{batch, machine};

/// Name and version of each format, as `docs/formats.md` lists them.
pub const FORMATS: [(&str, u32); 8] = [
    ("log entry", batch::FORMAT_VERSION as u32),
    ("segment of the log", quorate_storage::LOG_FORMAT_VERSION),
    ("snapshot file", quorate_storage::SNAPSHOT_FORMAT_VERSION),
    ("snapshot: head of the machine", machine::HEAD_FORMAT as u32),
    ("snapshot: settings", quorate_commands::STATE_VERSION as u32),
    ("snapshot: keyspace", quorate_keyspace::FORMAT_VERSION as u32),
    ("membership", quorate_raft::MEMBERSHIP_VERSION as u32),
    ("peer protocol", quorate_raft::PROTOCOL_VERSION as u32),
];
