//! Rows of the string group.

use crate::Flag::{DenyOom, Fast, Readonly, Write};
use crate::KeyFlag::{Access, Delete, Insert, Ow, Ro, Rw, Update, VariableFlags};
use crate::command::ArgumentKind::{Double, Integer, String, UnixTime};
use crate::strings::{increment, lcs, many, plain, range, set};
use crate::{Argument, Categories, Category, Command, Flags, Group, KeySpec, Route};

const ROW: Command =
    Command { group: Group::String, categories: Categories::of(&[Category::String]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "append",
        arity: 3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        since: "2.0.0",
        complexity: "O(N) in the bytes added",
        summary: "Adds bytes to the end of a string.",
        arguments: &[Argument::key("key"), Argument::new("value", String)],
        route: Route::Write(range::append),
        ..ROW
    },
    Command {
        name: "decr",
        arity: 2,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        summary: "Takes one from the integer at a key; a missing key counts as 0.",
        arguments: &[Argument::key("key")],
        route: Route::Write(increment::decr),
        ..ROW
    },
    Command {
        name: "decrby",
        arity: 3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        summary: "Takes a number from the integer at a key.",
        arguments: &[Argument::key("key"), Argument::new("decrement", Integer)],
        route: Route::Write(increment::decrby),
        ..ROW
    },
    Command {
        name: "get",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        summary: "Returns the string at a key.",
        arguments: &[Argument::key("key")],
        route: Route::Read(plain::get),
        ..ROW
    },
    Command {
        name: "getdel",
        arity: 2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete])],
        since: "6.2.0",
        summary: "Returns the string at a key and removes the key.",
        arguments: &[Argument::key("key")],
        route: Route::Write(plain::getdel),
        ..ROW
    },
    Command {
        name: "getex",
        arity: -2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        since: "6.2.0",
        summary: "Returns the string at a key and changes its expiry.",
        arguments: &[
            Argument::key("key"),
            Argument::one_of(
                "expiration",
                &[
                    Argument::new("seconds", Integer).token("EX"),
                    Argument::new("milliseconds", Integer).token("PX"),
                    Argument::new("unix-time-seconds", UnixTime).token("EXAT"),
                    Argument::new("unix-time-milliseconds", UnixTime).token("PXAT"),
                    Argument::word("persist", "PERSIST"),
                ],
            )
            .optional(),
        ],
        route: Route::Write(plain::getex),
        ..ROW
    },
    Command {
        name: "getrange",
        arity: 4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.4.0",
        complexity: "O(N) in the bytes returned",
        summary: "Returns a part of the string at a key.",
        arguments: &[Argument::key("key"), Argument::new("start", Integer), Argument::new("end", Integer)],
        route: Route::Read(range::getrange),
        ..ROW
    },
    Command {
        name: "getset",
        arity: 3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        deprecated: Some(("6.2.0", "SET with GET")),
        summary: "Replaces the string at a key and returns the old one.",
        arguments: &[Argument::key("key"), Argument::new("value", String)],
        route: Route::Write(set::getset),
        ..ROW
    },
    Command {
        name: "incr",
        arity: 2,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        summary: "Adds one to the integer at a key; a missing key counts as 0.",
        arguments: &[Argument::key("key")],
        route: Route::Write(increment::incr),
        ..ROW
    },
    Command {
        name: "incrby",
        arity: 3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        summary: "Adds a number to the integer at a key.",
        arguments: &[Argument::key("key"), Argument::new("increment", Integer)],
        route: Route::Write(increment::incrby),
        ..ROW
    },
    Command {
        name: "incrbyfloat",
        arity: 3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        since: "2.6.0",
        summary: "Adds a floating point number to the number at a key.",
        arguments: &[Argument::key("key"), Argument::new("increment", Double)],
        route: Route::Write(increment::incrbyfloat),
        ..ROW
    },
    Command {
        name: "lcs",
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::range(1, 1, 1, &[Ro, Access])],
        since: "7.0.0",
        complexity: "O(N*M) in the lengths of the strings",
        summary: "Finds the longest common subsequence of two strings.",
        arguments: &[
            Argument::key("key1"),
            Argument::key("key2"),
            Argument::word("len", "LEN").optional(),
            Argument::word("idx", "IDX").optional(),
            Argument::new("len", Integer).token("MINMATCHLEN").optional(),
            Argument::word("withmatchlen", "WITHMATCHLEN").optional(),
        ],
        route: Route::Read(lcs::lcs),
        ..ROW
    },
    Command {
        name: "mget",
        arity: -2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::range(1, -1, 1, &[Ro, Access])],
        tips: &["request_policy:multi_shard"],
        complexity: "O(N) in the keys",
        summary: "Returns the strings at several keys.",
        arguments: &[Argument::key("key").multiple()],
        route: Route::Read(many::mget),
        ..ROW
    },
    Command {
        name: "mset",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::range(1, -1, 2, &[Ow, Update])],
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        since: "1.0.1",
        complexity: "O(N) in the keys",
        summary: "Stores strings at several keys, all at once.",
        arguments: &[
            Argument::block("key_value", &[Argument::key("key"), Argument::new("value", String)]).multiple()
        ],
        route: Route::Write(many::mset),
        ..ROW
    },
    Command {
        name: "msetnx",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::range(1, -1, 2, &[Ow, Insert])],
        tips: &["request_policy:multi_shard", "response_policy:agg_min"],
        since: "1.0.1",
        complexity: "O(N) in the keys",
        summary: "Stores strings at several keys if none of them exists.",
        arguments: &[
            Argument::block("key_value", &[Argument::key("key"), Argument::new("value", String)]).multiple()
        ],
        route: Route::Write(many::msetnx),
        ..ROW
    },
    Command {
        name: "psetex",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Ow, Update])],
        since: "2.6.0",
        summary: "Stores a string that expires after some milliseconds.",
        arguments: &[
            Argument::key("key"),
            Argument::new("milliseconds", Integer),
            Argument::new("value", String),
        ],
        route: Route::Write(set::psetex),
        ..ROW
    },
    Command {
        name: "set",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update, VariableFlags])],
        summary: "Stores a string at a key, on conditions and with an expiry if asked for.",
        arguments: &[
            Argument::key("key"),
            Argument::new("value", String),
            Argument::one_of("condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")])
                .optional(),
            Argument::word("get", "GET").optional(),
            Argument::one_of(
                "expiration",
                &[
                    Argument::new("seconds", Integer).token("EX"),
                    Argument::new("milliseconds", Integer).token("PX"),
                    Argument::new("unix-time-seconds", UnixTime).token("EXAT"),
                    Argument::new("unix-time-milliseconds", UnixTime).token("PXAT"),
                    Argument::word("keepttl", "KEEPTTL"),
                ],
            )
            .optional(),
        ],
        narrow_key_flags: Some(set::key_flags),
        route: Route::Write(set::set),
        ..ROW
    },
    Command {
        name: "setex",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Ow, Update])],
        since: "2.0.0",
        summary: "Stores a string that expires after some seconds.",
        arguments: &[Argument::key("key"), Argument::new("seconds", Integer), Argument::new("value", String)],
        route: Route::Write(set::setex),
        ..ROW
    },
    Command {
        name: "setnx",
        arity: 3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Ow, Insert])],
        summary: "Stores a string if the key does not exist.",
        arguments: &[Argument::key("key"), Argument::new("value", String)],
        route: Route::Write(set::setnx),
        ..ROW
    },
    Command {
        name: "setrange",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "2.2.0",
        complexity: "O(N) in the bytes written",
        summary: "Overwrites a part of the string at a key.",
        arguments: &[Argument::key("key"), Argument::new("offset", Integer), Argument::new("value", String)],
        route: Route::Write(range::setrange),
        ..ROW
    },
    Command {
        name: "strlen",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        since: "2.2.0",
        summary: "Returns the length of the string at a key.",
        arguments: &[Argument::key("key")],
        route: Route::Read(range::strlen),
        ..ROW
    },
    Command {
        name: "substr",
        arity: 4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        deprecated: Some(("2.0.0", "GETRANGE")),
        complexity: "O(N) in the bytes returned",
        summary: "Returns a part of the string at a key.",
        arguments: &[Argument::key("key"), Argument::new("start", Integer), Argument::new("end", Integer)],
        route: Route::Read(range::getrange),
        ..ROW
    },
];
