//! What is counted: requests by outcome, delays as histograms, pauses of the whole load.
//!
//! A worker thread fills one [`Tally`] and hands it over every second; the sum of all of them is the result.
//!
//! Invariants:
//! - Every request that was sent is counted once: as answered well, as answered with an error, or as unknown,
//!   when its connection was lost before the reply.
//! - Delays are of answered requests alone, in microseconds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;

/// The most kinds of error that are told apart; the rest is counted as `…`.
const ERROR_KINDS_MAX: usize = 32;
/// The longest delay that is told apart: a day, in microseconds.
const DELAY_MICROS_MAX: u64 = 86_400_000_000;
/// Significant decimal digits of a delay.
const DIGITS: u8 = 3;

/// Of one kind of request, or of operation.
#[derive(Debug, Clone)]
pub(super) struct Count {
    /// Microseconds.
    pub(super) delays: Histogram<u64>,
    pub(super) ok: u64,
    pub(super) errors: u64,
    pub(super) unknown: u64,
}

impl Default for Count {
    fn default() -> Self {
        let delays = Histogram::new(DIGITS).expect("so many digits are allowed");
        Self { delays, ok: 0, errors: 0, unknown: 0 }
    }
}

impl Count {
    fn add(&mut self, other: &Self) {
        self.delays.add(&other.delays).expect("the histogram grows as needed");
        self.ok += other.ok;
        self.errors += other.errors;
        self.unknown += other.unknown;
    }

    /// Notes one delay, in microseconds.
    pub(super) fn delay(&mut self, micros: u64) {
        self.delays.record(micros.min(DELAY_MICROS_MAX)).expect("the histogram grows as needed");
    }

    /// Answered requests.
    pub(super) fn answered(&self) -> u64 {
        self.ok + self.errors
    }
}

/// All that one thread has counted since it last handed over.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    /// What was sent, in the order of [`Names`].
    pub(super) requests: Vec<Count>,
    /// Operations of several requests each, where there are such.
    pub(super) operations: Vec<Count>,
    /// Error replies by their first word.
    pub(super) errors: BTreeMap<String, u64>,
    /// By how much the load generator itself was late, in microseconds, where there is a schedule.
    pub(super) lateness: Option<Histogram<u64>>,
    pub(super) reconnects: u64,
    pub(super) refused: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
}

/// What the counts are of.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) requests: Vec<String>,
    pub(super) operations: Vec<String>,
}

impl Tally {
    pub(super) fn new(names: &Names) -> Self {
        Self {
            requests: vec![Count::default(); names.requests.len()],
            operations: vec![Count::default(); names.operations.len()],
            ..Self::default()
        }
    }

    /// Notes an error reply's kind.
    pub(super) fn error(&mut self, text: &[u8]) {
        let word = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        let word = String::from_utf8_lossy(word).into_owned();
        let known = self.errors.len() < ERROR_KINDS_MAX || self.errors.contains_key(&word);
        *self.errors.entry(if known { word } else { "…".into() }).or_default() += 1;
    }

    /// Notes that a connection was made after so many attempts that failed, its first or another one.
    pub(super) fn connected(&mut self, failed: u64, first: bool) {
        self.refused += failed;
        self.reconnects += u64::from(!first);
    }

    /// Notes by how much a request was sent after its time, for no fault of the server.
    pub(super) fn late(&mut self, by: Duration) {
        let lateness = self.lateness.get_or_insert_with(|| Count::default().delays);
        lateness.record(micros(by).min(DELAY_MICROS_MAX)).expect("the histogram grows as needed");
    }

    /// Adds what another has counted.
    pub(super) fn add(&mut self, other: &Self) {
        for (to, from) in [(&mut self.requests, &other.requests), (&mut self.operations, &other.operations)] {
            for (to, from) in to.iter_mut().zip(from) {
                to.add(from);
            }
        }
        for (word, count) in &other.errors {
            *self.errors.entry(word.clone()).or_default() += count;
        }
        if let Some(from) = &other.lateness {
            let to = self.lateness.get_or_insert_with(|| Count::default().delays);
            to.add(from).expect("the histogram grows as needed");
        }
        self.reconnects += other.reconnects;
        self.refused += other.refused;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
    }

    /// All kinds of request together.
    pub(super) fn total(&self) -> Count {
        let mut total = Count::default();
        for count in &self.requests {
            total.add(count);
        }
        total
    }
}

/// A delay as histograms have it.
pub(super) fn micros(delay: Duration) -> u64 {
    u64::try_from(delay.as_micros()).unwrap_or(u64::MAX)
}

/// The longest time in which nobody of all connections got an answer.
#[derive(Debug, Default)]
pub(super) struct Pause {
    /// When the last answer came, in microseconds of the run; 0 before the first.
    last: AtomicU64,
    longest: AtomicU64,
}

impl Pause {
    /// An answer came, or the run ends, at this time of the run.
    pub(super) fn note(&self, at: Duration) {
        let at = micros(at).max(1);
        let last = self.last.fetch_max(at, Ordering::Relaxed);
        if last > 0 && at > last {
            self.longest.fetch_max(at - last, Ordering::Relaxed);
        }
    }

    pub(super) fn longest(&self) -> Duration {
        Duration::from_micros(self.longest.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_keep_every_outcome() {
        let names = Names { requests: vec!["set".into(), "get".into()], operations: vec![] };
        let (mut a, mut b) = (Tally::new(&names), Tally::new(&names));
        a.requests[0].ok = 3;
        a.requests[0].delay(100);
        b.requests[0].unknown = 1;
        b.requests[1].errors = 2;
        b.requests[1].delay(5_000_000);
        b.error(b"OOM command not allowed");
        b.error(b"OOM again");
        b.late(Duration::from_millis(2));
        a.add(&b);
        let total = a.total();
        assert_eq!((total.ok, total.errors, total.unknown, total.answered()), (3, 2, 1, 5));
        assert_eq!((total.delays.len(), a.errors["OOM"]), (2, 2));
        assert!(total.delays.max() >= 5_000_000);
        for kind in 0..100 {
            a.error(format!("KIND{kind} text").as_bytes());
        }
        assert!(a.errors.len() <= ERROR_KINDS_MAX + 1, "kinds of error are bounded");
    }

    #[test]
    fn the_longest_pause_is_between_answers_of_anybody() {
        let pause = Pause::default();
        for at in [10, 30, 20, 31, 90, 95] {
            pause.note(Duration::from_millis(at));
        }
        assert_eq!(pause.longest(), Duration::from_millis(59));
    }
}
