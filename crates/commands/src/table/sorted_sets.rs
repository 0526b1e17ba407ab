//! Rows of the sorted set group.

use crate::Flag::{Blocking, DenyOom, Fast, MovableKeys, NoScript, Readonly, Write};
use crate::KeyFlag::{Access, Delete, Ow, Ro, Rw, Update};
use crate::{Categories, Category, Command, Flags, Group, KeySpec};

const ROW: Command =
    Command { group: Group::SortedSet, categories: Categories::of(&[Category::SortedSet]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "bzmpop",
        arity: -5,
        flags: Flags::of(&[Write, Blocking, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Rw, Access, Delete])],
        since: "7.0.0",
        summary: "Pops from the first non-empty of several sorted sets, or waits.",
        ..ROW
    },
    Command {
        name: "bzpopmax",
        arity: -3,
        flags: Flags::of(&[Write, NoScript, Blocking, Fast]),
        keys: &[KeySpec::range(1, -2, 1, &[Rw, Access, Delete])],
        since: "5.0.0",
        summary: "Pops the member with the highest score, or waits for one.",
        ..ROW
    },
    Command {
        name: "bzpopmin",
        arity: -3,
        flags: Flags::of(&[Write, NoScript, Blocking, Fast]),
        keys: &[KeySpec::range(1, -2, 1, &[Rw, Access, Delete])],
        since: "5.0.0",
        summary: "Pops the member with the lowest score, or waits for one.",
        ..ROW
    },
    Command {
        name: "zadd",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "1.2.0",
        summary: "Adds members with scores, or changes their scores.",
        ..ROW
    },
    Command {
        name: "zcard",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        since: "1.2.0",
        summary: "Counts a sorted set's members.",
        ..ROW
    },
    Command {
        name: "zcount",
        arity: 4,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.0.0",
        summary: "Counts the members within a range of scores.",
        ..ROW
    },
    Command {
        name: "zdiff",
        arity: -3,
        flags: Flags::of(&[Readonly, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Ro, Access])],
        since: "6.2.0",
        summary: "Returns what the first sorted set has and the others lack.",
        ..ROW
    },
    Command {
        name: "zdiffstore",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom, MovableKeys]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::counted(2, &[Ro, Access])],
        since: "6.2.0",
        summary: "Stores what the first sorted set has and the others lack.",
        ..ROW
    },
    Command {
        name: "zincrby",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        since: "1.2.0",
        summary: "Adds to a member's score.",
        ..ROW
    },
    Command {
        name: "zinter",
        arity: -3,
        flags: Flags::of(&[Readonly, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Ro, Access])],
        since: "6.2.0",
        summary: "Returns what all sorted sets have in common.",
        ..ROW
    },
    Command {
        name: "zintercard",
        arity: -3,
        flags: Flags::of(&[Readonly, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Ro, Access])],
        since: "7.0.0",
        summary: "Counts what all sorted sets have in common.",
        ..ROW
    },
    Command {
        name: "zinterstore",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom, MovableKeys]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::counted(2, &[Ro, Access])],
        since: "2.0.0",
        summary: "Stores what all sorted sets have in common.",
        ..ROW
    },
    Command {
        name: "zlexcount",
        arity: 4,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.8.9",
        summary: "Counts the members within a lexicographic range.",
        ..ROW
    },
    Command {
        name: "zmpop",
        arity: -4,
        flags: Flags::of(&[Write, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Rw, Access, Delete])],
        since: "7.0.0",
        summary: "Pops from the first non-empty of several sorted sets.",
        ..ROW
    },
    Command {
        name: "zmscore",
        arity: -3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "6.2.0",
        summary: "Returns the scores of several members.",
        ..ROW
    },
    Command {
        name: "zpopmax",
        arity: -2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete])],
        since: "5.0.0",
        summary: "Pops the members with the highest scores.",
        ..ROW
    },
    Command {
        name: "zpopmin",
        arity: -2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete])],
        since: "5.0.0",
        summary: "Pops the members with the lowest scores.",
        ..ROW
    },
    Command {
        name: "zrandmember",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        summary: "Returns members chosen at random.",
        ..ROW
    },
    Command {
        name: "zrange",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "1.2.0",
        summary: "Returns a range of members by rank, score or name.",
        ..ROW
    },
    Command {
        name: "zrangebylex",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.8.9",
        deprecated: Some(("6.2.0", "ZRANGE with BYLEX")),
        summary: "Returns a lexicographic range of members.",
        ..ROW
    },
    Command {
        name: "zrangebyscore",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "1.0.5",
        deprecated: Some(("6.2.0", "ZRANGE with BYSCORE")),
        summary: "Returns the members within a range of scores.",
        ..ROW
    },
    Command {
        name: "zrangestore",
        arity: -5,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::at(2, &[Ro, Access])],
        since: "6.2.0",
        summary: "Stores a range of members.",
        ..ROW
    },
    Command {
        name: "zrank",
        arity: 3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.0.0",
        summary: "Returns a member's rank, lowest score first.",
        ..ROW
    },
    Command {
        name: "zrem",
        arity: -3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        since: "1.2.0",
        summary: "Removes members.",
        ..ROW
    },
    Command {
        name: "zremrangebylex",
        arity: 4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        since: "2.8.9",
        summary: "Removes a lexicographic range of members.",
        ..ROW
    },
    Command {
        name: "zremrangebyrank",
        arity: 4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        since: "2.0.0",
        summary: "Removes a range of members by rank.",
        ..ROW
    },
    Command {
        name: "zremrangebyscore",
        arity: 4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        since: "1.2.0",
        summary: "Removes the members within a range of scores.",
        ..ROW
    },
    Command {
        name: "zrevrange",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "1.2.0",
        deprecated: Some(("6.2.0", "ZRANGE with REV")),
        summary: "Returns a range of members by rank, highest score first.",
        ..ROW
    },
    Command {
        name: "zrevrangebylex",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.8.9",
        deprecated: Some(("6.2.0", "ZRANGE with REV and BYLEX")),
        summary: "Returns a lexicographic range of members, backwards.",
        ..ROW
    },
    Command {
        name: "zrevrangebyscore",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.2.0",
        deprecated: Some(("6.2.0", "ZRANGE with REV and BYSCORE")),
        summary: "Returns the members within a range of scores, highest first.",
        ..ROW
    },
    Command {
        name: "zrevrank",
        arity: 3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.0.0",
        summary: "Returns a member's rank, highest score first.",
        ..ROW
    },
    Command {
        name: "zscan",
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "2.8.0",
        summary: "Walks members and scores with a cursor.",
        ..ROW
    },
    Command {
        name: "zscore",
        arity: 3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "1.2.0",
        summary: "Returns a member's score.",
        ..ROW
    },
    Command {
        name: "zunion",
        arity: -3,
        flags: Flags::of(&[Readonly, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Ro, Access])],
        since: "6.2.0",
        summary: "Returns the union of sorted sets.",
        ..ROW
    },
    Command {
        name: "zunionstore",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom, MovableKeys]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::counted(2, &[Ro, Access])],
        since: "2.0.0",
        summary: "Stores the union of sorted sets.",
        ..ROW
    },
];
