//! Numbers as Redis reads and writes them in arguments and replies.
//!
//! Left to others: the long double arithmetic of `INCRBYFLOAT` (`commands`).
//! Invariant: every function is a pure function of its bytes, the same on every platform; no locale, no C library.

use std::fmt::Write as _;
use std::iter::repeat_n;

use smallvec::SmallVec;

use crate::inline::hex_digit;

/// A number's text, on the stack.
pub type NumberText = SmallVec<[u8; 32]>;

/// An integer in decimal.
pub fn format_integer(value: i64) -> NumberText {
    NumberText::from_slice(itoa::Buffer::new().format(value).as_bytes())
}

/// A double as Redis 7.2 writes it in replies and in `OBJECT`-like texts: `inf`, `-inf`, `nan`, `-0`, integers up to
/// 2^62 in full, and otherwise the shortest digits that read back as the same double, in the layout `fpconv` uses
/// (an exponent once more than about seven zeros would be needed).
pub fn format_double(value: f64) -> NumberText {
    if value.is_nan() {
        return NumberText::from_slice(b"nan");
    }
    if value.is_infinite() {
        return NumberText::from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    }
    if value == 0.0 {
        return NumberText::from_slice(if value.is_sign_negative() { b"-0" } else { b"0" });
    }
    match exact_integer(value) {
        Some(integer) => format_integer(integer),
        None => format_shortest(value),
    }
}

/// A signed integer as Redis' strictest reader takes it: decimal, no plus sign, no leading zeros, no spaces, no `-0`.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        b"0" => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // 19 digits hold every i64, and so no unsigned overflow can happen below.
    if !matches!(digits.first(), Some(b'1'..=b'9')) || digits.len() > 19 {
        return None;
    }
    let mut value = 0_u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    if negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// An unsigned integer as Redis reads cursors and stream ids, which is C's `strtoull`: a sign and leading zeros are
/// taken, and `-1` wraps to `u64::MAX`. Spaces, an empty text and numbers beyond 64 bits are refused.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(if negative { value.wrapping_neg() } else { value })
}

/// A double as Redis reads scores and increments, which is C's `strtod` over the whole text: `inf`, `+inf`,
/// `infinity` in any case and hexadecimal are taken; spaces, `nan`, overflow, and underflow to zero are refused.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, magnitude) = match text {
        [b'-', tail @ ..] => (true, tail),
        [b'+', tail @ ..] => (false, tail),
        tail => (false, tail),
    };
    // A second sign would be taken by the library's parser.
    if matches!(magnitude.first(), Some(b'-' | b'+')) {
        return None;
    }
    let value = match magnitude {
        [b'0', b'x' | b'X', tail @ ..] => parse_hexadecimal(tail)?,
        _ => parse_decimal(magnitude)?,
    };
    Some(if negative { -value } else { value })
}

fn parse_decimal(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let named = text.first().is_some_and(u8::is_ascii_alphabetic);
    let mantissa = text.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let underflow = value == 0.0 && mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    let overflow = value.is_infinite() && !named;
    (!value.is_nan() && !underflow && !overflow).then_some(value)
}

/// The part of a hexadecimal double behind `0x`: digits, an optional point, an optional binary exponent.
fn parse_hexadecimal(text: &[u8]) -> Option<f64> {
    let (digits, exponent) = match text.iter().position(|byte| matches!(byte, b'p' | b'P')) {
        Some(at) => (text.get(..at)?, parse_exponent(text.get(at.checked_add(1)?..)?)?),
        None => (text, 0),
    };
    let (mut mantissa, mut scale, mut lost) = (0_u64, exponent, false);
    let (mut any, mut point) = (false, false);
    for &byte in digits {
        if byte == b'.' && !point {
            point = true;
            continue;
        }
        let digit = hex_digit(byte)?;
        any = true;
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            scale -= if point { 4 } else { 0 };
        } else {
            // No room: only whether something was cut off matters, for rounding.
            lost |= digit != 0;
            scale += if point { 0 } else { 4 };
        }
    }
    if any { assemble(mantissa, scale, lost) } else { None }
}

