//! Inline requests: a line of words, as a person types it into telnet.
//!
//! The rules of quoting are Redis': double quotes with `\n \r \t \b \a`, `\xHH` and `\` before any other byte;
//! single quotes with `\'` only; a closing quote is followed by white space or the end of the line. A quote may
//! open in the middle of a word, whose first part it then continues.
//!
//! Left to the decoder: finding the line and its limits. Invariant: the arguments are never longer than the line.

use bytes::{Bytes, BytesMut};

use crate::error::ProtocolError;
use crate::request::{ArgRanges, offset};

/// Splits a line (without its line end and without NUL) into arguments; none for a blank line.
pub(crate) fn split(line: &[u8]) -> Result<(Bytes, ArgRanges), ProtocolError> {
    let mut frame = BytesMut::with_capacity(line.len());
    let mut args = ArgRanges::new();
    let mut rest = line;
    loop {
        rest = skip_space(rest);
        if rest.is_empty() {
            return Ok((frame.freeze(), args));
        }
        let start = offset(frame.len())?;
        rest = word(rest, &mut frame)?;
        args.push(start..offset(frame.len())?);
    }
}

/// Appends one word to `out` and returns what follows it.
fn word<'a>(mut rest: &'a [u8], out: &mut BytesMut) -> Result<&'a [u8], ProtocolError> {
    loop {
        match *rest {
            // Vertical tab and form feed separate words but do not end one: so does Redis.
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok(rest),
            [b'"', ref tail @ ..] => return double_quoted(tail, out),
            [b'\'', ref tail @ ..] => return single_quoted(tail, out),
            [byte, ref tail @ ..] => {
                out.extend_from_slice(&[byte]);
                rest = tail;
            }
        }
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], out: &mut BytesMut) -> Result<&'a [u8], ProtocolError> {
    loop {
        let (byte, tail) = match *rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'"', ref tail @ ..] => return closed(tail),
            [b'\\', b'x', high, low, ref tail @ ..]
                if let (Some(high), Some(low)) = (hex_digit(high), hex_digit(low)) =>
            {
                (high << 4 | low, tail)
            }
            [b'\\', escaped, ref tail @ ..] => (unescape(escaped), tail),
            [byte, ref tail @ ..] => (byte, tail),
        };
        out.extend_from_slice(&[byte]);
        rest = tail;
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], out: &mut BytesMut) -> Result<&'a [u8], ProtocolError> {
    loop {
        let (byte, tail) = match *rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'\'', ref tail @ ..] => return closed(tail),
            [b'\\', b'\'', ref tail @ ..] => (b'\'', tail),
            [byte, ref tail @ ..] => (byte, tail),
        };
        out.extend_from_slice(&[byte]);
        rest = tail;
    }
}

/// What follows a closing quote, which must be nothing or white space.
fn closed(rest: &[u8]) -> Result<&[u8], ProtocolError> {
    match rest.first() {
        Some(&byte) if !is_space(byte) => Err(ProtocolError::UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn skip_space(mut line: &[u8]) -> &[u8] {
    while let [byte, tail @ ..] = line
        && is_space(*byte)
    {
        line = tail;
    }
    line
}

/// White space as C's `isspace` has it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
