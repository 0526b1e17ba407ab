//! Patterns of BY and GET: a key's name, or a hash's and its field's, with a place for an element.

use quorate_keyspace::Blob;

use crate::Read;

/// What a pattern names.
#[derive(Clone, Copy)]
pub(super) enum Pattern<'a> {
    /// `#`: the element.
    Element,
    /// A text without a place for the element; it names nothing.
    Constant,
    /// The string at a key whose name is the element between these.
    Key { before: &'a [u8], after: &'a [u8] },
    /// A field of the hash at such a key.
    Field { before: &'a [u8], after: &'a [u8], field: &'a [u8] },
}

impl<'a> Pattern<'a> {
    pub(super) fn new(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Element;
        }
        // As C's functions, Redis sees no star and no arrow behind a NUL.
        let seen = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
        let Some(star) = memchr::memchr(b'*', seen) else { return Pattern::Constant };
        let before = &text[..star];
        let arrow = memchr::memmem::find(&seen[star + 1..], b"->").map(|at| star + 1 + at);
        match arrow {
            Some(arrow) if arrow + 2 < seen.len() => {
                Pattern::Field { before, after: &text[star + 1..arrow], field: &text[arrow + 2..] }
            }
            _ => Pattern::Key { before, after: &text[star + 1..] },
        }
    }

    /// Whether elements can be sorted by it. `#`, which GET knows, is a constant to BY.
    pub(super) fn varies(self) -> bool {
        matches!(self, Pattern::Key { .. } | Pattern::Field { .. })
    }

    /// What it finds for an element.
    pub(super) fn look_up(self, read: &Read<'_>, element: &Blob) -> Option<Blob> {
        match self {
            Pattern::Element => Some(element.clone()),
            Pattern::Constant => None,
            Pattern::Key { before, after } => {
                let entry = read.get(&[before, element, after].concat())?;
                entry.value().as_string().map(|string| string.with_bytes(Blob::new))
            }
            Pattern::Field { before, after, field } => {
                let entry = read.get(&[before, element, after].concat())?;
                entry.value().as_hash()?.get(field).map(Blob::new)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_redis_reads_them() {
        let show = |text: &'static str| match Pattern::new(text.as_bytes()) {
            Pattern::Element => "element".to_owned(),
            Pattern::Constant => "constant".to_owned(),
            Pattern::Key { before, after } => {
                format!("key {}|{}", before.escape_ascii(), after.escape_ascii())
            }
            Pattern::Field { before, after, field } => {
                let [before, after, field] = [before, after, field].map(<[u8]>::escape_ascii);
                format!("field {before}|{after}|{field}")
            }
        };
        for (text, expected) in [
            ("#", "element"),
            ("##", "constant"),
            ("", "constant"),
            ("key", "constant"),
            ("*", "key |"),
            ("a*b", "key a|b"),
            ("a*b*", "key a|b*"),
            ("a*->", "key a|->"),
            ("a*->f", "field a||f"),
            ("a*b->f->g", "field a|b|f->g"),
            ("a->*", "key a->|"),
            ("a->*->f", "field a->||f"),
            ("a\0*", "constant"),
            ("a*b\0->f", "key a|b\\x00->f"),
        ] {
            assert_eq!(show(text), expected, "{text:?}");
        }
    }
}
