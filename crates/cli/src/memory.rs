//! The allocator's figures, for the node's `INFO memory` and metrics.

use quorate_server::ProcessMemory;
use tikv_jemalloc_ctl::{epoch, stats};

/// Reads the figures; cheap enough for every `INFO`.
pub(crate) fn figures() -> Option<ProcessMemory> {
    // jemalloc's figures stand still until its epoch is advanced.
    epoch::advance().ok()?;
    let bytes = |read: tikv_jemalloc_ctl::Result<usize>| read.ok().and_then(|n| u64::try_from(n).ok());
    Some(ProcessMemory {
        allocated_bytes: bytes(stats::allocated::read())?,
        active_bytes: bytes(stats::active::read())?,
        resident_bytes: bytes(stats::resident::read())?,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_allocator_counts_what_is_held() {
        let before = super::figures().expect("jemalloc keeps figures");
        let held = vec![1_u8; 64 << 20];
        let after = super::figures().expect("jemalloc keeps figures");
        assert!(after.allocated_bytes >= before.allocated_bytes + (60 << 20), "{before:?} {after:?}");
        assert!(after.resident_bytes >= after.allocated_bytes / 2);
        drop(held);
    }
}
