//! How much a script may do: instructions and memory, counted the same on every node.
//!
//! For: [`Limits`], and the counter that the hook, the libraries and the matcher share.
//! Leaves to others: raising the error (`raise`), and what happens near a bound (`run`).
//! Invariant: once a bound is passed the meter stays `ended` until the next run, so that no `pcall` goes on.

use std::cell::Cell;
use std::rc::Rc;

/// The bounds of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most steps: an instruction of Lua is one, work inside library functions counts in proportion.
    pub steps_max: u64,
    /// Most bytes that a run may allocate; nothing is freed before it ends.
    pub memory_bytes_max: usize,
}

impl Limits {
    /// What scripts and functions get.
    pub const RUN: Limits = Limits { steps_max: 50_000_000, memory_bytes_max: 256 * 1024 * 1024 };
    /// What the code of a library gets while it registers its functions.
    pub const LOAD: Limits = Limits { steps_max: 5_000_000, memory_bytes_max: 32 * 1024 * 1024 };

    /// The bounds below which a run on a used machine needs no second opinion.
    pub(crate) fn clear(self) -> Limits {
        Limits { steps_max: self.steps_max / 10 * 9, memory_bytes_max: self.memory_bytes_max / 4 * 3 }
    }
}

/// Why a run was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Too many steps.
    Steps,
    /// Too much memory.
    Memory,
}

impl Ended {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Ended::Steps => "ERR Script ended: it has used up its budget of instructions",
            Ended::Memory => "ERR Script ended: it has used up its memory",
        }
    }
}

/// The counter of the current run.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    steps: Cell<u64>,
    steps_max: Cell<u64>,
    ended: Cell<Option<Ended>>,
}

pub(crate) type SharedMeter = Rc<Meter>;

impl Meter {
    pub(crate) fn begin(&self, limits: Limits) {
        self.steps.set(0);
        self.steps_max.set(limits.steps_max);
        self.ended.set(None);
    }

    /// Counts steps; false once there are too many.
    pub(crate) fn charge(&self, steps: usize) -> bool {
        let total = self.steps.get().saturating_add(steps as u64);
        self.steps.set(total);
        if total > self.steps_max.get() && self.ended.get().is_none() {
            self.ended.set(Some(Ended::Steps));
        }
        self.ended.get().is_none()
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps.get()
    }

    pub(crate) fn end(&self, why: Ended) {
        if self.ended.get().is_none() {
            self.ended.set(Some(why));
        }
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.ended.get()
    }
}
