//! Rows of the set group.

use crate::Flag::{DenyOom, Fast, MovableKeys, Readonly, Write};
use crate::KeyFlag::{Access, Delete, Insert, Ow, Ro, Rw, Update};
use crate::{Categories, Category, Command, Flags, Group, KeySpec};

const ROW: Command =
    Command { group: Group::Set, categories: Categories::of(&[Category::Set]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "sadd",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        summary: "Adds members to a set.",
        ..ROW
    },
    Command {
        name: "scard",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        summary: "Counts a set's members.",
        ..ROW
    },
    Command {
        name: "sdiff",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::range(1, -1, 1, &[Ro, Access])],
        tips: &["nondeterministic_output_order"],
        summary: "Returns what the first set has and the others lack.",
        ..ROW
    },
    Command {
        name: "sdiffstore",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::range(2, -1, 1, &[Ro, Access])],
        summary: "Stores what the first set has and the others lack.",
        ..ROW
    },
    Command {
        name: "sinter",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::range(1, -1, 1, &[Ro, Access])],
        tips: &["nondeterministic_output_order"],
        summary: "Returns what all sets have in common.",
        ..ROW
    },
    Command {
        name: "sintercard",
        arity: -3,
        flags: Flags::of(&[Readonly, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Ro, Access])],
        since: "7.0.0",
        summary: "Counts what all sets have in common.",
        ..ROW
    },
    Command {
        name: "sinterstore",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Update]), KeySpec::range(2, -1, 1, &[Ro, Access])],
        summary: "Stores what all sets have in common.",
        ..ROW
    },
    Command {
        name: "sismember",
        arity: 3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        summary: "Tells whether a member is in a set.",
        ..ROW
    },
    Command {
        name: "smembers",
        arity: 2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output_order"],
        summary: "Returns a set's members.",
        ..ROW
    },
    Command {
        name: "smismember",
        arity: -3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "6.2.0",
        summary: "Tells for each of several members whether it is in a set.",
        ..ROW
    },
    Command {
        name: "smove",
        arity: 4,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete]), KeySpec::at(2, &[Rw, Insert])],
        summary: "Moves a member from one set to another.",
        ..ROW
    },
    Command {
        name: "spop",
        arity: -2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete])],
        tips: &["nondeterministic_output"],
        summary: "Removes and returns members chosen at random.",
        ..ROW
    },
    Command {
        name: "srandmember",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        summary: "Returns members chosen at random.",
        ..ROW
    },
    Command {
        name: "srem",
        arity: -3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        summary: "Removes members from a set.",
        ..ROW
    },
    Command {
        name: "sscan",
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "2.8.0",
        summary: "Walks a set's members with a cursor.",
        ..ROW
    },
    Command {
        name: "sunion",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::range(1, -1, 1, &[Ro, Access])],
        tips: &["nondeterministic_output_order"],
        summary: "Returns the union of sets.",
        ..ROW
    },
    Command {
        name: "sunionstore",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::range(2, -1, 1, &[Ro, Access])],
        summary: "Stores the union of sets.",
        ..ROW
    },
];
