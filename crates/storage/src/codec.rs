//! The one door to bincode, for the cold structures: identity, manifests, values of the ledger.
//!
//! A frame is what reaches the disk: whole, checksummed, of a known version, or refused.
//!
//! | offset | bytes | field |
//! |---:|---:|---|
//! | 0 | 8 | magic, one for each kind of structure |
//! | 8 | 4 | version of the structure |
//! | 12 | 4 | length of the body |
//! | 16 | 4 | CRC-32C of the bytes 0..16 and the body |
//! | 20 | | body: bincode, legacy configuration (fixed little-endian integers) |
//!
//! A structure never changes once released: a new field is a new struct and a new version, and the old decoder stays.

use bincode::{Decode, Encode, config};

use crate::{
    crc::Crc,
    error::Error,
    id::{LeaderId, LogId, Vote},
};

const HEADER_BYTES: usize = 20;
/// Bodies above this are refused, in either direction.
const BODY_BYTES_MAX: usize = 4 << 20;

fn config() -> impl config::Config {
    config::legacy().with_limit::<BODY_BYTES_MAX>()
}

/// A kind of structure: its magic, and the newest version that this program reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) magic: &'static [u8; 8],
    pub(crate) version: u32,
}

/// Encodes a structure into a frame.
pub(crate) fn encode<T: Encode>(kind: Kind, value: &T) -> Result<Vec<u8>, Error> {
    let too_large = |bytes: usize| Error::TooLarge {
        what: "structure",
        bytes: bytes as u64,
        bytes_max: BODY_BYTES_MAX as u64,
    };
    let body = bincode::encode_to_vec(value, config()).map_err(|_| too_large(usize::MAX))?;
    if body.len() > BODY_BYTES_MAX {
        return Err(too_large(body.len()));
    }
    let mut frame = Vec::with_capacity(HEADER_BYTES + body.len());
    frame.extend_from_slice(kind.magic);
    frame.extend_from_slice(&kind.version.to_le_bytes());
    frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
    let mut crc = Crc::new();
    crc.update(&frame);
    crc.update(&body);
    frame.extend_from_slice(&crc.finish().to_le_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// Decodes a frame that fills `bytes`; `file` names its place for the error.
pub(crate) fn decode<T: Decode<()>>(kind: Kind, bytes: &[u8], file: &str) -> Result<T, Error> {
    let damaged = |reason: &str| Error::corrupt(file, 0, reason);
    let field = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (Some(head), Some(body)) = (bytes.get(..16), bytes.get(HEADER_BYTES..)) else {
        return Err(damaged("the structure is cut off"));
    };
    if !head.starts_with(kind.magic) {
        return Err(damaged("the structure has a wrong magic"));
    }
    let mut crc = Crc::new();
    crc.update(head);
    crc.update(body);
    if field(16) != Some(crc.finish()) {
        return Err(damaged("the structure has a wrong checksum"));
    }
    if field(12) != u32::try_from(body.len()).ok() {
        return Err(damaged("the structure has a wrong length"));
    }
    let version = field(8).unwrap_or(0);
    if version != kind.version {
        return Err(Error::Version { file: file.into(), found: version, supported: kind.version });
    }
    match bincode::decode_from_slice(body, config()) {
        Ok((value, used)) if used == body.len() => Ok(value),
        _ => Err(damaged("the structure has a right checksum and a wrong shape")),
    }
}

/// A log id as it is stored in cold structures: term, node, index.
pub(crate) type LogIdV1 = (u64, u64, u64);

pub(crate) fn log_id_to_v1(id: LogId) -> LogIdV1 {
    (id.leader.term, id.leader.node, id.index)
}

pub(crate) fn log_id_from_v1((term, node, index): LogIdV1) -> LogId {
    LogId::new(term, node, index)
}

/// A vote as it is stored in cold structures: term, node, committed.
pub(crate) type VoteV1 = (u64, u64, bool);

pub(crate) fn vote_to_v1(vote: Vote) -> VoteV1 {
    (vote.leader.term, vote.leader.node, vote.committed)
}

pub(crate) fn vote_from_v1((term, node, committed): VoteV1) -> Vote {
    Vote { leader: LeaderId { term, node }, committed }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { magic: b"QRTESTTT", version: 3 };

    #[test]
    fn every_damaged_byte_is_noticed() {
        let frame = encode(KIND, &(7_u64, vec![1_u8, 2, 3], Some(true))).unwrap();
        let decoded: (u64, Vec<u8>, Option<bool>) = decode(KIND, &frame, "f").unwrap();
        assert_eq!(decoded, (7, vec![1, 2, 3], Some(true)));
        for position in 0..frame.len() {
            let mut damaged = frame.clone();
            damaged[position] ^= 0x10;
            let result = decode::<(u64, Vec<u8>, Option<bool>)>(KIND, &damaged, "f");
            assert!(matches!(result, Err(Error::Corrupt { .. })), "byte {position}: {result:?}");
            let result = decode::<(u64, Vec<u8>, Option<bool>)>(KIND, &frame[..position], "f");
            assert!(matches!(result, Err(Error::Corrupt { .. })), "cut at {position}: {result:?}");
        }
    }

    #[test]
    fn other_versions_and_shapes_are_refused() {
        let newer = encode(Kind { version: 4, ..KIND }, &1_u64).unwrap();
        assert!(matches!(
            decode::<u64>(KIND, &newer, "f"),
            Err(Error::Version { found: 4, supported: 3, .. })
        ));
        let frame = encode(KIND, &1_u64).unwrap();
        assert!(decode::<u32>(KIND, &frame, "f").is_err(), "bytes are left over");
        // A length that promises more than there is must not allocate it.
        let frame = encode(KIND, &u64::MAX).unwrap();
        assert!(decode::<Vec<u8>>(KIND, &frame, "f").is_err());
        assert!(encode(KIND, &vec![0_u8; BODY_BYTES_MAX + 1]).is_err());
    }
}
