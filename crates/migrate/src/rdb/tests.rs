use std::io::Read;

use proptest::prelude::*;
use quorate_commands::Settings;
use quorate_commands::rdb::{Shape, crc64, restore};
use quorate_keyspace::Seed;

use super::*;

/// A file of this version around these bytes.
fn file(version: u32, items: &[u8]) -> Vec<u8> {
    let mut file = format!("REDIS{version:04}").into_bytes();
    file.extend_from_slice(items);
    file.push(0xff);
    if version >= 5 {
        file.extend(crc64(&file).to_le_bytes());
    }
    file
}

/// Gives a few bytes at a time, so that whatever is read is split somewhere.
struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.len().min(3).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn items(file: &[u8]) -> Result<Vec<Item>, Error> {
    let mut reader = Reader::new(Drops(file))?;
    let mut items = Vec::new();
    loop {
        items.push(reader.next_item()?);
        if let Some(Item::End { .. }) = items.last() {
            return Ok(items);
        }
    }
}

/// The keys of a file, each with its database and what its value is when it is restored.
fn keys(file: &[u8]) -> String {
    let settings = Settings::default();
    let shape = Shape { seed: Seed([7; 16]), settings: &settings };
    let mut texts = Vec::new();
    for item in items(file).expect("a whole file") {
        if let Item::Whole(key, payload) = item {
            let value = restore(&payload, shape).expect("a value");
            let expires = key.expires.map(|at| format!("@{at}")).unwrap_or_default();
            texts.push(format!("{}:{}{expires}={}", key.db, key.name.escape_ascii(), value.type_name()));
        }
    }
    texts.join(" ")
}

/// One value of every type and encoding, each named by its number.
fn all_types() -> Vec<u8> {
    let values: &[(u8, &[u8])] = &[
        (0, b"\x02hi"),
        (0, b"\xc0\x85"),
        (0, b"\xc1\x39\x30"),
        (0, b"\xc2\x15\xcd\x5b\x07"),
        (0, b"\xc3\x04\x04\x00x\x20\x00"),
        (1, b"\x02\x01a\x01b"),
        (2, b"\x02\x01a\x01b"),
        (3, b"\x02\x01a\x011\x01b\xfe"),
        (4, b"\x01\x01f\x01v"),
        (5, b"\x01\x01m\0\0\0\0\0\0\xf0\x3f"),
        (9, b"\x09\x01\x01f\x03\x00bar\xff"),
        (10, b"\x0f\x0f\0\0\0\x0c\0\0\0\x02\0\x00\xf3\x02\xf6\xff"),
        (11, b"\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0"),
        (12, b"\x0f\x0f\0\0\0\x0c\0\0\0\x02\0\x00\xf3\x02\xf6\xff"),
        (13, b"\x0f\x0f\0\0\0\x0c\0\0\0\x02\0\x00\xf3\x02\xf6\xff"),
        (14, b"\x01\x0f\x0f\0\0\0\x0c\0\0\0\x02\0\x00\xf3\x02\xf6\xff"),
        (16, b"\x0d\x0d\0\0\0\x02\0\x81a\x02\x81b\x02\xff"),
        (17, b"\x0c\x0c\0\0\0\x02\0\x81a\x02\x01\x01\xff"),
        (18, b"\x02\x01\x05plain\x02\x0c\x0c\0\0\0\x02\0\x81a\x02\x01\x01\xff"),
        (20, b"\x0c\x0c\0\0\0\x02\0\x81a\x02\x01\x01\xff"),
        // Streams without entries: with a group that has a consumer and nothing pending, in each version.
        (15, b"\x00\x00\x05\x01\x01\x01g\x05\x00\x00\x01\x01cAAAAAAA\0\x00"),
        (19, b"\x00\x00\x05\x01\x00\x00\x00\x00\x05\x01\x01g\x05\x00\x00\x00\x01\x01cAAAAAAA\0\x00"),
        (21, b"\x00\x00\x05\x01\x00\x00\x00\x00\x05\x01\x01g\x05\x00\x00\x00\x01\x01cAAAAAAA\0BBBBBBB\0\x00"),
    ];
    let mut bytes = b"\xfa\x09redis-ver\x057.0.1\xfe\x00\xfb\x40\x17\x02".to_vec();
    for (i, (kind, value)) in values.iter().enumerate() {
        bytes.extend([*kind, 3]);
        bytes.extend(format!("k{i:02}").as_bytes());
        bytes.extend_from_slice(value);
    }
    bytes
}

