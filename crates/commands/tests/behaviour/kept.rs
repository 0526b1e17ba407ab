//! A snapshot of every type in every encoding, as the first format has it: what later programs must read.

use std::fs;
use std::path::Path;

use quorate_commands::State;
use quorate_resp::Value;

use crate::node::{Node, texts};

/// What was written, with the settings that choose the encodings.
const WRITES: &[&str] = &[
    "SET int 12",
    "SET raw hello",
    "SET appended hello",
    "APPEND appended -there",
    "SET volatile soon PX 5000",
    "HSET packed:hash b 1 a x",
    "RPUSH packed:list b a 1 -70000",
    "SADD ints 3 1 70000 -5",
    "SADD packed:set b a 1",
    "ZADD packed:zset 1.5 b -inf a 0 c",
    "CONFIG SET hash-max-listpack-entries 2",
    "CONFIG SET list-max-listpack-size 2",
    "CONFIG SET set-max-listpack-entries 2",
    "CONFIG SET zset-max-listpack-entries 2",
    "CONFIG SET stream-node-max-entries 2",
    "HSET table:hash a 1 b 2 c 3",
    "RPUSH blocks:list a b c d e",
    "SADD table:set a b c d",
    "ZADD tree:zset 1 a 2 b 3.25 c 4 d",
    "XADD stream 1-1 f v g w",
    "XADD stream 1-2 f v g w",
    "XADD stream 2-1 other x",
    "XDEL stream 1-2",
    "XGROUP CREATE stream group 0",
    "XREADGROUP GROUP group alice COUNT 1 STREAMS stream >",
    "XGROUP CREATECONSUMER stream group bob",
    "XGROUP CREATE empty:stream group $ MKSTREAM",
    "PFADD sketch a b c",
    "SETBIT bits 100 1",
    "GEOADD places 13.361389 38.115556 Palermo",
    "SET gone 1",
    "DEL gone",
    "COPY raw elsewhere DB 3",
    "SWAPDB 2 3",
];

fn written() -> Node {
    let mut node = Node::new();
    for line in WRITES {
        let reply = node.run(line);
        assert!(!matches!(reply, Value::Error(_)), "{line}: {reply:?}");
    }
    node.state.clock = node.clock;
    node
}

/// The fixture's blocks: each with its length in front, four bytes, little-endian.
fn blocks(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (block, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        blocks.push(block.to_vec());
        bytes = rest;
    }
    assert!(bytes.is_empty(), "the fixture ends with a block");
    blocks
}

#[test]
fn the_first_snapshot_of_every_type_stays_readable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v1/state.snapshot");
    let fresh: Vec<Vec<u8>> = written().state.capture().encode().collect();
    // A fixture is written once and never again.
    if std::env::var_os("QUORATE_BLESS").is_some() && !path.exists() {
        let framed = |block: &Vec<u8>| [&(block.len() as u32).to_le_bytes()[..], block].concat();
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of fixtures");
        fs::write(&path, fresh.iter().flat_map(framed).collect::<Vec<u8>>()).expect("a writable fixture");
    }
    let kept = blocks(&fs::read(&path).expect("the fixture"));
    let state = State::decode(&kept).expect("the first format");
    let witness = written();
    assert_eq!(state.digest(), witness.state.digest());
    // As long as this is the format that is written.
    assert_eq!(kept, fresh);

    let mut node = Node { state, ..witness };
    for (key, encoding) in [
        ("int", "int"),
        ("raw", "embstr"),
        ("appended", "raw"),
        ("packed:hash", "listpack"),
        ("table:hash", "hashtable"),
        ("packed:list", "listpack"),
        ("blocks:list", "quicklist"),
        ("ints", "intset"),
        ("packed:set", "listpack"),
        ("table:set", "hashtable"),
        ("packed:zset", "listpack"),
        ("tree:zset", "skiplist"),
        ("stream", "stream"),
    ] {
        assert_eq!(node.run(&format!("OBJECT ENCODING {key}")).as_str(), Some(encoding), "{key}");
    }
    assert_eq!(texts(&node.run("LRANGE blocks:list 0 -1")), ["a", "b", "c", "d", "e"]);
    assert_eq!(texts(&node.run("ZRANGE packed:zset 0 -1")), ["a", "c", "b"]);
    let entries = node.run("XRANGE stream - +");
    let second = entries.as_array().and_then(|entries| entries[1].as_array()).expect("two entries");
    assert_eq!(second[0].as_str(), Some("2-1"));
    assert_eq!(node.run("PFCOUNT sketch"), Value::Integer(3));
    assert_eq!(node.run("PTTL volatile"), Value::Integer(5000));
}
