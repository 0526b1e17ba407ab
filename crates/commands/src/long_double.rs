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

#[cfg(test)]
mod tests {
    use super::*;

    /// (stored, increment, reply of Redis 7.0.15 on x86-64)
    const REPLIES: &[(&str, &str, &str)] = &[
        ("0.1", "0.2", "0.3"),
        ("10.50", "0.1", "10.6"),
        ("3", "1.1", "4.1"),
        ("1", "1e30", "1000000000000000000024696061952"),
        ("0", "-0", "0"),
        ("0", "-1e-20", "0"),
        ("0.000000000000000005", "0", "0.00000000000000001"),
        ("9223372036854775807", "1", "9223372036854775808"),
        ("17179869184", "1.5", "17179869185.5"),
        ("0x10", "0x1p-2", "16.25"),
        ("-208.25333430203136", "f", "-208.85989960939731999"),
        ("0x286f9.c1ffbf3bc45d99c", "f", "623716.7578086396136996"),
        ("1", "f", "-84136133500000000000000"),
        ("+0x57077.7a46a9316b83c01", "f", "356471.47764069992581426"),
        ("0x3d002c9c3e791766d5p-53", "f", "61357290680000000001084522094202454016"),
        ("+9.806562453e7", "f", "98065625.48782678996940376"),
        ("+28110752434.000000000606168077", "f", "28110890414"),
        ("0x15745.df1173907e03b0e", "f", "-430512040932.12863996624946594"),
        ("0.8121385489221108", "f", "-368.07533146999458964"),
        ("+4872087782590893", "f", "5073937274466702"),
        ("-855.79413966235018", "f", "444301360814006383.71875"),
        ("1.772240033e35", "f", "177224003299999999997248947215138816"),
        ("-225.10145540916048", "f", "17943071333133406389577711616"),
        ("623136.0000000000000000005", "f", "623136"),
        ("-148824e-271", "f", "0.9185892860441854"),
        ("+2814764.973291", "f", "2814709.30381131367494163"),
        ("-9.183521060e-14", "f", "361087.25428669529242143"),
        ("-0x28422a7d10fbbbc2fcp-7", "f", "-5801855653248464773.5"),
        ("+478.63925324513269", "f", "11831965640000478.6396484375"),
        ("5.525869986e0", "f", "-821.59050889301782"),
        ("7.259823573e17", "f", "725982357299999150.3125"),
        ("-698.15065219246026", "f", "5375606.84934780753974337"),
        ("-0.8919505050849083", "f", "-4.2236986170849083"),
        ("+58394.0000000000000081", "f", "635923.10160838787277271"),
        ("+106624458734063378", "f", "106624458734064331.8671875"),
        ("26780959.29", "f", "26780958.44551191666869272"),
        ("178.48105884250776", "f", "178.48105884250775999"),
        ("-2.29073517e32", "f", "-229073517000000000000208087810048"),
        ("0.6578632310864021", "f", "0.6578632310864021"),
        ("+0.8749277880318577", "f", "-2337701868729.62507224082946777"),
        ("30.510099689", "f", "-921010.91661971790313146"),
        ("+445582e-137", "f", "139.36891273283459"),
        ("-23.801490546639229", "f", "45.899347643360771"),
        ("361747e-131", "f", "-0.7457743953152983"),
        ("4.888168798e10", "f", "48881687980.82283970713615417"),
        ("+0.5034493875193963", "f", "-548.3129047960486237"),
    ];

    #[test]
    fn sums_are_those_of_redis() {
        for (stored, increment, reply) in REPLIES {
            let [stored, increment] = [stored, increment].map(|text| {
                LongDouble::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a number"))
            });
            assert_eq!(stored.add(increment).to_text(), *reply);
        }
    }

    #[test]
    fn integers_are_exact() {
        for integer in [0, 1, -1, i64::MAX, i64::MIN, i64::MIN + 1, 1 << 53, (1 << 53) + 1] {
            assert_eq!(LongDouble::from(integer).to_text(), integer.to_string());
        }
    }

    #[test]
    fn what_redis_refuses_is_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "x",
            ".",
            "e5",
            "1e",
            "1e+",
            "--1",
            "+-1",
            "0x",
            "0x.",
            "0x.p1",
            "1p5",
            "1_0",
            "1,5",
            "nan",
            "NaN(1)",
            "infinit",
            "1e5000",
            "-1e5000",
            "1e-5000",
            "1e99999999999999999999",
            "1\0",
            "\u{661}",
        ] {
            assert!(LongDouble::parse(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(LongDouble::parse(&[b'1'; TEXT_BYTES_MAX]).is_none());
        assert!(LongDouble::parse(&[b'0'; TEXT_BYTES_MAX - 1]).is_some());
        assert!(LongDouble::parse(b"\xff").is_none());
    }

    #[test]
    fn infinities_are_read_and_stay() {
        for text in ["inf", "-INF", "+infinity", "Infinity"] {
            let infinite = LongDouble::parse(text.as_bytes()).expect("an infinity");
            assert!(!infinite.is_finite() && !infinite.add(LongDouble::from(1)).is_finite(), "{text}");
        }
        let (plus, minus) = (LongDouble::parse(b"inf"), LongDouble::parse(b"-inf"));
        assert!(!plus.expect("an infinity").add(minus.expect("an infinity")).is_finite());
    }

    #[test]
    fn the_largest_and_the_smallest_are_written() {
        let largest = LongDouble::parse(b"1e4932").expect("a number").to_text();
        assert_eq!(largest.len(), 4933);
        assert_eq!(LongDouble::parse(b"3e-4950").expect("a denormal").to_text(), "0");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(text in proptest::collection::vec(proptest::sample::select(b"0123456789+-.eExXpPaAfinty \xff".to_vec()), 0..40)) {
            if let Some(number) = LongDouble::parse(&text) {
                if number.is_finite() {
                    number.to_text();
                }
            }
        }
    }
}
