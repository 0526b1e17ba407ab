//! A typed client inside the process: a session without a socket.
//!
//! Reads and writes have the same promises as over a socket (`docs/consistency.md`); clones are
//! connections of their own, so tasks need not wait for each other.
//!
//! Called by: programs that embed a node, and the admin API's settings.

mod transaction;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quorate_resp::{Request, Value};
use tokio::sync::Mutex;

pub use self::transaction::Watch;
use crate::node::Node;
use crate::session::{ClientOrigin, Flow, ReadMode, Session};

/// Why a command has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The command was answered with an error: it had no effect. The text starts with Redis' code.
    #[error("{0}")]
    Reply(String),
    /// The command may or may not have taken effect, now or later.
    #[error("the outcome of the command is unknown")]
    Unknown,
    /// The reply is of another type than asked for, as for `get` of something else than a string.
    #[error("the reply is {0}, not what was asked for")]
    Type(&'static str),
}

impl ClientError {
    fn reply(text: &[u8]) -> ClientError {
        ClientError::Reply(String::from_utf8_lossy(text).into_owned())
    }

    /// Whether the same command may be sent again without fear of a second effect.
    pub fn had_no_effect(&self) -> bool {
        matches!(self, ClientError::Reply(_))
    }
}

/// A connection to the node in the same process.
pub struct Client {
    node: Arc<Node>,
    /// `None` after an unknown outcome: the next command opens a new session.
    session: Mutex<Option<Session<Node>>>,
}

impl Clone for Client {
    fn clone(&self) -> Client {
        Client { node: self.node.clone(), session: Mutex::new(None) }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Node {
    /// A client of this node that needs no socket.
    pub fn client(&self) -> Client {
        Client { node: Arc::new(self.clone()), session: Mutex::new(None) }
    }
}

impl Client {
    /// Runs any command.
    ///
    /// # Errors
    /// See [`ClientError`]; an error reply is one.
    pub async fn execute<A: AsRef<[u8]>>(&self, args: &[A]) -> Result<Value, ClientError> {
        let request = Request::from_args(args.iter().map(AsRef::as_ref));
        let mut session = self.session.lock().await;
        if session.is_none() {
            *session = Some(self.open().await);
        }
        match ask(&mut session, VecDeque::from([request])).await?.pop() {
            Some(Value::Error(text)) => Err(ClientError::reply(&text)),
            Some(value) => Ok(value),
            None => Err(ClientError::Unknown),
        }
    }

    async fn open(&self) -> Session<Node> {
        let origin = ClientOrigin { local: true, fd: -1, ..ClientOrigin::default() };
        let mut session = Session::new(self.node.clone(), origin);
        session.trust();
        session.set_read_mode(ReadMode::Index);
        let mut hello = VecDeque::from([Request::from_args([&b"HELLO"[..], b"3"])]);
        let _greeting = session.execute(&mut hello).await;
        let _greeting = session.take_output();
        session
    }

    /// The string at a key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, ClientError> {
        match self.execute(&[b"GET", key.as_ref()]).await? {
            Value::Bulk(bytes) => Ok(Some(bytes)),
            Value::Null => Ok(None),
            _ => Err(ClientError::Type("no string")),
        }
    }

    /// Sets a key to a string.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), ClientError> {
        self.execute(&[b"SET", key.as_ref(), value.as_ref()]).await.map(drop)
    }

    /// Sets a key to a string that expires.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_for(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> Result<(), ClientError> {
        let millis = ttl.as_millis().to_string();
        self.execute(&[b"SET", key.as_ref(), value.as_ref(), b"PX", millis.as_bytes()]).await.map(drop)
    }

    /// Adds to the number at a key, and returns it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn incr(&self, key: impl AsRef<[u8]>, by: i64) -> Result<i64, ClientError> {
        let by = by.to_string();
        match self.execute(&[b"INCRBY", key.as_ref(), by.as_bytes()]).await? {
            Value::Integer(value) => Ok(value),
            _ => Err(ClientError::Type("no integer")),
        }
    }

    /// Takes the first element of the first of these lists that has one, and waits for one for so long; with it comes
    /// its list. None if nothing has come in time.
    ///
    /// First come first served over the whole cluster. While it waits, other commands of this client wait as well: a
    /// clone is a connection of its own. Whoever drops the future waits no longer; an element that is given to it in
    /// that moment is lost with it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn blpop(
        &self,
        keys: &[impl AsRef<[u8]>],
        wait: Option<Duration>,
    ) -> Result<Option<(Bytes, Bytes)>, ClientError> {
        // Zero is for ever to Redis, and for no time at all here.
        let seconds = wait.map_or(0.0, |wait| wait.as_secs_f64().max(0.001)).to_string();
        let mut args: Vec<&[u8]> = vec![b"BLPOP"];
        args.extend(keys.iter().map(AsRef::as_ref));
        args.push(seconds.as_bytes());
        match self.execute(&args).await? {
            Value::Null => Ok(None),
            Value::Array(parts) => match <[Value; 2]>::try_from(parts) {
                Ok([Value::Bulk(key), Value::Bulk(element)]) => Ok(Some((key, element))),
                _ => Err(ClientError::Type("no element of a list")),
            },
            _ => Err(ClientError::Type("no element of a list")),
        }
    }

    /// Removes a key; whether it was there.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn del(&self, key: impl AsRef<[u8]>) -> Result<bool, ClientError> {
        match self.execute(&[b"DEL", key.as_ref()]).await? {
            Value::Integer(removed) => Ok(removed > 0),
            _ => Err(ClientError::Type("no integer")),
        }
    }
}

/// Runs requests on a session; a reply for each. Afterwards there is none where it cannot be used any more.
async fn ask(
    place: &mut Option<Session<Node>>,
    mut requests: VecDeque<Request>,
) -> Result<Vec<Value>, ClientError> {
    // Taken out while it works: a dropped future leaves no half-done session behind.
    let mut session = place.take().ok_or(ClientError::Unknown)?;
    let asked = requests.len();
    let mut buffer = BytesMut::new();
    let flow = loop {
        let flow = session.execute(&mut requests).await;
        session.take_output().iter().for_each(|piece| buffer.extend_from_slice(piece));
        if flow != Flow::More {
            break flow;
        }
    };
    if flow == Flow::Continue {
        *place = Some(session);
    }
    let mut replies = Vec::with_capacity(asked);
    while let Ok(Some(reply)) = Value::decode(&mut buffer) {
        replies.push(reply);
    }
    if replies.len() == asked { Ok(replies) } else { Err(ClientError::Unknown) }
}
