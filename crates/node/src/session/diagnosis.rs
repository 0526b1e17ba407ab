//! `SLOWLOG`, `LATENCY` and `MEMORY`: what this node knows of its own running.
//!
//! For: their replies. Leaves to others: collecting (`slowlog`, `stats`), `MEMORY USAGE` (a command on data).
//! Invariant: what is not collected is answered as Redis answers when it has collected nothing.

use std::sync::atomic::Ordering::Relaxed;

use quorate_commands::{Args, Error, SessionCommand, State};
use quorate_keyspace::DbIndex;
use quorate_resp::Reply;

use super::backend::Backend;
use super::stats::CommandStats;
use super::{Session, process};

const LATENCY_DOCTOR: &str = "I have been collecting no latency spikes: the latency monitor of Redis is not part of \
                              Quorate. See LATENCY HISTOGRAM, INFO latencystats and the metrics of the admin API.\n";
const MEMORY_DOCTOR: &str = "Sam, I have no memory problems to report. See INFO memory for the figures.\n";

impl<B: Backend> Session<B> {
    /// Answers a command about the node's running.
    pub(super) fn diagnose(&mut self, kind: SessionCommand, args: Args<'_>) -> Result<(), Error> {
        use SessionCommand as Kind;
        match kind {
            Kind::SlowlogGet => self.slowlog_get(args)?,
            Kind::SlowlogLen => self.reply.count(self.backend.front().slowlog.len()),
            Kind::SlowlogReset => {
                self.backend.front().slowlog.reset();
                self.reply.ok();
            }
            Kind::LatencyDoctor => self.reply.verbatim("txt", LATENCY_DOCTOR.as_bytes()),
            Kind::LatencyGraph => {
                let event = String::from_utf8_lossy(&args[2]);
                return Err(Error::text(format!("ERR No samples available for event '{event}'")));
            }
            Kind::LatencyHistory | Kind::LatencyLatest => self.reply.array(0),
            Kind::LatencyReset => self.reply.integer(0),
            Kind::LatencyHistogram => self.latency_histogram(args),
            Kind::MemoryDoctor => self.reply.verbatim("txt", MEMORY_DOCTOR.as_bytes()),
            Kind::MemoryMallocStats => self.reply.bulk(b"Stats not supported for the current allocator"),
            Kind::MemoryPurge => self.reply.ok(),
            Kind::MemoryStats => self.memory_stats(),
            other => return Err(Error::Unsupported(format!("{other:?}").to_lowercase())),
        }
        Ok(())
    }

    fn slowlog_get(&mut self, args: Args<'_>) -> Result<(), Error> {
        let count = match args.get(2) {
            None => 10,
            Some(text) => quorate_resp::parse_i64(text)
                .filter(|&count| count >= -1)
                .ok_or_else(|| Error::text("ERR count should be greater than or equal to -1"))?,
        };
        let entries = self.backend.front().slowlog.newest(usize::try_from(count).unwrap_or(usize::MAX));
        let reply = &mut self.reply;
        reply.array(entries.len());
        for entry in entries {
            reply.array(6);
            for number in [entry.id, entry.unix_seconds, entry.micros] {
                reply.integer(signed(number));
            }
            reply.array(entry.args.len());
            entry.args.iter().for_each(|arg| reply.bulk(arg));
            reply.bulk(entry.addr.as_bytes());
            reply.bulk(entry.name.as_bytes());
        }
        Ok(())
    }

    fn latency_histogram(&mut self, args: Args<'_>) {
        let asked = args.from(2);
        let stats = &self.backend.front().stats;
        let named = |stats: &&CommandStats| {
            let name = stats.command.full_name();
            asked.is_empty()
                || asked.iter().any(|asked| {
                    let container = stats.command.parent.unwrap_or_default().as_bytes();
                    name.as_bytes().eq_ignore_ascii_case(asked) || container.eq_ignore_ascii_case(asked)
                })
        };
        let found: Vec<_> =
            stats.used().filter(|stats| stats.calls.load(Relaxed) > 0).filter(named).collect();
        self.reply.map(found.len());
        for stats in found {
            self.reply.bulk(stats.command.full_name().as_bytes());
            write_histogram(stats, &mut self.reply);
        }
    }

    fn memory_stats(&mut self) {
        let (data, keys, scripts) = self.backend.with_state(|state| {
            let keys: usize = DbIndex::all().map(|db| state.keyspace.db(db).len()).sum();
            (state.keyspace.memory_bytes() as u64, keys as u64, state.scripts.clone())
        });
        let base = State::BASE_BYTES as u64;
        let used = base + data;
        let peak = self.backend.front().peak_bytes(used);
        let allocated = self.backend.facts().allocated_bytes;
        let resident = process::resident_bytes();
        let figures = [
            ("peak.allocated", peak),
            ("total.allocated", allocated.unwrap_or(used)),
            ("startup.allocated", base),
            ("replication.backlog", 0),
            ("clients.slaves", 0),
            ("clients.normal", client_bytes(self.backend.front())),
            ("cluster.links", 0),
            ("aof.buffer", 0),
            ("lua.caches", scripts.scripts_bytes() as u64),
            ("functions.caches", scripts.functions_bytes() as u64),
            ("overhead.total", base),
            ("keys.count", keys),
            ("keys.bytes-per-key", data.checked_div(keys).unwrap_or(0)),
            ("dataset.bytes", data),
            ("allocator.allocated", allocated.unwrap_or(used)),
            ("allocator.resident", resident),
        ];
        self.reply.map(figures.len());
        for (name, value) in figures {
            self.reply.bulk(name.as_bytes());
            self.reply.integer(signed(value));
        }
    }
}

/// Bytes in the buffers of all clients.
pub(super) fn client_bytes(front: &super::Front) -> u64 {
    let bytes = |client: &super::Client| {
        [&client.input_bytes, &client.input_free_bytes, &client.output_bytes]
            .iter()
            .map(|count| count.load(Relaxed) as u64)
            .sum::<u64>()
    };
    front.clients.all().iter().map(|client| bytes(client)).sum()
}

/// Calls that took at most so many microseconds, for each power of two that adds some.
fn write_histogram(stats: &CommandStats, reply: &mut Reply) {
    let histogram = stats.histogram();
    let steps: Vec<_> = histogram.iter().enumerate().filter(|(_, count)| **count > 0).collect();
    reply.map(2);
    reply.bulk(b"calls");
    reply.integer(signed(histogram.iter().sum()));
    reply.bulk(b"histogram_usec");
    reply.map(steps.len());
    let mut total = 0;
    for (i, count) in steps {
        total += count;
        reply.integer((2 << i) - 1);
        reply.integer(signed(total));
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
