//! Finding the boundaries of replies in a buffer that holds several.
//!
//! For: telling which requests of a group failed, to count them. Leaves to others: the meaning of replies.
//! Invariant: reads only headers; bytes that are no replies end the walk and never panic.

/// The first reply of `buf` and what follows it; nothing if there is no whole one.
pub(super) fn split_first(buf: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = buf;
    let mut open: usize = 1;
    while open > 0 {
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let (line, after) = rest.split_at(end + 1);
        rest = after;
        open -= 1;
        let count = || std::str::from_utf8(&line[1..line.len() - 1]).ok()?.trim_end().parse::<i64>().ok();
        match line[0] {
            b'$' | b'=' | b'!' => {
                let bytes = usize::try_from(count()?).ok().map_or(0, |bytes| bytes.saturating_add(2));
                rest = rest.get(bytes..)?;
            }
            b'*' | b'~' | b'>' => open = open.checked_add(usize::try_from(count()?).unwrap_or(0))?,
            b'%' => open = open.checked_add(usize::try_from(count()?).ok()?.checked_mul(2)?)?,
            // Attributes precede a reply and are none.
            b'|' => {
                open = open.checked_add(usize::try_from(count()?).ok()?.checked_mul(2)?)?.checked_add(1)?
            }
            _ => {}
        }
    }
    Some(buf.split_at(buf.len() - rest.len()))
}

/// What follows the header of an aggregate; nothing if it is none, or a null.
pub(super) fn elements(reply: &[u8]) -> Option<&[u8]> {
    let end = reply.iter().position(|&byte| byte == b'\n')?;
    (reply.starts_with(b"*") && !reply.starts_with(b"*-")).then(|| &reply[end + 1..])
}

/// The text of an error reply, or nothing if it is none.
pub(super) fn error_text(reply: &[u8]) -> Option<&[u8]> {
    reply.strip_prefix(b"-").map(|text| text.trim_ascii_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_reply_is_walked_over() {
        for reply in [
            "+OK\r\n",
            "-ERR no\r\n",
            ":1\r\n",
            "$3\r\na\nb\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "*0\r\n",
            "*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
            "%1\r\n+a\r\n~1\r\n#t\r\n",
            "|1\r\n+a\r\n+b\r\n*1\r\n_\r\n",
            "=7\r\ntxt:a\r\n\r\n",
        ] {
            let both = format!("{reply}+NEXT\r\n");
            assert_eq!(
                split_first(both.as_bytes()),
                Some((reply.as_bytes(), b"+NEXT\r\n".as_slice())),
                "{reply:?}"
            );
            for cut in 0..reply.len() {
                assert_eq!(split_first(&reply.as_bytes()[..cut]), None, "{reply:?} cut at {cut}");
            }
        }
        assert_eq!(error_text(b"-ERR no\r\n"), Some(b"ERR no".as_slice()));
        assert_eq!(elements(b"*1\r\n:1\r\n"), Some(b":1\r\n".as_slice()));
        assert_eq!((elements(b"*-1\r\n"), elements(b"_\r\n"), elements(b"*1")), (None, None, None));
        assert_eq!(error_text(b"+OK\r\n"), None);
    }
}
