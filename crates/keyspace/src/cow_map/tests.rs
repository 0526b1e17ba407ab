//! The map against a model: contents, order, clones, cursors and shrinking.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::Rng;

const SEED: Seed = Seed([7; 16]);

/// How a test hashes, so that deep nodes and equal hashes are reached with few keys.
#[derive(Clone, Copy, Debug)]
enum Hashing {
    Sip,
    /// All hashes share their first bits.
    Deep(u32),
    /// Only this many different hashes.
    Few(u64),
}

impl Hashing {
    fn hash(self, key: &[u8]) -> u64 {
        let hash = SEED.hash(key);
        match self {
            Hashing::Sip => hash,
            Hashing::Deep(bits) => hash >> bits,
            Hashing::Few(n) => (hash % n).wrapping_mul(u64::MAX / n),
        }
    }
}

type Model = BTreeMap<(u64, Vec<u8>), u32>;

fn check_equal(map: &CowMap<u32>, model: &Model) {
    assert_eq!(map.len(), model.len());
    assert_eq!(map.is_empty(), model.is_empty());
    let mut pairs = map.iter_from(0);
    for ((hash, key), value) in model {
        assert_eq!(pairs.next_hashed(), Some((*hash, &Blob::new(key), value)));
        assert_eq!(map.get_hashed(*hash, key), Some((&Blob::new(key), value)));
    }
    assert_eq!(pairs.next_hashed(), None);
    for (rank, ((_, key), value)) in model.iter().enumerate().step_by(1 + model.len() / 16) {
        assert_eq!(map.nth(rank), Some((&Blob::new(key), value)));
    }
    assert_eq!(map.nth(model.len()), None);
}

fn key_of(n: u32) -> Vec<u8> {
    // Some inline, some not.
    format!("{:width$}", n, width = (n % 40) as usize).into_bytes()
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u32, u32),
    InsertMany(u32),
    Change(u32),
    Remove(u32),
    RemoveMany(u32),
    Clone,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u32..600, any::<u32>()).prop_map(|(k, v)| Step::Insert(k, v)),
        1 => (0u32..600).prop_map(Step::InsertMany),
        2 => (0u32..600).prop_map(Step::Change),
        4 => (0u32..600).prop_map(Step::Remove),
        1 => (0u32..600).prop_map(Step::RemoveMany),
        1 => Just(Step::Clone),
    ]
}

