//! What the log holds, as its readers see it: positions, leaders and sizes, without the payloads.
//!
//! Kept in memory for the whole log (8 bytes an entry), so that ids and sizes never need the disk.

use std::collections::VecDeque;

use crate::id::{Entry, LeaderId, LogId};

/// Positions, leaders and sizes of all entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    purged: Option<LogId>,
    /// Index of the first entry, meaningful while there are entries.
    first: u64,
    /// Runs of entries of one leader: index of the first, and the leader.
    leaders: VecDeque<(u64, LeaderId)>,
    /// For each entry the bytes of all entries up to and including it, counted from `bytes_before`.
    ends: VecDeque<u64>,
    bytes_before: u64,
}

impl View {
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.purged
    }

    pub(crate) fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The index range of the entries.
    pub(crate) fn indexes(&self) -> std::ops::Range<u64> {
        if self.ends.is_empty() {
            let next = self.next_index().unwrap_or(0);
            return next..next;
        }
        self.first..self.first.saturating_add(self.len())
    }

    /// Index that the next entry must have; `None` if any will do.
    pub(crate) fn next_index(&self) -> Option<u64> {
        if self.ends.is_empty() {
            return self.purged.map(|purged| purged.index.saturating_add(1));
        }
        Some(self.first.saturating_add(self.len()))
    }

    pub(crate) fn last(&self) -> Option<LogId> {
        match (self.leaders.back(), self.len().checked_sub(1)) {
            (Some(&(_, leader)), Some(offset)) => {
                Some(LogId { leader, index: self.first.saturating_add(offset) })
            }
            _ => self.purged,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.ends.back().map_or(0, |end| end.saturating_sub(self.bytes_before))
    }

    pub(crate) fn log_id_at(&self, index: u64) -> Option<LogId> {
        if !self.indexes().contains(&index) {
            return self.purged.filter(|purged| purged.index == index);
        }
        let run = self.leaders.partition_point(|(first, _)| *first <= index);
        let (_, leader) = self.leaders.get(run.checked_sub(1)?)?;
        Some(LogId { leader: *leader, index })
    }

    /// Adds an entry; the caller has checked that its index is the next one.
    pub(crate) fn push(&mut self, entry: &Entry) {
        self.push_sized(entry.id, entry.bytes() as u64);
    }

    pub(crate) fn push_sized(&mut self, id: LogId, bytes: u64) {
        if self.ends.is_empty() {
            self.first = id.index;
            self.leaders.clear();
        }
        if self.leaders.back().is_none_or(|(_, leader)| *leader != id.leader) {
            self.leaders.push_back((id.index, id.leader));
        }
        let before = self.ends.back().copied().unwrap_or(self.bytes_before);
        self.ends.push_back(before.saturating_add(bytes));
    }

    /// Removes the entries whose index is not below `next`.
    pub(crate) fn truncate(&mut self, next: u64) {
        let keep = next.saturating_sub(self.first);
        if keep < self.len() {
            self.ends.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        }
        while self.leaders.back().is_some_and(|(first, _)| *first >= next) {
            self.leaders.pop_back();
        }
    }

    /// Removes the entries up to `upto`; a position before the first entry changes nothing, and says so with false.
    pub(crate) fn purge(&mut self, upto: LogId) -> bool {
        let next = upto.index.saturating_add(1);
        // A log that begins with a later entry stays as it is: there is nothing to give up.
        let is_before = !self.ends.is_empty() && self.purged.is_none() && next < self.first;
        if is_before || self.purged.is_some_and(|purged| purged.index >= upto.index) {
            return false;
        }
        self.purged = Some(upto);
        let gone =
            usize::try_from(next.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.ends.len());
        if let Some(last) = gone.checked_sub(1).and_then(|last| self.ends.get(last)) {
            self.bytes_before = *last;
        }
        self.ends.drain(..gone);
        if self.ends.is_empty() {
            self.leaders.clear();
            return true;
        }
        self.first = self.first.max(next);
        while self.leaders.get(1).is_some_and(|(first, _)| *first <= self.first) {
            self.leaders.pop_front();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(ids: &[(u64, u64)]) -> View {
        let mut view = View::default();
        for &(term, index) in ids {
            view.push_sized(LogId::new(term, 1, index), 10);
        }
        view
    }

    #[test]
    fn ids_and_bytes_follow_truncate_and_purge() {
        let mut view = view(&[(1, 0), (1, 1), (2, 2), (2, 3), (3, 4)]);
        assert_eq!(view.last(), Some(LogId::new(3, 1, 4)));
        assert_eq!(view.bytes(), 50);
        view.truncate(4);
        assert_eq!(view.last(), Some(LogId::new(2, 1, 3)));
        view.purge(LogId::new(1, 1, 1));
        assert_eq!((view.indexes(), view.bytes()), (2..4, 20));
        assert_eq!(view.log_id_at(1), Some(LogId::new(1, 1, 1)));
        assert_eq!(view.log_id_at(2), Some(LogId::new(2, 1, 2)));
        assert_eq!(view.log_id_at(0), None);
        view.truncate(2);
        assert_eq!((view.last(), view.next_index()), (Some(LogId::new(1, 1, 1)), Some(2)));
        view.push_sized(LogId::new(4, 1, 2), 7);
        assert_eq!((view.last(), view.bytes()), (Some(LogId::new(4, 1, 2)), 7));
        view.purge(LogId::new(9, 1, 100));
        assert_eq!((view.last(), view.indexes(), view.bytes()), (Some(LogId::new(9, 1, 100)), 101..101, 0));
        assert!(!view.purge(LogId::new(1, 1, 50)));
        assert_eq!(view.purged(), Some(LogId::new(9, 1, 100)));
    }

    #[test]
    fn an_empty_log_takes_any_first_index() {
        let mut view = view(&[]);
        assert_eq!((view.next_index(), view.last(), view.indexes()), (None, None, 0..0));
        view.push_sized(LogId::new(1, 1, 7), 1);
        assert_eq!(view.indexes(), 7..8);
        view.truncate(0);
        assert_eq!(view.next_index(), None);
        view.push_sized(LogId::new(2, 1, 3), 1);
        assert_eq!(view.indexes(), 3..4);
    }
}
