//! What clones of a set share, and what a set is while it is changed.

use itoa::Buffer;

use super::SetLimits;
use super::intset::{Ints, Intset};
use crate::blob::OWN_BYTES_MAX;
use crate::listpack::Listpack;
use crate::string::canonical_integer;
use crate::{Blob, CowMap, Seed, packed, slots};

/// What clones share until it is changed.
#[derive(Clone, Debug)]
pub(super) enum Shared {
    /// More bytes than a small set has, unless it is being changed.
    Ints(Intset),
    /// As well.
    Packed(Listpack),
    Table(Box<Table>),
}

/// Members in a table, with what they amount to.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) map: CowMap<()>,
    pub(super) heap_bytes: usize,
    /// The members' length in a snapshot.
    pub(super) encoded_bytes: usize,
}

impl Shared {
    pub(super) fn len(&self) -> usize {
        match self {
            Shared::Ints(ints) => ints.ints().len(),
            Shared::Packed(pack) => pack.len(),
            Shared::Table(table) => table.map.len(),
        }
    }

    /// Whether it has, with its form, no more bytes than clones copy.
    pub(super) fn is_small(&self) -> bool {
        match self {
            Shared::Ints(ints) => ints.data().len() < OWN_BYTES_MAX,
            Shared::Packed(pack) => pack.data().len() < OWN_BYTES_MAX,
            Shared::Table(_) => false,
        }
    }

    /// True where the member is new.
    pub(super) fn insert(&mut self, member: &[u8], limits: SetLimits, seed: Seed) -> bool {
        if let Shared::Ints(ints) = self {
            match canonical_integer(member) {
                Some(number) => {
                    let added = ints.insert(number);
                    // Redis looks at the number after the insertion, here and only here.
                    if ints.ints().len() > limits.ints_max {
                        self.make_table(seed);
                    }
                    return added;
                }
                None if fits_listpack(ints.ints(), member, limits) => self.make_packed(),
                None => {}
            }
        }
        if let Shared::Packed(pack) = self {
            if pack.position(member).is_some() {
                return false;
            }
            if pack.len() < limits.entries_max && member.len() <= limits.value_bytes_max {
                pack.push_back(member);
                return true;
            }
        }
        self.make_table(seed).insert(member)
    }

    /// Removes a member; whether it was there.
    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Shared::Ints(ints) => canonical_integer(member).is_some_and(|number| ints.remove(number)),
            Shared::Packed(pack) => match pack.position(member) {
                Some(index) => {
                    pack.remove(index);
                    true
                }
                None => false,
            },
            Shared::Table(table) => table.remove(member),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        HEAD_BYTES
            + match self {
                Shared::Ints(ints) => slots::class_bytes(ints.data().len()),
                Shared::Packed(pack) => slots::class_bytes(pack.data().len()),
                Shared::Table(table) => TABLE_BYTES + table.heap_bytes,
            }
    }

    fn make_packed(&mut self) {
        let mut pack = Listpack::default();
        self.for_each(|member| pack.push_back(member));
        *self = Shared::Packed(pack);
    }

    /// Makes a table of it, if it is none.
    pub(super) fn make_table(&mut self, seed: Seed) -> &mut Table {
        if !matches!(self, Shared::Table(_)) {
            let mut table = Table::new(seed);
            self.for_each(|member| {
                table.insert(member);
            });
            *self = Shared::Table(Box::new(table));
        }
        let Shared::Table(table) = self else { unreachable!("it was just made") };
        table
    }

    /// Visits the members of a compact form.
    fn for_each(&self, mut visit: impl FnMut(&[u8])) {
        let mut digits = Buffer::new();
        match self {
            Shared::Ints(ints) => ints.ints().iter().for_each(|n| visit(digits.format(n).as_bytes())),
            Shared::Packed(pack) => pack.iter().for_each(|member| visit(member.text(&mut digits))),
            Shared::Table(_) => {}
        }
    }
}

/// Whether a listpack may hold these integers and the first member that is none.
fn fits_listpack(ints: Ints<'_>, member: &[u8], limits: SetLimits) -> bool {
    let len = ints.len();
    if len >= limits.entries_max || member.len() > limits.value_bytes_max {
        return false;
    }
    // The longest texts are those of the smallest and the largest.
    let digits = |rank| Buffer::new().format(ints.get(rank)).len();
    len == 0 || digits(0).max(digits(len - 1)) <= limits.value_bytes_max
}

impl Table {
    pub(super) fn new(seed: Seed) -> Table {
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

    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        if self.map.remove(member).is_none() {
            return false;
        }
        self.heap_bytes -= member_bytes(member.len());
        self.encoded_bytes -= packed::encoded_bytes(member.len());
        true
    }

    pub(super) fn count(&mut self, member: &[u8]) {
        self.heap_bytes += member_bytes(member.len());
        self.encoded_bytes += packed::encoded_bytes(member.len());
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
