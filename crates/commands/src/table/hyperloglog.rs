//! Rows of the HyperLogLog group.

use crate::Flag::{Admin, DenyOom, Fast, Readonly, Write};
use crate::KeyFlag::{Access, Insert, Ro, Rw};
use crate::{Categories, Category, Command, Flags, Group, KeySpec};

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
        summary: "Adds elements to a HyperLogLog.",
        ..ROW
    },
    Command {
        name: "pfcount",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::range(1, -1, 1, &[Rw, Access])],
        since: "2.8.9",
        summary: "Estimates how many different elements there are.",
        ..ROW
    },
    Command {
        name: "pfdebug",
        arity: 3,
        flags: Flags::of(&[Write, DenyOom, Admin]),
        keys: &[KeySpec::at(2, &[Rw, Access])],
        since: "2.8.9",
        summary: "Looks inside a HyperLogLog.",
        ..ROW
    },
    Command {
        name: "pfmerge",
        arity: -2,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Access, Insert]), KeySpec::range(2, -1, 1, &[Ro, Access])],
        since: "2.8.9",
        summary: "Merges HyperLogLogs.",
        ..ROW
    },
    Command {
        name: "pfselftest",
        arity: 1,
        flags: Flags::of(&[Admin]),
        since: "2.8.9",
        summary: "Tests the HyperLogLog code.",
        ..ROW
    },
];
