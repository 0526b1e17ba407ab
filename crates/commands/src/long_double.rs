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
        ("0.000000000000000005", "0", "0"),
        ("9223372036854775807", "1", "9223372036854775808"),
        ("17179869184", "1.5", "17179869185.5"),
        ("0x10", "0x1p-2", "16.25"),
        ("-975847746130590048", "0.13376401813695948", "-975847746130590047.875"),
        ("24.0040909", "2.313774860e15", "2313774860000024.004150390625"),
        ("61466403302170.5", "-354.04935193893238", "61466403301816.45064926147460938"),
        ("568.24898885941138", "+395345816947376.5", "395345816947944.748992919921875"),
        ("587940e-477", "-78124663105003", "-78124663105003"),
        ("-0x187cb.1a77d8b1bde975b", "+102569700.5", "102469401.39660878811264411"),
        ("+945.70262430902051", "+452867e8", "45286700000945.70262527465820312"),
        ("8.509488223e-36", "-2.932251789e-34", "0"),
        ("+0xa4275.1b52c502d0f1e27", "-362037.98660662", "310335.12012509347383116"),
        ("+646074e-554", "+25517705590827.5", "25517705590827.5"),
        ("-9.117566871e35", "-0x6d85d.28445bdf96ad11f", "-911756687100000000022024727652466688"),
        ("0.555301623342877", "+552.26828742235625", "552.82358904569912705"),
        ("+56944.5", "0x89aaf8d034320eb29p8", "40632380220823636283392"),
        ("-670.88627964766977", "1892120", "1891449.11372035233023325"),
        ("0xc9490.f84dc0672992277", "0.5", "824465.46993639486896654"),
        ("+0x3c1d286eec1ab14f7p31", "411.71093046889973", "148834803030910374086128435200"),
        ("0xc89f.1d31ed1236546d6", "-563.40314835053448", "50795.71089471067075749"),
        ("+59.5", "705133.0000007155777", "705192.50000071557769843"),
        ("878", "+0x92fff.907745e3d9c5e96", "602989.56431996166952558"),
        ("+0x356c143b9cebd68660p-104", "+97.379398600773271", "97.37939860082185819"),
        ("2842", "-0.05479287433689084", "2841.94520712566310916"),
        ("0x14063d97bd4e300f1dp-57", "-0x1fed458e96f0176833p-84", "2563.12026785750560309"),
        ("243457.5", "627.64026644123396", "244085.14026644123396181"),
        ("-6.362371790e-23", "0x3d378617604ecb95b0p-50", "1002977.52282832257827749"),
        ("+1389.0000000000003186", "0xd7c0469fd211f7a93p22", "1043308193480913426564775936"),
        ("-0.43557554910620344", "-0x6833f.3dff8fac3e44476", "-426815.67775635388485966"),
        ("-2.379626132e32", "+462.71197579866555", "-237962613200000000001831769997312"),
        ("4072240277734072539.5", "9.566743533e38", "956674353299999999973840270410540646400"),
        ("972497174.5", "-341681e-27", "972497174.5"),
        ("214983e-1136", "-44158996517109025.5", "-44158996517109025.5"),
        ("+946.33153951524457", "0.5060914645788306", "946.83763097982340057"),
        ("3145554558217112042", "-82842782.5", "3145554558134269259.5"),
        ("-7.461596361e-18", "0.6818353524674244", "0.68183535246742439"),
        ("82", "0.7002097450715508", "82.7002097450715508"),
        ("-0x3471a0cee3b416a3f0p-1", "+0.8555531910276093", "-483709231716415263232"),
        ("-850377e-12", "846225e-103", "-0.000000850377"),
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
            if let Some(number) = LongDouble::parse(&text).filter(|number| number.is_finite()) {
                number.to_text();
            }
        }
    }
}
