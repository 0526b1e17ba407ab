//! Draws from one seed, so that a run can be repeated.

use quorate_keyspace::Rng;

/// A source of choices.
pub(crate) struct Chance(Rng);

impl Chance {
    /// The choices of round `round` of the run with `seed`.
    pub(crate) fn new(seed: u64, round: u64) -> Chance {
        let mut stamp = [0; 16];
        stamp[..8].copy_from_slice(&seed.to_le_bytes());
        stamp[8..].copy_from_slice(&round.to_le_bytes());
        Chance(Rng::new(stamp))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.index(bound)
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Changes the order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}
