//! Rows of the geo group.

use crate::Flag::{DenyOom, MovableKeys, Readonly, Write};
use crate::KeyFlag::{Access, Ow, Ro, Rw, Update};
use crate::{Categories, Category, Command, Flags, Group, KeySpec};

const ROW: Command =
    Command { group: Group::Geo, categories: Categories::of(&[Category::Geo]), ..Command::ROW };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "geoadd",
        arity: -5,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Rw, Update])],
        since: "3.2.0",
        summary: "Adds places to a geographic index.",
        ..ROW
    },
    Command {
        name: "geodist",
        arity: -4,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "3.2.0",
        summary: "Returns the distance between two places.",
        ..ROW
    },
    Command {
        name: "geohash",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "3.2.0",
        summary: "Returns places as geohash strings.",
        ..ROW
    },
    Command {
        name: "geopos",
        arity: -2,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "3.2.0",
        summary: "Returns the coordinates of places.",
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
        summary: "Finds, and can store, the places around a point.",
        ..ROW
    },
    Command {
        name: "georadius_ro",
        arity: -6,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "3.2.10",
        deprecated: Some(("6.2.0", "GEOSEARCH")),
        summary: "Finds the places around a point.",
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
        summary: "Finds, and can store, the places around another place.",
        ..ROW
    },
    Command {
        name: "georadiusbymember_ro",
        arity: -5,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "3.2.10",
        deprecated: Some(("6.2.0", "GEOSEARCH")),
        summary: "Finds the places around another place.",
        ..ROW
    },
    Command {
        name: "geosearch",
        arity: -7,
        flags: Flags::of(&[Readonly]),
        keys: &[KeySpec::at(1, &[Ro, Access])],
        since: "6.2.0",
        summary: "Finds the places within a circle or a box.",
        ..ROW
    },
    Command {
        name: "geosearchstore",
        arity: -8,
        flags: Flags::of(&[Write, DenyOom]),
        keys: &[KeySpec::at(1, &[Ow, Update]), KeySpec::at(2, &[Ro, Access])],
        since: "6.2.0",
        summary: "Stores the places within a circle or a box.",
        ..ROW
    },
];
