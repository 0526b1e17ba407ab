//! Rows of the list group.

use crate::Flag::{Blocking, DenyOom, Fast, MovableKeys, NoScript, Readonly, Write};
use crate::KeyFlag::{Access, Delete, Insert, Ro, Rw, Update};
use crate::{Categories, Category, Command, Flags, Group, KeySpec};

const ROW: Command =
    Command { group: Group::List, categories: Categories::of(&[Category::List]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "blmove",
        arity: 6,
        flags: Flags::of(&[Write, DenyOom, NoScript, Blocking]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete]), KeySpec::at(2, &[Rw, Insert])],
        since: "6.2.0",
        summary: "Moves an element from one list to another, or waits for one.",
        ..ROW
    },
    Command {
        name: "blmpop",
        arity: -5,
        flags: Flags::of(&[Write, Blocking, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Rw, Access, Delete])],
        since: "7.0.0",
        summary: "Pops from the first non-empty of several lists, or waits.",
        ..ROW
    },
    Command {
        name: "blpop",
        arity: -3,
        flags: Flags::of(&[Write, NoScript, Blocking]),
        keys: &[KeySpec::range(1, -2, 1, &[Rw, Access, Delete])],
        since: "2.0.0",
        summary: "Pops the first element, or waits for one.",
        ..ROW
    },
    Command {
        name: "brpop",
        arity: -3,
        flags: Flags::of(&[Write, NoScript, Blocking]),
        keys: &[KeySpec::range(1, -2, 1, &[Rw, Access, Delete])],
        since: "2.0.0",
        summary: "Pops the last element, or waits for one.",
        ..ROW
    },
    Command {
        name: "brpoplpush",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom, NoScript, Blocking]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete]), KeySpec::at(2, &[Rw, Insert])],
        since: "2.2.0",
        deprecated: Some(("6.2.0", "BLMOVE")),
        summary: "Moves the last element of a list to the head of another, or waits for one.",
        ..ROW
    },
    Command {
        name: "lindex",
        arity: 3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        summary: "Returns the element at an index.",
        ..ROW
    },
    Command {
        name: "linsert",
        arity: 5,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        since: "2.2.0",
        summary: "Inserts an element before or after another.",
        ..ROW
    },
    Command {
        name: "llen",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        summary: "Counts a list's elements.",
        ..ROW
    },
    Command {
        name: "lmove",
        arity: 5,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete]), KeySpec::at(2, &[Rw, Insert])],
        since: "6.2.0",
        summary: "Moves an element from one list to another.",
        ..ROW
    },
    Command {
        name: "lmpop",
        arity: -4,
        flags: Flags::of(&[Write, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Rw, Access, Delete])],
        since: "7.0.0",
        summary: "Pops from the first non-empty of several lists.",
        ..ROW
    },
    Command {
        name: "lpop",
        arity: -2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete])],
        summary: "Pops the first elements.",
        ..ROW
    },
    Command {
        name: "lpos",
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "6.0.6",
        summary: "Returns where an element is.",
        ..ROW
    },
    Command {
        name: "lpush",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        summary: "Puts elements at the head of a list.",
        ..ROW
    },
    Command {
        name: "lpushx",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        since: "2.2.0",
        summary: "Puts elements at the head of an existing list.",
        ..ROW
    },
    Command {
        name: "lrange",
        arity: 4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        summary: "Returns a range of elements.",
        ..ROW
    },
    Command {
        name: "lrem",
        arity: 4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        summary: "Removes elements that equal a value.",
        ..ROW
    },
    Command {
        name: "lset",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        summary: "Replaces the element at an index.",
        ..ROW
    },
    Command {
        name: "ltrim",
        arity: 4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        summary: "Keeps only a range of elements.",
        ..ROW
    },
    Command {
        name: "rpop",
        arity: -2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete])],
        summary: "Pops the last elements.",
        ..ROW
    },
    Command {
        name: "rpoplpush",
        arity: 3,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete]), KeySpec::at(2, &[Rw, Insert])],
        since: "1.2.0",
        deprecated: Some(("6.2.0", "LMOVE")),
        summary: "Moves the last element of a list to the head of another.",
        ..ROW
    },
    Command {
        name: "rpush",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        summary: "Puts elements at the end of a list.",
        ..ROW
    },
    Command {
        name: "rpushx",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        since: "2.2.0",
        summary: "Puts elements at the end of an existing list.",
        ..ROW
    },
];
