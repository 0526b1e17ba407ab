//! Glob patterns, matched as Redis' `stringmatchlen` matches them.
//!
//! For: `KEYS`, the `MATCH` option of the SCAN family, and every other pattern that a client sends.
//! Leaves to others: the short cut that a lone `*` matches everything, the empty name included.
//! Invariants:
//! - `*` any bytes, `?` one byte, `[a-z]`, `[^x]`, `\x`; an unfinished class ends with the pattern.
//! - Bytes in a class range compare as signed, as `char` does in Redis on x86-64.
//! - A pattern does not match beyond its `STARS_MAX`th star, as in Redis, which bounds its recursion so.
//! - Time is at most pattern length times text length and the stack is flat, whatever a client sends: every
//!   construct but `*` consumes exactly one byte, so only the last `*` ever needs to be tried again.
//!
//! Called by: whatever runs a command.

/// Stars, not counting one at the end, that a match may go through. Adjacent stars are one.
const STARS_MAX: usize = 1000;

/// True if `text` matches `pattern`.
///
/// The empty text matches the empty pattern only, as in Redis: not even `*`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    search(pattern, text, false)
}

/// As [`matches`](matches()), ignoring the case of ASCII letters.
pub fn matches_ignore_case(pattern: &[u8], text: &[u8]) -> bool {
    search(pattern, text, true)
}

fn search(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t, mut stars) = (0, 0, 0);
    // Where to go on when the rest does not match: behind the last star, one byte further in the text.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if t == text.len() {
            // Every later start leaves less text for the same rest of the pattern: it cannot match either.
            return pattern[p..].iter().all(|byte| *byte == b'*');
        }
        if pattern.get(p) == Some(&b'*') {
            while pattern.get(p) == Some(&b'*') {
                p += 1;
            }
            if p == pattern.len() {
                return true;
            }
            stars += 1;
            if stars > STARS_MAX {
                return false;
            }
            retry = Some((p, t));
            continue;
        }
        match match_one(pattern, p, text[t], ignore_case) {
            Some(next) => {
                p = next;
                t += 1;
            }
            None => {
                let Some((behind_star, start)) = retry else { return false };
                retry = Some((behind_star, start + 1));
                p = behind_star;
                t = start + 1;
            }
        }
    }
}

/// Matches one byte against the construct at `p`; where the pattern goes on if it does.
fn match_one(pattern: &[u8], p: usize, byte: u8, ignore_case: bool) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => match_class(pattern, p + 1, byte, ignore_case),
        b'\\' if p + 1 < pattern.len() => same(pattern[p + 1], byte, ignore_case).then_some(p + 2),
        literal => same(literal, byte, ignore_case).then_some(p + 1),
    }
}

/// Matches one byte against the class whose content begins at `p`.
fn match_class(pattern: &[u8], mut p: usize, byte: u8, ignore_case: bool) -> Option<usize> {
    let negated = pattern.get(p) == Some(&b'^');
    if negated {
        p += 1;
    }
    let mut matched = false;
    loop {
        match pattern[p..] {
            [b'\\', escaped, ..] => {
                // Redis compares an escaped member exactly, even where case is ignored.
                matched |= escaped == byte;
                p += 2;
            }
            [b']', ..] => {
                p += 1;
                break;
            }
            [] => break,
            [from, b'-', to, ..] => {
                matched |= in_range(from, to, byte, ignore_case);
                p += 3;
            }
            [member, ..] => {
                matched |= same(member, byte, ignore_case);
                p += 1;
            }
        }
    }
    (matched != negated).then_some(p)
}

fn in_range(from: u8, to: u8, byte: u8, ignore_case: bool) -> bool {
    let signed = |byte: u8| i8::from_ne_bytes([byte]);
    let fold = |byte: u8| if ignore_case { byte.to_ascii_lowercase() } else { byte };
    // The ends are put in order before case is folded, as in Redis.
    let (from, to) = if signed(from) <= signed(to) { (from, to) } else { (to, from) };
    (signed(fold(from))..=signed(fold(to))).contains(&signed(fold(byte)))
}

fn same(a: u8, b: u8, ignore_case: bool) -> bool {
    a == b || (ignore_case && a.eq_ignore_ascii_case(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_redis_does() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", false),
            ("*", "a", true),
            ("**", "abc", true),
            ("a*", "a", true),
            ("a**", "a", true),
            ("a*b", "ab", true),
            ("a*b", "axxb", true),
            ("a*b", "axxbx", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*ab", "aab", true),
            ("*?", "a", true),
            ("*??", "a", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("h[a-b]llo", "hcllo", false),
            ("h[\\]]llo", "h]llo", true),
            ("h[a", "ha", true),
            ("h[a", "hb", false),
            ("h[^", "hb", true),
            ("h[", "h[", false),
            ("[]", "]", false),
            ("[a-]", "]", true),
            ("[a-]", "-", false),
            ("[-a]", "-", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\", "\\", true),
            ("a\\", "a\\", true),
            ("*\\*", "xx*", true),
            ("A", "a", false),
            ("key:1??", "key:123", true),
            ("key:1??", "key:12", false),
        ] {
            let found = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(found, expected, "{pattern:?} against {text:?}");
        }
    }

    #[test]
    fn case_is_ignored_on_request() {
        for (pattern, text, expected) in [
            ("MAX*", "maxmemory", true),
            ("[A-C]x", "bX", true),
            ("[\\A]", "a", false),
            ("h?LLO", "Hello", true),
            ("h?LLO", "Help", false),
        ] {
            let found = matches_ignore_case(pattern.as_bytes(), text.as_bytes());
            assert_eq!(found, expected, "{pattern:?} against {text:?}");
        }
    }

    #[test]
    fn bytes_above_ascii_are_signed_in_ranges() {
        // -128..='a' holds 'A' and 0xff: the range runs through zero.
        assert!(matches(b"[\x80-a]", b"A"));
        assert!(matches(b"[\x80-a]", b"\xff"));
        assert!(!matches(b"[\x80-a]", b"b"));
        assert!(!matches(b"[b-\x80]", b"c"));
    }

    #[test]
    fn stars_end_where_redis_ends_them() {
        let text = [b'a'; 2000];
        for (stars, end, expected) in
            [(1000, "", true), (1001, "", false), (1000, "*", true), (1000, "**b", false)]
        {
            let pattern = ["*?".repeat(stars), end.to_owned()].concat();
            assert_eq!(matches(pattern.as_bytes(), &text), expected, "{stars} and {end:?}");
        }
    }

    #[test]
    fn nested_stars_do_not_blow_up() {
        let text = [b'a'; 40];
        let pattern = [b"a*".repeat(20).as_slice(), b"b"].concat();
        assert!(!matches(&pattern, &text));
        let long = vec![b'a'; 20_000];
        let pattern = [b"*a".repeat(200).as_slice(), b"*b"].concat();
        assert!(!matches(&pattern, &long));
    }
}
