//! What the node that answers is told of a script's run.
//!
//! For: its counters of commands and errors, and its log. Leaves to others: all that matters to the data.
//! Invariant: an error that a script passes on as its own reply is not counted here: whoever counts replies does it.

use bytes::Bytes;
use quorate_keyspace::DbIndex;
use quorate_resp::Value;
use quorate_script::LogLevel;

use crate::{Answering, Args, Called, Command, Denied, Error, User};

pub(super) struct Tally<'a> {
    node: Option<&'a dyn Answering>,
    /// The last error that a call was answered: it may become the reply.
    last_error: Option<Bytes>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(node: Option<&'a dyn Answering>) -> Tally<'a> {
        Tally { node, last_error: None }
    }

    /// Runs a command, and counts it.
    pub(super) fn called(
        &mut self,
        db: DbIndex,
        command: &'static Command,
        args: Args<'_>,
        run: impl FnOnce() -> Value,
    ) -> Value {
        let Some(node) = self.node else { return run() };
        node.begins(db, command, args);
        let (mut run, mut answer) = (Some(run), None);
        node.call(command, &mut || {
            let value = run.take().expect("a node runs what it counts once")();
            let called = if matches!(value, Value::Error(_)) { Called::Failed } else { Called::Done };
            answer = Some(value);
            called
        });
        let answer = answer.expect("a node runs what it counts");
        if let Value::Error(text) = &answer {
            self.note(text.clone());
        }
        answer
    }

    /// Counts a command that is not run.
    pub(super) fn refused(&mut self, command: Option<&'static Command>, error: &Error) -> Value {
        let text = Bytes::from(error.to_string());
        if let Some(node) = self.node {
            if let Some(command) = command {
                node.call(command, &mut || Called::Rejected);
            }
            self.note(text.clone());
        }
        Value::Error(text)
    }

    /// Counts a command that the user of the script may not run.
    pub(super) fn denied(
        &mut self,
        user: Option<&User>,
        denied: Denied,
        command: &'static Command,
        args: Args<'_>,
    ) -> Value {
        let Some(user) = user else { unreachable!("only a user can be denied something") };
        if let Some(node) = self.node {
            node.denied(user, denied, command, args);
        }
        let text = denied.text(user, command, args, false);
        self.refused(Some(command), &Error::text(format!("NOPERM ACL failure in script: {text}")))
    }

    pub(super) fn log(&self, level: LogLevel, line: &[u8]) {
        if let Some(node) = self.node {
            node.log(level, line);
        }
    }

    /// The run is over, and this is its reply.
    pub(super) fn finish(mut self, reply: &[u8]) {
        let is_reply = |text: &Bytes| reply.strip_prefix(b"-").is_some_and(|line| line.starts_with(text));
        if !self.last_error.as_ref().is_some_and(is_reply) {
            self.tell();
        }
    }

    fn note(&mut self, text: Bytes) {
        self.tell();
        self.last_error = Some(text);
    }

    fn tell(&mut self) {
        if let (Some(node), Some(text)) = (self.node, self.last_error.take()) {
            node.error(&text);
        }
    }
}
