//! Immutable bytes, the short ones in place: a key, a field, a short string.
//!
//! Up to 23 bytes live inside the value itself. Up to [`OWN_BYTES_MAX`] are an allocation of their own, which a
//! clone copies: the counts of references would take 16 bytes more of each, and a bucket of keys is copied for a
//! snapshot once, at a few microseconds. More are shared, the longest as a buffer that can grow in place.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::slots;

/// Immutable bytes, 24 bytes in size, cheap to clone. Compared by content.
#[derive(Clone)]
pub struct Blob(Repr);

/// Bytes kept inside the blob itself.
const INLINE_BYTES_MAX: usize = 23;
/// The longest bytes of which a clone is a copy, here and in small values: so the copy of a bucket of 64 pairs stays
/// a matter of microseconds.
pub(crate) const OWN_BYTES_MAX: usize = 256;
/// The longest bytes beside their counts; of longer ones the first change in place must not copy them.
const SHARED_BYTES_MAX: usize = 16 * 1024;

#[derive(Clone)]
enum Repr {
    Inline { len: InlineLen, data: [u8; INLINE_BYTES_MAX] },
    Own(Box<[u8]>),
    Shared(Arc<[u8]>),
    Large(Arc<Vec<u8>>),
}

// A larger blob makes every entry of every map larger.
const _: () = assert!(size_of::<Blob>() == 24 && size_of::<Option<Blob>>() == 24);

/// 0 to 23 as an enum: the 232 values that a byte has left are where the compiler keeps the tag.
#[derive(Clone, Copy)]
#[rustfmt::skip]
#[repr(u8)]
enum InlineLen {
    L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12, L13, L14, L15,
    L16, L17, L18, L19, L20, L21, L22, L23,
}

impl InlineLen {
    #[rustfmt::skip]
    const ALL: [InlineLen; INLINE_BYTES_MAX + 1] = {
        use InlineLen::*;
        [
            L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12, L13, L14, L15,
            L16, L17, L18, L19, L20, L21, L22, L23,
        ]
    };
}

/// Where bytes of a length are kept.
enum Home {
    Inline,
    Own,
    Shared,
    Large,
}

impl Home {
    fn of(len: usize) -> Home {
        if len <= INLINE_BYTES_MAX {
            Home::Inline
        } else if len <= OWN_BYTES_MAX {
            Home::Own
        } else if len <= SHARED_BYTES_MAX {
            Home::Shared
        } else {
            Home::Large
        }
    }
}

impl Blob {
    /// No bytes.
    pub const EMPTY: Blob = Blob(Repr::Inline { len: InlineLen::L0, data: [0; INLINE_BYTES_MAX] });

    /// A copy of these bytes.
    pub fn new(bytes: &[u8]) -> Blob {
        match Home::of(bytes.len()) {
            Home::Inline => Blob::inline(bytes),
            Home::Own => Blob(Repr::Own(bytes.into())),
            Home::Shared => Blob(Repr::Shared(bytes.into())),
            Home::Large => Blob(Repr::Large(Arc::new(bytes.to_vec()))),
        }
    }

    /// A copy of these bytes that its clones share, for what is kept in two places.
    pub(crate) fn shared(bytes: &[u8]) -> Blob {
        match Home::of(bytes.len()) {
            Home::Inline => Blob::inline(bytes),
            _ => Blob(Repr::Shared(bytes.into())),
        }
    }

    fn inline(bytes: &[u8]) -> Blob {
        let mut data = [0; INLINE_BYTES_MAX];
        data[..bytes.len()].copy_from_slice(bytes);
        Blob(Repr::Inline { len: InlineLen::ALL[bytes.len()], data })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, data } => &data[..*len as usize],
            Repr::Own(bytes) => bytes,
            Repr::Shared(bytes) => bytes,
            Repr::Large(bytes) => bytes,
        }
    }

    /// The bytes as a growable buffer, without a copy where they are long and not shared.
    pub(crate) fn into_buffer(self) -> Arc<Vec<u8>> {
        match self.0 {
            Repr::Large(bytes) => bytes,
            Repr::Own(bytes) => Arc::new(bytes.into_vec()),
            repr => Arc::new(Blob(repr).as_bytes().to_vec()),
        }
    }

    /// Bytes of heap behind a blob of this length: a function of content, for accounting.
    pub(crate) fn heap_bytes(len: usize) -> usize {
        match Home::of(len) {
            Home::Inline => 0,
            Home::Own => slots::class_bytes(len),
            Home::Shared => slots::class_bytes(COUNTS_BYTES + len),
            Home::Large => 48 + slots::class_bytes(len),
        }
    }

    /// As [`Blob::heap_bytes`], of one that was made to be shared.
    pub(crate) fn shared_heap_bytes(len: usize) -> usize {
        match Home::of(len) {
            Home::Inline => 0,
            _ => slots::class_bytes(COUNTS_BYTES + len),
        }
    }
}

/// The counts of references in front of shared bytes.
const COUNTS_BYTES: usize = 16;

impl Default for Blob {
    fn default() -> Blob {
        Blob::EMPTY
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl From<&[u8]> for Blob {
    fn from(bytes: &[u8]) -> Blob {
        Blob::new(bytes)
    }
}

impl From<Vec<u8>> for Blob {
    /// Keeps the vector's allocation where it is the right one.
    fn from(mut bytes: Vec<u8>) -> Blob {
        match Home::of(bytes.len()) {
            Home::Inline => Blob::inline(&bytes),
            Home::Own => Blob(Repr::Own(bytes.into_boxed_slice())),
            Home::Shared => Blob(Repr::Shared(bytes.into())),
            Home::Large => {
                bytes.shrink_to_fit();
                Blob(Repr::Large(Arc::new(bytes)))
            }
        }
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Blob) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Blob {}

impl PartialOrd for Blob {
    fn partial_cmp(&self, other: &Blob) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Blob {
    fn cmp(&self, other: &Blob) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl std::hash::Hash for Blob {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_keeps_its_bytes() {
        for len in (0..=300).chain([SHARED_BYTES_MAX - 1, SHARED_BYTES_MAX, SHARED_BYTES_MAX + 1]) {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let blob = Blob::new(&bytes);
            assert_eq!(&*blob, &bytes[..], "length {len}");
            assert_eq!(blob.clone(), Blob::from(bytes.clone()), "length {len}");
            assert_eq!(blob, Blob::shared(&bytes), "length {len}");
            assert_eq!(**blob.into_buffer(), bytes, "length {len}");
        }
    }
}
