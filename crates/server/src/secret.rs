//! Secrets from files: read once, compared in constant time, never printed.
//!
//! Invariant: neither `Debug` nor any error of this module shows a byte of a secret.

use std::fmt;
use std::hint::black_box;
use std::path::Path;

use crate::ServeError;

/// The shortest secret that is accepted, in bytes; shorter ones can be guessed over a network.
pub const SECRET_BYTES_MIN: usize = 16;
/// The longest, so that a wrong path does not read a disk into memory.
pub const SECRET_BYTES_MAX: usize = 4096;

/// A shared secret or bearer token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret as it is.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads a secret from the file that the setting `name` gives, without the white space around it.
    ///
    /// # Errors
    /// If the file cannot be read, or holds something that is no secret: shorter than
    /// [`SECRET_BYTES_MIN`], longer than [`SECRET_BYTES_MAX`], or not one line of visible ASCII.
    pub fn read(name: &'static str, path: &Path) -> Result<Self, ServeError> {
        let wrong =
            |detail: &str| ServeError::SecretFile { name, detail: format!("{}: {detail}", path.display()) };
        let length = std::fs::metadata(path).map_err(|e| wrong(&e.to_string()))?.len();
        if length > SECRET_BYTES_MAX as u64 {
            return Err(wrong(&format!("longer than {SECRET_BYTES_MAX} bytes")));
        }
        let bytes = std::fs::read(path).map_err(|e| wrong(&e.to_string()))?;
        let text = bytes.trim_ascii();
        if text.len() < SECRET_BYTES_MIN {
            return Err(wrong(&format!("holds fewer than {SECRET_BYTES_MIN} characters")));
        }
        if !text.iter().all(u8::is_ascii_graphic) {
            return Err(wrong("must be one line of visible ASCII without spaces"));
        }
        Ok(Self(String::from_utf8_lossy(text).into_owned()))
    }

    /// The secret itself, for those who prove that they know it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `offered` is this secret, in a time that depends on the length of `offered` alone.
    #[must_use]
    pub fn matches(&self, offered: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let mut difference = u8::from(own.len() != offered.len());
        for (i, byte) in offered.iter().enumerate() {
            // Beyond the end it compares with zero, which no accepted secret holds; the length has decided.
            difference |= black_box(byte ^ own.get(i).copied().unwrap_or(0));
        }
        black_box(difference) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_match() {
        let secret = Secret::new("correct-horse-battery");
        assert!(secret.matches(b"correct-horse-battery"));
        for other in ["", "correct-horse-batterY", "correct-horse-batter", "correct-horse-battery-", "\0"] {
            assert!(!secret.matches(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("correct-horse-battery")), "Secret(…)");
    }

    #[test]
    fn files_are_trimmed_and_checked() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("token");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("writes");
            Secret::read("admin-token-file", &path)
        };
        assert_eq!(read("0123456789abcdef\n").expect("a secret").expose(), "0123456789abcdef");
        for wrong in
            ["", "short\n", "two words are no secret", "line-one-is-long\nline-two", "é23456789abcdef0123"]
        {
            let error = read(wrong).expect_err("refused").to_string();
            assert!(error.starts_with("admin-token-file: ") && error.contains("token"), "{error}");
            assert!(wrong.is_empty() || !error.contains(wrong.trim()), "{error}");
        }
        assert!(read(&"x".repeat(SECRET_BYTES_MAX + 1)).is_err());
    }
}
