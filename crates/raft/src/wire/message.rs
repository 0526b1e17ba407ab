//! Raft's own messages: written-out headers; payloads are slices of what was received, and are sent as they are.
//!
//! ```text
//! vote 17:    0 8 term   8 8 node   16 1 committed
//! log id 25:  0 1 present   1 8 term   9 8 node   17 8 index
//!
//! append (kind 1; frame id: stream << 32 | number)   its answer
//! 0  17  vote of the leader                          0   1  0 matching, 1 conflict, 2 higher vote
//! 17 25  the entry before the first                  1   1  1 if the answering disk is full
//! 42 25  committed                                   2  25  log id, for 0 and 1
//! 67  1  zero                                        27 17  vote, for 2
//! 68  4  number of entries
//! 72  …  entries: term 8, node 8, index 8, kind 1, zero 3, length 4, payload
//!
//! vote and pre-vote (kinds 2, 3)                     answer
//! 0  17  vote                                        0  17  vote of the answering node
//! 17 25  last entry of the candidate                 17  1  granted
//! 42  1  1 in a transfer of leadership               18 25  its last entry
//!
//! transfer (kind 4)                                  answer
//! 0  17  vote of the leader                          0   1  0 accepted, 1 another vote, 2 log not flushed
//! 17  8  node that is to lead
//! 25 25  last entry of the leader
//!
//! snapshot begin (kind 5)                            answer
//! 0  17  vote                                        0   1  0 go on, 1 not needed
//! 17 25  last entry in the snapshot                  1  17  vote of the answering node
//! 42  8  bytes of the file                           18  8  offset to go on from
//! 50  …  name of the snapshot, UTF-8
//!
//! snapshot chunk (kind 6): 0 8 offset, 8 … bytes     answer: 0 8 next offset
//! snapshot end (kind 7): 0 17 vote                   answer: 0 17 vote of the answering node
//! support (kind 8): 0 17 vote of the leader          answer: 0 1 1 if the answering node's durable vote is this one
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderRequest, VoteRequest,
    VoteResponse,
};
use quorate_storage::{Entry, LeaderId, LogId, Vote};

use crate::{
    Error,
    types::{self, OLogId, OVote, TypeConfig},
};

pub(crate) const APPEND: u8 = 1;
pub(crate) const VOTE: u8 = 2;
pub(crate) const PRE_VOTE: u8 = 3;
pub(crate) const TRANSFER: u8 = 4;
pub(crate) const SNAPSHOT_BEGIN: u8 = 5;
pub(crate) const SNAPSHOT_CHUNK: u8 = 6;
pub(crate) const SNAPSHOT_END: u8 = 7;
pub(crate) const SUPPORT: u8 = 8;

/// A payload smaller than this is copied beside its header: a system call's overhead for a piece costs more.
const SHARED_BYTES_MIN: usize = 4096;
const ENTRY_HEADER_BYTES: usize = 32;

type Result<T> = std::result::Result<T, Error>;

fn short() -> Error {
    Error::Format { what: "a peer's message", reason: "it is too short".into() }
}

fn bad(reason: impl Into<String>) -> Error {
    Error::Format { what: "a peer's message", reason: reason.into() }
}

fn u64_of(body: &mut Bytes) -> Result<u64> {
    body.try_get_u64_le().map_err(|_| short())
}

fn u8_of(body: &mut Bytes) -> Result<u8> {
    body.try_get_u8().map_err(|_| short())
}

fn u32_of(body: &mut Bytes) -> Result<u32> {
    body.try_get_u32_le().map_err(|_| short())
}

fn put_vote(body: &mut BytesMut, vote: &OVote) {
    let vote = types::vote(vote);
    body.put_u64_le(vote.leader.term);
    body.put_u64_le(vote.leader.node);
    body.put_u8(u8::from(vote.committed));
}

fn vote_of(body: &mut Bytes) -> Result<OVote> {
    let leader = LeaderId { term: u64_of(body)?, node: u64_of(body)? };
    Ok(types::o_vote(Vote { leader, committed: u8_of(body)? != 0 }))
}

fn put_log_id(body: &mut BytesMut, id: Option<&OLogId>) {
    let stored = id.map(types::log_id).unwrap_or_default();
    body.put_u8(u8::from(id.is_some()));
    body.put_u64_le(stored.leader.term);
    body.put_u64_le(stored.leader.node);
    body.put_u64_le(stored.index);
}

