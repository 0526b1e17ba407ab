//! The set type: sorted integers while it holds nothing else, a listpack while it is small, a table
//! once it is not.

mod intset;
mod shared;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use intset::{Ints, Intset};
use itoa::Buffer;
use shared::{Shared, Table};

use crate::blob::OWN_BYTES_MAX;
use crate::listpack::{Listpack, ListpackIter};
use crate::string::canonical_integer;
use crate::{Blob, CowMap, Item, Iter, Seed, slots};

/// A set. It begins as integers, becomes a listpack or a table with the first member that is none,
/// and never goes back. A clone takes constant time.
#[derive(Clone, Debug)]
pub struct SetValue {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    /// Members of few bytes, in an allocation that a clone copies (see [`OWN_BYTES_MAX`]): those of an intset or
    /// a listpack, and behind them which of the two they are.
    Small(Box<[u8]>),
    Shared(Arc<Shared>),
}

/// Behind the bytes of a small set of integers.
const SMALL_INTS: u8 = 0;
/// Behind the bytes of a small listpack.
const SMALL_PACKED: u8 = 1;

/// A set to read.
enum View<'a> {
    Ints(Ints<'a>),
    Packed(ListpackIter<'a>),
    Table(&'a Table),
}

/// What a snapshot and a digest see of a set.
pub(crate) enum SetContents<'a> {
    /// See [`intset`].
    Ints(&'a [u8]),
    Packed(&'a [u8]),
    /// The members and their length in a snapshot.
    Table(&'a CowMap<()>, usize),
}

/// Limits of the compact forms: the settings `set-max-intset-entries`, `set-max-listpack-entries`
/// and `-value`.
#[derive(Clone, Copy, Debug)]
pub struct SetLimits {
    /// Most members of a set of integers.
    pub ints_max: usize,
    /// Most members of a listpack.
    pub entries_max: usize,
    /// Longest member of a listpack, in bytes.
    pub value_bytes_max: usize,
}

impl Default for SetLimits {
    fn default() -> SetLimits {
        SetLimits { ints_max: 512, entries_max: 128, value_bytes_max: 64 }
    }
}

/// What `OBJECT ENCODING` says of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetEncoding {
    /// Sorted integers.
    Intset,
    /// A listpack.
    Listpack,
    /// A table.
    Hashtable,
}

impl SetEncoding {
    /// Redis' name of it.
    pub fn name(self) -> &'static str {
        match self {
            SetEncoding::Intset => "intset",
            SetEncoding::Listpack => "listpack",
            SetEncoding::Hashtable => "hashtable",
        }
    }
}

impl SetValue {
    /// An empty set. A keyspace holds none: whoever empties a set removes its key.
    pub fn new() -> SetValue {
        SetValue { repr: Repr::of(Shared::Ints(Intset::new())) }
    }

    /// An empty set in the form that Redis gives one that is about to get `count` members, of which
    /// this is the first.
    pub fn with_first(member: &[u8], count: usize, limits: SetLimits, seed: Seed) -> SetValue {
        let set = if canonical_integer(member).is_some() && count <= limits.ints_max {
            Shared::Ints(Intset::new())
        } else if count <= limits.entries_max {
            Shared::Packed(Listpack::default())
        } else {
            Shared::Table(Box::new(Table::new(seed)))
        };
        SetValue { repr: Repr::of(set) }
    }

    /// Makes a table of a set that is about to get more members than its form may have.
    pub fn expect(&mut self, count: usize, limits: SetLimits, seed: Seed) {
        let full = match self.view() {
            View::Ints(_) => count > limits.ints_max,
            View::Packed(_) => count > limits.entries_max,
            View::Table(_) => false,
        };
        if full {
            self.change(|set| {
                set.make_table(seed);
            });
        }
    }

    /// How many members.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Small(_) => match self.view() {
                View::Ints(ints) => ints.len(),
                View::Packed(members) => members.count(),
                View::Table(_) => unreachable!("a table is shared"),
            },
            Repr::Shared(shared) => shared.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the member is there.
    pub fn contains(&self, member: &[u8]) -> bool {
        match self.view() {
            View::Ints(ints) => canonical_integer(member).is_some_and(|number| ints.contains(number)),
            View::Packed(members) => members.position_of(member).is_some(),
            View::Table(table) => table.map.get(member).is_some(),
        }
    }

    /// Whether the member is there, as another set stores it.
    pub fn contains_item(&self, member: Item<'_>) -> bool {
        match (self.view(), member) {
            (View::Ints(ints), Item::Int(number)) => ints.contains(number),
            _ => self.contains(member.text(&mut Buffer::new())),
        }
    }

    /// Adds a member; true where it is new. `seed` is the keyspace's ([`crate::Keyspace::seed`]).
    pub fn insert(&mut self, member: &[u8], limits: SetLimits, seed: Seed) -> bool {
        self.change(|set| set.insert(member, limits, seed))
    }

    /// Removes a member; whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.change(|set| set.remove(member))
    }

    /// The member of this rank in iteration order, for uniform sampling (SRANDMEMBER).
    pub fn nth(&self, rank: usize) -> Option<Item<'_>> {
        match self.view() {
            View::Ints(ints) => (rank < ints.len()).then(|| Item::Int(ints.get(rank))),
            View::Packed(mut members) => members.nth(rank),
            View::Table(table) => table.map.nth(rank).map(|(member, ())| Item::Bytes(member)),
        }
    }

    /// Removes the member of this rank.
    pub fn take_nth(&mut self, rank: usize) -> Option<Blob> {
        let member = self.nth(rank)?.to_blob();
        self.change(|set| match set {
            Shared::Packed(pack) => pack.remove(rank),
            set => {
                set.remove(&member);
            }
        });
        Some(member)
    }

    /// Every member: integers ascending, a listpack in order of insertion, a table in hash order.
    pub fn iter(&self) -> SetIter<'_> {
        SetIter(match self.view() {
            View::Ints(ints) => SetIterRepr::Ints(ints, 0),
            View::Packed(members) => SetIterRepr::Packed(members),
            View::Table(table) => SetIterRepr::Table(table.map.iter()),
        })
    }

    /// Visits about `count` members from a cursor on; returns the next cursor, 0 at the end. A
    /// compact set is visited whole, as in Redis. See [`CowMap::scan`].
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>)) -> u64 {
        match self.view() {
            View::Table(table) => table.map.scan(cursor, count, |member, ()| visit(Item::Bytes(member))),
            View::Ints(_) | View::Packed(_) => {
                self.iter().for_each(visit);
                0
            }
        }
    }

    /// Makes integers of a set that holds nothing else, if there are few enough.
    pub fn make_ints(&mut self, limits: SetLimits) {
        if matches!(self.view(), View::Ints(_)) || self.len() > limits.ints_max {
            return;
        }
        let mut ints = Intset::new();
        for member in self.iter() {
            let Some(number) = member.integer() else { return };
            ints.insert(number);
        }
        self.repr = Repr::of(Shared::Ints(ints));
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> SetEncoding {
        match self.view() {
            View::Ints(_) => SetEncoding::Intset,
            View::Packed(_) => SetEncoding::Listpack,
            View::Table(_) => SetEncoding::Hashtable,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.repr {
            Repr::Small(data) => slots::class_bytes(data.len()),
            Repr::Shared(shared) => shared.heap_bytes(),
        }
    }

    /// How many allocations hold the members, about.
    pub(crate) fn scattered_len(&self) -> usize {
        match self.view() {
            View::Ints(_) | View::Packed(_) => 1,
            View::Table(table) => table.map.len(),
        }
    }

    pub(crate) fn contents(&self) -> SetContents<'_> {
        match &self.repr {
            Repr::Small(data) => match small(data) {
                (SMALL_INTS, members) => SetContents::Ints(members),
                (_, members) => SetContents::Packed(members),
            },
            Repr::Shared(shared) => match &**shared {
                Shared::Ints(ints) => SetContents::Ints(ints.data()),
                Shared::Packed(pack) => SetContents::Packed(pack.data()),
                Shared::Table(table) => SetContents::Table(&table.map, table.encoded_bytes),
            },
        }
    }

    /// A set of these integers with their width; `None` where they are none.
    pub(crate) fn from_ints(data: Vec<u8>) -> Option<SetValue> {
        Some(SetValue { repr: Repr::of(Shared::Ints(Intset::from_data(data)?)) })
    }

    /// A set of these entries; `None` where they are none. That no member is there twice is not
    /// checked: it would cost more than reading the rest of a snapshot.
    pub(crate) fn from_packed(data: Vec<u8>) -> Option<SetValue> {
        Some(SetValue { repr: Repr::of(Shared::Packed(Listpack::from_data(data)?)) })
    }

    pub(crate) fn from_table(map: CowMap<()>) -> SetValue {
        let mut table = Table::new(map.seed());
        map.iter().for_each(|(member, ())| table.count(member));
        SetValue { repr: Repr::of(Shared::Table(Box::new(Table { map, ..table }))) }
    }

    fn view(&self) -> View<'_> {
        match &self.repr {
            Repr::Small(data) => match small(data) {
                (SMALL_INTS, members) => View::Ints(Ints::new(members)),
                (_, members) => View::Packed(ListpackIter::new(members)),
            },
            Repr::Shared(shared) => match &**shared {
                Shared::Ints(ints) => View::Ints(ints.ints()),
                Shared::Packed(pack) => View::Packed(pack.iter()),
                Shared::Table(table) => View::Table(table),
            },
        }
    }

    /// Changes the set, unshared from its clones, and keeps it in the form that it then has.
    fn change<T>(&mut self, change: impl FnOnce(&mut Shared) -> T) -> T {
        match &mut self.repr {
            Repr::Small(data) => {
                let mut data = std::mem::take(data).into_vec();
                let mut set = match data.pop() {
                    Some(SMALL_INTS) => Shared::Ints(Intset::of(data)),
                    _ => Shared::Packed(Listpack::of(data)),
                };
                let result = change(&mut set);
                self.repr = Repr::of(set);
                result
            }
            Repr::Shared(shared) => {
                let set = Arc::make_mut(shared);
                let result = change(set);
                if set.is_small() {
                    self.repr = Repr::of(std::mem::replace(set, Shared::Packed(Listpack::default())));
                }
                result
            }
        }
    }
}

