//! What commands see of this node while it answers, and what it keeps of a client's request besides its reply.
//!
//! For: the counters of commands that scripts call, the lines that they write to the log, the keys that they read for
//! clients that track, what monitors see of them; requests that took long.
//! Leaves to others: the counters (`stats`), who tracks and who watches (`crate::messages`), the slow log (`slowlog`).
//! Invariant: only the node whose client asked counts and logs, and nothing of it reaches the state.
//!
//! Called by: the apply task, and connection tasks for scripts that only read.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_commands::{Answering, Args, Called, Command, Denied, Flag, LogLevel, Settings, User};
use quorate_keyspace::DbIndex;

use super::acl_log::Context;
use super::monitor::{self, Speaker};
use super::tracking::read_keys;
use super::{Client, Front, Tunables};

/// Longest line of a script that is logged, in bytes, as in Redis.
const LINE_BYTES_MAX: usize = 1024;

/// The node as the requests of one client see it.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) front: &'a Front,
    /// Who asks, if a client of this node does.
    pub(crate) client: Option<Arc<Client>>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(front: &'a Front, client: Option<Arc<Client>>) -> Asked<'a> {
        Asked { front, client }
    }
}

impl Front {
    /// Notes a request that took long to run.
    pub(crate) fn note_if_slow(
        &self,
        tunables: &Tunables,
        client: &Client,
        command: &Command,
        took: Duration,
        args: &[&[u8]],
    ) {
        let is_slow = tunables.slow.is_some_and(|slow| took >= slow);
        if is_slow && !command.flags.has(Flag::SkipSlowlog) {
            let args = command.hidden.shown(Args::new(args));
            let (addr, name) = (&client.origin.addr, client.name());
            self.slowlog.note(tunables.slow_entries_max, took, args.into_iter(), addr, name);
        }
    }
}

impl Answering for Asked<'_> {
    fn settings(&self) -> &Settings {
        &self.front.node_settings
    }

    fn call(&self, command: &'static Command, run: &mut dyn FnMut() -> Called) {
        let (stats, start) = (&self.front.stats, Instant::now());
        match run() {
            Called::Rejected => stats.rejected(command),
            called => stats.called(stats.index(command), start.elapsed(), called == Called::Failed),
        }
    }

    fn begins(&self, db: DbIndex, command: &'static Command, args: Args<'_>) {
        let Front { post, .. } = self.front;
        if !post.monitors.is_empty() && monitor::may_show(command) && !command.flags.has(Flag::SkipMonitor) {
            let line = monitor::line(db, Speaker::Script, command, args.from(0));
            post.monitors.tell(&line, &self.front.tunables().output_limits);
        }
        let Some(client) = self.client.as_deref() else { return };
        if client.keeps_script_reads.load(Relaxed) {
            let keys: Vec<Bytes> = read_keys(command, args);
            if !keys.is_empty() {
                let tunables = self.front.tunables();
                post.tracking.remember(client.id, &keys, tunables.tracked_keys_max, &tunables.output_limits);
            }
        }
    }

    fn error(&self, text: &[u8]) {
        self.front.stats.error(text);
    }

    fn denied(&self, user: &User, denied: Denied, command: &'static Command, args: Args<'_>) {
        let client = self.client.as_ref().map(|client| client.line(&self.front.stats).to_string());
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
