//! The bytes of a snapshot file.
//!
//! All integers are little-endian.
//!
//! | part | bytes | content |
//! |---|---:|---|
//! | header | 32 | magic `QRSNAPSH`, format version (4), oldest reader (4), zero (12), CRC-32C of the 28 bytes before (4) |
//! | each block | 8 + n | length n (4), CRC-32C of length and data (4), data |
//! | end of blocks | 8 | a block of length 0 |
//! | manifest | m | a frame of [`codec`](crate::codec) with magic `QRMANIFE` |
//! | trailer | 24 | offset of the manifest (8), m (4), CRC-32C of the 12 bytes before (4), magic `QRSNAPEN` |

use bincode::{Decode, Encode};
use bytes::Bytes;

use super::{Manifest, SnapshotId};
use crate::{
    codec::{self, Kind, LogIdV1},
    crc::{Crc, crc32c},
    error::Error,
};

/// A block may hold this many bytes.
pub const BLOCK_BYTES_MAX: usize = 16 << 20;

/// The version of snapshot files that this program writes.
pub const FORMAT_VERSION: u32 = 1;
pub(super) const HEADER_BYTES: u64 = 32;
pub(super) const BLOCK_HEADER_BYTES: usize = 8;
pub(super) const TRAILER_BYTES: u64 = 24;
const MANIFEST: Kind = Kind { magic: b"QRMANIFE", version: 1 };
const MAGIC: &[u8; 8] = b"QRSNAPSH";
const TRAILER_MAGIC: &[u8; 8] = b"QRSNAPEN";

#[derive(Encode, Decode)]
struct ManifestV1 {
    min_reader: u32,
    last_log_id: Option<LogIdV1>,
    membership: Vec<u8>,
    blocks: u64,
    bytes: u64,
    crc: u32,
    created_ms: u64,
}

pub(super) fn encode_header() -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.resize(28, 0);
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Checks a header; returns the format version.
pub(super) fn check_header(file: &str, bytes: &[u8]) -> Result<u32, Error> {
    let (Some(head), Some(version), Some(min_reader), Some(crc)) =
        (bytes.get(..28), u32_at(bytes, 8), u32_at(bytes, 12), u32_at(bytes, 28))
    else {
        return Err(Error::corrupt(file, 0, "the header is cut off"));
    };
    if !head.starts_with(MAGIC) || crc32c(head) != crc {
        return Err(Error::corrupt(file, 0, "the header is not that of a snapshot"));
    }
    if min_reader > FORMAT_VERSION {
        return Err(Error::Version { file: file.into(), found: version, supported: FORMAT_VERSION });
    }
    Ok(version)
}

pub(super) fn encode_manifest(manifest: &Manifest) -> Result<Vec<u8>, Error> {
    let stored = ManifestV1 {
        min_reader: manifest.min_reader,
        last_log_id: manifest.last_log_id.map(codec::log_id_to_v1),
        membership: manifest.membership.to_vec(),
        blocks: manifest.blocks,
        bytes: manifest.bytes,
        crc: manifest.crc,
        created_ms: manifest.created_ms,
    };
    codec::encode(MANIFEST, &stored)
}

pub(super) fn decode_manifest(format: u32, frame: &[u8], file: &str) -> Result<Manifest, Error> {
    let stored: ManifestV1 = codec::decode(MANIFEST, frame, file)?;
    Ok(Manifest {
        format,
        min_reader: stored.min_reader,
        last_log_id: stored.last_log_id.map(codec::log_id_from_v1),
        membership: Bytes::from(stored.membership),
        blocks: stored.blocks,
        bytes: stored.bytes,
        crc: stored.crc,
        created_ms: stored.created_ms,
    })
}

/// The name that follows from what the snapshot holds.
pub(super) fn id_of(manifest: &Manifest, frame: &[u8]) -> SnapshotId {
    let last = manifest.last_log_id.unwrap_or_default();
    let (index, term, check) = (last.index, last.leader.term, crc32c(frame));
    SnapshotId(format!("{index:020}-{term:016}-{check:08x}{:08x}", manifest.crc))
}

pub(super) fn encode_trailer(manifest_offset: u64, manifest_bytes: u32) -> Vec<u8> {
    let mut bytes = manifest_offset.to_le_bytes().to_vec();
    bytes.extend_from_slice(&manifest_bytes.to_le_bytes());
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(TRAILER_MAGIC);
    bytes
}

/// Offset and length of the manifest.
pub(super) fn decode_trailer(file: &str, at: u64, bytes: &[u8]) -> Result<(u64, u32), Error> {
    let damaged = || Error::corrupt(file, at, "the trailer is damaged");
    let offset = bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).ok_or_else(damaged)?;
    let length = u32_at(bytes, 8).ok_or_else(damaged)?;
    let head = bytes.get(..12).ok_or_else(damaged)?;
    if u32_at(bytes, 12) != Some(crc32c(head)) || bytes.get(16..) != Some(TRAILER_MAGIC) {
        return Err(damaged());
    }
    Ok((offset, length))
}

pub(super) fn encode_block_header(data: &[u8]) -> [u8; BLOCK_HEADER_BYTES] {
    let length = (data.len() as u32).to_le_bytes();
    let mut header = [0; BLOCK_HEADER_BYTES];
    let bytes = length.into_iter().chain(block_crc(length, data).to_le_bytes());
    for (to, from) in header.iter_mut().zip(bytes) {
        *to = from;
    }
    header
}

/// Length and checksum that a block's header promises; `None` if it cannot be one.
pub(super) fn decode_block_header(bytes: &[u8]) -> Option<(usize, u32)> {
    let length = usize::try_from(u32_at(bytes, 0)?).ok().filter(|length| *length <= BLOCK_BYTES_MAX)?;
    Some((length, u32_at(bytes, 4)?))
}

pub(super) fn is_block_right(data: &[u8], crc: u32) -> bool {
    block_crc((data.len() as u32).to_le_bytes(), data) == crc
}

fn block_crc(length: [u8; 4], data: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(&length);
    crc.update(data);
    crc.finish()
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}
