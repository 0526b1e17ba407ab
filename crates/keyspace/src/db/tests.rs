//! Databases: expiry, versions for WATCH, the memory account, garbage.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::{DbIndex, HashLimits, HashValue, Keyspace, Millis, Rng, Seed, Value, Version};

const SEED: Seed = Seed([3; 16]);
const DB: DbIndex = DbIndex::ZERO;

fn keyspace() -> Keyspace {
    Keyspace::new(SEED)
}

fn set(keyspace: &mut Keyspace, key: &str, expires: Option<i64>, version: u64) {
    keyspace.db_mut(DB).set(key.as_bytes(), Value::string(b"v"), expires.map(Millis), Version(version));
}

#[test]
fn an_expired_key_does_not_exist() {
    let mut keyspace = keyspace();
    set(&mut keyspace, "k", Some(100), 1);
    let db = keyspace.db_mut(DB);
    assert!(db.contains(b"k", Millis(99)));
    assert_eq!(db.expires(b"k", Millis(99)), Some(Some(Millis(100))));
    assert!(!db.contains(b"k", Millis(100)), "the expiry itself is past it");
    assert_eq!(db.expires(b"k", Millis(100)), None);
    assert_eq!((db.len(), db.iter(Millis(100)).count()), (1, 0));
    assert_eq!(db.scan(0, 10, Millis(100), |_, _| panic!("expired")), 0);
    assert!(db.random(&mut Rng::from_u64(1), Millis(100)).is_none());
    assert!(!db.set_expiry(b"k", None, Millis(100), Version(2)));
    assert_eq!((db.len(), db.expiring_len()), (0, 0), "a write that found it removed it");
    assert_eq!(db.memory_bytes(), 0);
}

#[test]
fn a_slice_removes_in_order_of_expiry_database_and_key() {
    let mut keyspace = keyspace();
    let other = DbIndex::new(5).expect("a database");
    for (db, key, at) in [(other, "a", 10), (DB, "c", 10), (DB, "b", 10), (other, "z", 5), (DB, "y", 11)] {
        keyspace.db_mut(db).set(key.as_bytes(), Value::integer(1), Some(Millis(at)), Version(1));
    }
    assert_eq!(keyspace.next_expiry(), Some(Millis(5)));
    let mut removed = keyspace.expire_slice(Millis(10), 2);
    assert_eq!(removed.len(), 2, "bounded");
    removed.extend(keyspace.expire_slice(Millis(10), 100));
    let names: Vec<_> = removed.iter().map(|e| (e.at.0, e.db.index(), e.key.to_vec())).collect();
    assert_eq!(
        names,
        [(5, 5, b"z".to_vec()), (10, 0, b"b".to_vec()), (10, 0, b"c".to_vec()), (10, 5, b"a".to_vec())]
    );
    assert_eq!((keyspace.next_expiry(), keyspace.db(DB).len()), (Some(Millis(11)), 1));
}

#[test]
fn watch_sees_what_redis_sees() {
    const T: Millis = Millis(50);
    let late = Millis(200);
    let mut keyspace = keyspace();
    let version = |keyspace: &Keyspace, key: &str, now| keyspace.db(DB).key_version(key.as_bytes(), now);

    let missing = version(&keyspace, "k", T);
    set(&mut keyspace, "k", None, 1);
    let created = version(&keyspace, "k", T);
    assert_ne!(missing, created);
    assert!(keyspace.db_mut(DB).remove(b"k", T, Version(2)).is_some());
    let removed = version(&keyspace, "k", T);
    assert!(removed != missing && removed != created, "created and removed again is a change");
    assert!(keyspace.db_mut(DB).remove(b"k", T, Version(3)).is_none());
    assert_eq!(version(&keyspace, "k", T), removed, "removing nothing is none");

    set(&mut keyspace, "ttl", Some(100), 4);
    let live = version(&keyspace, "ttl", T);
    let expired = version(&keyspace, "ttl", late);
    assert_ne!(live, expired, "expired between WATCH and EXEC");
    assert_eq!(keyspace.expire_slice(late, 10).len(), 1);
    assert_eq!(version(&keyspace, "ttl", late), expired, "already expired at WATCH");

    set(&mut keyspace, "a", None, 5);
    let a = version(&keyspace, "a", T);
    assert!(keyspace.db_mut(DB).get_mut(b"a", T, Version(6)).is_some());
    let changed = version(&keyspace, "a", T);
    assert_ne!(a, changed);
    keyspace.swap(DB, DbIndex::new(1).expect("a database"), T, Version(7));
    assert!(version(&keyspace, "a", T) > changed);
    keyspace.swap(DB, DbIndex::new(1).expect("a database"), T, Version(8));
    let back = version(&keyspace, "a", T);
    assert!(back > changed, "swapped there and back");
    assert_eq!(keyspace.flush_all(T, Version(9)), 1);
    assert_ne!(version(&keyspace, "a", T), back);
    let flushed = version(&keyspace, "a", T);
    assert!(flushed > removed);
}

