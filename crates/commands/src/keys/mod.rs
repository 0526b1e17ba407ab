//! The commands of the keys group.
