//! What clients were told: every create, every step of a counter, every event, with its outcome.
//!
//! Filled during the run, by one thread, and compared with what the nodes hold at the end (`verify`).
//!
//! Invariant: nothing is noted as acknowledged or refused without a reply that says so. What was sent and not
//! answered is unknown, and may or may not be found.

/// What a client knows of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Answered well: it must be found.
    Acknowledged,
    /// Answered with an error: it must not be found.
    Refused,
    /// Not answered: either is right.
    Unknown,
}

/// A number that only grows: what it must be at least, and what it may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) acknowledged: u64,
    pub(super) unknown: u64,
}

impl Sum {
    pub(super) fn note(&mut self, outcome: Outcome, amount: u64) {
        match outcome {
            Outcome::Acknowledged => self.acknowledged += amount,
            Outcome::Unknown => self.unknown += amount,
            Outcome::Refused => {}
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.unknown += other.unknown;
    }
}

/// A counter whose every step answered with a value.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter {
    pub(super) sum: Sum,
    /// Each acknowledged step: the value after it, and by how much.
    pub(super) steps: Vec<(u64, u64)>,
    /// The highest value that a reply told.
    pub(super) highest: u64,
}

/// A transfer.
#[derive(Debug, Clone)]
pub(super) struct Transfer {
    pub(super) id: u64,
    pub(super) tenant: u64,
    /// Of its hash, its place in the list of changes, and its place in its tenant's list.
    pub(super) outcomes: [Outcome; 3],
    pub(super) files: Sum,
    pub(super) files_completed: Sum,
}

/// An event, and what became of its two parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) number: u64,
    pub(super) text: Outcome,
    /// Its place in the list of events.
    pub(super) listed: Outcome,
}

/// All that one thread's clients were told.
#[derive(Debug, Default)]
pub(in super::super) struct Ledger {
    pub(super) transfers: Vec<Transfer>,
    pub(super) sequence: Counter,
    pub(super) event_sequence: Counter,
    /// Those that were given a number.
    pub(super) events: Vec<Event>,
    /// Bytes of each tenant.
    pub(super) usage: Vec<Sum>,
    /// What was wrong at the moment that it was seen.
    pub(super) wrong: Vec<String>,
    pub(super) wrong_count: u64,
}

/// The most wrongs that are told one by one.
pub(super) const WRONG_MAX: usize = 20;

impl Ledger {
    pub(super) fn new(tenants: u64) -> Self {
        Self { usage: vec![Sum::default(); tenants as usize], ..Self::default() }
    }

    /// Notes something that must not be.
    pub(super) fn wrong(&mut self, what: String) {
        self.wrong_count += 1;
        if self.wrong.len() < WRONG_MAX {
            self.wrong.push(what);
        }
    }

    /// Adds another thread's.
    pub(in super::super) fn add(&mut self, other: Self) {
        self.transfers.extend(other.transfers);
        for (to, from) in
            [(&mut self.sequence, other.sequence), (&mut self.event_sequence, other.event_sequence)]
        {
            to.sum.add(from.sum);
            to.steps.extend(from.steps);
            to.highest = to.highest.max(from.highest);
        }
        self.events.extend(other.events);
        if self.usage.len() < other.usage.len() {
            self.usage.resize(other.usage.len(), Sum::default());
        }
        for (to, from) in self.usage.iter_mut().zip(other.usage) {
            to.add(from);
        }
        self.wrong_count += other.wrong_count;
        self.wrong.extend(other.wrong);
        self.wrong.truncate(WRONG_MAX);
    }
}

impl Counter {
    /// Notes a step whose reply told `value`; `floor` is the highest value that was told before it was sent.
    /// A value at or below it was given out twice, or went back.
    pub(super) fn step(&mut self, value: u64, amount: u64, floor: u64) -> Result<(), String> {
        self.sum.note(Outcome::Acknowledged, amount);
        self.steps.push((value, amount));
        self.highest = self.highest.max(value);
        if value < floor + amount {
            return Err(format!("a counter answered {value} after it had answered {floor}"));
        }
        Ok(())
    }

    /// How many values were given out more than once.
    pub(super) fn duplicates(&mut self) -> u64 {
        self.steps.sort_unstable();
        let pairs = self.steps.windows(2);
        pairs
            .map(|pair| (pair[0].0 + pair[1].1).saturating_sub(pair[1].0).min(pair[0].1).min(pair[1].1))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_given_twice_and_steps_back_are_seen() {
        let mut counter = Counter::default();
        counter.step(1, 1, 0).expect("the first");
        counter.step(6, 5, 1).expect("five at once");
        counter.step(8, 1, 6).expect("a value between was somebody else's");
        assert_eq!(counter.duplicates(), 0);
        assert!(counter.step(8, 1, 8).is_err(), "the same value again");
        assert!(counter.step(3, 1, 8).is_err(), "a step back");
        assert_eq!(counter.duplicates(), 2);
        assert_eq!((counter.sum.acknowledged, counter.highest), (9, 8));
    }
}
