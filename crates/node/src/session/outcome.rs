//! What became of a group: its calls and errors are counted, or all of it is refused.
//!
//! For: the counters of commands that run elsewhere, whose outcome shows in their replies only.
//! Leaves to others: the counters (`stats`), finding replies in a buffer (`replies`).

use std::time::Duration;

use bytes::Bytes;

use super::backend::Backend;
use super::stats::{Stats, StatsIndex};
use super::{Session, replies};
use crate::group::{Slot, Transaction};

/// What is left of a group's slot while the group is under way.
pub(super) enum Outline {
    Ready(Bytes),
    Asked { stats: StatsIndex, silent: bool },
    Transaction { parts: TransactionStats, silent: bool },
}

/// The counters of `EXEC` and of the commands in its reply.
pub(super) struct TransactionStats {
    exec: StatsIndex,
    commands: Vec<StatsIndex>,
}

impl<B: Backend> Session<B> {
    pub(super) fn outline(&mut self) -> Vec<Outline> {
        let mut outline = Vec::with_capacity(self.pending.len());
        for i in 0..self.pending.len() {
            outline.push(match &self.pending[i] {
                Slot::Ready(bytes) => Outline::Ready(bytes.clone()),
                Slot::Internal(_) | Slot::Act(_) => Outline::Ready(Bytes::new()),
                Slot::Wait { .. } | Slot::Unblock { .. } => unreachable!("they are never pending"),
                Slot::Read { command, style, .. } | Slot::Write { command, style, .. } => {
                    let (command, silent) = (*command, style.silent);
                    Outline::Asked { stats: self.stats_index(command), silent }
                }
                Slot::Transaction(transaction) => Outline::Transaction {
                    parts: TransactionStats::of(&self.backend.front().stats, transaction),
                    silent: transaction.style.silent,
                },
            });
        }
        outline
    }

    /// Counts a group's calls and its errors, which are found in the replies.
    pub(super) fn count(&self, outline: &[Outline], mut replies: &[u8], took: Duration) {
        let stats = &self.backend.front().stats;
        for slot in outline {
            match slot {
                Outline::Ready(bytes) => replies = replies.get(bytes.len()..).unwrap_or_default(),
                Outline::Transaction { parts, silent: true } => parts.count(stats, None, took),
                Outline::Transaction { parts, silent: false } => {
                    let (reply, rest) = replies::split_first(replies).unwrap_or_default();
                    replies = rest;
                    parts.count(stats, Some(reply), took);
                }
                Outline::Asked { stats: index, silent: true } => stats.called(*index, took, false),
                Outline::Asked { stats: index, silent: false } => {
                    let (reply, rest) = replies::split_first(replies).unwrap_or_default();
                    replies = rest;
                    let error = replies::error_text(reply);
                    stats.called(*index, took, error.is_some());
                    if let Some(text) = error {
                        stats.error(text);
                    }
                }
            }
        }
    }

    /// Answers an error to all that was asked; what needed no data keeps its reply.
    pub(super) fn refuse(&mut self, outline: Vec<Outline>, text: &str) {
        let stats = &self.backend.front().stats;
        for slot in outline {
            match slot {
                Outline::Ready(bytes) => self.reply.raw(&bytes),
                Outline::Asked { stats: index, silent }
                | Outline::Transaction { parts: TransactionStats { exec: index, .. }, silent } => {
                    stats.rejected(stats.command(index));
                    stats.error(text.as_bytes());
                    if !silent {
                        self.reply.error(text);
                    }
                }
            }
        }
    }
}

impl TransactionStats {
    pub(super) fn of(stats: &Stats, transaction: &Transaction) -> TransactionStats {
        let commands = transaction.commands.iter().map(|queued| stats.index(queued.command)).collect();
        TransactionStats { exec: stats.index(transaction.command), commands }
    }

    /// Counts what a whole reply of `EXEC` shows; nothing of it if there is none.
    pub(super) fn count(&self, stats: &Stats, reply: Option<&[u8]>, took: Duration) {
        stats.called(self.exec, took, false);
        let Some(mut replies) = reply.and_then(replies::elements) else { return };
        for index in &self.commands {
            let (reply, rest) = replies::split_first(replies).unwrap_or_default();
            replies = rest;
            let error = replies::error_text(reply);
            stats.called(*index, took, error.is_some());
            if let Some(text) = error {
                stats.error(text);
            }
        }
    }
}
