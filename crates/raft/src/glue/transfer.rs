//! Snapshots on their way to a peer: begin, chunks from where the peer stands, end.
//!
//! The file goes as it lies on the disk, so both sides have the same bytes, and a transfer that broke goes on where it
//! stopped, also from another leader that has the same snapshot. Each chunk has the frame's checksum, the file its own.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use openraft::{
    errors::{NetworkError, StreamingError, Unreachable},
    raft::SnapshotResponse,
};
use quorate_storage::{Executor, NodeId, SnapshotId, SnapshotReader, SnapshotReceiver};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

use super::{
    ORaft, Shared, blocking,
    machine::{self, OSnapshot},
    network::{Client, rpc_error},
};
use crate::{
    CallError, Channel,
    transport::Link,
    types::{self, OVote, TypeConfig},
    wire::message::{self, BeginAnswer, SnapshotBegin},
};

type Sent = Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>>;

fn streaming(error: CallError) -> StreamingError<TypeConfig> {
    rpc_error(error).into()
}

fn unreadable(error: impl std::fmt::Display) -> StreamingError<TypeConfig> {
    StreamingError::Unreachable(Unreachable::from_string(error))
}

/// Sends a snapshot to the client's peer.
pub(super) async fn send(client: &Client, vote: OVote, snapshot: OSnapshot) -> Sent {
    let Some(reader) = snapshot.snapshot.0 else {
        return Err(unreadable("there is no snapshot to send"));
    };
    let options = &client.shared.options;
    let info = reader.info();
    let begin = SnapshotBegin {
        vote,
        last: snapshot.meta.last_log_id,
        total_bytes: info.file_bytes,
        name: info.id.as_str().to_owned(),
    };
    let total_bytes = info.file_bytes;
    let link = client.transport.link(client.target, Channel::Snapshot).await.map_err(streaming)?;
    let call = |kind, body: Vec<Bytes>, timeout| {
        let link: Link = link.clone();
        async move { link.call(kind, body, timeout).await.map_err(streaming) }
    };
    let answer =
        call(message::SNAPSHOT_BEGIN, vec![message::encode_begin(&begin)], options.snapshot_chunk_timeout)
            .await?;
    let answer = message::decode_begin_answer(answer).map_err(unreadable)?;
    let Some(mut offset) = answer.offset else { return Ok(SnapshotResponse::new(answer.vote)) };
    tracing::info!(target = %client.target, snapshot = begin.name, total_bytes, offset, "sending a snapshot");

    let mut pace = Pace::new(options.snapshot_bytes_per_second);
    let reader = Arc::new(reader);
    while offset < total_bytes {
        let chunk = read(client.shared.executor, &reader, offset, options.snapshot_chunk_bytes).await?;
        pace.wait(chunk.len() as u64).await;
        let body = vec![message::encode_offset(offset), chunk];
        let answer = call(message::SNAPSHOT_CHUNK, body, options.snapshot_chunk_timeout).await?;
        let (next, _) = message::decode_offset(answer).map_err(unreadable)?;
        if next <= offset {
            return Err(unreadable(format!("the peer does not take the snapshot beyond byte {offset}")));
        }
        offset = next;
    }
    let end = vec![message::encode_plain_vote(&vote)];
    let answer = call(message::SNAPSHOT_END, end, options.snapshot_install_timeout).await?;
    let vote = message::decode_plain_vote(answer).map_err(unreadable)?;
    Ok(SnapshotResponse::new(vote))
}

async fn read(
    executor: Executor,
    reader: &Arc<SnapshotReader>,
    offset: u64,
    bytes: usize,
) -> Result<Bytes, StreamingError<TypeConfig>> {
    let reader = Arc::clone(reader);
    let chunk = blocking(executor, move || reader.read_at(offset, bytes)).await.map_err(unreadable)?;
    if chunk.is_empty() {
        return Err(StreamingError::Network(NetworkError::from_string(
            "the snapshot is shorter than it says",
        )));
    }
    Ok(chunk)
}

/// Keeps a rate on average.
struct Pace {
    bytes_per_second: u64,
    since: Instant,
    bytes: u64,
}

