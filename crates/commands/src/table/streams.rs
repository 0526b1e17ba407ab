//! Rows of the stream group.

use crate::Flag::{Blocking, DenyOom, Fast, Loading, MovableKeys, Readonly, Stale, Write};
use crate::KeyFlag::{Access, Delete, Insert, Ro, Rw, Update};
use crate::command::ArgumentKind::{Integer, String, UnixTime};
use crate::streams::{add, claim, group, info, pending, range, read, removal};
use crate::{Argument, Categories, Category, Command, Flags, Group, KeySpec, Route};

const KEY: Argument = Argument::key("key");
const GROUP: Argument = Argument::new("group", String);
const CONSUMER: Argument = Argument::new("consumer", String);
const COUNT: Argument = Argument::new("count", Integer).token("COUNT").optional();
const BLOCK: Argument = Argument::new("milliseconds", Integer).token("BLOCK").optional();
const TRIM: Argument = Argument::block(
    "trim",
    &[
        Argument::one_of("strategy", &[Argument::word("maxlen", "MAXLEN"), Argument::word("minid", "MINID")]),
        Argument::one_of("operator", &[Argument::word("equal", "="), Argument::word("approximately", "~")])
            .optional(),
        Argument::new("threshold", String),
        Argument::new("count", Integer).token("LIMIT").optional(),
    ],
);
const STREAMS: Argument =
    Argument::block("streams", &[Argument::key("key").multiple(), Argument::new("ID", String).multiple()])
        .token("STREAMS");
const LAST: Argument =
    Argument::one_of("id-selector", &[Argument::new("id", String), Argument::word("new-id", "$")]);
const ENTRIES_READ: Argument = Argument::new("entries-read", Integer).token("ENTRIESREAD").optional();
const START: Argument = Argument::new("start", String);
const END: Argument = Argument::new("end", String);
const MIN_IDLE: Argument = Argument::new("min-idle-time", String);

