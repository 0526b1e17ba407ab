//! Ranges of scores and ranges of names, as arguments and as ranks.

use std::cmp::Ordering;
use std::ops::Range;

use quorate_keyspace::{SortedSetEncoding, SortedSetValue};
use quorate_resp::parse_f64;

use crate::Error;

/// Scores between two bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScoreRange {
    min: Bound<f64>,
    max: Bound<f64>,
}

/// Names between two bounds; meant for members that share one score.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameRange<'a> {
    min: NameBound<'a>,
    max: NameBound<'a>,
}

#[derive(Debug, Clone, Copy)]
struct Bound<T> {
    at: T,
    exclusive: bool,
}

#[derive(Debug, Clone, Copy)]
enum NameBound<'a> {
    /// Before every name.
    Lowest,
    At(Bound<&'a [u8]>),
    /// After every name.
    Highest,
}

impl ScoreRange {
    /// Reads both bounds: a number, behind `(` if the bound itself is left out.
    pub(crate) fn parse(min: &[u8], max: &[u8]) -> Result<ScoreRange, Error> {
        let bound = |text| score_bound(text).ok_or(Error::text("ERR min or max is not a float"));
        Ok(ScoreRange { min: bound(min)?, max: bound(max)? })
    }

    /// Scores from `min` to `max`, without the latter if `max_exclusive`.
    pub(crate) fn between(min: f64, max: f64, max_exclusive: bool) -> ScoreRange {
        ScoreRange {
            min: Bound { at: min, exclusive: false },
            max: Bound { at: max, exclusive: max_exclusive },
        }
    }

    /// The ranks of the members in the range.
    pub(crate) fn ranks(&self, set: &SortedSetValue) -> Range<usize> {
        let start =
            set.partition_point(
                |_, score| {
                    if self.min.exclusive { score <= self.min.at } else { score < self.min.at }
                },
            );
        let end =
            set.partition_point(
                |_, score| {
                    if self.max.exclusive { score < self.max.at } else { score <= self.max.at }
                },
            );
        start..end.max(start)
    }
}

/// Redis reads these with C's `strtod` and looks only at what is left: space in front is passed over, nothing is
/// 0, and what is too large for a double is infinite.
fn score_bound(text: &[u8]) -> Option<Bound<f64>> {
    let (exclusive, text) = match text {
        [b'(', text @ ..] => (true, text),
        text => (false, text),
    };
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(Bound { at: 0.0, exclusive });
    }
    let text = text.trim_ascii_start();
    let at = parse_f64(text).or_else(|| {
        let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
        let is_number = digits.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
        is_number.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
    })?;
    Some(Bound { at, exclusive })
}

impl<'a> NameRange<'a> {
    /// Reads both bounds: `-`, `+`, or a name behind `[`, or `(` if it is left out itself.
    pub(crate) fn parse(min: &'a [u8], max: &'a [u8]) -> Result<NameRange<'a>, Error> {
        let bound = |text| name_bound(text).ok_or(Error::text("ERR min or max not valid string range item"));
        Ok(NameRange { min: bound(min)?, max: bound(max)? })
    }

    /// The ranks of the members in the range. `backwards` says from where the caller will walk.
    pub(crate) fn ranks(&self, set: &SortedSetValue, backwards: bool) -> Range<usize> {
        if set.encoding() == SortedSetEncoding::Listpack {
            return self.walked(set, backwards);
        }
        let start = set.partition_point(|name, _| !self.from(name));
        let end = set.partition_point(|name, _| self.to(name));
        start..end.max(start)
    }

    /// What Redis finds in a compact set, by a walk from one end. Where scores differ the names are in no order, and
    /// this makes a difference.
    fn walked(&self, set: &SortedSetValue, backwards: bool) -> Range<usize> {
        let mut names = set.iter().map(|(name, _)| name);
        let outside = names.clone().next_back().is_none_or(|last| !self.from(last))
            || names.clone().next().is_none_or(|first| !self.to(first));
        if self.is_empty() || outside {
            return 0..0;
        }
        if backwards {
            let end = names.rposition(|name| self.to(name)).map_or(0, |last| last + 1);
            let count = set.iter().take(end).rev().take_while(|(name, _)| self.from(name)).count();
            return end - count..end;
        }
        let start = names.position(|name| self.from(name)).unwrap_or(set.len());
        let count = set.iter().skip(start).take_while(|(name, _)| self.to(name)).count();
        start..start + count
    }

    fn is_empty(&self) -> bool {
        match (self.min, self.max) {
            (NameBound::Highest, NameBound::Lowest | NameBound::At(_)) => true,
            (NameBound::At(_), NameBound::Lowest) => true,
            (NameBound::Lowest, NameBound::Lowest) | (NameBound::Highest, NameBound::Highest) => false,
            (NameBound::Lowest, _) | (_, NameBound::Highest) => false,
            (NameBound::At(min), NameBound::At(max)) => match min.at.cmp(max.at) {
                Ordering::Less => false,
                Ordering::Equal => min.exclusive || max.exclusive,
                Ordering::Greater => true,
            },
        }
    }

    fn from(&self, name: &[u8]) -> bool {
        match self.min {
            NameBound::Lowest => true,
            NameBound::At(min) => name > min.at || name == min.at && !min.exclusive,
            NameBound::Highest => false,
        }
    }

    fn to(&self, name: &[u8]) -> bool {
        match self.max {
            NameBound::Lowest => false,
            NameBound::At(max) => name < max.at || name == max.at && !max.exclusive,
            NameBound::Highest => true,
        }
    }
}

fn name_bound(text: &[u8]) -> Option<NameBound<'_>> {
    match text {
        b"-" => Some(NameBound::Lowest),
        b"+" => Some(NameBound::Highest),
        [b'[', at @ ..] => Some(NameBound::At(Bound { at, exclusive: false })),
        [b'(', at @ ..] => Some(NameBound::At(Bound { at, exclusive: true })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn score_bounds_are_read_as_strtod_reads_them() {
        for (text, expected) in [
            ("1", Some((1.0, false))),
            ("(1.5", Some((1.5, true))),
            ("(-inf", Some((f64::NEG_INFINITY, true))),
            ("+inf", Some((f64::INFINITY, false))),
            ("Infinity", Some((f64::INFINITY, false))),
            ("0x10", Some((16.0, false))),
            ("", Some((0.0, false))),
            ("(", Some((0.0, true))),
            (" 3", Some((3.0, false))),
            ("( 3", Some((3.0, true))),
            ("1e400", Some((f64::INFINITY, false))),
            ("-1e400", Some((f64::NEG_INFINITY, false))),
            ("1e-400", Some((0.0, false))),
            ("5\0x", Some((5.0, false))),
            ("nan", None),
            ("-nan", None),
            ("3 ", None),
            ("((3", None),
            ("--3", None),
            ("1e", None),
            ("x", None),
            (" ", None),
        ] {
            assert_eq!(score_bound(text.as_bytes()).map(|b| (b.at, b.exclusive)), expected, "{text:?}");
        }
    }
}
