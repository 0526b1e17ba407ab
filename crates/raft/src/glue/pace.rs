//! When a follower is told how far the leader has committed.
//!
//! openraft sends the commit index in a message of its own as soon as it moves, unless entries are there to carry it. Under
//! load the next entries are there a moment later, and half of all messages between leader and followers would carry
//! nothing else. So a stream of append messages asks for its next message only when there is an entry to send, when the
//! follower waits for what is committed (it has forwarded writes or asked for a read barrier of late), or after
//! [`COMMIT_DELAY`].
//!
//! Leaves to others: what a message holds, which openraft decides when it is asked. Heartbeats are not held at all.
//!
//! Called by: the streams of append messages, the log store, and the node for followers that wait.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;
use quorate_storage::NodeId;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

/// How long a follower for which nobody waits may not know that an entry is committed.
pub(crate) const COMMIT_DELAY: Duration = Duration::from_millis(2);
/// A follower that waited once is taken to go on waiting for this long.
const HURRY: Duration = Duration::from_millis(100);

/// What the streams of all peers go by.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Index of the last entry given to the log.
    last: watch::Sender<u64>,
    /// Until when each follower is told at once.
    hurried: Mutex<BTreeMap<NodeId, Instant>>,
    hurry: Notify,
}

impl Pace {
    /// With the index of the last entry in the log.
    pub(crate) fn new(last: u64) -> Pace {
        Pace { last: watch::Sender::new(last), hurried: Mutex::default(), hurry: Notify::new() }
    }

    /// Entries were given to the log, or cut from it: the last index now.
    pub(crate) fn appended(&self, last: u64) {
        self.last.send_replace(last);
    }

    /// Somebody waits for what this follower has applied.
    pub(crate) fn hurry(&self, follower: NodeId) {
        let now = Instant::now();
        let before = self.hurried.lock().insert(follower, now + HURRY);
        if before.is_none_or(|until| until <= now) {
            self.hurry.notify_waiters();
        }
    }

    /// Waits until it is worth asking for a message to this follower, after one at `asked` with entries up to `sent`.
    pub(crate) async fn turn(&self, follower: NodeId, asked: Instant, sent: u64) {
        let mut last = self.last.subscribe();
        let hurried = async {
            loop {
                let hurry = self.hurry.notified();
                if self.hurried.lock().get(&follower).is_some_and(|until| *until > Instant::now()) {
                    return;
                }
                hurry.await;
            }
        };
        tokio::select! {
            biased;
            _ = last.wait_for(|last| *last > sent) => {}
            () = hurried => {}
            () = tokio::time::sleep_until(asked + COMMIT_DELAY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLLOWER: NodeId = NodeId(2);

    /// How long a turn takes, and what happens meanwhile.
    async fn turn(pace: &Pace, sent: u64, meanwhile: impl Future<Output = ()>) -> Duration {
        let asked = Instant::now();
        let ((), ()) = tokio::join!(pace.turn(FOLLOWER, asked, sent), meanwhile);
        asked.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_alone_waits_for_entries_but_not_for_long() {
        let pace = Pace::new(7);
        let delay = turn(&pace, 7, async {}).await;
        assert!(delay >= COMMIT_DELAY && delay < COMMIT_DELAY * 2, "{delay:?}");
        let entries = async {
            tokio::task::yield_now().await;
            pace.appended(8);
        };
        assert_eq!(turn(&pace, 7, entries).await, Duration::ZERO);
        assert_eq!(turn(&pace, 7, async {}).await, Duration::ZERO, "entry 8 is not sent yet");
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_that_waits_is_told_at_once() {
        let pace = Pace::new(7);
        let somebody_waits = async {
            tokio::task::yield_now().await;
            pace.hurry(FOLLOWER);
        };
        assert_eq!(turn(&pace, 7, somebody_waits).await, Duration::ZERO);
        assert_eq!(turn(&pace, 7, async {}).await, Duration::ZERO);
        pace.hurry(NodeId(3));
        tokio::time::advance(HURRY).await;
        assert_ne!(turn(&pace, 7, async {}).await, Duration::ZERO, "nobody has waited for long");
    }
}
