//! Waiting for conditions.

use std::time::{Duration, Instant};

/// Looks every few milliseconds until `condition` gives something; panics with `what` after `within`.
pub fn until<T>(what: &str, within: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(started.elapsed() < within, "within {within:?} it did not come to pass that {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
