//! Rows of the connection group.

use crate::Flag::{Admin, AllowBusy, Fast, Loading, NoAuth, NoScript, Stale};
use crate::SessionCommand::{
    Auth, ClientCaching, ClientGetname, ClientGetredir, ClientId, ClientInfo, ClientKill, ClientList,
    ClientNoEvict, ClientNoTouch, ClientPause, ClientReadmode, ClientReply, ClientSetinfo, ClientSetname,
    ClientTracking, ClientTrackinginfo, ClientUnblock, ClientUnpause, Echo, Hello, Ping, Quit, Reset, Select,
};
use crate::command::ArgumentKind::{Integer, String};
use crate::introspection;
use crate::{Argument, Categories, Category, Command, Flags, Group, Hidden, Route};

const ROW: Command =
    Command { group: Group::Connection, categories: Categories::of(&[Category::Connection]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "auth",
        arity: -2,
        flags: Flags::of(&[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy]),
        hidden: Hidden::From(1),
        complexity: "O(N) in the passwords of the user",
        summary: "Authenticates the connection.",
        arguments: &[Argument::new("username", String).optional(), Argument::new("password", String)],
        route: Route::Session(Auth),
        ..ROW
    },
    Command {
        name: "client",
        arity: -2,
        categories: Categories::NONE,
        since: "2.4.0",
        summary: "Tells about connections and changes them.",
        subcommands: CLIENT,
        route: Route::Container,
        ..ROW
    },
    Command {
        name: "echo",
        arity: 2,
        flags: Flags::of(&[Loading, Stale, Fast]),
        summary: "Returns its argument.",
        arguments: &[Argument::new("message", String)],
        route: Route::Session(Echo),
        ..ROW
    },
    Command {
        name: "hello",
        flags: Flags::of(&[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy]),
        hidden: Hidden::Credentials,
        since: "6.0.0",
        summary: "Chooses the protocol and greets the server.",
        arguments: &[Argument::block(
            "arguments",
            &[
                Argument::new("protover", Integer),
                Argument::block(
                    "username_password",
                    &[Argument::new("username", String), Argument::new("password", String)],
                )
                .token("AUTH")
                .optional(),
                Argument::new("clientname", String).token("SETNAME").optional(),
            ],
        )
        .optional()],
        route: Route::Session(Hello),
        ..ROW
    },
    Command {
        name: "ping",
        flags: Flags::of(&[Fast]),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        summary: "Answers, to show that the connection lives.",
        arguments: &[Argument::new("message", String).optional()],
        route: Route::Session(Ping),
        ..ROW
    },
    Command {
        name: "quit",
        flags: Flags::of(&[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy]),
        deprecated: Some(("7.2.0", "closing the connection")),
        summary: "Ends the connection.",
        route: Route::Session(Quit),
        ..ROW
    },
    Command {
        name: "reset",
        arity: 1,
        flags: Flags::of(&[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy]),
        since: "6.2.0",
        summary: "Sets the connection back to its beginning.",
        route: Route::Session(Reset),
        ..ROW
    },
    Command {
        name: "select",
        arity: 2,
        flags: Flags::of(&[Loading, Stale, Fast]),
        summary: "Chooses the connection's database.",
        arguments: &[Argument::new("index", Integer)],
        route: Route::Session(Select),
        ..ROW
    },
];

