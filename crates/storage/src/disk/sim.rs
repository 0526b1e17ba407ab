//! A folder in memory that loses what was not synced: for simulation and crash tests.
//!
//! It is harsher than a journalling file system on a device with a volatile cache:
//! - at a power cut each unsynced sector of a file is kept or lost by itself; so is a change of length;
//! - unsynced changes of names survive as a prefix of their order, since journals keep that order;
//! - a failed sync loses the pages concerned: a later sync that succeeds does not bring them to the disk.
//!
//! Everything follows from the seed. Power can be cut in the middle of an operation, counted in operations.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IoSlice},
    path::Path,
    sync::Arc,
};

use parking_lot::Mutex;

use super::{Disk, File, LockGuard};

/// Unit of loss at a power cut, in bytes.
const SECTOR_BYTES: usize = 512;

/// A simulated disk. Clones are handles to the same disk; it survives its users as a real one does.
#[derive(Clone)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

/// Kinds of operations that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Writing bytes, lengths or zeros.
    Write,
    /// Reading bytes.
    Read,
    /// Syncing a file.
    Sync,
    /// Creating, renaming, removing, syncing a folder.
    Name,
}

/// What a disk has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Operations that change something: a power cut can be placed at each.
    pub changes: u64,
    /// Successful syncs of files.
    pub file_syncs: u64,
    /// Successful syncs of folders.
    pub folder_syncs: u64,
}

#[derive(Default)]
struct Inner {
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of names since their folder's last sync, in order.
    name_changes: Vec<NameChange>,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    random: u64,
    /// Goes up at each restart; handles of an earlier one are dead.
    epoch: u64,
    powered_off: bool,
    cut_after: Option<u64>,
    faults: Vec<(Operation, u64, io::ErrorKind)>,
    capacity_bytes: Option<u64>,
    locks: BTreeMap<String, u64>,
    next_lock: u64,
    counters: Counters,
}

#[derive(Clone)]
enum NameChange {
    Set(String, u64),
    Rename(String, String),
    Remove(String),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Set(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }

    fn is_in(&self, folder: &str) -> bool {
        let (Self::Set(path, _) | Self::Rename(path, _) | Self::Remove(path)) = self;
        super::folder_of(path) == folder
    }
}

#[derive(Clone, Default)]
struct Inode {
    current: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
    length_dirty: bool,
}

impl SimDisk {
    /// An empty disk whose losses follow `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { random: seed, ..Inner::default() })) }
    }

    /// Cuts the power during the `changes`-th changing operation from now (0: the next one). It and every later
    /// operation fail until [`Self::restart`].
    pub fn cut_power_after(&self, changes: u64) {
        self.inner.lock().cut_after = Some(changes);
    }

    /// Cuts the power, now.
    pub fn cut_power(&self) {
        self.inner.lock().powered_off = true;
    }

    /// Takes back a power cut that was to come, and faults that were to come.
    pub fn calm(&self) {
        let mut inner = self.inner.lock();
        inner.cut_after = None;
        inner.faults.clear();
    }

    /// Whether the power is off.
    #[must_use]
    pub fn is_powered_off(&self) -> bool {
        self.inner.lock().powered_off
    }

    /// Brings the disk back after a power cut (or cuts the power first): what was not synced may be gone, locks are.
    pub fn restart(&self) {
        self.inner.lock().restart();
    }

    /// Ends the process that uses the disk, not the disk: nothing is lost, handles are dead, locks are free.
    pub fn restart_process(&self) {
        let mut inner = self.inner.lock();
        inner.epoch += 1;
        inner.locks.clear();
        inner.faults.clear();
    }

    /// Lets the operation of that kind fail that comes after `skip` others of its kind.
    pub fn fail(&self, operation: Operation, skip: u64, error: io::ErrorKind) {
        self.inner.lock().faults.push((operation, skip, error));
    }

    /// Limits the bytes of all files together.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.inner.lock().capacity_bytes = bytes;
    }

    /// What the disk has done.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.inner.lock().counters
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.inner.lock().used_bytes()
    }

    /// Flips the bits of `mask` in one byte, as decay would. False if there is no such byte.
    pub fn damage(&self, path: &str, offset: usize, mask: u8) -> bool {
        let mut inner = self.inner.lock();
        let Some(inode) = inner.names.get(path).copied() else { return false };
        let Some(inode) = inner.inodes.get_mut(&inode) else { return false };
        let Some(byte) = inode.current.get_mut(offset) else { return false };
        *byte ^= mask;
        if let Some(byte) = inode.durable.get_mut(offset) {
            *byte ^= mask;
        }
        true
    }

    /// The current content of a file.
    #[must_use]
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let inner = self.inner.lock();
        let inode = inner.names.get(path)?;
        inner.inodes.get(inode).map(|inode| inode.current.clone())
    }

    /// Puts a file there, durably.
    pub fn put(&self, path: &str, content: &[u8]) {
        let mut inner = self.inner.lock();
        let id = inner.add_inode();
        inner
            .inodes
            .insert(id, Inode { current: content.to_vec(), durable: content.to_vec(), ..Inode::default() });
        inner.names.insert(path.to_owned(), id);
        inner.durable_names.insert(path.to_owned(), id);
    }
}

