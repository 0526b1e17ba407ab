//! The tree against a vector: contents, clones, cuts and joins, the shape and what a write copies.

use std::sync::Arc;

use proptest::prelude::*;

use super::node::SLOTS_MAX;
use super::*;

/// Weighs what its number says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heavy(usize);

impl TreeItem for Heavy {
    fn weight(&self) -> usize {
        self.0 % 7
    }
}

type Tree = CowTree<Heavy>;

/// Contents by every way to read them, and the invariants of the shape.
fn check_equal(tree: &Tree, model: &[Heavy]) {
    assert_eq!((tree.len(), tree.is_empty()), (model.len(), model.is_empty()));
    assert!(tree.iter().eq(model));
    assert!(tree.iter().rev().eq(model.iter().rev()));
    assert_eq!((tree.first(), tree.last()), (model.first(), model.last()));
    assert_eq!(tree.get(model.len()), None);
    let mut before = 0;
    for (index, item) in model.iter().enumerate() {
        if index % (1 + model.len() / 50) == 0 {
            assert_eq!(tree.get(index), Some(item));
            assert_eq!(tree.weight_before(index), before);
            for unit in 0..item.weight() {
                assert_eq!(tree.find_weight(before + unit), Some((index, unit)));
            }
        }
        before += item.weight();
    }
    assert_eq!((tree.weight(), tree.weight_before(model.len())), (before, before));
    assert_eq!(tree.find_weight(before), None);
    if let Some(root) = &tree.root {
        assert!(root.lone_child().is_none(), "a root above one child");
        check_shape(root, root.height());
    }
}

fn check_shape(child: &Child<Heavy>, height: u32) {
    assert!((1..=SLOTS_MAX).contains(&child.node.slots()));
    let mut counted = child.clone();
    counted.recount();
    assert_eq!((child.len(), child.weight()), (counted.len(), counted.weight()));
    match &*child.node {
        Node::Leaf(_) => assert_eq!(height, 0, "a leaf at another depth"),
        Node::Inner(children) => children.iter().for_each(|child| check_shape(child, height - 1)),
    }
}

fn nodes(child: &Child<Heavy>, out: &mut Vec<*const Node<Heavy>>) {
    out.push(Arc::as_ptr(&child.node));
    if let Node::Inner(children) = &*child.node {
        children.iter().for_each(|child| nodes(child, out));
    }
}

/// How many nodes of `tree` are not in `other`.
fn own_nodes(tree: &Tree, other: &Tree) -> usize {
    let (mut own, mut shared) = (Vec::new(), Vec::new());
    tree.root.iter().for_each(|root| nodes(root, &mut own));
    other.root.iter().for_each(|root| nodes(root, &mut shared));
    own.iter().filter(|node| !shared.contains(node)).count()
}

fn height(tree: &Tree) -> usize {
    tree.root.as_ref().map_or(0, |root| 1 + root.height() as usize)
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize),
    InsertMany(usize),
    PushMany {
        front: bool,
    },
    Remove(usize),
    RemoveMany(usize),
    Change(usize),
    Update(usize),
    Drain(usize, usize),
    /// Cuts, and joins the parts the other way round.
    Rotate(usize),
    /// Joins a copy of the front.
    Repeat(usize),
    Clone,
}

fn step() -> impl Strategy<Value = Step> {
    let at = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 20));
    prop_oneof![
        3 => at().prop_map(Step::Insert),
        3 => at().prop_map(Step::InsertMany),
        3 => any::<bool>().prop_map(|front| Step::PushMany { front }),
        3 => at().prop_map(Step::Remove),
        2 => at().prop_map(Step::RemoveMany),
        1 => at().prop_map(Step::Change),
        1 => at().prop_map(Step::Update),
        2 => (at(), at()).prop_map(|(a, b)| Step::Drain(a, b)),
        2 => at().prop_map(Step::Rotate),
        1 => at().prop_map(Step::Repeat),
        1 => Just(Step::Clone),
    ]
}

