//! The disk as a component: everything that this crate does to files goes through [`Disk`] and [`File`].
//!
//! [`RealDisk`] is a folder of the operating system, [`sim::SimDisk`] a folder in memory that loses what was not synced.
//! Paths are relative to the data directory, with `/` between parts; folders are made when a file in them is created.
//!
//! What is durable, and when:
//! - bytes and length of a file: when [`File::sync_data`] returned;
//! - that a name leads to a file (create, rename, remove): when [`Disk::sync_dir`] of its folder returned;
//! - nothing else is promised: unsynced bytes may be lost or kept, sector by sector and in any order.
//!
//! A failed sync must never be tried again: the kernel may have dropped the dirty pages. Callers poison themselves.

use std::{
    io::{self, IoSlice},
    path::Path,
    sync::Arc,
};

mod real;
pub mod sim;

pub use real::RealDisk;

/// A folder that holds a node's data. Calls block; they come from the log's threads, from snapshot tasks, and at start.
pub trait Disk: Send + Sync + 'static {
    /// Makes an empty file, replacing one of that name, and the folders above it.
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>>;
    /// Gives the file another name, replacing a file of that name. Atomic, also over a crash.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes the name of a file.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// The names of the files (not folders) in a folder, sorted; none if it does not exist.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Makes the names in a folder durable, and the folder itself. `""` is the data directory.
    fn sync_dir(&self, folder: &str) -> io::Result<()>;
    /// Takes the file's exclusive lock, or fails with [`io::ErrorKind::WouldBlock`]; given back when the guard drops.
    /// The file is made if needed, and its content replaced by `content` once the lock is held.
    fn lock(&self, path: &str, content: &[u8]) -> io::Result<Box<dyn LockGuard>>;
    /// Room that is left for this data directory, in bytes.
    fn free_bytes(&self) -> io::Result<u64>;
    /// The real folder behind this disk, for what cannot do without one (the ledger's database).
    fn folder(&self) -> Option<&Path>;
}

/// Holds an exclusive lock until it is dropped.
pub trait LockGuard: Send + Sync {}

/// An open file, shared between threads; every call names its offset.
pub trait File: Send + Sync {
    /// Writes all the slices one after the other at `offset`, extending the file if needed.
    fn write_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> io::Result<()>;
    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Returns when all bytes written before the call, and the length, are on the device.
    fn sync_data(&self) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts the file, or extends it with zeros that need not have room on the disk.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Makes `offset..offset + bytes` zeros that are really written, so that later writes there need no metadata.
    /// Fails with [`io::ErrorKind::StorageFull`] before writing where the room is known to be missing.
    fn zero_fill(&self, offset: u64, bytes: u64) -> io::Result<()>;
}

/// Reads exactly `bytes` bytes at `offset`.
pub(crate) fn read_exact_at(file: &dyn File, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; bytes];
    let read = file.read_at(offset, &mut buffer)?;
    if read < bytes {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than expected"));
    }
    Ok(buffer)
}

/// The whole content of a file.
pub(crate) fn read_all(file: &dyn File) -> io::Result<Vec<u8>> {
    let bytes = usize::try_from(file.len()?).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    read_exact_at(file, 0, bytes)
}

/// Replaces a file by `content`, so that after a crash it holds the old or the new content, never a mixture.
pub(crate) fn replace(disk: &dyn Disk, path: &str, content: &[u8]) -> io::Result<()> {
    let temporary = format!("{path}.tmp");
    let file = disk.create(&temporary)?;
    file.write_at(0, &[IoSlice::new(content)])?;
    file.sync_data()?;
    disk.rename(&temporary, path)?;
    disk.sync_dir(folder_of(path))
}

/// The folder part of a path.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
