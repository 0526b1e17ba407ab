//! What this node's Raft answers to its peers.
//!
//! A heartbeat's answer normally waits until everything accepted before it is durable. While the disk is full that would
//! take the leader's quorum away, and with it every read. So then a heartbeat is answered as soon as it is sure that
//! the leader's vote is durable here and no other is on its way: that is all that a leader concludes from it. The log
//! position in the answer is the one that the leader named and knows this node to have.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream::BoxStream};
use openraft::raft::{AppendEntriesRequest, StreamAppendResult, TransferLeaderError};
use parking_lot::Mutex;
use quorate_storage::NodeId;
use tokio::time::Instant;

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
    /// When a heartbeat was last given to Raft while the disk was full.
    passed_on: Arc<Mutex<Option<Instant>>>,
    /// With lease reads, no vote is given before: a lease granted before the start may still be running.
    votes_from: Option<Instant>,
}

impl Service {
    pub(crate) fn new(raft: ORaft, shared: Arc<Shared>) -> Self {
        let receiving = Arc::new(Receiving::new(Arc::clone(&shared)));
        let options = &shared.options;
        let votes_from = options.lease_reads.then(|| Instant::now() + options.election_max);
        Self { raft, shared, receiving, passed_on: Arc::default(), votes_from }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl RaftService for Service {
    fn control(&self, _from: NodeId, kind: u8, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        let (raft, shared) = (self.raft.clone(), Arc::clone(&self.shared));
        let passed_on = Arc::clone(&self.passed_on);
        let may_vote = self.votes_from.is_none_or(|from| Instant::now() >= from);
        Box::pin(async move {
            match kind {
                message::VOTE | message::PRE_VOTE if !may_vote => {
                    Err("this node has just started; a lease that it granted may still be running".to_owned())
                }
                message::APPEND => {
                    let request = message::decode_append(body).map_err(text)?;
                    let result = heartbeat(&raft, &shared, &passed_on, request).await?;
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
    passed_on: &Mutex<Option<Instant>>,
    request: Heartbeat,
) -> Result<StreamAppendResult<TypeConfig>, String> {
    let matching = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
    let conflict = request.prev_log_id;
    let vote = types::vote(&request.vote);
    let is_held = shared.log.state().disk_full && request.entries.is_empty() && shared.is_durable_vote(vote);
    if is_held {
        if is_due(passed_on, shared.options.election_min / 2) {
            // Raft must hear of the leader, or it would stand for election; its answer comes when there is room.
            let raft = raft.clone();
            tokio::spawn(async move { raft.append_entries(request).await });
        }
        shared.count_answer_while_full();
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
