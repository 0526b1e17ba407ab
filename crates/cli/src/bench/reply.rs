//! Where a reply ends, and of which kind it is, without taking it apart.
//!
//! A load generator shares its machine with what it measures, so it looks at each reply once and copies nothing.
//! What a reply says is read only by those who ask ([`Reply`]).
//!
//! Invariant: any bytes give a reply, "not whole yet" or an error; nothing is read twice however it is split.

use quorate_resp::parse_i64;

/// Finds the ends of the replies in a buffer that bytes are appended to.
///
/// An aggregate needs no stack: what counts is how many elements are still to come, on all levels together.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// How far the reply under way has been looked at, from its first byte.
    at: usize,
    /// Elements that must still come; none before a reply begins.
    left: u64,
}

/// The bytes are no reply.
#[derive(Debug)]
pub(super) struct Malformed;

/// The most elements of one reply: what is longer is taken for garbage.
const ELEMENTS_MAX: u64 = 1 << 32;
/// The longest line, in bytes, that is not taken for garbage.
const LINE_BYTES_MAX: usize = 64 * 1024;

impl Scanner {
    /// The length of the reply at the start of `buf`, or nothing while it is not whole.
    pub(super) fn scan(&mut self, buf: &[u8]) -> Result<Option<usize>, Malformed> {
        if self.left == 0 {
            self.left = 1;
        }
        while self.left > 0 {
            let Some(rest) = buf.get(self.at..) else { return Ok(None) };
            let Some(end) = memchr_line(rest) else {
                return if rest.len() > LINE_BYTES_MAX { Err(Malformed) } else { Ok(None) };
            };
            let (kind, text) = rest[..end].split_first().ok_or(Malformed)?;
            let number = || parse_i64(text).ok_or(Malformed);
            let mut length = end + 2;
            match kind {
                b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {}
                b'$' | b'=' | b'!' => {
                    if let Ok(bytes) = usize::try_from(number()?) {
                        length = length.checked_add(bytes).and_then(|n| n.checked_add(2)).ok_or(Malformed)?;
                    }
                }
                b'*' | b'~' | b'>' => self.left += u64::try_from(number()?).unwrap_or(0),
                b'%' => self.left += u64::try_from(number()?).unwrap_or(0).saturating_mul(2),
                // Attributes come before their reply and do not count as one.
                b'|' => self.left += u64::try_from(number()?).unwrap_or(0).saturating_mul(2) + 1,
                _ => return Err(Malformed),
            }
            if self.left > ELEMENTS_MAX {
                return Err(Malformed);
            }
            if rest.len() < length && matches!(kind, b'$' | b'=' | b'!') {
                // Nothing of it has been counted: the header is read again once the string is there.
                return Ok(None);
            }
            self.at += length;
            self.left -= 1;
        }
        Ok(Some(std::mem::take(&mut self.at)))
    }
}

fn memchr_line(bytes: &[u8]) -> Option<usize> {
    let at = bytes.iter().position(|byte| *byte == b'\r')?;
    (bytes.get(at + 1) == Some(&b'\n')).then_some(at)
}

/// One whole reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply<'a>(pub(super) &'a [u8]);

