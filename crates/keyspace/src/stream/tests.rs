//! Streams against a model, and what they must keep of Redis' way of packing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Millis;

type Model = BTreeMap<StreamId, Vec<Vec<u8>>>;

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId::new(ms, seq)
}

fn limits(node_bytes_max: usize, entries_max: usize) -> StreamLimits {
    StreamLimits { node_bytes_max, entries_max }
}

fn pairs_of(entry: &StreamEntry<'_>) -> Vec<Vec<u8>> {
    let mut pairs = Vec::new();
    entry.for_each(|field, value| pairs.extend([field.to_vec(), value.to_vec()]));
    pairs
}

fn contents(entries: &StreamEntries) -> Model {
    entries.range(StreamId::MIN, StreamId::MAX).map(|entry| (entry.id(), pairs_of(&entry))).collect()
}

fn append(entries: &mut StreamEntries, id: StreamId, pairs: &[&str], limits: StreamLimits) {
    let pairs: Vec<&[u8]> = pairs.iter().map(|item| item.as_bytes()).collect();
    entries.append(id, &pairs, limits);
}

/// Takes a stream apart and puts it together again, as a snapshot does.
fn reload(stream: &StreamValue) -> StreamValue {
    let mut bytes = Vec::new();
    let mut walk = StreamWalk::new(stream, StreamPlace::default());
    loop {
        // From any place on, the walk goes on as if it had never stopped.
        walk = StreamWalk::new(stream, walk.place());
        if !walk.next_piece(&mut bytes) {
            break;
        }
    }
    assert_eq!(bytes.len(), stream.encoded_bytes());
    let mut build = StreamBuild::default();
    let mut rest = &bytes[..];
    while let Some(taken) = build.take(rest).expect("what was written is read") {
        rest = &rest[taken..];
    }
    assert!(rest.is_empty());
    build.finish().expect("whole")
}

fn check(stream: &StreamValue, model: &Model) {
    let entries = stream.entries();
    assert_eq!(contents(entries), *model);
    assert_eq!(entries.len(), model.len());
    assert_eq!(entries.first_id(), model.keys().next().copied().unwrap_or_default());
    assert_eq!(entries.top_id(), model.keys().last().copied());
    let again = reload(stream);
    assert_eq!(contents(again.entries()), *model);
    assert_eq!(again.heap_bytes(), stream.heap_bytes());
    assert_eq!(again.entries().first_id(), entries.first_id());
}

#[test]
fn the_bytes_of_a_block_are_those_of_redis() {
    let mut entries = StreamEntries::default();
    append(&mut entries, id(5, 1), &["f", "1", "g", "x"], StreamLimits::default());
    append(&mut entries, id(6, 0), &["f", "2", "g", "y"], StreamLimits::default());
    append(&mut entries, id(6, 3), &["h", "300"], StreamLimits::default());
    assert!(entries.delete(id(6, 0)));
    let block = entries.blocks.first().expect("a block");
    let expected: &[&[u8]] = &[
        b"\x51\0\0\0\x19\0",
        b"\x02\x01\x01\x01\x02\x01\x81f\x02\x81g\x02\x00\x01",
        b"\x02\x01\x00\x01\x00\x01\x01\x01\x81x\x02\x05\x01",
        b"\x03\x01\x01\x01\xdf\xff\x02\x02\x01\x81y\x02\x05\x01",
        b"\x00\x01\x01\x01\x02\x01\x01\x01\x81h\x02\xc1\x2c\x02\x06\x01",
        b"\xff",
    ];
    let mut expected = expected.concat();
    let total = expected.len() as u32;
    expected[..4].copy_from_slice(&total.to_le_bytes());
    assert_eq!(block.data(), expected);
}

#[test]
fn blocks_are_full_where_those_of_redis_are() {
    let mut entries = StreamEntries::default();
    for n in 1..=25 {
        append(&mut entries, id(n, 0), &["f", "v"], limits(4096, 10));
    }
    assert_eq!(entries.blocks(), 3);
    // A block that was emptied is gone, one with deleted entries counts them.
    for n in 21..=24 {
        assert!(entries.delete(id(n, 0)));
    }
    for n in 26..=31 {
        append(&mut entries, id(n, 0), &["f", "v"], limits(4096, 10));
    }
    assert_eq!((entries.blocks(), entries.len()), (4, 27));
    let large = "x".repeat(3000);
    for n in 32..=34 {
        append(&mut entries, id(n, 0), &["f", &large], limits(4096, 0));
    }
    assert_eq!(entries.blocks(), 6);
}

