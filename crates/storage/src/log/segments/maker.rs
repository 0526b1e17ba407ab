//! Makes the next segment before it is needed, and takes back those that were purged.
//!
//! Filling 64 MiB with zeros takes as long as hundreds of groups, so a thread of its own does it while the segment
//! before is being written. A purged segment is used again instead, which needs no zeros: its blocks are written.
//!
//! Steps, each durable before the next, so that a crash between them leaves a name that recovery knows what to do with:
//!
//! ```text
//! new:       create next.tmp ─► zeros, header, sync ─────────────────┐
//! recycled:  N.log ─rename─► next.tmp ─► folder sync ─► header, sync ┴─► rename M.log ─► folder sync
//! ```
//!
//! Without its thread (simulation) the same steps run when the segment is asked for.

use std::{collections::VecDeque, io, io::IoSlice, sync::Arc, thread};

use parking_lot::{Condvar, Mutex};

use super::{FOLDER, format::SegmentHeader, index::Segment, segment_path};
use crate::{disk::Disk, error::Error};

const TEMPORARY: &str = "log/next.tmp";
/// Room that must stay free beside a new segment, for identity, ledger and names.
const FREE_BYTES_MIN: u64 = 16 << 20;

/// Hands out segments.
pub(super) struct Maker {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    salt_seed: u64,
    recycled_max: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The segment to make.
    wanted: Option<u64>,
    /// One was made, or could not be.
    made: Option<Result<Segment, Error>>,
    /// Purged segments, oldest first, still under their names.
    retired: VecDeque<Segment>,
    stop: bool,
}

impl Maker {
    pub(super) fn start(
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        salt_seed: u64,
        recycled_max: usize,
        with_thread: bool,
    ) -> Result<Self, Error> {
        let state = Mutex::new(State::default());
        let shared =
            Arc::new(Shared { disk, segment_bytes, salt_seed, recycled_max, state, changed: Condvar::new() });
        let thread = if with_thread {
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new().name("quorate-segments".into()).spawn(move || shared.run());
            Some(thread.map_err(|error| Error::io("start", "the segment thread", error))?)
        } else {
            None
        };
        Ok(Self { shared, thread })
    }

    /// Begins to make segment `number`, or offers the one that recovery found ready.
    pub(super) fn prepare(&self, number: u64, ready: Option<Segment>) {
        let mut state = self.shared.state.lock();
        match ready {
            Some(segment) => state.made = Some(Ok(segment)),
            None if self.thread.is_some() => state.wanted = Some(number),
            None => {}
        }
        self.shared.changed.notify_all();
    }

    /// Segment `number`, with room for at least `file_bytes_min`; then the one after it is begun.
    pub(super) fn take(&self, number: u64, file_bytes_min: u64) -> Result<Segment, Error> {
        let ready = self.take_made();
        let segment = match ready {
            Some(Ok(segment)) if segment.number == number && segment.file_bytes >= file_bytes_min => segment,
            // Nothing ready, or what is ready is too small: a new file replaces it under the same name.
            Some(Ok(_)) | None => self.shared.make(number, file_bytes_min)?,
            // The failure may be past; if not, this attempt says so.
            Some(Err(Error::DiskFull { .. })) => self.shared.make(number, file_bytes_min)?,
            Some(Err(error)) => return Err(error),
        };
        self.prepare(number.saturating_add(1), None);
        Ok(segment)
    }

    fn take_made(&self) -> Option<Result<Segment, Error>> {
        let mut state = self.shared.state.lock();
        while state.wanted.is_some() && !state.stop {
            self.shared.changed.wait(&mut state);
        }
        state.made.take()
    }

    /// Takes purged segments back, to be used again or removed.
    pub(super) fn retire(&self, segments: Vec<Segment>) -> Result<(), Error> {
        self.shared.state.lock().retired.extend(segments);
        if self.thread.is_some() {
            self.shared.changed.notify_all();
            return Ok(());
        }
        self.shared.remove_surplus()
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.shared.state.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook; what it left behind recovery cleans up.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.state.lock();
        while !state.stop {
            if let Some(number) = state.wanted {
                parking_lot::MutexGuard::unlocked(&mut state, || {
                    let made = self.make(number, self.segment_bytes);
                    let mut state = self.state.lock();
                    state.made = Some(made);
                    state.wanted = None;
                    self.changed.notify_all();
                });
            } else if state.retired.len() > self.recycled_max {
                let result = parking_lot::MutexGuard::unlocked(&mut state, || self.remove_surplus());
                if let Err(error) = result {
                    // Nothing is lost: the next start finds the files again and retires them.
                    tracing::warn!(%error, "cannot remove a purged log segment");
                    state.retired.clear();
                }
            } else {
                self.changed.wait(&mut state);
            }
        }
    }

    fn remove_surplus(&self) -> Result<(), Error> {
        let mut removed = false;
        loop {
            let mut state = self.state.lock();
            if state.retired.len() <= self.recycled_max {
                break;
            }
            let Some(segment) = state.retired.pop_front() else { break };
            drop(state);
            self.disk.remove(&segment.path).map_err(|error| Error::io("remove", segment.path, error))?;
            removed = true;
        }
        if removed {
            self.disk.sync_dir(FOLDER).map_err(|error| Error::io("sync", FOLDER, error))?;
        }
        Ok(())
    }

    /// Makes a durable segment with a header and nothing else that its salt would recognise.
    fn make(&self, number: u64, file_bytes_min: u64) -> Result<Segment, Error> {
        let file_bytes = self.segment_bytes.max(file_bytes_min.next_multiple_of(4096));
        let recycled = {
            let mut state = self.state.lock();
            let fits = state.retired.iter().position(|segment| segment.file_bytes == file_bytes);
            fits.and_then(|position| state.retired.remove(position))
        };
        let result = match recycled {
            Some(segment) => self.recycle(&segment),
            None => self.fill(file_bytes),
        };
        let path = segment_path(number);
        let salt = salt_of(self.salt_seed, number);
        let finished = result.and_then(|file| {
            let header = SegmentHeader { number, salt, file_bytes }.encode();
            file.write_at(0, &[IoSlice::new(&header)])?;
            file.sync_data()?;
            self.disk.rename(TEMPORARY, &path)?;
            self.disk.sync_dir(FOLDER)?;
            Ok(file)
        });
        match finished {
            Ok(file) => Ok(Segment::new(number, path, file, salt, file_bytes)),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                // Gives the room back that a partial fill took; if that fails, the next attempt replaces the file.
                let _ = self.disk.remove(TEMPORARY);
                Err(Error::DiskFull { what: "a log segment", needed_bytes: file_bytes })
            }
            Err(error) => Err(Error::io("make", path, error)),
        }
    }

    fn recycle(&self, segment: &Segment) -> io::Result<Arc<dyn crate::disk::File>> {
        self.disk.rename(&segment.path, TEMPORARY)?;
        // The old name must be gone for good before its content becomes another segment's.
        self.disk.sync_dir(FOLDER)?;
        self.disk.open(TEMPORARY)
    }

    fn fill(&self, file_bytes: u64) -> io::Result<Arc<dyn crate::disk::File>> {
        let reserve = FREE_BYTES_MIN.min(self.segment_bytes / 4);
        if self.disk.free_bytes()? < file_bytes.saturating_add(reserve) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = self.disk.create(TEMPORARY)?;
        file.zero_fill(0, file_bytes)?;
        Ok(file)
    }
}

/// A salt that an attacker cannot foresee and that no two uses of a file share. Never 0, which is what empty space reads.
fn salt_of(seed: u64, number: u64) -> u32 {
    let mut z = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) as u32).max(1)
}
