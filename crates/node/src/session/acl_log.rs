//! The log of what was denied to clients of this node, as `ACL LOG` shows it.
//!
//! For: merging what is alike, and bounding the rest. Leaves to others: what is denied and why (`quorate-commands`).
//! Invariants: at most `acllog-max-len` entries, each of bounded size; no password is in one.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_commands::Denial;
use quorate_resp::Reply;

use super::server::unix_time;

/// Denials that are alike are one entry for as long as each comes within this time after the last, in milliseconds.
const MERGING_MILLIS: u64 = 60_000;
/// The newest entries, among which one that is alike is looked for.
const MERGING_ENTRIES: usize = 10;
/// Most bytes that are kept of a key or channel.
const OBJECT_BYTES_MAX: usize = 1024;

/// Where something was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    Toplevel,
    Multi,
    Lua,
}

/// Something that was denied.
#[derive(Debug, Clone)]
pub(crate) struct DeniedEntry {
    pub(crate) denial: Denial,
    pub(crate) context: Context,
    /// The command, the key or the channel.
    pub(crate) object: Bytes,
    pub(crate) user: Bytes,
    /// The client's line of `CLIENT LIST`.
    pub(crate) client: String,
}

#[derive(Debug)]
struct Kept {
    entry: DeniedEntry,
    id: u64,
    count: u64,
    /// In milliseconds since the Unix epoch, as the next.
    created: u64,
    updated: u64,
}

/// The log, the newest entries first.
#[derive(Debug, Default)]
pub(crate) struct AclLog {
    kept: Mutex<(VecDeque<Kept>, u64)>,
}

impl AclLog {
    /// Notes a denial, and forgets the oldest entries beyond `entries_max`.
    pub(crate) fn note(&self, mut entry: DeniedEntry, entries_max: usize) {
        entry.object.truncate(OBJECT_BYTES_MAX);
        let now = unix_millis();
        let (entries, next_id) = &mut *self.kept.lock();
        let is_alike = |kept: &Kept| {
            let DeniedEntry { denial, context, object, user, .. } = &kept.entry;
            (*denial, *context) == (entry.denial, entry.context)
                && *object == entry.object
                && *user == entry.user
                && now.abs_diff(kept.updated) <= MERGING_MILLIS
        };
        let alike = entries.iter().take(MERGING_ENTRIES).position(is_alike);
        let kept = match alike.and_then(|at| entries.remove(at)) {
            Some(kept) => Kept { entry, count: kept.count + 1, updated: now, ..kept },
            None => {
                let id = *next_id;
                *next_id += 1;
                Kept { entry, id, count: 1, created: now, updated: now }
            }
        };
        entries.push_front(kept);
        entries.truncate(entries_max);
    }

    /// Forgets everything.
    pub(crate) fn reset(&self) {
        self.kept.lock().0.clear();
    }

    /// Shows the newest entries.
    pub(crate) fn write(&self, count: usize, reply: &mut Reply) {
        let now = unix_millis();
        let (entries, _) = &*self.kept.lock();
        reply.array(count.min(entries.len()));
        for Kept { entry, id, count, created, updated } in entries.iter().take(count) {
            let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            let context = match entry.context {
                Context::Toplevel => "toplevel",
                Context::Multi => "multi",
                Context::Lua => "lua",
            };
            reply.map(10);
            reply.bulk(b"count");
            reply.integer(integer(*count));
            reply.bulk(b"reason");
            reply.bulk(entry.denial.name().as_bytes());
            reply.bulk(b"context");
            reply.bulk(context.as_bytes());
            reply.bulk(b"object");
            reply.bulk(&entry.object);
            reply.bulk(b"username");
            reply.bulk(&entry.user);
            reply.bulk(b"age-seconds");
            reply.double(now.saturating_sub(*updated) as f64 / 1000.0);
            reply.bulk(b"client-info");
            reply.bulk(entry.client.as_bytes());
            for (name, value) in
                [("entry-id", id), ("timestamp-created", created), ("timestamp-last-updated", updated)]
            {
                reply.bulk(name.as_bytes());
                reply.integer(integer(*value));
            }
        }
    }
}

fn unix_millis() -> u64 {
    u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_one_entry() {
        let log = AclLog::default();
        let entry = |object: &'static str, context| DeniedEntry {
            denial: Denial::Key,
            context,
            object: Bytes::from_static(object.as_bytes()),
            user: Bytes::from_static(b"u"),
            client: String::new(),
        };
        for (object, context) in [
            ("a", Context::Toplevel),
            ("a", Context::Multi),
            ("b", Context::Toplevel),
            ("a", Context::Toplevel),
        ] {
            log.note(entry(object, context), 3);
        }
        let shown = |log: &AclLog| -> Vec<_> {
            let kept = log.kept.lock();
            kept.0.iter().map(|kept| (kept.entry.object.clone(), kept.count, kept.id)).collect()
        };
        assert_eq!(
            shown(&log),
            [(Bytes::from("a"), 2, 0), (Bytes::from("b"), 1, 2), (Bytes::from("a"), 1, 1)]
        );
        log.note(entry("c", Context::Lua), 2);
        assert_eq!(shown(&log).len(), 2);
        log.reset();
        assert!(shown(&log).is_empty());
    }
}
