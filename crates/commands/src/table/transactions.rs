//! Rows of the transactions group.

use crate::Flag::{AllowBusy, Fast, Loading, NoScript, SkipSlowlog, Stale};
use crate::KeyFlag::Ro;
use crate::{Categories, Category, Command, Flags, Group, KeySpec, Route, SessionCommand};

const ROW: Command = Command {
    group: Group::Transactions,
    categories: Categories::of(&[Category::Transaction]),
    ..Command::ROW
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "discard",
        arity: 1,
        flags: Flags::of(&[NoScript, Loading, Stale, Fast, AllowBusy]),
        since: "2.0.0",
        summary: "Drops a transaction's queued commands.",
        route: Route::Session(SessionCommand::Discard),
        ..ROW
    },
    Command {
        name: "exec",
        arity: 1,
        flags: Flags::of(&[NoScript, Loading, Stale, SkipSlowlog]),
        since: "1.2.0",
        summary: "Runs a transaction's queued commands.",
        route: Route::Session(SessionCommand::Exec),
        ..ROW
    },
    Command {
        name: "multi",
        arity: 1,
        flags: Flags::of(&[NoScript, Loading, Stale, Fast, AllowBusy]),
        since: "1.2.0",
        summary: "Starts a transaction.",
        route: Route::Session(SessionCommand::Multi),
        ..ROW
    },
    Command {
        name: "unwatch",
        arity: 1,
        flags: Flags::of(&[NoScript, Loading, Stale, Fast, AllowBusy]),
        since: "2.2.0",
        summary: "Forgets all watched keys.",
        route: Route::Session(SessionCommand::Unwatch),
        ..ROW
    },
    Command {
        name: "watch",
        arity: -2,
        flags: Flags::of(&[NoScript, Loading, Stale, Fast, AllowBusy]),
        keys: &[KeySpec::range(1, -1, 1, &[Ro])],
        since: "2.2.0",
        summary: "Makes the next transaction depend on keys staying unchanged.",
        route: Route::Session(SessionCommand::Watch),
        ..ROW
    },
];
