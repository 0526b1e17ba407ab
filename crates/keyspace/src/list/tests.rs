//! Lists against a model, and when they change their form.

use proptest::prelude::*;

use super::*;

fn list_of(elements: &[&str], limit: ListLimit) -> ListValue {
    let mut list = ListValue::new();
    for element in elements {
        list.expect(&[element.as_bytes()], limit);
        list.push(End::Tail, element.as_bytes(), limit);
    }
    list
}

#[test]
fn the_setting_is_read_as_redis_reads_it() {
    for (number, expected) in [
        (0, ListLimit::Elements(1)),
        (1, ListLimit::Elements(1)),
        (128, ListLimit::Elements(128)),
        (-1, ListLimit::Bytes(4096)),
        (-2, ListLimit::Bytes(8192)),
        (-5, ListLimit::Bytes(65_536)),
        (-6, ListLimit::Bytes(65_536)),
        (i64::MIN, ListLimit::Bytes(65_536)),
    ] {
        assert_eq!(ListLimit::from_setting(number), expected, "{number}");
    }
}

#[test]
fn a_list_outgrows_a_listpack_and_shrinks_into_one_again() {
    let limit = ListLimit::Elements(4);
    let mut list = list_of(&["a", "b", "c", "d"], limit);
    assert_eq!(list.encoding().name(), "listpack");
    let small = list.clone();
    list.expect(&[b"e"], limit);
    list.push(End::Head, b"e", limit);
    assert_eq!((list.encoding().name(), list.scattered_len()), ("quicklist", 2));
    for (left, encoding) in [(4, "quicklist"), (3, "quicklist"), (2, "listpack")] {
        list.pop(End::Head);
        list.shrink(limit);
        assert_eq!((list.len(), list.encoding().name()), (left, encoding));
    }
    assert_eq!((small.len(), small.encoding().name()), (4, "listpack"), "clones are apart");

    let limit = ListLimit::Bytes(100);
    let mut list = ListValue::new();
    list.expect(&[&[b'x'; 93]], limit);
    assert_eq!(list.encoding().name(), "listpack", "7 bytes are Redis' own");
    list.expect(&[&[b'x'; 94]], limit);
    assert_eq!(list.encoding().name(), "quicklist");
    list.push(End::Tail, &[b'x'; 94], limit);
    list.replace(0, &[b'x'; 42], limit);
    assert_eq!(list.encoding().name(), "quicklist");
    list.replace(0, &[b'x'; 41], limit);
    assert_eq!(list.encoding().name(), "listpack");
}

#[test]
fn a_number_of_elements_keeps_no_large_ones_together() {
    let limit = ListLimit::Elements(1000);
    let large = "x".repeat(3000);
    let list = list_of(&[&large[..]; 6], limit);
    assert_eq!((list.encoding().name(), list.scattered_len()), ("quicklist", 3));
}

#[test]
fn a_list_made_at_once_has_the_form_that_it_needs() {
    let limit = ListLimit::Elements(2);
    for (elements, encoding) in [(&[&b"a"[..], b"1"][..], "listpack"), (&[b"a", b"1", b""], "quicklist")] {
        let list = ListValue::from_elements(elements.iter().copied(), limit);
        assert_eq!(list.encoding().name(), encoding);
        assert!(list.iter_from(0).eq(elements.iter().map(|element| Item::new(element))));
    }
    assert!(ListValue::from_elements([], limit).is_empty());
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (-20i64..20).prop_map(|n| n.to_string().into_bytes()),
        2 => (0u8..5).prop_map(|n| vec![b'a' + n]),
        1 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        1 => (0usize..300).prop_map(|len| vec![b'x'; len]),
    ]
}

fn texts<'a>(items: impl Iterator<Item = Item<'a>>) -> Vec<Vec<u8>> {
    items.map(|item| item.to_blob().to_vec()).collect()
}