const CLIENT: &[Command] = &[
    Command {
        name: "caching",
        parent: Some("client"),
        arity: 3,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Switches tracking for the next command.",
        arguments: &[Argument::one_of("mode", &[Argument::word("yes", "YES"), Argument::word("no", "NO")])],
        route: Route::Session(ClientCaching),
        ..ROW
    },
    Command {
        name: "getname",
        parent: Some("client"),
        arity: 2,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "2.6.9",
        summary: "Returns the connection's name.",
        route: Route::Session(ClientGetname),
        ..ROW
    },
    Command {
        name: "getredir",
        parent: Some("client"),
        arity: 2,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Returns where invalidation messages go.",
        route: Route::Session(ClientGetredir),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("client"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "5.0.0",
        summary: "Describes the subcommands.",
        stateless: true,
        route: Route::Read(introspection::help),
        ..ROW
    },
    Command {
        name: "id",
        parent: Some("client"),
        arity: 2,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "5.0.0",
        summary: "Returns the connection's number.",
        route: Route::Session(ClientId),
        ..ROW
    },
    Command {
        name: "info",
        parent: Some("client"),
        arity: 2,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        summary: "Describes the connection.",
        route: Route::Session(ClientInfo),
        ..ROW
    },
    Command {
        name: "kill",
        parent: Some("client"),
        arity: -3,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "2.4.0",
        complexity: "O(N) in the connections",
        summary: "Ends connections.",
        arguments: &[Argument::one_of(
            "filter",
            &[
                Argument::new("ip:port", String),
                Argument::one_of(
                    "new-format",
                    &[
                        Argument::new("client-id", Integer).token("ID").optional(),
                        Argument::one_of(
                            "normal_master_slave_pubsub",
                            &[
                                Argument::word("normal", "NORMAL"),
                                Argument::word("master", "MASTER"),
                                Argument::word("slave", "SLAVE"),
                                Argument::word("replica", "REPLICA"),
                                Argument::word("pubsub", "PUBSUB"),
                            ],
                        )
                        .token("TYPE")
                        .optional(),
                        Argument::new("username", String).token("USER").optional(),
                        Argument::new("ip:port", String).token("ADDR").optional(),
                        Argument::new("ip:port", String).token("LADDR").optional(),
                        Argument::new("yes/no", String).token("SKIPME").optional(),
                    ],
                )
                .multiple(),
            ],
        )],
        route: Route::Session(ClientKill),
        ..ROW
    },
    Command {
        name: "list",
        parent: Some("client"),
        arity: -2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        tips: &["nondeterministic_output"],
        since: "2.4.0",
        complexity: "O(N) in the connections",
        summary: "Lists the connections.",
        arguments: &[
            Argument::one_of(
                "normal_master_replica_pubsub",
                &[
                    Argument::word("normal", "NORMAL"),
                    Argument::word("master", "MASTER"),
                    Argument::word("replica", "REPLICA"),
                    Argument::word("pubsub", "PUBSUB"),
                ],
            )
            .token("TYPE")
            .optional(),
            Argument::block("id", &[Argument::new("client-id", Integer).multiple()]).token("ID").optional(),
        ],
        route: Route::Session(ClientList),
        ..ROW
    },
    Command {
        name: "no-evict",
        parent: Some("client"),
        arity: 3,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "7.0.0",
        summary: "Exempts the connection from eviction.",
        arguments: &[Argument::one_of(
            "enabled",
            &[Argument::word("on", "ON"), Argument::word("off", "OFF")],
        )],
        route: Route::Session(ClientNoEvict),
        ..ROW
    },
    Command {
        name: "no-touch",
        parent: Some("client"),
        arity: 3,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "7.2.0",
        summary: "Keeps the connection's commands from marking keys as used.",
        arguments: &[Argument::one_of(
            "enabled",
            &[Argument::word("on", "ON"), Argument::word("off", "OFF")],
        )],
        route: Route::Session(ClientNoTouch),
        ..ROW
    },
    Command {
        name: "pause",
        parent: Some("client"),
        arity: -3,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "2.9.50",
        summary: "Holds back commands for a while.",
        arguments: &[
            Argument::new("timeout", Integer),
            Argument::one_of("mode", &[Argument::word("write", "WRITE"), Argument::word("all", "ALL")])
                .optional(),
        ],
        route: Route::Session(ClientPause),
        ..ROW
    },
    // Redis has none of this name: there the same is had by connecting to a replica.
    Command {
        name: "readmode",
        parent: Some("client"),
        arity: 3,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "7.2.0",
        summary: "Chooses how strong the connection's reads are.",
        arguments: &[Argument::one_of(
            "mode",
            &[
                Argument::word("default", "DEFAULT"),
                Argument::word("index", "INDEX"),
                Argument::word("lease", "LEASE"),
                Argument::word("local", "LOCAL"),
            ],
        )],
        route: Route::Session(ClientReadmode),
        ..ROW
    },
    Command {
        name: "reply",
        parent: Some("client"),
        arity: 3,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "3.2.0",
        summary: "Switches replies on and off.",
        arguments: &[Argument::one_of(
            "on_off_skip",
            &[Argument::word("on", "ON"), Argument::word("off", "OFF"), Argument::word("skip", "SKIP")],
        )],
        route: Route::Session(ClientReply),
        ..ROW
    },
    Command {
        name: "setinfo",
        parent: Some("client"),
        arity: 4,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "7.2.0",
        summary: "Tells the server about the client's library.",
        arguments: &[Argument::one_of(
            "attr",
            &[
                Argument::new("libname", String).token("LIB-NAME"),
                Argument::new("libver", String).token("LIB-VER"),
            ],
        )],
        route: Route::Session(ClientSetinfo),
        ..ROW
    },
    Command {
        name: "setname",
        parent: Some("client"),
        arity: 3,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "2.6.9",
        summary: "Names the connection.",
        arguments: &[Argument::new("connection-name", String)],
        route: Route::Session(ClientSetname),
        ..ROW
    },
    Command {
        name: "tracking",
        parent: Some("client"),
        arity: -3,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Switches tracking of keys for caches in clients.",
        arguments: &[
            Argument::one_of("status", &[Argument::word("on", "ON"), Argument::word("off", "OFF")]),
            Argument::new("client-id", Integer).token("REDIRECT").optional(),
            Argument::new("prefix", String).token("PREFIX").optional().multiple_token(),
            Argument::word("bcast", "BCAST").optional(),
            Argument::word("optin", "OPTIN").optional(),
            Argument::word("optout", "OPTOUT").optional(),
            Argument::word("noloop", "NOLOOP").optional(),
        ],
        route: Route::Session(ClientTracking),
        ..ROW
    },
    Command {
        name: "trackinginfo",
        parent: Some("client"),
        arity: 2,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "6.2.0",
        summary: "Tells how the connection tracks keys.",
        route: Route::Session(ClientTrackinginfo),
        ..ROW
    },
    Command {
        name: "unblock",
        parent: Some("client"),
        arity: -3,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "5.0.0",
        summary: "Wakes a blocked connection.",
        arguments: &[
            Argument::new("client-id", Integer),
            Argument::one_of(
                "timeout_error",
                &[Argument::word("timeout", "TIMEOUT"), Argument::word("error", "ERROR")],
            )
            .optional(),
        ],
        route: Route::Session(ClientUnblock),
        ..ROW
    },
    Command {
        name: "unpause",
        parent: Some("client"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.2.0",
        complexity: "O(N) in the paused connections",
        summary: "Ends a pause.",
        route: Route::Session(ClientUnpause),
        ..ROW
    },
];
