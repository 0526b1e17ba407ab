//! Hashes against a model, and when they become tables.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SEED: Seed = Seed([5; 16]);

#[test]
fn the_limits_are_those_of_redis() {
    let limits = HashLimits { entries_max: 3, value_bytes_max: 4 };
    let mut hash = HashValue::new();
    for field in [b"c", b"a", b"b"] {
        assert!(hash.insert(field, b"1234", limits, SEED));
    }
    assert_eq!(hash.encoding().name(), "listpack", "at the limits");
    let order: Vec<&[u8]> = hash.iter().map(|(field, _)| field).collect();
    assert_eq!(order, [b"c", b"a", b"b"], "order of insertion");

    let mut longer = hash.clone();
    assert!(!longer.insert(b"a", b"12345", limits, SEED));
    assert_eq!(longer.encoding().name(), "hashtable", "a value too long");
    let mut longer = hash.clone();
    assert!(longer.insert(b"d", b"", limits, SEED));
    assert_eq!(longer.encoding().name(), "hashtable", "a field too many");
    assert!(longer.remove(b"d") && longer.remove(b"c"));
    assert_eq!((longer.encoding().name(), longer.len()), ("hashtable", 2), "it never goes back");
    assert_eq!((hash.len(), hash.get(b"a")), (3, Some(&b"1234"[..])), "clones are apart");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_map(
        entries_max in 0usize..200,
        steps in prop::collection::vec((any::<bool>(), 0u16..150, 0usize..400), 1..400),
        count in 1usize..30,
    ) {
        let limits = HashLimits { entries_max, value_bytes_max: 300 };
        let mut hash = HashValue::new();
        let mut model = BTreeMap::new();
        for (insert, field, len) in steps {
            let field = field.to_string().into_bytes();
            if insert {
                let value = vec![b'v'; len];
                prop_assert_eq!(hash.insert(&field, &value, limits, SEED), model.insert(field, value).is_none());
            } else {
                prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
            }
        }
        prop_assert_eq!(hash.len(), model.len());
        let found: BTreeMap<Vec<u8>, Vec<u8>> = hash.iter().map(|(f, v)| (f.to_vec(), v.to_vec())).collect();
        prop_assert_eq!(&found, &model);
        for (rank, pair) in hash.iter().enumerate() {
            prop_assert_eq!(hash.nth(rank), Some(pair));
            prop_assert_eq!(hash.get(pair.0), Some(pair.1));
        }
        let mut scanned = BTreeMap::new();
        let mut cursor = 0;
        loop {
            cursor = hash.scan(cursor, count, |f, v| assert!(scanned.insert(f.to_vec(), v.to_vec()).is_none()));
            if cursor == 0 { break }
        }
        prop_assert_eq!(&scanned, &model);
        // The account and the length in a snapshot are functions of contents.
        if let HashContents::Table(map, encoded_bytes) = hash.contents() {
            let again = HashValue::from_table(map.clone());
            prop_assert_eq!(again.heap_bytes(), hash.heap_bytes());
            let mut encoded = Vec::new();
            hash.iter().for_each(|(f, v)| { packed::push(&mut encoded, f); packed::push(&mut encoded, v); });
            prop_assert_eq!(encoded.len(), encoded_bytes);
        }
    }
}