/// A decimal exponent, clamped far outside of what a double can hold.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    const CLAMP: i64 = 1 << 40;
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = CLAMP.min(value * 10 + i64::from(digit));
    }
    Some(if negative { -value } else { value })
}

/// `mantissa * 2^scale`, rounded half to even; none where it leaves the range of a double. `lost` says that nonzero
/// digits beyond the mantissa were cut off.
fn assemble(mantissa: u64, scale: i64, lost: bool) -> Option<f64> {
    if mantissa == 0 {
        return Some(0.0);
    }
    let width = 64 - i64::from(mantissa.leading_zeros());
    let exponent = scale + width - 1;
    if exponent > 1023 {
        return None;
    }
    // Subnormal numbers have fewer bits; at zero bits rounding may still give the smallest one.
    let bits = 53.min(53 - (-1022 - exponent));
    if bits < 0 {
        return None;
    }
    let cut = width - bits;
    let rounded = if cut <= 0 {
        mantissa << u32::try_from(-cut).ok()?
    } else {
        let cut = u32::try_from(cut).ok()?;
        let kept = mantissa.checked_shr(cut).unwrap_or(0);
        let half = 1_u64 << (cut - 1);
        let rest = if cut == 64 { mantissa } else { mantissa & ((1 << cut) - 1) };
        let up = rest > half || (rest == half && (lost || kept & 1 == 1));
        kept + u64::from(up)
    };
    // A carry out of the mantissa lands in the exponent, which is just what rounding up to a power of two means.
    let biased = if exponent < -1022 { 0 } else { u64::try_from(exponent + 1022).ok()? };
    let value = f64::from_bits((biased << 52) + rounded);
    (value.is_finite() && value != 0.0).then_some(value)
}

/// The value as an integer, where Redis prints it as one.
fn exact_integer(value: f64) -> Option<i64> {
    const MAX: f64 = 4_611_686_018_427_387_904.0; // 2^62
    if !(-MAX..=MAX).contains(&value) || value.fract() != 0.0 {
        return None;
    }
    #[expect(clippy::as_conversions, reason = "whole and within range, both just checked")]
    Some(value as i64)
}

fn format_shortest(value: f64) -> NumberText {
    // The library writes `d.ddde-7` with the shortest digits; only the layout differs from Redis'.
    let mut text = Ascii(NumberText::new());
    let written = write!(text, "{:e}", value.abs());
    debug_assert!(written.is_ok(), "writing to memory does not fail");
    let mut parts = text.0.split(|&byte| byte == b'e');
    let digits: NumberText =
        parts.next().unwrap_or_default().iter().copied().filter(|&b| b != b'.').collect();
    let exponent = parts.next().and_then(parse_i64).unwrap_or(0);

    let mut out = NumberText::new();
    if value.is_sign_negative() {
        out.push(b'-');
    }
    lay_out(&digits, exponent, &mut out);
    out
}

/// Writes `d.ddd * 10^exponent`, its digits given without the point.
fn lay_out(digits: &[u8], exponent: i64, out: &mut NumberText) {
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let shift = exponent - (count - 1); // the value is the digits as an integer, times 10^shift
    if shift >= 0 && exponent < count + 7 {
        out.extend_from_slice(digits);
        out.extend(repeat_n(b'0', usize::try_from(shift).unwrap_or(0)));
    } else if shift < 0 && (shift > -7 || exponent.abs() < 4) {
        match usize::try_from(exponent + 1) {
            Ok(whole @ 1..) => {
                let (whole, fraction) = digits.split_at_checked(whole).unwrap_or((digits, &[]));
                out.extend_from_slice(whole);
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
            _ => {
                out.extend_from_slice(b"0.");
                out.extend(repeat_n(b'0', usize::try_from(-exponent - 1).unwrap_or(0)));
                out.extend_from_slice(digits);
            }
        }
    } else {
        let (first, fraction) = digits.split_at_checked(1).unwrap_or((digits, &[]));
        out.extend_from_slice(first);
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        out.extend_from_slice(&format_integer(exponent.abs()));
    }
}

/// Lets the formatting machinery write onto the stack.
struct Ascii(NumberText);

impl std::fmt::Write for Ascii {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
