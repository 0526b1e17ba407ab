//! The bytes of a log entry's data: batches of client requests, and the leader's ticks.
//!
//! What it leaves to others: which requests travel together ([`crate::pipeline`]), what the stamp says
//! ([`crate::clock`]), what the requests do ([`crate::machine`]).
//!
//! A batch is encoded once, on the node that took the requests; log, network and storage pass on the
//! same bytes. Only the leader writes into them: its stamp, in a place kept free for it.
//!
//! ```text
//! offset size  field                                          little-endian
//!      0    1  format version, 1
//!      1    1  kind: 1 batch, 2 tick, 3 check, 4 silence
//!      2    2  zero
//!      4    4  number of requests (0 in all but batches)
//!      8    8  stamp: agreed time, milliseconds since the Unix epoch
//!     16    8  stamp: random seed
//! ------- ticks and checks end here --------
//!     24    8  origin: node id
//!     32    8  origin: incarnation
//!     40    8  sequence number, from 1, without gaps per origin and incarnation
//! ------- a silence ends here: its origin is the node that has not been heard of; its sequence number is 0 --------
//!     48    …  requests: u32 length of what follows, u8 database, u8 flags, u16 zero, then by the flags
//!              0: u32 number of arguments, then per argument u32 length and its bytes
//!              1, a transaction: u32 number of watched keys, then per key u8 database, three zero bytes,
//!                 u64 version, u32 length and its bytes; u32 number of requests, then those, flags 0
//!              2, a request that waited before: i64 deadline in milliseconds since the Unix epoch (its least value:
//!                 none), then as 0
//!              4, the end of a wait: u64 ticket, u8 how (0 timeout, 1 error, 2 the client is gone), seven zero bytes
//!              8, a request of the node itself: as 0, the first argument says what it is
//!             16, a request of a user who may not do everything, where that matters: u32 length of the user's name and
//!                 its bytes, then as 0
//! ```
//!
//! Invariants: decoding never panics, whatever the bytes; a decoded request's arguments are slices of
//! the entry. Frames and records around it carry the checksum.

use bytes::{BufMut, Bytes, BytesMut};
use quorate_commands::{Ticket, Unblock};
use quorate_keyspace::{DbIndex, Millis, Version};
use quorate_raft::NodeId;
use smallvec::SmallVec;

use crate::transaction::Watched;

/// The format version that this program writes.
pub(crate) const FORMAT_VERSION: u8 = 1;
const KIND_BATCH: u8 = 1;
const KIND_TICK: u8 = 2;
const KIND_CHECK: u8 = 3;
const KIND_SILENCE: u8 = 4;
const STAMPED_BYTES: usize = 24;
const HEADER_BYTES: usize = 48;
/// Database, flags and zeros, between a request's length and its body.
const REQUEST_HEADER_BYTES: usize = 4;
const FLAGS_PLAIN: u8 = 0;
const FLAGS_TRANSACTION: u8 = 1;
const FLAGS_ANEW: u8 = 2;
const FLAGS_UNBLOCK: u8 = 4;
const FLAGS_INTERNAL: u8 = 8;
const FLAGS_AS: u8 = 16;

/// What the leader adds to an entry: the agreed time and a random seed (section 5 of the design).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The agreed time.
    pub time: Millis,
    /// Seeds every random choice of the entry's requests.
    pub seed: u64,
}

/// Who sent a batch: a node, in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Origin {
    /// The node.
    pub node: NodeId,
    /// Counted up on the node's disk at each start.
    pub incarnation: u64,
}

/// Why an entry's data cannot be read. Such an entry is a fault: the log's checksums held, so a newer
/// program wrote it or memory is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// It ends too early or its counts do not add up.
    #[error("log entry data is malformed at byte {0}")]
    Malformed(usize),
    /// A newer program wrote it.
    #[error("log entry data has format version {0}, this program reads up to {FORMAT_VERSION}")]
    Version(u8),
    /// A newer program wrote it.
    #[error("log entry data has the unknown kind {0}")]
    Kind(u8),
}

/// The arguments of a request in a batch.
pub(crate) type RequestArgs<'a> = SmallVec<[&'a [u8]; 8]>;

/// Collects requests into a batch.
#[derive(Debug)]
pub(crate) struct BatchBuilder {
    buffer: BytesMut,
    requests: u32,
}

impl BatchBuilder {
    /// An empty batch with room for `bytes`.
    pub(crate) fn with_capacity(bytes: usize) -> BatchBuilder {
        let mut buffer = BytesMut::with_capacity(bytes.max(HEADER_BYTES));
        buffer.put_bytes(0, HEADER_BYTES);
        BatchBuilder { buffer, requests: 0 }
    }

