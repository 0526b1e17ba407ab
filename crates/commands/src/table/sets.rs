//! Rows of the set group.

use crate::Flag::{DenyOom, Fast, MovableKeys, Readonly, Write};
use crate::KeyFlag::{Access, Delete, Insert, Ow, Ro, Rw, Update};
use crate::command::ArgumentKind::{Integer, Pattern, String};
use crate::sets::{algebra, random, reading, walk, writing};
use crate::{Argument, Categories, Category, Command, Flags, Group, KeySpec, Route};

const ROW: Command =
    Command { group: Group::Set, categories: Categories::of(&[Category::Set]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "sadd",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        complexity: "O(N) in the members",
        summary: "Adds members to a set.",
        arguments: &[Argument::key("key"), Argument::new("member", String).multiple()],
        route: Route::Write(writing::sadd),
        ..ROW
    },
    Command {
        name: "scard",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        summary: "Counts a set's members.",
        arguments: &[Argument::key("key")],
        route: Route::Read(reading::scard),
        ..ROW
    },
    Command {
        name: "sdiff",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::range(1, -1, 1, &[Ro, Access])],
        tips: &["nondeterministic_output_order"],
        complexity: "O(N) in the members of all sets",
        summary: "Returns what the first set has and the others lack.",
        arguments: &[Argument::key("key").multiple()],
        route: Route::Read(algebra::sdiff),
        ..ROW
    },
    Command {
        name: "sdiffstore",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::range(2, -1, 1, &[Ro, Access])],
        complexity: "O(N) in the members of all sets",
        summary: "Stores what the first set has and the others lack.",
        arguments: &[Argument::key("destination"), Argument::key("key").spec(1).multiple()],
        route: Route::Write(algebra::sdiffstore),
        ..ROW
    },
    Command {
        name: "sinter",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::range(1, -1, 1, &[Ro, Access])],
        tips: &["nondeterministic_output_order"],
        complexity: "O(N*M) in the members of the smallest set and the number of sets",
        summary: "Returns what all sets have in common.",
        arguments: &[Argument::key("key").multiple()],
        route: Route::Read(algebra::sinter),
        ..ROW
    },
    Command {
        name: "sintercard",
        arity: -3,
        flags: Flags::of(&[Readonly, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Ro, Access])],
        since: "7.0.0",
        complexity: "O(N*M) in the members of the smallest set and the number of sets",
        summary: "Counts what all sets have in common.",
        arguments: &[
            Argument::new("numkeys", Integer),
            Argument::key("key").multiple(),
            Argument::new("limit", Integer).token("LIMIT").optional(),
        ],
        route: Route::Read(algebra::sintercard),
        ..ROW
    },
    Command {
        name: "sinterstore",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Update]), KeySpec::range(2, -1, 1, &[Ro, Access])],
        complexity: "O(N*M) in the members of the smallest set and the number of sets",
        summary: "Stores what all sets have in common.",
        arguments: &[Argument::key("destination"), Argument::key("key").spec(1).multiple()],
        route: Route::Write(algebra::sinterstore),
        ..ROW
    },
    Command {
        name: "sismember",
        arity: 3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        summary: "Tells whether a member is in a set.",
        arguments: &[Argument::key("key"), Argument::new("member", String)],
        route: Route::Read(reading::sismember),
        ..ROW
    },
    Command {
        name: "smembers",
        arity: 2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output_order"],
        complexity: "O(N) in the size of the set",
        summary: "Returns a set's members.",
        arguments: &[Argument::key("key")],
        route: Route::Read(reading::smembers),
        ..ROW
    },
    Command {
        name: "smismember",
        arity: -3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "6.2.0",
        complexity: "O(N) in the members",
        summary: "Tells for each of several members whether it is in a set.",
        arguments: &[Argument::key("key"), Argument::new("member", String).multiple()],
        route: Route::Read(reading::smismember),
        ..ROW
    },
    Command {
        name: "smove",
        arity: 4,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete]), KeySpec::at(2, &[Rw, Insert])],
        summary: "Moves a member from one set to another.",
        arguments: &[
            Argument::key("source"),
            Argument::key("destination").spec(1),
            Argument::new("member", String),
        ],
        route: Route::Write(writing::smove),
        ..ROW
    },
    Command {
        name: "spop",
        arity: -2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete])],
        tips: &["nondeterministic_output"],
        complexity: "O(N) in the members returned",
        summary: "Removes and returns members chosen at random.",
        arguments: &[Argument::key("key"), Argument::new("count", Integer).optional()],
        route: Route::Write(random::spop),
        ..ROW
    },
    Command {
        name: "srandmember",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        complexity: "O(N) in the members returned",
        summary: "Returns members chosen at random.",
        arguments: &[Argument::key("key"), Argument::new("count", Integer).optional()],
        route: Route::Read(random::srandmember),
        ..ROW
    },
    Command {
        name: "srem",
        arity: -3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        complexity: "O(N) in the members",
        summary: "Removes members from a set.",
        arguments: &[Argument::key("key"), Argument::new("member", String).multiple()],
        route: Route::Write(writing::srem),
        ..ROW
    },
    Command {
        name: "sscan",
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "2.8.0",
        complexity: "O(N) in COUNT for each call",
        summary: "Walks a set's members with a cursor.",
        arguments: &[
            Argument::key("key"),
            Argument::new("cursor", Integer),
            Argument::new("pattern", Pattern).token("MATCH").optional(),
            Argument::new("count", Integer).token("COUNT").optional(),
        ],
        route: Route::Read(walk::sscan),
        ..ROW
    },
    Command {
        name: "sunion",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::range(1, -1, 1, &[Ro, Access])],
        tips: &["nondeterministic_output_order"],
        complexity: "O(N) in the members of all sets",
        summary: "Returns the union of sets.",
        arguments: &[Argument::key("key").multiple()],
        route: Route::Read(algebra::sunion),
        ..ROW
    },
    Command {
        name: "sunionstore",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::range(2, -1, 1, &[Ro, Access])],
        complexity: "O(N) in the members of all sets",
        summary: "Stores the union of sets.",
        arguments: &[Argument::key("destination"), Argument::key("key").spec(1).multiple()],
        route: Route::Write(algebra::sunionstore),
        ..ROW
    },
];
