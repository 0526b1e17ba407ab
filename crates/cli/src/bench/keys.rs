//! Which key comes next, which value, and the chance behind both.

use std::str::FromStr;

/// A small generator of chance: xorshift64*, good enough to spread load.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    /// Of a seed and a number that tells one user of it from the others.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        // One step of splitmix64, so that neighbouring numbers have nothing in common.
        let mut state = seed ^ (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((state ^ (state >> 31)) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 to below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// From 0 to below 1.
    pub(super) fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// In which order keys are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Pattern {
    /// All alike.
    Random,
    /// One after the other, each connection from a place of its own.
    Sequential,
    /// A few much more often than the others (exponent 0.99, as in YCSB).
    Zipf,
}

/// The keys of a run.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) prefix: String,
    pub(super) count: u64,
    pub(super) pattern: Pattern,
    /// The sum that Zipf's shares are parts of.
    zeta: f64,
}

/// Zipf's exponent.
const THETA: f64 = 0.99;
/// Digits of a key's number.
pub(super) const KEY_DIGITS: usize = 12;

impl Keys {
    pub(super) fn new(prefix: String, count: u64, pattern: Pattern) -> Self {
        let zeta = if pattern == Pattern::Zipf { zeta(count) } else { 0.0 };
        Self { prefix, count, pattern, zeta }
    }

    /// The number of the next key; `turn` counts the requests of this connection from its own start.
    pub(super) fn pick(&self, chance: &mut Chance, turn: u64) -> u64 {
        match self.pattern {
            Pattern::Random => chance.below(self.count),
            Pattern::Sequential => turn % self.count,
            Pattern::Zipf => self.zipf(chance.part()),
        }
    }

    /// Gray et al., "Quickly generating billion-record synthetic databases", 1994, section 3.2.
    fn zipf(&self, part: f64) -> u64 {
        let n = self.count as f64;
        let scaled = part * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5_f64.powf(THETA) {
            return 1.min(self.count - 1);
        }
        let eta = (1.0 - (2.0 / n).powf(1.0 - THETA)) / (1.0 - zeta(2.min(self.count)) / self.zeta);
        let rank = n * (eta * part - eta + 1.0).powf(1.0 / (1.0 - THETA));
        (rank as u64).min(self.count - 1)
    }
}

/// The sum of 1/i^θ up to n; by an integral beyond the first million.
fn zeta(n: u64) -> f64 {
    let exact = n.min(1_000_000);
    let sum: f64 = (1..=exact).map(|i| (i as f64).powf(-THETA)).sum();
    let area = |x: f64| x.powf(1.0 - THETA) / (1.0 - THETA);
    sum + area(n as f64) - area(exact as f64)
}

/// How long values are: `128`, `10-1000` (all lengths alike), `100:9,10000:1` (lengths with weights).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sizes(Vec<(u64, usize, usize)>);

/// The longest value, in bytes.
const VALUE_BYTES_MAX: usize = 64 << 20;

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| match text.parse::<usize>() {
            Ok(bytes) if bytes <= VALUE_BYTES_MAX => Ok(bytes),
            _ => Err(format!("'{text}' is no length from 0 to {VALUE_BYTES_MAX} bytes")),
        };
        let (mut sizes, mut sum) = (Vec::new(), 0);
        for part in text.split(',') {
            let (range, weight) = part.split_once(':').unwrap_or((part, "1"));
            let weight: u32 = weight.parse().map_err(|_| format!("'{weight}' is no weight"))?;
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            let (from, to) = (number(from)?, number(to)?);
            if from > to || weight == 0 {
                return Err(format!("'{part}' is empty"));
            }
            sum += u64::from(weight);
            sizes.push((sum, from, to));
        }
        Ok(Self(sizes))
    }
}

impl Sizes {
    /// The longest.
    pub(super) fn max(&self) -> usize {
        self.0.iter().map(|(_, _, to)| *to).max().unwrap_or(0)
    }

    pub(super) fn pick(&self, chance: &mut Chance) -> usize {
        let [(_, from, to)] = self.0[..] else {
            let sum = self.0.last().map_or(1, |(sum, _, _)| *sum);
            let at = chance.below(sum);
            let (_, from, to) = self.0[self.0.partition_point(|(sum, _, _)| *sum <= at)];
            return between(chance, from, to);
        };
        between(chance, from, to)
    }
}

fn between(chance: &mut Chance, from: usize, to: usize) -> usize {
    if from == to { from } else { from + chance.below((to - from + 1) as u64) as usize }
}

/// Bytes that values are cut from: printable, and different wherever they begin.
pub(super) fn filler(bytes: usize, seed: u64) -> Vec<u8> {
    let mut chance = Chance::new(seed, 0);
    (0..bytes)
        .map(|_| {
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
                [(chance.next() >> 58) as usize]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_picked() {
        let mut chance = Chance::new(1, 1);
        let fixed: Sizes = "128".parse().expect("a size");
        assert_eq!((fixed.pick(&mut chance), fixed.max()), (128, 128));
        let mixed: Sizes = "10-20:3,5000:1".parse().expect("sizes");
        let picked: Vec<_> = (0..4000).map(|_| mixed.pick(&mut chance)).collect();
        assert!(picked.iter().all(|size| (10..=20).contains(size) || *size == 5000));
        let large = picked.iter().filter(|size| **size == 5000).count();
        assert!((800..1200).contains(&large), "{large}");
        for wrong in ["", "x", "5-1", "5:0", "99999999999", "1:x"] {
            assert!(wrong.parse::<Sizes>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_stay_in_their_space_and_follow_their_pattern() {
        let mut chance = Chance::new(7, 0);
        for (pattern, count) in [(Pattern::Random, 10), (Pattern::Zipf, 1), (Pattern::Zipf, 1000)] {
            let keys = Keys::new("k".into(), count, pattern);
            assert!((0..2000).all(|turn| keys.pick(&mut chance, turn) < count));
        }
        let zipf = Keys::new("k".into(), 1000, Pattern::Zipf);
        let first = (0..10_000).filter(|turn| zipf.pick(&mut chance, *turn) < 10).count();
        assert!((3000..5000).contains(&first), "ten of a thousand keys take {first} of 10,000 picks");
        let all = Keys::new("k".into(), 3, Pattern::Sequential);
        assert_eq!((5..9).map(|turn| all.pick(&mut chance, turn)).collect::<Vec<_>>(), [2, 0, 1, 2]);
    }
}
