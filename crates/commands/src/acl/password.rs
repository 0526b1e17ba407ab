//! Passwords, of which only the SHA-256 is kept.
//!
//! Invariants: comparing takes the same time wherever the first difference is; `Debug` shows nothing.

use std::fmt;

use sha2::{Digest, Sha256};

/// The SHA-256 of a password.
#[derive(Clone, Copy)]
pub struct PasswordHash([u8; 32]);

impl PasswordHash {
    /// That of a password.
    pub fn of(password: &[u8]) -> PasswordHash {
        PasswordHash(Sha256::digest(password).into())
    }

    /// The hash that these 64 hexadecimal digits in lower case say.
    pub fn from_hex(digits: &[u8]) -> Option<PasswordHash> {
        let mut hash = [0; 32];
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != hash.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(PasswordHash(hash))
    }

    /// Its 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl PartialEq for PasswordHash {
    fn eq(&self, other: &PasswordHash) -> bool {
        self.0.iter().zip(other.0).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl Eq for PasswordHash {}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_goes_through_its_digits_and_back() {
        let hash = PasswordHash::of(b"passwd4");
        let digits = "34344e4d60c2b6d639b7bd22e18f2b0b91bc34bf0ac5f9952744435093cfb4e6";
        assert_eq!(hash.to_hex(), digits);
        assert_eq!(PasswordHash::from_hex(digits.as_bytes()), Some(hash));
        assert_ne!(PasswordHash::of(b"passwd5"), hash);
        for wrong in
            ["", &digits[1..], &digits.to_uppercase(), &digits.replace('6', "g"), &format!("{digits}0")]
        {
            assert_eq!(PasswordHash::from_hex(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(!format!("{hash:?}").contains("34344e"));
    }
}
