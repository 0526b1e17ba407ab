//! Transactions of the typed client: all commands at one point of the log, if what was watched is as it was.
//!
//! For: `MULTI … EXEC` and `WATCH` for programs that embed a node, with a connection that nobody else uses meanwhile.
//! Leaves to others: what a transaction promises (`docs/consistency.md`), the session that runs it.
//!
//! Invariant: a watch that is dropped leaves no watched key behind: its session goes with it.

use std::collections::VecDeque;

use quorate_resp::{Request, Value};
use tokio::sync::MutexGuard;

use super::{Client, ClientError, ask};
use crate::node::Node;
use crate::session::Session;

/// Keys that were watched: what follows on it runs on one connection, up to [`Watch::commit`].
pub struct Watch<'a> {
    /// `None` once its outcome is unknown.
    session: MutexGuard<'a, Option<Session<Node>>>,
    /// The session has forgotten the keys.
    is_over: bool,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Client {
    /// Runs commands as one transaction: all of them at one point of the log with nothing in between, or none. Their
    /// replies; one may be an error, which stops none of the others.
    ///
    /// # Errors
    /// See [`ClientError`]; an error reply means that none has run.
    pub async fn transaction<C, A>(&self, commands: C) -> Result<Vec<Value>, ClientError>
    where
        C: IntoIterator<Item: IntoIterator<Item = A>>,
        A: AsRef<[u8]>,
    {
        let mut session = self.session.lock().await;
        if session.is_none() {
            *session = Some(self.open().await);
        }
        run(&mut session, commands).await?.ok_or(ClientError::Type("nothing, though nothing is watched"))
    }

    /// Watches keys: [`Watch::commit`] does nothing if any of them has changed by then, wherever it was changed. Other
    /// users of this client wait; clones do not.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn watch<A: AsRef<[u8]>>(&self, keys: &[A]) -> Result<Watch<'_>, ClientError> {
        let mut session = self.session.lock().await;
        if session.is_none() {
            *session = Some(self.open().await);
        }
        let mut watch = Watch { session, is_over: false };
        let args: Vec<&[u8]> =
            std::iter::once(b"WATCH".as_slice()).chain(keys.iter().map(AsRef::as_ref)).collect();
        watch.execute(&args).await?;
        Ok(watch)
    }
}

impl Watch<'_> {
    /// Runs any command ahead of the transaction, as a rule one that reads.
    ///
    /// # Errors
    /// See [`ClientError`]; an error reply is one.
    pub async fn execute<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Value, ClientError> {
        let request = Request::from_args(args.iter().map(AsRef::as_ref));
        let mut replies = ask(&mut self.session, VecDeque::from([request])).await?;
        match replies.pop() {
            Some(Value::Error(text)) => Err(ClientError::reply(&text)),
            Some(reply) => Ok(reply),
            None => Err(ClientError::Unknown),
        }
    }

    /// Runs commands as one transaction if no watched key has changed; nothing, and `None`, if one has.
    ///
    /// # Errors
    /// See [`ClientError`]; an error reply means that none has run.
    pub async fn commit<C, A>(mut self, commands: C) -> Result<Option<Vec<Value>>, ClientError>
    where
        C: IntoIterator<Item: IntoIterator<Item = A>>,
        A: AsRef<[u8]>,
    {
        let result = run(&mut self.session, commands).await;
        self.is_over = true;
        result
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            *self.session = None;
        }
    }
}

async fn run<C, A>(
    session: &mut Option<Session<Node>>,
    commands: C,
) -> Result<Option<Vec<Value>>, ClientError>
where
    C: IntoIterator<Item: IntoIterator<Item = A>>,
    A: AsRef<[u8]>,
{
    let mut requests = VecDeque::from([Request::from_args(["MULTI"])]);
    requests.extend(commands.into_iter().map(Request::from_args));
    requests.push_back(Request::from_args(["EXEC"]));
    let replies = ask(session, requests).await?;
    // The first error says why nothing has run; that of EXEC only says that there was one.
    let errors = replies.iter().find_map(|reply| match reply {
        Value::Error(text) => Some(ClientError::reply(text)),
        _ => None,
    });
    match (errors, replies.into_iter().last()) {
        (Some(error), _) => Err(error),
        (None, Some(Value::Array(replies))) => Ok(Some(replies)),
        (None, _) => Ok(None),
    }
}
