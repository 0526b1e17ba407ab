//! From elements to registers, and from registers to an estimate.
//!
//! The hash is MurmurHash64A under a seed of Redis' own. The estimate is that of Otmar Ertl, "New cardinality
//! estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284), from how many registers have which value.

/// Bits of a hash that choose a register.
const INDEX_BITS: u32 = 14;
/// How many registers a sketch has.
pub(super) const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits of a hash in which zeros are counted.
const RUN_BITS: u32 = 64 - INDEX_BITS;
/// The largest value of a register: no one bit among [`RUN_BITS`].
pub(super) const LONGEST_MAX: usize = RUN_BITS as usize + 1;
const SEED: u64 = 0xadc8_3b19;
/// 0.5 / ln 2
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// The register that an element falls to, and the value that it asks for.
pub(super) fn observe(element: &[u8]) -> (usize, u8) {
    let hash = murmur64a(element, SEED);
    let index = hash & (REGISTERS as u64 - 1);
    let rest = hash >> INDEX_BITS | 1 << RUN_BITS;
    (index as usize, rest.trailing_zeros() as u8 + 1)
}

fn murmur64a(data: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut hash = seed ^ (data.len() as u64).wrapping_mul(M);
    let (words, tail) = data.as_chunks::<8>();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(M);
        word ^= word >> R;
        hash = (hash ^ word.wrapping_mul(M)).wrapping_mul(M);
    }
    if !tail.is_empty() {
        let mut word = [0; 8];
        word[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(M);
    }
    hash ^= hash >> R;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> R
}

/// How many registers have which value. Values up to 63 may come from a client.
pub(super) struct Histogram([u32; 64]);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram([0; 64])
    }
}

impl Histogram {
    /// Notes so many registers of one value.
    pub(super) fn add(&mut self, registers: usize, value: u8) {
        self.0[usize::from(value)] += registers as u32;
    }

    /// The estimate.
    pub(super) fn count(&self) -> u64 {
        let m = REGISTERS as f64;
        let mut z = m * tau((m - f64::from(self.0[LONGEST_MAX])) / m);
        for registers in self.0[1..LONGEST_MAX].iter().rev() {
            z += f64::from(*registers);
            z *= 0.5;
        }
        z += m * sigma(f64::from(self.0[0]) / m);
        (ALPHA * m * m / z).round() as u64
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let last = z;
        z += x * y;
        y += y;
        if z == last {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let last = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == last {
            return z / 3.0;
        }
    }
}
