//! The connecting side of one connection: a queue, a task that writes and one that reads.
//!
//! A link breaks once, for good: when the connection fails, when the peer is silent for too long, when it sends what it
//! must not, or when the last handle is dropped. Everything that waits on it fails then.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_storage::NodeId;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{CallError, Channel, Net, PeerIdentity, TransportOptions};
use crate::wire::{
    frame::{self, Class, Frame, FrameReader, Received},
    handshake::{self, Failure},
};

/// Frames and bytes that one write takes from the queue at most.
pub(super) const WRITE_FRAMES_MAX: usize = 64;
pub(super) const WRITE_BYTES_MAX: usize = 1 << 20;

type Answer = Result<Bytes, CallError>;

/// Who waits for which answer; nothing once the link broke.
type Pending = Arc<Mutex<Option<BTreeMap<u64, oneshot::Sender<Answer>>>>>;

/// Where the answers of a link go.
enum Sink {
    /// Each to whoever asked.
    Calls(Pending),
    /// All to one receiver, in order of arrival.
    Stream(mpsc::Sender<Received>),
}

/// A connection to a peer. Clones share it.
#[derive(Clone)]
pub(crate) struct Link {
    queue: mpsc::Sender<Frame>,
    shared: Arc<Shared>,
}

struct Shared {
    peer: String,
    broken: CancellationToken,
    pending: Pending,
    next_id: AtomicU64,
    inflight_max: usize,
    frame_bytes_max: usize,
    /// Ends the tasks with the last handle.
    _guard: DropGuard,
}

/// Whom to connect to, and as whom.
pub(crate) struct Target {
    pub(crate) addr: String,
    pub(crate) node: NodeId,
    pub(crate) channel: Channel,
    pub(crate) from: PeerIdentity,
}

impl Target {
    fn name(&self) -> String {
        if self.node.0 == 0 { self.addr.clone() } else { format!("node {} at {}", self.node, self.addr) }
    }
}

impl Link {
    /// Connects for calls, of which many may wait at once.
    pub(crate) async fn calls(
        net: &dyn Net,
        target: Target,
        options: &TransportOptions,
    ) -> Result<Self, CallError> {
        let pending = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let sink = Sink::Calls(Arc::clone(&pending));
        Self::open(net, target, options, sink, pending).await
    }

    /// Connects for a stream, whose answers come from the receiver in order.
    pub(crate) async fn stream(
        net: &dyn Net,
        target: Target,
        options: &TransportOptions,
    ) -> Result<(Self, mpsc::Receiver<Received>), CallError> {
        let (sink, answers) = mpsc::channel(options.queue_frames_max);
        let link = Self::open(net, target, options, Sink::Stream(sink), Arc::new(Mutex::new(None))).await?;
        Ok((link, answers))
    }

    async fn open(
        net: &dyn Net,
        target: Target,
        options: &TransportOptions,
        sink: Sink,
        pending: Pending,
    ) -> Result<Self, CallError> {
        let peer = target.name();
        let unreachable = |reason: String| CallError::Unreachable { peer: peer.clone(), reason };
        let connecting = async {
            let connection = net.connect(options.connect_from, target.addr.clone()).await?;
            let mut stream = tokio::io::join(connection.reader, connection.writer);
            let secret = options.secret.as_deref();
            handshake::connect(&mut stream, target.from, target.node, target.channel, secret).await?;
            Ok(stream.into_inner())
        };
        let (reader, writer) = match timeout(options.connect_timeout, connecting).await {
            Ok(Ok(halves)) => halves,
            Ok(Err(Failure::Io(error))) => return Err(unreachable(error.to_string())),
            Ok(Err(Failure::Rejected(reason))) => return Err(CallError::Rejected { peer, reason }),
            Err(_) => return Err(unreachable(format!("no connection within {:?}", options.connect_timeout))),
        };

        let broken = CancellationToken::new();
        let (queue, frames) = mpsc::channel(options.queue_frames_max);
        let reader = FrameReader::new(reader, options.frame_bytes_max);
        let reading =
            read(reader, sink, Arc::clone(&pending), broken.clone(), options.dead_after, peer.clone());
        tokio::spawn(reading);
        tokio::spawn(write(writer, frames, broken.clone(), options.dead_after));
        let shared = Shared {
            peer,
            pending,
            next_id: AtomicU64::new(1),
            inflight_max: options.inflight_max,
            frame_bytes_max: options.frame_bytes_max,
            _guard: broken.clone().drop_guard(),
            broken,
        };
        Ok(Self { queue, shared: Arc::new(shared) })
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.shared.broken.is_cancelled()
    }

