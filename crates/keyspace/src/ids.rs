//! The small numbers that must not be mixed up: times, versions and database indexes.

/// How many databases a keyspace holds, as Redis' default `databases 16`.
pub const DATABASES: usize = 16;

/// Agreed time: milliseconds since the Unix epoch, as the log's stamps carry it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    /// This time moved by `millis`; `None` on overflow.
    pub fn checked_add(self, millis: i64) -> Option<Millis> {
        self.0.checked_add(millis).map(Millis)
    }

    /// Milliseconds from `earlier` to this time; negative where `earlier` is later.
    pub fn since(self, earlier: Millis) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The position of a change, for WATCH. It must grow with every request that changes data: where
/// two requests share one log entry they need different versions, or WATCH misses a change between
/// them. At most `u64::MAX / 2`, because [`crate::Db::key_version`] takes one bit for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// A database that exists: below [`DATABASES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DbIndex(u8);

impl DbIndex {
    /// Database 0, where every connection starts.
    pub const ZERO: DbIndex = DbIndex(0);

    /// The database of this number; `None` where there is none.
    pub fn new(number: i64) -> Option<DbIndex> {
        u8::try_from(number).ok().filter(|&n| usize::from(n) < DATABASES).map(DbIndex)
    }

    /// The number, for indexing.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The number as one byte, for wire and disk.
    pub fn as_u8(self) -> u8 {
        self.0
    }

    /// Every database, in order.
    pub fn all() -> impl Iterator<Item = DbIndex> {
        (0..DATABASES as u8).map(DbIndex)
    }
}

impl std::fmt::Display for DbIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
