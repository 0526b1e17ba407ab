//! The nodes: access by position, and the changes of one item, which divide and merge nodes.

use std::sync::Arc;

use super::TreeItem;
use crate::slots;

/// Most items in a leaf, and most children of an inner node.
pub(super) const SLOTS_MAX: usize = 64;
/// A node with no more slots looks for a neighbour to merge with.
const SMALL_SLOTS_MAX: usize = 16;
/// Neighbours merge if they have no more slots together: fewer than `SLOTS_MAX`, so that a node is
/// not divided and merged in turn.
const MERGED_SLOTS_MAX: usize = 48;

#[derive(Clone)]
pub(super) enum Node<T> {
    /// Items; at least one.
    Leaf(Vec<T>),
    /// Children of one height; at least one.
    Inner(Vec<Child<T>>),
}

/// A subtree with what is in it.
#[derive(Clone)]
pub(super) struct Child<T> {
    len: usize,
    weight: usize,
    pub(super) node: Arc<Node<T>>,
}

// 64 of them are copied for the first write to a node after a clone.
const _: () = assert!(size_of::<Child<u8>>() == 24 && size_of::<Option<Child<u8>>>() == 24);

impl<T> Node<T> {
    pub(super) fn slots(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Inner(children) => children.len(),
        }
    }
}

impl<T> Child<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// How many levels are below.
    pub(super) fn height(&self) -> u32 {
        match &*self.node {
            Node::Leaf(_) => 0,
            Node::Inner(children) => 1 + children[0].height(),
        }
    }
}

impl<T: TreeItem> Child<T> {
    pub(super) fn new(node: Node<T>) -> Child<T> {
        let mut child = Child { len: 0, weight: 0, node: Arc::new(node) };
        child.recount();
        child
    }

    /// Sums up what the slots hold.
    pub(super) fn recount(&mut self) {
        (self.len, self.weight) = match &*self.node {
            Node::Leaf(items) => (items.len(), items.iter().map(T::weight).sum()),
            Node::Inner(children) => {
                (children.iter().map(|c| c.len).sum(), children.iter().map(|c| c.weight).sum())
            }
        };
    }

    /// The only child, where an inner node has no other.
    pub(super) fn lone_child(&self) -> Option<Child<T>> {
        match &*self.node {
            Node::Inner(children) if children.len() == 1 => Some(children[0].clone()),
            _ => None,
        }
    }

    pub(super) fn first(&self) -> &T {
        let mut child = self;
        loop {
            match &*child.node {
                Node::Leaf(items) => return &items[0],
                Node::Inner(children) => child = &children[0],
            }
        }
    }

    /// The leaf of an index that is there, and where in it the item is.
    pub(super) fn leaf_at(&self, mut index: usize) -> (&[T], usize) {
        let mut child = self;
        loop {
            match &*child.node {
                Node::Leaf(items) => return (items, index),
                Node::Inner(children) => {
                    let (at, rest) = place(children, index, |child| child.len);
                    (child, index) = (&children[at], rest);
                }
            }
        }
    }

    pub(super) fn partition_point(&self, mut predicate: impl FnMut(&T) -> bool) -> usize {
        let (mut child, mut before) = (self, 0);
        loop {
            match &*child.node {
                Node::Leaf(items) => return before + items.partition_point(predicate),
                Node::Inner(children) => {
                    let at = children[1..].partition_point(|child| predicate(child.first()));
                    before += children[..at].iter().map(|child| child.len).sum::<usize>();
                    child = &children[at];
                }
            }
        }
    }

    /// The index of the item that holds a unit of weight that is there, and the rest.
    pub(super) fn find_weight(&self, mut unit: usize) -> (usize, usize) {
        let (mut child, mut before) = (self, 0);
        loop {
            match &*child.node {
                Node::Leaf(items) => {
                    let (at, rest) = place(items, unit, T::weight);
                    return (before + at, rest);
                }
                Node::Inner(children) => {
                    let (at, rest) = place(children, unit, |child| child.weight);
                    before += children[..at].iter().map(|child| child.len).sum::<usize>();
                    (child, unit) = (&children[at], rest);
                }
            }
        }
    }

    /// What the items before an index that is there weigh.
    pub(super) fn weight_before(&self, mut index: usize) -> usize {
        let (mut child, mut before) = (self, 0);
        loop {
            match &*child.node {
                Node::Leaf(items) => return before + items[..index].iter().map(T::weight).sum::<usize>(),
                Node::Inner(children) => {
                    let (at, rest) = place(children, index, |child| child.len);
                    before += children[..at].iter().map(|child| child.weight).sum::<usize>();
                    (child, index) = (&children[at], rest);
                }
            }
        }
    }

    pub(super) fn get_mut(&mut self, mut index: usize) -> &mut T {
        let mut child = self;
        loop {
            match Arc::make_mut(&mut child.node) {
                Node::Leaf(items) => return &mut items[index],
                Node::Inner(children) => {
                    let (at, rest) = place(children, index, |child| child.len);
                    (child, index) = (&mut children[at], rest);
                }
            }
        }
    }

    /// Changes an item; what the change returned, and the weights before and after.
    pub(super) fn update<R>(&mut self, index: usize, change: impl FnOnce(&mut T) -> R) -> (R, usize, usize) {
        let (result, old, new) = match Arc::make_mut(&mut self.node) {
            Node::Leaf(items) => {
                let item = &mut items[index];
                let old = item.weight();
                let result = change(item);
                (result, old, item.weight())
            }
            Node::Inner(children) => {
                let (at, rest) = place(children, index, |child| child.len);
                children[at].update(rest, change)
            }
        };
        self.weight = self.weight - old + new;
        (result, old, new)
    }