    pub(crate) async fn broken(&self) {
        self.shared.broken.cancelled().await;
    }

    fn error(&self) -> CallError {
        CallError::Broken(self.shared.peer.clone())
    }

    /// Queues a frame as it is; waits while the queue is full.
    pub(crate) async fn send(&self, frame: Frame) -> Result<(), CallError> {
        let bytes = frame.body_bytes();
        if bytes > self.shared.frame_bytes_max {
            return Err(CallError::TooLarge { bytes, bytes_max: self.shared.frame_bytes_max });
        }
        if self.is_broken() {
            return Err(self.error());
        }
        self.queue.send(frame).await.map_err(|_| self.error())
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn call(&self, kind: u8, body: Vec<Bytes>, limit: Duration) -> Answer {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        {
            let mut pending = self.shared.pending.lock();
            let pending = pending.as_mut().ok_or_else(|| self.error())?;
            if pending.len() >= self.shared.inflight_max {
                return Err(self.error());
            }
            pending.insert(id, sender);
        }
        // Whatever way this call ends, also by being dropped, nobody waits for it any more.
        let _forget = Forget { link: self, id };
        let exchange = async {
            self.send(Frame { class: Class::Request, kind, id, body }).await?;
            answer.await.unwrap_or_else(|_| Err(self.error()))
        };
        let late = |_| CallError::Timeout { peer: self.shared.peer.clone(), timeout: limit };
        timeout(limit, exchange).await.map_err(late)?
    }
}

struct Forget<'a> {
    link: &'a Link,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(pending) = self.link.shared.pending.lock().as_mut() {
            pending.remove(&self.id);
        }
    }
}

async fn read<R: AsyncRead + Unpin>(
    mut reader: FrameReader<R>,
    sink: Sink,
    pending: Pending,
    broken: CancellationToken,
    dead_after: Duration,
    peer: String,
) {
    let _guard = broken.clone().drop_guard();
    loop {
        let next = tokio::select! {
            () = broken.cancelled() => break,
            next = timeout(dead_after, reader.next()) => next,
        };
        let received = match next {
            Ok(Ok(Some(received))) => received,
            Ok(Ok(None)) => break,
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "the connection to a peer failed");
                break;
            }
            Err(_) => {
                tracing::info!(%peer, "a peer is silent, its connection is closed");
                break;
            }
        };
        if received.class == Class::Keepalive {
            continue;
        }
        match &sink {
            Sink::Calls(pending) => {
                let waiting = pending.lock().as_mut().and_then(|pending| pending.remove(&received.id));
                if let Some(waiting) = waiting {
                    // The caller may have given up meanwhile.
                    let _ = waiting.send(answer_of(received));
                }
            }
            Sink::Stream(sink) => {
                tokio::select! {
                    () = broken.cancelled() => break,
                    sent = sink.send(received) => if sent.is_err() { break },
                }
            }
        }
    }
    // Whoever waits is told by the dropped sender; nobody may begin to wait.
    pending.lock().take();
}

fn answer_of(received: Received) -> Answer {
    match received.class {
        Class::Answer => Ok(received.body.freeze()),
        _ => Err(CallError::Remote(String::from_utf8_lossy(&received.body).into_owned())),
    }
}

/// Writes what is queued, and a sign of life at a third of the time after which silence is death.
pub(super) async fn write<W: AsyncWrite + Unpin>(
    mut writer: W,
    mut frames: mpsc::Receiver<Frame>,
    broken: CancellationToken,
    dead_after: Duration,
) {
    let _guard = broken.clone().drop_guard();
    let mut keepalive = interval(dead_after / 3);
    keepalive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut group = Vec::with_capacity(WRITE_FRAMES_MAX);
    loop {
        tokio::select! {
            biased;
            () = broken.cancelled() => return,
            _ = keepalive.tick() => group.push(Frame::keepalive()),
            frame = frames.recv() => match frame {
                Some(frame) => group.push(frame),
                None => return,
            },
        }
        let mut bytes = group.iter().map(Frame::body_bytes).sum::<usize>();
        while group.len() < WRITE_FRAMES_MAX && bytes < WRITE_BYTES_MAX {
            let Ok(frame) = frames.try_recv() else { break };
            bytes += frame.body_bytes();
            group.push(frame);
        }
        let written = tokio::select! {
            () = broken.cancelled() => return,
            written = frame::write(&mut writer, &mut group) => written,
        };
        if written.is_err() {
            return;
        }
    }
}
