//! openraft's way to its peers: which message goes over which channel.
//!
//! Replication is one pipelined stream per peer on [`Channel::Append`]; heartbeats and everything about votes are calls
//! on [`Channel::Control`], so that no entry delays them; snapshots go over [`Channel::Snapshot`].

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::BoxFuture, stream::BoxStream};
use openraft::{
    OptionalSend, RaftNetworkFactory, RaftNetworkV2,
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{Backoff, RPCOption, stream_append_sequential},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
        TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use quorate_storage::NodeId;
use tokio::{sync::mpsc, time::Instant};

use super::{
    Shared,
    machine::{OSnapshot, SnapshotFile},
    transfer,
};
use crate::{
    CallError, Channel, Error, NodeInfo, Transport,
    transport::Link,
    types::{self, OVote, TypeConfig},
    wire::{
        frame::{Class, Frame, Received},
        message,
    },
};

/// First pause after a peer could not be reached, and the longest.
const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(500);
/// A vote that takes longer is worthless.
const VOTE_TIMEOUT_FACTOR: u32 = 2;

type RpcError = RPCError<TypeConfig>;

/// Makes the clients of this node's leader.
pub(crate) struct Network {
    pub(crate) shared: Arc<Shared>,
    pub(crate) transport: Transport,
}

impl Network {
    fn client(&self, target: u64, info: &NodeInfo, is_heartbeat: bool) -> Client {
        let target = NodeId(target);
        if !info.peer.is_empty() {
            self.transport.set_address(target, &info.peer);
        }
        Client {
            shared: Arc::clone(&self.shared),
            transport: self.transport.clone(),
            target,
            is_heartbeat,
            appending: None,
            streams: 0,
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, node: &NodeInfo) -> Client {
        self.client(target, node, false)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &NodeInfo) -> Client {
        self.client(target, node, true)
    }
}

/// One way to one peer.
pub(crate) struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) transport: Transport,
    pub(crate) target: NodeId,
    is_heartbeat: bool,
    /// The append connection, kept between streams.
    appending: Option<(Link, mpsc::Receiver<Received>)>,
    streams: u32,
}

/// A connection that cannot be made wants a pause before the next attempt; one that broke may be made again at once.
pub(crate) fn rpc_error(error: CallError) -> RpcError {
    match error {
        CallError::Broken(_) | CallError::Timeout { .. } | CallError::Remote(_) => {
            RPCError::Network(NetworkError::new(&error))
        }
        _ => RPCError::Unreachable(Unreachable::new(&error)),
    }
}

fn format_error(error: Error) -> RpcError {
    RPCError::Unreachable(Unreachable::from_string(error))
}

impl Client {
    async fn control(&self, kind: u8, body: Bytes, timeout: Duration) -> Result<Bytes, RpcError> {
        self.transport.call(self.target, Channel::Control, kind, body, timeout).await.map_err(rpc_error)
    }

    /// The append connection, made if there is none or the last one broke, and the number of a new stream on it.
    async fn append_stream(&mut self) -> Result<u32, RpcError> {
        if self.appending.as_ref().is_none_or(|(link, _)| link.is_broken()) {
            self.appending = None;
            let made = self.transport.stream(self.target, Channel::Append).await.map_err(rpc_error)?;
            self.appending = Some(made);
        }
        self.streams = self.streams.wrapping_add(1);
        Ok(self.streams)
    }

    async fn ask_vote(
        &self,
        kind: u8,
        request: VoteRequest<TypeConfig>,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let timeout = self.shared.options.election_max * VOTE_TIMEOUT_FACTOR;
        let answer = self.control(kind, message::encode_vote(&request), timeout).await?;
        message::decode_vote_answer(answer).map_err(format_error)
    }
}