impl<'a> Reply<'a> {
    /// The error's text, if it is one.
    pub(super) fn error(self) -> Option<&'a [u8]> {
        match self.0.first() {
            Some(b'-') => Some(self.line()),
            Some(b'!') => self.first_string(),
            _ => None,
        }
    }

    /// Whether it is a message and answers no request.
    pub(super) fn is_push(self) -> bool {
        self.0.first() == Some(&b'>')
    }

    /// Whether it says that there is nothing.
    pub(super) fn is_null(self) -> bool {
        self.0.starts_with(b"$-1") || self.0.starts_with(b"*-1") || self.0.starts_with(b"_")
    }

    /// The number, if it is one or a string that looks like one.
    pub(super) fn integer(self) -> Option<u64> {
        let text = if self.0.first() == Some(&b':') { self.line() } else { self.string()? };
        parse_i64(text).and_then(|value| u64::try_from(value).ok())
    }

    /// The string, if it is one.
    pub(super) fn string(self) -> Option<&'a [u8]> {
        match self.0.first() {
            Some(b'+' | b',') => Some(self.line()),
            Some(b'$' | b'=') if !self.is_null() => self.first_string(),
            _ => None,
        }
    }

    /// How many elements an aggregate has.
    pub(super) fn elements(self) -> usize {
        match self.0.first() {
            Some(b'*' | b'~' | b'%') => {
                parse_i64(self.line()).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// The elements of an aggregate, each whole.
    pub(super) fn items(self) -> impl Iterator<Item = Reply<'a>> {
        let mut rest = match self.0.first() {
            Some(b'*' | b'~' | b'%') => self.0.get(self.line().len() + 3..).unwrap_or_default(),
            _ => &[],
        };
        std::iter::from_fn(move || {
            let length = Scanner::default().scan(rest).ok()??;
            let (item, after) = rest.split_at_checked(length)?;
            rest = after;
            Some(Reply(item))
        })
    }

    /// The first line without its type.
    fn line(self) -> &'a [u8] {
        let end = memchr_line(self.0).unwrap_or(self.0.len());
        self.0.get(1..end).unwrap_or_default()
    }

    fn first_string(self) -> Option<&'a [u8]> {
        let from = self.line().len() + 3;
        self.0.get(from..self.0.len().checked_sub(2)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_reply_is_found_however_it_is_split() {
        let replies: &[&[u8]] = &[
            b"+OK\r\n",
            b"-ERR no\r\n",
            b":12\r\n",
            b"$-1\r\n",
            b"$5\r\na\r\nbc\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n",
            b"%1\r\n+k\r\n~2\r\n:1\r\n:2\r\n",
            b"|1\r\n+ttl\r\n:3\r\n$2\r\nhi\r\n",
            b"_\r\n",
            b"#t\r\n",
            b",1.5\r\n",
            b"=5\r\ntxt:a\r\n",
        ];
        let stream = replies.concat();
        for step in [1, 2, 3, 7, stream.len()] {
            let (mut scanner, mut buf, mut found) = (Scanner::default(), Vec::new(), Vec::new());
            for part in stream.chunks(step) {
                buf.extend_from_slice(part);
                while !buf.is_empty()
                    && let Some(length) = scanner.scan(&buf).expect("replies")
                {
                    found.push(buf.drain(..length).collect::<Vec<_>>());
                }
            }
            assert_eq!(found, replies, "in steps of {step}");
            assert!(buf.is_empty());
        }
        for wrong in [&b"hello\r\n"[..], b"$x\r\n", b"*99999999999999\r\n", b"\r\n"] {
            assert!(Scanner::default().scan(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn what_a_reply_says_is_read() {
        assert_eq!(Reply(b"-ERR no\r\n").error(), Some(&b"ERR no"[..]));
        assert_eq!(Reply(b"!6\r\nERR no\r\n").error(), Some(&b"ERR no"[..]));
        assert_eq!(Reply(b":7\r\n").integer(), Some(7));
        assert_eq!(Reply(b"$2\r\n17\r\n").integer(), Some(17));
        assert_eq!(Reply(b"$4\r\na\r\nb\r\n").string(), Some(&b"a\r\nb"[..]));
        assert!(Reply(b"$-1\r\n").is_null() && Reply(b"$-1\r\n").string().is_none());
        let items: Vec<_> =
            Reply(b"*3\r\n$1\r\na\r\n*1\r\n:1\r\n:5\r\n").items().map(|item| item.0).collect();
        assert_eq!(items, [&b"$1\r\na\r\n"[..], b"*1\r\n:1\r\n", b":5\r\n"]);
        assert_eq!(Reply(b"%1\r\n+a\r\n+b\r\n").elements(), 1);
    }
}
