//! The listening side: takes connections, shakes hands, and gives each channel's requests to whom they belong.
//!
//! Each connection has a task that reads and one that writes. Requests in progress hold permits, so that neither they
//! nor their answers can pile up: with no permit left the connection is not read, and its sender waits.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream::BoxStream,
};
use quorate_storage::NodeId;
use tokio::{
    io::AsyncRead,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Channel, Connection, Inner, Listener, Peer, USER_KIND_MIN, link};
use crate::wire::{
    frame::{Class, Frame, FrameReader, Received},
    handshake::{self, Failure, Hello},
};

/// Pause after the operating system refused to take a connection, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Append messages of one stream that wait for Raft.
const APPEND_QUEUE_MAX: usize = 64;

/// What Raft does for its peers; the transport knows no message of it.
pub(crate) trait RaftService: Send + Sync + 'static {
    /// A request on [`Channel::Control`].
    fn control(&self, from: NodeId, kind: u8, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>>;
    /// A stream of append messages, answered in order; the flag says that a message was refused, which ends the stream.
    fn append(&self, messages: BoxStream<'static, Bytes>) -> BoxStream<'static, (Bytes, bool)>;
    /// A step of a snapshot transfer; one at a time per connection.
    fn snapshot(&self, from: NodeId, kind: u8, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>>;
}

/// How a forwarded batch is answered. Dropped without an answer, the connection is closed, so that the origin resends.
#[derive(Debug)]
pub struct ForwardAnswer {
    id: u64,
    answers: Option<mpsc::Sender<Frame>>,
    broken: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl ForwardAnswer {
    /// Answers. Does not block.
    pub fn send(mut self, body: Bytes) {
        if let Some(answers) = self.answers.take() {
            // There is room for as many answers as there are permits; otherwise the connection is gone.
            let _ = answers.try_send(Frame::new(Class::Answer, 0, self.id, body));
        }
    }
}

impl Drop for ForwardAnswer {
    fn drop(&mut self) {
        if self.answers.is_some() {
            self.broken.cancel();
        }
    }
}

/// Takes connections until the transport is closed.
pub(super) async fn listen(inner: Arc<Inner>, mut listener: Box<dyn Listener>) {
    let places = Arc::new(Semaphore::new(inner.options.connections_max));
    loop {
        let accepted = tokio::select! {
            () = inner.closed.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let connection = match accepted {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(%error, "a peer's connection cannot be taken");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(peer = %connection.peer, "too many connections of peers, one more is closed");
            continue;
        };
        let inner = Arc::clone(&inner);
        tokio::spawn(async move {
            let peer = connection.peer;
            if let Err(error) = serve(&inner, connection).await {
                tracing::debug!(%peer, %error, "a peer's connection ended");
            }
            drop(place);
        });
    }
}

async fn serve(inner: &Arc<Inner>, connection: Connection) -> io::Result<()> {
    let options = &inner.options;
    // A change of identity closes the connections that were accepted under the old one.
    let broken = inner.epoch().child_token();
    let _guard = broken.clone().drop_guard();
    let me = inner.identity();
    let mut stream = tokio::io::join(connection.reader, connection.writer);
    let shaking = handshake::accept(&mut stream, me, options.secret.as_deref(), |hello| judge(&me, hello));
    let (hello, channel, version) = match timeout(options.connect_timeout, shaking).await {
        Ok(Ok(accepted)) => accepted,
        Ok(Err(Failure::Io(error))) => return Err(error),
        Ok(Err(Failure::Rejected(reason))) => {
            if inner.refusals.is_news(&reason, Instant::now()) {
                tracing::info!(peer = %connection.peer, %reason, "a peer's connection is refused");
            }
            return Ok(());
        }
        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
    };
    let peer = Peer { identity: hello.from, addr: connection.peer, version };
    let (reader, writer) = stream.into_inner();
    // Room for an answer to each request in progress, so that giving one never waits.
    let (answers, frames) = mpsc::channel(options.inflight_max);
    tokio::spawn(link::write(writer, frames, broken.clone(), options.dead_after));
    let port = Port {
        inner: Arc::clone(inner),
        peer,
        answers,
        permits: Arc::new(Semaphore::new(options.inflight_max)),
        broken: broken.clone(),
        append: None,
    };
    let reader = FrameReader::new(reader, options.frame_bytes_max);
    tokio::select! {
        () = broken.cancelled() => Ok(()),
        ended = port.run(reader, channel) => ended,
    }
}

/// Whether a peer may open this channel.
fn judge(me: &super::PeerIdentity, hello: &Hello) -> Result<Channel, String> {
    let channel =
        Channel::from_byte(hello.channel).ok_or_else(|| format!("channel {} is unknown", hello.channel))?;
    if hello.to.0 != 0 && hello.to != me.node {
        return Err(format!("this is node {}, not {}", me.node, hello.to));
    }
    let formed = me.cluster != 0 && hello.from.cluster != 0;
    if formed && me.cluster != hello.from.cluster {
        return Err("this node belongs to another cluster".to_owned());
    }
    if channel != Channel::Admin && !(formed && hello.from.node.0 != 0) {
        return Err("only members of the cluster may open this channel".to_owned());
    }
    if formed && hello.from.node == me.node {
        return Err(format!("node {} is this node itself", me.node));
    }
    Ok(channel)
}

struct Port {
    inner: Arc<Inner>,
    peer: Peer,
    answers: mpsc::Sender<Frame>,
    permits: Arc<Semaphore>,
    broken: CancellationToken,
    /// The current append stream and where its messages go.
    append: Option<(u32, mpsc::Sender<(u64, Bytes)>)>,
}

impl Port {
    async fn run<R: AsyncRead + Unpin>(
        mut self,
        mut reader: FrameReader<R>,
        channel: Channel,
    ) -> io::Result<()> {
        loop {
            let next = timeout(self.inner.options.dead_after, reader.next()).await;
            let Some(received) = next.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? else {
                return Ok(());
            };
            if received.class != Class::Request {
                continue;
            }
            match channel {
                Channel::Append => self.append(received).await,
                Channel::Snapshot => self.snapshot(received).await,
                Channel::Forward => self.forward(received).await,
                Channel::Control | Channel::Admin => self.call(received, channel).await,
            }
        }
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed")
    }

    async fn call(&self, received: Received, channel: Channel) {
        let permit = self.permit().await;
        let Received { kind, id, body, .. } = received;
        let body = body.freeze();
        let result = if channel == Channel::Control && kind < USER_KIND_MIN {
            self.inner.raft().map(|raft| raft.control(self.peer.identity.node, kind, body))
        } else {
            self.inner.service().map(|service| service.call(self.peer, channel, kind, body))
        };
        let mut answering = match result {
            Some(answer) => answer,
            None => future::ready(Err(STARTING.to_owned())).boxed(),
        };
        // Most answers are there at once and are not worth a task.
        if let Some(answer) = (&mut answering).now_or_never() {
            let _ = self.answers.try_send(answer_frame(id, answer));
            return;
        }
        let (answers, broken) = (self.answers.clone(), self.broken.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = broken.cancelled() => {}
                answer = answering => { let _ = answers.try_send(answer_frame(id, answer)); }
            }
            drop(permit);
        });
    }

    async fn snapshot(&self, received: Received) {
        let Received { kind, id, body, .. } = received;
        let answer = match self.inner.raft() {
            Some(raft) => raft.snapshot(self.peer.identity.node, kind, body.freeze()).await,
            None => Err(STARTING.to_owned()),
        };
        let _ = self.answers.send(answer_frame(id, answer)).await;
    }

    async fn forward(&self, received: Received) {
        let permit = self.permit().await;
        let answer = ForwardAnswer {
            id: received.id,
            answers: Some(self.answers.clone()),
            broken: self.broken.clone(),
            _permit: permit,
        };
        match self.inner.service() {
            Some(service) => service.forward(self.peer, received.body, answer),
            // Dropping the answer closes the connection, and the origin tries again.
            None => drop(answer),
        }
    }

    /// Passes the message on to its stream. A stream that ended takes no more, until the sender starts a new one.
    async fn append(&mut self, received: Received) {
        // The upper half of the id is the stream, see `wire::message`.
        let stream = (received.id >> 32) as u32;
        if self.append.as_ref().is_none_or(|(current, _)| *current != stream) {
            let Some(raft) = self.inner.raft() else {
                self.broken.cancel();
                return;
            };
            let (sender, receiver) = mpsc::channel(APPEND_QUEUE_MAX);
            tokio::spawn(answer_appends(raft, receiver, self.answers.clone(), self.broken.clone()));
            self.append = Some((stream, sender));
        }
        if let Some((_, messages)) = &self.append {
            // Fails if the stream ended: what follows a refused message is stale.
            let _ = messages.send((received.id, received.body.freeze())).await;
        }
    }
}

const STARTING: &str = "this node is starting";

fn answer_frame(id: u64, answer: Result<Bytes, String>) -> Frame {
    match answer {
        Ok(body) => Frame::new(Class::Answer, 0, id, body),
        Err(reason) => Frame::new(Class::Error, 0, id, reason.into()),
    }
}

/// Gives Raft the messages of one stream and sends its answers. If Raft stops answering although nothing was refused, it
/// has failed, and the sender must not wait for it.
async fn answer_appends(
    raft: Arc<dyn RaftService>,
    messages: mpsc::Receiver<(u64, Bytes)>,
    answers: mpsc::Sender<Frame>,
    broken: CancellationToken,
) {
    let (ids, mut ids_of_answers) = mpsc::channel(2 * APPEND_QUEUE_MAX);
    let replaced = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&replaced);
    let bodies =
        futures_util::stream::unfold((messages, ids, ended), |(mut messages, ids, ended)| async move {
            let Some((id, body)) = messages.recv().await else {
                ended.store(true, Ordering::Release);
                return None;
            };
            // Fails if nobody answers any more, which ends the stream.
            ids.send(id).await.ok()?;
            Some((body, (messages, ids, ended)))
        });
    let mut results = raft.append(bodies.boxed());
    loop {
        let answer = tokio::select! {
            () = broken.cancelled() => return,
            answer = results.next() => answer,
        };
        let Some((body, is_refused)) = answer else { break };
        let Some(id) = ids_of_answers.recv().await else { break };
        if answers.send(Frame::new(Class::Answer, 0, id, body)).await.is_err() || is_refused {
            return;
        }
    }
    if !replaced.load(Ordering::Acquire) {
        broken.cancel();
    }
}

impl Channel {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Append,
            2 => Self::Control,
            3 => Self::Snapshot,
            4 => Self::Forward,
            5 => Self::Admin,
            _ => return None,
        })
    }
}
