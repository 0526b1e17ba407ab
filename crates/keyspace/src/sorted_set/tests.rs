//! Sorted sets against a model, in both forms, and when the one becomes the other.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SEED: Seed = Seed([5; 16]);

fn set_of(members: &[(&[u8], f64)], limits: SortedSetLimits) -> SortedSetValue {
    let mut set = SortedSetValue::new();
    members.iter().for_each(|(member, score)| {
        set.insert(member, *score, limits, SEED);
    });
    set
}

#[test]
fn the_limits_are_those_of_redis() {
    let limits = SortedSetLimits { entries_max: 3, value_bytes_max: 4 };
    let set = set_of(&[(b"c", 1.0), (b"a", 3.0), (b"1234", 2.0)], limits);
    assert_eq!(set.encoding().name(), "listpack", "at the limits");

    let mut longer = set.clone();
    assert_eq!(longer.insert(b"12345", 0.0, limits, SEED), None);
    assert_eq!(longer.encoding().name(), "skiplist", "a member too long");
    let mut longer = set.clone();
    assert_eq!(longer.insert(b"a", 9.0, limits, SEED), Some(3.0));
    assert_eq!(longer.encoding().name(), "listpack", "no new member");
    assert_eq!(longer.insert(b"b", 1.0, limits, SEED), None);
    assert_eq!(longer.encoding().name(), "skiplist", "a member too many");
    longer.remove_range(0..3);
    assert_eq!((longer.encoding().name(), longer.len()), ("skiplist", 1), "it never goes back");
    assert_eq!((set.len(), set.score(b"a")), (3, Some(3.0)), "clones are apart");
    let none = SortedSetLimits { entries_max: 0, value_bytes_max: 64 };
    assert_eq!(set_of(&[(b"a", 1.0)], none).encoding().name(), "skiplist");
}

#[test]
fn the_order_is_by_score_and_then_by_member() {
    for entries_max in [0, 128] {
        let limits = SortedSetLimits { entries_max, value_bytes_max: 64 };
        let members: [(&[u8], f64); 8] = [
            (b"inf", f64::INFINITY),
            (b"b", 0.0),
            (b"a", -0.0),
            (b"", 0.0),
            (b"-inf", f64::NEG_INFINITY),
            (b"c", 1e-300),
            (b"aa", 0.0),
            (b"d", -1.0),
        ];
        let mut set = set_of(&members, limits);
        let order: Vec<&[u8]> = set.iter().map(|(member, _)| member).collect();
        assert_eq!(order, [&b"-inf"[..], b"d", b"", b"a", b"aa", b"b", b"c", b"inf"]);
        let negative = |set: &SortedSetValue| set.score(b"a").is_some_and(f64::is_sign_negative);
        assert_eq!(negative(&set), entries_max == 0, "the packed form has no -0, as in Redis");
        assert_eq!(set.insert(b"a", 0.0, limits, SEED), Some(0.0));
        assert_eq!(negative(&set), entries_max == 0, "an equal score changes nothing");
    }
}

#[test]
fn small_numbers_are_short() {
    for (score, bytes) in
        [(0.0, 3), (1.0, 5), (-2.0, 4), (1000.0, 6), (0.1, 11), (-0.0, 3), (f64::INFINITY, 5)]
    {
        let set = set_of(&[(b"m", score)], SortedSetLimits::default());
        let SortedSetContents::Packed(data) = set.contents() else { panic!("a small set is packed") };
        assert_eq!(data.len(), bytes, "{score}");
        let again = SortedSetValue::from_packed(data.to_vec()).expect("what was written is read");
        assert_eq!(again.score(b"m"), Some(score));
    }
}

#[test]
fn damaged_bytes_are_refused() {
    let one = |count: u8, bytes: &[u8]| [&[count], bytes, b"\x01m"].concat();
    let refused: [&[u8]; 8] = [
        b"",
        b"\x00\x02m",
        &one(9, &[0; 9]),
        &one(8, &f64::NAN.to_be_bytes()),
        &one(2, &[0x40, 0x00]),
        &[one(1, &[0x40]), one(1, &[0x40])].concat(),
        &[one(1, &[0x40]), one(0, &[])].concat(),
        &[one(0, &[]), vec![0]].concat(),
    ];
    for data in refused {
        assert!(SortedSetValue::from_packed(data.to_vec()).is_none(), "{data:?}");
    }
    let mut tree = SortedSetValue::new_tree(SEED);
    assert!(tree.push_last(b"b", 1.0));
    for (member, score) in [(&b"a"[..], 1.0), (b"b", 1.0), (b"b", 2.0), (b"c", f64::NAN), (b"c", 0.0)] {
        assert!(!tree.push_last(member, score), "{score}");
    }
}