    /// Adds a request.
    pub(crate) fn push<'a>(&mut self, db: DbIndex, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.put_request(db, FLAGS_PLAIN, args);
        self.requests += 1;
    }

    /// Adds a request of a user who may not do everything.
    pub(crate) fn push_as<'a>(
        &mut self,
        db: DbIndex,
        user: &[u8],
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        self.put_request_as(db, user, args);
        self.requests += 1;
    }

    fn put_request_as<'a>(
        &mut self,
        db: DbIndex,
        user: &[u8],
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        let start = self.begin_request(db, FLAGS_AS);
        self.put_len(user.len());
        self.buffer.put_slice(user);
        self.put_args(args);
        self.end_request(start);
    }

    /// Adds a request that only nodes make.
    pub(crate) fn push_internal<'a>(&mut self, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.put_request(DbIndex::ZERO, FLAGS_INTERNAL, args);
        self.requests += 1;
    }

    /// Adds a transaction: its watched keys, and those of its requests that write.
    pub(crate) fn push_transaction<'a, I>(
        &mut self,
        watched: &[Watched],
        requests: impl ExactSizeIterator<Item = (DbIndex, Option<&'a [u8]>, I)>,
    ) where
        I: ExactSizeIterator<Item = &'a [u8]>,
    {
        let start = self.begin_request(DbIndex::ZERO, FLAGS_TRANSACTION);
        self.put_len(watched.len());
        for key in watched {
            self.buffer.put_u8(key.db.as_u8());
            self.buffer.put_bytes(0, 3);
            self.buffer.put_u64_le(key.version.0);
            self.put_len(key.key.len());
            self.buffer.put_slice(&key.key);
        }
        self.put_len(requests.len());
        for (db, user, args) in requests {
            match user {
                None => self.put_request(db, FLAGS_PLAIN, args),
                Some(user) => self.put_request_as(db, user, args),
            }
        }
        self.end_request(start);
        self.requests += 1;
    }

    /// Adds a request that waited before, until this deadline.
    pub(crate) fn push_anew<'a>(
        &mut self,
        db: DbIndex,
        deadline: Option<Millis>,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        let start = self.begin_request(db, FLAGS_ANEW);
        self.buffer.put_i64_le(deadline.map_or(i64::MIN, |deadline| deadline.0));
        self.put_args(args);
        self.end_request(start);
        self.requests += 1;
    }

    /// Adds the end of a wait.
    pub(crate) fn push_unblock(&mut self, ticket: Ticket, how: Unblock) {
        let start = self.begin_request(DbIndex::ZERO, FLAGS_UNBLOCK);
        self.buffer.put_u64_le(ticket.0);
        self.buffer.put_u8(how as u8);
        self.buffer.put_bytes(0, 7);
        self.end_request(start);
        self.requests += 1;
    }

    fn put_request<'a>(&mut self, db: DbIndex, flags: u8, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        let start = self.begin_request(db, flags);
        self.put_args(args);
        self.end_request(start);
    }

    fn put_args<'a>(&mut self, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.put_len(args.len());
        for arg in args {
            self.put_len(arg.len());
            self.buffer.put_slice(arg);
        }
    }

    fn begin_request(&mut self, db: DbIndex, flags: u8) -> usize {
        let start = self.buffer.len();
        self.buffer.put_u32_le(0);
        self.buffer.put_u8(db.as_u8());
        self.buffer.put_u8(flags);
        self.buffer.put_bytes(0, 2);
        start
    }

    fn end_request(&mut self, start: usize) {
        let length = u32::try_from(self.buffer.len() - start - 4).expect("the session bounds a request");
        self.buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn put_len(&mut self, len: usize) {
        self.buffer.put_u32_le(u32::try_from(len).expect("the session bounds a request and its parts"));
    }

    /// How many bytes the entry's data will have.
    pub(crate) fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Closes the batch under its sequence number; the stamp is still empty.
    pub(crate) fn seal(mut self, origin: Origin, sequence: u64) -> Bytes {
        let head = &mut self.buffer[..HEADER_BYTES];
        head[0] = FORMAT_VERSION;
        head[1] = KIND_BATCH;
        head[4..8].copy_from_slice(&self.requests.to_le_bytes());
        head[24..32].copy_from_slice(&origin.node.0.to_le_bytes());
        head[32..40].copy_from_slice(&origin.incarnation.to_le_bytes());
        head[40..48].copy_from_slice(&sequence.to_le_bytes());
        self.buffer.freeze()
    }
}

/// A silence, still without its stamp: the waiters of this life of a node are to go, as nobody hears of it.
pub(crate) fn silence(origin: Origin) -> BytesMut {
    let mut data = BytesMut::zeroed(HEADER_BYTES);
    data[0] = FORMAT_VERSION;
    data[1] = KIND_SILENCE;
    data[24..32].copy_from_slice(&origin.node.0.to_le_bytes());
    data[32..40].copy_from_slice(&origin.incarnation.to_le_bytes());
    data
}

