//! Cutting a tree in two and joining two trees, along one path from the root each.

use std::sync::Arc;

use super::TreeItem;
use super::node::{Child, Node, mend, place, put};

impl<T: TreeItem> Child<T> {
    /// Cuts before an index, which is neither 0 nor the end; returns the upper part, of the same
    /// height. Both may have roots of one child.
    pub(super) fn split(&mut self, at: usize) -> Child<T> {
        let upper = match Arc::make_mut(&mut self.node) {
            Node::Leaf(items) => {
                let upper = items.split_off(at);
                items.shrink_to_fit();
                Node::Leaf(upper)
            }
            Node::Inner(children) => {
                let (slot, rest) = place(children, at, Child::len);
                let mut upper = Vec::new();
                if rest > 0 {
                    upper.push(children[slot].split(rest));
                }
                upper.extend(children.drain(slot + usize::from(rest > 0)..));
                children.shrink_to_fit();
                mend(children, children.len() - 1);
                mend(&mut upper, 0);
                Node::Inner(upper)
            }
        };
        self.recount();
        Child::new(upper)
    }

    /// One tree of two, in this order.
    pub(super) fn join(mut lower: Child<T>, mut upper: Child<T>) -> Child<T> {
        let (lower_height, upper_height) = (lower.height(), upper.height());
        let sibling = if lower_height >= upper_height {
            lower.graft(lower_height, upper, upper_height, End::Upper)
        } else {
            std::mem::swap(&mut lower, &mut upper);
            lower.graft(upper_height, upper, lower_height, End::Lower)
        };
        if let Some(sibling) = sibling {
            lower.raise(sibling);
            if let Node::Inner(children) = Arc::make_mut(&mut lower.node) {
                mend(children, 1);
                mend(children, 0);
            }
        }
        lower
    }

    /// Joins a tree that is no higher to an end of this one; where that took a new node, the new
    /// sibling behind this one.
    fn graft(&mut self, height: u32, other: Child<T>, other_height: u32, end: End) -> Option<Child<T>> {
        if height == other_height {
            return Some(match end {
                End::Upper => other,
                End::Lower => std::mem::replace(self, other),
            });
        }
        let Node::Inner(children) = Arc::make_mut(&mut self.node) else {
            unreachable!("a leaf has no height")
        };
        let at = match end {
            End::Upper => children.len() - 1,
            End::Lower => 0,
        };
        let sibling = children[at].graft(height - 1, other, other_height, end);
        let over = sibling.and_then(|sibling| put(children, at + 1, sibling));
        if over.is_none() {
            match end {
                End::Upper => mend(children, children.len() - 1),
                End::Lower => mend(children, 0),
            }
        }
        self.recount();
        over.map(|children| Child::new(Node::Inner(children)))
    }
}

/// Where a tree is joined to another.
#[derive(Clone, Copy)]
enum End {
    Lower,
    Upper,
}
