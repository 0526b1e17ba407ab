//! `MONITOR`: every command that clients of this node have run, as Redis writes it.
//!
//! For: the lines, and what is left out of them. Leaves to others: who gets them (`crate::messages`), and where a
//! password is (`quorate_commands::Hidden`). What a script calls is shown on the node whose client has asked for it.
//! Invariant: no password is ever shown.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use quorate_commands::{Args, Command, Flag, Route, SessionCommand};
use quorate_keyspace::DbIndex;
use quorate_resp::Request;

use super::backend::Backend;
use super::server::unix_time;
use super::{Client, Session};
use crate::messages::Post;

/// A connection that watches. Its end is the end of that.
#[derive(Debug)]
pub(super) struct Watching {
    client: u64,
    post: Arc<Post>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.post.monitors.leave(self.client);
    }
}

impl<B: Backend> Session<B> {
    pub(super) fn monitor(&mut self) {
        if self.watching.is_none() {
            let post = Arc::clone(&self.backend.front().post);
            post.monitors.enter(self.client.handle());
            self.client.show_monitoring(true);
            self.watching = Some(Watching { client: self.client.id, post });
        }
        self.reply.ok();
    }

    /// Tells of a request that is about to run.
    pub(super) fn show_to_monitors(&self, command: &Command, request: &Request) {
        let front = self.backend.front();
        if front.post.monitors.is_empty() {
            return;
        }
        let is_exec = matches!(command.route, Route::Session(SessionCommand::Exec));
        if is_exec && self.multi.is_open() {
            for (command, request) in self.multi.queued() {
                self.tell_monitors(command, request);
            }
        }
        self.tell_monitors(command, request);
    }

    fn tell_monitors(&self, command: &Command, request: &Request) {
        if may_show(command) {
            let args: Vec<&[u8]> = request.args().collect();
            let line = line(self.db, Speaker::Client(&self.client), command, &args);
            self.backend.front().post.monitors.tell(&line, &self.tunables.output_limits);
        }
    }
}

/// Who has asked for a command.
pub(super) enum Speaker<'a> {
    Client(&'a Client),
    Script,
}

/// Whether a command may be shown at all.
pub(super) fn may_show(command: &Command) -> bool {
    !command.flags.has(Flag::Admin)
}

/// What monitors are told of a request.
pub(super) fn line(db: DbIndex, speaker: Speaker<'_>, command: &Command, args: &[&[u8]]) -> Bytes {
    let now = unix_time();
    let addr = match speaker {
        Speaker::Script => "lua".to_owned(),
        Speaker::Client(client) => match client.origin.addr.strip_suffix(":0") {
            Some(path) if client.origin.unix => format!("unix:{path}"),
            _ => client.origin.addr.clone(),
        },
    };
    let mut line = format!("+{}.{:06} [{db} {addr}]", now.as_secs(), now.subsec_micros());
    for arg in command.hidden.shown(Args::new(args)) {
        line.push(' ');
        write_quoted(&mut line, arg);
    }
    line.push_str("\r\n");
    Bytes::from(line)
}

/// Writes an argument between quotes, with escapes for what is not printable.
fn write_quoted(line: &mut String, arg: &[u8]) {
    line.push('"');
    for &byte in arg {
        match byte {
            b'\\' | b'"' => {
                line.push('\\');
                line.push(char::from(byte));
            }
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            0x07 => line.push_str("\\a"),
            0x08 => line.push_str("\\b"),
            b' '..=b'~' => line.push(char::from(byte)),
            _ => write!(line, "\\x{byte:02x}").expect("a string takes everything"),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_as_redis_does() {
        for (arg, expected) in [
            (&b"plain text"[..], r#""plain text""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"\n\r\t\x07\x08\x00\xff", r#""\n\r\t\a\b\x00\xff""#),
        ] {
            let mut line = String::new();
            write_quoted(&mut line, arg);
            assert_eq!(line, expected);
        }
    }
}