fn log_id_of(body: &mut Bytes) -> Result<Option<OLogId>> {
    let present = u8_of(body)? != 0;
    let id = LogId::new(u64_of(body)?, u64_of(body)?, u64_of(body)?);
    Ok(present.then(|| types::o_log_id(id)))
}

/// The pieces of an append message.
pub(crate) fn encode_append(request: AppendEntriesRequest<TypeConfig>) -> Vec<Bytes> {
    let mut parts = Vec::new();
    let mut head = BytesMut::with_capacity(72 + request.entries.len() * (ENTRY_HEADER_BYTES + 128));
    put_vote(&mut head, &request.vote);
    put_log_id(&mut head, request.prev_log_id.as_ref());
    put_log_id(&mut head, request.leader_commit.as_ref());
    head.put_u8(0);
    head.put_u32_le(u32::try_from(request.entries.len()).expect("entries are bounded by the options"));
    for entry in request.entries {
        let entry = types::stored_entry(entry);
        head.put_u64_le(entry.id.leader.term);
        head.put_u64_le(entry.id.leader.node);
        head.put_u64_le(entry.id.index);
        head.put_u8(entry.kind);
        head.put_bytes(0, 3);
        head.put_u32_le(u32::try_from(entry.payload.len()).expect("payloads are bounded by the frame"));
        if entry.payload.len() < SHARED_BYTES_MIN {
            head.extend_from_slice(&entry.payload);
        } else {
            parts.push(head.split().freeze());
            parts.push(entry.payload);
        }
    }
    parts.push(head.freeze());
    parts
}

pub(crate) fn decode_append(mut body: Bytes) -> Result<AppendEntriesRequest<TypeConfig>> {
    let vote = vote_of(&mut body)?;
    let prev_log_id = log_id_of(&mut body)?;
    let leader_commit = log_id_of(&mut body)?;
    u8_of(&mut body)?;
    let count = usize::try_from(u32_of(&mut body)?).map_err(|_| short())?;
    if count > body.len() / ENTRY_HEADER_BYTES {
        return Err(short());
    }
    let first = prev_log_id.map_or(0, |id: OLogId| id.index.saturating_add(1));
    let mut entries = Vec::with_capacity(count);
    for next in (first..).take(count) {
        let id = LogId::new(u64_of(&mut body)?, u64_of(&mut body)?, u64_of(&mut body)?);
        if id.index != next {
            return Err(bad(format!("entry {id} stands where index {next} belongs")));
        }
        let kind = u8_of(&mut body)?;
        if body.len() < 7 {
            return Err(short());
        }
        body.advance(3);
        let bytes = usize::try_from(u32_of(&mut body)?).map_err(|_| short())?;
        if bytes > body.len() {
            return Err(short());
        }
        let payload = body.split_to(bytes);
        entries.push(types::o_entry(Entry { id, kind, payload })?);
    }
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

/// What a follower answers to an append, and whether its disk is full.
pub(crate) fn encode_append_answer(result: &StreamAppendResult<TypeConfig>, disk_full: bool) -> Bytes {
    let mut body = BytesMut::with_capacity(44);
    let (tag, id, vote) = match result {
        Ok(matching) => (0, matching.as_ref(), None),
        Err(StreamAppendError::Conflict(id)) => (1, Some(id), None),
        Err(StreamAppendError::HigherVote(vote)) => (2, None, Some(*vote)),
    };
    body.put_u8(tag);
    body.put_u8(u8::from(disk_full));
    put_log_id(&mut body, id);
    put_vote(&mut body, &vote.unwrap_or_else(|| types::o_vote(Vote::default())));
    body.freeze()
}

pub(crate) fn decode_append_answer(mut body: Bytes) -> Result<(StreamAppendResult<TypeConfig>, bool)> {
    let tag = u8_of(&mut body)?;
    let disk_full = u8_of(&mut body)? != 0;
    let id = log_id_of(&mut body)?;
    let vote = vote_of(&mut body)?;
    let result = match (tag, id) {
        (0, id) => Ok(id),
        (1, Some(id)) => Err(StreamAppendError::Conflict(id)),
        (2, _) => Err(StreamAppendError::HigherVote(vote)),
        _ => return Err(bad(format!("append answer {tag}"))),
    };
    Ok((result, disk_full))
}

pub(crate) fn encode_vote(request: &VoteRequest<TypeConfig>) -> Bytes {
    let mut body = BytesMut::with_capacity(43);
    put_vote(&mut body, &request.vote);
    put_log_id(&mut body, request.last_log_id.as_ref());
    body.put_u8(u8::from(request.leadership_transfer));
    body.freeze()
}

pub(crate) fn decode_vote(mut body: Bytes) -> Result<VoteRequest<TypeConfig>> {
    let vote = vote_of(&mut body)?;
    let last_log_id = log_id_of(&mut body)?;
    Ok(VoteRequest { vote, last_log_id, leadership_transfer: u8_of(&mut body)? != 0 })
}

pub(crate) fn encode_vote_answer(answer: &VoteResponse<TypeConfig>) -> Bytes {
    let mut body = BytesMut::with_capacity(43);
    put_vote(&mut body, &answer.vote);
    body.put_u8(u8::from(answer.vote_granted));
    put_log_id(&mut body, answer.last_log_id.as_ref());
    body.freeze()
}

pub(crate) fn decode_vote_answer(mut body: Bytes) -> Result<VoteResponse<TypeConfig>> {
    let vote = vote_of(&mut body)?;
    let vote_granted = u8_of(&mut body)? != 0;
    Ok(VoteResponse { vote, vote_granted, last_log_id: log_id_of(&mut body)? })
}

pub(crate) fn encode_transfer(request: &TransferLeaderRequest<TypeConfig>) -> Bytes {
    let mut body = BytesMut::with_capacity(50);
    put_vote(&mut body, request.from_leader());
    body.put_u64_le(*request.to_node_id());
    put_log_id(&mut body, request.last_log_id());
    body.freeze()
}

pub(crate) fn decode_transfer(mut body: Bytes) -> Result<TransferLeaderRequest<TypeConfig>> {
    let vote = vote_of(&mut body)?;
    let to = u64_of(&mut body)?;
    Ok(TransferLeaderRequest::new(vote, to, log_id_of(&mut body)?))
}

/// The start of a snapshot transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotBegin {
    pub(crate) vote: OVote,
    pub(crate) last: Option<OLogId>,
    pub(crate) total_bytes: u64,
    pub(crate) name: String,
}

