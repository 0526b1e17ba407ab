//! Rows of the bitmap group.

use crate::Flag::{DenyOom, Fast, Readonly, Write};
use crate::KeyFlag::{Access, Ow, Ro, Rw, Update, VariableFlags};
use crate::{Categories, Category, Command, Flags, Group, KeySpec};

const ROW: Command =
    Command { group: Group::Bitmap, categories: Categories::of(&[Category::Bitmap]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "bitcount",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.6.0",
        summary: "Counts the bits that are set.",
        ..ROW
    },
    Command {
        name: "bitfield",
        arity: -2,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update, VariableFlags])],
        since: "3.2.0",
        summary: "Reads and changes integers of any width in a string.",
        ..ROW
    },
    Command {
        name: "bitfield_ro",
        arity: -2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "6.0.0",
        summary: "Reads integers of any width in a string.",
        ..ROW
    },
    Command {
        name: "bitop",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(2, &[Ow, Update]), KeySpec::range(3, -1, 1, &[Ro, Access])],
        since: "2.6.0",
        summary: "Combines strings bit by bit.",
        ..ROW
    },
    Command {
        name: "bitpos",
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.8.7",
        summary: "Finds the first bit that is set or clear.",
        ..ROW
    },
    Command {
        name: "getbit",
        arity: 3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.2.0",
        summary: "Returns one bit.",
        ..ROW
    },
    Command {
        name: "setbit",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        since: "2.2.0",
        summary: "Sets or clears one bit.",
        ..ROW
    },
];
