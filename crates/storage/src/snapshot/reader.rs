//! Reading a snapshot: by block for the state machine, by offset for a peer.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    SnapshotId, SnapshotInfo,
    format::{self, BLOCK_HEADER_BYTES, HEADER_BYTES, TRAILER_BYTES},
};
use crate::{
    crc::Crc,
    disk::{Disk, File, read_exact_at},
    error::Error,
};

/// An open snapshot; it stays readable when it is deleted meanwhile.
pub struct SnapshotReader {
    info: SnapshotInfo,
    path: String,
    file: Arc<dyn File>,
    /// Where the next block begins.
    offset: u64,
}

impl SnapshotReader {
    pub(super) fn open(disk: &dyn Disk, info: SnapshotInfo) -> Result<Self, Error> {
        let path = info.id.path();
        let file = disk.open(&path).map_err(|error| Error::io("open", path.as_str(), error))?;
        Ok(Self { info, path, file, offset: HEADER_BYTES })
    }

    /// Name, manifest and length.
    #[must_use]
    pub fn info(&self) -> &SnapshotInfo {
        &self.info
    }

    /// Bytes of the file at `offset`, for streaming; shorter at the end, empty beyond it.
    pub fn read_at(&self, offset: u64, bytes_max: usize) -> Result<Bytes, Error> {
        let left = usize::try_from(self.info.file_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let bytes = read_exact_at(self.file.as_ref(), offset, left.min(bytes_max));
        Ok(Bytes::from(bytes.map_err(|error| Error::io("read", self.path.as_str(), error))?))
    }

    /// The next block in order, verified; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is damaged.
    pub fn next_block(&mut self) -> Result<Option<Bytes>, Error> {
        let block = next_block(self.file.as_ref(), &self.path, self.offset)?;
        if let Some(block) = &block {
            self.offset += (BLOCK_HEADER_BYTES + block.len()) as u64;
        }
        Ok(block)
    }

    /// Reads everything and checks every checksum, whatever was read before.
    pub fn verify(&self) -> Result<(), Error> {
        let found = verify(self.file.as_ref(), &self.path)?;
        if found != self.info {
            return Err(Error::corrupt(self.path.as_str(), 0, "the snapshot is not the one of its name"));
        }
        Ok(())
    }
}

/// Name, manifest and length of a finished snapshot, from its two ends.
pub(super) fn load_info(disk: &dyn Disk, id: &SnapshotId) -> Result<SnapshotInfo, Error> {
    let path = id.path();
    let file = disk.open(&path).map_err(|error| Error::io("open", path.as_str(), error))?;
    let (info, _) = read_ends(file.as_ref(), &path)?;
    if info.id != *id {
        return Err(Error::corrupt(path, 0, "the snapshot is not the one of its name"));
    }
    Ok(info)
}

/// What header, manifest and trailer say, and where the manifest begins.
fn read_ends(file: &dyn File, path: &str) -> Result<(SnapshotInfo, u64), Error> {
    let io = |error| Error::io("read", path, error);
    let file_bytes = file.len().map_err(io)?;
    let trailer_at = file_bytes
        .checked_sub(TRAILER_BYTES)
        .filter(|at| *at >= HEADER_BYTES)
        .ok_or_else(|| Error::corrupt(path, file_bytes, "the file is cut off"))?;
    let header = read_exact_at(file, 0, HEADER_BYTES as usize).map_err(io)?;
    let version = format::check_header(path, &header)?;
    let trailer = read_exact_at(file, trailer_at, TRAILER_BYTES as usize).map_err(io)?;
    let (offset, length) = format::decode_trailer(path, trailer_at, &trailer)?;
    if offset.checked_add(u64::from(length)) != Some(trailer_at) {
        return Err(Error::corrupt(path, trailer_at, "the trailer does not fit the file"));
    }
    let frame = read_exact_at(file, offset, length as usize).map_err(io)?;
    let manifest = format::decode_manifest(version, &frame, path)?;
    let id = format::id_of(&manifest, &frame);
    Ok((SnapshotInfo { id, manifest, file_bytes }, offset))
}

/// Checks a whole file.
pub(super) fn verify(file: &dyn File, path: &str) -> Result<SnapshotInfo, Error> {
    let (info, manifest_offset) = read_ends(file, path)?;
    let (mut offset, mut blocks, mut bytes, mut crc) = (HEADER_BYTES, 0, 0, Crc::new());
    while let Some(block) = next_block(file, path, offset)? {
        crc.update(&block);
        blocks += 1;
        bytes += block.len() as u64;
        offset += (BLOCK_HEADER_BYTES + block.len()) as u64;
    }
    let manifest = &info.manifest;
    let is_whole = offset + BLOCK_HEADER_BYTES as u64 == manifest_offset;
    if !is_whole || (blocks, bytes, crc.finish()) != (manifest.blocks, manifest.bytes, manifest.crc) {
        return Err(Error::corrupt(path, offset, "the blocks are not those that the manifest counts"));
    }
    Ok(info)
}

/// The block at `offset`; `None` at the end of the blocks.
pub(super) fn next_block(file: &dyn File, path: &str, offset: u64) -> Result<Option<Bytes>, Error> {
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::corrupt(path, offset, "the file is cut off"),
        _ => Error::io("read", path, error),
    };
    let damaged = || Error::corrupt(path, offset, "the block has a wrong checksum");
    let header = read_exact_at(file, offset, BLOCK_HEADER_BYTES).map_err(io)?;
    let (length, crc) = format::decode_block_header(&header).ok_or_else(damaged)?;
    // The length is not trusted yet: no more than the file has is read.
    let left = file.len().map_err(io)?.saturating_sub(offset);
    if length as u64 > left {
        return Err(damaged());
    }
    let data = read_exact_at(file, offset + BLOCK_HEADER_BYTES as u64, length).map_err(io)?;
    if !format::is_block_right(&data, crc) {
        return Err(damaged());
    }
    Ok((length > 0).then(|| Bytes::from(data)))
}