/// Writes the leader's stamp into a sealed batch or a silence.
///
/// # Errors
/// The bytes are neither, or not of a version that this program knows.
pub(crate) fn stamp(data: &mut [u8], stamp: Stamp) -> Result<(), DecodeError> {
    let head = data.get_mut(..HEADER_BYTES).ok_or(DecodeError::Malformed(0))?;
    if head[0] != FORMAT_VERSION {
        return Err(DecodeError::Version(head[0]));
    }
    if !matches!(head[1], KIND_BATCH | KIND_SILENCE) {
        return Err(DecodeError::Kind(head[1]));
    }
    head[8..16].copy_from_slice(&stamp.time.0.to_le_bytes());
    head[16..24].copy_from_slice(&stamp.seed.to_le_bytes());
    Ok(())
}

/// The sequence number in a sealed batch's header.
#[cfg(test)]
pub(crate) fn sequence_of(data: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(data.get(40..48)?.try_into().ok()?))
}

/// A tick: nothing but a stamp, so that time goes on in an idle cluster.
pub(crate) fn tick(stamp: Stamp) -> Bytes {
    stamp_alone(KIND_TICK, stamp)
}

/// A check: every node computes the digest of its state at this entry ([`crate::divergence`]).
pub(crate) fn check(stamp: Stamp) -> Bytes {
    stamp_alone(KIND_CHECK, stamp)
}

fn stamp_alone(kind: u8, stamp: Stamp) -> Bytes {
    let mut data = BytesMut::zeroed(STAMPED_BYTES);
    data[0] = FORMAT_VERSION;
    data[1] = kind;
    data[8..16].copy_from_slice(&stamp.time.0.to_le_bytes());
    data[16..24].copy_from_slice(&stamp.seed.to_le_bytes());
    data.freeze()
}

/// An entry's data, read.
#[derive(Debug, Clone)]
pub(crate) enum Data<'a> {
    /// Requests of clients.
    Batch {
        /// The leader's stamp.
        stamp: Stamp,
        /// Who sent it.
        origin: Origin,
        /// Its number, without gaps per origin.
        sequence: u64,
        /// The requests, in order.
        requests: Requests<'a>,
    },
    /// Time alone.
    Tick(Stamp),
    /// Time, and a digest of the state here.
    Check(Stamp),
    /// Time, and the end of a node's waiters.
    Silence(Stamp, Origin),
}

impl<'a> Data<'a> {
    /// The leader's stamp.
    pub(crate) fn stamp(&self) -> Stamp {
        let (Data::Batch { stamp, .. } | Data::Tick(stamp) | Data::Check(stamp) | Data::Silence(stamp, _)) =
            self;
        *stamp
    }

    /// Reads an entry's data.
    ///
    /// # Errors
    /// The header is malformed or of a newer version. Damage further on shows in [`Requests`].
    pub(crate) fn decode(data: &'a [u8]) -> Result<Data<'a>, DecodeError> {
        let head = data.get(..STAMPED_BYTES).ok_or(DecodeError::Malformed(0))?;
        if head[0] != FORMAT_VERSION {
            return Err(DecodeError::Version(head[0]));
        }
        let stamp = Stamp { time: Millis(u64_at(head, 8) as i64), seed: u64_at(head, 16) };
        match head[1] {
            KIND_TICK => Ok(Data::Tick(stamp)),
            KIND_CHECK => Ok(Data::Check(stamp)),
            kind @ (KIND_BATCH | KIND_SILENCE) => {
                let head = data.get(..HEADER_BYTES).ok_or(DecodeError::Malformed(STAMPED_BYTES))?;
                let count = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
                let origin = Origin { node: NodeId(u64_at(head, 24)), incarnation: u64_at(head, 32) };
                if kind == KIND_SILENCE {
                    return Ok(Data::Silence(stamp, origin));
                }
                let requests = Requests { data, position: HEADER_BYTES, left: count };
                Ok(Data::Batch { stamp, origin, sequence: u64_at(head, 40), requests })
            }
            kind => Err(DecodeError::Kind(kind)),
        }
    }
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(word)
}

/// One request of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchRequest<'a> {
    /// The database that the connection had selected.
    pub db: DbIndex,
    /// The arguments as sent.
    pub args: RequestArgs<'a>,
    /// Who asks: a user who may not do everything, where that matters.
    pub user: Option<&'a [u8]>,
}

/// A watched key in a batch: its database, what it is to be at apply, and its name.
pub(crate) type WatchedKey<'a> = (DbIndex, Version, &'a [u8]);

