//! Rows of the cluster group.

use crate::Flag::{Fast, Loading, Stale};
use crate::SessionCommand::Cluster;
use crate::{Categories, Category, Command, Flags, Group, Route};

const ROW: Command = Command { group: Group::Cluster, ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "asking",
        arity: 1,
        flags: Flags::of(&[Fast]),
        categories: Categories::of(&[Category::Connection]),
        since: "3.0.0",
        summary: "Used with Redis Cluster: accepts a slot that is being imported; refused here.",
        route: Route::Session(Cluster),
        ..ROW
    },
    Command {
        name: "cluster",
        arity: -2,
        since: "3.0.0",
        summary: "Redis Cluster; refused here.",
        route: Route::Session(Cluster),
        ..ROW
    },
    Command {
        name: "readonly",
        arity: 1,
        flags: Flags::of(&[Loading, Stale, Fast]),
        categories: Categories::of(&[Category::Connection]),
        since: "3.0.0",
        summary: "Used with Redis Cluster: allows reads on a replica; refused here.",
        route: Route::Session(Cluster),
        ..ROW
    },
    Command {
        name: "readwrite",
        arity: 1,
        flags: Flags::of(&[Loading, Stale, Fast]),
        categories: Categories::of(&[Category::Connection]),
        since: "3.0.0",
        summary: "Used with Redis Cluster: forbids reads on a replica; refused here.",
        route: Route::Session(Cluster),
        ..ROW
    },
];
