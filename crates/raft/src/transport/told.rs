//! Refusals that have been logged, so that a peer which knocks many times a second costs a line a minute.
//!
//! Invariant: what is remembered is bounded, whatever peers send.
//!
//! Called by: the tasks of incoming connections.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// The same reason is told again after this long.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Reasons that are remembered.
const REASONS_MAX: usize = 32;

/// When each reason was last told.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<BTreeMap<String, Instant>>);

impl Told {
    /// Whether a reason is to be told now.
    pub(super) fn is_news(&self, reason: &str, now: Instant) -> bool {
        let mut told = self.0.lock();
        if told.get(reason).is_some_and(|at| now - *at < AGAIN_AFTER) {
            return false;
        }
        if told.len() >= REASONS_MAX {
            told.clear();
        }
        told.insert(reason.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_once_a_minute() {
        let (told, start) = (Told::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(told.is_news("another cluster", at(0)));
        assert!(told.is_news("another node", at(0)));
        assert!(!told.is_news("another cluster", at(59)));
        assert!(told.is_news("another cluster", at(60)));
        for i in 0..REASONS_MAX * 2 {
            assert!(told.is_news(&i.to_string(), at(61)));
        }
        assert!(told.0.lock().len() <= REASONS_MAX);
    }
}
