//! Values there and back, older encodings, and damage.

use proptest::prelude::*;
use quorate_keyspace::{
    Consumer, End, Group, HashValue, ListLimit, ListValue, Millis, Rng, SetLimits, SetValue, SortedSetLimits,
    SortedSetValue, StreamId, StreamLimits, StreamValue,
};

use super::*;

const SEED: Seed = Seed([9; 16]);

fn shape(settings: &Settings) -> Shape<'_> {
    Shape { seed: SEED, settings }
}

fn load_bytes(bytes: &[u8]) -> Result<Value, Error> {
    let (kind, rest) = bytes.split_first().expect("a type");
    load(*kind, &mut Reader::new(rest), shape(&Settings::default()))
}

fn samples(rng: &mut Rng) -> Vec<Value> {
    let mut hash = HashValue::new();
    for n in 0..rng.index(40) + 1 {
        let limits = quorate_keyspace::HashLimits::default();
        hash.insert(n.to_string().as_bytes(), &vec![b'v'; rng.index(90)], limits, SEED);
    }
    let mut list = ListValue::new();
    for n in 0..rng.index(60) + 1 {
        let (element, limit) = (vec![b'0' + (n % 10) as u8; rng.index(400)], ListLimit::from_setting(-2));
        list.expect(&[&element], limit);
        list.push(End::Tail, &element, limit);
    }
    let (mut ints, mut words) = (SetValue::new(), SetValue::new());
    for n in 0..rng.index(200) + 1 {
        ints.insert((n * 7).to_string().as_bytes(), SetLimits::default(), SEED);
        words.insert(format!("word {n}").as_bytes(), SetLimits::default(), SEED);
    }
    let mut set = SortedSetValue::new();
    for n in 0..rng.index(200) + 1 {
        let score = [0.5, -1e300, f64::INFINITY, n as f64][rng.index(4)];
        set.insert(n.to_string().as_bytes(), score, SortedSetLimits::default(), SEED);
    }
    let mut stream = StreamValue::new();
    for n in 1..=rng.below(250) {
        let pairs = [&b"field"[..], b"12", b"other", b"value"];
        let used = 2 + 2 * rng.index(2);
        stream.entries_mut().append(StreamId::new(n / 3, n), &pairs[..used], StreamLimits::default());
        if rng.below(4) == 0 {
            stream.entries_mut().delete(StreamId::new(n / 3, n));
        }
    }
    for name in [&b"g"[..], b"h"] {
        stream.add_group(Group::new(name, StreamId::new(3, 4), (name == b"g").then_some(5)));
        stream.change_group(name, |_, group| {
            for consumer in [&b"alice"[..], b"bob"] {
                group.add_consumer(Consumer::new(consumer, Millis(70), Some(Millis(70))));
                for _ in 0..rng.below(20) {
                    group.assign(StreamId::new(1, rng.below(50)), consumer, Millis(60), rng.below(300));
                }
            }
        });
    }
    vec![
        Value::string(b""),
        Value::string(b"some text"),
        Value::integer(rng.next_u64() as i64 >> rng.index(64)),
        Value::hash(hash),
        Value::list(list),
        Value::set(ints),
        Value::set(words),
        Value::sorted_set(set),
        Value::stream(stream),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_dumped_is_restored(seed in any::<u64>()) {
        let settings = Settings::default();
        for value in samples(&mut Rng::from_u64(seed)) {
            let payload = dump(&value);
            let again = restore(&payload, shape(&settings)).expect("what was dumped is restored");
            prop_assert_eq!(again.encoding_name(), value.encoding_name());
            prop_assert_eq!(again.heap_bytes(), value.heap_bytes());
            prop_assert_eq!(dump(&again), payload);
        }
    }

    #[test]
    fn damage_with_the_right_checksum_is_an_error_or_another_value(
        seed in any::<u64>(),
        mutations in prop::collection::vec((any::<u64>(), any::<u8>(), 0u8..4), 1..5),
    ) {
        let settings = Settings::default();
        for value in samples(&mut Rng::from_u64(seed)) {
            let mut payload = dump(&value);
            payload.truncate(payload.len() - 8);
            for (at, byte, kind) in &mutations {
                // Early bytes are lengths more often than late ones.
                let at = ((at >> 8) as usize % (payload.len() - 2)) >> (at & 7);
                match kind {
                    0 => payload[at] = *byte,
                    1 => payload.insert(at, *byte),
                    2 => { payload.remove(at); }
                    _ => payload[at] ^= 1 << (byte & 7),
                }
                if payload.len() < 10 { break }
            }
            let checksum = crc64(&payload);
            payload.extend(checksum.to_le_bytes());
            if let Ok(other) = restore(&payload, shape(&settings)) {
                dump(&other);
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(kind in 0u8..24, bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = load(kind, &mut Reader::new(&bytes), shape(&Settings::default()));
    }
}

#[test]
fn older_encodings_are_read() {
    let expected = Value::hash({
        let mut hash = HashValue::new();
        for (field, value) in [(b"foo", b"bar"), (b"num", b"-12")] {
            hash.insert(field, value, quorate_keyspace::HashLimits::default(), SEED);
        }
        hash
    });
    let expected = dump(&expected);
    let cases: [&[u8]; 4] = [
        b"\x04\x02\x03foo\x03bar\x03num\xc0\xf4",
        b"\x09\x15\x02\x03foo\x03\x00bar\x03num\x03\x01-12?\xff",
        b"\x0d\x1d\x1d\0\0\0\x19\0\0\0\x04\0\0\x03foo\x05\x03bar\x05\x03num\x05\xfe\xf4\xff",
        b"\x10\x19\x19\0\0\0\x04\0\x83foo\x04\x83bar\x04\x83num\x04\xdf\xf4\x02\xff",
    ];
    for bytes in cases {
        assert_eq!(load_bytes(bytes).map(|value| dump(&value)), Ok(expected.clone()), "{bytes:?}");
    }
    let parts: [&[u8]; 3] = [
        b"\x0f\x01\x10\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0",
        b"\x1c\x1c\0\0\0\x0a\0\x01\x01\0\x01\x01\x01\x81a\x02\0\x01\x02\x01\0\x01\0\x01\x05\x01\x04\x01\xff",
        b"\x01\x01\0\0",
    ];
    let old_stream = parts.concat();
    let stream = load_bytes(&old_stream);
    let entries = stream.as_ref().ok().and_then(Value::as_stream).map(StreamValue::entries);
    assert_eq!(entries.map(|entries| (entries.len(), entries.added())), Some((1, 1)), "{stream:?}");
}

#[test]
fn older_lists_and_sets_are_read() {
    let elements = |bytes: &[u8]| {
        let value = load_bytes(bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
        let text = |item: quorate_keyspace::Item<'_>| String::from_utf8_lossy(&item.to_blob()).into_owned();
        match (value.as_list(), value.as_set()) {
            (Some(list), _) => list.iter_from(0).map(text).collect::<Vec<_>>().join(","),
            (_, Some(set)) => set.iter().map(text).collect::<Vec<_>>().join(","),
            other => panic!("{other:?}"),
        }
    };
    let cases: [(&[u8], &str); 8] = [
        (b"\x01\x02\x01a\xc0\x07", "a,7"),
        (b"\x0a\x10\x10\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xf8\xff", "a,7"),
        (b"\x0e\x02\x0e\x0e\0\0\0\x0a\0\0\0\x01\0\0\x01a\xff\x0d\x0d\0\0\0\x0a\0\0\0\x01\0\0\xf8\xff", "a,7"),
        (b"\x12\x02\x01\x01a\x02\x09\x09\0\0\0\x01\0\x07\x01\xff", "a,7"),
        (b"\x02\x02\xc0\x03\xc0\x09", "3,9"),
        (b"\x02\x02\x01b\x01a", "b,a"),
        (b"\x0b\x0c\x02\0\0\0\x02\0\0\0\x03\0\x09\0", "3,9"),
        (b"\x14\x0d\x0d\0\0\0\x02\0\x81b\x02\x81a\x02\xff", "b,a"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(elements(bytes), expected, "{bytes:?}");
    }
    for damaged in [&b"\x01\0"[..], b"\x12\x01\x03\x01a", b"\x02\x02\x01a\x01a", b"\x0e\0", b"\x02\0"] {
        assert!(load_bytes(damaged).is_err(), "{damaged:?}");
    }
}

#[test]
fn older_sorted_sets_are_read() {
    let scores = |bytes: &[u8]| {
        let value = load_bytes(bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
        let set = value.as_sorted_set().expect("a sorted set");
        set.iter()
            .map(|(member, score)| format!("{} {score}", String::from_utf8_lossy(member)))
            .collect::<Vec<_>>()
    };
    let cases: [&[u8]; 4] = [
        b"\x03\x02\x03two\x032.5\x03inf\xfe",
        b"\x05\x02\x03two\0\0\0\0\0\0\x04\x40\x03inf\0\0\0\0\0\0\xf0\x7f",
        b"\x0c\x1f\x1f\0\0\0\x19\0\0\0\x04\0\0\x03two\x05\x032.5\x05\x03inf\x05\x03inf\xff",
        b"\x11\x1b\x1b\0\0\0\x04\0\x83two\x04\x832.5\x04\x83inf\x04\x83inf\x04\xff",
    ];
    for bytes in cases {
        assert_eq!(scores(bytes), ["two 2.5", "inf inf"], "{bytes:?}");
    }
    assert!(load_bytes(b"\x03\x01\x01a\xfd").is_err());
    assert!(load_bytes(b"\x05\x02\x01a\0\0\0\0\0\0\0\0\x01a\0\0\0\0\0\0\0\0").is_err());
}

#[test]
fn what_is_wrong_is_told() {
    let settings = Settings::default();
    let payload = dump(&Value::string(b"text"));
    let mut damaged = payload.clone();
    damaged[2] ^= 1;
    assert_eq!(restore(&damaged, shape(&settings)).err(), Some(Error::Payload));
    let mut newer = payload[..payload.len() - 10].to_vec();
    newer.extend((VERSION_MAX + 1).to_le_bytes());
    newer.extend(crc64(&newer).to_le_bytes());
    assert_eq!(restore(&newer, shape(&settings)).err(), Some(Error::Payload));
    assert_eq!(restore(b"short", shape(&settings)).err(), Some(Error::Payload));
    assert_eq!(load_bytes(b"\x07\x00").err(), Some(Error::Type(7)));
    assert_eq!(load_bytes(b"\x04\x00").err(), Some(Error::Damaged("a hash")));
    assert_eq!(
        load_bytes(b"\x04\x02\x01a\x01b\x01a\x01c").err(),
        Some(Error::Damaged("a hash with a field twice"))
    );
    assert_eq!(load_bytes(b"\x00\x05ab").err(), Some(Error::Truncated));
}
