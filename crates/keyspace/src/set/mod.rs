//! The set type: sorted integers while it holds nothing else, a listpack while it is small, a table
//! once it is not.

mod intset;
#[cfg(test)]
mod tests;

use intset::Intset;
use itoa::Buffer;

use crate::listpack::{Listpack, ListpackIter};
use crate::string::canonical_integer;
use crate::{Blob, CowMap, Item, Iter, Seed, packed, slots};

/// A set. It begins as integers, becomes a listpack or a table with the first member that is none,
/// and never goes back.
#[derive(Clone, Debug)]
pub struct SetValue {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    Ints(Intset),
    Packed(Listpack),
    Table(Box<Table>),
}

/// Members in a table, with what they amount to.
#[derive(Clone, Debug)]
struct Table {
    map: CowMap<()>,
    heap_bytes: usize,
    /// The members' length in a snapshot.
    encoded_bytes: usize,
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
        SetValue { repr: Repr::Ints(Intset::new()) }
    }

    /// An empty set in the form that Redis gives one that is about to get `count` members, of which
    /// this is the first.
    pub fn with_first(member: &[u8], count: usize, limits: SetLimits, seed: Seed) -> SetValue {
        let repr = if canonical_integer(member).is_some() && count <= limits.ints_max {
            Repr::Ints(Intset::new())
        } else if count <= limits.entries_max {
            Repr::Packed(Listpack::default())
        } else {
            Repr::Table(Box::new(Table::new(seed)))
        };
        SetValue { repr }
    }

    /// Makes a table of a set that is about to get more members than its form may have.
    pub fn expect(&mut self, count: usize, limits: SetLimits, seed: Seed) {
        match &self.repr {
            Repr::Ints(_) if count > limits.ints_max => self.make_table(seed),
            Repr::Packed(_) if count > limits.entries_max => self.make_table(seed),
            _ => {}
        }
    }

    /// How many members.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Ints(ints) => ints.len(),
            Repr::Packed(pack) => pack.len(),
            Repr::Table(table) => table.map.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the member is there.
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.repr {
            Repr::Ints(ints) => canonical_integer(member).is_some_and(|number| ints.contains(number)),
            Repr::Packed(pack) => pack.position(member).is_some(),
            Repr::Table(table) => table.map.get(member).is_some(),
        }
    }

    /// Whether the member is there, as another set stores it.
    pub fn contains_item(&self, member: Item<'_>) -> bool {
        match (&self.repr, member) {
            (Repr::Ints(ints), Item::Int(number)) => ints.contains(number),
            _ => self.contains(member.text(&mut Buffer::new())),
        }
    }

    /// Adds a member; true where it is new. `seed` is the keyspace's ([`crate::Keyspace::seed`]).
    pub fn insert(&mut self, member: &[u8], limits: SetLimits, seed: Seed) -> bool {
        if let Repr::Ints(ints) = &mut self.repr {
            match canonical_integer(member) {
                Some(number) => {
                    let added = ints.insert(number);
                    // Redis looks at the number after the insertion, here and only here.
                    if ints.len() > limits.ints_max {
                        self.make_table(seed);
                    }
                    return added;
                }
                None if fits_listpack(ints, member, limits) => self.make_packed(),
                None => self.make_table(seed),
            }
        }
        if let Repr::Packed(pack) = &mut self.repr {
            if pack.position(member).is_some() {
                return false;
            }
            if pack.len() < limits.entries_max && member.len() <= limits.value_bytes_max {
                pack.push_back(member);
                return true;
            }
            self.make_table(seed);
        }
        let Repr::Table(table) = &mut self.repr else { unreachable!("all else was dealt with") };
        table.insert(member)
    }

    /// Removes a member; whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.repr {
            Repr::Ints(ints) => canonical_integer(member).is_some_and(|number| ints.remove(number)),
            Repr::Packed(pack) => match pack.position(member) {
                Some(index) => {
                    pack.remove(index);
                    true
                }
                None => false,
            },
            Repr::Table(table) => table.remove(member),
        }
    }

    /// The member of this rank in iteration order, for uniform sampling (SRANDMEMBER).
    pub fn nth(&self, rank: usize) -> Option<Item<'_>> {
        match &self.repr {
            Repr::Ints(ints) => (rank < ints.len()).then(|| Item::Int(ints.get(rank))),
            Repr::Packed(pack) => pack.get(rank),
            Repr::Table(table) => table.map.nth(rank).map(|(member, ())| Item::Bytes(member)),
        }
    }

    /// Removes the member of this rank.
    pub fn take_nth(&mut self, rank: usize) -> Option<Blob> {
        let member = self.nth(rank)?.to_blob();
        match &mut self.repr {
            Repr::Packed(pack) => pack.remove(rank),
            _ => {
                self.remove(&member);
            }
        }
        Some(member)
    }

    /// Every member: integers ascending, a listpack in order of insertion, a table in hash order.
    pub fn iter(&self) -> SetIter<'_> {
        SetIter(match &self.repr {
            Repr::Ints(ints) => SetIterRepr::Ints(ints, 0),
            Repr::Packed(pack) => SetIterRepr::Packed(pack.iter()),
            Repr::Table(table) => SetIterRepr::Table(table.map.iter()),
        })
    }

    /// Visits about `count` members from a cursor on; returns the next cursor, 0 at the end. A
    /// compact set is visited whole, as in Redis. See [`CowMap::scan`].
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>)) -> u64 {
        match &self.repr {
            Repr::Table(table) => table.map.scan(cursor, count, |member, ()| visit(Item::Bytes(member))),
            Repr::Ints(_) | Repr::Packed(_) => {
                self.iter().for_each(visit);
                0
            }
        }
    }

    /// Makes integers of a set that holds nothing else, if there are few enough.
    pub fn make_ints(&mut self, limits: SetLimits) {
        if matches!(self.repr, Repr::Ints(_)) || self.len() > limits.ints_max {
            return;
        }
        let mut ints = Intset::new();
        for member in self.iter() {
            let Some(number) = member.integer() else { return };
            ints.insert(number);
        }
        self.repr = Repr::Ints(ints);
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> SetEncoding {
        match &self.repr {
            Repr::Ints(_) => SetEncoding::Intset,
            Repr::Packed(_) => SetEncoding::Listpack,
            Repr::Table(_) => SetEncoding::Hashtable,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        HEAD_BYTES
            + match &self.repr {
                Repr::Ints(ints) => slots::class_bytes(ints.data().len()),
                Repr::Packed(pack) => slots::class_bytes(pack.data().len()),
                Repr::Table(table) => TABLE_BYTES + table.heap_bytes,
            }
    }

    /// How many allocations hold the members, about.
    pub(crate) fn scattered_len(&self) -> usize {
        match &self.repr {
            Repr::Ints(_) | Repr::Packed(_) => 1,
            Repr::Table(table) => table.map.len(),
        }
    }

    pub(crate) fn contents(&self) -> SetContents<'_> {
        match &self.repr {
            Repr::Ints(ints) => SetContents::Ints(ints.data()),
            Repr::Packed(pack) => SetContents::Packed(pack.data()),
            Repr::Table(table) => SetContents::Table(&table.map, table.encoded_bytes),
        }
    }

    /// A set of these integers with their width; `None` where they are none.
    pub(crate) fn from_ints(data: Vec<u8>) -> Option<SetValue> {
        Some(SetValue { repr: Repr::Ints(Intset::from_data(data)?) })
    }

    /// A set of these entries; `None` where they are none. That no member is there twice is not
    /// checked: it would cost more than reading the rest of a snapshot.
    pub(crate) fn from_packed(data: Vec<u8>) -> Option<SetValue> {
        Some(SetValue { repr: Repr::Packed(Listpack::from_data(data)?) })
    }

    pub(crate) fn from_table(map: CowMap<()>) -> SetValue {
        let mut table = Table::new(map.seed());
        map.iter().for_each(|(member, ())| table.count(member));
        SetValue { repr: Repr::Table(Box::new(Table { map, ..table })) }
    }

    fn make_packed(&mut self) {
        let mut pack = Listpack::default();
        let mut digits = Buffer::new();
        self.iter().for_each(|member| pack.push_back(member.text(&mut digits)));
        self.repr = Repr::Packed(pack);
    }

    fn make_table(&mut self, seed: Seed) {
        let mut table = Table::new(seed);
        let mut digits = Buffer::new();
        self.iter().for_each(|member| {
            table.insert(member.text(&mut digits));
        });
        self.repr = Repr::Table(Box::new(table));
    }
}