    /// Inserts an item; where that took a new node, the new sibling behind this one.
    pub(super) fn insert(&mut self, index: usize, item: T) -> Option<Child<T>> {
        let weight = item.weight();
        let sibling = match Arc::make_mut(&mut self.node) {
            Node::Leaf(items) => put(items, index, item).map(Node::Leaf),
            Node::Inner(children) => {
                // At a border the item goes to the end of the child before it.
                let (at, rest) = match index.checked_sub(1) {
                    Some(before) => place(children, before, |child| child.len),
                    None => (0, 0),
                };
                let rest = if index == 0 { 0 } else { rest + 1 };
                let sibling = children[at].insert(rest, item);
                sibling.and_then(|sibling| put(children, at + 1, sibling)).map(Node::Inner)
            }
        };
        match sibling {
            None => {
                self.len += 1;
                self.weight += weight;
                None
            }
            Some(node) => {
                self.recount();
                Some(Child::new(node))
            }
        }
    }

    /// Puts a node above this one and its sibling.
    pub(super) fn raise(&mut self, sibling: Child<T>) {
        let (len, weight) = (self.len + sibling.len, self.weight + sibling.weight);
        let children = vec![self.clone(), sibling];
        *self = Child { len, weight, node: Arc::new(Node::Inner(children)) };
    }

    /// Removes an item that is there. This node may be left without any.
    pub(super) fn remove(&mut self, index: usize) -> T {
        let item = match Arc::make_mut(&mut self.node) {
            Node::Leaf(items) => {
                let item = items.remove(index);
                give_back(items);
                item
            }
            Node::Inner(children) => {
                let (at, rest) = place(children, index, |child| child.len);
                let item = children[at].remove(rest);
                mend(children, at);
                item
            }
        };
        self.len -= 1;
        self.weight -= item.weight();
        item
    }

    /// Adds the slots of the next sibling, which are few enough.
    fn absorb(&mut self, sibling: Child<T>) {
        self.len += sibling.len;
        self.weight += sibling.weight;
        match (Arc::make_mut(&mut self.node), Arc::unwrap_or_clone(sibling.node)) {
            (Node::Leaf(lower), Node::Leaf(mut upper)) => {
                lower.reserve_exact(upper.len());
                lower.append(&mut upper);
            }
            (Node::Inner(lower), Node::Inner(mut upper)) => {
                let seam = lower.len();
                lower.reserve_exact(upper.len());
                lower.append(&mut upper);
                mend(lower, seam - 1);
            }
            _ => unreachable!("siblings have one height"),
        }
    }
}

/// Takes away a child that is empty, and merges one that is small with a neighbour.
pub(super) fn mend<T: TreeItem>(children: &mut Vec<Child<T>>, at: usize) {
    if children[at].len == 0 {
        children.remove(at);
        give_back(children);
        return;
    }
    if children[at].node.slots() > SMALL_SLOTS_MAX {
        return;
    }
    let fits = |lower: usize| match children.get(lower..lower + 2) {
        Some([lower, upper]) => lower.node.slots() + upper.node.slots() <= MERGED_SLOTS_MAX,
        _ => false,
    };
    let lower = if at > 0 && fits(at - 1) { at - 1 } else { at };
    if fits(lower) {
        let upper = children.remove(lower + 1);
        children[lower].absorb(upper);
        give_back(children);
    }
}

/// Puts an entry into a node's slots; returns the upper part where they are too many then.
pub(super) fn put<E>(slots: &mut Vec<E>, at: usize, entry: E) -> Option<Vec<E>> {
    if slots.len() < SLOTS_MAX {
        if slots.len() == slots.capacity() {
            let len = slots.len();
            slots.reserve_exact(slots::fitting(len + 1, size_of::<E>()) - len);
        }
        slots.insert(at, entry);
        return None;
    }
    // What grows at an end leaves full nodes behind.
    if at == slots.len() {
        return Some(vec![entry]);
    }
    if at == 0 {
        return Some(std::mem::replace(slots, vec![entry]));
    }
    let mut upper = slots.split_off(SLOTS_MAX / 2);
    slots.shrink_to(slots::fitting(SLOTS_MAX / 2 + 1, size_of::<E>()));
    let (half, at) = match at.checked_sub(slots.len()) {
        Some(rest) if rest > 0 => (&mut upper, rest),
        _ => (slots, at),
    };
    half.reserve_exact(slots::fitting(half.len() + 1, size_of::<E>()) - half.len());
    half.insert(at, entry);
    Some(upper)
}

/// Returns memory that a node's slots no longer need.
pub(super) fn give_back<E>(slots: &mut Vec<E>) {
    if slots.capacity() > 2 * slots.len() + 4 {
        slots.shrink_to_fit();
    }
}

/// The slot in which a number falls when each covers `size` of them, and the rest.
pub(super) fn place<E>(slots: &[E], mut number: usize, size: impl Fn(&E) -> usize) -> (usize, usize) {
    for (at, slot) in slots.iter().enumerate() {
        match number.checked_sub(size(slot)) {
            Some(rest) => number = rest,
            None => return (at, number),
        }
    }
    unreachable!("a node's slots hold as many as its parent says")
}
