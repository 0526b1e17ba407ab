//! Sets against a model, and when they change their form.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SEED: Seed = Seed([5; 16]);

fn set_of(members: &[&str], limits: SetLimits) -> SetValue {
    let mut set = SetValue::new();
    members.iter().for_each(|member| assert!(set.insert(member.as_bytes(), limits, SEED), "{member}"));
    set
}

fn texts(set: &SetValue) -> Vec<String> {
    set.iter().map(|member| String::from_utf8_lossy(&member.to_blob()).into_owned()).collect()
}

#[test]
fn the_limits_are_those_of_redis() {
    let limits = SetLimits { ints_max: 4, entries_max: 3, value_bytes_max: 4 };
    let check = |members: &[&str], expected: &str| {
        let set = set_of(members, limits);
        assert_eq!(set.encoding().name(), expected, "{members:?}");
        assert_eq!(set.len(), members.len());
    };
    check(&["3", "1", "2", "-5"], "intset");
    check(&["3", "1", "2", "-5", "4"], "hashtable");
    check(&["a", "1", "2"], "listpack");
    check(&["a", "1", "2", "3"], "hashtable");
    check(&["1", "2", "a"], "listpack");
    check(&["1", "2", "3", "a"], "hashtable");
    check(&["abcd"], "listpack");
    check(&["abcde"], "hashtable");
    check(&["12345", "a"], "hashtable");
    check(&["-1234", "a"], "hashtable");
    check(&["01"], "listpack");
}

#[test]
fn a_hint_chooses_the_form() {
    let limits = SetLimits { ints_max: 4, entries_max: 3, value_bytes_max: 4 };
    for (first, count, expected) in
        [("1", 4, "intset"), ("1", 5, "hashtable"), ("a", 3, "listpack"), ("a", 4, "hashtable")]
    {
        let set = SetValue::with_first(first.as_bytes(), count, limits, SEED);
        assert_eq!(set.encoding().name(), expected, "{first} {count}");
    }
    for (members, count, expected) in [
        (&["1"][..], 4, "intset"),
        (&["1"], 5, "hashtable"),
        (&["a"], 3, "listpack"),
        (&["a"], 4, "hashtable"),
    ] {
        let mut set = set_of(members, limits);
        set.expect(count, limits, SEED);
        assert_eq!(set.encoding().name(), expected, "{members:?} {count}");
        assert_eq!(texts(&set), members);
    }
}

#[test]
fn forms_have_their_order_and_never_go_back() {
    let limits = SetLimits { ints_max: 4, entries_max: 8, value_bytes_max: 8 };
    let mut set = set_of(&["3", "100000", "-9", "1"], limits);
    assert_eq!(texts(&set), ["-9", "1", "3", "100000"]);
    let ints = set.clone();
    assert!(set.insert(b"z", limits, SEED) && set.insert(b"0", limits, SEED));
    assert_eq!(texts(&set), ["-9", "1", "3", "100000", "z", "0"]);
    assert!(set.remove(b"z") && !set.remove(b"z") && !set.remove(b"00"));
    assert_eq!((set.encoding().name(), set.len()), ("listpack", 5));
    assert!(set.insert(b"a long member", limits, SEED));
    assert!(set.remove(b"a long member"));
    assert_eq!((set.encoding().name(), set.len()), ("hashtable", 5));
    assert_eq!((ints.len(), ints.encoding().name()), (4, "intset"), "clones are apart");

    set.make_ints(limits);
    assert_eq!(set.encoding().name(), "hashtable", "too many");
    assert!(set.remove(b"0"));
    set.make_ints(limits);
    assert_eq!(texts(&set), ["-9", "1", "3", "100000"]);
}

#[test]
fn integers_take_the_width_of_the_widest() {
    let mut ints = Intset::new();
    for (number, bytes) in [(1, 2), (-32_768, 2), (32_768, 4), (i64::from(i32::MIN), 4), (1 << 31, 8)] {
        assert!(ints.insert(number) && !ints.insert(number));
        assert_eq!(ints.data()[0], bytes, "{number}");
    }
    assert!(ints.insert(i64::MAX) && ints.insert(i64::MIN));
    assert!(ints.ints().iter().eq([i64::MIN, i64::from(i32::MIN), -32_768, 1, 32_768, 1 << 31, i64::MAX]));
    for data in [&b""[..], b"\x02", b"\x02\x01", b"\x02\x02\0\x01\0", b"\x02\x01\0\x01\0", b"\x03abc"] {
        assert!(Intset::from_data(data.to_vec()).is_none(), "{data:?}");
    }
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (-60i64..60).prop_map(|n| n.to_string().into_bytes()),
        1 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        3 => (0u32..80).prop_map(|n| format!("m{n}").into_bytes()),
        1 => (0usize..300).prop_map(|len| vec![b'x'; len]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_set(
        ints_max in 0usize..100,
        entries_max in 0usize..100,
        words in any::<bool>(),
        steps in prop::collection::vec((0u8..3, member()), 1..300),
        count in 1usize..30,
    ) {
        let limits = SetLimits { ints_max, entries_max, value_bytes_max: 200 };
        let mut set = SetValue::new();
        let mut model = BTreeSet::new();
        let mut before = (set.clone(), model.clone());
        for (at, (kind, member)) in steps.into_iter().enumerate() {
            if !words && canonical_integer(&member).is_none() {
                continue;
            }
            if at == 100 {
                before = (set.clone(), model.clone());
            }
            prop_assert_eq!(set.contains(&member), model.contains(&member));
            if kind > 0 {
                prop_assert_eq!(set.insert(&member, limits, SEED), model.insert(member));
            } else {
                prop_assert_eq!(set.remove(&member), model.remove(&member));
            }
        }
        let mut shrinking = set.clone();
        for rank in (0..set.len()).rev() {
            let expected = set.nth(rank).map(Item::to_blob);
            prop_assert_eq!(shrinking.take_nth(rank), expected);
            prop_assert_eq!(shrinking.len(), rank);
        }
        for (set, model) in [(set, model), before] {
            prop_assert_eq!(set.len(), model.len());
            let found: BTreeSet<Vec<u8>> = set.iter().map(|member| member.to_blob().to_vec()).collect();
            prop_assert_eq!(&found, &model);
            for (rank, member) in set.iter().enumerate() {
                prop_assert_eq!(set.nth(rank), Some(member));
                prop_assert!(set.contains_item(member));
            }
            prop_assert_eq!(set.nth(set.len()), None);
            let mut scanned = BTreeSet::new();
            let mut cursor = 0;
            loop {
                cursor = set.scan(cursor, count, |member| assert!(scanned.insert(member.to_blob().to_vec())));
                if cursor == 0 { break }
            }
            prop_assert_eq!(&scanned, &model);
            // The account and the length in a snapshot are functions of contents.
            if let SetContents::Table(map, encoded_bytes) = set.contents() {
                let again = SetValue::from_table(map.clone());
                prop_assert_eq!(again.heap_bytes(), set.heap_bytes());
                let mut encoded = Vec::new();
                map.iter().for_each(|(member, ())| crate::packed::push(&mut encoded, member));
                prop_assert_eq!(encoded.len(), encoded_bytes);
            }
        }
    }
}