impl RaftNetworkV2<TypeConfig> for Client {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        self.shared.note_committed(request.leader_commit.as_ref().map(types::log_id));
        let body = message::encode_append(request).concat();
        let answer = self.control(message::APPEND, body.into(), option.hard_ttl()).await?;
        let (result, disk_full) = message::decode_append_answer(answer).map_err(format_error)?;
        self.shared.note_peer_disk(self.target, disk_full);
        Ok(result.into())
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RpcError>>, RpcError>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        if self.is_heartbeat {
            return stream_append_sequential(self, input, option);
        }
        Box::pin(async move {
            // openraft waits for its backoff while it makes a request, not before it calls us: to connect first
            // would be to connect to a dead peer again and again without a pause.
            let mut input = input;
            let Some(first) = input.next().await else { return Ok(futures_util::stream::empty().boxed()) };
            let stream = self.append_stream().await?;
            let pipeline = Pipeline {
                client: self,
                first: Some(first),
                input: Some(input),
                stream,
                sent: 0,
                sent_index: 0,
                asked: Instant::now(),
                inflight: VecDeque::new(),
                inflight_bytes: 0,
                is_over: false,
            };
            let results = futures_util::stream::unfold(pipeline, |mut pipeline| async move {
                let result = pipeline.next().await?;
                Some((result, pipeline))
            });
            Ok(results.boxed())
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.ask_vote(message::VOTE, request).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.ask_vote(message::PRE_VOTE, request).await
    }

    async fn full_snapshot(
        &mut self,
        vote: OVote,
        snapshot: OSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = transfer::send(self, vote, snapshot) => sent,
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        let timeout = self.shared.options.election_max;
        let answer = self.control(message::TRANSFER, message::encode_transfer(&request), timeout).await?;
        Ok(match answer.first() {
            Some(0) => Ok(()),
            Some(1) => Err(TransferLeaderError::VoteChanged {
                expected: *request.from_leader(),
                actual: *request.from_leader(),
            }),
            _ => Err(TransferLeaderError::LogNotFlushed {
                expected: request.last_log_id().copied(),
                actual: None,
            }),
        })
    }

    fn backoff(&self) -> Option<Backoff> {
        let pauses = std::iter::successors(Some(BACKOFF_MIN), |pause| Some((*pause * 2).min(BACKOFF_MAX)));
        Some(Backoff::new(pauses))
    }
}

/// One stream of append messages: many under way, answers in order, bounded by count and bytes.
struct Pipeline<'s, S> {
    client: &'s mut Client,
    /// The message that openraft gave before there was a connection.
    first: Option<AppendEntriesRequest<TypeConfig>>,
    input: Option<S>,
    stream: u32,
    sent: u32,
    /// Index of the last entry that was sent, or that the follower has for certain.
    sent_index: u64,
    /// When openraft gave the last message.
    asked: Instant,
    /// Ids and sizes of the messages without an answer.
    inflight: VecDeque<(u64, usize)>,
    inflight_bytes: usize,
    is_over: bool,
}

type StreamItem = Result<StreamAppendResult<TypeConfig>, RpcError>;

impl<S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin> Pipeline<'_, S> {
    async fn next(&mut self) -> Option<StreamItem> {
        while !self.is_over {
            if self.input.is_none() && self.inflight.is_empty() {
                return None;
            }
            let options = &self.client.shared.options;
            let has_room = self.inflight.len() < options.append_inflight_max
                && self.inflight_bytes < options.append_inflight_bytes_max;
            let turn = self.client.shared.pace.turn(self.client.target, self.asked, self.sent_index);
            let (link, answers) = self.client.appending.as_mut()?;
            tokio::select! {
                biased;
                answer = answers.recv() => if let Some(item) = self.answered(answer) {
                    return Some(item);
                },
                request = next_of(&mut self.first, &mut self.input, turn), if has_room && self.input.is_some() => match request {
                    None => self.input = None,
                    Some(request) => {
                        self.asked = Instant::now();
                        let last = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
                        self.sent_index = last.map_or(0, |last| last.index);
                        let id = u64::from(self.stream) << 32 | u64::from(self.sent);
                        self.sent = self.sent.wrapping_add(1);
                        let told = request.leader_commit.as_ref().map(types::log_id);
                        self.client.shared.note_committed(told);
                        let body = message::encode_append(request);
                        let frame = Frame { class: Class::Request, kind: message::APPEND, id, body };
                        let bytes = frame.body_bytes();
                        self.inflight.push_back((id, bytes));
                        self.inflight_bytes += bytes;
                        // Never waits for long: the queue holds more frames than the window.
                        if let Err(error) = link.send(frame).await {
                            return Some(self.broken(error));
                        }
                    }
                },
            }
        }
        None
    }

    /// What an answer means for openraft; nothing if it belongs to an earlier stream.
    fn answered(&mut self, answer: Option<Received>) -> Option<StreamItem> {
        let peer = || format!("node {}", self.client.target);
        let Some(received) = answer else { return Some(self.broken(CallError::Broken(peer()))) };
        if (received.id >> 32) as u32 != self.stream {
            return None;
        }
        if received.class != Class::Answer || self.inflight.front().map(|(id, _)| *id) != Some(received.id) {
            return Some(self.broken(CallError::Broken(peer())));
        }
        if let Some((_, bytes)) = self.inflight.pop_front() {
            self.inflight_bytes -= bytes;
        }
        match message::decode_append_answer(received.body.freeze()) {
            Ok((result, disk_full)) => {
                self.client.shared.note_peer_disk(self.client.target, disk_full);
                self.is_over = result.is_err();
                Some(Ok(result))
            }
            Err(error) => {
                self.client.appending = None;
                self.is_over = true;
                Some(Err(format_error(error)))
            }
        }
    }

    #[expect(clippy::result_large_err, reason = "openraft's type for the items of a stream")]
    fn broken(&mut self, error: CallError) -> StreamItem {
        self.client.appending = None;
        self.is_over = true;
        Err(rpc_error(error))
    }
}

async fn next_of<S: Stream + Unpin>(
    first: &mut Option<S::Item>,
    input: &mut Option<S>,
    turn: impl Future<Output = ()>,
) -> Option<S::Item> {
    if first.is_some() {
        return first.take();
    }
    turn.await;
    match input {
        Some(input) => input.next().await,
        None => None,
    }
}
