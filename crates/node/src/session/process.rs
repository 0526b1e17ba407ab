//! What the operating system tells of this process, for `INFO`.
//!
//! For: memory and processor figures from `/proc`. Leaves to others: the allocator's own figures (the binary).
//! Invariant: where a figure cannot be had it is 0, never an error.

use std::fs;
use std::sync::OnceLock;

/// Ticks of `/proc/self/stat` in a second; fixed by the kernel's interface on all common platforms.
const TICKS_PER_SECOND: u64 = 100;
/// `/proc/self/statm` counts in pages; those of 4 KiB everywhere but on some arm64 and powerpc kernels.
const PAGE_BYTES: u64 = 4096;

/// Processor time in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CpuTime {
    pub(super) user: u64,
    pub(super) system: u64,
    pub(super) children_user: u64,
    pub(super) children_system: u64,
}

/// Resident memory of the process in bytes.
pub(super) fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE_BYTES
}

/// Memory of the machine in bytes.
pub(super) fn machine_bytes() -> u64 {
    static TOTAL: OnceLock<u64> = OnceLock::new();
    *TOTAL.get_or_init(|| {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) * 1024
    })
}

/// Processor time of the process.
pub(super) fn cpu_time() -> CpuTime {
    cpu_time_of(&fs::read_to_string("/proc/self/stat").unwrap_or_default())
}

fn cpu_time_of(stat: &str) -> CpuTime {
    // The name in parentheses may hold anything, spaces and parentheses included.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let micros = |place: usize| {
        let ticks = fields.split_ascii_whitespace().nth(place).and_then(|field| field.parse::<u64>().ok());
        ticks.unwrap_or(0) * (1_000_000 / TICKS_PER_SECOND)
    };
    CpuTime { user: micros(11), system: micros(12), children_user: micros(13), children_system: micros(14) }
}

/// The operating system, as `uname -srm` says it.
pub(super) fn operating_system() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let part = |path| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let (kind, release) = (part("/proc/sys/kernel/ostype"), part("/proc/sys/kernel/osrelease"));
        format!("{kind} {release} {}", std::env::consts::ARCH)
    })
}

/// The program's file.
pub(super) fn executable() -> String {
    std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 3 4 20 0 1 0 1 1 1";
        let expected =
            CpuTime { user: 2_500_000, system: 500_000, children_user: 30_000, children_system: 40_000 };
        assert_eq!(cpu_time_of(stat), expected);
        assert_eq!(cpu_time_of(""), CpuTime::default());
    }
}
