//! The first line of a script or library: `#!lua name=… flags=…`.

/// What a script or function declares about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is Redis' flag of that name")]
pub enum Flag {
    NoWrites,
    AllowOom,
    AllowStale,
    NoCluster,
    AllowCrossSlotKeys,
}

impl Flag {
    /// All, in the order in which Redis lists them.
    pub const ALL: [Flag; 5] =
        [Flag::NoWrites, Flag::AllowOom, Flag::AllowStale, Flag::NoCluster, Flag::AllowCrossSlotKeys];

    /// Redis' name.
    pub fn name(self) -> &'static str {
        match self {
            Flag::NoWrites => "no-writes",
            Flag::AllowOom => "allow-oom",
            Flag::AllowStale => "allow-stale",
            Flag::NoCluster => "no-cluster",
            Flag::AllowCrossSlotKeys => "allow-cross-slot-keys",
        }
    }

    pub(crate) fn named(name: &[u8]) -> Option<Flag> {
        Flag::ALL.into_iter().find(|flag| name == flag.name().as_bytes())
    }
}

/// A set of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u8);

impl Flags {
    /// Whether a flag is set.
    pub fn has(self, flag: Flag) -> bool {
        self.0 & 1 << flag as u8 != 0
    }

    /// This set and a flag.
    pub fn with(self, flag: Flag) -> Flags {
        Flags(self.0 | 1 << flag as u8)
    }

    /// The set flags, in Redis' order.
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.has(*flag))
    }
}

/// The flags of a script; nothing if it has no first line of that kind, as scripts before Redis 7.
///
/// # Errors
/// The line makes no sense; the text says why.
pub fn script_flags(body: &[u8]) -> Result<Option<Flags>, String> {
    let Some((line, _)) = split(body) else {
        return if body.starts_with(b"#!") { Err("Invalid script shebang".into()) } else { Ok(None) };
    };
    let mut words = words(line);
    match words.next() {
        Some(b"#!lua") => {}
        Some(other) => {
            return Err(format!("Unexpected engine in script shebang: {}", String::from_utf8_lossy(other)));
        }
        None => return Err("Invalid engine in script shebang".into()),
    }
    let mut flags = Flags::default();
    for word in words {
        let Some(list) = word.strip_prefix(b"flags=") else {
            return Err(format!("Unknown lua shebang option: {}", String::from_utf8_lossy(word)));
        };
        for name in list.split(|byte| *byte == b',').filter(|_| !list.is_empty()) {
            let flag = Flag::named(name).ok_or_else(|| {
                format!("Unexpected flag in script shebang: {}", String::from_utf8_lossy(name))
            })?;
            flags = flags.with(flag);
        }
    }
    Ok(Some(flags))
}

/// A first line that begins with `#!`, and the rest from its line end on.
pub(crate) fn split(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = body.iter().position(|byte| *byte == b'\n').filter(|_| body.starts_with(b"#!"))?;
    Some(body.split_at(end))
}

/// Words as a command line has them: parts in quotes are taken with their spaces. Nothing if a quote stays open.
pub(crate) fn quoted_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut bytes = line.iter().copied().peekable();
    loop {
        while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
        bytes.peek()?;
        let mut word = Vec::new();
        while let Some(byte) = bytes.next_if(|byte| !byte.is_ascii_whitespace()) {
            if !matches!(byte, b'"' | b'\'') {
                word.push(byte);
                continue;
            }
            loop {
                match bytes.next()? {
                    end if end == byte => break,
                    b'\\' => word.push(bytes.next()?),
                    other => word.push(other),
                }
            }
        }
        words.push(word);
        if bytes.peek().is_none() {
            return Some(words);
        }
    }
}

pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_be_quoted() {
        for (line, words) in [
            ("#!lua name=\"a b\"", Some(vec!["#!lua", "name=a b"])),
            ("'x' \"\\\"\"", Some(vec!["x", "\""])),
            ("#!lua name=\"a", None),
        ] {
            let expected = words.map(|words| words.into_iter().map(|w| w.as_bytes().to_vec()).collect());
            assert_eq!(quoted_words(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn first_lines_are_read() {
        assert_eq!(script_flags(b"return 1"), Ok(None));
        assert_eq!(script_flags(b"#!lua\nreturn 1"), Ok(Some(Flags::default())));
        let both = Flags::default().with(Flag::NoWrites).with(Flag::AllowOom);
        assert_eq!(script_flags(b"#!lua flags=no-writes,allow-oom\n"), Ok(Some(both)));
        for (body, error) in [
            (b"#!lua".as_slice(), "Invalid script shebang"),
            (b"#!not-lua\nreturn 1", "Unexpected engine in script shebang: #!not-lua"),
            (b"#!lua badger=data\n", "Unknown lua shebang option: badger=data"),
            (b"#!lua flags=allow-what\n", "Unexpected flag in script shebang: allow-what"),
        ] {
            assert_eq!(script_flags(body), Err(error.to_owned()));
        }
    }
}
