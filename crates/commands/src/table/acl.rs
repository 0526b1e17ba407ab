//! Rows of users (ACL).

use crate::Flag::{Admin, Loading, NoScript, Stale};
use crate::SessionCommand::{AclCat, AclList, AclUsers, AclWhoami};
use crate::command::ArgumentKind::{Integer, String};
use crate::{Argument, Command, Flags, Group, Route};

const ROW: Command = Command { group: Group::Server, ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "acl",
    arity: -2,
    since: "6.0.0",
    summary: "Users and what they may do.",
    subcommands: ACL,
    route: Route::Container,
    ..ROW
}];

const ACL: &[Command] = &[
    Command {
        name: "cat",
        parent: Some("acl"),
        arity: -2,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Lists the categories, or the commands of one.",
        arguments: &[Argument::new("categoryname", String).optional()],
        route: Route::Session(AclCat),
        ..ROW
    },
    Command {
        name: "deluser",
        parent: Some("acl"),
        arity: -3,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Removes users and ends their connections.",
        arguments: &[Argument::new("username", String).multiple()],
        ..ROW
    },
    Command {
        name: "dryrun",
        parent: Some("acl"),
        arity: -4,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "7.0.0",
        summary: "Tells whether a user could run a command.",
        arguments: &[
            Argument::new("username", String),
            Argument::new("command", String),
            Argument::new("arg", String).optional().multiple(),
        ],
        ..ROW
    },
    Command {
        name: "genpass",
        parent: Some("acl"),
        arity: -2,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Makes up a password.",
        arguments: &[Argument::new("bits", Integer).optional()],
        ..ROW
    },
    Command {
        name: "getuser",
        parent: Some("acl"),
        arity: 3,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Returns a user's rules.",
        arguments: &[Argument::new("username", String)],
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("acl"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "6.0.0",
        summary: "Describes the subcommands.",
        ..ROW
    },
    Command {
        name: "list",
        parent: Some("acl"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Lists the users with their rules.",
        route: Route::Session(AclList),
        ..ROW
    },
    Command {
        name: "load",
        parent: Some("acl"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Reads the users from the ACL file again.",
        ..ROW
    },
    Command {
        name: "log",
        parent: Some("acl"),
        arity: -2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Lists what was denied lately.",
        arguments: &[Argument::one_of(
            "operation",
            &[Argument::new("count", Integer), Argument::word("reset", "RESET")],
        )
        .optional()],
        ..ROW
    },
    Command {
        name: "save",
        parent: Some("acl"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Writes the users to the ACL file.",
        ..ROW
    },
    Command {
        name: "setuser",
        parent: Some("acl"),
        arity: -3,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Makes or changes a user.",
        arguments: &[Argument::new("username", String), Argument::new("rule", String).optional().multiple()],
        ..ROW
    },
    Command {
        name: "users",
        parent: Some("acl"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Lists the names of all users.",
        route: Route::Session(AclUsers),
        ..ROW
    },
    Command {
        name: "whoami",
        parent: Some("acl"),
        arity: 2,
        flags: Flags::of(&[NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Returns the connection's user.",
        route: Route::Session(AclWhoami),
        ..ROW
    },
];
