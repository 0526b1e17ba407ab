//! What this node's Raft answers to its peers.
//!
//! openraft answers a heartbeat when everything accepted before it is durable: behind a slow or full disk the leader would
//! lose its quorum, and with it every read. All that a leader concludes from the answer is that this node has not given
//! its vote to another. So a heartbeat is answered at once if the leader's vote is durable here, no other vote is on its
//! way to the disk, and the log has the entry that the leader named; Raft hears of it as well, without being waited for.
//! (A vote is given to the log before it is granted, so whoever wins with this node's vote wins after the answer.)
//! With lease reads it is not done: the answer then also promises to refuse votes, which only Raft itself can keep.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream::BoxStream};
use openraft::async_runtime::WatchReceiver as _;
use openraft::raft::{AppendEntriesRequest, StreamAppendResult, TransferLeaderError};
use parking_lot::Mutex;
use quorate_storage::NodeId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{ORaft, Shared, transfer::Receiving};
use crate::{
    transport::RaftService,
    types::{self, TypeConfig},
    wire::message,
};

pub(crate) struct Service {
    raft: ORaft,
    shared: Arc<Shared>,
    receiving: Arc<Receiving>,
    early: Arc<Early>,
    /// With lease reads, no vote is given before: a lease granted before the start may still be running.
    votes_from: Option<Instant>,
}

/// What early answers are limited by.
struct Early {
    /// When a heartbeat was last given to Raft while the disk was full: its answers wait for room and must not pile up.
    passed_on: Mutex<Option<Instant>>,
    /// One for each heartbeat that Raft has not answered.
    permits: Arc<Semaphore>,
}

/// Heartbeats that were answered early and that Raft has not answered yet. With room on the disk, more than some seconds
/// of them mean that Raft is stuck, and the leader should know.
const EARLY_MAX: usize = 128;
/// The same while the disk is full: some hours of them.
const EARLY_FULL_MAX: usize = 1 << 16;

