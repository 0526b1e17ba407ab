//! Rows of the geo group.

use crate::Flag::{DenyOom, MovableKeys, Readonly, Write};
use crate::KeyFlag::{Access, Ow, Ro, Rw, Update};
use crate::command::ArgumentKind::{Double, Integer, String};
use crate::geo::{places, search};
use crate::{Argument, Categories, Category, Command, Flags, Group, KeySpec, Route};

const ROW: Command =
    Command { group: Group::Geo, categories: Categories::of(&[Category::Geo]), ..Command::ROW };

const CONDITION: Argument =
    Argument::one_of("condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")]).optional();
const UNIT: Argument = Argument::one_of(
    "unit",
    &[
        Argument::word("m", "M"),
        Argument::word("km", "KM"),
        Argument::word("ft", "FT"),
        Argument::word("mi", "MI"),
    ],
);
const COUNT: Argument = Argument::block(
    "count-block",
    &[Argument::new("count", Integer).token("COUNT"), Argument::word("any", "ANY").optional()],
)
.optional();
const ORDER: Argument =
    Argument::one_of("order", &[Argument::word("asc", "ASC"), Argument::word("desc", "DESC")]).optional();
const FROM: Argument = Argument::one_of(
    "from",
    &[
        Argument::new("member", String).token("FROMMEMBER"),
        Argument::block(
            "fromlonlat",
            &[Argument::new("longitude", Double), Argument::new("latitude", Double)],
        )
        .token("FROMLONLAT"),
    ],
);
const BY: Argument = Argument::one_of(
    "by",
    &[
        Argument::block("circle", &[Argument::new("radius", Double).token("BYRADIUS"), UNIT]),
        Argument::block(
            "box",
            &[Argument::new("width", Double).token("BYBOX"), Argument::new("height", Double), UNIT],
        ),
    ],
);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "geoadd",
        arity: -5,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "3.2.0",
        complexity: "O(N*log(M)) for N places added to M",
        summary: "Adds places to a geographic index.",
        arguments: &[
            Argument::key("key"),
            CONDITION,
            Argument::word("change", "CH").optional(),
            Argument::block(
                "data",
                &[
                    Argument::new("longitude", Double),
                    Argument::new("latitude", Double),
                    Argument::new("member", String),
                ],
            )
            .multiple(),
        ],
        route: Route::Write(places::geoadd),
        ..ROW
    },
    Command {
        name: "geodist",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "3.2.0",
        summary: "Returns the distance between two places.",
        arguments: &[
            Argument::key("key"),
            Argument::new("member1", String),
            Argument::new("member2", String),
            UNIT.optional(),
        ],
        route: Route::Read(places::geodist),
        ..ROW
    },
    Command {
        name: "geohash",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "3.2.0",
        complexity: "O(N) in the members",
        summary: "Returns places as geohash strings.",
        arguments: &[Argument::key("key"), Argument::new("member", String).optional().multiple()],
        route: Route::Read(places::geohash),
        ..ROW
    },
    Command {
        name: "geopos",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "3.2.0",
        complexity: "O(N) in the members",
        summary: "Returns the coordinates of places.",
        arguments: &[Argument::key("key"), Argument::new("member", String).optional().multiple()],
        route: Route::Read(places::geopos),
        ..ROW
    },
    Command {
        name: "georadius",
        arity: -6,
        flags: Flags::of(&[Write, DenyOom, MovableKeys]),
        keys: &[
            KeySpec::at(1, &[Ro, Access]),
            KeySpec::after("STORE", 6, 0, 1, 0, &[Ow, Update]),
            KeySpec::after("STOREDIST", 6, 0, 1, 0, &[Ow, Update]),
        ],
        since: "3.2.0",
        deprecated: Some(("6.2.0", "GEOSEARCH and GEOSEARCHSTORE")),
        complexity: "O(N+log(M)) for N members around the area and M in the index",
        summary: "Finds, and can store, the places around a point.",
        arguments: &[
            Argument::key("key"),
            Argument::new("longitude", Double),
            Argument::new("latitude", Double),
            Argument::new("radius", Double),
            UNIT,
            Argument::word("withcoord", "WITHCOORD").optional(),
            Argument::word("withdist", "WITHDIST").optional(),
            Argument::word("withhash", "WITHHASH").optional(),
            COUNT,
            ORDER,
            Argument::one_of(
                "store",
                &[
                    Argument::key("storekey").spec(1).token("STORE"),
                    Argument::key("storedistkey").spec(2).token("STOREDIST"),
                ],
            )
            .optional(),
        ],
        route: Route::Write(search::georadius),
        ..ROW
    },
    Command {
        name: "georadius_ro",
        arity: -6,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "3.2.10",
        deprecated: Some(("6.2.0", "GEOSEARCH")),
        complexity: "O(N+log(M)) for N members around the area and M in the index",
        summary: "Finds the places around a point.",
        arguments: &[
            Argument::key("key"),
            Argument::new("longitude", Double),
            Argument::new("latitude", Double),
            Argument::new("radius", Double),
            UNIT,
            Argument::word("withcoord", "WITHCOORD").optional(),
            Argument::word("withdist", "WITHDIST").optional(),
            Argument::word("withhash", "WITHHASH").optional(),
            COUNT,
            ORDER,
        ],
        route: Route::Read(search::georadius_ro),
        ..ROW
    },
    Command {
        name: "georadiusbymember",
        arity: -5,
        flags: Flags::of(&[Write, DenyOom, MovableKeys]),
        keys: &[
            KeySpec::at(1, &[Ro, Access]),
            KeySpec::after("STORE", 5, 0, 1, 0, &[Ow, Update]),
            KeySpec::after("STOREDIST", 5, 0, 1, 0, &[Ow, Update]),
        ],
        since: "3.2.0",
        deprecated: Some(("6.2.0", "GEOSEARCH and GEOSEARCHSTORE")),
        complexity: "O(N+log(M)) for N members around the area and M in the index",
        summary: "Finds, and can store, the places around another place.",
        arguments: &[
            Argument::key("key"),
            Argument::new("member", String),
            Argument::new("radius", Double),
            UNIT,
            Argument::word("withcoord", "WITHCOORD").optional(),
            Argument::word("withdist", "WITHDIST").optional(),
            Argument::word("withhash", "WITHHASH").optional(),
            COUNT,
            ORDER,
            Argument::one_of(
                "store",
                &[
                    Argument::key("storekey").spec(1).token("STORE"),
                    Argument::key("storedistkey").spec(2).token("STOREDIST"),
                ],
            )
            .optional(),
        ],
        route: Route::Write(search::georadiusbymember),
        ..ROW
    },
    Command {
        name: "georadiusbymember_ro",
        arity: -5,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "3.2.10",
        deprecated: Some(("6.2.0", "GEOSEARCH")),
        complexity: "O(N+log(M)) for N members around the area and M in the index",
        summary: "Finds the places around another place.",
        arguments: &[
            Argument::key("key"),
            Argument::new("member", String),
            Argument::new("radius", Double),
            UNIT,
            Argument::word("withcoord", "WITHCOORD").optional(),
            Argument::word("withdist", "WITHDIST").optional(),
            Argument::word("withhash", "WITHHASH").optional(),
            COUNT,
            ORDER,
        ],
        route: Route::Read(search::georadiusbymember_ro),
        ..ROW
    },
    Command {
        name: "geosearch",
        arity: -7,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "6.2.0",
        complexity: "O(N+log(M)) for N members around the area and M in the index",
        summary: "Finds the places within a circle or a box.",
        arguments: &[
            Argument::key("key"),
            FROM,
            BY,
            ORDER,
            COUNT,
            Argument::word("withcoord", "WITHCOORD").optional(),
            Argument::word("withdist", "WITHDIST").optional(),
            Argument::word("withhash", "WITHHASH").optional(),
        ],
        route: Route::Read(search::geosearch),
        ..ROW
    },
    Command {
        name: "geosearchstore",
        arity: -8,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::at(2, &[Ro, Access])],
        since: "6.2.0",
        complexity: "O(N+log(M)) for N members around the area and M in the index",
        summary: "Stores the places within a circle or a box.",
        arguments: &[
            Argument::key("destination"),
            Argument::key("source").spec(1),
            FROM,
            BY,
            ORDER,
            COUNT,
            Argument::word("storedist", "STOREDIST").optional(),
        ],
        route: Route::Write(search::geosearchstore),
        ..ROW
    },
];
