//! Rows of the scripting group.

use crate::Flag::{
    AllowBusy, DenyOom, Loading, MovableKeys, NoMandatoryKeys, NoScript, Readonly, SkipMonitor, Stale, Write,
};
use crate::KeyFlag::{Access, Ro, Rw, Update};
use crate::{
    Argument, Categories, Category, Command, Flags, Group, KeySpec, Route, introspection, scripting,
};

const ROW: Command =
    Command { group: Group::Scripting, categories: Categories::of(&[Category::Scripting]), ..Command::ROW };

const FLUSH_TYPE: &[Argument] = &[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "eval",
        asks_user: true,
        complexity: "Depends on the script",
        arity: -3,
        flags: Flags::of(&[NoScript, Stale, SkipMonitor, NoMandatoryKeys, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Rw, Access, Update])],
        since: "2.6.0",
        summary: "Runs a Lua script.",
        route: Route::Write(scripting::eval),
        ..ROW
    },
    Command {
        name: "eval_ro",
        asks_user: true,
        complexity: "Depends on the script",
        arity: -3,
        flags: Flags::of(&[Readonly, NoScript, Stale, SkipMonitor, NoMandatoryKeys, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Ro, Access])],
        since: "7.0.0",
        summary: "Runs a Lua script that only reads.",
        route: Route::Read(scripting::eval_ro),
        ..ROW
    },
    Command {
        name: "evalsha",
        asks_user: true,
        complexity: "Depends on the script",
        arity: -3,
        flags: Flags::of(&[NoScript, Stale, SkipMonitor, NoMandatoryKeys, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Rw, Access, Update])],
        since: "2.6.0",
        summary: "Runs a cached Lua script.",
        route: Route::Write(scripting::evalsha),
        ..ROW
    },
    Command {
        name: "evalsha_ro",
        asks_user: true,
        complexity: "Depends on the script",
        arity: -3,
        flags: Flags::of(&[Readonly, NoScript, Stale, SkipMonitor, NoMandatoryKeys, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Ro, Access])],
        since: "7.0.0",
        summary: "Runs a cached Lua script that only reads.",
        route: Route::Read(scripting::evalsha_ro),
        ..ROW
    },
    Command {
        name: "fcall",
        asks_user: true,
        complexity: "Depends on the function",
        arity: -3,
        flags: Flags::of(&[NoScript, Stale, SkipMonitor, NoMandatoryKeys, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Rw, Access, Update])],
        since: "7.0.0",
        summary: "Runs a function.",
        route: Route::Write(scripting::fcall),
        ..ROW
    },
    Command {
        name: "fcall_ro",
        asks_user: true,
        complexity: "Depends on the function",
        arity: -3,
        flags: Flags::of(&[Readonly, NoScript, Stale, SkipMonitor, NoMandatoryKeys, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Ro, Access])],
        since: "7.0.0",
        summary: "Runs a function that only reads.",
        route: Route::Read(scripting::fcall_ro),
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
        route: Route::Write(scripting::delete),
        ..ROW
    },
    Command {
        name: "dump",
        parent: Some("function"),
        arity: 2,
        flags: Flags::of(&[NoScript]),
        since: "7.0.0",
        summary: "Returns all libraries in serialised form.",
        route: Route::Read(scripting::dump),
        ..ROW
    },
    Command {
        name: "flush",
        parent: Some("function"),
        arity: -2,
        flags: Flags::of(&[Write, NoScript]),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "7.0.0",
        complexity: "O(N), N being the number of functions",
        summary: "Removes all libraries.",
        arguments: &[Argument::one_of("flush-type", FLUSH_TYPE).optional()],
        route: Route::Write(scripting::flush_functions),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("function"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "7.0.0",
        summary: "Describes the subcommands.",
        route: Route::Read(introspection::help),
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
        route: Route::Read(scripting::kill),
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
        route: Route::Read(scripting::list),
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
        route: Route::Write(scripting::load_functions),
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
        route: Route::Write(scripting::restore),
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
        route: Route::Read(scripting::stats),
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
        route: Route::Read(scripting::debug),
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
        route: Route::Read(scripting::exists),
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
        route: Route::Write(scripting::flush),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("script"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "5.0.0",
        summary: "Describes the subcommands.",
        route: Route::Read(introspection::help),
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
        route: Route::Read(scripting::kill),
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
        route: Route::Write(scripting::load),
        ..ROW
    },
];