const ROW: Command =
    Command { group: Group::Stream, categories: Categories::of(&[Category::Stream]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "xack",
        arity: -4,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "5.0.0",
        complexity: "O(log N) for each id",
        summary: "Confirms messages of a consumer group.",
        arguments: &[KEY, GROUP, Argument::new("ID", String).multiple()],
        route: Route::Write(pending::xack),
        ..ROW
    },
    Command {
        name: "xadd",
        arity: -5,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        complexity: "O(log N)",
        summary: "Adds an entry to a stream.",
        arguments: &[
            KEY,
            Argument::word("nomkstream", "NOMKSTREAM").optional(),
            TRIM.optional(),
            Argument::one_of("id-selector", &[Argument::word("auto-id", "*"), Argument::new("id", String)]),
            Argument::block("data", &[Argument::new("field", String), Argument::new("value", String)])
                .multiple(),
        ],
        route: Route::Write(add::xadd),
        ..ROW
    },
    Command {
        name: "xautoclaim",
        arity: -6,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        complexity: "O(log N) for each of COUNT",
        summary: "Takes over messages that waited too long.",
        arguments: &[
            KEY,
            GROUP,
            CONSUMER,
            MIN_IDLE,
            START,
            COUNT,
            Argument::word("justid", "JUSTID").optional(),
        ],
        route: Route::Write(claim::xautoclaim),
        ..ROW
    },
    Command {
        name: "xclaim",
        arity: -6,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        complexity: "O(log N) for each id",
        summary: "Takes over pending messages.",
        arguments: &[
            KEY,
            GROUP,
            CONSUMER,
            MIN_IDLE,
            Argument::new("ID", String).multiple(),
            Argument::new("ms", Integer).token("IDLE").optional(),
            Argument::new("unix-time-milliseconds", UnixTime).token("TIME").optional(),
            Argument::new("count", Integer).token("RETRYCOUNT").optional(),
            Argument::word("force", "FORCE").optional(),
            Argument::word("justid", "JUSTID").optional(),
            Argument::new("lastid", String).token("LASTID").optional(),
        ],
        route: Route::Write(claim::xclaim),
        ..ROW
    },
    Command {
        name: "xdel",
        arity: -3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        since: "5.0.0",
        complexity: "O(log N) for each id",
        summary: "Removes entries from a stream.",
        arguments: &[KEY, Argument::new("ID", String).multiple()],
        route: Route::Write(removal::xdel),
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
        arguments: &[KEY],
        route: Route::Read(range::xlen),
        ..ROW
    },
    Command {
        name: "xpending",
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        complexity: "O(log N) and as much as is returned",
        summary: "Tells about pending messages.",
        arguments: &[
            KEY,
            GROUP,
            Argument::block(
                "filters",
                &[
                    Argument::new("min-idle-time", Integer).token("IDLE").optional(),
                    START,
                    END,
                    Argument::new("count", Integer),
                    CONSUMER.optional(),
                ],
            )
            .optional(),
        ],
        route: Route::Read(pending::xpending),
        ..ROW
    },
    Command {
        name: "xrange",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "5.0.0",
        complexity: "O(log N) and as much as is returned",
        summary: "Returns a range of entries.",
        arguments: &[KEY, START, END, COUNT],
        route: Route::Read(range::xrange),
        ..ROW
    },
    Command {
        name: "xread",
        arity: -4,
        flags: Flags::of(&[Readonly, Blocking, MovableKeys]),
        keys: &[KeySpec::after("STREAMS", 1, -1, 1, 2, &[Ro, Access])],
        since: "5.0.0",
        complexity: "O(log N) for each stream and as much as is returned",
        summary: "Returns entries after given ids, and can wait for them.",
        arguments: &[COUNT, BLOCK, STREAMS],
        route: Route::Read(read::xread),
        ..ROW
    },
    Command {
        name: "xreadgroup",
        arity: -7,
        flags: Flags::of(&[Write, Blocking, MovableKeys]),
        keys: &[KeySpec::after("STREAMS", 4, -1, 1, 2, &[Ro, Access])],
        since: "5.0.0",
        complexity: "O(log N) for each stream and entry",
        summary: "Returns new entries to a consumer of a group, and can wait for them.",
        arguments: &[
            Argument::block("group-block", &[GROUP, CONSUMER]).token("GROUP"),
            COUNT,
            BLOCK,
            Argument::word("noack", "NOACK").optional(),
            STREAMS,
        ],
        route: Route::Write(read::xreadgroup),
        ..ROW
    },
    Command {
        name: "xrevrange",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "5.0.0",
        complexity: "O(log N) and as much as is returned",
        summary: "Returns a range of entries, backwards.",
        arguments: &[KEY, END, START, COUNT],
        route: Route::Read(range::xrevrange),
        ..ROW
    },
    Command {
        name: "xsetid",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "5.0.0",
        summary: "Sets a stream's last id.",
        arguments: &[
            KEY,
            Argument::new("last-id", String),
            Argument::new("entries-added", Integer).token("ENTRIESADDED").optional(),
            Argument::new("max-deleted-id", String).token("MAXDELETEDID").optional(),
        ],
        route: Route::Write(removal::xsetid),
        ..ROW
    },
    Command {
        name: "xtrim",
        arity: -4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        complexity: "O(N) in what is removed",
        summary: "Shortens a stream.",
        arguments: &[KEY, TRIM],
        route: Route::Write(removal::xtrim),
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
        complexity: "O(log N)",
        summary: "Makes a consumer group.",
        arguments: &[KEY, GROUP, LAST, Argument::word("mkstream", "MKSTREAM").optional(), ENTRIES_READ],
        route: Route::Write(group::create),
        ..ROW
    },
    Command {
        name: "createconsumer",
        parent: Some("xgroup"),
        arity: 5,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(2, &[Rw, Insert])],
        since: "6.2.0",
        complexity: "O(log N)",
        summary: "Makes a consumer.",
        arguments: &[KEY, GROUP, CONSUMER],
        route: Route::Write(group::createconsumer),
        ..ROW
    },
    Command {
        name: "delconsumer",
        parent: Some("xgroup"),
        arity: 5,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(2, &[Rw, Delete])],
        since: "5.0.0",
        complexity: "O(N) in what is pending for it",
        summary: "Removes a consumer.",
        arguments: &[KEY, GROUP, CONSUMER],
        route: Route::Write(group::delconsumer),
        ..ROW
    },
    Command {
        name: "destroy",
        parent: Some("xgroup"),
        arity: 4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(2, &[Rw, Delete])],
        since: "5.0.0",
        complexity: "O(log N)",
        summary: "Removes a consumer group.",
        arguments: &[KEY, GROUP],
        route: Route::Write(group::destroy),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("xgroup"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "5.0.0",
        summary: "Describes the subcommands.",
        stateless: true,
        route: Route::Read(group::help),
        ..ROW
    },
    Command {
        name: "setid",
        parent: Some("xgroup"),
        arity: -5,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(2, &[Rw, Update])],
        since: "5.0.0",
        complexity: "O(log N)",
        summary: "Sets a group's last delivered entry.",
        arguments: &[KEY, GROUP, LAST, ENTRIES_READ],
        route: Route::Write(group::setid),
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
        complexity: "O(N) in the consumers",
        summary: "Lists the consumers of a group.",
        arguments: &[KEY, GROUP],
        route: Route::Read(info::consumers),
        ..ROW
    },
    Command {
        name: "groups",
        parent: Some("xinfo"),
        arity: 3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(2, &[Ro, Access])],
        since: "5.0.0",
        complexity: "O(N) in the groups",
        summary: "Lists the groups of a stream.",
        arguments: &[KEY],
        route: Route::Read(info::groups),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("xinfo"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "5.0.0",
        summary: "Describes the subcommands.",
        stateless: true,
        route: Route::Read(info::help),
        ..ROW
    },
    Command {
        name: "stream",
        parent: Some("xinfo"),
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(2, &[Ro, Access])],
        since: "5.0.0",
        complexity: "O(N) in what is returned",
        summary: "Describes a stream.",
        arguments: &[KEY, Argument::block("full-block", &[Argument::word("full", "FULL"), COUNT]).optional()],
        route: Route::Read(info::stream),
        ..ROW
    },
];