#[test]
fn an_id_that_was_deleted_at_the_end_can_come_back() {
    let mut stream = StreamValue::new();
    let entries = stream.entries_mut();
    for n in 1..=3 {
        append(entries, id(n, 0), &["f", "v"], StreamLimits::default());
    }
    assert!(entries.delete(id(3, 0)));
    entries.set_ids(id(2, 0), None, None);
    append(entries, id(2, 5), &["f", "w"], StreamLimits::default());
    append(entries, id(3, 0), &["f", "again"], StreamLimits::default());
    let keys: Vec<StreamId> = contents(entries).into_keys().collect();
    assert_eq!(keys, [id(1, 0), id(2, 0), id(2, 5), id(3, 0)]);
    let model = contents(stream.entries());
    check(&stream, &model);
}

#[test]
fn trimming_takes_whole_blocks_or_all_it_should() {
    let filled = |entries_max| {
        let mut entries = StreamEntries::default();
        for n in 1..=100 {
            append(&mut entries, id(n, 0), &["f", "v"], limits(4096, entries_max));
        }
        entries
    };
    let trimmed = |to, approximate, limit| {
        let mut entries = filled(10);
        let count = entries.trim(Trim { to, approximate, limit }).count;
        assert_eq!(entries.len() + count, 100);
        entries.first_id().ms - 1
    };
    assert_eq!(trimmed(TrimTo::Len(85), false, 0), 15);
    assert_eq!(trimmed(TrimTo::Len(85), true, 0), 10);
    assert_eq!(trimmed(TrimTo::Len(85), true, 5), 0);
    assert_eq!(trimmed(TrimTo::Len(15), true, 30), 30);
    assert_eq!(trimmed(TrimTo::Id(id(85, 0)), false, 0), 84);
    assert_eq!(trimmed(TrimTo::Id(id(85, 0)), true, 0), 80);
    assert_eq!(trimmed(TrimTo::Id(id(1, 0)), false, 0), 0);
    let mut entries = filled(7);
    assert_eq!(entries.trim(Trim { to: TrimTo::Id(StreamId::MAX), approximate: false, limit: 0 }).count, 100);
    assert_eq!((entries.len(), entries.blocks(), entries.data_bytes), (0, 0, 0));
}

#[test]
fn what_is_pending_belongs_to_one_consumer() {
    let mut stream = StreamValue::new();
    append(stream.entries_mut(), id(1, 0), &["f", "v"], StreamLimits::default());
    assert!(stream.add_group(Group::new(b"g", StreamId::MIN, None)));
    assert!(!stream.add_group(Group::new(b"g", StreamId::MIN, None)));
    let before = stream.clone();
    stream.change_group(b"g", |_, group| {
        for name in [&b"bob"[..], b"a name that is longer than what is kept in place"] {
            assert!(group.add_consumer(Consumer::new(name, Millis(5), None)));
        }
        assert!(!group.add_consumer(Consumer::new(b"bob", Millis(6), None)));
        group.assign(id(1, 0), b"bob", Millis(7), 1);
        group.assign(id(2, 0), b"bob", Millis(7), 1);
        group.assign(id(1, 0), b"a name that is longer than what is kept in place", Millis(8), 2);
    });
    let group = stream.group(b"g").expect("it was made");
    let owned: Vec<(Vec<u8>, Vec<StreamId>)> = group
        .consumers()
        .map(|consumer| (consumer.name().to_vec(), consumer.pending_from(StreamId::MIN).collect()))
        .collect();
    let long = b"a name that is longer than what is kept in place".to_vec();
    assert_eq!(owned, [(long.clone(), vec![id(1, 0)]), (b"bob".to_vec(), vec![id(2, 0)])]);
    assert_eq!(group.pending(id(1, 0)).map(|pending| pending.deliveries), Some(2));
    assert_eq!(before.group(b"g").map(|group| (group.pending_len(), group.consumers().len())), Some((0, 0)));
    let again = reload(&stream);
    assert_eq!(again.heap_bytes(), stream.heap_bytes());
    let removed = stream.change_group(b"g", |_, group| {
        (group.confirm(id(2, 0)), group.confirm(id(2, 0)), group.remove_consumer(&long))
    });
    assert_eq!(removed, Some((true, false, Some(1))));
    assert_eq!(stream.group(b"g").map(Group::pending_len), Some(0));
    assert_eq!(again.group(b"g").map(Group::pending_len), Some(2));
}

