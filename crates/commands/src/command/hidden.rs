//! Arguments that are shown to nobody but the command: passwords, and what tells of users.
//!
//! For: `SLOWLOG` and `MONITOR`. Leaves to others: not showing commands of administrators at all (`MONITOR`).
//! Invariant: what Redis shows as `(redacted)` is hidden here, in whatever case and order it is sent.

use crate::Args;
use crate::settings::is_secret;

/// What is shown in the place of a hidden argument.
const REDACTED: &[u8] = b"(redacted)";

/// Which arguments of a command are hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// None.
    None,
    /// All from this one on.
    From(usize),
    /// The user and the password behind the word `AUTH`.
    Credentials,
    /// The values of settings that are secrets.
    Secrets,
}

impl Hidden {
    /// The arguments as others may see them.
    pub fn shown<'a>(self, args: Args<'a>) -> Vec<&'a [u8]> {
        let mut shown = args.from(0).to_vec();
        match self {
            Hidden::None => {}
            Hidden::From(first) => shown.iter_mut().skip(first).for_each(|arg| *arg = REDACTED),
            Hidden::Credentials => {
                if let Some(at) = (1..args.len()).find(|at| args.is(*at, "AUTH")) {
                    shown.iter_mut().skip(at + 1).take(2).for_each(|arg| *arg = REDACTED);
                }
            }
            Hidden::Secrets => {
                for at in (2..args.len()).step_by(2).filter(|at| is_secret(args.at(*at))) {
                    shown.iter_mut().skip(at + 1).take(1).for_each(|arg| *arg = REDACTED);
                }
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_covered_wherever_they_stand() {
        for (hidden, request, expected) in [
            (Hidden::None, "GET key", "GET key"),
            (Hidden::From(1), "AUTH user pass", "AUTH (redacted) (redacted)"),
            (Hidden::Credentials, "HELLO 3", "HELLO 3"),
            (
                Hidden::Credentials,
                "HELLO 3 auth u p SETNAME n",
                "HELLO 3 auth (redacted) (redacted) SETNAME n",
            ),
            (Hidden::Credentials, "HELLO 3 AUTH u", "HELLO 3 AUTH (redacted)"),
            (Hidden::Secrets, "CONFIG SET a 1 RequirePass p", "CONFIG SET a 1 RequirePass (redacted)"),
            (Hidden::Secrets, "CONFIG SET masteruser", "CONFIG SET masteruser"),
        ] {
            let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            let shown = hidden.shown(Args::new(&args)).join(&b' ');
            assert_eq!(String::from_utf8_lossy(&shown), expected);
        }
    }
}
