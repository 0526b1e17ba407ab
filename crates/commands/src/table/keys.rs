//! Rows of the generic group.

use crate::Flag::{Blocking, DenyOom, Fast, Loading, MovableKeys, NoScript, Readonly, Stale, Write};
use crate::KeyFlag::{Access, Delete, Incomplete, Insert, Ow, Rm, Ro, Rw, Update};
use crate::SessionCommand::{Wait, Waitaof};
use crate::command::ArgumentKind::{Integer, Pattern, String, UnixTime};
use crate::keys::{dump, existence, expire, naming, object, ttl, walk};
use crate::sort;
use crate::{Argument, Categories, Category, Command, Flags, Group, KeySpec, Route};

const ROW: Command =
    Command { group: Group::Generic, categories: Categories::of(&[Category::Keyspace]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "copy",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Ro, Access]), KeySpec::at(2, &[Ow, Update])],
        since: "6.2.0",
        complexity: "O(1); large values are shared until one of them changes",
        summary: "Copies a key's value to another key.",
        arguments: &[
            Argument::key("source"),
            Argument::key("destination").spec(1),
            Argument::new("destination-db", Integer).token("DB").optional(),
            Argument::word("replace", "REPLACE").optional(),
        ],
        route: Route::Write(naming::copy),
        ..ROW
    },
    Command {
        name: "del",
        arity: -2,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::range(1, -1, 1, &[Rm, Delete])],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        complexity: "O(N) in the keys",
        summary: "Removes keys.",
        arguments: &[Argument::key("key").multiple()],
        route: Route::Write(existence::del),
        ..ROW
    },
    Command {
        name: "dump",
        arity: 2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "2.6.0",
        complexity: "O(N) in the value",
        summary: "Returns a key's value in serialised form.",
        arguments: &[Argument::key("key")],
        route: Route::Read(dump::dump),
        ..ROW
    },
    Command {
        name: "exists",
        arity: -2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::range(1, -1, 1, &[Ro])],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        complexity: "O(N) in the keys",
        summary: "Counts how many of the keys exist.",
        arguments: &[Argument::key("key").multiple()],
        route: Route::Read(existence::exists),
        ..ROW
    },
    Command {
        name: "expire",
        arity: -3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        summary: "Lets a key expire after some seconds.",
        arguments: &[
            Argument::key("key"),
            Argument::new("seconds", Integer),
            Argument::one_of(
                "condition",
                &[
                    Argument::word("nx", "NX"),
                    Argument::word("xx", "XX"),
                    Argument::word("gt", "GT"),
                    Argument::word("lt", "LT"),
                ],
            )
            .optional(),
        ],
        route: Route::Write(expire::expire),
        ..ROW
    },
    Command {
        name: "expireat",
        arity: -3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "1.2.0",
        summary: "Lets a key expire at a Unix time in seconds.",
        arguments: &[
            Argument::key("key"),
            Argument::new("unix-time-seconds", UnixTime),
            Argument::one_of(
                "condition",
                &[
                    Argument::word("nx", "NX"),
                    Argument::word("xx", "XX"),
                    Argument::word("gt", "GT"),
                    Argument::word("lt", "LT"),
                ],
            )
            .optional(),
        ],
        route: Route::Write(expire::expireat),
        ..ROW
    },
    Command {
        name: "expiretime",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "7.0.0",
        summary: "Returns the Unix time in seconds at which a key expires.",
        arguments: &[Argument::key("key")],
        route: Route::Read(ttl::expiretime),
        ..ROW
    },
    Command {
        name: "keys",
        arity: 2,
        flags: Flags::of(&[Readonly]),
        categories: Categories::of(&[Category::Keyspace, Category::Dangerous]),
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        complexity: "O(N) in the keys of the database",
        summary: "Lists the keys that match a pattern.",
        arguments: &[Argument::new("pattern", Pattern)],
        route: Route::Read(walk::keys),
        ..ROW
    },
    Command {
        name: "migrate",
        arity: -6,
        flags: Flags::of(&[Write, MovableKeys]),
        categories: Categories::of(&[Category::Keyspace, Category::Dangerous]),
        keys: &[
            KeySpec::at(3, &[Rw, Access, Delete]),
            KeySpec::after("KEYS", -2, -1, 1, 0, &[Rw, Access, Delete, Incomplete]),
        ],
        tips: &["nondeterministic_output"],
        since: "2.6.0",
        summary: "Moves keys to another server.",
        arguments: &[
            Argument::new("host", String),
            Argument::new("port", Integer),
            Argument::one_of(
                "key_or_empty_string",
                &[Argument::key("key"), Argument::word("empty_string", "")],
            ),
            Argument::new("destination-db", Integer),
            Argument::new("timeout", Integer),
            Argument::word("copy", "COPY").optional(),
            Argument::word("replace", "REPLACE").optional(),
            Argument::one_of(
                "authentication",
                &[
                    Argument::new("password", String).token("AUTH").optional(),
                    Argument::block(
                        "username_password",
                        &[Argument::new("username", String), Argument::new("password", String)],
                    )
                    .token("AUTH2")
                    .optional(),
                ],
            )
            .optional(),
            Argument::key("key").spec(1).token("KEYS").optional().multiple(),
        ],
        ..ROW
    },
    Command {
        name: "move",
        arity: 3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        summary: "Moves a key to another database.",
        arguments: &[Argument::key("key"), Argument::new("db", Integer)],
        route: Route::Write(naming::move_key),
        ..ROW
    },
    Command {
        name: "object",
        arity: -2,
        categories: Categories::NONE,
        since: "2.2.3",
        summary: "Looks inside the value of a key.",
        subcommands: OBJECT,
        route: Route::Container,
        ..ROW
    },
    Command {
        name: "persist",
        arity: 2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "2.2.0",
        summary: "Makes a key stay for good.",
        arguments: &[Argument::key("key")],
        route: Route::Write(expire::persist),
        ..ROW
    },
    Command {
        name: "pexpire",
        arity: -3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "2.6.0",
        summary: "Lets a key expire after some milliseconds.",
        arguments: &[
            Argument::key("key"),
            Argument::new("milliseconds", Integer),
            Argument::one_of(
                "condition",
                &[
                    Argument::word("nx", "NX"),
                    Argument::word("xx", "XX"),
                    Argument::word("gt", "GT"),
                    Argument::word("lt", "LT"),
                ],
            )
            .optional(),
        ],
        route: Route::Write(expire::pexpire),
        ..ROW
    },
    Command {
        name: "pexpireat",
        arity: -3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "2.6.0",
        summary: "Lets a key expire at a Unix time in milliseconds.",
        arguments: &[
            Argument::key("key"),
            Argument::new("unix-time-milliseconds", UnixTime),
            Argument::one_of(
                "condition",
                &[
                    Argument::word("nx", "NX"),
                    Argument::word("xx", "XX"),
                    Argument::word("gt", "GT"),
                    Argument::word("lt", "LT"),
                ],
            )
            .optional(),
        ],
        route: Route::Write(expire::pexpireat),
        ..ROW
    },
    Command {
        name: "pexpiretime",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "7.0.0",
        summary: "Returns the Unix time in milliseconds at which a key expires.",
        arguments: &[Argument::key("key")],
        route: Route::Read(ttl::pexpiretime),
        ..ROW
    },
    Command {
        name: "pttl",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "2.6.0",
        summary: "Returns the milliseconds until a key expires.",
        arguments: &[Argument::key("key")],
        route: Route::Read(ttl::pttl),
        ..ROW
    },
    Command {
        name: "randomkey",
        arity: 1,
        flags: Flags::of(&[Readonly]),
        tips: &["request_policy:all_shards", "nondeterministic_output"],
        summary: "Returns a key chosen at random.",
        route: Route::Read(walk::randomkey),
        ..ROW
    },
    Command {
        name: "rename",
        arity: 3,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete]), KeySpec::at(2, &[Ow, Update])],
        summary: "Renames a key, replacing what has the new name.",
        arguments: &[Argument::key("key"), Argument::key("newkey").spec(1)],
        route: Route::Write(naming::rename),
        ..ROW
    },
    Command {
        name: "renamenx",
        arity: 3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete]), KeySpec::at(2, &[Ow, Insert])],
        summary: "Renames a key if the new name is free.",
        arguments: &[Argument::key("key"), Argument::key("newkey").spec(1)],
        route: Route::Write(naming::renamenx),
        ..ROW
    },
    Command {
        name: "restore",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom]),
        categories: Categories::of(&[Category::Keyspace, Category::Dangerous]),
        keys: &[KeySpec::at(1, &[Ow, Update])],
        since: "2.6.0",
        complexity: "O(N) in the value, O(N log N) for sorted sets",
        summary: "Makes a key from a serialised value.",
        arguments: &[
            Argument::key("key"),
            Argument::new("ttl", Integer),
            Argument::new("serialized-value", String),
            Argument::word("replace", "REPLACE").optional(),
            Argument::word("absttl", "ABSTTL").optional(),
            Argument::new("seconds", Integer).token("IDLETIME").optional(),
            Argument::new("frequency", Integer).token("FREQ").optional(),
        ],
        route: Route::Write(dump::restore),
        ..ROW
    },
    Command {
        name: "scan",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        tips: &["nondeterministic_output", "request_policy:special"],
        since: "2.8.0",
        complexity: "O(N) in COUNT for each call",
        summary: "Walks the keys of a database with a cursor.",
        arguments: &[
            Argument::new("cursor", Integer),
            Argument::new("pattern", Pattern).token("MATCH").optional(),
            Argument::new("count", Integer).token("COUNT").optional(),
            Argument::new("type", String).token("TYPE").optional(),
        ],
        route: Route::Read(walk::scan),
        ..ROW
    },
    Command {
        name: "sort",
        asks_user: true,
        arity: -2,
        flags: Flags::of(&[Write, DenyOom, MovableKeys]),
        categories: Categories::of(&[
            Category::Set,
            Category::SortedSet,
            Category::List,
            Category::Dangerous,
        ]),
        keys: &[
            KeySpec::at(1, &[Ro, Access]),
            KeySpec::unknown(&[Ro, Access]),
            KeySpec::unknown(&[Ow, Update]),
        ],
        complexity: "O(N+M*log(M)) in the elements and those returned",
        summary: "Sorts the elements of a list, set or sorted set, and can store the result.",
        arguments: &[
            Argument::key("key"),
            Argument::new("pattern", Pattern).token("BY").optional(),
            Argument::block(
                "offset_count",
                &[Argument::new("offset", Integer), Argument::new("count", Integer)],
            )
            .token("LIMIT")
            .optional(),
            Argument::new("pattern", Pattern).token("GET").optional().multiple_token(),
            Argument::one_of("order", &[Argument::word("asc", "ASC"), Argument::word("desc", "DESC")])
                .optional(),
            Argument::word("sorting", "ALPHA").optional(),
            Argument::key("destination").spec(2).token("STORE").optional(),
        ],
        own_key: Some(sort::destination),
        route: Route::Write(sort::sort),
        ..ROW
    },
    Command {
        name: "sort_ro",
        asks_user: true,
        arity: -2,
        flags: Flags::of(&[Readonly, MovableKeys]),
        categories: Categories::of(&[
            Category::Set,
            Category::SortedSet,
            Category::List,
            Category::Dangerous,
        ]),
        keys: &[KeySpec::at(1, &[Ro, Access]), KeySpec::unknown(&[Ro, Access])],
        since: "7.0.0",
        complexity: "O(N+M*log(M)) in the elements and those returned",
        summary: "Sorts the elements of a list, set or sorted set.",
        arguments: &[
            Argument::key("key"),
            Argument::new("pattern", Pattern).token("BY").optional(),
            Argument::block(
                "offset_count",
                &[Argument::new("offset", Integer), Argument::new("count", Integer)],
            )
            .token("LIMIT")
            .optional(),
            Argument::new("pattern", Pattern).token("GET").optional().multiple_token(),
            Argument::one_of("order", &[Argument::word("asc", "ASC"), Argument::word("desc", "DESC")])
                .optional(),
            Argument::word("sorting", "ALPHA").optional(),
        ],
        route: Route::Read(sort::sort_ro),
        ..ROW
    },
    Command {
        name: "touch",
        arity: -2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::range(1, -1, 1, &[Ro])],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        since: "3.2.1",
        complexity: "O(N) in the keys",
        summary: "Counts existing keys and marks them as used.",
        arguments: &[Argument::key("key").multiple()],
        route: Route::Write(existence::touch),
        ..ROW
    },
    Command {
        name: "ttl",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        summary: "Returns the seconds until a key expires.",
        arguments: &[Argument::key("key")],
        route: Route::Read(ttl::ttl),
        ..ROW
    },
    Command {
        name: "type",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        summary: "Returns the type of a key's value.",
        arguments: &[Argument::key("key")],
        route: Route::Read(existence::type_of),
        ..ROW
    },
    Command {
        name: "unlink",
        arity: -2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::range(1, -1, 1, &[Rm, Delete])],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        since: "4.0.0",
        complexity: "O(N) in the keys",
        summary: "Removes keys and frees their values in the background.",
        arguments: &[Argument::key("key").multiple()],
        route: Route::Write(existence::del),
        ..ROW
    },
    Command {
        name: "wait",
        arity: 3,
        flags: Flags::of(&[NoScript]),
        categories: Categories::of(&[Category::Connection]),
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        since: "3.0.0",
        summary: "Waits until earlier writes have reached a number of replicas.",
        arguments: &[Argument::new("numreplicas", Integer), Argument::new("timeout", Integer)],
        route: Route::Session(Wait),
        ..ROW
    },
    Command {
        name: "waitaof",
        arity: 4,
        flags: Flags::of(&[NoScript, Blocking]),
        categories: Categories::of(&[Category::Connection]),
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        since: "7.2.0",
        summary: "Waits until earlier writes are on disk here and on a number of replicas.",
        route: Route::Session(Waitaof),
        ..ROW
    },
];

