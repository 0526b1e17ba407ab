//! Rows of the sorted set group.

use crate::Flag::{Blocking, DenyOom, Fast, MovableKeys, NoScript, Readonly, Write};
use crate::KeyFlag::{Access, Delete, Ow, Ro, Rw, Update};
use crate::command::ArgumentKind::{Double, Integer, Pattern, String};
use crate::sorted_sets::{blocking, combining, popping, random, range, reading, removing, walk, writing};
use crate::{Argument, Categories, Category, Command, Flags, Group, KeySpec, Route};

const ROW: Command =
    Command { group: Group::SortedSet, categories: Categories::of(&[Category::SortedSet]), ..Command::ROW };

const CONDITION: Argument =
    Argument::one_of("condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")]).optional();
const COMPARISON: Argument =
    Argument::one_of("comparison", &[Argument::word("gt", "GT"), Argument::word("lt", "LT")]).optional();
const SORT_BY: Argument =
    Argument::one_of("sortby", &[Argument::word("byscore", "BYSCORE"), Argument::word("bylex", "BYLEX")])
        .optional();
const LIMIT: Argument =
    Argument::block("limit", &[Argument::new("offset", Integer), Argument::new("count", Integer)])
        .token("LIMIT")
        .optional();
const WEIGHTS: Argument = Argument::new("weight", Integer).token("WEIGHTS").optional().multiple();
const AGGREGATE: Argument = Argument::one_of(
    "aggregate",
    &[Argument::word("sum", "SUM"), Argument::word("min", "MIN"), Argument::word("max", "MAX")],
)
.token("AGGREGATE")
.optional();

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "bzmpop",
        arity: -5,
        flags: Flags::of(&[Write, Blocking, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Rw, Access, Delete])],
        since: "7.0.0",
        complexity: "O(K+M*log(N)) in the keys and the members returned",
        summary: "Pops from the first non-empty of several sorted sets, or waits.",
        arguments: &[
            Argument::new("timeout", Double),
            Argument::new("numkeys", Integer),
            Argument::key("key").multiple(),
            Argument::one_of("where", &[Argument::word("min", "MIN"), Argument::word("max", "MAX")]),
            Argument::new("count", Integer).token("COUNT").optional(),
        ],
        route: Route::Write(blocking::bzmpop),
        ..ROW
    },
    Command {
        name: "bzpopmax",
        arity: -3,
        flags: Flags::of(&[Write, NoScript, Blocking, Fast]),
        keys: &[KeySpec::range(1, -2, 1, &[Rw, Access, Delete])],
        since: "5.0.0",
        complexity: "O(log(N)) in the members",
        summary: "Pops the member with the highest score, or waits for one.",
        arguments: &[Argument::key("key").multiple(), Argument::new("timeout", Double)],
        route: Route::Write(blocking::bzpopmax),
        ..ROW
    },
    Command {
        name: "bzpopmin",
        arity: -3,
        flags: Flags::of(&[Write, NoScript, Blocking, Fast]),
        keys: &[KeySpec::range(1, -2, 1, &[Rw, Access, Delete])],
        since: "5.0.0",
        complexity: "O(log(N)) in the members",
        summary: "Pops the member with the lowest score, or waits for one.",
        arguments: &[Argument::key("key").multiple(), Argument::new("timeout", Double)],
        route: Route::Write(blocking::bzpopmin),
        ..ROW
    },
    Command {
        name: "zadd",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "1.2.0",
        complexity: "O(M*log(N)) for M members of a set of N",
        summary: "Adds members with scores, or changes their scores.",
        arguments: &[
            Argument::key("key"),
            CONDITION,
            COMPARISON,
            Argument::word("change", "CH").optional(),
            Argument::word("increment", "INCR").optional(),
            Argument::block("data", &[Argument::new("score", Double), Argument::new("member", String)])
                .multiple(),
        ],
        route: Route::Write(writing::zadd),
        ..ROW
    },
    Command {
        name: "zcard",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        since: "1.2.0",
        summary: "Counts a sorted set's members.",
        arguments: &[Argument::key("key")],
        route: Route::Read(reading::zcard),
        ..ROW
    },
    Command {
        name: "zcount",
        arity: 4,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.0.0",
        complexity: "O(log(N)) in the size of the set",
        summary: "Counts the members within a range of scores.",
        arguments: &[Argument::key("key"), Argument::new("min", Double), Argument::new("max", Double)],
        route: Route::Read(reading::zcount),
        ..ROW
    },
    Command {
        name: "zdiff",
        arity: -3,
        flags: Flags::of(&[Readonly, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Ro, Access])],
        since: "6.2.0",
        complexity: "O(N*K+M*log(M)) for a first set of N among K, and M members left",
        summary: "Returns what the first sorted set has and the others lack.",
        arguments: &[
            Argument::new("numkeys", Integer),
            Argument::key("key").multiple(),
            Argument::word("withscores", "WITHSCORES").optional(),
        ],
        route: Route::Read(combining::zdiff),
        ..ROW
    },
    Command {
        name: "zdiffstore",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom, MovableKeys]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::counted(2, &[Ro, Access])],
        since: "6.2.0",
        complexity: "O(N*K+M*log(M)) for a first set of N among K, and M members left",
        summary: "Stores what the first sorted set has and the others lack.",
        arguments: &[
            Argument::key("destination"),
            Argument::new("numkeys", Integer),
            Argument::key("key").spec(1).multiple(),
        ],
        route: Route::Write(combining::zdiffstore),
        ..ROW
    },
    Command {
        name: "zincrby",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        since: "1.2.0",
        complexity: "O(log(N)) in the size of the set",
        summary: "Adds to a member's score.",
        arguments: &[
            Argument::key("key"),
            Argument::new("increment", Integer),
            Argument::new("member", String),
        ],
        route: Route::Write(writing::zincrby),
        ..ROW
    },
    Command {
        name: "zinter",
        arity: -3,
        flags: Flags::of(&[Readonly, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Ro, Access])],
        since: "6.2.0",
        complexity: "O(N*K+M*log(M)) for a smallest set of N among K, and M members left",
        summary: "Returns what all sorted sets have in common.",
        arguments: &[
            Argument::new("numkeys", Integer),
            Argument::key("key").multiple(),
            WEIGHTS,
            AGGREGATE,
            Argument::word("withscores", "WITHSCORES").optional(),
        ],
        route: Route::Read(combining::zinter),
        ..ROW
    },
    Command {
        name: "zintercard",
        arity: -3,
        flags: Flags::of(&[Readonly, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Ro, Access])],
        since: "7.0.0",
        complexity: "O(N*K) for a smallest set of N among K",
        summary: "Counts what all sorted sets have in common.",
        arguments: &[
            Argument::new("numkeys", Integer),
            Argument::key("key").multiple(),
            Argument::new("limit", Integer).token("LIMIT").optional(),
        ],
        route: Route::Read(combining::zintercard),
        ..ROW
    },
    Command {
        name: "zinterstore",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom, MovableKeys]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::counted(2, &[Ro, Access])],
        since: "2.0.0",
        complexity: "O(N*K+M*log(M)) for a smallest set of N among K, and M members left",
        summary: "Stores what all sorted sets have in common.",
        arguments: &[
            Argument::key("destination"),
            Argument::new("numkeys", Integer),
            Argument::key("key").spec(1).multiple(),
            WEIGHTS,
            AGGREGATE,
        ],
        route: Route::Write(combining::zinterstore),
        ..ROW
    },
    Command {
        name: "zlexcount",
        arity: 4,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.8.9",
        complexity: "O(log(N)) in the size of the set",
        summary: "Counts the members within a lexicographic range.",
        arguments: &[Argument::key("key"), Argument::new("min", String), Argument::new("max", String)],
        route: Route::Read(reading::zlexcount),
        ..ROW
    },
    Command {
        name: "zmpop",
        arity: -4,
        flags: Flags::of(&[Write, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Rw, Access, Delete])],
        since: "7.0.0",
        complexity: "O(K)+O(M*log(N)) for K keys and M members taken of a set of N",
        summary: "Pops from the first non-empty of several sorted sets.",
        arguments: &[
            Argument::new("numkeys", Integer),
            Argument::key("key").multiple(),
            Argument::one_of("where", &[Argument::word("min", "MIN"), Argument::word("max", "MAX")]),
            Argument::new("count", Integer).token("COUNT").optional(),
        ],
        route: Route::Write(popping::zmpop),
        ..ROW
    },
    Command {
        name: "zmscore",
        arity: -3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "6.2.0",
        complexity: "O(N) in the members",
        summary: "Returns the scores of several members.",
        arguments: &[Argument::key("key"), Argument::new("member", String).multiple()],
        route: Route::Read(reading::zmscore),
        ..ROW
    },
    Command {
        name: "zpopmax",
        arity: -2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete])],
        since: "5.0.0",
        complexity: "O(M*log(N)) for M members taken of a set of N",
        summary: "Pops the members with the highest scores.",
        arguments: &[Argument::key("key"), Argument::new("count", Integer).optional()],
        route: Route::Write(popping::zpopmax),
        ..ROW
    },
    Command {
        name: "zpopmin",
        arity: -2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete])],
        since: "5.0.0",
        complexity: "O(M*log(N)) for M members taken of a set of N",
        summary: "Pops the members with the lowest scores.",
        arguments: &[Argument::key("key"), Argument::new("count", Integer).optional()],
        route: Route::Write(popping::zpopmin),
        ..ROW
    },
    Command {
        name: "zrandmember",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        complexity: "O(N) in the members returned",
        summary: "Returns members chosen at random.",
        arguments: &[
            Argument::key("key"),
            Argument::block(
                "options",
                &[Argument::new("count", Integer), Argument::word("withscores", "WITHSCORES").optional()],
            )
            .optional(),
        ],
        route: Route::Read(random::zrandmember),
        ..ROW
    },
    Command {
        name: "zrange",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "1.2.0",
        complexity: "O(log(N)+M) for M members of a set of N",
        summary: "Returns a range of members by rank, score or name.",
        arguments: &[
            Argument::key("key"),
            Argument::new("start", String),
            Argument::new("stop", String),
            SORT_BY,
            Argument::word("rev", "REV").optional(),
            LIMIT,
            Argument::word("withscores", "WITHSCORES").optional(),
        ],
        route: Route::Read(range::zrange),
        ..ROW
    },
    Command {
        name: "zrangebylex",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.8.9",
        deprecated: Some(("6.2.0", "ZRANGE with BYLEX")),
        complexity: "O(log(N)+M) for M members of a set of N",
        summary: "Returns a lexicographic range of members.",
        arguments: &[Argument::key("key"), Argument::new("min", String), Argument::new("max", String), LIMIT],
        route: Route::Read(range::zrangebylex),
        ..ROW
    },
    Command {
        name: "zrangebyscore",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "1.0.5",
        deprecated: Some(("6.2.0", "ZRANGE with BYSCORE")),
        complexity: "O(log(N)+M) for M members of a set of N",
        summary: "Returns the members within a range of scores.",
        arguments: &[
            Argument::key("key"),
            Argument::new("min", Double),
            Argument::new("max", Double),
            Argument::word("withscores", "WITHSCORES").optional(),
            LIMIT,
        ],
        route: Route::Read(range::zrangebyscore),
        ..ROW
    },
    Command {
        name: "zrangestore",
        arity: -5,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::at(2, &[Ro, Access])],
        since: "6.2.0",
        complexity: "O(log(N)+M) for M members of a set of N",
        summary: "Stores a range of members.",
        arguments: &[
            Argument::key("dst"),
            Argument::key("src").spec(1),
            Argument::new("min", String),
            Argument::new("max", String),
            SORT_BY,
            Argument::word("rev", "REV").optional(),
            LIMIT,
        ],
        route: Route::Write(range::zrangestore),
        ..ROW
    },
    Command {
        name: "zrank",
        arity: -3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.0.0",
        complexity: "O(log(N)) in the size of the set",
        summary: "Returns a member's rank, lowest score first.",
        arguments: &[
            Argument::key("key"),
            Argument::new("member", String),
            Argument::word("withscore", "WITHSCORE").optional(),
        ],
        route: Route::Read(reading::zrank),
        ..ROW
    },
    Command {
        name: "zrem",
        arity: -3,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        since: "1.2.0",
        complexity: "O(M*log(N)) for M members of a set of N",
        summary: "Removes members.",
        arguments: &[Argument::key("key"), Argument::new("member", String).multiple()],
        route: Route::Write(writing::zrem),
        ..ROW
    },
    Command {
        name: "zremrangebylex",
        arity: 4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        since: "2.8.9",
        complexity: "O(log(N)+M) for M members of a set of N",
        summary: "Removes a lexicographic range of members.",
        arguments: &[Argument::key("key"), Argument::new("min", String), Argument::new("max", String)],
        route: Route::Write(removing::zremrangebylex),
        ..ROW
    },
    Command {
        name: "zremrangebyrank",
        arity: 4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        since: "2.0.0",
        complexity: "O(log(N)+M) for M members of a set of N",
        summary: "Removes a range of members by rank.",
        arguments: &[Argument::key("key"), Argument::new("start", Integer), Argument::new("stop", Integer)],
        route: Route::Write(removing::zremrangebyrank),
        ..ROW
    },
    Command {
        name: "zremrangebyscore",
        arity: 4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        since: "1.2.0",
        complexity: "O(log(N)+M) for M members of a set of N",
        summary: "Removes the members within a range of scores.",
        arguments: &[Argument::key("key"), Argument::new("min", Double), Argument::new("max", Double)],
        route: Route::Write(removing::zremrangebyscore),
        ..ROW
    },
    Command {
        name: "zrevrange",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "1.2.0",
        deprecated: Some(("6.2.0", "ZRANGE with REV")),
        complexity: "O(log(N)+M) for M members of a set of N",
        summary: "Returns a range of members by rank, highest score first.",
        arguments: &[
            Argument::key("key"),
            Argument::new("start", Integer),
            Argument::new("stop", Integer),
            Argument::word("withscores", "WITHSCORES").optional(),
        ],
        route: Route::Read(range::zrevrange),
        ..ROW
    },
    Command {
        name: "zrevrangebylex",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.8.9",
        deprecated: Some(("6.2.0", "ZRANGE with REV and BYLEX")),
        complexity: "O(log(N)+M) for M members of a set of N",
        summary: "Returns a lexicographic range of members, backwards.",
        arguments: &[Argument::key("key"), Argument::new("max", String), Argument::new("min", String), LIMIT],
        route: Route::Read(range::zrevrangebylex),
        ..ROW
    },
    Command {
        name: "zrevrangebyscore",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.2.0",
        deprecated: Some(("6.2.0", "ZRANGE with REV and BYSCORE")),
        complexity: "O(log(N)+M) for M members of a set of N",
        summary: "Returns the members within a range of scores, highest first.",
        arguments: &[
            Argument::key("key"),
            Argument::new("max", Double),
            Argument::new("min", Double),
            Argument::word("withscores", "WITHSCORES").optional(),
            LIMIT,
        ],
        route: Route::Read(range::zrevrangebyscore),
        ..ROW
    },
    Command {
        name: "zrevrank",
        arity: -3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.0.0",
        complexity: "O(log(N)) in the size of the set",
        summary: "Returns a member's rank, highest score first.",
        arguments: &[
            Argument::key("key"),
            Argument::new("member", String),
            Argument::word("withscore", "WITHSCORE").optional(),
        ],
        route: Route::Read(reading::zrevrank),
        ..ROW
    },
    Command {
        name: "zscan",
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        tips: &["nondeterministic_output"],
        since: "2.8.0",
        complexity: "O(1) for every call, O(N) for the whole set",
        summary: "Walks members and scores with a cursor.",
        arguments: &[
            Argument::key("key"),
            Argument::new("cursor", Integer),
            Argument::new("pattern", Pattern).token("MATCH").optional(),
            Argument::new("count", Integer).token("COUNT").optional(),
        ],
        route: Route::Read(walk::zscan),
        ..ROW
    },
    Command {
        name: "zscore",
        arity: 3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "1.2.0",
        summary: "Returns a member's score.",
        arguments: &[Argument::key("key"), Argument::new("member", String)],
        route: Route::Read(reading::zscore),
        ..ROW
    },
    Command {
        name: "zunion",
        arity: -3,
        flags: Flags::of(&[Readonly, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Ro, Access])],
        since: "6.2.0",
        complexity: "O(N)+O(M*log(M)) for N members in all and M in the union",
        summary: "Returns the union of sorted sets.",
        arguments: &[
            Argument::new("numkeys", Integer),
            Argument::key("key").multiple(),
            WEIGHTS,
            AGGREGATE,
            Argument::word("withscores", "WITHSCORES").optional(),
        ],
        route: Route::Read(combining::zunion),
        ..ROW
    },
    Command {
        name: "zunionstore",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom, MovableKeys]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::counted(2, &[Ro, Access])],
        since: "2.0.0",
        complexity: "O(N)+O(M*log(M)) for N members in all and M in the union",
        summary: "Stores the union of sorted sets.",
        arguments: &[
            Argument::key("destination"),
            Argument::new("numkeys", Integer),
            Argument::key("key").spec(1).multiple(),
            WEIGHTS,
            AGGREGATE,
        ],
        route: Route::Write(combining::zunionstore),
        ..ROW
    },
];
