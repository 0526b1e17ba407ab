//! The hash type: a packed list of pairs while it is small, a table once it is not.

use std::sync::Arc;

use crate::blob::OWN_BYTES_MAX;
use crate::packed::{self, Packed, PackedIter};
use crate::{Blob, CowMap, Iter, Seed, slots};

/// A hash. It begins packed, in order of insertion as Redis' listpack, becomes a table when it
/// passes a limit, and never goes back. A clone takes constant time.
#[derive(Clone, Debug)]
pub struct HashValue {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    /// Pairs of few bytes, in an allocation that a clone copies; see [`OWN_BYTES_MAX`].
    Small(Box<[u8]>),
    Shared(Arc<Shared>),
}

/// What clones share until it is changed.
#[derive(Clone, Debug)]
enum Shared {
    /// More bytes than a small hash has.
    Packed(Packed),
    Table(Box<Table>),
}

/// A hash to read.
enum View<'a> {
    Packed(PackedIter<'a>),
    Table(&'a Table),
}

/// Pairs in a table, with what they amount to.
#[derive(Clone, Debug)]
struct Table {
    map: CowMap<Blob>,
    heap_bytes: usize,
    /// The pairs' length in a snapshot.
    encoded_bytes: usize,
}

/// What a snapshot and a digest see of a hash.
pub(crate) enum HashContents<'a> {
    Packed(&'a [u8]),
    /// The pairs and their length in a snapshot.
    Table(&'a CowMap<Blob>, usize),
}

/// Limits of the packed form: the settings `hash-max-listpack-entries` and `-value`.
#[derive(Clone, Copy, Debug)]
pub struct HashLimits {
    /// Most fields that stay packed.
    pub entries_max: usize,
    /// Longest field or value, in bytes, that stays packed.
    pub value_bytes_max: usize,
}

impl Default for HashLimits {
    fn default() -> HashLimits {
        HashLimits { entries_max: 128, value_bytes_max: 64 }
    }
}

/// What `OBJECT ENCODING` says of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashEncoding {
    /// Packed.
    Listpack,
    /// A table.
    Hashtable,
}

impl HashEncoding {
    /// Redis' name of it.
    pub fn name(self) -> &'static str {
        match self {
            HashEncoding::Listpack => "listpack",
            HashEncoding::Hashtable => "hashtable",
        }
    }
}

impl HashValue {
    /// An empty hash. A keyspace holds none: whoever empties a hash removes its key.
    pub fn new() -> HashValue {
        HashValue { repr: Repr::Small(Box::default()) }
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Small(data) => PackedIter::new(data).count(),
            Repr::Shared(shared) => shared.len(),
        }
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<&[u8]> {
        match self.view() {
            View::Packed(mut pairs) => pairs.find(|(name, _)| *name == field).map(|(_, value)| value),
            View::Table(table) => table.map.get(field).map(Blob::as_bytes),
        }
    }

    /// Whether the field is there.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// Sets a field; true where it is new. `seed` is the keyspace's ([`crate::Keyspace::seed`]).
    pub fn insert(&mut self, field: &[u8], value: &[u8], limits: HashLimits, seed: Seed) -> bool {
        self.change(|hash| {
            let long = field.len().max(value.len()) > limits.value_bytes_max;
            if long {
                hash.make_table(seed);
            }
            let added = match hash {
                Shared::Packed(packed) => packed.insert(field, value),
                Shared::Table(table) => table.insert(field, value),
            };
            // Redis looks at the number after the insertion, so the table starts at one above it.
            if hash.len() > limits.entries_max {
                hash.make_table(seed);
            }
            added
        })
    }

