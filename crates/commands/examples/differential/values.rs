//! What stands for a single argument: few keys and words, so that commands meet, and odd numbers.

use quorate_commands::{ArgumentKind, Command, Group};

use crate::chance::Chance;

/// An argument that is no word and no list of others.
#[derive(Clone, Copy)]
pub(crate) struct Leaf {
    pub(crate) command: &'static str,
    pub(crate) group: Group,
    pub(crate) name: &'static str,
    pub(crate) kind: ArgumentKind,
}

/// Keys, by the type that they mostly hold.
pub(crate) const FAMILIES: &[&[&[u8]]] = &[
    &[b"t1", b"t2", b"t3", b"w_a", b"w_1", b"w_2"],
    &[b"l1", b"l2", b"l3"],
    &[b"s1", b"s2", b"s3", b"s4"],
    &[b"z1", b"z2", b"z3"],
    &[b"h1", b"h2"],
    &[b"x1", b"x2"],
    &[b"b1", b"b2"],
    &[b"p1", b"p2", b"p3"],
    &[b"g1", b"g2"],
    &[b"", b"k\0\xff\r\n", b"k1"],
];

/// Words for elements, members, fields and values.
pub(crate) const WORDS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"d",
    b"f1",
    b"f2",
    b"foo",
    b"bar",
    b"ohmytext",
    b"mynewtext",
    b"",
    b"0",
    b"1",
    b"2",
    b"3",
    b"-5",
    b"10",
    b"0010",
    b"3.5",
    b"300",
    b"70000",
    b"5000000000",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"inf",
    b"nan",
    b"1e5",
    b" 1",
    b"\xff\x80 \r\n\x00",
    b"hello world",
    b"a text that is longer than the sixty-four bytes that fit into a small one",
];

const INTEGERS: &[&[u8]] = &[
    b"9223372036854775807",
    b"-9223372036854775808",
    b"-9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"4294967296",
    b"2147483647",
    b"2147483648",
    b"-2147483649",
    b"1000000",
    b"abc",
    b"",
    b" 1",
    b"1 ",
    b"+1",
    b"01",
    b"-0",
    b"1.0",
    b"1e2",
    b"0x1",
    b"1\0",
    b"\xff",
    b"-",
];

const DOUBLES: &[&[u8]] = &[
    b"0",
    b"-0",
    b"1",
    b"2",
    b"3",
    b"-1",
    b"1.5",
    b"-1.5",
    b"0.1",
    b"3.14159",
    b"100",
    b"1e3",
    b"1e308",
    b"1.7e308",
    b"-1e308",
    b"1e-320",
    b"17179869184",
    b"9007199254740993",
    b"123456789012345678",
    b"1e21",
    b"0.00001",
    b"inf",
    b"-inf",
    b"+inf",
    b"nan",
    b"Infinity",
    b"0x10",
    b"1e400",
    b"abc",
    b"",
    b" 1",
    b"1 ",
    b".5",
    b"5.",
    b"+3",
    b"1e",
];

const LEX: &[&[u8]] =
    &[b"-", b"+", b"[a", b"(a", b"[c", b"(c", b"[", b"(", b"[foo", b"[~", b"a", b"", b"[\xff"];

const IDS: &[&[u8]] = &[
    b"0",
    b"0-0",
    b"1",
    b"1-1",
    b"1-2",
    b"2-0",
    b"2-1",
    b"3",
    b"5-5",
    b"9",
    b"-",
    b"+",
    b"$",
    b">",
    b"*",
    b"1-*",
    b"3-*",
    b"(1",
    b"(1-1",
    b"(0-0",
    b"7000000000000-1",
    b"18446744073709551615-18446744073709551615",
    b"(18446744073709551615-18446744073709551615",
    b"18446744073709551615",
    b"18446744073709551616",
    b"abc",
    b"1-",
    b"-1",
    b"1-1-1",
    b"",
    b"01-02",
    b"1-+2",
];

