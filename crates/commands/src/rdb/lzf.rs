//! LZF, in which Redis compresses strings.
//!
//! ```text
//! 000lllll  bytes…            the next l+1 bytes as they are
//! lllooooo  oooooooo          l+2 bytes that came o+1 bytes before
//! 111ooooo  llllllll oooooooo as before, l+9 bytes
//! ```

/// The bytes that were compressed, of which there are `len`. `None`: damage.
pub fn decompress(mut input: &[u8], len: usize) -> Option<Vec<u8>> {
    // A reference of three bytes stands for 264 at most, so a length from elsewhere cannot ask for much more room.
    if len / LONGEST_REFERENCE > input.len() {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    while let Some((&control, rest)) = input.split_first() {
        input = rest;
        if control < 0x20 {
            let (literal, rest) = input.split_at_checked(usize::from(control) + 1)?;
            out.extend_from_slice(literal);
            input = rest;
        } else {
            let mut count = usize::from(control >> 5) + 2;
            if count == 9 {
                let (&more, rest) = input.split_first()?;
                count += usize::from(more);
                input = rest;
            }
            let (&low, rest) = input.split_first()?;
            input = rest;
            let back = (usize::from(control & 0x1f) << 8 | usize::from(low)) + 1;
            let start = out.len().checked_sub(back)?;
            // What is copied may be what was just written.
            for at in start..start + count {
                out.push(out[at]);
            }
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

const LONGEST_REFERENCE: usize = 264;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_references() {
        assert_eq!(decompress(b"\x02abc", 3).as_deref(), Some(&b"abc"[..]));
        assert_eq!(decompress(b"\x02abc\x20\x02", 6).as_deref(), Some(&b"abcabc"[..]));
        // A run: one byte, and references to the byte before.
        let run = decompress(b"\x00x\xe0\xff\x00", 265).expect("a run");
        assert!(run.len() == 265 && run.iter().all(|byte| *byte == b'x'));
    }

    #[test]
    fn damage_is_nothing() {
        for damaged in [
            &b"\x02ab"[..],
            b"\x20\x00",
            b"\x02abc\x20\x03",
            b"\x02abc\xe0",
            b"\x02abc\xe0\x01",
            b"\x02abc\x20",
        ] {
            assert_eq!(decompress(damaged, 6), None, "{damaged:?}");
        }
        assert_eq!(decompress(b"\x02abc", 2), None);
        assert_eq!(decompress(b"\x02abc", 4), None);
        assert_eq!(decompress(b"\x02abc", usize::MAX), None);
    }
}
