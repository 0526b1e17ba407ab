//! Rows of users (ACL).

use crate::Flag::{Admin, Loading, NoScript, Stale};
use crate::SessionCommand::{AclCat, AclGenpass, AclLog, AclWhoami};
use crate::acl::commands as acl;
use crate::command::ArgumentKind::{Integer, String};
use crate::introspection;
use crate::{Argument, Command, Flags, Group, Hidden, Route};

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
        hidden: Hidden::From(2),
        since: "6.0.0",
        summary: "Removes users and ends their connections.",
        arguments: &[Argument::new("username", String).multiple()],
        route: Route::Write(acl::deluser),
        ..ROW
    },
    Command {
        name: "dryrun",
        parent: Some("acl"),
        arity: -4,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        hidden: Hidden::From(2),
        since: "7.0.0",
        summary: "Tells whether a user could run a command.",
        arguments: &[
            Argument::new("username", String),
            Argument::new("command", String),
            Argument::new("arg", String).optional().multiple(),
        ],
        route: Route::Read(acl::dryrun),
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
        route: Route::Session(AclGenpass),
        ..ROW
    },
    Command {
        name: "getuser",
        parent: Some("acl"),
        arity: 3,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        hidden: Hidden::From(2),
        since: "6.0.0",
        summary: "Returns a user's rules.",
        arguments: &[Argument::new("username", String)],
        route: Route::Read(acl::getuser),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("acl"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "6.0.0",
        summary: "Describes the subcommands.",
        stateless: true,
        route: Route::Read(introspection::help),
        ..ROW
    },
    Command {
        name: "list",
        parent: Some("acl"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Lists the users with their rules.",
        route: Route::Read(acl::list),
        ..ROW
    },
    Command {
        name: "load",
        parent: Some("acl"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Refused: users are replicated, there is no file to read them from.",
        route: Route::Read(acl::load),
        ..ROW
    },
    Command {
        name: "log",
        parent: Some("acl"),
        arity: -2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Lists what was denied lately on this node.",
        arguments: &[Argument::one_of(
            "operation",
            &[Argument::new("count", Integer), Argument::word("reset", "RESET")],
        )
        .optional()],
        route: Route::Session(AclLog),
        ..ROW
    },
    Command {
        name: "save",
        parent: Some("acl"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Answers OK: what was acknowledged is on disk already.",
        route: Route::Read(acl::save),
        ..ROW
    },
    Command {
        name: "setuser",
        parent: Some("acl"),
        arity: -3,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        hidden: Hidden::From(2),
        since: "6.0.0",
        summary: "Makes or changes a user.",
        arguments: &[Argument::new("username", String), Argument::new("rule", String).optional().multiple()],
        route: Route::Write(acl::setuser),
        ..ROW
    },
    Command {
        name: "users",
        parent: Some("acl"),
        arity: 2,
        flags: Flags::of(&[Admin, NoScript, Loading, Stale]),
        since: "6.0.0",
        summary: "Lists the names of all users.",
        route: Route::Read(acl::users),
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
