//! Rows of LATENCY, MEMORY and SLOWLOG.

use crate::Flag::{Admin, Loading, NoScript, Readonly, Stale};
use crate::KeyFlag::Ro;
use crate::SessionCommand::{
    LatencyDoctor, LatencyGraph, LatencyHistogram, LatencyHistory, LatencyLatest, LatencyReset, MemoryDoctor,
    MemoryMallocStats, MemoryPurge, MemoryStats, SlowlogGet, SlowlogLen, SlowlogReset,
};
use crate::command::ArgumentKind::{Integer, String};
use crate::introspection;
use crate::memory;
use crate::{Argument, Command, Flags, Group, KeySpec, Route};

const ROW: Command = Command { group: Group::Server, ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "latency",
        arity: -2,
        since: "2.8.13",
        summary: "Tells about delays.",
        subcommands: LATENCY,
        route: Route::Container,
        ..ROW
    },
    Command {
        name: "memory",
        arity: -2,
        since: "4.0.0",
        summary: "Tells about memory.",
        subcommands: MEMORY,
        route: Route::Container,
        ..ROW
    },
    Command {
        name: "slowlog",
        arity: -2,
        since: "2.2.12",
        summary: "The log of slow commands.",
        subcommands: SLOWLOG,
        route: Route::Container,
        ..ROW
    },
];

const LATENCY: &[Command] = &[
    Command {
        name: "doctor",
        parent: Some("latency"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        since: "2.8.13",
        summary: "Explains the delays in words.",
        route: Route::Session(LatencyDoctor),
        ..ROW
    },
    Command {
        name: "graph",
        parent: Some("latency"),
        arity: 3,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        since: "2.8.13",
        summary: "Draws the delays of an event.",
        arguments: &[Argument::new("event", String)],
        route: Route::Session(LatencyGraph),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("latency"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "2.8.13",
        summary: "Describes the subcommands.",
        stateless: true,
        route: Route::Read(introspection::help),
        ..ROW
    },
    Command {
        name: "histogram",
        parent: Some("latency"),
        arity: -2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        since: "7.0.0",
        complexity: "O(N) in the commands",
        summary: "Returns the distribution of the delays of commands.",
        arguments: &[Argument::new("command", String).optional().multiple()],
        route: Route::Session(LatencyHistogram),
        ..ROW
    },
    Command {
        name: "history",
        parent: Some("latency"),
        arity: 3,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        since: "2.8.13",
        summary: "Returns the recorded delays of an event.",
        arguments: &[Argument::new("event", String)],
        route: Route::Session(LatencyHistory),
        ..ROW
    },
    Command {
        name: "latest",
        parent: Some("latency"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        since: "2.8.13",
        summary: "Returns the last delay of each event.",
        route: Route::Session(LatencyLatest),
        ..ROW
    },
    Command {
        name: "reset",
        parent: Some("latency"),
        arity: -2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "2.8.13",
        summary: "Forgets the recorded delays.",
        arguments: &[Argument::new("event", String).optional().multiple()],
        route: Route::Session(LatencyReset),
        ..ROW
    },
];

const MEMORY: &[Command] = &[
    Command {
        name: "doctor",
        parent: Some("memory"),
        arity: 2,
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        since: "4.0.0",
        summary: "Explains the use of memory in words.",
        route: Route::Session(MemoryDoctor),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("memory"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "4.0.0",
        summary: "Describes the subcommands.",
        stateless: true,
        route: Route::Read(introspection::help),
        ..ROW
    },
    Command {
        name: "malloc-stats",
        parent: Some("memory"),
        arity: 2,
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        since: "4.0.0",
        summary: "Returns the allocator's statistics.",
        route: Route::Session(MemoryMallocStats),
        ..ROW
    },
    Command {
        name: "purge",
        parent: Some("memory"),
        arity: 2,
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "4.0.0",
        summary: "Gives freed memory back to the system.",
        route: Route::Session(MemoryPurge),
        ..ROW
    },
    Command {
        name: "stats",
        parent: Some("memory"),
        arity: 2,
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        since: "4.0.0",
        summary: "Returns the use of memory in figures.",
        route: Route::Session(MemoryStats),
        ..ROW
    },
    Command {
        name: "usage",
        parent: Some("memory"),
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(2, &[Ro])],
        since: "4.0.0",
        summary: "Estimates the memory of a key.",
        arguments: &[Argument::key("key"), Argument::new("count", Integer).token("SAMPLES").optional()],
        route: Route::Read(memory::usage),
        ..ROW
    },
];

const SLOWLOG: &[Command] = &[
    Command {
        name: "get",
        parent: Some("slowlog"),
        arity: -2,
        flags: Flags::of(&[Admin, Loading, Stale]),
        tips: &["request_policy:all_nodes", "nondeterministic_output"],
        since: "2.2.12",
        summary: "Returns the last entries.",
        arguments: &[Argument::new("count", Integer).optional()],
        route: Route::Session(SlowlogGet),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("slowlog"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "6.2.0",
        summary: "Describes the subcommands.",
        stateless: true,
        route: Route::Read(introspection::help),
        ..ROW
    },
    Command {
        name: "len",
        parent: Some("slowlog"),
        arity: 2,
        flags: Flags::of(&[Admin, Loading, Stale]),
        tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
        since: "2.2.12",
        summary: "Counts the entries.",
        route: Route::Session(SlowlogLen),
        ..ROW
    },
    Command {
        name: "reset",
        parent: Some("slowlog"),
        arity: 2,
        flags: Flags::of(&[Admin, Loading, Stale]),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "2.2.12",
        summary: "Forgets the entries.",
        route: Route::Session(SlowlogReset),
        ..ROW
    },
];