/// What is executed in one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BatchItem<'a> {
    /// One request.
    Request(BatchRequest<'a>),
    /// What a node itself has to say; see [`crate::messages::report`].
    Internal(RequestArgs<'a>),
    /// Requests that are executed together, if the watched keys are as they were.
    Transaction {
        /// The keys that must not have changed.
        watched: Vec<WatchedKey<'a>>,
        /// The requests.
        requests: Vec<BatchRequest<'a>>,
    },
    /// A request that waited until this deadline, before its waiter was lost.
    Anew {
        /// The deadline.
        deadline: Option<Millis>,
        /// The request.
        request: BatchRequest<'a>,
    },
    /// The end of a wait.
    Unblock {
        /// Whose.
        ticket: Ticket,
        /// How.
        how: Unblock,
    },
}

/// Walks the requests of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Requests<'a> {
    data: &'a [u8],
    position: usize,
    left: u32,
}

impl<'a> Requests<'a> {
    /// The next request is not what it should be.
    pub(crate) fn malformed(&self) -> DecodeError {
        DecodeError::Malformed(self.position)
    }

    fn read(&mut self) -> Option<BatchItem<'a>> {
        let mut rest = self.data.get(self.position..)?;
        let item = read_item(&mut rest)?;
        self.position = self.data.len() - rest.len();
        Some(item)
    }
}

fn read_item<'a>(from: &mut &'a [u8]) -> Option<BatchItem<'a>> {
    let (db, flags, mut body) = read_frame(from)?;
    match flags {
        FLAGS_INTERNAL => return read_args(body).map(BatchItem::Internal),
        FLAGS_TRANSACTION => {}
        FLAGS_ANEW => {
            let deadline = u64_at(take(&mut body, 8)?, 0) as i64;
            let deadline = (deadline != i64::MIN).then_some(Millis(deadline));
            return read_args(body)
                .map(|args| BatchItem::Anew { deadline, request: BatchRequest { db, args, user: None } });
        }
        FLAGS_UNBLOCK => {
            let ticket = Ticket(u64_at(take(&mut body, 8)?, 0));
            let how = Unblock::ALL.get(usize::from(*body.first()?)).copied()?;
            return (body.len() == 8).then_some(BatchItem::Unblock { ticket, how });
        }
        _ => return read_request(db, flags, body).map(BatchItem::Request),
    }
    let count = take_u32(&mut body)?;
    let mut watched = Vec::new();
    for _ in 0..count {
        let head = take(&mut body, 12)?;
        let version = Version(u64_at(head, 4));
        let len = take_u32(&mut body)?;
        watched.push((DbIndex::new(i64::from(head[0]))?, version, take(&mut body, len)?));
    }
    let count = take_u32(&mut body)?;
    let mut requests = Vec::new();
    for _ in 0..count {
        let (db, flags, args) = read_frame(&mut body)?;
        requests.push(read_request(db, flags, args)?);
    }
    body.is_empty().then_some(BatchItem::Transaction { watched, requests })
}

/// A client's request.
fn read_request(db: DbIndex, flags: u8, mut body: &[u8]) -> Option<BatchRequest<'_>> {
    let user = match flags {
        FLAGS_PLAIN => None,
        FLAGS_AS => {
            let len = take_u32(&mut body)?;
            Some(take(&mut body, len)?)
        }
        _ => return None,
    };
    Some(BatchRequest { db, args: read_args(body)?, user })
}

/// A request's database, its flags, and what follows them.
fn read_frame<'a>(from: &mut &'a [u8]) -> Option<(DbIndex, u8, &'a [u8])> {
    let length = take_u32(from)?;
    let mut frame = take(from, length)?;
    let head = take(&mut frame, REQUEST_HEADER_BYTES)?;
    Some((DbIndex::new(i64::from(head[0]))?, head[1], frame))
}

fn read_args(mut body: &[u8]) -> Option<RequestArgs<'_>> {
    let argc = take_u32(&mut body)?;
    // Each argument takes at least its length field: the count cannot reserve more than is there.
    let mut args = RequestArgs::with_capacity(argc.min(body.len() / 4));
    for _ in 0..argc {
        let size = take_u32(&mut body)?;
        args.push(take(&mut body, size)?);
    }
    (body.is_empty() && !args.is_empty()).then_some(args)
}

fn take<'a>(from: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(bytes)?;
    *from = rest;
    Some(taken)
}

fn take_u32(from: &mut &[u8]) -> Option<usize> {
    let (word, rest) = from.split_first_chunk::<4>()?;
    *from = rest;
    Some(u32::from_le_bytes(*word) as usize)
}

impl<'a> Iterator for Requests<'a> {
    type Item = Result<BatchItem<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let trailing = self.position < self.data.len();
            self.position = self.data.len();
            return trailing.then_some(Err(DecodeError::Malformed(self.position)));
        }
        self.left -= 1;
        match self.read() {
            Some(item) => Some(Ok(item)),
            None => {
                let at = self.position;
                self.left = 0;
                self.position = self.data.len();
                Some(Err(DecodeError::Malformed(at)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
