//! When a request is due, and when the run is over.
//!
//! With a rate, the requests of a connection are due at fixed times. One that could not be sent at its time,
//! because the server had not answered those before it, counts its delay from when it was due: the wait that a
//! slow server caused is not left out (no coordinated omission). One that was late because this program or its
//! timer was, counts from when it was sent, and its lateness is kept apart.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::tally::Pause;

/// What all threads share: the bounds of the run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) started: Instant,
    /// The end, in microseconds after the start.
    end: AtomicU64,
    /// Until then nothing is counted.
    pub(super) warm: Duration,
    pub(super) pause: Pause,
    stopped: AtomicBool,
}

impl Run {
    /// A run that begins now.
    pub(super) fn new(warm: Duration, measured: Option<Duration>) -> Self {
        let end = measured.map_or(u64::MAX / 4, |time| super::tally::micros(warm + time));
        Self {
            started: Instant::now(),
            end: AtomicU64::new(end),
            warm,
            pause: Pause::default(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Ends the run early.
    pub(super) fn stop(&self) {
        let now = super::tally::micros(self.started.elapsed());
        self.end.fetch_min(now, Ordering::Relaxed);
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was ended early.
    pub(super) fn was_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// When nothing is sent any more.
    pub(super) fn end(&self) -> Instant {
        self.started + Duration::from_micros(self.end.load(Ordering::Relaxed))
    }

    /// Whether what is answered at `now` counts.
    pub(super) fn counts(&self, now: Instant) -> bool {
        now >= self.started + self.warm
    }
}

/// When the requests of one connection are due.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Between two of them; none: as fast as it goes.
    interval: Option<Duration>,
    next: Instant,
    /// Since when one more could have been sent.
    free: Instant,
}

/// A request's time, as its delay is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) from: Instant,
    /// By how much this program was late.
    pub(super) late: Option<Duration>,
}

impl Schedule {
    /// For one of `of` connections that share `rate` requests a second, and take turns.
    pub(super) fn new(rate: Option<f64>, number: usize, of: usize, start: Instant) -> Self {
        let interval = rate.map(|rate| Duration::from_secs_f64(of as f64 / rate));
        let offset = interval.map_or(Duration::ZERO, |interval| interval.mul_f64(number as f64 / of as f64));
        Self { interval, next: start + offset, free: start }
    }

    /// When the next is due; none: at once.
    pub(super) fn next(&self) -> Option<Instant> {
        self.interval.map(|_| self.next)
    }

    /// From now on there is room for one more.
    pub(super) fn freed(&mut self, now: Instant) {
        self.free = now;
    }

    /// Takes the next request, which is sent at `now`, if it is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<Due> {
        let Some(interval) = self.interval else { return Some(Due { from: now, late: None }) };
        if now < self.next {
            return None;
        }
        let due = self.next;
        self.next += interval;
        if due < self.free {
            Some(Due { from: due, late: Some(now - self.free.min(now)) })
        } else {
            Some(Due { from: now, late: Some(now - due) })
        }
    }
}

/// How many requests the connections of a thread may still send.
#[derive(Debug, Clone)]
pub(super) struct Budget(Rc<Cell<u64>>);

impl Budget {
    pub(super) fn new(requests: Option<u64>) -> Self {
        Self(Rc::new(Cell::new(requests.unwrap_or(u64::MAX))))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.get() == 0
    }

    /// Takes one, if there is one.
    pub(super) fn take(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_the_server_caused_counts_and_our_own_lateness_does_not() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        // 2 connections, 200 a second together: every 10 ms each, the second one 5 ms after the first.
        let mut schedule = Schedule::new(Some(200.0), 1, 2, start);
        assert_eq!(schedule.next(), Some(at(5)));
        assert!(schedule.take(at(4)).is_none());
        // The timer came 1 ms late.
        let due = schedule.take(at(6)).expect("due");
        assert_eq!((due.from, due.late), (at(6), Some(Duration::from_millis(1))));
        // The server took until 48: those of 15, 25, 35 and 45 count from when they were due.
        schedule.freed(at(48));
        for expected in [15, 25, 35, 45] {
            let due = schedule.take(at(50)).expect("due");
            assert_eq!((due.from, due.late), (at(expected), Some(Duration::from_millis(2))));
        }
        assert!(schedule.take(at(50)).is_none());
        assert!(Schedule::new(None, 0, 1, start).take(at(0)).is_some());
    }

    #[test]
    fn a_budget_is_spent_once() {
        let budget = Budget::new(Some(2));
        let other = budget.clone();
        assert!(budget.take() && other.take() && !budget.take() && other.is_empty());
    }
}
