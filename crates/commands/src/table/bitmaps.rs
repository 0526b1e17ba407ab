//! Rows of the bitmap group.

use crate::Flag::{DenyOom, Fast, Readonly, Write};
use crate::KeyFlag::{Access, Ow, Ro, Rw, Update, VariableFlags};
use crate::bitmaps::{combine, count, field, single};
use crate::command::ArgumentKind::{Integer, String};
use crate::{Argument, Categories, Category, Command, Flags, Group, KeySpec, Route};

const UNIT: &[Argument] = &[Argument::word("byte", "BYTE"), Argument::word("bit", "BIT")];
const GET: Argument =
    Argument::block("get-block", &[Argument::new("encoding", String), Argument::new("offset", Integer)])
        .token("GET");

const ROW: Command =
    Command { group: Group::Bitmap, categories: Categories::of(&[Category::Bitmap]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "bitcount",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Counts the bits that are set.",
        arguments: &[
            Argument::key("key"),
            Argument::block(
                "range",
                &[
                    Argument::new("start", Integer),
                    Argument::new("end", Integer),
                    Argument::one_of("unit", UNIT).optional(),
                ],
            )
            .optional(),
        ],
        route: Route::Read(count::bitcount),
        ..ROW
    },
    Command {
        name: "bitfield",
        arity: -2,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update, VariableFlags])],
        since: "3.2.0",
        complexity: "O(1) for each step",
        summary: "Reads and changes integers of any width in a string.",
        arguments: &[
            Argument::key("key"),
            Argument::one_of(
                "operation",
                &[
                    GET,
                    Argument::block(
                        "write",
                        &[
                            Argument::one_of(
                                "overflow-block",
                                &[
                                    Argument::word("wrap", "WRAP"),
                                    Argument::word("sat", "SAT"),
                                    Argument::word("fail", "FAIL"),
                                ],
                            )
                            .token("OVERFLOW")
                            .optional(),
                            Argument::one_of(
                                "write-operation",
                                &[
                                    Argument::block(
                                        "set-block",
                                        &[
                                            Argument::new("encoding", String),
                                            Argument::new("offset", Integer),
                                            Argument::new("value", Integer),
                                        ],
                                    )
                                    .token("SET"),
                                    Argument::block(
                                        "incrby-block",
                                        &[
                                            Argument::new("encoding", String),
                                            Argument::new("offset", Integer),
                                            Argument::new("increment", Integer),
                                        ],
                                    )
                                    .token("INCRBY"),
                                ],
                            ),
                        ],
                    ),
                ],
            )
            .optional()
            .multiple(),
        ],
        route: Route::Write(field::bitfield),
        narrow_key_flags: Some(field::key_flags),
        ..ROW
    },
    Command {
        name: "bitfield_ro",
        arity: -2,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "6.0.0",
        complexity: "O(1) for each step",
        summary: "Reads integers of any width in a string.",
        arguments: &[Argument::key("key"), GET.optional().multiple_token()],
        route: Route::Read(field::bitfield_ro),
        ..ROW
    },
    Command {
        name: "bitop",
        arity: -4,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(2, &[Ow, Update]), KeySpec::range(3, -1, 1, &[Ro, Access])],
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Combines strings bit by bit.",
        arguments: &[
            Argument::one_of(
                "operation",
                &[
                    Argument::word("and", "AND"),
                    Argument::word("or", "OR"),
                    Argument::word("xor", "XOR"),
                    Argument::word("not", "NOT"),
                ],
            ),
            Argument::key("destkey"),
            Argument::key("key").spec(1).multiple(),
        ],
        route: Route::Write(combine::bitop),
        ..ROW
    },
    Command {
        name: "bitpos",
        arity: -3,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.8.7",
        complexity: "O(N)",
        summary: "Finds the first bit that is set or clear.",
        arguments: &[
            Argument::key("key"),
            Argument::new("bit", Integer),
            Argument::block(
                "range",
                &[
                    Argument::new("start", Integer),
                    Argument::block(
                        "end-unit-block",
                        &[Argument::new("end", Integer), Argument::one_of("unit", UNIT).optional()],
                    )
                    .optional(),
                ],
            )
            .optional(),
        ],
        route: Route::Read(count::bitpos),
        ..ROW
    },
    Command {
        name: "getbit",
        arity: 3,
        flags: Flags::of(&[Readonly, Fast]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "2.2.0",
        summary: "Returns one bit.",
        arguments: &[Argument::key("key"), Argument::new("offset", Integer)],
        route: Route::Read(single::getbit),
        ..ROW
    },
    Command {
        name: "setbit",
        arity: 4,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Access, Update])],
        since: "2.2.0",
        summary: "Sets or clears one bit.",
        arguments: &[Argument::key("key"), Argument::new("offset", Integer), Argument::new("value", Integer)],
        route: Route::Write(single::setbit),
        ..ROW
    },
];
