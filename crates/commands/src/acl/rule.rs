//! Why a rule of `ACL SETUSER` is refused, and how rules that belong together are found.

/// Why a rule is refused, in Redis' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RuleError {
    #[error("Unknown command or category name in ACL")]
    Unknown,
    #[error("Syntax error")]
    Syntax,
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
         'resetkeys' to start with an empty list of patterns"
    )]
    PatternAfterAll,
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. \
         Try 'resetchannels' to start with an empty list of channels"
    )]
    ChannelAfterAll,
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    BadHash,
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgOfSubcommand,
}

/// True if C's `isspace` or a NUL is in it.
pub(super) fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0))
}

/// Rules, those of a selector in one piece: a parenthesis that is opened by one argument may be closed by a later one.
///
/// # Errors
/// One is never closed: the argument that opens it.
pub(super) fn merge<'a>(args: &[&'a [u8]]) -> Result<Vec<Vec<u8>>, &'a [u8]> {
    let mut rules = Vec::with_capacity(args.len());
    let mut open: Option<(Vec<u8>, &'a [u8])> = None;
    for arg in args {
        if arg.starts_with(b"(") && !arg.ends_with(b")") {
            open = Some((arg.to_vec(), arg));
        } else if let Some((mut selector, first)) = open.take() {
            selector.push(b' ');
            selector.extend_from_slice(arg);
            if arg.ends_with(b")") {
                rules.push(selector);
            } else {
                open = Some((selector, first));
            }
        } else {
            rules.push(arg.to_vec());
        }
    }
    match open {
        Some((_, first)) => Err(first),
        None => Ok(rules),
    }
}
