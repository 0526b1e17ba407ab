//! Lua's patterns, matched in counted steps.
//!
//! For: what `string.find`, `match`, `gmatch` and `gsub` share. Nothing can interrupt the matcher of Lua's own library:
//! one pattern of 28 characters runs it for 23 seconds. Leaves to others: arguments and results (`matching`).
//! Invariants: every comparison of a character counts one step; recursion is bounded by [`DEPTH_MAX`].

use crate::meter::Meter;

/// Most captures of a pattern.
pub(crate) const CAPTURES_MAX: usize = 32;
/// Most repetitions and captures inside each other's continuation.
const DEPTH_MAX: usize = 200;
const ESCAPE: u8 = b'%';

/// Why a match was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The pattern makes no sense, in Lua's words.
    Pattern(&'static str),
    /// The run has no steps left.
    Steps,
}

/// What a capture holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capture {
    /// Bytes of the subject from here to there.
    Span(usize, usize),
    /// `()`: a place, counted from 0.
    Position(usize),
}

#[derive(Debug, Clone, Copy)]
enum Open {
    Unclosed,
    Position,
    Closed(usize),
}

/// A match under way.
pub(crate) struct Matcher<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    meter: &'a Meter,
    captures: Vec<(usize, Open)>,
    depth: usize,
}

type Found = Result<Option<usize>, Trouble>;

