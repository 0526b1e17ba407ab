//! Writing values, in the simplest encoding that Redis has for their type.

use quorate_keyspace::{HashValue, StringValue, Value};

use super::kind::{HASH, LIST, SET, SORTED_SET_2, STREAM_2, STRING};
use super::streams;

/// Appends a value, its type before it.
pub(super) fn value(value: &Value, out: &mut Vec<u8>) {
    out.push(kind(value));
    body(value, out);
}

/// The type under which a value is written.
pub(super) fn kind(value: &Value) -> u8 {
    match value {
        Value::String(_) => STRING,
        Value::Hash(_) => HASH,
        Value::List(_) => LIST,
        Value::Set(_) => SET,
        Value::SortedSet(_) => SORTED_SET_2,
        Value::Stream(_) => STREAM_2,
        other => unreachable!("there is no type {}", other.type_name()),
    }
}

/// Appends a value without its type.
pub(super) fn body(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(StringValue::Int(number)) => integer(*number, out),
        Value::String(text) => text.with_bytes(|bytes| string(bytes, out)),
        Value::Hash(pairs) => hash(pairs, out),
        Value::List(list) => {
            length(list.len() as u64, out);
            for element in list.iter_from(0) {
                string(element.text(&mut itoa::Buffer::new()), out);
            }
        }
        Value::Set(set) => {
            length(set.len() as u64, out);
            for member in set.iter() {
                string(member.text(&mut itoa::Buffer::new()), out);
            }
        }
        Value::SortedSet(set) => {
            length(set.len() as u64, out);
            for (member, score) in set.iter() {
                string(member, out);
                out.extend(score.to_le_bytes());
            }
        }
        Value::Stream(stream) => streams::save(stream, out),
        other => unreachable!("there is no type {}", other.type_name()),
    }
}

fn hash(hash: &HashValue, out: &mut Vec<u8>) {
    length(hash.len() as u64, out);
    for (field, value) in hash.iter() {
        string(field, out);
        string(value, out);
    }
}

/// Appends a length, a count, or a number that is kept as one.
pub(super) fn length(length: u64, out: &mut Vec<u8>) {
    match length {
        0..=0x3f => out.push(length as u8),
        0x40..=0x3fff => out.extend((0x4000 | length as u16).to_be_bytes()),
        0x4000..=0xffff_ffff => {
            out.push(0x80);
            out.extend((length as u32).to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend(length.to_be_bytes());
        }
    }
}

/// Appends a string; as a number where it is the text of a small one.
pub(crate) fn string(bytes: &[u8], out: &mut Vec<u8>) {
    // No number that has an encoding is longer.
    const TEXT_BYTES_MAX: usize = 11;
    let number = if bytes.len() <= TEXT_BYTES_MAX { crate::args::parse_integer(bytes) } else { None };
    match number {
        Some(number) => integer(number, out),
        None => {
            length(bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
    }
}

fn integer(number: i64, out: &mut Vec<u8>) {
    if let Ok(number) = i8::try_from(number) {
        out.push(0xc0);
        out.extend(number.to_le_bytes());
    } else if let Ok(number) = i16::try_from(number) {
        out.push(0xc1);
        out.extend(number.to_le_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        out.push(0xc2);
        out.extend(number.to_le_bytes());
    } else {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        length(digits.len() as u64, out);
        out.extend_from_slice(digits);
    }
}