impl Inner {
    fn add_inode(&mut self) -> u64 {
        self.next_inode += 1;
        self.inodes.insert(self.next_inode, Inode::default());
        self.next_inode
    }

    /// SplitMix64.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn used_bytes(&self) -> u64 {
        let inodes = self.names.values().filter_map(|inode| self.inodes.get(inode));
        inodes.map(|inode| inode.current.len() as u64).sum()
    }

    fn check_room(&self, more_bytes: u64) -> io::Result<()> {
        match self.capacity_bytes {
            Some(capacity) if self.used_bytes().saturating_add(more_bytes) > capacity => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn check_power(&self) -> io::Result<()> {
        if self.powered_off {
            return Err(io::Error::other("the power is off"));
        }
        Ok(())
    }

    fn check_fault(&mut self, operation: Operation) -> io::Result<()> {
        self.check_power()?;
        let mut failed = None;
        self.faults.retain_mut(|(kind, skip, error)| {
            if *kind != operation {
                return true;
            }
            if *skip == 0 {
                failed = failed.or(Some(*error));
                return false;
            }
            *skip -= 1;
            true
        });
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Counts a changing operation. True if the power goes off during it.
    fn count_change(&mut self) -> bool {
        self.counters.changes += 1;
        match &mut self.cut_after {
            Some(0) => {
                self.cut_after = None;
                self.powered_off = true;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    fn change_name(&mut self, change: NameChange) -> io::Result<()> {
        change.apply(&mut self.names);
        self.name_changes.push(change);
        if self.count_change() { self.check_power() } else { Ok(()) }
    }

    fn restart(&mut self) {
        let survive = self.next_random() as usize % (self.name_changes.len() + 1);
        for change in std::mem::take(&mut self.name_changes).into_iter().take(survive) {
            change.apply(&mut self.durable_names);
        }
        self.names = self.durable_names.clone();
        let ids: Vec<u64> = self.inodes.keys().copied().collect();
        for id in ids {
            let Some(mut inode) = self.inodes.remove(&id) else { continue };
            if self.names.values().any(|named| *named == id) {
                self.lose_unsynced(&mut inode);
                self.inodes.insert(id, inode);
            }
        }
        self.epoch += 1;
        self.powered_off = false;
        self.cut_after = None;
        self.faults.clear();
        self.locks.clear();
    }

    fn lose_unsynced(&mut self, inode: &mut Inode) {
        let keeps_length = inode.length_dirty && self.next_random().is_multiple_of(2);
        // Some cuts lose or keep everything: the extremes find other faults than the mixtures do.
        let mode = self.next_random() % 4;
        let mut result = inode.durable.clone();
        if keeps_length {
            result.resize(inode.current.len(), 0);
        }
        for sector in std::mem::take(&mut inode.dirty) {
            let keeps = match mode {
                0 => false,
                1 => true,
                _ => self.next_random().is_multiple_of(2),
            };
            let start = sector * SECTOR_BYTES;
            let end = (start + SECTOR_BYTES).min(result.len()).min(inode.current.len());
            if let (true, Some(from), Some(to)) =
                (keeps, inode.current.get(start..end), result.get_mut(start..end))
            {
                to.copy_from_slice(from);
            }
        }
        inode.length_dirty = false;
        inode.durable.clone_from(&result);
        inode.current = result;
    }
}

impl Inode {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.current.len() {
            self.current.resize(end, 0);
            self.length_dirty = true;
        }
        if let Some(to) = self.current.get_mut(offset..end) {
            to.copy_from_slice(bytes);
        }
        self.dirty.extend(offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    fn sync(&mut self) {
        let old_len = self.durable.len();
        self.durable.resize(self.current.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let start = sector * SECTOR_BYTES;
            let end = (start + SECTOR_BYTES).min(self.current.len());
            if let (Some(from), Some(to)) = (self.current.get(start..end), self.durable.get_mut(start..end)) {
                to.copy_from_slice(from);
            }
        }
        debug_assert!(self.length_dirty || old_len == self.current.len());
        self.length_dirty = false;
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let mut inner = self.inner.lock();
        inner.check_fault(Operation::Name)?;
        let inode = inner.add_inode();
        inner.change_name(NameChange::Set(path.to_owned(), inode))?;
        let epoch = inner.epoch;
        Ok(Arc::new(SimFile { disk: self.clone(), inode, epoch }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let inner = self.inner.lock();
        inner.check_power()?;
        let inode = inner.names.get(path).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { disk: self.clone(), inode, epoch: inner.epoch }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner.lock();
        inner.check_fault(Operation::Name)?;
        if !inner.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        inner.change_name(NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut inner = self.inner.lock();
        inner.check_fault(Operation::Name)?;
        if !inner.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        inner.change_name(NameChange::Remove(path.to_owned()))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let inner = self.inner.lock();
        inner.check_power()?;
        let here = inner.names.keys().filter(|path| super::folder_of(path) == folder);
        Ok(here.map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()).collect())
    }

    fn sync_dir(&self, folder: &str) -> io::Result<()> {
        let mut inner = self.inner.lock();
        inner.check_fault(Operation::Name)?;
        if inner.count_change() {
            return inner.check_power();
        }
        let changes = std::mem::take(&mut inner.name_changes);
        for change in changes {
            if change.is_in(folder) {
                change.apply(&mut inner.durable_names);
            } else {
                inner.name_changes.push(change);
            }
        }
        inner.counters.folder_syncs += 1;
        Ok(())
    }

    fn lock(&self, path: &str, _content: &[u8]) -> io::Result<Box<dyn LockGuard>> {
        let mut inner = self.inner.lock();
        inner.check_power()?;
        if inner.locks.contains_key(path) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        inner.next_lock += 1;
        let token = inner.next_lock;
        inner.locks.insert(path.to_owned(), token);
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_owned(), token }))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let inner = self.inner.lock();
        inner.check_power()?;
        Ok(inner.capacity_bytes.map_or(u64::MAX, |capacity| capacity.saturating_sub(inner.used_bytes())))
    }

    fn folder(&self) -> Option<&Path> {
        None
    }
}

struct SimLock {
    disk: SimDisk,
    path: String,
    token: u64,
}

impl LockGuard for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut inner = self.disk.inner.lock();
        if inner.locks.get(&self.path) == Some(&self.token) {
            inner.locks.remove(&self.path);
        }
    }
}

struct SimFile {
    disk: SimDisk,
    inode: u64,
    epoch: u64,
}

impl SimFile {
    fn with<T>(
        &self,
        operation: Operation,
        body: impl FnOnce(&mut Inner, u64) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut inner = self.disk.inner.lock();
        if inner.epoch != self.epoch {
            return Err(io::Error::other("the process that opened this file has ended"));
        }
        if let Err(error) = inner.check_fault(operation) {
            if operation == Operation::Sync && !inner.powered_off {
                // The kernel reports the failure once and drops the dirty pages.
                if let Some(inode) = inner.inodes.get_mut(&self.inode) {
                    inode.dirty.clear();
                }
            }
            return Err(error);
        }
        body(&mut inner, self.inode)
    }
}

fn inode_mut(inner: &mut Inner, id: u64) -> io::Result<&mut Inode> {
    inner.inodes.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn to_usize(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl File for SimFile {
    fn write_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> io::Result<()> {
        let mut offset = to_usize(offset)?;
        self.with(Operation::Write, |inner, id| {
            let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
            let len = inode_mut(inner, id)?.current.len();
            inner.check_room((offset + bytes).saturating_sub(len) as u64)?;
            let inode = inode_mut(inner, id)?;
            for slice in slices {
                inode.write(offset, slice);
                offset += slice.len();
            }
            if inner.count_change() { inner.check_power() } else { Ok(()) }
        })
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let offset = to_usize(offset)?;
        self.with(Operation::Read, |inner, id| {
            let content = &inode_mut(inner, id)?.current;
            let from = content.get(offset..).unwrap_or_default();
            let count = from.len().min(buffer.len());
            for (to, from) in buffer.iter_mut().zip(from) {
                *to = *from;
            }
            Ok(count)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(Operation::Sync, |inner, id| {
            if inner.count_change() {
                return inner.check_power();
            }
            inode_mut(inner, id)?.sync();
            inner.counters.file_syncs += 1;
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(Operation::Read, |inner, id| Ok(inode_mut(inner, id)?.current.len() as u64))
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let bytes = to_usize(bytes)?;
        self.with(Operation::Write, |inner, id| {
            let inode = inode_mut(inner, id)?;
            inode.current.resize(bytes, 0);
            inode.length_dirty = true;
            if inner.count_change() { inner.check_power() } else { Ok(()) }
        })
    }

    fn zero_fill(&self, offset: u64, bytes: u64) -> io::Result<()> {
        let zeros = vec![0; to_usize(bytes)?];
        self.write_at(offset, &[IoSlice::new(&zeros)])
    }
}

#[cfg(test)]
mod tests;