#[test]
fn every_type_and_encoding_is_read() {
    let text = keys(&file(11, &all_types()));
    let types: Vec<_> = text.split(' ').map(|key| key.split('=').nth(1).unwrap_or_default()).collect();
    let expected = "string string string string string list set zset hash zset hash list set zset hash list hash zset \
        list set stream stream stream";
    assert_eq!(types.join(" "), expected);
}

#[test]
fn what_stands_around_keys_is_understood() {
    let around = b"\xfa\x05ctime\xc0\x01\xfe\x00\xfb\x03\x01\xf4\x01\x02\x03\x00\x01a\x01b\
        \xfd\x10\0\0\0\x00\x01b\x01b\xfc\x10\x20\0\0\0\0\0\0\xf8\x05\xf9\x07\x00\x01c\x01b\
        \xf5\x04code\xf7\x81\x20\x00\x00\x00\x00\x00\x00\x00\x02\x01\x05\x02hi\x01\x05\x03AAAA\x04AAAAAAAA\x00\
        \xfe\x0f\x00\x01d\x01b";
    for version in 5..=12 {
        assert_eq!(keys(&file(version, around)), "0:a=string 0:b@16000=string 0:c@8208=string 15:d=string");
    }
    let found = items(&file(9, around)).expect("a whole file");
    assert!(found.contains(&Item::Function(b"code".to_vec())));
    assert!(found.iter().any(|item| matches!(item, Item::Module(name) if name.len() == 9)));
    assert!(found.iter().any(|item| {
        matches!(item, Item::Whole(key, _) if key.idle_seconds == Some(5) && key.frequency == Some(7))
    }));
    assert_eq!(found.last(), Some(&Item::End { checked: true }));
    // Before version 5 there was no checksum; later a nought says that there is none.
    assert_eq!(keys(&file(3, around)).split(' ').count(), 4);
    let mut unchecked = file(10, around);
    let at = unchecked.len() - 8;
    unchecked[at..].fill(0);
    assert_eq!(items(&unchecked).expect("a whole file").last(), Some(&Item::End { checked: false }));
    let mut valkey = [&b"VALKEY080"[..], around, b"\xff"].concat();
    valkey.extend(crc64(&valkey).to_le_bytes());
    assert_eq!(keys(&valkey).split(' ').count(), 4);
}

#[test]
fn values_without_elements_are_told_apart() {
    let bytes = b"\x04\x01h\x00\x0e\x01l\x01\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff\x0e\x01e\x00\x00\x01s\x00";
    let names = items(&file(10, bytes)).expect("a whole file").into_iter().filter_map(|item| match item {
        Item::Empty(key) => Some(key.name),
        _ => None,
    });
    assert_eq!(names.collect::<Vec<_>>().concat(), b"hle");
}

