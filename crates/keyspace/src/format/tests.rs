//! Snapshots there and back, and what damaged ones do.

use proptest::prelude::*;

use super::*;
use crate::{
    Consumer, DbIndex, End, Error, Group, HashLimits, HashValue, Keyspace, ListLimit, ListValue, Millis, Rng,
    Seed, SetLimits, SetValue, SortedSetLimits, SortedSetValue, StreamId, StreamLimits, StreamValue,
    StringValue, Value, Version,
};

const NOW: Millis = Millis(1_000);

/// A keyspace with every type, length class and oddity; `scale` in thousands of bytes.
fn sample(seed: u64, keys: usize, scale: usize) -> Keyspace {
    let mut rng = Rng::from_u64(seed);
    let mut keyspace = Keyspace::new(Seed([seed as u8; 16]));
    let hash_seed = keyspace.seed();
    for n in 0..keys {
        let version = Version(n as u64 + 1);
        let db = keyspace.db_mut(DbIndex::new(rng.below(3) as i64 * 7).expect("0, 7 or 14"));
        let key = vec![b'a' + (n % 26) as u8; rng.index(40) + usize::from(rng.below(50) == 0) * 70_000];
        let expires = (rng.below(3) == 0).then(|| Millis(rng.below(5_000) as i64));
        let bytes = vec![n as u8; rng.index(scale * 1000 + 1)];
        let value = match rng.below(12) {
            10 | 11 => Value::list(sample_list(&mut rng)),
            8 | 9 => Value::set(sample_set(&mut rng, hash_seed)),
            0 => Value::integer(rng.next_u64() as i64),
            1 => Value::string(&bytes),
            2 => {
                let mut string = StringValue::new(&bytes);
                string.append(b"1");
                Value::String(string)
            }
            7 => Value::stream(sample_stream(&mut rng, &bytes)),
            kind @ 3..5 => {
                let mut set = SortedSetValue::new();
                let limits =
                    SortedSetLimits { entries_max: [128, 2][kind as usize - 3], value_bytes_max: 1 << 20 };
                for member in 0..rng.index(200) + 3 {
                    let member = format!("{member}{:1$}", "", rng.index(scale * 20 + 1));
                    let score = [0.0, -1.5, f64::INFINITY, rng.next_u64() as f64][rng.index(4)];
                    set.insert(member.as_bytes(), score, limits, hash_seed);
                }
                Value::sorted_set(set)
            }
            kind => {
                let mut hash = HashValue::new();
                let entries_max = if kind == 5 { 128 } else { 2 };
                for field in 0..rng.index(200) + 3 {
                    let limits = HashLimits { entries_max, value_bytes_max: 1 << 20 };
                    let field = format!("{field}{:1$}", "", rng.index(30));
                    hash.insert(
                        field.as_bytes(),
                        &bytes[..bytes.len().min(rng.index(3_000))],
                        limits,
                        hash_seed,
                    );
                }
                Value::hash(hash)
            }
        };
        if rng.below(4) == 0 {
            db.remove(&key, NOW, version);
        } else {
            db.set(&key, value, expires, version);
        }
    }
    keyspace
}

/// One block or several, of numbers and words; now and then a large one.
fn sample_list(rng: &mut Rng) -> ListValue {
    let limit = ListLimit::from_setting(rng.below(20) as i64 - 5);
    let mut list = ListValue::new();
    for _ in 0..rng.index(2_000) / rng.index(1_000).max(1) + 1 {
        let number = rng.next_u64() as i64 >> (rng.next_u64() & 63);
        let element = match rng.below(200) {
            0 => vec![b'x'; 90_000],
            1..100 => vec![b'y'; rng.index(60)],
            _ => number.to_string().into_bytes(),
        };
        list.expect(&[&element], limit);
        list.push(if number < 0 { End::Head } else { End::Tail }, &element, limit);
    }
    list
}

/// Integers, a few words, or many.
fn sample_set(rng: &mut Rng, seed: Seed) -> SetValue {
    let mut set = SetValue::new();
    let words = rng.below(2) == 0;
    for _ in 0..rng.index(2_000) / rng.index(1_000).max(1) + 1 {
        let number = rng.next_u64() as i64 >> (rng.next_u64() & 63);
        let member = if words { format!("word {number:50}") } else { number.to_string() };
        set.insert(member.as_bytes(), SetLimits::default(), seed);
    }
    set
}

fn sample_stream(rng: &mut Rng, bytes: &[u8]) -> StreamValue {
    let mut stream = StreamValue::new();
    let entries = stream.entries_mut();
    for n in 1..=rng.below(150) {
        let value = &bytes[..bytes.len().min(rng.index(300))];
        let pairs = [&b"field"[..], value, b"n", b"12345"];
        let used = if rng.below(4) == 0 { 4 } else { 2 };
        entries.append(StreamId::new(n / 4 + 1, n), &pairs[..used], StreamLimits::default());
        if rng.below(5) == 0 {
            entries.delete(StreamId::new(n / 4 + 1, n));
        }
    }
    for n in 0..rng.below(3) {
        let read = (n > 0).then_some(n);
        stream.add_group(Group::new(format!("group {n}").as_bytes(), StreamId::new(n, 0), read));
        stream.change_group(format!("group {n}").as_bytes(), |_, group| {
            for consumer in [&b"one"[..], b"another one, with a longer name"] {
                group.add_consumer(Consumer::new(consumer, NOW, (n > 0).then_some(NOW)));
                for _ in 0..rng.below(60) {
                    group.assign(StreamId::new(rng.below(30), 0), consumer, Millis(n as i64), n);
                }
            }
        });
    }
    stream
}