/// What DUMP of Redis 7.0 said of values of all types; and what no DUMP says.
const PAYLOADS: &[&[u8]] = &[
    b"\x00\x05hello\x0a\x00cr\xdfve4 \x0a",
    b"\x00\xc0\x05\x0a\x00c/_f\x83/\xb3Q",
    b"\x12\x01\x02\x0f\x0f\x00\x00\x00\x03\x00\x81a\x02\x81b\x02\x01\x01\xff\x0a\x00\xe0\x1b\xabJG\xceY\x22",
    b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00,\x01\x0a\x00\xe5\x10\xb2\x8e{\x95)\xaa",
    b"\x02\x03\x01b\x01c\x01a\x0a\x00\xb2\x94\xda.N\xcd\xa6\xfc",
    b"\x11\x14\x14\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81b\x02\x832.5\x04\xff\x0a\x00\xd4Ln\xa4\xf6D\xd9\xd7",
    b"\x10\x15\x15\x00\x00\x00\x04\x00\x82f1\x03\x81a\x02\x82f2\x03\x81b\x02\xff\x0a\x00(s\x86\xdb\x0d\x17\xac\xc0",
    b"\x13\x01\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01((\x00\x00\x00\x0f\x00\x02\x01\x00\x01\x01\x01\x81a\x02\x00\x01\x02\x01\x00\x01\x00\x01\x81b\x02\x04\x01\x02\x01\x01\x01\x00\x01\x81c\x02\x04\x01\xff\x02\x02\x01\x01\x01\x00\x00\x02\x01\x03one\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01M,G\x08\xa2\x01\x00\x00\x01\x01\x05aliceM,G\x08\xa2\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x0a\x00Oy\xd5A\x91\x92\x19\xfa",
    b"\x00\x18HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80q\xa6\x84K\xfb\x80BZ\x0a\x00Y\xf4\xb9\x19%\xeb\x16\xea",
    b"\x00\x05hello\x0a\x00cr\xdfve4 \x0b",
    b"abc",
    b"",
];

const PATTERNS: &[&[u8]] = &[
    b"*", b"?1", b"t*", b"[a-l]*", b"w_*", b"#", b"h1->f1", b"h*->f1", b"*->f1", b"w_*->", b"nosort", b"",
    b"[", b"\\*", b"[^a]*", b"*1", b"a*", b"f?", b"k*",
];

/// The family that a command mostly works on.
pub(crate) fn family(command: &Command, chance: &mut Chance) -> usize {
    if chance.percent(8) {
        return chance.below(FAMILIES.len());
    }
    match command.group {
        Group::String => 0,
        Group::List => 1,
        Group::Set => 2,
        // Plain sets take part in the algebra of sorted sets.
        Group::SortedSet if chance.percent(90) => 3,
        Group::SortedSet => 2,
        Group::Hash => 4,
        Group::Stream => 5,
        Group::Bitmap => 6,
        Group::HyperLogLog => 7,
        Group::Geo => 8,
        _ if command.name.starts_with("sort") => 1 + chance.below(3),
        _ => chance.below(FAMILIES.len()),
    }
}

/// A key.
pub(crate) fn key(family: usize, chance: &mut Chance) -> Vec<u8> {
    chance.pick(FAMILIES[family]).to_vec()
}

/// An integer, small as a rule.
pub(crate) fn integer(chance: &mut Chance) -> Vec<u8> {
    match chance.below(20) {
        0..=2 => chance.pick(INTEGERS).to_vec(),
        3 | 4 => chance.pick(&[10, 7, 20, 64, 100, 150, -10, -100]).to_string().into_bytes(),
        5..=8 => (-(chance.below(4) as i64)).to_string().into_bytes(),
        _ => chance.below(6).to_string().into_bytes(),
    }
}

