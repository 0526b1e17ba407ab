//! Rows of COMMAND and CONFIG.

use crate::Flag::{Admin, Loading, NoScript, Stale};
use crate::SessionCommand::{ConfigResetstat, ConfigRewrite};
use crate::command::ArgumentKind::{Pattern, String};
use crate::config;
use crate::introspection;
use crate::{Argument, Categories, Category, Command, Flags, Group, Hidden, Route};

const ROW: Command = Command { group: Group::Server, ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "command",
        flags: Flags::of(&[Loading, Stale]),
        categories: Categories::of(&[Category::Connection]),
        tips: &["nondeterministic_output_order"],
        since: "2.8.13",
        complexity: "O(N) in the commands",
        summary: "Describes all commands.",
        subcommands: COMMAND,
        stateless: true,
        route: Route::Read(introspection::info),
        ..ROW
    },
    Command {
        name: "config",
        arity: -2,
        since: "2.0.0",
        summary: "Reads and changes settings.",
        subcommands: CONFIG,
        route: Route::Container,
        ..ROW
    },
];

const COMMAND: &[Command] = &[
    Command {
        name: "count",
        parent: Some("command"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        categories: Categories::of(&[Category::Connection]),
        since: "2.8.13",
        summary: "Counts the commands.",
        stateless: true,
        route: Route::Read(introspection::count),
        ..ROW
    },
    Command {
        name: "docs",
        parent: Some("command"),
        arity: -2,
        flags: Flags::of(&[Loading, Stale]),
        categories: Categories::of(&[Category::Connection]),
        tips: &["nondeterministic_output_order"],
        since: "7.0.0",
        complexity: "O(N) in the named commands",
        summary: "Returns the documentation of commands.",
        arguments: &[Argument::new("command-name", String).optional().multiple()],
        stateless: true,
        route: Route::Read(introspection::docs),
        ..ROW
    },
    Command {
        name: "getkeys",
        parent: Some("command"),
        arity: -4,
        flags: Flags::of(&[Loading, Stale]),
        categories: Categories::of(&[Category::Connection]),
        since: "2.8.13",
        complexity: "O(N) in the arguments",
        summary: "Returns the keys of a full command.",
        stateless: true,
        route: Route::Read(introspection::getkeys),
        ..ROW
    },
    Command {
        name: "getkeysandflags",
        parent: Some("command"),
        arity: -4,
        flags: Flags::of(&[Loading, Stale]),
        categories: Categories::of(&[Category::Connection]),
        since: "7.0.0",
        complexity: "O(N) in the arguments",
        summary: "Returns the keys of a full command and how they are used.",
        stateless: true,
        route: Route::Read(introspection::getkeysandflags),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("command"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        categories: Categories::of(&[Category::Connection]),
        since: "5.0.0",
        summary: "Describes the subcommands.",
        stateless: true,
        route: Route::Read(introspection::help),
        ..ROW
    },
    Command {
        name: "info",
        parent: Some("command"),
        arity: -2,
        flags: Flags::of(&[Loading, Stale]),
        categories: Categories::of(&[Category::Connection]),
        tips: &["nondeterministic_output_order"],
        since: "2.8.13",
        complexity: "O(N) in the named commands",
        summary: "Describes commands.",
        arguments: &[Argument::new("command-name", String).optional().multiple()],
        stateless: true,
        route: Route::Read(introspection::info),
        ..ROW
    },
    Command {
        name: "list",
        parent: Some("command"),
        arity: -2,
        flags: Flags::of(&[Loading, Stale]),
        categories: Categories::of(&[Category::Connection]),
        tips: &["nondeterministic_output_order"],
        since: "7.0.0",
        complexity: "O(N) in the commands",
        summary: "Lists the names of commands.",
        arguments: &[Argument::one_of(
            "filterby",
            &[
                Argument::new("module-name", String).token("MODULE"),
                Argument::new("category", String).token("ACLCAT"),
                Argument::new("pattern", Pattern).token("PATTERN"),
            ],
        )
        .token("FILTERBY")
        .optional()],
        stateless: true,
        route: Route::Read(introspection::list),
        ..ROW
    },
];

const CONFIG: &[Command] = &[
    Command {
        name: "get",
        parent: Some("config"),
        arity: -3,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "2.0.0",
        complexity: "O(N) in the patterns",
        summary: "Returns the settings whose names match patterns.",
        arguments: &[Argument::block("parameter", &[Argument::new("parameter", String)]).multiple()],
        route: Route::Read(config::get),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("config"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "5.0.0",
        summary: "Describes the subcommands.",
        stateless: true,
        route: Route::Read(introspection::help),
        ..ROW
    },
    Command {
        name: "resetstat",
        parent: Some("config"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "2.0.0",
        summary: "Sets the statistics back to zero.",
        route: Route::Session(ConfigResetstat),
        ..ROW
    },
    Command {
        name: "rewrite",
        parent: Some("config"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "2.8.0",
        summary: "Confirms that all settings are durable.",
        route: Route::Session(ConfigRewrite),
        ..ROW
    },
    Command {
        name: "set",
        parent: Some("config"),
        arity: -4,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        hidden: Hidden::Secrets,
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "2.0.0",
        complexity: "O(N) in the settings",
        summary: "Changes settings, all or none of them.",
        arguments: &[Argument::block(
            "parameter_value",
            &[Argument::new("parameter", String), Argument::new("value", String)],
        )
        .multiple()],
        route: Route::Write(config::set),
        ..ROW
    },
];