fn hashing() -> impl Strategy<Value = Hashing> {
    prop_oneof![
        3 => Just(Hashing::Sip),
        1 => (1u32..60).prop_map(Hashing::Deep),
        1 => (1u64..40).prop_map(Hashing::Few),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_an_ordered_map_and_clones_stay(
        hashing in hashing(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut map = CowMap::new(SEED);
        let mut model = Model::new();
        let mut clones = Vec::new();
        for step in steps {
            let many = |from: u32| (0..200).map(move |i| (from + i * 7) % 600);
            match step {
                Step::Insert(n, value) => {
                    let key = key_of(n);
                    let hash = hashing.hash(&key);
                    let old = model.insert((hash, key.clone()), value);
                    prop_assert_eq!(map.insert_hashed(hash, &key[..], value), old);
                }
                Step::InsertMany(from) => for n in many(from) {
                    let key = key_of(n);
                    let hash = hashing.hash(&key);
                    let old = model.insert((hash, key.clone()), n);
                    prop_assert_eq!(map.insert_hashed(hash, &key[..], n), old);
                },
                Step::Change(n) => {
                    let key = key_of(n);
                    let hash = hashing.hash(&key);
                    let found = map.get_mut_hashed(hash, &key).map(|value| { *value ^= 1; *value });
                    let expected = model.get_mut(&(hash, key)).map(|value| { *value ^= 1; *value });
                    prop_assert_eq!(found, expected);
                }
                Step::Remove(n) => {
                    let key = key_of(n);
                    let hash = hashing.hash(&key);
                    prop_assert_eq!(map.remove_hashed(hash, &key), model.remove(&(hash, key)));
                }
                Step::RemoveMany(from) => for n in many(from) {
                    let key = key_of(n);
                    let hash = hashing.hash(&key);
                    prop_assert_eq!(map.remove_hashed(hash, &key), model.remove(&(hash, key)));
                },
                Step::Clone => clones.push((map.clone(), model.clone())),
            }
        }
        check_equal(&map, &model);
        for (map, model) in &clones {
            check_equal(map, model);
        }
    }

    #[test]
    fn a_scan_visits_once_what_stays(
        hashing in hashing(),
        count in 1usize..40,
        seed in any::<u64>(),
    ) {
        let mut rng = Rng::from_u64(seed);
        let mut map = CowMap::new(SEED);
        let put = |map: &mut CowMap<u32>, n: u32| {
            let key = key_of(n);
            map.insert_hashed(hashing.hash(&key), &key[..], n);
        };
        // Even keys stay; odd ones come and go between the calls.
        (0..500).map(|n| n * 2).for_each(|n| put(&mut map, n));
        let mut seen = BTreeSet::new();
        let mut cursor = 0;
        for _ in 0..2000 {
            cursor = map.scan(cursor, count, |_, n| assert!(seen.insert(*n) || n % 2 == 1, "{n} twice"));
            if cursor == 0 { break }
            for _ in 0..20 {
                let n = rng.below(1000) as u32 | 1;
                put(&mut map, n);
                let key = key_of(rng.below(1000) as u32 | 1);
                map.remove_hashed(hashing.hash(&key), &key);
            }
        }
        prop_assert_eq!(cursor, 0);
        prop_assert_eq!(seen.iter().filter(|n| *n % 2 == 0).count(), 500);
    }

    #[test]
    fn order_does_not_depend_on_history(seed in any::<u64>()) {
        let mut rng = Rng::from_u64(seed);
        let (mut a, mut b) = (CowMap::new(SEED), CowMap::new(SEED));
        (0..300u32).for_each(|n| { a.insert(&key_of(n), n); });
        (0..3000u32).for_each(|n| { b.insert(&key_of(n), n); });
        while b.len() > 300 {
            let n = 300 + rng.below(2700) as u32;
            b.remove(&key_of(n));
        }
        prop_assert!(a.iter().eq(b.iter()));
        prop_assert!((0..300).all(|rank| a.nth(rank) == b.nth(rank)));
        prop_assert_eq!(a.scan(0, 10, |_, _| ()), b.scan(0, 10, |_, _| ()));
    }
}

#[test]
fn memory_goes_back_when_a_map_shrinks() {
    let mut map = CowMap::new(SEED);
    for n in 0..20_000u32 {
        map.insert(&key_of(n), n);
    }
    assert!(matches!(map.root, Some(Child::Node(..))));
    for n in 40..20_000u32 {
        map.remove(&key_of(n));
    }
    let Some(Child::Node(_, node)) = &map.root else { panic!("40 pairs are still a node") };
    assert!(node.children().len() <= 8, "{} buckets for 40 pairs", node.children().len());
    for n in 10..40u32 {
        map.remove(&key_of(n));
    }
    assert!(matches!(map.root, Some(Child::Bucket(..))), "10 pairs are one bucket");
    for n in 0..10u32 {
        map.remove(&key_of(n));
    }
    assert!(map.root.is_none());
}

#[test]
fn odd_cursors_end_the_scan() {
    let mut map = CowMap::new(SEED);
    map.insert(b"a", 1);
    for cursor in [1 << CURSOR_BITS, u64::MAX] {
        assert_eq!(map.scan(cursor, 10, |_, _| panic!("nothing is there")), 0);
    }
    let mut seen = 0;
    assert_eq!(map.scan(0, 0, |_, _| seen += 1), 0);
    assert_eq!(seen, 1);
}
