//! Redis' `long double` arithmetic: that of the x87, whatever machine we run on.
//!
//! For: `INCRBYFLOAT` and `HINCRBYFLOAT`, whose results clients compare with Redis' digit by digit, and which must
//! be the same on every node. Leaves to others: doubles as replies show them (`quorate-resp`).
//! Invariants: reads what C's `strtold` reads less what Redis refuses; adds with 64 bits of mantissa, to nearest,
//! ties to even; writes what `%.17Lf` writes, exactly rounded, without trailing zeros.

use std::fmt::Write as _;

use rustc_apfloat::ieee::X87DoubleExtended;
use rustc_apfloat::{Float, Round};

/// Redis' buffer for a number holds one byte less than this.
const TEXT_BYTES_MAX: usize = 5 * 1024;
/// Far beyond every exponent that can matter with [`TEXT_BYTES_MAX`] digits.
const EXPONENT_MAX: i64 = 200_000;
/// Digits behind the point.
const FRACTION_DIGITS: usize = 17;

/// A number of the x87's extended precision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LongDouble(X87DoubleExtended);

impl LongDouble {
    /// Reads a decimal or hexadecimal number, or an infinity; refuses NaN, spaces, overflow and underflow to zero.
    pub(crate) fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() >= TEXT_BYTES_MAX {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let magnitude = parse_magnitude(unsigned)?;
        Some(LongDouble(if negative { -magnitude } else { magnitude }))
    }

    /// The sum, rounded to nearest.
    pub(crate) fn add(self, other: LongDouble) -> LongDouble {
        LongDouble((self.0 + other.0).value)
    }

    /// Neither infinite nor NaN.
    pub(crate) fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// The text that Redis stores and replies; zero has no sign. Of finite numbers only.
    pub(crate) fn to_text(self) -> String {
        assert!(self.is_finite(), "only finite numbers are stored");
        // Sign, 15 bits of exponent, and 64 bits of mantissa whose first bit is written out.
        let bits = self.0.to_bits();
        let mantissa = bits as u64;
        let biased = (bits >> 64 & 0x7fff) as i32;
        // Denormals have the least exponent of normal numbers.
        let exponent = biased.max(1) - 16383 - 63;
        let mut text = if exponent >= 0 {
            whole_text(mantissa, exponent.unsigned_abs())
        } else {
            fraction_text(mantissa, exponent.unsigned_abs())
        };
        if bits >> 79 & 1 == 1 && text != "0" {
            text.insert(0, '-');
        }
        text
    }
}

impl From<i64> for LongDouble {
    fn from(integer: i64) -> LongDouble {
        // Exact: 64 bits of mantissa hold every i64.
        LongDouble(X87DoubleExtended::from_i128(i128::from(integer)).value)
    }
}

fn parse_magnitude(text: &str) -> Option<X87DoubleExtended> {
    if text.eq_ignore_ascii_case("inf") || text.eq_ignore_ascii_case("infinity") {
        return Some(X87DoubleExtended::INFINITY);
    }
    let hexadecimal = text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    let (digits, marker) = if hexadecimal { (&text[2..], 'p') } else { (text, 'e') };
    let (digits, exponent) = match digits.find([marker, marker.to_ascii_uppercase()]) {
        Some(at) => (&digits[..at], parse_exponent(&digits[at + 1..])?),
        None => (digits, 0),
    };
    let is_digit = |c: char| if hexadecimal { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || !whole.chars().chain(fraction.chars()).all(is_digit) {
        return None;
    }
    if whole.chars().chain(fraction.chars()).all(|c| c == '0') {
        return Some(X87DoubleExtended::ZERO);
    }
    let prefix = if hexadecimal { "0x" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    let normal = format!("{prefix}{whole}.{fraction}{marker}{exponent}");
    let number = X87DoubleExtended::from_str_r(&normal, Round::NearestTiesToEven).ok()?.value;
    // What does not fit is ERANGE in C, and refused.
    (number.is_finite() && !number.is_zero()).then_some(number)
}

/// The digits after `e` or `p`; one too large to matter is cut.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude =
        digits.bytes().fold(0, |sum: i64, byte| (sum * 10 + i64::from(byte - b'0')).min(EXPONENT_MAX));
    Some(if negative { -magnitude } else { magnitude })
}

/// `mantissa * 2^exponent`, a whole number.
fn whole_text(mantissa: u64, exponent: u32) -> String {
    const BASE: u64 = 1_000_000_000;
    // Limbs of nine decimal digits, least first; doubling 29 bits at a time keeps a limb's product within 64 bits.
    let mut limbs: Vec<u64> = vec![mantissa % BASE, mantissa / BASE % BASE, mantissa / BASE / BASE];
    let mut left = exponent;
    while left > 0 {
        let shift = left.min(29);
        left -= shift;
        let mut carry = 0;
        for limb in &mut limbs {
            let product = (*limb << shift) + carry;
            *limb = product % BASE;
            carry = product / BASE;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    while limbs.len() > 1 && limbs.last() == Some(&0) {
        limbs.pop();
    }
    let mut text = String::with_capacity(limbs.len() * 9);
    for (i, limb) in limbs.iter().rev().enumerate() {
        let width = if i == 0 { 0 } else { 9 };
        write!(text, "{limb:0width$}").expect("a string takes everything");
    }
    text
}

/// `mantissa / 2^shift` with [`FRACTION_DIGITS`] digits behind the point, without trailing zeros.
fn fraction_text(mantissa: u64, shift: u32) -> String {
    let scale = 10_u128.pow(FRACTION_DIGITS as u32);
    // Below 2^64 * 2^57: fits.
    let scaled = u128::from(mantissa) * scale;
    let rounded = if shift > 127 {
        // Less than a quarter of the last digit.
        0
    } else {
        let (whole, rest) = (scaled >> shift, scaled & ((1 << shift) - 1));
        let half = 1_u128 << (shift - 1);
        if rest > half || rest == half && whole & 1 == 1 { whole + 1 } else { whole }
    };
    let mut text = format!("{}.{:0FRACTION_DIGITS$}", rounded / scale, rounded % scale);
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    text
}