impl Service {
    pub(crate) fn new(raft: ORaft, shared: Arc<Shared>) -> Self {
        let receiving = Arc::new(Receiving::new(Arc::clone(&shared)));
        let options = &shared.options;
        let early = Early { passed_on: Mutex::default(), permits: Arc::new(Semaphore::new(EARLY_FULL_MAX)) };
        let votes_from = options.lease_reads.then(|| Instant::now() + options.election_max);
        Self { raft, shared, receiving, early: Arc::new(early), votes_from }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl RaftService for Service {
    fn control(&self, _from: NodeId, kind: u8, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        let (raft, shared) = (self.raft.clone(), Arc::clone(&self.shared));
        let early = Arc::clone(&self.early);
        let may_vote = self.votes_from.is_none_or(|from| Instant::now() >= from);
        Box::pin(async move {
            match kind {
                message::VOTE | message::PRE_VOTE if !may_vote => {
                    Err("this node has just started; a lease that it granted may still be running".to_owned())
                }
                message::APPEND => {
                    let request = message::decode_append(body).map_err(text)?;
                    let result = heartbeat(&raft, &shared, &early, request).await?;
                    Ok(message::encode_append_answer(&result, shared.log.state().disk_full))
                }
                message::VOTE => {
                    let answer = raft.vote(message::decode_vote(body).map_err(text)?).await.map_err(text)?;
                    Ok(message::encode_vote_answer(&answer))
                }
                message::PRE_VOTE => {
                    let answer =
                        raft.pre_vote(message::decode_vote(body).map_err(text)?).await.map_err(text)?;
                    Ok(message::encode_vote_answer(&answer))
                }
                message::SUPPORT => {
                    let vote = message::decode_plain_vote(body).map_err(text)?;
                    Ok(Bytes::copy_from_slice(&[u8::from(shared.is_durable_vote(types::vote(&vote)))]))
                }
                message::TRANSFER => {
                    let request = message::decode_transfer(body).map_err(text)?;
                    let answer = raft.handle_transfer_leader(request).await.map_err(text)?;
                    let tag = match answer {
                        Ok(()) => 0,
                        Err(TransferLeaderError::VoteChanged { .. }) => 1,
                        Err(TransferLeaderError::LogNotFlushed { .. }) => 2,
                    };
                    Ok(Bytes::copy_from_slice(&[tag]))
                }
                _ => Err(format!("message {kind} is unknown to Raft")),
            }
        })
    }

    fn append(&self, messages: BoxStream<'static, Bytes>) -> BoxStream<'static, (Bytes, bool)> {
        let shared = Arc::clone(&self.shared);
        // A message that cannot be read ends the stream, and with it the connection.
        let requests = messages.map(message::decode_append).scan((), |(), request| {
            let request =
                request.inspect_err(|error| tracing::warn!(%error, "a peer's append message is refused"));
            std::future::ready(request.ok())
        });
        self.raft
            .stream_append(requests)
            .scan((), |(), result| std::future::ready(result.ok()))
            .map(move |result| {
                let body = message::encode_append_answer(&result, shared.log.state().disk_full);
                (body, result.is_err())
            })
            .boxed()
    }

    fn snapshot(&self, from: NodeId, kind: u8, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        let (raft, receiving) = (self.raft.clone(), Arc::clone(&self.receiving));
        Box::pin(async move { receiving.step(&raft, from, kind, body).await })
    }
}

type Heartbeat = AppendEntriesRequest<TypeConfig>;

async fn heartbeat(
    raft: &ORaft,
    shared: &Arc<Shared>,
    early: &Early,
    request: Heartbeat,
) -> Result<StreamAppendResult<TypeConfig>, String> {
    let matching = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
    let conflict = request.prev_log_id;
    if let Some(permit) = may_answer_early(raft, shared, early, &request) {
        let is_full = shared.log.state().disk_full;
        if !is_full || is_due(&early.passed_on, shared.options.election_max / 2) {
            // Raft must hear of the leader, or it would stand for election.
            let raft = raft.clone();
            tokio::spawn(async move {
                let answer = raft.append_entries(request).await;
                drop(permit);
                answer
            });
        }
        return Ok(Ok(matching));
    }
    let answer = raft.append_entries(request).await.map_err(text)?;
    Ok(answer_result(answer, conflict, matching))
}

fn answer_result(
    answer: openraft::raft::AppendEntriesResponse<TypeConfig>,
    conflict: Option<types::OLogId>,
    matching: Option<types::OLogId>,
) -> StreamAppendResult<TypeConfig> {
    use openraft::raft::{AppendEntriesResponse, StreamAppendError};
    match (answer, conflict) {
        (AppendEntriesResponse::Success, _) => Ok(matching),
        (AppendEntriesResponse::PartialSuccess(matching), _) => Ok(matching),
        (AppendEntriesResponse::HigherVote(vote), _) => Err(StreamAppendError::HigherVote(vote)),
        (AppendEntriesResponse::Conflict, Some(conflict)) => Err(StreamAppendError::Conflict(conflict)),
        // Nothing conflicts with the empty log.
        (AppendEntriesResponse::Conflict, None) => Ok(None),
    }
}

/// A permit to answer without waiting for Raft.
fn may_answer_early(
    raft: &ORaft,
    shared: &Shared,
    early: &Early,
    request: &Heartbeat,
) -> Option<OwnedSemaphorePermit> {
    let is_running = || raft.metrics().borrow_watched().running_state.is_ok();
    let is_early = request.entries.is_empty()
        && !shared.options.lease_reads
        && shared.is_durable_vote(types::vote(&request.vote))
        && request.prev_log_id.is_none_or(|id| shared.has_entry(types::log_id(&id)))
        && is_running();
    let open = EARLY_FULL_MAX - early.permits.available_permits();
    let is_early = is_early && (open < EARLY_MAX || shared.log.state().disk_full);
    is_early.then(|| Arc::clone(&early.permits).try_acquire_owned().ok()).flatten()
}

/// Whether `pause` has passed since this last said yes.
fn is_due(last: &Mutex<Option<Instant>>, pause: Duration) -> bool {
    let mut last = last.lock();
    let now = Instant::now();
    let is_due = last.is_none_or(|last| now - last >= pause);
    if is_due {
        *last = Some(now);
    }
    is_due
}
