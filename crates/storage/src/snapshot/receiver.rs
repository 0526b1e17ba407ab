//! Receiving a peer's snapshot, by offset, over interruptions of either side.

use std::{io, sync::Arc};

use super::{
    SnapshotId, SnapshotInfo, SnapshotStore,
    format::{self, BLOCK_HEADER_BYTES, HEADER_BYTES},
    reader, write_at,
};
use crate::{
    disk::{File, read_exact_at},
    error::Error,
};

/// See [`super::writer`]: syncs on the way keep the last one short.
const SYNC_EVERY_BYTES: u64 = 8 << 20;

/// A peer's snapshot on its way in. Dropped unfinished, it stays, to be taken up again by the same name.
pub struct SnapshotReceiver {
    store: SnapshotStore,
    id: SnapshotId,
    path: String,
    file: Arc<dyn File>,
    total_bytes: u64,
    offset: u64,
    unsynced_bytes: u64,
    /// The snapshot is here already: nothing to receive.
    known: Option<SnapshotInfo>,
}

impl SnapshotReceiver {
    pub(super) fn open(store: SnapshotStore, id: SnapshotId, total_bytes: u64) -> Result<Self, Error> {
        let disk = &store.shared.disk;
        let known = store.find(&id);
        let path = if known.is_some() { id.path() } else { id.part_path() };
        let io = |error| Error::io("open", path.as_str(), error);
        let (file, offset) = match disk.open(&path) {
            Ok(file) if known.is_some() => (file, total_bytes),
            Ok(file) => {
                let offset = sure_bytes(file.as_ref()).map_err(io)?.min(total_bytes);
                file.set_len(offset).map_err(io)?;
                (file, offset)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (disk.create(&path).map_err(io)?, 0),
            Err(error) => return Err(io(error)),
        };
        Ok(Self { store, id, path, file, total_bytes, offset, unsynced_bytes: 0, known })
    }

    /// The offset at which the next bytes are expected.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes bytes at `offset`, which must be [`Self::offset`] or before it (a repeat); returns the next offset. Bytes
    /// beyond the total are refused.
    ///
    /// # Errors
    /// [`Error::NotContiguous`] for an offset that leaves a gap: ask for the bytes at [`Self::offset`].
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<u64, Error> {
        if offset > self.offset {
            return Err(Error::NotContiguous { expected: self.offset, found: offset });
        }
        let end = offset.saturating_add(bytes.len() as u64);
        if end > self.total_bytes {
            return Err(Error::TooLarge { what: "snapshot", bytes: end, bytes_max: self.total_bytes });
        }
        let repeated = usize::try_from(self.offset - offset).unwrap_or(usize::MAX);
        if let Some(new) = bytes.get(repeated..).filter(|new| !new.is_empty()) {
            let written = write_at(self.file.as_ref(), &self.path, self.offset, &[new])?;
            self.offset += written;
            self.unsynced_bytes += written;
            if self.unsynced_bytes >= SYNC_EVERY_BYTES {
                self.sync()?;
            }
        }
        Ok(self.offset)
    }

    /// Verifies everything, makes it durable, then visible. A damaged one is removed, so that it is fetched anew.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if bytes are missing or wrong, or if it is another snapshot than its name says.
    pub fn finish(mut self) -> Result<SnapshotInfo, Error> {
        if let Some(info) = self.known.take() {
            return Ok(info);
        }
        let result = self.verify();
        match result {
            Ok(info) => {
                self.sync()?;
                self.store.publish(&self.path, info)
            }
            Err(error @ (Error::Corrupt { .. } | Error::Version { .. })) => {
                self.abort()?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives up and removes what was received.
    pub fn abort(self) -> Result<(), Error> {
        if self.known.is_some() {
            return Ok(());
        }
        self.store.shared.disk.remove(&self.path).map_err(|error| Error::io("remove", self.path, error))
    }

    fn verify(&self) -> Result<SnapshotInfo, Error> {
        if self.offset != self.total_bytes {
            return Err(Error::corrupt(self.path.as_str(), self.offset, "the snapshot is not complete"));
        }
        let info = reader::verify(self.file.as_ref(), &self.path)?;
        if info.id != self.id {
            return Err(Error::corrupt(self.path.as_str(), 0, format!("this is snapshot {}", info.id)));
        }
        Ok(info)
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.unsynced_bytes = 0;
        self.file.sync_data().map_err(|error| Error::io("sync", self.path.as_str(), error))
    }
}

/// How much of an interrupted file is right for sure: up to the end of its last whole block.
fn sure_bytes(file: &dyn File) -> io::Result<u64> {
    let file_bytes = file.len()?;
    if file_bytes < HEADER_BYTES {
        return Ok(0);
    }
    let header = read_exact_at(file, 0, HEADER_BYTES as usize)?;
    if format::check_header("", &header).is_err() {
        return Ok(0);
    }
    let mut offset = HEADER_BYTES;
    while let Ok(Some(block)) = reader::next_block(file, "", offset) {
        offset += (BLOCK_HEADER_BYTES + block.len()) as u64;
    }
    Ok(offset)
}