/// A value for an argument.
pub(crate) fn value(leaf: Leaf, chance: &mut Chance) -> Vec<u8> {
    match leaf.kind {
        ArgumentKind::Integer => integer_for(leaf, chance),
        ArgumentKind::UnixTime => unix_time(leaf.name.ends_with("milliseconds"), chance),
        ArgumentKind::Double => double_for(leaf, chance),
        ArgumentKind::Pattern => chance.pick(PATTERNS).to_vec(),
        _ => string_for(leaf, chance),
    }
}

fn integer_for(leaf: Leaf, chance: &mut Chance) -> Vec<u8> {
    match (leaf.name, leaf.command) {
        ("cursor", _) if chance.percent(85) => b"0".to_vec(),
        ("count", "scan" | "hscan" | "sscan" | "zscan") if chance.percent(80) => b"1000".to_vec(),
        ("offset", "setbit" | "setrange" | "bitfield" | "bitfield_ro" | "getbit") => {
            offset(leaf.command, chance)
        }
        ("seconds", _) if chance.percent(75) => (1000 + chance.below(1_000_000)).to_string().into_bytes(),
        ("milliseconds" | "ttl", _) if chance.percent(75) => {
            (1_000_000 + chance.below(1_000_000_000)).to_string().into_bytes()
        }
        ("ttl", _) => b"0".to_vec(),
        ("ms", _) if chance.percent(80) => chance.pick(&["0", "500000000"]).as_bytes().to_vec(),
        ("min-idle-time", _) => idle(chance),
        ("db" | "destination-db", _) => {
            chance.pick(&["0", "1", "1", "15", "16", "-1", "abc"]).as_bytes().to_vec()
        }
        ("weight", _) => double_for(leaf, chance),
        ("increment" | "decrement", _) if chance.percent(20) => chance.pick(WORDS).to_vec(),
        _ => integer(chance),
    }
}

fn idle(chance: &mut Chance) -> Vec<u8> {
    chance.pick(&["0", "0", "0", "1000000", "1000000000", "-1", "abc", "1.5"]).as_bytes().to_vec()
}

/// Where bits and bytes are set: within a small string, or beyond the greatest.
fn offset(command: &str, chance: &mut Chance) -> Vec<u8> {
    let beyond: &[&str] =
        &["-1", "4294967296", "9223372036854775807", "abc", "#-1", "#", "#1x", "18446744073709551616"];
    match chance.below(12) {
        0 => chance.pick(beyond).as_bytes().to_vec(),
        1..=6 if command.starts_with("bitfield") => format!("#{}", chance.below(20)).into_bytes(),
        7 => chance.below(2000).to_string().into_bytes(),
        _ => chance.below(100).to_string().into_bytes(),
    }
}

