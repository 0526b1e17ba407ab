//! The hash type: a packed list of pairs while it is small, a table once it is not.

use crate::packed::{Packed, PackedIter};
use crate::{Blob, CowMap, Iter, Seed};

/// A hash. It begins packed, in order of insertion as Redis' listpack, becomes a table when it
/// passes a limit, and never goes back.
#[derive(Clone, Debug)]
pub struct HashValue {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    Packed(Packed),
    Table { map: CowMap<Blob>, heap_bytes: usize },
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
        HashValue { repr: Repr::Packed(Packed::default()) }
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Packed(packed) => packed.len(),
            Repr::Table { map, .. } => map.len(),
        }
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<&[u8]> {
        match &self.repr {
            Repr::Packed(packed) => packed.get(field),
            Repr::Table { map, .. } => map.get(field).map(Blob::as_bytes),
        }
    }

    /// Whether the field is there.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// Sets a field; true where it is new. `seed` is the keyspace's ([`crate::Keyspace::seed`]).
    pub fn insert(&mut self, field: &[u8], value: &[u8], limits: HashLimits, seed: Seed) -> bool {
        let long = field.len().max(value.len()) > limits.value_bytes_max;
        if long {
            self.make_table(seed);
        }
        let added = match &mut self.repr {
            Repr::Packed(packed) => packed.insert(field, value),
            Repr::Table { map, heap_bytes } => {
                *heap_bytes += pair_bytes(field.len(), value.len());
                let old = map.insert(field, Blob::new(value));
                if let Some(old) = &old {
                    *heap_bytes -= pair_bytes(field.len(), old.len());
                }
                old.is_none()
            }
        };
        // Redis looks at the number after the insertion, so the table starts at one above it.
        if self.len() > limits.entries_max {
            self.make_table(seed);
        }
        added
    }

    /// Removes a field; whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.repr {
            Repr::Packed(packed) => packed.remove(field),
            Repr::Table { map, heap_bytes } => match map.remove(field) {
                Some(old) => {
                    *heap_bytes -= pair_bytes(field.len(), old.len());
                    true
                }
                None => false,
            },
        }
    }

    /// The pair of this rank in iteration order, for uniform sampling (HRANDFIELD).
    pub fn nth(&self, rank: usize) -> Option<(&[u8], &[u8])> {
        match &self.repr {
            Repr::Packed(packed) => packed.nth(rank),
            Repr::Table { map, .. } => map.nth(rank).map(|(field, value)| (&**field, &**value)),
        }
    }

    /// Every pair: in order of insertion while packed, in hash order as a table.
    pub fn iter(&self) -> HashIter<'_> {
        HashIter(match &self.repr {
            Repr::Packed(packed) => HashIterRepr::Packed(packed.iter()),
            Repr::Table { map, .. } => HashIterRepr::Table(map.iter()),
        })
    }

    /// Visits about `count` pairs from a cursor on; returns the next cursor, 0 at the end. A packed
    /// hash is visited whole, as in Redis. See [`CowMap::scan`].
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], &[u8])) -> u64 {
        match &self.repr {
            Repr::Packed(packed) => {
                packed.iter().for_each(|(field, value)| visit(field, value));
                0
            }
            Repr::Table { map, .. } => map.scan(cursor, count, |field, value| visit(field, value)),
        }
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> HashEncoding {
        match &self.repr {
            Repr::Packed(_) => HashEncoding::Listpack,
            Repr::Table { .. } => HashEncoding::Hashtable,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        HEAD_BYTES
            + match &self.repr {
                Repr::Packed(packed) => packed.data().len(),
                Repr::Table { heap_bytes, .. } => *heap_bytes,
            }
    }

    fn make_table(&mut self, seed: Seed) {
        let Repr::Packed(packed) = &self.repr else { return };
        let mut map = CowMap::new(seed);
        let mut heap_bytes = 0;
        for (field, value) in packed.iter() {
            heap_bytes += pair_bytes(field.len(), value.len());
            map.insert(field, Blob::new(value));
        }
        self.repr = Repr::Table { map, heap_bytes };
    }
}

impl Default for HashValue {
    fn default() -> HashValue {
        HashValue::new()
    }
}

/// The shared allocation that holds a hash.
const HEAD_BYTES: usize = 80;

fn pair_bytes(field_bytes: usize, value_bytes: usize) -> usize {
    PAIR_BYTES + Blob::heap_bytes(field_bytes) + Blob::heap_bytes(value_bytes)
}

/// Field, value and hash in a bucket, with its spare room.
const PAIR_BYTES: usize = 46;

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