    /// Removes a field; whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        self.change(|hash| match hash {
            Shared::Packed(packed) => packed.remove(field),
            Shared::Table(table) => table.remove(field),
        })
    }

    /// The pair of this rank in iteration order, for uniform sampling (HRANDFIELD).
    pub fn nth(&self, rank: usize) -> Option<(&[u8], &[u8])> {
        match self.view() {
            View::Packed(mut pairs) => pairs.nth(rank),
            View::Table(table) => table.map.nth(rank).map(|(field, value)| (&**field, &**value)),
        }
    }

    /// Every pair: in order of insertion while packed, in hash order as a table.
    pub fn iter(&self) -> HashIter<'_> {
        HashIter(match self.view() {
            View::Packed(pairs) => HashIterRepr::Packed(pairs),
            View::Table(table) => HashIterRepr::Table(table.map.iter()),
        })
    }

    /// Visits about `count` pairs from a cursor on; returns the next cursor, 0 at the end. A packed
    /// hash is visited whole, as in Redis. See [`CowMap::scan`].
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], &[u8])) -> u64 {
        match self.view() {
            View::Packed(pairs) => {
                pairs.for_each(|(field, value)| visit(field, value));
                0
            }
            View::Table(table) => table.map.scan(cursor, count, |field, value| visit(field, value)),
        }
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> HashEncoding {
        match self.view() {
            View::Packed(_) => HashEncoding::Listpack,
            View::Table(_) => HashEncoding::Hashtable,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.repr {
            Repr::Small(data) => slots::class_bytes(data.len()),
            Repr::Shared(shared) => {
                HEAD_BYTES
                    + match &**shared {
                        Shared::Packed(packed) => slots::class_bytes(packed.data().len()),
                        Shared::Table(table) => TABLE_BYTES + table.heap_bytes,
                    }
            }
        }
    }

    pub(crate) fn contents(&self) -> HashContents<'_> {
        match &self.repr {
            Repr::Small(data) => HashContents::Packed(data),
            Repr::Shared(shared) => match &**shared {
                Shared::Packed(packed) => HashContents::Packed(packed.data()),
                Shared::Table(table) => HashContents::Table(&table.map, table.encoded_bytes),
            },
        }
    }

    /// A packed hash of these bytes; `None` where they are not pairs, or none.
    pub(crate) fn from_packed(data: Vec<u8>) -> Option<HashValue> {
        Some(HashValue { repr: Repr::of(Shared::Packed(Packed::from_data(data)?)) })
    }

    pub(crate) fn from_table(map: CowMap<Blob>) -> HashValue {
        let mut table = Table { map: CowMap::new(map.seed()), heap_bytes: 0, encoded_bytes: 0 };
        map.iter().for_each(|(field, value)| table.count(field, value));
        HashValue { repr: Repr::of(Shared::Table(Box::new(Table { map, ..table }))) }
    }

    fn view(&self) -> View<'_> {
        match &self.repr {
            Repr::Small(data) => View::Packed(PackedIter::new(data)),
            Repr::Shared(shared) => match &**shared {
                Shared::Packed(packed) => View::Packed(packed.iter()),
                Shared::Table(table) => View::Table(table),
            },
        }
    }

    /// Changes the hash, unshared from its clones, and keeps it in the form that it then has.
    fn change<T>(&mut self, change: impl FnOnce(&mut Shared) -> T) -> T {
        match &mut self.repr {
            Repr::Small(data) => {
                let mut hash = Shared::Packed(Packed::of(std::mem::take(data).into_vec()));
                let result = change(&mut hash);
                self.repr = Repr::of(hash);
                result
            }
            Repr::Shared(shared) => {
                let hash = Arc::make_mut(shared);
                let result = change(hash);
                if hash.is_small() {
                    self.repr = Repr::of(std::mem::replace(hash, Shared::Packed(Packed::default())));
                }
                result
            }
        }
    }
}

impl Repr {
    fn of(hash: Shared) -> Repr {
        match hash {
            Shared::Packed(packed) if packed.data().len() <= OWN_BYTES_MAX => {
                Repr::Small(packed.into_data().into_boxed_slice())
            }
            hash => Repr::Shared(Arc::new(hash)),
        }
    }
}

impl Shared {
    fn len(&self) -> usize {
        match self {
            Shared::Packed(packed) => packed.len(),
            Shared::Table(table) => table.map.len(),
        }
    }

    fn is_small(&self) -> bool {
        matches!(self, Shared::Packed(packed) if packed.data().len() <= OWN_BYTES_MAX)
    }

    fn make_table(&mut self, seed: Seed) {
        let Shared::Packed(packed) = self else { return };
        let mut table = Table { map: CowMap::new(seed), heap_bytes: 0, encoded_bytes: 0 };
        packed.iter().for_each(|(field, value)| {
            table.insert(field, value);
        });
        *self = Shared::Table(Box::new(table));
    }
}

impl Table {
    /// True where the field is new.
    fn insert(&mut self, field: &[u8], value: &[u8]) -> bool {
        self.count(field, value);
        match self.map.insert(field, Blob::new(value)) {
            Some(old) => {
                self.discount(field, &old);
                false
            }
            None => true,
        }
    }

    fn remove(&mut self, field: &[u8]) -> bool {
        match self.map.remove(field) {
            Some(old) => {
                self.discount(field, &old);
                true
            }
            None => false,
        }
    }

    fn count(&mut self, field: &[u8], value: &[u8]) {
        self.heap_bytes += pair_bytes(field.len(), value.len());
        self.encoded_bytes += packed::encoded_bytes(field.len()) + packed::encoded_bytes(value.len());
    }

    fn discount(&mut self, field: &[u8], value: &[u8]) {
        self.heap_bytes -= pair_bytes(field.len(), value.len());
        self.encoded_bytes -= packed::encoded_bytes(field.len()) + packed::encoded_bytes(value.len());
    }
}

impl Default for HashValue {
    fn default() -> HashValue {
        HashValue::new()
    }
}

/// The shared allocation that holds a hash.
const HEAD_BYTES: usize = 48;
/// The allocation that holds a table.
const TABLE_BYTES: usize = 48;

fn pair_bytes(field_bytes: usize, value_bytes: usize) -> usize {
    PAIR_BYTES + Blob::heap_bytes(field_bytes) + Blob::heap_bytes(value_bytes)
}

/// Field, value and hash in a bucket, with its spare room.
const PAIR_BYTES: usize = 62;

/// The pairs of a [`HashValue`].
#[derive(Clone, Debug)]
pub struct HashIter<'a>(HashIterRepr<'a>);

#[derive(Clone, Debug)]
enum HashIterRepr<'a> {
    Packed(PackedIter<'a>),
    Table(Iter<'a, Blob>),
}

impl<'a> Iterator for HashIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            HashIterRepr::Packed(pairs) => pairs.next(),
            HashIterRepr::Table(pairs) => pairs.next().map(|(field, value)| (&**field, &**value)),
        }
    }
}

#[cfg(test)]
mod tests;
