//! openraft's log over `storage::Log`.
//!
//! Durability: an append is reported through its callback, on the log's writer, after the sync returned; a vote has been
//! synced when `save_vote` returns. Truncations and purges are given to the log in order and not waited for: whatever is
//! reported as durable after them implies them, as all go through one writer into one file. Entries can be read when
//! `append` returns. The committed position is written lazily.
//!
//! A full disk: the log (opened with `WhenFull::Wait`) holds an append until there is room and keeps its entries readable,
//! so openraft sees a slow disk, not a failed one. Meanwhile `LogState::disk_full` makes the node refuse proposals, which
//! bounds what is held on the leader; on a follower the replication window does.
//! Any other failure poisons the log: the callback carries it to openraft, whose core stops, once, with that reason.

use std::{
    collections::VecDeque,
    fmt::Debug,
    io,
    ops::{Bound, Range, RangeBounds},
    sync::Arc,
};

use futures_util::{Stream, StreamExt, stream};
use openraft::{
    LogState, OptionalSend, RaftLogReader,
    storage::{IOFlushed, RaftLogStorage},
};
use quorate_storage::Entry;
use tokio::sync::oneshot;

use super::Shared;
use crate::types::{self, OEntry, OLogId, OVote, TypeConfig};

/// Bytes that one step of applying reads from the log.
const APPLY_BYTES_MAX: usize = 4 << 20;
/// Entries that one step of applying reads from the log.
const APPLY_ENTRIES_MAX: u64 = 4096;

/// The log as openraft sees it; clones are its readers.
#[derive(Clone)]
pub(crate) struct LogStore(pub(crate) Arc<Shared>);

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

/// Keeps the reason for the metrics, and wraps it for openraft.
fn faulted(shared: &Shared, error: &Arc<quorate_storage::Error>) -> io::Error {
    shared.fault(error.to_string());
    io::Error::other(Arc::clone(error))
}

