//! Shortening a stream from the front.

use super::block::Block;
use super::{StreamEntries, StreamId};
use crate::CowTree;

/// What is to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimTo {
    /// As many entries as this.
    Len(u64),
    /// Entries of this id and later ones.
    Id(StreamId),
}

/// What to take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// What is to stay.
    pub to: TrimTo,
    /// Whole blocks only, which is cheaper.
    pub approximate: bool,
    /// Most entries to take away, where it is approximate; 0: no limit.
    pub limit: u64,
}

/// What a trim took away.
#[derive(Debug)]
pub struct Trimmed {
    /// How many entries.
    pub count: usize,
    /// The blocks that went whole; slow to free if there are many.
    pub(super) blocks: CowTree<Block>,
}

impl StreamEntries {
    /// Takes entries away from the front.
    pub fn trim(&mut self, trim: Trim) -> Trimmed {
        let (mut whole, mut count) = (0, 0);
        let len = self.len();
        for block in &self.blocks {
            let left = (len - count) as u64;
            let live = block.live();
            let beyond_limit = trim.limit > 0 && (count + live) as u64 > trim.limit;
            let goes = match trim.to {
                TrimTo::Len(max) => left > max && left - live as u64 >= max,
                TrimTo::Id(min) if trim.approximate => block.last_id() < min,
                TrimTo::Id(min) => block.last_live() < min,
            };
            if !goes || beyond_limit {
                break;
            }
            whole += 1;
            count += live;
        }
        let stopped = trim.limit > 0
            && self.blocks.get(whole).is_some_and(|block| (count + block.live()) as u64 > trim.limit);
        let blocks = self.blocks.drain(0..whole);
        self.data_bytes -= blocks.iter().map(|block| block.data().len()).sum::<usize>();
        if !trim.approximate && !stopped && !self.blocks.is_empty() {
            let mut left = self.len() as u64;
            count += self.change(0, |block| match trim.to {
                TrimTo::Len(max) => block.delete_front(|_| {
                    let more = left > max;
                    left = left.saturating_sub(1);
                    more
                }),
                TrimTo::Id(min) => block.delete_front(|id| id < min),
            });
        }
        if count > 0 {
            self.find_first();
        }
        Trimmed { count, blocks }
    }
}
