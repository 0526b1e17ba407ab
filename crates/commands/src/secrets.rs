//! Arguments that nobody but their client may see.
//!
//! For: whoever shows requests to others, as `MONITOR` and the slow log do. Leaves to others: settings whose values
//! are never shown ([`crate::Settings`]). Invariant: no password gets past [`Command::redacted`].

use crate::Command;
use crate::settings::is_secret;

/// What is shown in the place of a secret.
const REDACTED: &[u8] = b"(redacted)";

/// Where a command's secrets are.
#[derive(Debug, Clone, Copy)]
pub enum Secrets {
    /// It has none.
    None,
    /// All arguments from this one on.
    From(usize),
    /// So many arguments behind each of these words.
    Behind(&'static [(&'static str, usize)]),
    /// The values of those settings that are secret; pairs of name and value begin at the third argument.
    Settings,
}

impl Command {
    /// A request's arguments as others may see them.
    pub fn redacted<'a>(&self, args: &[&'a [u8]]) -> Vec<&'a [u8]> {
        let mut shown = args.to_vec();
        let mut hide = |from: usize, count: usize| {
            shown.iter_mut().skip(from).take(count).for_each(|arg| *arg = REDACTED);
        };
        match self.secrets {
            Secrets::None => {}
            Secrets::From(first) => hide(first, args.len()),
            Secrets::Behind(words) => {
                for (i, arg) in args.iter().enumerate().skip(1) {
                    for (word, count) in words {
                        if arg.eq_ignore_ascii_case(word.as_bytes()) {
                            hide(i + 1, *count);
                        }
                    }
                }
            }
            Secrets::Settings => {
                for (i, name) in args.iter().enumerate().skip(2).step_by(2) {
                    if is_secret(name) {
                        hide(i + 1, 1);
                    }
                }
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use crate::lookup;

    #[test]
    fn secrets_are_hidden_and_nothing_else() {
        for (request, expected) in [
            ("SET AUTH v", "SET AUTH v"),
            ("AUTH secret", "AUTH (redacted)"),
            ("AUTH user secret", "AUTH (redacted) (redacted)"),
            ("HELLO 3 auth user secret SETNAME me", "HELLO 3 auth (redacted) (redacted) SETNAME me"),
            ("HELLO 3 AUTH user", "HELLO 3 AUTH (redacted)"),
            (
                "CONFIG SET timeout 1 requirepass secret maxclients 9",
                "CONFIG SET timeout 1 requirepass (redacted) maxclients 9",
            ),
            ("config set masterauth secret", "config set masterauth (redacted)"),
            ("ACL SETUSER me on >secret", "ACL SETUSER (redacted) (redacted) (redacted)"),
            ("MIGRATE host 1 k 0 9 AUTH secret", "MIGRATE host 1 k 0 9 AUTH (redacted)"),
            ("MIGRATE h 1 k 0 9 AUTH2 me secret KEYS", "MIGRATE h 1 k 0 9 AUTH2 (redacted) (redacted) KEYS"),
        ] {
            let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            let row = lookup(args[0]).expect("a command that there is");
            let command = row.subcommand(args[1]).unwrap_or(row);
            let expected: Vec<&[u8]> = expected.split(' ').map(str::as_bytes).collect();
            assert_eq!(command.redacted(&args), expected, "{request}");
        }
    }
}