impl LogStore {
    fn range(&self, range: impl RangeBounds<u64>) -> Range<u64> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        start..end.max(start)
    }

    fn read(&self, range: Range<u64>, bytes_max: usize) -> io::Result<Vec<OEntry>> {
        let entries = self.0.log.read(range, bytes_max).map_err(failed)?;
        entries.into_iter().map(|entry| types::o_entry(entry).map_err(failed)).collect()
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<OEntry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.read(self.range(range), usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<OEntry>, io::Error> {
        self.read(start..end, self.0.options.append_bytes_max)
    }

    /// What apply reads: in steps of bounded size, however far behind the machine is.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<OEntry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let range = self.range(range);
        let reader = self.clone();
        stream::unfold((reader, range), |(reader, mut range)| async move {
            if range.is_empty() {
                return None;
            }
            let end = range.end.min(range.start.saturating_add(APPLY_ENTRIES_MAX));
            let items: Vec<_> = match reader.read(range.start..end, APPLY_BYTES_MAX) {
                // The end of the log. Whether that is too early is seen where the entries are applied.
                Ok(entries) if entries.is_empty() => return None,
                Ok(entries) => {
                    range.start += entries.len() as u64;
                    entries.into_iter().map(Ok).collect()
                }
                Err(error) => {
                    range.start = range.end;
                    vec![Err(error)]
                }
            };
            Some((stream::iter(items), (reader, range)))
        })
        .flatten()
    }

    async fn read_vote(&mut self) -> Result<Option<OVote>, io::Error> {
        Ok(self.0.log.state().vote.map(types::o_vote))
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let state = self.0.log.state();
        Ok(LogState {
            last_purged_log_id: state.purged.map(types::o_log_id),
            last_log_id: state.last.map(types::o_log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &OVote) -> Result<(), io::Error> {
        let vote = types::vote(vote);
        self.0.votes.lock().given = Some(vote);
        let (sender, saved) = oneshot::channel();
        self.0.log.save_vote(vote, move |result| {
            let _ = sender.send(result);
        });
        match saved.await {
            Ok(Ok(())) => {
                self.0.votes.lock().durable = Some(vote);
                Ok(())
            }
            Ok(Err(error)) => Err(faulted(&self.0, &error)),
            Err(_) => Err(io::Error::other("the log was closed")),
        }
    }

    async fn save_committed(&mut self, committed: Option<OLogId>) -> Result<(), io::Error> {
        if let Some(committed) = committed {
            self.0.log.save_committed(types::log_id(&committed));
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<OLogId>, io::Error> {
        Ok(self.0.log.state().committed.map(types::o_log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = OEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().map(types::stored_entry).collect();
        self.0.sizes.lock().appended(&entries);
        let last = entries.last().map(|entry| entry.id.index);
        let shared = Arc::clone(&self.0);
        self.0.log.append(entries, move |result| {
            callback.io_completed(result.map_err(|error| faulted(&shared, &error)));
        });
        if let Some(last) = last {
            self.0.pace.appended(last);
        }
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<OLogId>) -> Result<(), io::Error> {
        let last = last.as_ref().map(types::log_id);
        self.0.sizes.lock().truncated(last.map(|id| id.index));
        self.0.pace.appended(last.map_or(0, |id| id.index));
        let shared = Arc::clone(&self.0);
        self.0.log.truncate_after(last, move |result| {
            if let Err(error) = result {
                shared.fault(error.to_string());
            }
        });
        Ok(())
    }

    async fn purge(&mut self, upto: OLogId) -> Result<(), io::Error> {
        let shared = Arc::clone(&self.0);
        self.0.log.purge(types::log_id(&upto), move |result| {
            if let Err(error) = result {
                shared.fault(error.to_string());
            }
        });
        Ok(())
    }
}

/// Where in the log how many bytes lie, to within [`MARK_BYTES`]: what the policy of snapshots and purges goes by.
///
/// Only entries appended since the start are known; for older ones the caller's average has to do.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    appended_bytes: u64,
    /// Index of an entry and the bytes appended up to and including it, ascending.
    marks: VecDeque<(u64, u64)>,
    unmarked_bytes: u64,
}

/// Distance of two marks.
const MARK_BYTES: u64 = 1 << 20;
/// Marks that are kept.
const MARKS_MAX: usize = 1 << 16;

impl Sizes {
    fn appended(&mut self, entries: &[Entry]) {
        for entry in entries {
            let bytes = entry.bytes() as u64;
            self.appended_bytes += bytes;
            self.unmarked_bytes += bytes;
            if self.unmarked_bytes >= MARK_BYTES || self.marks.is_empty() {
                self.unmarked_bytes = 0;
                self.marks.push_back((entry.id.index, self.appended_bytes));
                if self.marks.len() > MARKS_MAX {
                    self.marks.pop_front();
                }
            }
        }
    }

    fn truncated(&mut self, last: Option<u64>) {
        while self.marks.back().is_some_and(|(index, _)| last.is_none_or(|last| *index > last)) {
            self.marks.pop_back();
        }
    }

    /// Bytes appended after the entry at `index`, if that is known.
    pub(crate) fn bytes_after(&self, index: u64) -> Option<u64> {
        let at = self.marks.partition_point(|(mark, _)| *mark <= index);
        let (_, bytes) = self.marks.get(at.checked_sub(1)?)?;
        Some(self.appended_bytes - bytes)
    }

    /// The highest known entry after which at least `bytes` were appended.
    pub(crate) fn index_before(&self, bytes: u64) -> Option<u64> {
        let at = self.marks.partition_point(|(_, mark)| self.appended_bytes - mark >= bytes);
        self.marks.get(at.checked_sub(1)?).map(|(index, _)| *index)
    }
}

#[cfg(test)]
mod tests {
    use quorate_storage::LogId;

    use super::*;

    fn entry(index: u64, bytes: usize) -> Entry {
        Entry { id: LogId::new(1, 1, index), kind: 1, payload: vec![0; bytes].into() }
    }

    #[test]
    fn sizes_know_where_the_bytes_are() {
        let mut sizes = Sizes::default();
        assert_eq!((sizes.bytes_after(5), sizes.index_before(1)), (None, None));
        let entries: Vec<_> = (1..=100).map(|index| entry(index, 1 << 20)).collect();
        sizes.appended(&entries);
        let each = entries[0].bytes() as u64;
        assert_eq!(sizes.bytes_after(90), Some(10 * each));
        assert_eq!(sizes.bytes_after(0), None);
        assert_eq!(sizes.index_before(10 * each), Some(90));
        assert_eq!(sizes.index_before(10 * each + 1), Some(89));
        assert_eq!(sizes.index_before(1000 * each), None);
        sizes.truncated(Some(50));
        assert_eq!(sizes.marks.back().map(|(index, _)| *index), Some(50));
        sizes.truncated(None);
        assert_eq!(sizes.index_before(1), None);
    }
}