/// Which form the members of a small set have, and their bytes.
fn small(data: &[u8]) -> (u8, &[u8]) {
    let (form, members) = data.split_last().expect("a small set says what it is");
    (*form, members)
}

impl Repr {
    fn of(set: Shared) -> Repr {
        let (mut data, form) = match set {
            Shared::Ints(ints) if ints.data().len() < OWN_BYTES_MAX => (ints.into_data(), SMALL_INTS),
            Shared::Packed(pack) if pack.data().len() < OWN_BYTES_MAX => (pack.into_data(), SMALL_PACKED),
            set => return Repr::Shared(Arc::new(set)),
        };
        data.reserve_exact(1);
        data.push(form);
        Repr::Small(data.into_boxed_slice())
    }
}

impl Default for SetValue {
    fn default() -> SetValue {
        SetValue::new()
    }
}

/// The members of a [`SetValue`].
#[derive(Clone, Debug)]
pub struct SetIter<'a>(SetIterRepr<'a>);

#[derive(Clone, Debug)]
enum SetIterRepr<'a> {
    /// From this rank on.
    Ints(Ints<'a>, usize),
    Packed(ListpackIter<'a>),
    Table(Iter<'a, ()>),
}

impl<'a> Iterator for SetIter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        match &mut self.0 {
            SetIterRepr::Ints(ints, rank) => {
                let number = (*rank < ints.len()).then(|| ints.get(*rank))?;
                *rank += 1;
                Some(Item::Int(number))
            }
            SetIterRepr::Packed(members) => members.next(),
            SetIterRepr::Table(members) => members.next().map(|(member, ())| Item::Bytes(member)),
        }
    }
}