fn check_round_trip(keyspace: &Keyspace) {
    let blocks: Vec<Vec<u8>> = keyspace.capture().encode().collect();
    assert!(blocks.iter().all(|block| block.len() <= BLOCK_BYTES_MAX && !block.is_empty()));
    let mut loaded = Keyspace::decode(&blocks).expect("what was encoded decodes");
    assert_eq!(loaded.digest(), keyspace.digest());
    assert_eq!(loaded.memory_bytes(), keyspace.memory_bytes());
    assert_eq!(loaded.next_expiry(), keyspace.next_expiry());
    assert!(loaded.capture().encode().eq(blocks), "the same contents give the same bytes");
    for db in DbIndex::all() {
        let (a, b) = (loaded.db(db), keyspace.db(db));
        assert_eq!((a.len(), a.expiring_len()), (b.len(), b.expiring_len()));
        assert!(a.iter(NOW).zip(b.iter(NOW)).all(|((ka, ea), (kb, eb))| {
            (ka, ea.version(), ea.expires(), ea.value().encoding_name())
                == (kb, eb.version(), eb.expires(), eb.value().encoding_name())
        }));
        for n in 0..200u32 {
            let key = n.to_string();
            assert_eq!(a.key_version(key.as_bytes(), NOW), b.key_version(key.as_bytes(), NOW));
        }
    }
    loaded.flush_all(Millis(0), Version(u64::MAX / 2));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_decodes(seed in any::<u64>(), keys in 0usize..200, scale in 0usize..100) {
        check_round_trip(&sample(seed, keys, scale));
    }

    #[test]
    fn damage_is_an_error_or_another_keyspace_but_never_a_panic(
        seed in any::<u64>(),
        keys in 1usize..30,
        scale in 0usize..80,
        mutations in prop::collection::vec((any::<u64>(), any::<u8>(), 0u8..5), 1..6),
    ) {
        let mut blocks: Vec<Vec<u8>> = sample(seed, keys, scale).capture().encode().collect();
        for (at, byte, kind) in mutations {
            let count = blocks.len();
            let index = at as usize % count;
            let block = &mut blocks[index];
            // Early bytes are lengths and tags more often than late ones.
            let place = ((at >> 8) as usize % block.len().max(1)) >> (at >> 56 & 7);
            match kind {
                0 => block.truncate(place),
                1 => { blocks.remove(index); if blocks.is_empty() { blocks.push(vec![byte]) } }
                2 => blocks.swap(index, (at >> 32) as usize % count),
                3 => block.insert(place.min(block.len()), byte),
                _ => if let Some(at) = block.get_mut(place) { *at ^= byte },
            }
        }
        if let Ok(mut keyspace) = Keyspace::decode(&blocks) {
            keyspace.digest();
            keyspace.expire_slice(Millis(i64::MAX), usize::MAX);
            keyspace.flush_all(Millis(0), Version(u64::MAX / 2));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut block: Vec<u8> = Keyspace::new(Seed([0; 16])).capture().encode().next().expect("a block");
        block.truncate(24);
        block.extend_from_slice(&bytes);
        let _ = Keyspace::decode([block]).map(|keyspace| keyspace.digest());
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let keyspace = sample(1, 50, 1);
    let blocks: Vec<Vec<u8>> = keyspace.capture().encode().collect();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut blocks = blocks.clone();
        change(&mut blocks[0]);
        Keyspace::decode(blocks).map(|keyspace| keyspace.db(DbIndex::ZERO).len())
    };
    assert_eq!(with(&|b| b[1] = b'X'), Err(Error::Magic));
    assert_eq!(with(&|b| b[5] = 9), Err(Error::Version(9)));
    assert_eq!(with(&|b| b[0] = ENTRY), Err(Error::Magic));
    assert_eq!(with(&|b| b[24] = 0x77), Err(Error::Unknown { what: "record", tag: 0x77 }));
    assert_eq!(with(&|b| b.truncate(10)), Err(Error::Truncated("the header")));
    let none: [&[u8]; 0] = [];
    assert_eq!(Keyspace::decode(none).map(|k| k.seed()), Err(Error::Truncated("the sequence of blocks")));
}

#[test]
fn version_1_stays_readable() {
    let mut keyspace = Keyspace::new(Seed(*b"0123456789abcdef"));
    let db = keyspace.db_mut(DbIndex::ZERO);
    db.set(b"n", Value::integer(7), None, Version(300));
    assert!(keyspace.db_mut(DbIndex::ZERO).set_expiry(b"n", Some(Millis(5_000)), NOW, Version(300)));
    let expected = b"\x01QKEY\x01\x000123456789abcdef\x10\
        \x02\x00\0\0\0\0\0\0\0\0\
        \x04\x81\x88\x13\0\0\0\0\0\0\xac\x02\x01\x08n\x07\0\0\0\0\0\0\0\
        \x06\x01\0\0\0\0\0\0\0";
    let blocks: Vec<Vec<u8>> = keyspace.capture().encode().collect();
    assert_eq!(blocks, [expected.to_vec()]);
    check_round_trip(&keyspace);
}
