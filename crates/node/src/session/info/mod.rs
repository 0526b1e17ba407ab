//! `INFO`: the node in the terms in which tools of Redis read it, and a section of our own.
//!
//! For: choosing sections and putting them together as Redis 7.2 does. Leaves to others: the sections' lines.
//! Invariants: names and formats of fields are Redis'; what Quorate does not have is 0 or absent, and no
//! field claims what is not so. The keyspace is shown as this node has applied it, without a barrier, so that
//! `INFO` answers when nothing else does.

mod commands;
mod node;
mod resources;

use quorate_commands::{Args, Scripts, SubscriptionKind};
use quorate_keyspace::DbIndex;

use super::backend::{Backend, NodeFacts};
use super::{Front, Session, Tunables};

/// What the sections are made from, gathered at one moment.
struct Facts<'a> {
    front: &'a Front,
    tunables: &'a Tunables,
    node: NodeFacts,
    data_bytes: u64,
    /// Requests that wait, of all nodes' clients.
    waiters: usize,
    /// Keys that they wait for, and those that clients of this node wait to read.
    awaited_keys: usize,
    /// Keys, and those of them that expire, by database.
    databases: Vec<(DbIndex, usize, usize)>,
    /// Channels, patterns and shard channels that anybody in the cluster is subscribed to.
    subscriptions: [usize; 3],
    scripts: Scripts,
    loading: bool,
}

type Section = fn(&Facts<'_>, &mut String);

/// The sections in Redis' order: name, whether `INFO` without arguments shows it, and its lines.
const SECTIONS: [(&str, bool, Section); 14] = [
    ("server", true, node::server),
    ("clients", true, resources::clients),
    ("memory", true, resources::memory),
    ("persistence", true, node::persistence),
    ("stats", true, resources::stats),
    ("replication", true, node::replication),
    ("cpu", true, resources::cpu),
    ("modules", true, modules),
    ("commandstats", false, commands::commandstats),
    ("errorstats", true, commands::errorstats),
    ("latencystats", false, commands::latencystats),
    ("cluster", true, cluster),
    ("keyspace", true, keyspace),
    ("quorate", true, node::quorate),
];

impl<B: Backend> Session<B> {
    pub(super) fn info(&mut self, args: Args<'_>) {
        let wanted = Wanted::of(args.from(1));
        let front = self.backend.front();
        if front.post.tracking.is_on() {
            // What has been changed before is to be known in the figures.
            while front.post.work(&self.tunables.output_limits) {}
        }
        let databases = |state: &quorate_commands::State| {
            let sizes = |db| (db, state.keyspace.db(db).len(), state.keyspace.db(db).expiring_len());
            let databases = DbIndex::all().map(sizes).filter(|(_, keys, _)| *keys > 0).collect();
            let subscriptions = SubscriptionKind::ALL.map(|kind| state.subscriptions.len(kind));
            let bytes = state.keyspace.memory_bytes() as u64;
            let awaited = DbIndex::all().map(|db| state.keyspace.db(db).awaited_len()).sum::<usize>();
            (bytes, (state.waiters.len(), awaited), databases, subscriptions, state.scripts.clone())
        };
        let (data_bytes, (waiters, awaited_keys), databases, subscriptions, scripts) =
            self.take_settings(databases);
        let facts = Facts {
            front: self.backend.front(),
            tunables: &self.tunables,
            node: self.backend.facts(),
            data_bytes,
            waiters,
            awaited_keys,
            databases,
            subscriptions,
            scripts,
            loading: self.backend.admission() == super::Admission::Loading,
        };
        let mut text = String::with_capacity(8 * 1024);
        for (name, default, section) in SECTIONS {
            if !wanted.has(name, default) {
                continue;
            }
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            text.push_str(&format!("# {}{}\r\n", name[..1].to_ascii_uppercase(), &name[1..]));
            section(&facts, &mut text);
        }
        self.reply.verbatim("txt", text.as_bytes());
    }
}

/// Which sections were asked for.
struct Wanted<'a> {
    names: &'a [&'a [u8]],
}

impl<'a> Wanted<'a> {
    fn of(names: &'a [&'a [u8]]) -> Wanted<'a> {
        Wanted { names }
    }

    fn has(&self, section: &str, default: bool) -> bool {
        let asked = |word: &str| self.names.iter().any(|name| name.eq_ignore_ascii_case(word.as_bytes()));
        (default && (self.names.is_empty() || asked("default")))
            || asked("all")
            || asked("everything")
            || asked(section)
            || (section == "modules" && asked("module_list"))
    }
}

/// Adds a line.
fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    use std::fmt::Write as _;
    let written = write!(text, "{name}:{value}\r\n");
    debug_assert!(written.is_ok(), "a string takes all text");
}

/// Adds an amount of memory, as a number and for people.
fn memory(text: &mut String, name: &str, bytes: u64) {
    line(text, name, bytes);
    line(text, &format!("{name}_human"), human(bytes));
}

/// An amount of memory as Redis shows it to people.
fn human(bytes: u64) -> String {
    const UNITS: [char; 5] = ['K', 'M', 'G', 'T', 'P'];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}

fn modules(_: &Facts<'_>, _: &mut String) {}

fn cluster(_: &Facts<'_>, text: &mut String) {
    line(text, "cluster_enabled", 0);
}

fn keyspace(facts: &Facts<'_>, text: &mut String) {
    for (db, keys, expires) in &facts.databases {
        line(text, &format!("db{db}"), format_args!("keys={keys},expires={expires},avg_ttl=0"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_chosen_as_in_redis() {
        let check = |names: &[&str], section, default, expected| {
            let names: Vec<_> = names.iter().map(|name| name.as_bytes()).collect();
            assert_eq!(Wanted::of(&names).has(section, default), expected, "{names:?} {section}");
        };
        check(&[], "server", true, true);
        check(&[], "commandstats", false, false);
        check(&["ALL"], "commandstats", false, true);
        check(&["everything"], "commandstats", false, true);
        check(&["commandSTATS"], "commandstats", false, true);
        check(&["commandstats"], "server", true, false);
        check(&["cpu", "default"], "memory", true, true);
        check(&["cpu", "sentinel"], "memory", true, false);
        check(&["module_list"], "modules", true, true);
    }

    #[test]
    fn memory_is_shown_as_redis_shows_it() {
        let shown = [0, 1023, 1024, 1536, 1 << 20, 5 << 30].map(human);
        assert_eq!(shown, ["0B", "1023B", "1.00K", "1.50K", "1.00M", "5.00G"]);
    }
}
