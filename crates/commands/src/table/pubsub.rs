//! Rows of the pubsub group.

use crate::Flag::{Fast, Loading, MayReplicate, NoScript, Pubsub, Stale};
use crate::KeyFlag::NotKey;
use crate::SessionCommand::{Psubscribe, Punsubscribe, Ssubscribe, Subscribe, Sunsubscribe, Unsubscribe};
use crate::command::ArgumentKind::{Pattern, String};
use crate::{Argument, Command, Flags, Group, KeySpec, Route, introspection, pubsub};

const ROW: Command = Command { group: Group::Pubsub, ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "psubscribe",
        arity: -2,
        flags: Flags::of(&[Pubsub, NoScript, Loading, Stale]),
        since: "2.0.0",
        summary: "Subscribes to the channels that match patterns.",
        complexity: "O(N) in the patterns",
        arguments: &[Argument::new("pattern", Pattern).multiple()],
        route: Route::Session(Psubscribe),
        ..ROW
    },
    Command {
        name: "publish",
        arity: 3,
        flags: Flags::of(&[Pubsub, Loading, Stale, Fast, MayReplicate]),
        since: "2.0.0",
        summary: "Sends a message to a channel.",
        complexity: "O(1), for each subscribed pattern",
        arguments: &[Argument::new("channel", String), Argument::new("message", String)],
        route: Route::Write(pubsub::publish),
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
        complexity: "O(N) in the patterns",
        arguments: &[Argument::new("pattern", Pattern).optional().multiple()],
        route: Route::Session(Punsubscribe),
        ..ROW
    },
    Command {
        name: "spublish",
        arity: 3,
        flags: Flags::of(&[Pubsub, Loading, Stale, Fast, MayReplicate]),
        keys: &[KeySpec::at(1, &[NotKey])],
        since: "7.0.0",
        summary: "Sends a message to a shard channel.",
        arguments: &[Argument::new("shardchannel", String), Argument::new("message", String)],
        route: Route::Write(pubsub::spublish),
        ..ROW
    },
    Command {
        name: "ssubscribe",
        arity: -2,
        flags: Flags::of(&[Pubsub, NoScript, Loading, Stale]),
        keys: &[KeySpec::range(1, -1, 1, &[NotKey])],
        since: "7.0.0",
        summary: "Subscribes to shard channels.",
        complexity: "O(N) in the channels",
        arguments: &[Argument::new("shardchannel", String).multiple()],
        route: Route::Session(Ssubscribe),
        ..ROW
    },
    Command {
        name: "subscribe",
        arity: -2,
        flags: Flags::of(&[Pubsub, NoScript, Loading, Stale]),
        since: "2.0.0",
        summary: "Subscribes to channels.",
        complexity: "O(N) in the channels",
        arguments: &[Argument::new("channel", String).multiple()],
        route: Route::Session(Subscribe),
        ..ROW
    },
    Command {
        name: "sunsubscribe",
        flags: Flags::of(&[Pubsub, NoScript, Loading, Stale]),
        keys: &[KeySpec::range(1, -1, 1, &[NotKey])],
        since: "7.0.0",
        summary: "Ends subscriptions to shard channels.",
        complexity: "O(N) in the channels",
        arguments: &[Argument::new("shardchannel", String).optional().multiple()],
        route: Route::Session(Sunsubscribe),
        ..ROW
    },
    Command {
        name: "unsubscribe",
        flags: Flags::of(&[Pubsub, NoScript, Loading, Stale]),
        since: "2.0.0",
        summary: "Ends subscriptions to channels.",
        complexity: "O(N) in the channels",
        arguments: &[Argument::new("channel", String).optional().multiple()],
        route: Route::Session(Unsubscribe),
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
        complexity: "O(N) in the channels",
        arguments: &[Argument::new("pattern", Pattern).optional()],
        route: Route::Read(pubsub::channels),
        ..ROW
    },
    Command {
        name: "help",
        parent: Some("pubsub"),
        arity: 2,
        flags: Flags::of(&[Loading, Stale]),
        since: "6.2.0",
        summary: "Describes the subcommands.",
        stateless: true,
        route: Route::Read(introspection::help),
        ..ROW
    },
    Command {
        name: "numpat",
        parent: Some("pubsub"),
        arity: 2,
        flags: Flags::of(&[Pubsub, Loading, Stale]),
        since: "2.8.0",
        summary: "Counts the subscribed patterns.",
        route: Route::Read(pubsub::numpat),
        ..ROW
    },
    Command {
        name: "numsub",
        parent: Some("pubsub"),
        arity: -2,
        flags: Flags::of(&[Pubsub, Loading, Stale]),
        since: "2.8.0",
        summary: "Counts the subscribers of channels.",
        complexity: "O(N) in the channels",
        arguments: &[Argument::new("channel", String).optional().multiple()],
        route: Route::Read(pubsub::numsub),
        ..ROW
    },
    Command {
        name: "shardchannels",
        parent: Some("pubsub"),
        arity: -2,
        flags: Flags::of(&[Pubsub, Loading, Stale]),
        since: "7.0.0",
        summary: "Lists the active shard channels.",
        complexity: "O(N) in the channels",
        arguments: &[Argument::new("pattern", Pattern).optional()],
        route: Route::Read(pubsub::shardchannels),
        ..ROW
    },
    Command {
        name: "shardnumsub",
        parent: Some("pubsub"),
        arity: -2,
        flags: Flags::of(&[Pubsub, Loading, Stale]),
        since: "7.0.0",
        summary: "Counts the subscribers of shard channels.",
        complexity: "O(N) in the channels",
        arguments: &[Argument::new("shardchannel", String).optional().multiple()],
        route: Route::Read(pubsub::shardnumsub),
        ..ROW
    },
];
