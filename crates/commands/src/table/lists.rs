//! Rows of the list group.

use crate::Flag::{Blocking, DenyOom, Fast, MovableKeys, NoScript, Readonly, Write};
use crate::KeyFlag::{Access, Delete, Insert, Ro, Rw, Update};
use crate::command::ArgumentKind::{Double, Integer, String};
use crate::lists::{blocking, changing, moving, popping, pushing, reading};
use crate::{Argument, Categories, Category, Command, Flags, Group, KeySpec, Route};

const ROW: Command =
    Command { group: Group::List, categories: Categories::of(&[Category::List]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "blmove",
        arity: 6,
        flags: Flags::of(&[Write, DenyOom, NoScript, Blocking]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete]), KeySpec::at(2, &[Rw, Insert])],
        since: "6.2.0",
        summary: "Moves an element from one list to another, or waits for one.",
        arguments: &[
            Argument::key("source"),
            Argument::key("destination").spec(1),
            Argument::one_of(
                "wherefrom",
                &[Argument::word("left", "LEFT"), Argument::word("right", "RIGHT")],
            ),
            Argument::one_of("whereto", &[Argument::word("left", "LEFT"), Argument::word("right", "RIGHT")]),
            Argument::new("timeout", Double),
        ],
        route: Route::Write(blocking::blmove),
        ..ROW
    },
    Command {
        name: "blmpop",
        arity: -5,
        flags: Flags::of(&[Write, Blocking, MovableKeys]),
        keys: &[KeySpec::counted(2, &[Rw, Access, Delete])],
        since: "7.0.0",
        complexity: "O(N+M) in the keys and the elements returned",
        summary: "Pops from the first non-empty of several lists, or waits.",
        arguments: &[
            Argument::new("timeout", Double),
            Argument::new("numkeys", Integer),
            Argument::key("key").multiple(),
            Argument::one_of("where", &[Argument::word("left", "LEFT"), Argument::word("right", "RIGHT")]),
            Argument::new("count", Integer).token("COUNT").optional(),
        ],
        route: Route::Write(blocking::blmpop),
        ..ROW
    },
    Command {
        name: "blpop",
        arity: -3,
        flags: Flags::of(&[Write, NoScript, Blocking]),
        keys: &[KeySpec::range(1, -2, 1, &[Rw, Access, Delete])],
        since: "2.0.0",
        complexity: "O(N) in the keys",
        summary: "Pops the first element, or waits for one.",
        arguments: &[Argument::key("key").multiple(), Argument::new("timeout", Double)],
        route: Route::Write(blocking::blpop),
        ..ROW
    },
    Command {
        name: "brpop",
        arity: -3,
        flags: Flags::of(&[Write, NoScript, Blocking]),
        keys: &[KeySpec::range(1, -2, 1, &[Rw, Access, Delete])],
        since: "2.0.0",
        complexity: "O(N) in the keys",
        summary: "Pops the last element, or waits for one.",
        arguments: &[Argument::key("key").multiple(), Argument::new("timeout", Double)],
        route: Route::Write(blocking::brpop),
        ..ROW
    },
    Command {
        name: "brpoplpush",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom, NoScript, Blocking]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete]), KeySpec::at(2, &[Rw, Insert])],
        since: "2.2.0",
        deprecated: Some(("6.2.0", "BLMOVE")),
        summary: "Moves the last element of a list to the head of another, or waits for one.",
        arguments: &[
            Argument::key("source"),
            Argument::key("destination").spec(1),
            Argument::new("timeout", Double),
        ],
        route: Route::Write(blocking::brpoplpush),
        ..ROW
    },
    Command {
        name: "lindex",
        arity: 3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        complexity: "O(N) in the elements of a node",
        summary: "Returns the element at an index.",
        arguments: &[Argument::key("key"), Argument::new("index", Integer)],
        route: Route::Read(reading::lindex),
        ..ROW
    },
    Command {
        name: "linsert",
        arity: 5,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        since: "2.2.0",
        complexity: "O(N) in the elements before the pivot",
        summary: "Inserts an element before or after another.",
        arguments: &[
            Argument::key("key"),
            Argument::one_of(
                "where",
                &[Argument::word("before", "BEFORE"), Argument::word("after", "AFTER")],
            ),
            Argument::new("pivot", String),
            Argument::new("element", String),
        ],
        route: Route::Write(pushing::linsert),
        ..ROW
    },
    Command {
        name: "llen",
        arity: 2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro])],
        summary: "Counts a list's elements.",
        arguments: &[Argument::key("key")],
        route: Route::Read(reading::llen),
        ..ROW
    },
    Command {
        name: "lmove",
        arity: 5,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete]), KeySpec::at(2, &[Rw, Insert])],
        since: "6.2.0",
        summary: "Moves an element from one list to another.",
        arguments: &[
            Argument::key("source"),
            Argument::key("destination").spec(1),
            Argument::one_of(
                "wherefrom",
                &[Argument::word("left", "LEFT"), Argument::word("right", "RIGHT")],
            ),
            Argument::one_of("whereto", &[Argument::word("left", "LEFT"), Argument::word("right", "RIGHT")]),
        ],
        route: Route::Write(moving::lmove),
        ..ROW
    },
    Command {
        name: "lmpop",
        arity: -4,
        flags: Flags::of(&[Write, MovableKeys]),
        keys: &[KeySpec::counted(1, &[Rw, Access, Delete])],
        since: "7.0.0",
        complexity: "O(N+M) in the keys and the elements returned",
        summary: "Pops from the first non-empty of several lists.",
        arguments: &[
            Argument::new("numkeys", Integer),
            Argument::key("key").multiple(),
            Argument::one_of("where", &[Argument::word("left", "LEFT"), Argument::word("right", "RIGHT")]),
            Argument::new("count", Integer).token("COUNT").optional(),
        ],
        route: Route::Write(popping::lmpop),
        ..ROW
    },
    Command {
        name: "lpop",
        arity: -2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete])],
        complexity: "O(N) in the elements returned",
        summary: "Pops the first elements.",
        arguments: &[Argument::key("key"), Argument::new("count", Integer).optional()],
        route: Route::Write(popping::lpop),
        ..ROW
    },
    Command {
        name: "lpos",
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "6.0.6",
        complexity: "O(N) in the elements compared",
        summary: "Returns where an element is.",
        arguments: &[
            Argument::key("key"),
            Argument::new("element", String),
            Argument::new("rank", Integer).token("RANK").optional(),
            Argument::new("num-matches", Integer).token("COUNT").optional(),
            Argument::new("len", Integer).token("MAXLEN").optional(),
        ],
        route: Route::Read(reading::lpos),
        ..ROW
    },
    Command {
        name: "lpush",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        complexity: "O(N) in the elements",
        summary: "Puts elements at the head of a list.",
        arguments: &[Argument::key("key"), Argument::new("element", String).multiple()],
        route: Route::Write(pushing::lpush),
        ..ROW
    },
    Command {
        name: "lpushx",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        since: "2.2.0",
        complexity: "O(N) in the elements",
        summary: "Puts elements at the head of an existing list.",
        arguments: &[Argument::key("key"), Argument::new("element", String).multiple()],
        route: Route::Write(pushing::lpushx),
        ..ROW
    },
    Command {
        name: "lrange",
        arity: 4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        complexity: "O(log(S)+N) in the size of the list and the elements returned",
        summary: "Returns a range of elements.",
        arguments: &[Argument::key("key"), Argument::new("start", Integer), Argument::new("stop", Integer)],
        route: Route::Read(reading::lrange),
        ..ROW
    },
    Command {
        name: "lrem",
        arity: 4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        complexity: "O(N) in the size of the list",
        summary: "Removes elements that equal a value.",
        arguments: &[Argument::key("key"), Argument::new("count", Integer), Argument::new("element", String)],
        route: Route::Write(changing::lrem),
        ..ROW
    },
    Command {
        name: "lset",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        complexity: "O(N) in the elements of a node",
        summary: "Replaces the element at an index.",
        arguments: &[Argument::key("key"), Argument::new("index", Integer), Argument::new("element", String)],
        route: Route::Write(changing::lset),
        ..ROW
    },
    Command {
        name: "ltrim",
        arity: 4,
        flags: Flags::of(&[Write]),
        keys: &[KeySpec::at(1, &[Rw, Delete])],
        complexity: "O(N) in the elements removed",
        summary: "Keeps only a range of elements.",
        arguments: &[Argument::key("key"), Argument::new("start", Integer), Argument::new("stop", Integer)],
        route: Route::Write(changing::ltrim),
        ..ROW
    },
    Command {
        name: "rpop",
        arity: -2,
        flags: Flags::of(&[Write, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete])],
        complexity: "O(N) in the elements returned",
        summary: "Pops the last elements.",
        arguments: &[Argument::key("key"), Argument::new("count", Integer).optional()],
        route: Route::Write(popping::rpop),
        ..ROW
    },
    Command {
        name: "rpoplpush",
        arity: 3,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Access, Delete]), KeySpec::at(2, &[Rw, Insert])],
        since: "1.2.0",
        deprecated: Some(("6.2.0", "LMOVE")),
        summary: "Moves the last element of a list to the head of another.",
        arguments: &[Argument::key("source"), Argument::key("destination").spec(1)],
        route: Route::Write(moving::rpoplpush),
        ..ROW
    },
    Command {
        name: "rpush",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        complexity: "O(N) in the elements",
        summary: "Puts elements at the end of a list.",
        arguments: &[Argument::key("key"), Argument::new("element", String).multiple()],
        route: Route::Write(pushing::rpush),
        ..ROW
    },
    Command {
        name: "rpushx",
        arity: -3,
        flags: Flags::of(&[Write, DenyOom, Fast]),
        keys: &[KeySpec::at(1, &[Rw, Insert])],
        since: "2.2.0",
        complexity: "O(N) in the elements",
        summary: "Puts elements at the end of an existing list.",
        arguments: &[Argument::key("key"), Argument::new("element", String).multiple()],
        route: Route::Write(pushing::rpushx),
        ..ROW
    },
];
