//! How much room to ask for, so that none is lost to the allocator's rounding.
//!
//! Nodes of maps and trees, and small values, are very many and grow by one item at a time: whatever their
//! capacity leaves of its size class is paid for and never used. The classes are jemalloc's, four to each
//! doubling; another allocator loses a little more.

use crate::blob::OWN_BYTES_MAX;

/// The largest number of items in the size class that holds `len` of them.
pub(crate) fn fitting(len: usize, item_bytes: usize) -> usize {
    class_bytes(len * item_bytes).checked_div(item_bytes).unwrap_or(len)
}

/// What the allocator gives for so many bytes.
pub(crate) fn class_bytes(bytes: usize) -> usize {
    if bytes <= 16 {
        return bytes.next_multiple_of(8);
    }
    let step = (bytes - 1).ilog2().saturating_sub(2).max(4);
    bytes.next_multiple_of(1 << step)
}

/// Makes room for so many bytes more in a compact value: no more than the allocator gives anyway.
pub(crate) fn reserve(data: &mut Vec<u8>, bytes: usize) {
    if data.capacity() - data.len() < bytes {
        let needed = data.len() + bytes;
        // What is small is kept without any room: see `small`.
        let room = if needed <= OWN_BYTES_MAX { needed } else { class_bytes(needed) };
        data.reserve_exact(room - data.len());
    }
}

/// Gives the room of a compact value back where it is much.
pub(crate) fn give_back(data: &mut Vec<u8>) {
    if data.capacity() > 2 * data.len() + 64 {
        data.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_as_jemalloc_has_them() {
        for (bytes, class) in [
            (0, 0),
            (1, 8),
            (9, 16),
            (17, 32),
            (113, 128),
            (128, 128),
            (129, 160),
            (161, 192),
            (257, 320),
            (513, 640),
            (2049, 2560),
            (3073, 3584),
            (4097, 5120),
        ] {
            assert_eq!(class_bytes(bytes), class, "{bytes}");
        }
        assert_eq!((fitting(1, 80), fitting(45, 80), fitting(3, 0)), (1, 51, 3));
    }
}
