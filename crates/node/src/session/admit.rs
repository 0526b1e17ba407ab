//! Whether a request may run now, and the errors of those that may not.
//!
//! For: what Redis checks of every request before it runs: its name, arity, authentication, permissions, the
//! transaction that it is in, the memory limit. Leaves to others: running it (`execute`).
//!
//! Invariant: a request that is refused inside a transaction makes `EXEC` refuse the whole of it.

use quorate_commands::{Args, Command, Error, Flag, Route, SessionCommand};

use super::backend::{Admission, Backend};
use super::{REMOVED, Session};

const NOT_IN_MULTI: &str = "ERR Command not allowed inside a transaction";

impl<B: Backend> Session<B> {
    /// Finds a request's command and checks whether it may run now; no error asks for the connection's end.
    pub(super) fn admit(&self, args: Args<'_>) -> Result<&'static Command, Option<Error>> {
        let unauthenticated = self.must_authenticate();
        let command = match quorate_commands::resolve(args) {
            Ok(command) => command,
            Err(Error::UnknownCommand { .. }) if is_http(&args[0]) => return Err(None),
            Err(Error::Unsupported(_)) if unauthenticated => return Err(Some(no_auth())),
            Err(error) => return Err(Some(error)),
        };
        if unauthenticated && !command.flags.has(Flag::NoAuth) {
            return Err(Some(no_auth()));
        }
        if self.multi.is_open() && command.flags.has(Flag::NoMulti) {
            return Err(Some(Error::text(NOT_IN_MULTI)));
        }
        if self.restricted {
            self.check_permission(command, args)?;
        }
        self.check_listening(command).map_err(Some)?;
        match self.backend.admission() {
            Admission::Open | Admission::Draining => Ok(command),
            Admission::Loading | Admission::Removed if self.runs_while_loading(command) => Ok(command),
            Admission::Loading => Err(Some(Error::text("LOADING Redis is loading the dataset in memory"))),
            Admission::Removed => Err(Some(Error::text(REMOVED))),
            Admission::OutOfMemory if self.needs_memory(command) => {
                Err(Some(Error::text("OOM command not allowed when used memory > 'maxmemory'.")))
            }
            Admission::OutOfMemory => Ok(command),
        }
    }

    /// Answers a request that does not run.
    pub(super) fn reject(&mut self, args: Args<'_>, error: &Error, silent: bool) {
        let mut text = error.to_string();
        if let Some(container) = quorate_commands::lookup(&args[0]) {
            let sub = args.get(1).and_then(|name| container.subcommand(name));
            self.backend.front().stats.rejected(sub.unwrap_or(container));
            if is_exec(container) {
                let reason = text.strip_prefix("ERR ").unwrap_or(&text);
                text = format!("EXECABORT Transaction discarded because of: {reason}");
                self.discard();
            }
        }
        self.multi.refuse();
        self.backend.front().stats.error(text.as_bytes());
        self.ready(silent, |reply| reply.error(&text));
    }

    /// Whether a command is refused while the memory limit is reached.
    fn needs_memory(&self, command: &Command) -> bool {
        use SessionCommand::{Discard, Exec, Quit, Reset};
        match command.route {
            Route::Session(Exec) => self.multi.has(|queued| queued.flags.has(Flag::DenyOom)),
            Route::Session(Discard | Quit | Reset) => false,
            // What is queued takes memory, whatever it does.
            _ => command.flags.has(Flag::DenyOom) || self.multi.is_open(),
        }
    }

    /// Whether a command is served before the data is there.
    fn runs_while_loading(&self, command: &Command) -> bool {
        let fits = |command: &Command| command.flags.has(Flag::Loading);
        fits(command) && !(is_exec(command) && self.multi.has(|queued| !fits(queued)))
    }
}

/// Whether it ends a transaction by running it.
pub(super) fn is_exec(command: &Command) -> bool {
    matches!(command.route, Route::Session(SessionCommand::Exec))
}

fn no_auth() -> Error {
    Error::text("NOAUTH Authentication required.")
}

/// The first word of an HTTP request, sent by a browser that was lured into it.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}