type Model = BTreeMap<Vec<u8>, f64>;

fn in_order(model: &Model) -> Vec<(&[u8], f64)> {
    let mut order: Vec<(&[u8], f64)> = model.iter().map(|(member, score)| (&member[..], *score)).collect();
    order.sort_by(|a, b| compare((a.1, a.0), (b.1, b.0)));
    order
}

fn check_equal(set: &SortedSetValue, model: &Model) {
    let order = in_order(model);
    assert_eq!(set.len(), order.len());
    assert!(set.iter().eq(order.iter().copied()));
    assert!(set.range_backwards(0..set.len()).eq(order.iter().rev().copied()));
    for (rank, (member, score)) in order.iter().enumerate() {
        assert_eq!((set.rank(member), set.score(member)), (Some(rank), Some(*score)));
        assert_eq!(set.get(rank), Some((*member, *score)));
    }
    assert_eq!((set.rank(b"no"), set.score(b"no"), set.get(order.len())), (None, None, None));
    // The account and the length in a snapshot are functions of contents.
    if let SortedSetContents::Tree(_, encoded_bytes) = set.contents() {
        let mut again = SortedSetValue::new_tree(SEED);
        let mut encoded = Vec::new();
        for (member, score) in &order {
            assert!(again.push_last(member, *score));
            push_scored(&mut encoded, member, *score);
        }
        assert_eq!(again.heap_bytes(), set.heap_bytes());
        assert_eq!(encoded.len(), encoded_bytes);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u16, i8),
    Remove(u16),
    RemoveRange(u16, u16),
    Clone,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0u16..300, any::<i8>()).prop_map(|(member, score)| Step::Insert(member, score)),
        4 => (0u16..300).prop_map(Step::Remove),
        1 => (0u16..300, 0u16..50).prop_map(|(start, count)| Step::RemoveRange(start, count)),
        1 => Just(Step::Clone),
    ]
}

/// Some inline in a blob, some not.
fn member_of(n: u16) -> Vec<u8> {
    format!("{n:0width$}", width = usize::from(n % 40)).into_bytes()
}

fn score_of(n: i8) -> f64 {
    match n {
        i8::MIN => f64::NEG_INFINITY,
        i8::MAX => f64::INFINITY,
        n => f64::from(n) / 8.0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_an_ordered_map_and_clones_stay(
        entries_max in 0usize..300,
        steps in prop::collection::vec(step(), 1..500),
        bound in any::<i8>(),
        count in 1usize..30,
    ) {
        let limits = SortedSetLimits { entries_max, value_bytes_max: 64 };
        let mut set = SortedSetValue::new();
        let mut model = Model::new();
        let mut clones = Vec::new();
        for step in steps {
            match step {
                Step::Insert(n, score) => {
                    let (member, score) = (member_of(n), score_of(score));
                    prop_assert_eq!(set.insert(&member, score, limits, SEED), model.insert(member, score));
                }
                Step::Remove(n) => {
                    let member = member_of(n);
                    prop_assert_eq!(set.remove(&member), model.remove(&member));
                }
                Step::RemoveRange(start, count) => {
                    let start = usize::from(start).min(set.len());
                    let ranks = start..(start + usize::from(count)).min(set.len());
                    let gone: Vec<Vec<u8>> =
                        in_order(&model)[ranks.clone()].iter().map(|(member, _)| member.to_vec()).collect();
                    gone.iter().for_each(|member| { model.remove(member); });
                    set.remove_range(ranks);
                }
                Step::Clone => clones.push((set.clone(), model.clone())),
            }
        }
        check_equal(&set, &model);
        clones.iter().for_each(|(set, model)| check_equal(set, model));
        let below = model.values().filter(|score| **score < score_of(bound)).count();
        prop_assert_eq!(set.partition_point(|_, score| score < score_of(bound)), below);
        let mut scanned = Model::new();
        let mut cursor = 0;
        loop {
            cursor = set.scan(cursor, count, |member, score| {
                assert!(scanned.insert(member.to_vec(), score).is_none());
            });
            if cursor == 0 { break }
        }
        prop_assert_eq!(&scanned, &model);
    }
}
