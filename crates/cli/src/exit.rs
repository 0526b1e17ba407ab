//! Exit statuses, the same for all commands.

use std::fmt;

/// What the exit status tells a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// Something failed; the message says what.
    Failed = 1,
    /// The command line or the settings are wrong. (clap uses the same.)
    Usage = 2,
    /// The cluster refused: unsafe without force, no such node, wrong token.
    Refused = 3,
    /// Nobody can be reached, there is no leader or no quorum, or it is not the time; try again later.
    Unavailable = 4,
    /// No answer in time: whether it took effect is seen in the status.
    Unknown = 5,
}

/// What help says of exit statuses.
pub(crate) const HELP: &str = "\
Exit status:
  0  done
  1  failed
  2  wrong command line or settings
  3  refused by the cluster (unsafe without --force, no such node, wrong token)
  4  not now: no node reached, no leader or quorum, busy; try again later
  5  no answer in time: the status tells whether it took effect";

/// Why a command ends, and with which status.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) reason: anyhow::Error,
    /// Whether the reason has been told already, as JSON or as part of the output.
    pub(crate) said: bool,
}

impl Failure {
    pub(crate) fn new(code: Code, reason: anyhow::Error) -> Self {
        Self { code, reason, said: false }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.reason)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(reason: anyhow::Error) -> Self {
        Self::new(Code::Failed, reason)
    }
}