/// Whether a listpack may hold these integers and the first member that is none.
fn fits_listpack(ints: &Intset, member: &[u8], limits: SetLimits) -> bool {
    let len = ints.len();
    if len >= limits.entries_max || member.len() > limits.value_bytes_max {
        return false;
    }
    // The longest texts are those of the smallest and the largest.
    let digits = |rank| Buffer::new().format(ints.get(rank)).len();
    len == 0 || digits(0).max(digits(len - 1)) <= limits.value_bytes_max
}

impl Table {
    fn new(seed: Seed) -> Table {
        Table { map: CowMap::new(seed), heap_bytes: 0, encoded_bytes: 0 }
    }

    /// True where the member is new.
    fn insert(&mut self, member: &[u8]) -> bool {
        if self.map.insert(member, ()).is_some() {
            return false;
        }
        self.count(member);
        true
    }

    fn remove(&mut self, member: &[u8]) -> bool {
        if self.map.remove(member).is_none() {
            return false;
        }
        self.heap_bytes -= member_bytes(member.len());
        self.encoded_bytes -= packed::encoded_bytes(member.len());
        true
    }

    fn count(&mut self, member: &[u8]) {
        self.heap_bytes += member_bytes(member.len());
        self.encoded_bytes += packed::encoded_bytes(member.len());
    }
}

impl Default for SetValue {
    fn default() -> SetValue {
        SetValue::new()
    }
}

/// The shared allocation that holds a set.
const HEAD_BYTES: usize = 48;
/// The allocation that holds a table.
const TABLE_BYTES: usize = 48;

fn member_bytes(len: usize) -> usize {
    MEMBER_BYTES + Blob::heap_bytes(len)
}

/// Member and hash in a bucket, with its spare room.
const MEMBER_BYTES: usize = 36;

/// The members of a [`SetValue`].
#[derive(Clone, Debug)]
pub struct SetIter<'a>(SetIterRepr<'a>);

#[derive(Clone, Debug)]
enum SetIterRepr<'a> {
    /// From this rank on.
    Ints(&'a Intset, usize),
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
