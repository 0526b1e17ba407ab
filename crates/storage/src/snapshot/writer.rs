//! Writing a snapshot.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Manifest, SnapshotInfo, SnapshotStore,
    format::{self, BLOCK_BYTES_MAX, FORMAT_VERSION},
    write_at,
};
use crate::{crc::Crc, disk::File, error::Error, id::LogId};

/// Synced each time this many bytes were written: one sync of everything at the end would hold up the log's syncs.
const SYNC_EVERY_BYTES: u64 = 8 << 20;

/// A snapshot being written. Dropped unfinished, it leaves nothing.
pub struct SnapshotWriter {
    store: SnapshotStore,
    path: String,
    file: Arc<dyn File>,
    offset: u64,
    unsynced_bytes: u64,
    blocks: u64,
    bytes: u64,
    crc: Crc,
    is_published: bool,
}

impl SnapshotWriter {
    pub(super) fn create(store: SnapshotStore, path: String) -> Result<Self, Error> {
        let file =
            store.shared.disk.create(&path).map_err(|error| Error::io("create", path.as_str(), error))?;
        let mut writer = Self {
            store,
            path,
            file,
            offset: 0,
            unsynced_bytes: 0,
            blocks: 0,
            bytes: 0,
            crc: Crc::new(),
            is_published: false,
        };
        writer.write(&[&format::encode_header()])?;
        Ok(writer)
    }

    /// Adds a block of 1 to [`BLOCK_BYTES_MAX`] bytes. An empty one adds nothing.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::TooLarge`], or what the disk fails with; the writer is of no more use then.
    pub fn write_block(&mut self, block: &[u8]) -> Result<(), Error> {
        if block.is_empty() {
            return Ok(());
        }
        if block.len() > BLOCK_BYTES_MAX {
            let (bytes, bytes_max) = (block.len() as u64, BLOCK_BYTES_MAX as u64);
            return Err(Error::TooLarge { what: "snapshot block", bytes, bytes_max });
        }
        self.write(&[&format::encode_block_header(block), block])?;
        self.crc.update(block);
        self.blocks += 1;
        self.bytes += block.len() as u64;
        if self.unsynced_bytes >= SYNC_EVERY_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    /// Bytes of the blocks so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the snapshot durable and then visible. When it returns, the log may be purged up to `last_log_id`.
    pub fn finish(
        mut self,
        last_log_id: Option<LogId>,
        membership: Bytes,
        created_ms: u64,
    ) -> Result<SnapshotInfo, Error> {
        self.write(&[&format::encode_block_header(&[])])?;
        let manifest = Manifest {
            format: FORMAT_VERSION,
            min_reader: FORMAT_VERSION,
            last_log_id,
            membership,
            blocks: self.blocks,
            bytes: self.bytes,
            crc: self.crc.finish(),
            created_ms,
        };
        let frame = format::encode_manifest(&manifest)?;
        let trailer = format::encode_trailer(self.offset, frame.len() as u32);
        self.write(&[&frame, &trailer])?;
        self.sync()?;
        let id = format::id_of(&manifest, &frame);
        let info = SnapshotInfo { id, manifest, file_bytes: self.offset };
        let info = self.store.publish(&self.path, info)?;
        self.is_published = true;
        Ok(info)
    }

    fn write(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        let written = write_at(self.file.as_ref(), &self.path, self.offset, parts)?;
        self.offset += written;
        self.unsynced_bytes += written;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.unsynced_bytes = 0;
        self.file.sync_data().map_err(|error| Error::io("sync", self.path.as_str(), error))
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.is_published {
            // If this fails, the next open removes it.
            let _ = self.store.shared.disk.remove(&self.path);
        }
    }
}
