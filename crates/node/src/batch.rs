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
//!      1    1  kind: 1 batch, 2 tick, 3 check
//!      2    2  zero
//!      4    4  number of requests (0 in ticks and checks)
//!      8    8  stamp: agreed time, milliseconds since the Unix epoch
//!     16    8  stamp: random seed
//! ------- ticks and checks end here --------
//!     24    8  origin: node id
//!     32    8  origin: incarnation
//!     40    8  sequence number, from 1, without gaps per origin and incarnation
//!     48    …  requests: u32 length of what follows, u8 database, u8 flags (0), u16 zero,
//!              u32 number of arguments, then per argument u32 length and its bytes
//! ```
//!
//! Invariants: decoding never panics, whatever the bytes; a decoded request's arguments are slices of
//! the entry. Frames and records around it carry the checksum.

use bytes::{BufMut, Bytes, BytesMut};
use quorate_keyspace::{DbIndex, Millis};
use quorate_raft::NodeId;
use smallvec::SmallVec;

/// The format version that this program writes.
pub(crate) const FORMAT_VERSION: u8 = 1;
const KIND_BATCH: u8 = 1;
const KIND_TICK: u8 = 2;
const KIND_CHECK: u8 = 3;
const STAMPED_BYTES: usize = 24;
const HEADER_BYTES: usize = 48;
const REQUEST_HEADER_BYTES: usize = 12;

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
        let start = self.buffer.len();
        self.buffer.put_u32_le(0);
        self.buffer.put_u8(db.as_u8());
        self.buffer.put_bytes(0, 3);
        self.buffer.put_u32_le(u32::try_from(args.len()).expect("the decoder bounds the arguments"));
        for arg in args {
            self.buffer.put_u32_le(u32::try_from(arg.len()).expect("the decoder bounds an argument"));
            self.buffer.put_slice(arg);
        }
        let length = u32::try_from(self.buffer.len() - start - 4).expect("the decoder bounds a request");
        self.buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.requests += 1;
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

/// Writes the leader's stamp into a sealed batch.
///
/// # Errors
/// The bytes are no batch of a version that this program knows.
pub(crate) fn stamp(data: &mut [u8], stamp: Stamp) -> Result<(), DecodeError> {
    let head = data.get_mut(..HEADER_BYTES).ok_or(DecodeError::Malformed(0))?;
    if head[0] != FORMAT_VERSION {
        return Err(DecodeError::Version(head[0]));
    }
    if head[1] != KIND_BATCH {
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
}

impl<'a> Data<'a> {
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
            KIND_BATCH => {
                let head = data.get(..HEADER_BYTES).ok_or(DecodeError::Malformed(STAMPED_BYTES))?;
                let count = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
                let origin = Origin { node: NodeId(u64_at(head, 24)), incarnation: u64_at(head, 32) };
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
}

/// Walks the requests of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Requests<'a> {
    data: &'a [u8],
    position: usize,
    left: u32,
}

impl<'a> Requests<'a> {
    fn read(&mut self) -> Option<BatchRequest<'a>> {
        let head = self.data.get(self.position..self.position + REQUEST_HEADER_BYTES)?;
        let length = u32_at(head, 0)? as usize;
        let db = DbIndex::new(i64::from(*head.get(4)?))?;
        let argc = u32_at(head, 8)? as usize;
        let end = self.position.checked_add(4)?.checked_add(length)?;
        let mut rest = self.data.get(self.position + REQUEST_HEADER_BYTES..end)?;
        // Each argument takes at least its length field: the count cannot reserve more than is there.
        let mut args = RequestArgs::with_capacity(argc.min(rest.len() / 4));
        for _ in 0..argc {
            let size = u32_at(rest, 0)? as usize;
            args.push(rest.get(4..)?.get(..size)?);
            rest = rest.get(4 + size..)?;
        }
        if !rest.is_empty() || args.is_empty() {
            return None;
        }
        self.position = end;
        Some(BatchRequest { db, args })
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..offset.checked_add(4)?)?.try_into().ok()?))
}

impl<'a> Iterator for Requests<'a> {
    type Item = Result<BatchRequest<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let trailing = self.position < self.data.len();
            self.position = self.data.len();
            return trailing.then_some(Err(DecodeError::Malformed(self.position)));
        }
        self.left -= 1;
        match self.read() {
            Some(request) => Some(Ok(request)),
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
mod tests {
    use super::*;

    const ORIGIN: Origin = Origin { node: NodeId(3), incarnation: 7 };
    const STAMP: Stamp = Stamp { time: Millis(1_700_000_000_123), seed: 0xfeed };

    fn sealed() -> BytesMut {
        let mut builder = BatchBuilder::with_capacity(64);
        builder.push(DbIndex::new(0).unwrap(), [&b"SET"[..], b"key", b"value"].into_iter());
        builder.push(DbIndex::new(15).unwrap(), [&b"PING"[..], b""].into_iter());
        BytesMut::from(&builder.seal(ORIGIN, 42)[..])
    }

    #[test]
    fn a_stamped_batch_reads_back() {
        let mut data = sealed();
        stamp(&mut data, STAMP).unwrap();
        assert_eq!(sequence_of(&data), Some(42));
        let Data::Batch { stamp, origin, sequence, requests } = Data::decode(&data).unwrap() else {
            panic!("a batch reads back as a batch")
        };
        assert_eq!((stamp, origin, sequence), (STAMP, ORIGIN, 42));
        let requests: Vec<_> = requests.map(Result::unwrap).collect();
        assert_eq!(requests[0].args.as_slice(), [&b"SET"[..], b"key", b"value"]);
        assert_eq!(requests[1].db, DbIndex::new(15).unwrap());
        assert_eq!(requests[1].args.as_slice(), [&b"PING"[..], b""]);
    }

    #[test]
    fn the_first_format_stays_readable() {
        // Written by format version 1; a program that cannot read it breaks rolling upgrades.
        let fixture = "0101000001000000e80300000000000007000000000000000100000000000000020000000000\
                       000003000000000000001400000000000000020000000300000044454c010000006b";
        let bytes: Vec<u8> = (0..fixture.len() / 2)
            .map(|i| u8::from_str_radix(&fixture[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        let Data::Batch { stamp, origin, sequence, mut requests } = Data::decode(&bytes).unwrap() else {
            panic!("the fixture is a batch")
        };
        assert_eq!(stamp, Stamp { time: Millis(1000), seed: 7 });
        assert_eq!((origin.node, origin.incarnation, sequence), (NodeId(1), 2, 3));
        assert_eq!(requests.next().unwrap().unwrap().args.as_slice(), [&b"DEL"[..], b"k"]);
        assert!(requests.next().is_none());
    }

    #[test]
    fn ticks_and_checks_carry_time_alone() {
        assert!(matches!(Data::decode(&tick(STAMP)), Ok(Data::Tick(read)) if read == STAMP));
        assert!(matches!(Data::decode(&check(STAMP)), Ok(Data::Check(read)) if read == STAMP));
    }

    #[test]
    fn damaged_bytes_are_errors_and_never_panic() {
        let whole = sealed();
        for cut in 0..whole.len() {
            if let Ok(Data::Batch { requests, .. }) = Data::decode(&whole[..cut]) {
                assert!(requests.into_iter().any(|request| request.is_err()), "cut at {cut}");
            }
        }
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 0xff;
            if let Ok(Data::Batch { requests, .. }) = Data::decode(&damaged) {
                assert!(requests.count() <= whole.len());
            }
        }
        assert!(matches!(stamp(&mut [9; 48], STAMP), Err(DecodeError::Version(9))));
    }
}