pub(crate) fn encode_begin(begin: &SnapshotBegin) -> Bytes {
    let mut body = BytesMut::new();
    put_vote(&mut body, &begin.vote);
    put_log_id(&mut body, begin.last.as_ref());
    body.put_u64_le(begin.total_bytes);
    body.extend_from_slice(begin.name.as_bytes());
    body.freeze()
}

pub(crate) fn decode_begin(mut body: Bytes) -> Result<SnapshotBegin> {
    let vote = vote_of(&mut body)?;
    let last = log_id_of(&mut body)?;
    let total_bytes = u64_of(&mut body)?;
    let name = String::from_utf8(body.to_vec()).map_err(|_| bad("a snapshot's name is not UTF-8"))?;
    Ok(SnapshotBegin { vote, last, total_bytes, name })
}

/// The answer to [`SnapshotBegin`]: where to go on, or that the snapshot is not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BeginAnswer {
    pub(crate) vote: OVote,
    pub(crate) offset: Option<u64>,
}

pub(crate) fn encode_begin_answer(answer: &BeginAnswer) -> Bytes {
    let mut body = BytesMut::with_capacity(26);
    body.put_u8(u8::from(answer.offset.is_none()));
    put_vote(&mut body, &answer.vote);
    body.put_u64_le(answer.offset.unwrap_or_default());
    body.freeze()
}

pub(crate) fn decode_begin_answer(mut body: Bytes) -> Result<BeginAnswer> {
    let not_needed = u8_of(&mut body)? != 0;
    let vote = vote_of(&mut body)?;
    let offset = u64_of(&mut body)?;
    Ok(BeginAnswer { vote, offset: (!not_needed).then_some(offset) })
}

pub(crate) fn encode_offset(offset: u64) -> Bytes {
    Bytes::copy_from_slice(&offset.to_le_bytes())
}

