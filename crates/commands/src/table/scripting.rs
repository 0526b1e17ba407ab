//! Rows of the scripting group.

use crate::Flag::{
    AllowBusy, DenyOom, Loading, MovableKeys, NoMandatoryKeys, NoScript, Readonly, SkipMonitor, Stale, Write,
};
use crate::KeyFlag::{Access, Ro, Rw, Update};
use crate::{Argument, Categories, Category, Command, Flags, Group, KeySpec, Route, functions};

const ROW: Command =
    Command { group: Group::Scripting, categories: Categories::of(&[Category::Scripting]), ..Command::ROW };

const FLUSH_TYPE: &[Argument] = &[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "eval",
        arity: -3,
        flags: Flags::of(&[NoScript, Stale, SkipMonitor, NoMandatoryKeys, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Rw, Access, Update])],
        since: "2.6.0",
        summary: "Runs a Lua script.",
        ..ROW
    },
    Command {
        name: "eval_ro",
        arity: -3,
        flags: Flags::of(&[Readonly, NoScript, Stale, SkipMonitor, NoMandatoryKeys, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Ro, Access])],
        since: "7.0.0",
        summary: "Runs a Lua script that only reads.",
        ..ROW
    },
    Command {
        name: "evalsha",
        arity: -3,
        flags: Flags::of(&[NoScript, Stale, SkipMonitor, NoMandatoryKeys, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Rw, Access, Update])],
        since: "2.6.0",
        summary: "Runs a cached Lua script.",
        ..ROW
    },
    Command {
        name: "evalsha_ro",
        arity: -3,
        flags: Flags::of(&[Readonly, NoScript, Stale, SkipMonitor, NoMandatoryKeys, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Ro, Access])],
        since: "7.0.0",
        summary: "Runs a cached Lua script that only reads.",
        ..ROW
    },
    Command {
        name: "fcall",
        arity: -3,
        flags: Flags::of(&[NoScript, Stale, SkipMonitor, NoMandatoryKeys, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Rw, Access, Update])],
        since: "7.0.0",
        summary: "Runs a function.",
        ..ROW
    },
    Command {
        name: "fcall_ro",
        arity: -3,
        flags: Flags::of(&[Readonly, NoScript, Stale, SkipMonitor, NoMandatoryKeys, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Ro, Access])],
        since: "7.0.0",
        summary: "Runs a function that only reads.",
        ..ROW
    },
    Command {
        name: "function",
        arity: -2,
        categories: Categories::NONE,
        since: "7.0.0",
        summary: "Libraries of functions.",
        subcommands: FUNCTION,
        route: Route::Container,
        ..ROW
    },
    Command {
        name: "script",
        arity: -2,
        categories: Categories::NONE,
        since: "2.6.0",
        summary: "The cache of Lua scripts.",
        subcommands: SCRIPT,
        route: Route::Container,
        ..ROW
    },
];

const FUNCTION: &[Command] = &[
    Command {
        name: "delete",
        parent: Some("function"),
        arity: 3,
        flags: Flags::of(&[Write, NoScript]),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "7.0.0",
        summary: "Removes a library.",
        ..ROW
    },
    Command {
        name: "dump",
        parent: Some("function"),
        arity: 2,
        flags: Flags::of(&[NoScript]),
        since: "7.0.0",
        summary: "Returns all libraries in serialised form.",
        ..ROW
    },
    Command {
        name: "flush",
        parent: Some("function"),
        arity: -2,
        flags: Flags::of(&[Write, NoScript]),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "7.0.0",
        complexity: "O(1), as there are no libraries yet",
        summary: "Removes all libraries.",
        arguments: &[Argument::one_of("flush-type", FLUSH_TYPE).optional()],
        route: Route::Write(functions::flush),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("function"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "7.0.0",
        summary: "Describes the subcommands.",
        ..ROW
    },
    Command {
        name: "kill",
        parent: Some("function"),
        arity: 2,
        flags: Flags::of(&[NoScript, AllowBusy]),
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        since: "7.0.0",
        summary: "Stops the running function.",
        ..ROW
    },
    Command {
        name: "list",
        parent: Some("function"),
        arity: -2,
        flags: Flags::of(&[NoScript]),
        tips: &["nondeterministic_output_order"],
        since: "7.0.0",
        summary: "Lists the libraries.",
        ..ROW
    },
    Command {
        name: "load",
        parent: Some("function"),
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, NoScript]),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "7.0.0",
        summary: "Loads a library.",
        ..ROW
    },
    Command {
        name: "restore",
        parent: Some("function"),
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, NoScript]),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "7.0.0",
        summary: "Restores all libraries from a dump.",
        ..ROW
    },
    Command {
        name: "stats",
        parent: Some("function"),
        arity: 2,
        flags: Flags::of(&[NoScript, AllowBusy]),
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        since: "7.0.0",
        summary: "Returns what is running.",
        ..ROW
    },
];

const SCRIPT: &[Command] = &[
    Command {
        name: "debug",
        parent: Some("script"),
        arity: 3,
        flags: Flags::of(&[NoScript]),
        since: "3.2.0",
        summary: "Switches the debugger.",
        ..ROW
    },
    Command {
        name: "exists",
        parent: Some("script"),
        arity: -3,
        flags: Flags::of(&[NoScript]),
        tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
        since: "2.6.0",
        summary: "Tells which scripts are cached.",
        ..ROW
    },
    Command {
        name: "flush",
        parent: Some("script"),
        arity: -2,
        flags: Flags::of(&[NoScript]),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "2.6.0",
        summary: "Empties the cache.",
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("script"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "5.0.0",
        summary: "Describes the subcommands.",
        ..ROW
    },
    Command {
        name: "kill",
        parent: Some("script"),
        arity: 2,
        flags: Flags::of(&[NoScript, AllowBusy]),
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        since: "2.6.0",
        summary: "Stops the running script.",
        ..ROW
    },
    Command {
        name: "load",
        parent: Some("script"),
        arity: 3,
        flags: Flags::of(&[NoScript, Stale]),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "2.6.0",
        summary: "Caches a script.",
        ..ROW
    },
];