fn check(list: &ListValue, model: &[Vec<u8>]) {
    assert_eq!(list.len(), model.len());
    assert_eq!(texts(list.iter_from(0)), model);
    let mut backwards = texts(list.iter_back_from(list.len()));
    backwards.reverse();
    assert_eq!(backwards, model);
    for at in [0, 1, model.len() / 3, model.len() / 2, model.len().saturating_sub(1), model.len()] {
        assert_eq!(list.get(at).map(|item| item.to_blob().to_vec()).as_ref(), model.get(at));
        assert_eq!(texts(list.iter_from(at)), model.get(at..).unwrap_or_default());
        let mut before = texts(list.iter_back_from(at));
        before.reverse();
        assert_eq!(before, &model[..at.min(model.len())]);
    }
    // The account is a function of what is in the blocks.
    if let ListContents::Blocks(blocks) = list.contents() {
        let mut again = Blocks::default();
        blocks.tree().iter().for_each(|block| again.push_block(block.pack().clone()));
        assert_eq!(again.heap_bytes(), blocks.heap_bytes());
        assert_eq!(again.encoded_bytes(), blocks.encoded_bytes());
        assert_eq!(again.len(), blocks.len());
        assert!(blocks.tree().iter().all(|block| !block.pack().is_empty()));
    }
}

/// What remains of a model without the first `max` equal elements as seen from an end.
fn without(model: &mut Vec<Vec<u8>>, element: &[u8], from: End, max: usize) -> usize {
    let mut places: Vec<usize> = (0..model.len()).filter(|at| model[*at] == element).collect();
    if from == End::Tail {
        places.reverse();
    }
    places.truncate(max);
    places.sort_unstable();
    places.iter().rev().for_each(|at| {
        model.remove(*at);
    });
    places.len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_vector(
        setting in prop::sample::select(&[1i64, 2, 3, 5, 20, -1, -2][..]),
        steps in prop::collection::vec((0u8..16, any::<prop::sample::Index>(), any::<prop::sample::Index>(), element()), 1..300),
    ) {
        let limit = ListLimit::from_setting(setting);
        let mut list = ListValue::new();
        let mut model: Vec<Vec<u8>> = Vec::new();
        let mut before = (list.clone(), model.clone());
        for (number, (kind, a, b, element)) in steps.into_iter().enumerate() {
            if number == 100 {
                before = (list.clone(), model.clone());
            }
            let at = a.index(model.len() + 1);
            let end = at + b.index(model.len() - at + 1);
            match kind {
                0..4 => {
                    list.expect(&[&element], limit);
                    list.push(End::Head, &element, limit);
                    model.insert(0, element);
                }
                4..8 => {
                    list.expect(&[&element], limit);
                    list.push(End::Tail, &element, limit);
                    model.push(element);
                }
                8..11 => {
                    list.expect(&[&element], limit);
                    list.insert(at, &element, limit);
                    model.insert(at, element);
                }
                11 if at < model.len() => {
                    list.expect(&[&element], limit);
                    list.replace(at, &element, limit);
                    model[at] = element;
                }
                12 if number % 10 == 0 => {
                    list.remove_range(at, end, limit);
                    model.drain(at..end);
                }
                13 => {
                    let from = if number % 2 == 0 { End::Head } else { End::Tail };
                    let max = 1 + b.index(3);
                    let removed = list.remove_equal(&element, from, max, limit);
                    prop_assert_eq!(removed, without(&mut model, &element, from, max));
                }
                14 => {
                    let expected = (!model.is_empty()).then(|| model.remove(0));
                    prop_assert_eq!(list.pop(End::Head).map(|blob| blob.to_vec()), expected);
                }
                15 => prop_assert_eq!(list.pop(End::Tail).map(|blob| blob.to_vec()), model.pop()),
                _ => {}
            }
            if number % 7 == 0 {
                check(&list, &model);
            }
        }
        check(&list, &model);
        check(&before.0, &before.1);
    }
}
