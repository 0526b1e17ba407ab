//! Which batches are applied in no time, and which may take long.
//!
//! Consensus has one thread, because its tasks hand everything on to one another; applying is one of them. A long
//! command on that thread would keep back heartbeats and cost the leader its leadership, so before such a batch the
//! other tasks are given a thread of their own. That costs a wake-up, so it is not done for batches of commands whose
//! cost is bounded by their arguments.
//!
//! It decides where a batch runs and nothing else: the state does not depend on it.
//!
//! Called by: the apply task, before each chunk of entries.

use quorate_commands::{Args, Command, resolve};
use quorate_raft::{Committed, Payload};

use crate::batch::{BatchItem, BatchRequest, Data};
use crate::pipeline::{Pipeline, Place, Sealed};

/// Whether applying these may keep other tasks waiting.
pub(crate) fn take_long(entries: &[Committed], pipeline: &Pipeline) -> bool {
    entries.iter().any(|entry| match &entry.payload {
        Payload::Blank | Payload::Members(_) => false,
        Payload::Data(data) => match Data::decode(data) {
            Ok(Data::Batch { origin, sequence, requests, .. }) => {
                origin == pipeline.origin() && pipeline.is_long(sequence)
                    || requests.into_iter().any(|item| item.is_ok_and(|item| item_takes_long(&item)))
            }
            // Damage is found when it is applied.
            Ok(Data::Tick(_) | Data::Check(_)) | Err(_) => false,
        },
    })
}

fn item_takes_long(item: &BatchItem<'_>) -> bool {
    match item {
        BatchItem::Request(request) => request_takes_long(request),
        BatchItem::Internal(_) => false,
        BatchItem::Transaction { requests, .. } => requests.iter().any(request_takes_long),
    }
}

fn request_takes_long(request: &BatchRequest<'_>) -> bool {
    resolve(Args::new(request.args.as_slice())).is_ok_and(|command| !command.is_brief())
}

/// Whether a group of this node has reads in it that take long; they are evaluated at apply as well.
pub(crate) fn reads_take_long(group: &Sealed) -> bool {
    let long = |command: &Command| !command.is_brief();
    group.places.iter().any(|place| match place {
        Place::Read { command, .. } => long(command),
        Place::Transaction(transaction) => transaction.commands.iter().any(|queued| long(queued.command)),
        Place::Write { .. } | Place::Internal | Place::Act(_) | Place::Ready(_) => false,
    })
}
