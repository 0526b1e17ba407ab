//! Rows of the hash group.

use crate::Flag::{DenyOom, Fast, Readonly, Write};
use crate::KeyFlag::{Access, Delete, Insert, Ro, Rw, Update};
use crate::command::ArgumentKind::{Double, Integer, Pattern, String};
use crate::hashes::{arithmetic, random, reading, walk, writing};
use crate::{Argument, Categories, Category, Command, Flags, Group, KeySpec, Route};

const ROW: Command =
    Command { group: Group::Hash, categories: Categories::of(&[Category::Hash]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "hdel",
        arity: -3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        since: "2.0.0",
        complexity: "O(N) in the fields",
        summary: "Removes fields of a hash.",
        arguments: &[Argument::key("key"), Argument::new("field", String).multiple()],
        route: Route::Write(writing::hdel),
        ..ROW
    },
    Command {
        name: "hexists",
        arity: 3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        since: "2.0.0",
        summary: "Tells whether a hash has a field.",
        arguments: &[Argument::key("key"), Argument::new("field", String)],
        route: Route::Read(reading::hexists),
        ..ROW
    },
    Command {
        name: "hget",
        arity: 3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.0.0",
        summary: "Returns the value of a field.",
        arguments: &[Argument::key("key"), Argument::new("field", String)],
        route: Route::Read(reading::hget),
        ..ROW
    },
    Command {
        name: "hgetall",
        arity: 2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output_order"],
        since: "2.0.0",
        complexity: "O(N) in the size of the hash",
        summary: "Returns all fields and values of a hash.",
        arguments: &[Argument::key("key")],
        route: Route::Read(reading::hgetall),
        ..ROW
    },
    Command {
        name: "hincrby",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        since: "2.0.0",
        summary: "Adds an integer to the value of a field.",
        arguments: &[
            Argument::key("key"),
            Argument::new("field", String),
            Argument::new("increment", Integer),
        ],
        route: Route::Write(arithmetic::hincrby),
        ..ROW
    },
    Command {
        name: "hincrbyfloat",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        since: "2.6.0",
        summary: "Adds a floating point number to the value of a field.",
        arguments: &[
            Argument::key("key"),
            Argument::new("field", String),
            Argument::new("increment", Double),
        ],
        route: Route::Write(arithmetic::hincrbyfloat),
        ..ROW
    },
    Command {
        name: "hkeys",
        arity: 2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output_order"],
        since: "2.0.0",
        complexity: "O(N) in the size of the hash",
        summary: "Returns a hash's fields.",
        arguments: &[Argument::key("key")],
        route: Route::Read(reading::hkeys),
        ..ROW
    },
    Command {
        name: "hlen",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        since: "2.0.0",
        summary: "Counts a hash's fields.",
        arguments: &[Argument::key("key")],
        route: Route::Read(reading::hlen),
        ..ROW
    },
    Command {
        name: "hmget",
        arity: -3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.0.0",
        complexity: "O(N) in the fields",
        summary: "Returns the values of several fields.",
        arguments: &[Argument::key("key"), Argument::new("field", String).multiple()],
        route: Route::Read(reading::hmget),
        ..ROW
    },
    Command {
        name: "hmset",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "2.0.0",
        deprecated: Some(("4.0.0", "HSET")),
        complexity: "O(N) in the fields",
        summary: "Sets several fields.",
        arguments: &[
            Argument::key("key"),
            Argument::block("field_value", &[Argument::new("field", String), Argument::new("value", String)])
                .multiple(),
        ],
        route: Route::Write(writing::hmset),
        ..ROW
    },
    Command {
        name: "hrandfield",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        complexity: "O(N) in the fields returned",
        summary: "Returns fields chosen at random.",
        arguments: &[
            Argument::key("key"),
            Argument::block(
                "options",
                &[Argument::new("count", Integer), Argument::word("withvalues", "WITHVALUES").optional()],
            )
            .optional(),
        ],
        route: Route::Read(random::hrandfield),
        ..ROW
    },
    Command {
        name: "hscan",
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "2.8.0",
        complexity: "O(N) in COUNT for each call",
        summary: "Walks a hash's fields and values with a cursor.",
        arguments: &[
            Argument::key("key"),
            Argument::new("cursor", Integer),
            Argument::new("pattern", Pattern).token("MATCH").optional(),
            Argument::new("count", Integer).token("COUNT").optional(),
        ],
        route: Route::Read(walk::hscan),
        ..ROW
    },
    Command {
        name: "hset",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "2.0.0",
        complexity: "O(N) in the fields",
        summary: "Sets fields of a hash.",
        arguments: &[
            Argument::key("key"),
            Argument::block("field_value", &[Argument::new("field", String), Argument::new("value", String)])
                .multiple(),
        ],
        route: Route::Write(writing::hset),
        ..ROW
    },
    Command {
        name: "hsetnx",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        since: "2.0.0",
        summary: "Sets a field that is not there yet.",
        arguments: &[Argument::key("key"), Argument::new("field", String), Argument::new("value", String)],
        route: Route::Write(writing::hsetnx),
        ..ROW
    },
    Command {
        name: "hstrlen",
        arity: 3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        since: "3.2.0",
        summary: "Returns the length of a field's value.",
        arguments: &[Argument::key("key"), Argument::new("field", String)],
        route: Route::Read(reading::hstrlen),
        ..ROW
    },
    Command {
        name: "hvals",
        arity: 2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output_order"],
        since: "2.0.0",
        complexity: "O(N) in the size of the hash",
        summary: "Returns a hash's values.",
        arguments: &[Argument::key("key")],
        route: Route::Read(reading::hvals),
        ..ROW
    },
];