#[test]
fn what_is_not_read_is_named_with_its_place() {
    let check = |bytes: &[u8], expected: &str| {
        let error = items(bytes).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(b"NOTREDIS0", "byte 0: 'NOTREDIS0' is not the head");
    check(b"REDIS00x1", "byte 0");
    check(b"REDIS0000\xff", "byte 5: an RDB file of version 0");
    check(b"REDIS0099\xff", "byte 5: an RDB file of version 99");
    check(b"REDIS", "byte 5: the file ends");
    check(
        &file(12, b"\x18\x01h"),
        "byte 9: key 'h': a hash whose fields expire (type 24 or 25, of Redis 7.4",
    );
    check(&file(12, b"\x16\x01h"), "of Valkey 9");
    check(&file(10, b"\x07\x01m\x81\x20\0\0\0\0\0\0\0"), "of the module type IAAAAAAAA");
    check(&file(10, b"\xf6"), "pre-release");
    check(
        &file(10, b"\x00\x01k\x81\x7f\xff\xff\xff\xff\xff\xff\xff"),
        "byte 21: a string of 9223372036854775807",
    );
    check(
        &file(10, b"\x01\x01k\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01a"),
        "byte 24: no string is kept in way 63",
    );
    let mut damaged = file(10, b"\x00\x01k\x01v");
    damaged[13] = b'w';
    check(&damaged, "byte 15: the checksum is");
}

#[test]
fn large_values_come_in_parts() {
    // A string, compressed: nine times 264 bytes for each reference.
    let mut packed = b"\x00x".to_vec();
    let mut len = 1u32;
    while (len as usize) < 3 * WHOLE_BYTES_MAX {
        packed.extend(b"\xe0\xff\x00");
        len += 264;
    }
    let string = |bytes: &[u8]| {
        let mut string = vec![0x80];
        string.extend((bytes.len() as u32).to_be_bytes());
        string.extend_from_slice(bytes);
        string
    };
    let plain = [&b"\x00\x01s"[..], &string(&vec![b'y'; 2 * WHOLE_BYTES_MAX])].concat();
    let mut list = b"\x12\x01l\x03".to_vec();
    for _ in 0..3 {
        list.extend([&b"\x01"[..], &string(&vec![b'z'; WHOLE_BYTES_MAX / 2])].concat());
    }
    let mut scores = b"\x05\x01z\x80".to_vec();
    scores.extend(100_000u32.to_be_bytes());
    for member in 0..100_000u32 {
        scores.extend(b"\x09m");
        scores.extend(format!("{member:08}").as_bytes());
        scores.extend(f64::from(member).to_le_bytes());
    }
    let mut reader = Reader::new(&*file(10, &[plain, list, scores].concat())).map(|mut reader| {
        let mut lens = Vec::new();
        loop {
            match reader.next_item().expect("an item") {
                Item::Begin(_, kind) => lens.push((kind, 0, 0)),
                Item::Part(part) => {
                    let (bytes, count) = match &part {
                        Part::Elements(elements) => (elements.iter().map(Vec::len).sum(), elements.len()),
                        Part::Pairs(pairs) => (0, pairs.len()),
                        Part::Scores(scores) => (scores.len() * 10, scores.len()),
                    };
                    assert!(bytes <= PART_BYTES + WHOLE_BYTES_MAX / 2, "a part of {bytes}");
                    let last = lens.last_mut().expect("a value has begun");
                    last.1 += bytes;
                    last.2 += count;
                }
                Item::Complete => {}
                Item::End { .. } => return lens,
                other => panic!("{other:?}"),
            }
        }
    });
    let lens = reader.as_mut().expect("a file");
    assert_eq!(lens[0], (Type::String, 2 * WHOLE_BYTES_MAX, 2 * WHOLE_BYTES_MAX / PART_BYTES));
    assert_eq!(lens[1], (Type::List, 3 * WHOLE_BYTES_MAX / 2, 3));
    assert_eq!(lens[2], (Type::SortedSet, 1_000_000, 100_000));
    // Compressed it is small, and goes as it is.
    let mut small = b"\x00\x01s\xc3\x80".to_vec();
    small.extend((packed.len() as u32).to_be_bytes());
    small.push(0x80);
    small.extend(len.to_be_bytes());
    small.extend(packed);
    assert_eq!(keys(&file(10, &small)), "0:s=string");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bytes_behind_a_head_are_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _answer = items(&[b"REDIS0011", &bytes[..]].concat());
    }

    #[test]
    fn any_damage_of_a_file_is_an_answer(at in 0usize..600, byte in any::<u8>(), cut in 0usize..600) {
        let mut file = file(11, &all_types());
        let (at, cut) = (at % file.len(), cut % file.len());
        file[at] ^= byte;
        // The checksum finds what nothing else does.
        prop_assert!(byte == 0 || items(&file).is_err() || (5..9).contains(&at));
        prop_assert!(items(&file[..cut]).is_err());
    }
}
