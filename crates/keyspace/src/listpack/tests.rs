//! Listpacks against a model, and their bytes against Redis'.

use proptest::prelude::*;

use super::*;

fn texts(pack: &Listpack) -> Vec<Vec<u8>> {
    pack.iter().map(|item| item.to_blob().to_vec()).collect()
}

/// Both directions, every index, and the bytes read back.
fn check(pack: &Listpack, model: &[Vec<u8>]) {
    assert_eq!(pack.len(), model.len());
    assert_eq!(texts(pack), model);
    let mut backwards: Vec<Vec<u8>> = pack.iter().rev().map(|item| item.to_blob().to_vec()).collect();
    backwards.reverse();
    assert_eq!(backwards, model);
    for (i, text) in model.iter().enumerate() {
        assert!(pack.get(i).is_some_and(|item| item.is(text)), "index {i}");
        assert_eq!(pack.position(text), model.iter().position(|other| other == text));
    }
    assert_eq!(pack.get(model.len()), None);
    let read = Listpack::from_data(pack.data().to_vec()).map(|read| texts(&read));
    assert_eq!(read, (!model.is_empty()).then(|| model.to_vec()));
}

/// The bytes are those that Redis 7.0 has between header and end mark (DUMP of a list of these).
#[test]
fn entries_are_those_of_redis() {
    for (text, expected) in [
        ("0", &b"\x00\x01"[..]),
        ("127", b"\x7f\x01"),
        ("128", b"\xc0\x80\x02"),
        ("-1", b"\xdf\xff\x02"),
        ("4095", b"\xcf\xff\x02"),
        ("-4096", b"\xd0\x00\x02"),
        ("4096", b"\xf1\x00\x10\x03"),
        ("-32768", b"\xf1\x00\x80\x03"),
        ("32768", b"\xf2\x00\x80\x00\x04"),
        ("-8388608", b"\xf2\x00\x00\x80\x04"),
        ("8388608", b"\xf3\x00\x00\x80\x00\x05"),
        ("2147483648", b"\xf4\x00\x00\x00\x80\x00\x00\x00\x00\x09"),
        ("-9223372036854775808", b"\xf4\x00\x00\x00\x00\x00\x00\x00\x80\x09"),
        ("", b"\x80\x01"),
        ("a", b"\x81a\x02"),
        ("01", b"\x8201\x03"),
        ("-0", b"\x82-0\x03"),
        ("9223372036854775808", b"\x939223372036854775808\x14"),
    ] {
        let mut pack = Listpack::default();
        pack.push_back(text.as_bytes());
        assert_eq!(pack.data(), expected, "{text}");
        check(&pack, &[text.as_bytes().to_vec()]);
    }
    for (len, head, back) in [
        (63, &b"\xbf"[..], &b"\x40"[..]),
        (64, b"\xe0\x40", b"\x42"),
        (4095, b"\xef\xff", b"\x20\x81"),
        (4096, b"\xf0\x00\x10\x00\x00", b"\x20\x85"),
        (16_377, b"\xf0\xf9\x3f\x00\x00", b"\x7f\xfe"),
        (16_378, b"\xf0\xfa\x3f\x00\x00", b"\x00\xff\xff"),
        (3_000_000, b"\xf0\xc0\xc6\x2d\x00", b"\x01\xb7\x8d\xc5"),
    ] {
        let mut pack = Listpack::default();
        pack.push_back(&vec![b'x'; len]);
        assert_eq!((&pack.data()[..head.len()], &pack.data()[head.len() + len..]), (head, back), "{len}");
        check(&pack, &[vec![b'x'; len]]);
    }
}

#[test]
fn what_redis_would_not_write_is_refused() {
    for data in [
        &b""[..],
        b"\x80",             // no length at the back
        b"\x81a\x03",        // another length at the back
        b"\x82a",            // cut off
        b"\xc0\x05\x02",     // a number that could be shorter
        b"\x815\x02",        // bytes that spell a number
        b"\xe0\x01a\x03",    // a head that could be shorter
        b"\xf5\x01",         // no head
        b"\xff",             // the end mark
        b"\xf0\xff\xff\xff", // a cut-off length
    ] {
        assert!(Listpack::from_data(data.to_vec()).is_none(), "{data:?}");
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..80),
        3 => any::<i64>().prop_map(|n| (n >> (n & 63)).to_string().into_bytes()),
        1 => (0usize..40_000).prop_map(|len| vec![b'x'; len]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_vector(
        steps in prop::collection::vec((0u8..8, any::<prop::sample::Index>(), any::<prop::sample::Index>(), text()), 1..80),
    ) {
        let mut pack = Listpack::default();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for (kind, a, b, text) in steps {
            let at = a.index(model.len() + 1);
            let end = at + b.index(model.len() - at + 1);
            match kind {
                0 | 1 => { pack.push_back(&text); model.push(text) }
                2 | 3 => { pack.insert(at, &text); model.insert(at, text) }
                4 => { pack.remove_range(at, end); model.drain(at..end); }
                5 if at < model.len() => { pack.replace(at, &text); model[at] = text }
                6 => {
                    let upper = pack.split_off(at);
                    check(&upper, &model[at..]);
                    let mut again = pack.clone();
                    again.append(&upper);
                    check(&again, &model);
                    model.truncate(at);
                }
                7 => {
                    pack.retain(|item| item.to_blob().len() % 2 == 0);
                    model.retain(|text| text.len() % 2 == 0);
                }
                _ if at < model.len() => { pack.remove(at); model.remove(at); }
                _ => {}
            }
            check(&pack, &model);
            let from: Vec<Vec<u8>> = pack.iter_from(at).map(|item| item.to_blob().to_vec()).collect();
            prop_assert_eq!(&from[..], model.get(at..).unwrap_or_default());
            let to: Vec<Vec<u8>> = pack.iter_to(at).map(|item| item.to_blob().to_vec()).collect();
            prop_assert_eq!(&to[..], &model[..at.min(model.len())]);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(data in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Some(pack) = Listpack::from_data(data) {
            let model = texts(&pack);
            check(&pack, &model);
        }
    }
}

#[test]
fn lengths_are_known_before_they_are_written() {
    let numbers =
        [0, 127, 128, -1, 4095, -4096, 4096, -0x8000, 0x8000, 1 << 23, -(1 << 31), 1 << 31, i64::MIN];
    let lengths = [0, 1, 63, 64, 125, 126, 4095, 4096, 16_377, 16_378, 70_000];
    let texts = numbers.map(|number| number.to_string().into_bytes()).into_iter();
    for text in texts.chain(lengths.map(|len| vec![b'x'; len])) {
        let mut written = Vec::new();
        entry::push(&mut written, &text);
        assert_eq!(entry::encoded_bytes(&text), written.len(), "{} bytes", text.len());
    }
}
