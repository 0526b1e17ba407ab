//! Rows of the server group.

use crate::Flag::{
    Admin, AllowBusy, Asking, DenyOom, Fast, Loading, NoAsyncLoading, NoMulti, NoScript, Readonly, Stale,
    Write,
};
use crate::KeyFlag::{Ow, Update};
use crate::SessionCommand::{
    Bgrewriteaof, Bgsave, Debug, Info, Lastsave, Module, Monitor, Psync, Replconf, Replicaof, Role, Save,
    Shutdown, Time,
};
use crate::command::ArgumentKind::{Integer, String};
use crate::introspection;
use crate::keys::{database, dump};
use crate::{Argument, Categories, Category, Command, Flags, Group, KeySpec, Route};

const ROW: Command = Command { group: Group::Server, ..Command::ROW };

/// Of Redis' replication.
const OWN_LOG: &str = "nodes replicate a log of their own, in a protocol of their own";

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "bgrewriteaof",
        arity: 1,
        flags: Flags::of(&[Admin, NoScript, NoAsyncLoading]),
        summary: "Takes a snapshot and compacts the log in the background.",
        route: Route::Session(Bgrewriteaof),
        ..ROW
    },
    Command {
        name: "bgsave",
        flags: Flags::of(&[Admin, NoScript, NoAsyncLoading]),
        summary: "Takes a snapshot in the background.",
        arguments: &[Argument::word("schedule", "SCHEDULE").optional()],
        route: Route::Session(Bgsave),
        ..ROW
    },
    Command {
        name: "dbsize",
        arity: 1,
        flags: Flags::of(&[Readonly, Fast]),
        categories: Categories::of(&[Category::Keyspace]),
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        summary: "Counts the keys of a database.",
        route: Route::Read(database::dbsize),
        ..ROW
    },
    Command {
        name: "debug",
        arity: -2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        summary: "Helps in testing.",
        route: Route::Session(Debug),
        ..ROW
    },
    Command {
        name: "failover",
        flags: Flags::of(&[Admin, NoScript, Stale]),
        since: "6.2.0",
        summary: "Hands over the role of master.",
        refusal: Some("every node is a master; `quorate cluster transfer` moves the leadership"),
        arguments: &[
            Argument::block(
                "target",
                &[
                    Argument::new("host", String),
                    Argument::new("port", Integer),
                    Argument::word("force", "FORCE").optional(),
                ],
            )
            .token("TO")
            .optional(),
            Argument::word("abort", "ABORT").optional(),
            Argument::new("milliseconds", Integer).token("TIMEOUT").optional(),
        ],
        ..ROW
    },
    Command {
        name: "flushall",
        flags: Flags::of(&[Write]),
        categories: Categories::of(&[Category::Keyspace, Category::Dangerous]),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        complexity: "O(1); values are freed in the background",
        summary: "Removes all keys of all databases.",
        arguments: &[Argument::one_of(
            "async",
            &[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")],
        )
        .optional()],
        route: Route::Write(database::flushall),
        ..ROW
    },
    Command {
        name: "flushdb",
        flags: Flags::of(&[Write]),
        categories: Categories::of(&[Category::Keyspace, Category::Dangerous]),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        complexity: "O(1); values are freed in the background",
        summary: "Removes all keys of a database.",
        arguments: &[Argument::one_of(
            "async",
            &[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")],
        )
        .optional()],
        route: Route::Write(database::flushdb),
        ..ROW
    },
    Command {
        name: "info",
        flags: Flags::of(&[Loading, Stale]),
        categories: Categories::of(&[Category::Dangerous]),
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        summary: "Returns facts and statistics of the server.",
        arguments: &[Argument::new("section", String).optional().multiple()],
        route: Route::Session(Info),
        ..ROW
    },
    Command {
        name: "lastsave",
        arity: 1,
        flags: Flags::of(&[Loading, Stale, Fast]),
        categories: Categories::of(&[Category::Admin, Category::Dangerous]),
        tips: &["nondeterministic_output"],
        summary: "Returns the Unix time of the last snapshot.",
        route: Route::Session(Lastsave),
        ..ROW
    },
    Command {
        name: "lolwut",
        flags: Flags::of(&[Readonly, Fast]),
        since: "5.0.0",
        summary: "Shows the version.",
        arguments: &[Argument::new("version", Integer).token("VERSION").optional()],
        stateless: true,
        route: Route::Read(introspection::lolwut),
        ..ROW
    },
    Command {
        name: "module",
        arity: -2,
        since: "4.0.0",
        summary: "Loadable modules.",
        route: Route::Session(Module),
        ..ROW
    },
    Command {
        name: "monitor",
        arity: 1,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        summary: "Streams every command that the server runs.",
        route: Route::Session(Monitor),
        ..ROW
    },
    Command {
        name: "psync",
        arity: -3,
        flags: Flags::of(&[Admin, NoScript, NoAsyncLoading, NoMulti]),
        since: "2.8.0",
        summary: "Begins to follow this node: a copy, then what changes.",
        arguments: &[Argument::new("replicationid", String), Argument::new("offset", Integer)],
        route: Route::Session(Psync),
        ..ROW
    },
    Command {
        name: "replconf",
        flags: Flags::of(&[Admin, NoScript, Loading, Stale, AllowBusy]),
        since: "3.0.0",
        summary: "What a replica says of itself before and while it follows.",
        route: Route::Session(Replconf),
        ..ROW
    },
    Command {
        name: "replicaof",
        arity: 3,
        flags: Flags::of(&[Admin, NoScript, Stale, NoAsyncLoading]),
        since: "5.0.0",
        summary: "Makes a Redis server a replica; refused here.",
        arguments: &[Argument::one_of(
            "args",
            &[
                Argument::block(
                    "host-port",
                    &[Argument::new("host", String), Argument::new("port", Integer)],
                ),
                Argument::block("no-one", &[Argument::word("no", "NO"), Argument::word("one", "ONE")]),
            ],
        )],
        route: Route::Session(Replicaof),
        ..ROW
    },
    Command {
        name: "restore-asking",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom, Asking]),
        categories: Categories::of(&[Category::Keyspace, Category::Dangerous]),
        keys: &[KeySpec::at(1, &[Ow, Update])],
        since: "3.0.0",
        summary: "Used between Redis servers: makes a key while a slot moves.",
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
        name: "role",
        arity: 1,
        flags: Flags::of(&[NoScript, Loading, Stale, Fast]),
        categories: Categories::of(&[Category::Admin, Category::Dangerous]),
        since: "2.8.12",
        summary: "Returns the role in replication.",
        route: Route::Session(Role),
        ..ROW
    },
    Command {
        name: "save",
        arity: 1,
        flags: Flags::of(&[Admin, NoScript, NoAsyncLoading, NoMulti]),
        complexity: "O(N) in all keys",
        summary: "Takes a snapshot.",
        route: Route::Session(Save),
        ..ROW
    },
    Command {
        name: "shutdown",
        flags: Flags::of(&[Admin, NoScript, Loading, Stale, NoMulti, AllowBusy]),
        summary: "Stops the server.",
        arguments: &[
            Argument::one_of(
                "nosave_save",
                &[Argument::word("nosave", "NOSAVE"), Argument::word("save", "SAVE")],
            )
            .optional(),
            Argument::word("now", "NOW").optional(),
            Argument::word("force", "FORCE").optional(),
            Argument::word("abort", "ABORT").optional(),
        ],
        route: Route::Session(Shutdown),
        ..ROW
    },
    Command {
        name: "slaveof",
        arity: 3,
        flags: Flags::of(&[Admin, NoScript, Stale, NoAsyncLoading]),
        deprecated: Some(("5.0.0", "REPLICAOF")),
        summary: "Makes a Redis server a replica; refused here.",
        arguments: &[Argument::one_of(
            "args",
            &[
                Argument::block(
                    "host-port",
                    &[Argument::new("host", String), Argument::new("port", Integer)],
                ),
                Argument::block("no-one", &[Argument::word("no", "NO"), Argument::word("one", "ONE")]),
            ],
        )],
        route: Route::Session(Replicaof),
        ..ROW
    },
    Command {
        name: "swapdb",
        arity: 3,
        flags: Flags::of(&[Write, Fast]),
        categories: Categories::of(&[Category::Keyspace, Category::Dangerous]),
        since: "4.0.0",
        summary: "Exchanges two databases.",
        arguments: &[Argument::new("index1", Integer), Argument::new("index2", Integer)],
        route: Route::Write(database::swapdb),
        ..ROW
    },
    Command {
        name: "sync",
        arity: 1,
        flags: Flags::of(&[Admin, NoScript, NoAsyncLoading, NoMulti]),
        summary: "Begins to follow this node: a copy, then what changes.",
        refusal: Some(OWN_LOG),
        ..ROW
    },
    Command {
        name: "time",
        arity: 1,
        flags: Flags::of(&[Loading, Stale, Fast]),
        tips: &["nondeterministic_output"],
        since: "2.6.0",
        summary: "Returns the time.",
        route: Route::Session(Time),
        ..ROW
    },
];