impl Pace {
    fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, since: Instant::now(), bytes: 0 }
    }

    async fn wait(&mut self, bytes: u64) {
        if self.bytes_per_second > 0 {
            sleep_until(self.since + due(self.bytes, self.bytes_per_second)).await;
            self.bytes += bytes;
        }
    }
}

fn due(bytes: u64, bytes_per_second: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64)
}

/// The receiving side. One snapshot at a time: a new begin replaces an older transfer, whose part stays on the disk.
pub(super) struct Receiving {
    shared: Arc<Shared>,
    current: Mutex<Option<Current>>,
}

struct Current {
    from: NodeId,
    receiver: SnapshotReceiver,
}

impl Receiving {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, current: Mutex::default() }
    }

    pub(super) async fn step(
        &self,
        raft: &ORaft,
        from: NodeId,
        kind: u8,
        body: Bytes,
    ) -> Result<Bytes, String> {
        match kind {
            message::SNAPSHOT_BEGIN => self.begin(raft, from, body).await,
            message::SNAPSHOT_CHUNK => self.chunk(from, body).await,
            message::SNAPSHOT_END => self.end(raft, from, body).await,
            _ => Err(format!("snapshot message {kind} is unknown")),
        }
    }

    async fn begin(&self, raft: &ORaft, from: NodeId, body: Bytes) -> Result<Bytes, String> {
        use openraft::async_runtime::WatchReceiver as _;
        let begin = message::decode_begin(body).map_err(text)?;
        let mut current = self.current.lock().await;
        *current = None;
        let mine = raft.metrics().borrow_watched().snapshot;
        let vote = types::o_vote(self.shared.log.state().vote.unwrap_or_default());
        if begin.last.is_none() || mine.map(|id| id.index) >= begin.last.map(|id| id.index) {
            return Ok(message::encode_begin_answer(&BeginAnswer { vote, offset: None }));
        }
        let id = SnapshotId::parse(&begin.name).map_err(text)?;
        let store = self.shared.snapshots.clone();
        let open = move || store.receive(&id, begin.total_bytes);
        let receiver = blocking(self.shared.executor, open).await.map_err(text)?;
        let offset = receiver.offset();
        tracing::info!(%from, snapshot = begin.name, offset, total_bytes = begin.total_bytes, "receiving a snapshot");
        *current = Some(Current { from, receiver });
        Ok(message::encode_begin_answer(&BeginAnswer { vote, offset: Some(offset) }))
    }

    async fn take(&self, from: NodeId) -> Result<SnapshotReceiver, String> {
        let mut current = self.current.lock().await;
        match current.take() {
            Some(taken) if taken.from == from => Ok(taken.receiver),
            other => {
                *current = other;
                Err("no snapshot of this sender is being received".to_owned())
            }
        }
    }

    async fn chunk(&self, from: NodeId, body: Bytes) -> Result<Bytes, String> {
        let (offset, bytes) = message::decode_offset(body).map_err(text)?;
        let mut receiver = self.take(from).await?;
        let write = move || {
            let next = receiver.write_at(offset, &bytes);
            (receiver, next)
        };
        let (receiver, next) = blocking(self.shared.executor, write).await;
        let mut current = self.current.lock().await;
        if current.is_none() {
            *current = Some(Current { from, receiver });
        }
        next.map(message::encode_offset).map_err(text)
    }

    async fn end(&self, raft: &ORaft, from: NodeId, body: Bytes) -> Result<Bytes, String> {
        let vote = message::decode_plain_vote(body).map_err(text)?;
        let receiver = self.take(from).await?;
        let shared = Arc::clone(&self.shared);
        let finish = move || {
            let info = receiver.finish()?;
            shared.snapshots.open_snapshot(&info.id)
        };
        let reader = blocking(self.shared.executor, finish).await.map_err(text)?;
        let snapshot = machine::open_snapshot(reader).map_err(|error: io::Error| error.to_string())?;
        let answer = raft.install_full_snapshot(vote, snapshot).await.map_err(text)?;
        let (store, kept) = (self.shared.snapshots.clone(), self.shared.options.snapshots_kept);
        if let Err(error) = blocking(self.shared.executor, move || store.delete_older(kept)).await {
            tracing::warn!(%error, "old snapshots cannot be removed");
        }
        Ok(message::encode_plain_vote(&answer.vote))
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
