//! What commands see of this node while it answers, and what it keeps of a script's doings.
//!
//! For: the counters of commands that scripts call, and the lines that they write to the log.
//! Leaves to others: the counters (`stats`). Invariant: only the node whose client asked counts and logs.
//!
//! Called by: the apply task, and connection tasks for scripts that only read.

use std::time::Instant;

use quorate_commands::{Answering, Args, Called, Command, Denied, LogLevel, Settings, User};

use super::acl_log::Context;
use super::{Client, Front};

/// Longest line of a script that is logged, in bytes, as in Redis.
const LINE_BYTES_MAX: usize = 1024;

/// The node, and the client whom it answers, where he is known.
#[derive(Debug)]
pub(crate) struct Answerer<'a> {
    pub(crate) front: &'a Front,
    pub(crate) client: Option<&'a Client>,
}

impl Answering for Answerer<'_> {
    fn settings(&self) -> &Settings {
        &self.front.node_settings
    }

    fn call(&self, command: &'static Command, run: &mut dyn FnMut() -> Called) {
        let start = Instant::now();
        match run() {
            Called::Rejected => self.front.stats.rejected(command),
            called => {
                let failed = called == Called::Failed;
                let stats = &self.front.stats;
                stats.called(stats.index(command), start.elapsed(), failed);
            }
        }
    }

    fn error(&self, text: &[u8]) {
        self.front.stats.error(text);
    }

    fn denied(&self, user: &User, denied: Denied, command: &'static Command, args: Args<'_>) {
        let client = self.client.map(|client| client.line(&self.front.stats).to_string());
        self.front.note_denied(Context::Lua, user.name(), denied, command, args, client.unwrap_or_default());
    }

    fn log(&self, level: LogLevel, line: &[u8]) {
        // Escaped: a script must not forge lines.
        let line = line.get(..LINE_BYTES_MAX).unwrap_or(line).escape_ascii();
        match level {
            LogLevel::Debug => tracing::trace!(target: "script", "{line}"),
            LogLevel::Verbose => tracing::debug!(target: "script", "{line}"),
            LogLevel::Notice => tracing::info!(target: "script", "{line}"),
            LogLevel::Warning => tracing::warn!(target: "script", "{line}"),
        }
    }
}