#[derive(Clone, Debug)]
enum Step {
    Append { gap: u64, fields: u8, len: usize },
    Delete(usize),
    TrimLen(u64),
    TrimTo(usize),
    Capture,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1u64..1000, 0u8..4, 0usize..200).prop_map(|(gap, fields, len)| Step::Append { gap, fields, len }),
        3 => any::<usize>().prop_map(Step::Delete),
        1 => (0u64..60).prop_map(Step::TrimLen),
        1 => any::<usize>().prop_map(Step::TrimTo),
        1 => Just(Step::Capture),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_an_ordered_map(
        steps in prop::collection::vec(step(), 1..300),
        entries_max in 0usize..12,
        node_bytes_max in 0usize..600,
        bounds in any::<(u64, u64)>(),
    ) {
        let limits = limits(node_bytes_max, entries_max);
        let (mut stream, mut model) = (StreamValue::new(), Model::new());
        let mut captured: Vec<(StreamValue, Model)> = Vec::new();
        let mut last = id(0, 0);
        for step in steps {
            let entries = stream.entries_mut();
            let nth = |model: &Model, at: usize| model.keys().nth(at % model.len().max(1)).copied();
            match step {
                Step::Append { gap, fields, len } => {
                    last = if gap % 3 == 0 { id(last.ms + gap, gap % 7) } else { id(last.ms, last.seq + gap) };
                    let mut pairs: Vec<Vec<u8>> = vec![b"first".to_vec(), gap.to_string().into_bytes()];
                    for n in 0..fields {
                        pairs.extend([vec![b'f', n], vec![b'v'; len]]);
                    }
                    let given: Vec<&[u8]> = pairs.iter().map(Vec::as_slice).collect();
                    entries.append(last, &given, limits);
                    model.insert(last, pairs);
                }
                Step::Delete(at) => {
                    if let Some(gone) = nth(&model, at) {
                        prop_assert!(entries.delete(gone));
                        prop_assert!(!entries.delete(gone));
                        prop_assert!(entries.get(gone).is_none());
                        model.remove(&gone);
                    }
                }
                Step::TrimLen(max) => {
                    let count = entries.trim(Trim { to: TrimTo::Len(max), approximate: false, limit: 0 }).count;
                    prop_assert_eq!(count as u64, (model.len() as u64).saturating_sub(max));
                    while model.len() as u64 > max { model.pop_first(); }
                }
                Step::TrimTo(at) => {
                    if let Some(min) = nth(&model, at) {
                        entries.trim(Trim { to: TrimTo::Id(min), approximate: false, limit: 0 });
                        model = model.split_off(&min);
                    }
                }
                Step::Capture => captured.push((stream.clone(), model.clone())),
            }
        }
        check(&stream, &model);
        captured.iter().for_each(|(stream, model)| check(stream, model));
        let top = last.ms + 2;
        let (start, end) = (id(bounds.0 % top, 3), id(bounds.1 % top, u64::MAX));
        let expected: Vec<StreamId> =
            if start > end { Vec::new() } else { model.range(start..=end).map(|(id, _)| *id).collect() };
        let found: Vec<StreamId> = stream.entries().range(start, end).map(|entry| entry.id()).collect();
        prop_assert_eq!(&found, &expected);
        let mut range = stream.entries().range(start, end);
        let mut backwards: Vec<StreamId> =
            std::iter::from_fn(|| range.next_from_behind()).map(|entry| entry.id()).collect();
        backwards.reverse();
        prop_assert_eq!(backwards, expected);
    }
}