/// The offset in front, and what follows it.
pub(crate) fn decode_offset(mut body: Bytes) -> Result<(u64, Bytes)> {
    Ok((u64_of(&mut body)?, body))
}

pub(crate) fn encode_plain_vote(vote: &OVote) -> Bytes {
    let mut body = BytesMut::with_capacity(17);
    put_vote(&mut body, vote);
    body.freeze()
}

pub(crate) fn decode_plain_vote(mut body: Bytes) -> Result<OVote> {
    vote_of(&mut body)
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;

    use super::*;
    use crate::types::{Data, OEntry};

    fn id(index: u64) -> OLogId {
        types::o_log_id(LogId::new(3, 2, index))
    }

    fn vote() -> OVote {
        types::o_vote(Vote { leader: LeaderId { term: 3, node: 2 }, committed: true })
    }

    fn request() -> AppendEntriesRequest<TypeConfig> {
        let payload = |bytes: usize| EntryPayload::Normal(Data(vec![7; bytes].into()));
        AppendEntriesRequest {
            vote: vote(),
            prev_log_id: Some(id(4)),
            leader_commit: Some(id(2)),
            entries: vec![
                OEntry { log_id: id(5), payload: EntryPayload::Blank },
                OEntry { log_id: id(6), payload: payload(10) },
                OEntry { log_id: id(7), payload: payload(100_000) },
                OEntry { log_id: id(8), payload: payload(0) },
            ],
        }
    }

    #[test]
    fn an_append_message_survives_and_shares_its_payloads() {
        let parts = encode_append(request());
        assert_eq!(parts.len(), 3, "the large payload is a piece of its own");
        let body = Bytes::from(parts.concat());
        let decoded = decode_append(body.clone()).expect("just encoded");
        assert_eq!(format!("{decoded:?}"), format!("{:?}", request()));
        let EntryPayload::Normal(Data(large)) = &decoded.entries[2].payload else { panic!("a batch") };
        assert!(body.as_ptr_range().contains(&large.as_ptr()), "the payload is a slice of what was received");
    }

    #[test]
    fn damaged_messages_are_errors() {
        let body = Bytes::from(encode_append(request()).concat());
        for cut in (0..body.len()).step_by(7) {
            assert!(decode_append(body.slice(..cut)).is_err(), "cut at {cut}");
        }
        let mut gap = request();
        gap.entries.remove(1);
        assert!(decode_append(encode_append(gap).concat().into()).is_err());
        let mut many = body.to_vec();
        many[68..72].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(decode_append(many.into()).is_err());
        let mut unknown = body.to_vec();
        unknown[72 + 24] = 200;
        assert!(decode_append(unknown.into()).unwrap_err().to_string().contains("kind 200"));
    }

    #[test]
    fn answers_survive() {
        for result in [Ok(None), Ok(Some(id(9))), Err(StreamAppendError::Conflict(id(1)))] {
            let (decoded, full) =
                decode_append_answer(encode_append_answer(&result, true)).expect("just encoded");
            assert_eq!((decoded, full), (result, true));
        }
        let higher = Err(StreamAppendError::HigherVote(vote()));
        assert_eq!(
            decode_append_answer(encode_append_answer(&higher, false)).expect("just encoded").0,
            higher
        );
        let ask = VoteRequest { vote: vote(), last_log_id: Some(id(3)), leadership_transfer: true };
        assert_eq!(decode_vote(encode_vote(&ask)).expect("just encoded"), ask);
        let answer = VoteResponse { vote: vote(), vote_granted: true, last_log_id: None };
        assert_eq!(decode_vote_answer(encode_vote_answer(&answer)).expect("just encoded"), answer);
        let transfer = TransferLeaderRequest::new(vote(), 3, Some(id(8)));
        assert_eq!(decode_transfer(encode_transfer(&transfer)).expect("just encoded"), transfer);
        let begin = SnapshotBegin { vote: vote(), last: Some(id(8)), total_bytes: 77, name: "s-1".into() };
        assert_eq!(decode_begin(encode_begin(&begin)).expect("just encoded"), begin);
        for offset in [None, Some(12)] {
            let answer = BeginAnswer { vote: vote(), offset };
            assert_eq!(decode_begin_answer(encode_begin_answer(&answer)).expect("just encoded"), answer);
        }
    }
}
