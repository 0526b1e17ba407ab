//! Random numbers from the log's stamp: the same on every node, platform and version.

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A deterministic generator, xoshiro256++. Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng(Xoshiro256PlusPlus);

impl Rng {
    /// A generator for one stamp's seed. Each of the four words of state comes from splitmix64 over
    /// both halves: words that depended on one half alone would be constant where callers vary only
    /// the other, and then the second draw follows from the first. It is written out here so that
    /// no library can change what old logs replay to.
    pub fn new(stamp: [u8; 16]) -> Rng {
        let [mut low, mut high] = [0, 8].map(|at| {
            let mut half = [0; 8];
            half.copy_from_slice(&stamp[at..at + 8]);
            u64::from_le_bytes(half)
        });
        let mut state = [0; 32];
        for bytes in state.chunks_exact_mut(8) {
            // The rotation tells the halves apart.
            let word = splitmix64(&mut low).wrapping_add(splitmix64(&mut high).rotate_left(32));
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Rng(Xoshiro256PlusPlus::from_seed(state))
    }

    /// A generator from one number; equal to `new` with the number in the low half.
    pub fn from_u64(seed: u64) -> Rng {
        let mut stamp = [0; 16];
        stamp[..8].copy_from_slice(&seed.to_le_bytes());
        Rng::new(stamp)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform number below `bound`, without bias (Lemire's multiplication with rejection).
    ///
    /// # Panics
    /// If `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a uniform bound is positive");
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// A uniform index below `len`.
    ///
    /// # Panics
    /// If `len` is zero.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }
}

/// One step of splitmix64 (Steele, Lea, Flood 2014).
fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_change() {
        let mut rng = Rng::from_u64(1);
        let drawn: Vec<u64> = (0..4).map(|_| rng.next_u64()).collect();
        assert_eq!(drawn, GOLDEN);
    }

    /// What replaying an old log must draw again.
    const GOLDEN: [u64; 4] =
        [1824226541200678908, 966501504233966656, 9265555486056895799, 11895503170061165285];

    /// Floyd's sampling drew the same two of ten twice as often as it should, because the second
    /// draw of every generator followed from the first.
    #[test]
    fn the_first_draws_of_many_generators_are_independent() {
        let mut pairs = [0u32; 100];
        for seed in 0..100_000 {
            let mut rng = Rng::from_u64(seed);
            pairs[rng.index(10) * 10 + rng.index(10)] += 1;
        }
        let expected = 1000.0;
        let chi_square: f64 = pairs.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
        // 99 degrees of freedom: exceeded by chance once in 10^5.
        assert!(chi_square < 168.0, "{chi_square} {pairs:?}");
    }

    #[test]
    fn below_is_uniform_and_bounded() {
        let mut rng = Rng::from_u64(7);
        let mut seen = [0u32; 7];
        for _ in 0..70_000 {
            seen[rng.index(7)] += 1;
        }
        assert!(seen.iter().all(|&n| (9_500..10_500).contains(&n)), "{seen:?}");
        assert_eq!(rng.below(1), 0);
        assert!(rng.below(u64::MAX) < u64::MAX);
    }
}
