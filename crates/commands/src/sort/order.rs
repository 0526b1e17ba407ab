//! The elements of a key, and their orders.

use std::cmp::Ordering;
use std::ops::Range;

use quorate_keyspace::{Blob, Item, Value};
use quorate_resp::parse_f64;

use crate::Error;

/// How many elements a key has, if it is of a type that has.
pub(super) fn len(value: &Value) -> Result<usize, Error> {
    match value {
        Value::List(list) => Ok(list.len()),
        Value::Set(set) => Ok(set.len()),
        Value::SortedSet(set) => Ok(set.len()),
        _ => Err(Error::WrongType),
    }
}

/// A range of the elements of such a key as it has them; in reverse if it has an order of its own.
pub(super) fn native(value: &Value, range: Range<usize>, reverse: bool) -> Vec<Blob> {
    let count = range.len();
    match value {
        Value::List(list) if reverse => {
            list.iter_back_from(list.len() - range.start).take(count).map(Item::to_blob).collect()
        }
        Value::List(list) => list.iter_from(range.start).take(count).map(Item::to_blob).collect(),
        Value::Set(set) => set.iter().skip(range.start).take(count).map(Item::to_blob).collect(),
        Value::SortedSet(set) => {
            let blob = |(member, _): (&[u8], f64)| Blob::new(member);
            if reverse {
                let end = set.len() - range.start;
                set.range_backwards(end - count..end).map(blob).collect()
            } else {
                set.range(range).map(blob).collect()
            }
        }
        _ => Vec::new(),
    }
}

/// Sorts by the elements' own texts.
pub(super) fn by_itself(elements: &mut [Blob], descending: bool) {
    elements.sort_by(|a, b| directed(a.cmp(b), descending));
}

/// Sorts by a text found for each element; those for which there is none come first.
pub(super) fn by_text(elements: &mut Vec<Blob>, descending: bool, text: impl Fn(&Blob) -> Option<Blob>) {
    let mut weighted: Vec<(Option<Blob>, Blob)> =
        elements.drain(..).map(|element| (text(&element), element)).collect();
    weighted.sort_by(|(a, _), (b, _)| directed(a.cmp(b), descending));
    elements.extend(weighted.into_iter().map(|(_, element)| element));
}

/// Sorts by a number found for each element, 0 where there is none, and then by the elements' own texts.
pub(super) fn by_number(
    elements: &mut Vec<Blob>,
    descending: bool,
    text: impl Fn(&Blob) -> Option<Blob>,
) -> Result<(), Error> {
    let mut weighted = Vec::with_capacity(elements.len());
    for element in elements.drain(..) {
        let number = match text(&element) {
            Some(text) => {
                number(&text).ok_or(Error::text("ERR One or more scores can't be converted into double"))?
            }
            None => 0.0,
        };
        weighted.push((number, element));
    }
    weighted.sort_by(|(a, one), (b, other)| {
        let by_number = a.partial_cmp(b).expect("no number is NaN");
        directed(by_number.then_with(|| one.cmp(other)), descending)
    });
    elements.extend(weighted.into_iter().map(|(_, element)| element));
    Ok(())
}

fn directed(order: Ordering, descending: bool) -> Ordering {
    if descending { order.reverse() } else { order }
}

/// A number as C's `strtod` reads a whole text: nothing is 0, space in front does not matter, and what is behind a
/// NUL is not seen.
fn number(text: &[u8]) -> Option<f64> {
    let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
    if text.is_empty() {
        return Some(0.0);
    }
    let spaces = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    parse_f64(&text[spaces..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtod_reads_them() {
        for (text, expected) in [
            ("", Some(0.0)),
            ("0", Some(0.0)),
            ("-1.5e2", Some(-150.0)),
            (" \t\n5", Some(5.0)),
            ("5\0x", Some(5.0)),
            ("\0", Some(0.0)),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("0x10", Some(16.0)),
            (" ", None),
            ("5 ", None),
            ("nan", None),
            ("1e999", None),
            ("x", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
    }
}
