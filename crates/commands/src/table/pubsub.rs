//! Rows of the pubsub group.

use crate::Flag::{Fast, Loading, NoScript, Pubsub, Stale};
use crate::KeyFlag::NotKey;
use crate::{Command, Flags, Group, KeySpec, Route};

const ROW: Command = Command { group: Group::Pubsub, ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "psubscribe",
        arity: -2,
        flags: Flags::of(&[Pubsub, NoScript, Loading, Stale]),
        since: "2.0.0",
        summary: "Subscribes to the channels that match patterns.",
        ..ROW
    },
    Command {
        name: "publish",
        arity: 3,
        flags: Flags::of(&[Pubsub, Loading, Stale, Fast]),
        since: "2.0.0",
        summary: "Sends a message to a channel.",
        ..ROW
    },
    Command {
        name: "pubsub",
        arity: -2,
        since: "2.8.0",
        summary: "Tells about channels and subscriptions.",
        subcommands: PUBSUB,
        route: Route::Container,
        ..ROW
    },
    Command {
        name: "punsubscribe",
        flags: Flags::of(&[Pubsub, NoScript, Loading, Stale]),
        since: "2.0.0",
        summary: "Ends subscriptions to patterns.",
        ..ROW
    },
    Command {
        name: "spublish",
        arity: 3,
        flags: Flags::of(&[Pubsub, Loading, Stale, Fast]),
        keys: &[KeySpec::at(1, &[NotKey])],
        since: "7.0.0",
        summary: "Sends a message to a shard channel.",
        ..ROW
    },
    Command {
        name: "ssubscribe",
        arity: -2,
        flags: Flags::of(&[Pubsub, NoScript, Loading, Stale]),
        keys: &[KeySpec::range(1, -1, 1, &[NotKey])],
        since: "7.0.0",
        summary: "Subscribes to shard channels.",
        ..ROW
    },
    Command {
        name: "subscribe",
        arity: -2,
        flags: Flags::of(&[Pubsub, NoScript, Loading, Stale]),
        since: "2.0.0",
        summary: "Subscribes to channels.",
        ..ROW
    },
    Command {
        name: "sunsubscribe",
        flags: Flags::of(&[Pubsub, NoScript, Loading, Stale]),
        keys: &[KeySpec::range(1, -1, 1, &[NotKey])],
        since: "7.0.0",
        summary: "Ends subscriptions to shard channels.",
        ..ROW
    },
    Command {
        name: "unsubscribe",
        flags: Flags::of(&[Pubsub, NoScript, Loading, Stale]),
        since: "2.0.0",
        summary: "Ends subscriptions to channels.",
        ..ROW
    },
];

const PUBSUB: &[Command] = &[
    Command {
        name: "channels",
        parent: Some("pubsub"),
        arity: -2,
        flags: Flags::of(&[Pubsub, Loading, Stale]),
        since: "2.8.0",
        summary: "Lists the active channels.",
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("pubsub"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "6.2.0",
        summary: "Describes the subcommands.",
        ..ROW
    },
    Command {
        name: "numpat",
        parent: Some("pubsub"),
        arity: 2,
        flags: Flags::of(&[Pubsub, Loading, Stale]),
        since: "2.8.0",
        summary: "Counts the subscribed patterns.",
        ..ROW
    },
    Command {
        name: "numsub",
        parent: Some("pubsub"),
        arity: -2,
        flags: Flags::of(&[Pubsub, Loading, Stale]),
        since: "2.8.0",
        summary: "Counts the subscribers of channels.",
        ..ROW
    },
    Command {
        name: "shardchannels",
        parent: Some("pubsub"),
        arity: -2,
        flags: Flags::of(&[Pubsub, Loading, Stale]),
        since: "7.0.0",
        summary: "Lists the active shard channels.",
        ..ROW
    },
    Command {
        name: "shardnumsub",
        parent: Some("pubsub"),
        arity: -2,
        flags: Flags::of(&[Pubsub, Loading, Stale]),
        since: "7.0.0",
        summary: "Counts the subscribers of shard channels.",
        ..ROW
    },
];
