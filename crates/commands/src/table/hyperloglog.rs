//! Rows of the HyperLogLog group.

use crate::Flag::{Admin, DenyOom, Fast, Readonly, Write};
use crate::KeyFlag::{Access, Insert, Ro, Rw};
use crate::command::ArgumentKind::String;
use crate::{Argument, Categories, Category, Command, Flags, Group, KeySpec, Route, hyperloglog};

const ROW: Command = Command {
    group: Group::HyperLogLog,
    categories: Categories::of(&[Category::HyperLogLog]),
    ..Command::ROW
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "pfadd",
        arity: -2,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        since: "2.8.9",
        complexity: "O(1) for each element",
        summary: "Adds elements to a HyperLogLog.",
        arguments: &[Argument::key("key"), Argument::new("element", String).optional().multiple()],
        route: Route::Write(hyperloglog::pfadd),
        ..ROW
    },
    Command {
        name: "pfcount",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::range(1, -1, 1, &[Rw, Access])],
        since: "2.8.9",
        complexity: "O(N) in the keys, with a large constant",
        summary: "Estimates how many different elements there are.",
        arguments: &[Argument::key("key").multiple()],
        route: Route::Read(hyperloglog::pfcount),
        ..ROW
    },
    Command {
        name: "pfdebug",
        arity: 3,
        flags: Flags::of(&[Write, DenyOom, Admin]),
        keys: &[KeySpec::at(2, &[Rw, Access])],
        since: "2.8.9",
        complexity: "O(1), with a large constant",
        summary: "Looks inside a HyperLogLog.",
        arguments: &[Argument::new("subcommand", String), Argument::key("key")],
        route: Route::Write(hyperloglog::pfdebug),
        ..ROW
    },
    Command {
        name: "pfmerge",
        arity: -2,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Access, Insert]), KeySpec::range(2, -1, 1, &[Ro, Access])],
        since: "2.8.9",
        complexity: "O(N) in the keys, with a large constant",
        summary: "Merges HyperLogLogs.",
        arguments: &[Argument::key("destkey"), Argument::key("sourcekey").spec(1).optional().multiple()],
        route: Route::Write(hyperloglog::pfmerge),
        ..ROW
    },
    Command {
        name: "pfselftest",
        arity: 1,
        flags: Flags::of(&[Admin]),
        since: "2.8.9",
        complexity: "O(1), with a large constant",
        summary: "Tests the HyperLogLog code.",
        route: Route::Read(hyperloglog::pfselftest),
        ..ROW
    },
];