/// What WATCH sees of a key in two databases around a change of both, as Redis decides it.
#[test]
fn flushing_and_swapping_change_the_keys_that_exist() {
    const T: Millis = Millis(150);
    const OTHER: i64 = 1;
    let other = DbIndex::new(OTHER).expect("a database");
    type Change = fn(&mut Keyspace, DbIndex);
    let flush: Change = |keyspace, _| {
        keyspace.flush_all(T, Version(9));
    };
    let swap: Change = |keyspace, other| {
        keyspace.expire_slice(T, 10);
        keyspace.swap(DB, other, T, Version(9));
    };
    let swap_twice: Change = |keyspace, other| {
        keyspace.swap(DB, other, T, Version(9));
        keyspace.swap(DB, other, T, Version(10));
    };
    let create_and_flush: Change = |keyspace, _| {
        keyspace.db_mut(DB).set(b"k", Value::integer(1), None, Version(8));
        keyspace.flush_all(T, Version(9));
    };
    // None: missing; Some(100): expired at T; Some(0): without expiry.
    for (name, here, there, change, changes) in [
        ("flush: missing", None, None, flush, false),
        ("flush: there", Some(0), None, flush, true),
        ("flush: expired", Some(100), None, flush, false),
        ("flush: created before", None, None, create_and_flush, true),
        ("flush: expired and created before", Some(100), None, create_and_flush, true),
        ("swap: missing in both", None, None, swap, false),
        ("swap: goes", Some(0), None, swap, true),
        ("swap: comes", None, Some(0), swap, true),
        ("swap: another", Some(0), Some(0), swap, true),
        ("swap: expired goes", Some(100), None, swap, false),
        ("swap: expired comes", None, Some(100), swap, false),
        ("swap: expired for expired", Some(100), Some(100), swap, false),
        ("swap: comes for expired", Some(100), Some(0), swap, true),
        ("swap: comes and goes", None, Some(0), swap_twice, true),
        ("swap: goes and comes", Some(0), None, swap_twice, true),
        ("swap: missing twice", None, None, swap_twice, false),
    ] {
        let mut keyspace = keyspace();
        set(&mut keyspace, "unrelated", None, 1);
        for (db, expires, version) in [(DB, here, 5), (other, there, 6)] {
            if let Some(at) = expires {
                let expires = Some(Millis(at)).filter(|at| at.0 > 0);
                keyspace.db_mut(db).set(b"k", Value::integer(1), expires, Version(version));
            }
        }
        let watched = keyspace.db(DB).key_version(b"k", T);
        let restored =
            |keyspace: &Keyspace| Keyspace::decode(keyspace.capture().encode()).expect("a snapshot");
        let mut copy = restored(&keyspace);
        change(&mut keyspace, other);
        change(&mut copy, other);
        assert_eq!(keyspace.db(DB).key_version(b"k", T) != watched, changes, "{name}");
        let found = restored(&copy).db(DB).key_version(b"k", T);
        assert_eq!(found, keyspace.db(DB).key_version(b"k", T), "{name}: after a snapshot");
    }
}

#[test]
fn where_much_goes_at_once_every_missing_key_may_count() {
    let mut keyspace = keyspace();
    (0..5000).for_each(|n| set(&mut keyspace, &n.to_string(), None, 1));
    let watched = keyspace.db(DB).key_version(b"7", Millis(0));
    keyspace.flush_all(Millis(0), Version(2));
    assert_ne!(keyspace.db(DB).key_version(b"7", Millis(0)), watched);
    assert_eq!(keyspace.db(DB).key_version(b"7", Millis(0)), Version(2 << 1));
    assert_eq!(keyspace.db(DB).key_version(b"none", Millis(0)), Version(2 << 1));
}

#[test]
fn what_is_slow_to_free_goes_to_the_garbage() {
    let mut keyspace = keyspace();
    let hash = |len: usize| {
        let mut hash = HashValue::new();
        (0..len).for_each(|n| {
            hash.insert(n.to_string().as_bytes(), b"v", HashLimits::default(), SEED);
        });
        Value::hash(hash)
    };
    let db = keyspace.db_mut(DB);
    db.set(b"small", hash(64), None, Version(1));
    db.set(b"large", hash(65), None, Version(1));
    assert!(db.remove(b"small", Millis(0), Version(2)).is_some());
    assert_eq!(keyspace.take_garbage().len(), 0);
    let db = keyspace.db_mut(DB);
    assert!(db.remove(b"large", Millis(0), Version(2)).is_some());
    db.set(b"large", hash(65), None, Version(3));
    db.set(b"large", Value::integer(1), None, Version(4));
    db.set(b"large", hash(65), None, Version(5));
    db.get_mut(b"large", Millis(0), Version(6)).expect("it was set").replace(Value::integer(2));
    assert_eq!(keyspace.take_garbage().len(), 3);
    assert_eq!(keyspace.take_garbage().len(), 0);
    assert_eq!(keyspace.flush_all(Millis(0), Version(7)), 1);
    assert_eq!((keyspace.memory_bytes(), keyspace.db(DB).len()), (0, 0));
    assert!(!keyspace.take_garbage().is_empty());
}

