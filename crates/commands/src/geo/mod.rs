//! The commands of the geo group.
//!
//! For: places on the earth, kept as members of a sorted set whose score is a geohash of 52 bits, and searches
//! among them. Leaves to others: the sorted set (`quorate-keyspace`), adding to one (`sorted_sets`).
//! Invariant: sines come from `libm`, not from the platform, as stored distances must be the same on every node.

mod area;
mod geohash;
pub(crate) mod places;
mod query;
pub(crate) mod search;
mod units;

/// A place in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    longitude: f64,
    latitude: f64,
}
