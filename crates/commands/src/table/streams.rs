//! Rows of the stream group.

use crate::Flag::{Blocking, DenyOom, Fast, Loading, MovableKeys, Readonly, Stale, Write};
use crate::KeyFlag::{Access, Delete, Insert, Ro, Rw, Update};
use crate::{Categories, Category, Command, Flags, Group, KeySpec, Route};

const ROW: Command =
    Command { group: Group::Stream, categories: Categories::of(&[Category::Stream]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "xack",
        arity: -4,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "5.0.0",
        summary: "Confirms messages of a consumer group.",
        ..ROW
    },
    Command {
        name: "xadd",
        arity: -5,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        summary: "Adds an entry to a stream.",
        ..ROW
    },
    Command {
        name: "xautoclaim",
        arity: -6,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        summary: "Takes over messages that waited too long.",
        ..ROW
    },
    Command {
        name: "xclaim",
        arity: -6,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        summary: "Takes over pending messages.",
        ..ROW
    },
    Command {
        name: "xdel",
        arity: -3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        since: "5.0.0",
        summary: "Removes entries from a stream.",
        ..ROW
    },
    Command {
        name: "xgroup",
        arity: -2,
        categories: Categories::NONE,
        since: "5.0.0",
        summary: "Manages consumer groups.",
        subcommands: XGROUP,
        route: Route::Container,
        ..ROW
    },
    Command {
        name: "xinfo",
        arity: -2,
        categories: Categories::NONE,
        since: "5.0.0",
        summary: "Looks inside a stream.",
        subcommands: XINFO,
        route: Route::Container,
        ..ROW
    },
    Command {
        name: "xlen",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        since: "5.0.0",
        summary: "Counts a stream's entries.",
        ..ROW
    },
    Command {
        name: "xpending",
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        summary: "Tells about pending messages.",
        ..ROW
    },
    Command {
        name: "xrange",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "5.0.0",
        summary: "Returns a range of entries.",
        ..ROW
    },
    Command {
        name: "xread",
        arity: -4,
        flags: Flags::of(&[Readonly, Blocking, MovableKeys]),
        keys: &[KeySpec::after("STREAMS", 1, -1, 1, 2, &[Ro, Access])],
        since: "5.0.0",
        summary: "Returns entries after given ids, and can wait for them.",
        ..ROW
    },
    Command {
        name: "xreadgroup",
        arity: -7,
        flags: Flags::of(&[Write, Blocking, MovableKeys]),
        keys: &[KeySpec::after("STREAMS", 4, -1, 1, 2, &[Ro, Access])],
        since: "5.0.0",
        summary: "Returns new entries to a consumer of a group, and can wait for them.",
        ..ROW
    },
    Command {
        name: "xrevrange",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "5.0.0",
        summary: "Returns a range of entries, backwards.",
        ..ROW
    },
    Command {
        name: "xsetid",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "5.0.0",
        summary: "Sets a stream's last id.",
        ..ROW
    },
    Command {
        name: "xtrim",
        arity: -4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        summary: "Shortens a stream.",
        ..ROW
    },
];

const XGROUP: &[Command] = &[
    Command {
        name: "create",
        parent: Some("xgroup"),
        arity: -5,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(2, &[Rw, Insert])],
        since: "5.0.0",
        summary: "Makes a consumer group.",
        ..ROW
    },
    Command {
        name: "createconsumer",
        parent: Some("xgroup"),
        arity: 5,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(2, &[Rw, Insert])],
        since: "6.2.0",
        summary: "Makes a consumer.",
        ..ROW
    },
    Command {
        name: "delconsumer",
        parent: Some("xgroup"),
        arity: 5,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(2, &[Rw, Delete])],
        since: "5.0.0",
        summary: "Removes a consumer.",
        ..ROW
    },
    Command {
        name: "destroy",
        parent: Some("xgroup"),
        arity: 4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(2, &[Rw, Delete])],
        since: "5.0.0",
        summary: "Removes a consumer group.",
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("xgroup"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "5.0.0",
        summary: "Describes the subcommands.",
        ..ROW
    },
    Command {
        name: "setid",
        parent: Some("xgroup"),
        arity: -5,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(2, &[Rw, Update])],
        since: "5.0.0",
        summary: "Sets a group's last delivered entry.",
        ..ROW
    },
];

const XINFO: &[Command] = &[
    Command {
        name: "consumers",
        parent: Some("xinfo"),
        arity: 4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(2, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        summary: "Lists the consumers of a group.",
        ..ROW
    },
    Command {
        name: "groups",
        parent: Some("xinfo"),
        arity: 3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(2, &[Ro, Access])],
        since: "5.0.0",
        summary: "Lists the groups of a stream.",
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("xinfo"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "5.0.0",
        summary: "Describes the subcommands.",
        ..ROW
    },
    Command {
        name: "stream",
        parent: Some("xinfo"),
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(2, &[Ro, Access])],
        since: "5.0.0",
        summary: "Describes a stream.",
        ..ROW
    },
];
