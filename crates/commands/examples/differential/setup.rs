//! Values to begin with, a step for each family of keys: by chance alone, few streams would get a group with entries.

use quorate_commands::Group;

use crate::generate::{Request, Step};

/// Requests, a line each, that make the values of a group's keys.
const VALUES: &[(Group, &str)] = &[
    (Group::String, "SET t1 ohmytext\nSET t2 10\nSET t3 mynewtext\nSET w_1 3\nSET w_2 foo\nSET w_a -1.5"),
    (Group::List, "DEL l1 l2\nRPUSH l1 a b c a 1 2 3\nRPUSH l2 3 1 2 10 -5"),
    (Group::Set, "DEL s1 s2 s3\nSADD s1 a b c d foo\nSADD s2 1 2 3 10 300\nSADD s3 a c 3 10"),
    (
        Group::SortedSet,
        "DEL z1 z2 z3\nZADD z1 1 a 2 b 2 c 3 d 4 foo\nZADD z2 -1 1 1.5 a inf 3\nZADD z3 0 a 0 b 0 c 0 foo",
    ),
    (Group::Hash, "DEL h1 h2\nHSET h1 f1 1 f2 foo a b\nHSET h2 f1 3.5 1 2 a text"),
    (
        Group::Stream,
        "DEL x1 x2\nXADD x1 1-1 a 1\nXADD x1 1-2 a 2 b 3\nXADD x1 2-0 a 3\nXADD x1 3-0 b 1\nXADD x1 5-5 a 1\n\
         XADD x1 8-1 c d\nXADD x1 10-3 a 1\nXGROUP CREATE x1 one 0\nXGROUP CREATE x1 two 3-0\n\
         XGROUP CREATECONSUMER x1 one alice\nXGROUP CREATECONSUMER x1 one bob\nXGROUP CREATECONSUMER x1 two carol\n\
         XREADGROUP GROUP one alice COUNT 3 STREAMS x1 >\nXREADGROUP GROUP one bob COUNT 2 STREAMS x1 >\n\
         XREADGROUP GROUP two carol STREAMS x1 >\nXADD x2 2-1 f v\nXADD x2 4-0 f w\nXGROUP CREATE x2 one 0\n\
         XGROUP CREATE x2 two $ ENTRIESREAD 2\nXGROUP CREATECONSUMER x2 one bob\n\
         XREADGROUP GROUP one bob STREAMS x2 >",
    ),
    (Group::Bitmap, "SET b1 foobar\nSETBIT b2 70 1\nSETBIT b2 7 1"),
    (Group::HyperLogLog, "DEL p1 p2\nPFADD p1 a b c d 1 2 3\nPFADD p2 a c foo bar"),
    (
        Group::Geo,
        "DEL g1 g2\nGEOADD g1 13.361389 38.115556 a 15.087269 37.502669 b 2.35 48.85 c\n\
         GEOADD g2 -122.4 37.7 d 179.9 0 foo -179.9 0.5 bar 13.5 38 a",
    ),
];

/// The step that makes a group's values; all of them for no group.
pub(crate) fn values(group: Option<Group>) -> Step {
    let lines = VALUES
        .iter()
        .filter(|(of, _)| group.is_none_or(|group| group == *of))
        .flat_map(|(_, text)| text.lines());
    lines
        .map(|line| line.trim().split(' ').map(|word| word.as_bytes().to_vec()).collect::<Request>())
        .collect()
}