#[test]
fn renaming_keeps_value_and_expiry() {
    let mut keyspace = keyspace();
    set(&mut keyspace, "a", Some(100), 1);
    set(&mut keyspace, "b", Some(50), 2);
    let db = keyspace.db_mut(DB);
    assert!(db.rename(b"a", b"b", Millis(0), Version(3)));
    assert!(!db.rename(b"a", b"b", Millis(0), Version(4)));
    assert!(db.rename(b"b", b"b", Millis(0), Version(5)));
    assert_eq!(db.expires(b"b", Millis(0)), Some(Some(Millis(100))));
    assert_eq!((db.len(), db.expiring_len()), (1, 1));
}

#[test]
fn random_keys_are_uniform_and_live() {
    let mut keyspace = keyspace();
    for n in 0..100 {
        set(&mut keyspace, &n.to_string(), (n % 10 != 0).then_some(10), 1);
    }
    let mut rng = Rng::from_u64(5);
    let mut drawn = BTreeMap::new();
    for _ in 0..10_000 {
        let key = keyspace.db(DB).random(&mut rng, Millis(10)).expect("ten are live");
        *drawn.entry(key.clone()).or_insert(0) += 1;
    }
    assert_eq!(drawn.len(), 10);
    assert!(drawn.values().all(|n| (850..1150).contains(n)), "{drawn:?}");
}

/// What a database should hold.
#[derive(Clone, Debug, Default)]
struct Model(BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>);

impl Model {
    fn expire(&mut self, now: i64) {
        self.0.retain(|_, (_, at)| at.is_none_or(|at| at > now));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_map_with_expiries(
        steps in prop::collection::vec((0u8..8, 0u8..60, 0i64..40, 0i64..3), 1..300),
    ) {
        let mut keyspace = keyspace();
        let mut model = Model::default();
        let mut captured = None;
        let mut now = 0;
        for (version, (kind, key, number, later)) in (1u64..).zip(steps) {
            now += later;
            model.expire(now);
            let key = vec![b'k'; usize::from(key)];
            let (now, version) = (Millis(now), Version(version));
            let db = keyspace.db_mut(DB);
            match kind {
                0 | 1 => {
                    let expires = (kind == 1).then_some(now.0 + 1 + number);
                    let bytes = vec![b'x'; number as usize * 20];
                    db.set(&key, Value::string(&bytes), expires.map(Millis), version);
                    model.0.insert(key, (bytes, expires));
                }
                2 => {
                    let removed = db.remove(&key, now, version).map(|entry| entry.value().as_string().map(|s| s.bytes().into_owned()));
                    prop_assert_eq!(removed, model.0.remove(&key).map(|(bytes, _)| Some(bytes)));
                }
                3 => {
                    let expires = (number % 2 == 0).then_some(now.0 + 1 + number);
                    let found = model.0.get_mut(&key).map(|(_, at)| *at = expires).is_some();
                    prop_assert_eq!(db.set_expiry(&key, expires.map(Millis), now, version), found);
                }
                4 => {
                    let mut entry = db.get_mut(&key, now, version);
                    prop_assert_eq!(entry.is_some(), model.0.contains_key(&key));
                    if let Some(entry) = &mut entry {
                        entry.value_mut().as_string_mut().expect("only strings").append(b"more");
                        model.0.entry(key).and_modify(|(bytes, _)| bytes.extend_from_slice(b"more"));
                    }
                }
                5 => { keyspace.expire_slice(now, number as usize); }
                6 => captured = Some((keyspace.capture(), keyspace.digest())),
                _ => {
                    let to = vec![b'k'; number as usize];
                    let moved = model.0.remove(&key);
                    prop_assert_eq!(db.rename(&key, &to, now, version), moved.is_some());
                    moved.map(|moved| model.0.insert(to, moved));
                }
            }
            keyspace.take_garbage();
        }
        let now = Millis(now);
        let db = keyspace.db(DB);
        let found: BTreeMap<_, _> = db.iter(now).map(|(key, entry)| {
            let bytes = entry.value().as_string().expect("only strings").bytes().into_owned();
            (key.to_vec(), (bytes, entry.expires().map(|at| at.0)))
        }).collect();
        prop_assert_eq!(&found, &model.0);
        let account: usize = db.map.iter().map(|(key, entry)| entry.accounted_bytes(key.len())).sum();
        prop_assert_eq!(keyspace.memory_bytes(), account, "the account is a function of contents");
        prop_assert_eq!(db.expiring_len(), db.map.iter().filter(|(_, e)| e.expires().is_some()).count());
        if let Some((snapshot, digest)) = captured {
            prop_assert_eq!(snapshot.digest(), digest, "a capture stays as it was");
        }
        let loaded = Keyspace::decode(keyspace.capture().encode()).expect("a round trip");
        prop_assert_eq!(loaded.digest(), keyspace.digest());
    }
}