const OBJECT: &[Command] = &[
    Command {
        name: "encoding",
        parent: Some("object"),
        arity: 3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(2, &[Ro])],
        tips: &["nondeterministic_output"],
        since: "2.2.3",
        summary: "Returns how a value is represented.",
        arguments: &[Argument::key("key")],
        route: Route::Read(object::object_encoding),
        ..ROW
    },
    Command {
        name: "freq",
        parent: Some("object"),
        arity: 3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(2, &[Ro])],
        tips: &["nondeterministic_output"],
        since: "4.0.0",
        summary: "Returns how often a key is used, on a logarithmic scale.",
        arguments: &[Argument::key("key")],
        route: Route::Read(object::object_freq),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("object"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "6.2.0",
        summary: "Describes the subcommands.",
        stateless: true,
        route: Route::Read(object::object_help),
        ..ROW
    },
    Command {
        name: "idletime",
        parent: Some("object"),
        arity: 3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(2, &[Ro])],
        tips: &["nondeterministic_output"],
        since: "2.2.3",
        summary: "Returns the seconds since a key was last used.",
        arguments: &[Argument::key("key")],
        route: Route::Read(object::object_idletime),
        ..ROW
    },
    Command {
        name: "refcount",
        parent: Some("object"),
        arity: 3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(2, &[Ro])],
        tips: &["nondeterministic_output"],
        since: "2.2.3",
        summary: "Returns a value's reference count.",
        arguments: &[Argument::key("key")],
        route: Route::Read(object::object_refcount),
        ..ROW
    },
];
