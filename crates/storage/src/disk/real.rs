//! A folder of the operating system as a [`Disk`].
//!
//! Vectored positional writes and room checks go through `rustix`; the rest is the standard library.
//! Invariant: a call that returned success has passed everything to the kernel; short writes are continued here.

use std::{
    fs,
    io::{self, IoSlice, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Disk, File, LockGuard};

/// Slices that one `pwritev` call takes at most (Linux' `IOV_MAX`).
const SLICES_MAX: usize = 1024;
/// Zeros are written in pieces of this many bytes.
const ZERO_PIECE_BYTES: usize = 1 << 20;

/// A data directory on a real file system.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// Uses `root`, which is created (and made durable in its parent) if it does not exist.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        make_folder(&root)?;
        Ok(Self { root })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

/// Makes a folder and those above it; each new one is made durable in its parent.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_folder(parent)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

impl Disk for RealDisk {
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let path = self.path(path);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).open(self.path(path))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            // Names that are not UTF-8 are not ours.
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self, folder: &str) -> io::Result<()> {
        let folder = self.path(folder);
        make_folder(&folder)?;
        fs::File::open(folder)?.sync_all()
    }

    fn lock(&self, path: &str, content: &[u8]) -> io::Result<Box<dyn LockGuard>> {
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who holds it is a courtesy to the reader of the error; not knowing is no failure.
                let _ = file.read_to_string(&mut holder);
                return Err(io::Error::new(io::ErrorKind::WouldBlock, holder.trim().to_owned()));
            }
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(content)?;
        Ok(Box::new(RealLock { _file: file }))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.root)
    }
}

struct RealLock {
    // Closing the file gives the lock back.
    _file: fs::File,
}

impl LockGuard for RealLock {}

struct RealFile(fs::File);

impl File for RealFile {
    fn write_at(&self, mut offset: u64, slices: &[IoSlice<'_>]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        let mut rest = slices.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let count = rest.len().min(SLICES_MAX);
            let (head, _) = rest.split_at(count);
            let written = match rustix::io::pwritev(&self.0, head, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            offset = offset.saturating_add(written as u64);
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    fn read_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<usize> {
        let mut total = 0;
        while !buffer.is_empty() {
            match self.0.read_at(buffer, offset) {
                Ok(0) => break,
                Ok(read) => {
                    total += read;
                    offset = offset.saturating_add(read as u64);
                    buffer = buffer.split_at_mut(read).1;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn zero_fill(&self, offset: u64, bytes: u64) -> io::Result<()> {
        // Asking for the blocks first refuses at once when they are missing, before anything is written.
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), offset, bytes) {
            Ok(())
            | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
        // Merely allocated extents cost a journal commit per sync, so the zeros are written as well.
        let zeros = vec![0; ZERO_PIECE_BYTES];
        let mut written = 0;
        while written < bytes {
            let piece = (bytes - written).min(ZERO_PIECE_BYTES as u64);
            let piece = zeros.get(..piece as usize).unwrap_or(&zeros);
            self.0.write_all_at(piece, offset.saturating_add(written))?;
            written += piece.len() as u64;
        }
        Ok(())
    }
}