/// Makes the step on both; `next` numbers the new items.
fn apply(step: &Step, tree: &mut Tree, model: &mut Vec<Heavy>, next: &mut usize) {
    let mut new = || {
        *next += 1;
        Heavy(*next)
    };
    let len = model.len();
    match *step {
        Step::Insert(at) => {
            let item = new();
            tree.insert(at % (len + 1), item.clone());
            model.insert(at % (len + 1), item);
        }
        Step::InsertMany(at) => {
            for i in 0..150 {
                let (item, at) = (new(), (at + i * 31) % (model.len() + 1));
                tree.insert(at, item.clone());
                model.insert(at, item);
            }
        }
        Step::PushMany { front } => {
            for _ in 0..300 {
                let item = new();
                if front {
                    tree.push_front(item.clone());
                    model.insert(0, item);
                } else {
                    tree.push_back(item.clone());
                    model.push(item);
                }
            }
        }
        Step::Remove(at) => {
            let at = at % (len + 1);
            assert_eq!(tree.remove(at), (at < len).then(|| model.remove(at)));
        }
        Step::RemoveMany(at) => {
            for i in 0..200.min(len) {
                let at = (at + i * 17) % model.len();
                assert_eq!(tree.remove(at), Some(model.remove(at)));
            }
            if !model.is_empty() {
                assert_eq!(tree.pop_front(), Some(model.remove(0)));
                assert_eq!(tree.pop_back(), model.pop());
            }
        }
        Step::Change(at) => {
            let change = |item: &mut Heavy| item.0 += 7;
            assert_eq!(tree.get_mut(at % (len + 1)).map(change), model.get_mut(at % (len + 1)).map(change));
        }
        Step::Update(at) => {
            let change = |item: &mut Heavy| item.0 += 3;
            assert_eq!(tree.update(at % (len + 1), change), model.get_mut(at % (len + 1)).map(change));
        }
        Step::Drain(a, b) => {
            let (a, b) = (a % (len + 1), b % (len + 1));
            let range = a.min(b)..a.max(b).min(a.min(b) + 400);
            let taken: Vec<Heavy> = model.drain(range.clone()).collect();
            check_equal(&tree.drain(range), &taken);
        }
        Step::Rotate(at) => {
            let at = at % (len + 1);
            let mut upper = tree.split_off(at);
            check_equal(tree, &model[..at]);
            check_equal(&upper, &model[at..]);
            upper.append(std::mem::take(tree));
            *tree = upper;
            model.rotate_left(at);
        }
        Step::Repeat(at) => {
            let at = at % (len.min(1000) + 1);
            let mut front = tree.clone();
            drop(front.truncate(at));
            tree.append(front);
            model.extend_from_within(..at);
        }
        Step::Clone => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_vector_and_clones_stay(steps in prop::collection::vec(step(), 1..80)) {
        let (mut tree, mut model, mut next) = (Tree::new(), Vec::new(), 0);
        let mut clones = Vec::new();
        for step in &steps {
            if matches!(step, Step::Clone) {
                clones.push((tree.clone(), model.clone()));
            }
            apply(step, &mut tree, &mut model, &mut next);
        }
        check_equal(&tree, &model);
        for (tree, model) in &clones {
            check_equal(tree, model);
        }
    }

    #[test]
    fn ranges_are_walked_from_both_ends(
        len in 0usize..1000,
        (a, b) in (0usize..1100, 0usize..1100),
        ends in prop::collection::vec(0u8..8, 0..400),
    ) {
        let model: Vec<Heavy> = (0..len).map(Heavy).collect();
        let tree: Tree = model.iter().cloned().collect();
        let mut expected = model[a.min(len)..b.min(len).max(a.min(len))].iter();
        let mut items = tree.range(a..b);
        for end in ends {
            prop_assert_eq!(items.len(), expected.len());
            match end {
                0..=3 => prop_assert_eq!(items.next(), expected.next()),
                4..=6 => prop_assert_eq!(items.next_back(), expected.next_back()),
                _ => prop_assert_eq!(items.nth(90), expected.nth(90)),
            }
        }
        prop_assert!(items.eq(expected));
    }

    #[test]
    fn the_partition_point_is_that_of_a_slice(len in 0usize..5000, bound in 0usize..5500) {
        let tree: Tree = (0..len).map(Heavy).collect();
        prop_assert_eq!(tree.partition_point(|item| item.0 < bound), bound.min(len));
    }
}

#[test]
fn a_write_after_a_clone_copies_one_node_per_level() {
    for at in [0, 31_234, 99_999] {
        let mut tree: Tree = (0..100_000).map(Heavy).collect();
        assert_eq!(height(&tree), 3);
        let shared = tree.clone();
        assert_eq!(tree.get_mut(200_000), None);
        assert_eq!(tree.remove(200_000), None);
        assert_eq!(own_nodes(&tree, &shared), 0, "a miss");
        tree.update(at, |item| item.0 += 1);
        assert_eq!(own_nodes(&tree, &shared), height(&tree), "a change at {at}");
        let shared = tree.clone();
        tree.insert(at, Heavy(1));
        assert!(own_nodes(&tree, &shared) <= 2 * height(&tree), "an insertion at {at}");
        let shared = tree.clone();
        tree.remove(at);
        assert!(own_nodes(&tree, &shared) <= 2 * height(&tree), "a removal at {at}");
        let shared = tree.clone();
        tree.drain(at / 2..at);
        assert!(own_nodes(&tree, &shared) <= 4 * height(&tree), "a range up to {at}");
    }
}

#[test]
fn what_grows_at_an_end_fills_its_nodes() {
    let mut tree = Tree::new();
    (0..64 * 64).for_each(|n| tree.push_back(Heavy(n)));
    let mut all = Vec::new();
    tree.root.iter().for_each(|root| nodes(root, &mut all));
    assert_eq!(all.len(), 65, "64 full leaves below a full node");
}

#[test]
fn memory_goes_back_when_a_tree_shrinks() {
    // Every tenth stays: neighbours of few items must find each other.
    let mut tree: Tree = (0..100_000).map(Heavy).collect();
    for at in 0..10_000 {
        (0..9).for_each(|_| {
            tree.remove(at);
        });
    }
    assert!(tree.iter().map(|item| item.0).eq((9..100_000).step_by(10)));
    let mut all = Vec::new();
    tree.root.iter().for_each(|root| nodes(root, &mut all));
    assert!(all.len() < 600, "{} nodes for {} items", all.len(), tree.len());
    while tree.len() > 10 {
        tree.remove(tree.len() / 2);
    }
    assert_eq!(height(&tree), 1);
    while tree.pop_back().is_some() {}
    assert!(tree.root.is_none());
}
