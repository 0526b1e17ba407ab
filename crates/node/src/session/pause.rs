//! `CLIENT PAUSE`: holds up the requests of this node's clients for a while.
//!
//! For: the switch that every request looks at. Leaves to others: waiting at the right place (`execute`).
//! Invariants: as in Redis, a new pause never ends an older, longer or stricter one early; nothing is held
//! beyond its end. It holds for the clients of this node, not for the cluster.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What a pause holds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PauseScope {
    /// Commands that write.
    Write,
    /// All commands.
    All,
}

/// The pause in force, if any.
#[derive(Debug, Default)]
pub struct Pause {
    /// False if no pause can be in force; spares requests the lock.
    maybe: AtomicBool,
    current: Mutex<Option<(PauseScope, Instant)>>,
    changed: Notify,
}

impl Pause {
    /// Begins or extends a pause.
    pub fn begin(&self, scope: PauseScope, length: Duration) {
        // Far enough away, and never beyond what the clock can tell.
        let until = Instant::now() + length.min(Duration::from_secs(100 * 365 * 86_400));
        let mut current = self.current.lock();
        *current = match self.live(*current) {
            Some((old_scope, old_until)) => Some((scope.max(old_scope), until.max(old_until))),
            None => Some((scope, until)),
        };
        self.maybe.store(true, Relaxed);
    }

    /// Ends the pause, if there is one.
    pub fn end(&self) {
        *self.current.lock() = None;
        self.maybe.store(false, Relaxed);
        self.changed.notify_waiters();
    }

    /// Whether a command is to wait.
    pub fn holds(&self, writes: bool) -> bool {
        self.maybe.load(Relaxed) && self.until(writes).is_some()
    }

    /// Waits for the end of the pause for such a command.
    pub async fn wait(&self, writes: bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let Some(until) = self.until(writes) else { return };
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                () = changed => {}
            }
        }
    }

    fn until(&self, writes: bool) -> Option<Instant> {
        let mut current = self.current.lock();
        *current = self.live(*current);
        if current.is_none() {
            self.maybe.store(false, Relaxed);
        }
        let (scope, until) = (*current)?;
        (scope == PauseScope::All || writes).then_some(until)
    }

    fn live(&self, pause: Option<(PauseScope, Instant)>) -> Option<(PauseScope, Instant)> {
        pause.filter(|&(_, until)| Instant::now() < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_and_ends() {
        let pause = Pause::default();
        assert!(!pause.holds(true));
        pause.begin(PauseScope::Write, Duration::from_secs(5));
        assert_eq!((pause.holds(true), pause.holds(false)), (true, false));
        let start = Instant::now();
        pause.wait(false).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        pause.wait(true).await;
        assert!(start.elapsed() >= Duration::from_secs(5));
        assert!(!pause.holds(true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_weaker_pause_ends_no_stronger_one() {
        let pause = Pause::default();
        pause.begin(PauseScope::All, Duration::from_secs(60));
        pause.begin(PauseScope::Write, Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(pause.holds(false));
        pause.end();
        assert!(!pause.holds(false));
    }
}
