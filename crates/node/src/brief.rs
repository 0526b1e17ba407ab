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
            Ok(Data::Tick(_) | Data::Check(_) | Data::Silence(..)) | Err(_) => false,
        },
    })
}

fn item_takes_long(item: &BatchItem<'_>) -> bool {
    match item {
        BatchItem::Request(request) | BatchItem::Anew { request, .. } => request_takes_long(request),
        BatchItem::Unblock { .. } | BatchItem::Internal(_) => false,
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
        Place::Write { .. }
        | Place::Wait { .. }
        | Place::Unblock { .. }
        | Place::Internal
        | Place::Act(_)
        | Place::Ready(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use quorate_keyspace::DbIndex;
    use quorate_raft::{LogId, NodeId};

    use super::*;
    use crate::batch::{BatchBuilder, Origin, Stamp, tick};
    use crate::pipeline::Limits;

    type Words<'a> = &'a [&'a str];

    /// As another node's batches are judged: by what is in them.
    fn takes_long(fill: impl FnOnce(&mut BatchBuilder)) -> bool {
        let mut batch = BatchBuilder::with_capacity(0);
        fill(&mut batch);
        let other = Origin { node: NodeId(2), incarnation: 1 };
        is_long(Payload::Data(batch.seal(other, 1)))
    }

    fn is_long(payload: Payload) -> bool {
        let id = LogId::new(1, 2, 1);
        let own = Origin { node: NodeId(1), incarnation: 1 };
        take_long(&[Committed { id, payload }], &Pipeline::new(own, Limits::default()))
    }

    fn push(batch: &mut BatchBuilder, request: Words<'_>) {
        batch.push(DbIndex::ZERO, request.iter().map(|arg| arg.as_bytes()));
    }

    #[test]
    fn commands_bounded_by_their_arguments_stay_on_the_consensus_thread() {
        let brief: [Words<'_>; 6] = [
            &["SET", "k", "v"],
            &["INCR", "k"],
            &["HSET", "h", "f", "v"],
            &["ZADD", "z", "1", "m"],
            &["XADD", "s", "*", "f", "v"],
            &["NOSUCH", "k"],
        ];
        for request in brief {
            assert!(!takes_long(|batch| push(batch, request)), "{request:?}");
        }
        assert!(!is_long(Payload::Blank));
        assert!(!is_long(Payload::Data(tick(Stamp { time: quorate_keyspace::Millis(0), seed: 0 }))));
    }

    #[test]
    fn one_command_that_may_take_long_makes_the_batch_long() {
        let long: [Words<'_>; 6] = [
            &["EVAL", "while true do end", "0"],
            &["FCALL", "f", "0"],
            &["SORT", "l", "STORE", "d"],
            &["SUNIONSTORE", "d", "a", "b"],
            &["LTRIM", "l", "1", "2"],
            &["SDIFFSTORE", "d", "a", "b"],
        ];
        for request in long {
            assert!(takes_long(|batch| push(batch, request)), "{request:?}");
            let beside = |batch: &mut BatchBuilder| {
                push(batch, &["SET", "k", "v"]);
                push(batch, request);
            };
            assert!(takes_long(beside), "{request:?} beside a SET");
            let in_transaction = |batch: &mut BatchBuilder| {
                let requests: [Words<'_>; 2] = [&["SET", "k", "v"], request];
                let requests = requests
                    .into_iter()
                    .map(|words| (DbIndex::ZERO, None, words.iter().map(|w| w.as_bytes())));
                batch.push_transaction(&[], requests);
            };
            assert!(takes_long(in_transaction), "{request:?} in a transaction");
        }
    }
}
