//! The slow log: the last requests that took long to run on this node.
//!
//! For: `SLOWLOG`. Leaves to others: measuring, and the settings' values (`front`).
//! Invariants: at most `slowlog-max-len` entries, each of bounded size, as in Redis; secrets never get in.
//! Time in the log is time of running: for writes, the node notes them at apply (`crate::execution`).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::server::unix_time;

/// Most arguments kept of a request.
const ARGS_MAX: usize = 32;
/// Most bytes kept of an argument.
const ARG_BYTES_MAX: usize = 128;

/// A slow request.
#[derive(Debug, Clone)]
pub struct SlowEntry {
    /// Its number since the node started.
    pub id: u64,
    /// When it was noted, in seconds since the Unix epoch.
    pub unix_seconds: u64,
    /// How long it ran, in microseconds.
    pub micros: u64,
    /// Its arguments, cut.
    pub args: Vec<Bytes>,
    /// The client's address.
    pub addr: String,
    /// The client's name.
    pub name: String,
}

/// The last slow requests, the newest first.
#[derive(Debug, Default)]
pub struct Slowlog {
    next_id: AtomicU64,
    entries: Mutex<VecDeque<SlowEntry>>,
}

impl Slowlog {
    /// Notes a request and drops the oldest beyond `entries_max`.
    pub fn note<'a>(
        &self,
        entries_max: usize,
        took: Duration,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
        addr: &str,
        name: String,
    ) {
        let entry = SlowEntry {
            id: self.next_id.fetch_add(1, Relaxed),
            unix_seconds: unix_time().as_secs(),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            args: cut(args),
            addr: addr.to_owned(),
            name,
        };
        let mut entries = self.entries.lock();
        entries.push_front(entry);
        entries.truncate(entries_max);
    }

    /// The newest entries.
    pub fn newest(&self, count: usize) -> Vec<SlowEntry> {
        self.entries.lock().iter().take(count).cloned().collect()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all entries.
    pub fn reset(&self) {
        self.entries.lock().clear();
    }
}

fn cut<'a>(args: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<Bytes> {
    let count = args.len();
    let kept = if count > ARGS_MAX { ARGS_MAX - 1 } else { count };
    let mut cut: Vec<_> = args.take(kept).map(cut_arg).collect();
    if kept < count {
        cut.push(format!("... ({} more arguments)", count - kept).into());
    }
    cut
}

fn cut_arg(arg: &[u8]) -> Bytes {
    match arg.split_at_checked(ARG_BYTES_MAX) {
        Some((head, rest)) if !rest.is_empty() => {
            [head, format!("... ({} more bytes)", rest.len()).as_bytes()].concat().into()
        }
        _ => Bytes::copy_from_slice(arg),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_cut_as_in_redis() {
        let long = vec![b'x'; 200];
        let args: Vec<&[u8]> =
            std::iter::once(long.as_slice()).chain(std::iter::repeat_n(b"a".as_slice(), 39)).collect();
        let log = Slowlog::default();
        for _ in 0..5 {
            log.note(3, Duration::from_millis(20), args.iter().copied(), "a:1", String::new());
        }
        let entries = log.newest(usize::MAX);
        assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [4, 3, 2]);
        let entry = &entries[0];
        assert_eq!((entry.args.len(), entry.micros), (32, 20_000));
        assert!(entry.args[0].ends_with(b"x... (72 more bytes)"));
        assert_eq!(entry.args[31], "... (9 more arguments)");
    }
}