/// Far from now: in the past, or in the year 2100.
fn unix_time(milliseconds: bool, chance: &mut Chance) -> Vec<u8> {
    let unit = if milliseconds { 1000 } else { 1 };
    match chance.below(10) {
        0 => b"1".to_vec(),
        1 => chance
            .pick(&["0", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854776", "abc"])
            .as_bytes()
            .to_vec(),
        _ => ((4_102_444_800 + chance.below(1000)) * unit).to_string().into_bytes(),
    }
}

fn double_for(leaf: Leaf, chance: &mut Chance) -> Vec<u8> {
    let pool: &[&[u8]] = match leaf.name {
        "longitude" => {
            &[b"13.361389", b"15.087269", b"2.35", b"0", b"-122.4", b"180", b"-180", b"179.9", b"181", b"x"]
        }
        "latitude" => &[
            b"38.115556",
            b"37.502669",
            b"48.85",
            b"0",
            b"37.7",
            b"85",
            b"-85",
            b"85.05112878",
            b"-85.05112879",
            b"86",
        ],
        "radius" | "width" | "height" => &[
            b"0",
            b"1",
            b"100",
            b"1000",
            b"5000",
            b"200000",
            b"0.5",
            b"40000000",
            b"1e10",
            b"-1",
            b"abc",
            b"nan",
            b"inf",
        ],
        "min" | "max" => {
            return match chance.below(10) {
                0 => chance.pick(DOUBLES).to_vec(),
                1 => [b"(", *chance.pick(DOUBLES)].concat(),
                2 | 3 => b"-inf".to_vec(),
                4 | 5 => b"+inf".to_vec(),
                6 => format!("({}", chance.below(5)).into_bytes(),
                _ => chance.below(5).to_string().into_bytes(),
            };
        }
        _ if chance.percent(60) => return (chance.below(8) as i64 - 2).to_string().into_bytes(),
        _ => DOUBLES,
    };
    chance.pick(pool).to_vec()
}

fn string_for(leaf: Leaf, chance: &mut Chance) -> Vec<u8> {
    let is_stream = leaf.group == Group::Stream;
    let pool: &[&[u8]] = match leaf.name {
        // So that there are streams with entries: these fit behind most that are there.
        "id" if leaf.command == "xadd" && chance.percent(60) => {
            &[b"5-*", b"20-*", b"40-*", b"59-*", b"60-*", b"60-*", b"7000000000000-*"]
        }
        "ID" if leaf.command == "xreadgroup" && chance.percent(60) => &[b">"],
        "ID" | "id" | "last-id" | "lastid" | "max-deleted-id" => return id(chance),
        "start" | "end" if is_stream => {
            return match chance.below(4) {
                0 => b"-".to_vec(),
                1 => b"+".to_vec(),
                _ => id(chance),
            };
        }
        "threshold" => return if chance.percent(50) { integer(chance) } else { id(chance) },
        "group" if chance.percent(75) => &[b"one", b"two"],
        "group" => &[b"one", b"two", b"none", b""],
        "consumer" => &[b"alice", b"bob", b"alice", b"bob", b"carol", b""],
        "min-idle-time" => return idle(chance),
        "encoding" => &[
            b"i8", b"u8", b"i64", b"u63", b"i1", b"u1", b"i5", b"u16", b"i33", b"u64", b"i65", b"i0", b"u0",
            b"x8", b"i", b"", b"u8x", b"I8",
        ],
        "min" | "max" | "start" | "stop" => {
            // ZRANGE takes positions, scores or members, as its options say.
            return match (leaf.command.contains("lex"), chance.below(10)) {
                (true, _) | (false, 0 | 1) => chance.pick(LEX).to_vec(),
                (false, 2) => double_for(Leaf { name: "min", ..leaf }, chance),
                (false, 3) => chance.pick(&["-inf", "+inf", "(1", "(2"]).as_bytes().to_vec(),
                _ => integer(chance),
            };
        }
        "serialized-value" => PAYLOADS,
        "type" => &[b"string", b"list", b"set", b"zset", b"hash", b"stream", b"STRING", b"none", b""],
        "subcommand" => &[b"ENCODING", b"decode", b"TODENSE", b"GETREG", b"foo"],
        // Integers alone stay an intset; few words meet each other.
        "member" | "element" | "field" if chance.percent(40) => {
            return chance.below(20).to_string().into_bytes();
        }
        "member" | "element" | "field" | "pivot" if chance.percent(50) => &WORDS[..8],
        _ => WORDS,
    };
    chance.pick(pool).to_vec()
}

fn id(chance: &mut Chance) -> Vec<u8> {
    match chance.below(10) {
        0 | 1 => chance.pick(IDS).to_vec(),
        2..=4 => {
            chance.pick(&["1-1", "1-2", "2-0", "3-0", "5-5", "8-1", "10-3", "2-1", "4-0"]).as_bytes().to_vec()
        }
        5 | 6 => chance.below(60).to_string().into_bytes(),
        _ => format!("{}-{}", chance.below(60), chance.below(4)).into_bytes(),
    }
}
