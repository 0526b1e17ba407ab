//! Bytes that cross a wire or reach a disk, apart from the types we compute with. Little-endian throughout.

pub(crate) mod codec;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod membership;
pub(crate) mod message;