impl<'a> Matcher<'a> {
    pub(crate) fn new(subject: &'a [u8], pattern: &'a [u8], meter: &'a Meter) -> Matcher<'a> {
        Matcher { subject, pattern, meter, captures: Vec::new(), depth: 0 }
    }

    /// Matches the pattern from its place `p` on, at the subject's place `s`; the end of the match.
    pub(crate) fn at(&mut self, s: usize, p: usize) -> Found {
        self.captures.clear();
        self.depth = 0;
        self.run(s, p)
    }

    /// The captures of the last match; the whole match if the pattern has none.
    pub(crate) fn captures(&self, start: usize, end: usize) -> Result<Vec<Capture>, Trouble> {
        if self.captures.is_empty() {
            return Ok(vec![Capture::Span(start, end)]);
        }
        (0..self.captures.len()).map(|i| self.capture(i)).collect()
    }

    /// Whether the pattern has captures of its own, after a match.
    pub(crate) fn has_captures(&self) -> bool {
        !self.captures.is_empty()
    }

    fn capture(&self, i: usize) -> Result<Capture, Trouble> {
        match self.captures[i] {
            (start, Open::Closed(len)) => Ok(Capture::Span(start, start + len)),
            (start, Open::Position) => Ok(Capture::Position(start)),
            (_, Open::Unclosed) => Err(Trouble::Pattern("unfinished capture")),
        }
    }

    fn step(&self) -> Result<(), Trouble> {
        if self.meter.charge(1) { Ok(()) } else { Err(Trouble::Steps) }
    }

    fn run(&mut self, s: usize, p: usize) -> Found {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Trouble::Pattern("pattern too complex"));
        }
        let found = self.run_items(s, p);
        self.depth -= 1;
        found
    }

    /// One item after the other, for as long as there is no choice.
    fn run_items(&mut self, mut s: usize, mut p: usize) -> Found {
        loop {
            self.step()?;
            match self.pattern.get(p..) {
                None | Some([]) => return Ok(Some(s)),
                Some([b'(', b')', ..]) => return self.open(s, p + 2, Open::Position),
                Some([b'(', ..]) => return self.open(s, p + 1, Open::Unclosed),
                Some([b')', ..]) => return self.close(s, p + 1),
                Some([b'$']) => return Ok((s == self.subject.len()).then_some(s)),
                Some([ESCAPE, b'b', ..]) => match self.balance(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                Some([ESCAPE, b'f', ..]) => {
                    p += 2;
                    if self.pattern.get(p) != Some(&b'[') {
                        return Err(Trouble::Pattern("missing '[' after '%f' in pattern"));
                    }
                    let end = self.class_end(p)?;
                    let before = if s == 0 { 0 } else { self.subject[s - 1] };
                    let here = self.subject.get(s).copied().unwrap_or(0);
                    if self.in_set(before, p, end - 1)? || !self.in_set(here, p, end - 1)? {
                        return Ok(None);
                    }
                    p = end;
                }
                Some([ESCAPE, digit @ b'0'..=b'9', ..]) => match self.back_reference(s, *digit)? {
                    Some(end) => (s, p) = (end, p + 2),
                    None => return Ok(None),
                },
                Some(_) => {
                    let end = self.class_end(p)?;
                    match self.pattern.get(end) {
                        Some(b'?') => {
                            if self.single(s, p, end)?
                                && let Some(found) = self.run(s + 1, end + 1)?
                            {
                                return Ok(Some(found));
                            }
                            p = end + 1;
                        }
                        Some(b'*') => return self.most(s, p, end),
                        Some(b'+') => {
                            return if self.single(s, p, end)? { self.most(s + 1, p, end) } else { Ok(None) };
                        }
                        Some(b'-') => return self.least(s, p, end),
                        _ if self.single(s, p, end)? => (s, p) = (s + 1, end),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    /// As many as there are, then fewer.
    fn most(&mut self, s: usize, p: usize, end: usize) -> Found {
        let mut count = 0;
        while self.single(s + count, p, end)? {
            count += 1;
        }
        loop {
            if let Some(found) = self.run(s + count, end + 1)? {
                return Ok(Some(found));
            }
            if count == 0 {
                return Ok(None);
            }
            count -= 1;
        }
    }

    /// None, then more.
    fn least(&mut self, mut s: usize, p: usize, end: usize) -> Found {
        loop {
            if let Some(found) = self.run(s, end + 1)? {
                return Ok(Some(found));
            }
            if !self.single(s, p, end)? {
                return Ok(None);
            }
            s += 1;
        }
    }

    fn open(&mut self, s: usize, p: usize, what: Open) -> Found {
        if self.captures.len() >= CAPTURES_MAX {
            return Err(Trouble::Pattern("too many captures"));
        }
        self.captures.push((s, what));
        let level = self.captures.len();
        let found = self.run(s, p)?;
        if found.is_none() {
            self.captures.truncate(level - 1);
        }
        Ok(found)
    }

    fn close(&mut self, s: usize, p: usize) -> Found {
        let open = self.captures.iter().rposition(|(_, open)| matches!(open, Open::Unclosed));
        let level = open.ok_or(Trouble::Pattern("invalid pattern capture"))?;
        self.captures[level].1 = Open::Closed(s - self.captures[level].0);
        let found = self.run(s, p)?;
        if found.is_none() {
            self.captures[level].1 = Open::Unclosed;
        }
        Ok(found)
    }

    fn balance(&mut self, s: usize, p: usize) -> Found {
        let Some([open, close]) = self.pattern.get(p..p + 2) else {
            return Err(Trouble::Pattern("unbalanced pattern"));
        };
        if self.subject.get(s) != Some(open) {
            return Ok(None);
        }
        let mut depth = 1;
        for (i, byte) in self.subject.iter().enumerate().skip(s + 1) {
            self.step()?;
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(i + 1));
                }
            } else if byte == open {
                depth += 1;
            }
        }
        Ok(None)
    }

    fn back_reference(&mut self, s: usize, digit: u8) -> Found {
        let level = usize::from(digit).wrapping_sub(usize::from(b'1'));
        let Some((start, Open::Closed(len))) = self.captures.get(level).copied() else {
            return Err(Trouble::Pattern("invalid capture index"));
        };
        if !self.meter.charge(len) {
            return Err(Trouble::Steps);
        }
        let captured = &self.subject[start..start + len];
        Ok(self.subject[s..].starts_with(captured).then_some(s + len))
    }

    /// Where the item that begins at `p` ends.
    fn class_end(&self, p: usize) -> Result<usize, Trouble> {
        match self.pattern[p] {
            ESCAPE if p + 1 >= self.pattern.len() => {
                Err(Trouble::Pattern("malformed pattern (ends with '%')"))
            }
            ESCAPE => Ok(p + 2),
            b'[' => {
                let mut at = p + 1;
                if self.pattern.get(at) == Some(&b'^') {
                    at += 1;
                }
                loop {
                    let byte = *self.pattern.get(at).ok_or(MISSING_BRACKET)?;
                    at += 1;
                    if byte == ESCAPE {
                        self.pattern.get(at).ok_or(MISSING_BRACKET)?;
                        at += 1;
                    }
                    if self.pattern.get(at) == Some(&b']') {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(p + 1),
        }
    }

    /// Whether the subject's character at `s` is one of the item's.
    fn single(&self, s: usize, p: usize, end: usize) -> Result<bool, Trouble> {
        self.step()?;
        let Some(byte) = self.subject.get(s).copied() else { return Ok(false) };
        match self.pattern[p] {
            b'.' => Ok(true),
            ESCAPE => Ok(in_class(byte, self.pattern[p + 1])),
            b'[' => self.in_set(byte, p, end - 1),
            literal => Ok(literal == byte),
        }
    }

    /// Whether a character is in the set between `[` at `p` and `]` at `last`.
    fn in_set(&self, byte: u8, p: usize, last: usize) -> Result<bool, Trouble> {
        if !self.meter.charge((last - p) / 4) {
            return Err(Trouble::Steps);
        }
        let mut at = p + 1;
        let negated = self.pattern[at] == b'^';
        if negated {
            at += 1;
        }
        while at < last {
            if self.pattern[at] == ESCAPE {
                if in_class(byte, self.pattern[at + 1]) {
                    return Ok(!negated);
                }
                at += 2;
            } else if self.pattern[at + 1] == b'-' && at + 2 < last {
                if (self.pattern[at]..=self.pattern[at + 2]).contains(&byte) {
                    return Ok(!negated);
                }
                at += 3;
            } else {
                if self.pattern[at] == byte {
                    return Ok(!negated);
                }
                at += 1;
            }
        }
        Ok(negated)
    }
}

const MISSING_BRACKET: Trouble = Trouble::Pattern("malformed pattern (missing ']')");

/// Whether a character is of a class such as `%d`; of another character, whether it is that one.
fn in_class(byte: u8, class: u8) -> bool {
    let inside = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b' ' | b'\t'..=b'\r'),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    inside != class.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Limits;

    fn find(subject: &str, pattern: &str) -> Result<Option<(usize, usize)>, Trouble> {
        let meter = Meter::default();
        meter.begin(Limits { steps_max: 100_000, ..Limits::RUN });
        let mut matcher = Matcher::new(subject.as_bytes(), pattern.as_bytes(), &meter);
        for start in 0..=subject.len() {
            if let Some(end) = matcher.at(start, 0)? {
                matcher.captures(start, end)?;
                return Ok(Some((start, end)));
            }
        }
        Ok(None)
    }

    #[test]
    fn patterns_match_as_in_lua() {
        for (subject, pattern, expected) in [
            ("hello world", "o w", Some((4, 7))),
            ("hello", "l+", Some((2, 4))),
            ("hello", "l-o", Some((2, 5))),
            ("key = value", "(%w+)%s*=%s*(%w+)", Some((0, 11))),
            ("THE (quick) fox", "%((%a+)%)", Some((4, 11))),
            ("f(a(b)c)d", "%b()", Some((1, 8))),
            ("THE (quick) fox", "%f[%a]%a+%f[%A]", Some((0, 3))),
            ("abcabc", "(abc)%1", Some((0, 6))),
            ("a]b", "[]]", Some((1, 2))),
            ("a-b", "[a%-]+", Some((0, 2))),
            ("x^", "[%^x]+$", Some((0, 2))),
            ("abc", "[^a-b]", Some((2, 3))),
            ("aaa", "a?a?a?b", None),
            ("", ".-", Some((0, 0))),
        ] {
            assert_eq!(find(subject, pattern), Ok(expected), "{subject} {pattern}");
        }
    }

    #[test]
    fn senseless_patterns_are_told() {
        for (pattern, text) in [
            ("[a", "malformed pattern (missing ']')"),
            ("%", "malformed pattern (ends with '%')"),
            ("(a", "unfinished capture"),
            ("a)", "invalid pattern capture"),
            ("%1", "invalid capture index"),
            ("%f", "missing '[' after '%f' in pattern"),
            ("%b", "unbalanced pattern"),
        ] {
            assert_eq!(find("aaa", pattern), Err(Trouble::Pattern(text)), "{pattern}");
        }
        assert_eq!(find("a", &"(".repeat(40)), Err(Trouble::Pattern("too many captures")));
        let deep = format!("{}{}", "a".repeat(400), "x");
        assert_eq!(find(&deep, &"a?".repeat(300)), Err(Trouble::Pattern("pattern too complex")));
    }

    #[test]
    fn a_pattern_that_explodes_runs_out_of_steps() {
        let subject = "a".repeat(60);
        assert_eq!(find(&subject, &format!("{}b", "a-".repeat(28))), Err(Trouble::Steps));
    }
}
