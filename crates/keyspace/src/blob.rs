//! Immutable bytes, the short ones in place: a key, a field, a short string.
//!
//! Up to 23 bytes live inside the value itself; up to 239 in one reference-counted allocation of a
//! fitting size class; more behind an `Arc<Vec<u8>>`. So a bucket of keys is copied for a snapshot
//! without copying any bytes. Blobs of 16 bytes would do for 15 in place, but most keys are longer, and
//! an allocation costs each of those 48. The classes fill jemalloc's (48 to 256 bytes, but for one) with 16 bytes of reference counts and one of length; they exist because a thin pointer to
//! bytes of any length needs `unsafe`, and a fat one would make every entry 8 bytes larger.

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
/// The largest size class; longer content takes a second indirection.
const CLASS_BYTES_MAX: usize = 239;

#[derive(Clone)]
enum Repr {
    Inline { len: InlineLen, data: [u8; INLINE_BYTES_MAX] },
    Class31(Arc<Class<31>>),
    Class47(Arc<Class<47>>),
    Class63(Arc<Class<63>>),
    Class79(Arc<Class<79>>),
    Class95(Arc<Class<95>>),
    Class111(Arc<Class<111>>),
    Class143(Arc<Class<143>>),
    Class175(Arc<Class<175>>),
    Class207(Arc<Class<207>>),
    Class239(Arc<Class<239>>),
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

#[derive(Clone)]
struct Class<const N: usize> {
    len: u8,
    data: [u8; N],
}

impl<const N: usize> Class<N> {
    fn new(bytes: &[u8]) -> Arc<Self> {
        let mut data = [0; N];
        data[..bytes.len()].copy_from_slice(bytes);
        Arc::new(Class { len: bytes.len() as u8, data })
    }

    fn bytes(&self) -> &[u8] {
        &self.data[..usize::from(self.len)]
    }
}

impl Blob {
    /// No bytes.
    pub const EMPTY: Blob = Blob(Repr::Inline { len: InlineLen::L0, data: [0; INLINE_BYTES_MAX] });

    /// A copy of these bytes.
    pub fn new(bytes: &[u8]) -> Blob {
        Blob(match bytes.len() {
            len @ 0..=INLINE_BYTES_MAX => {
                let mut data = [0; INLINE_BYTES_MAX];
                data[..len].copy_from_slice(bytes);
                Repr::Inline { len: InlineLen::ALL[len], data }
            }
            24..=31 => Repr::Class31(Class::new(bytes)),
            32..=47 => Repr::Class47(Class::new(bytes)),
            48..=63 => Repr::Class63(Class::new(bytes)),
            64..=79 => Repr::Class79(Class::new(bytes)),
            80..=95 => Repr::Class95(Class::new(bytes)),
            96..=111 => Repr::Class111(Class::new(bytes)),
            112..=143 => Repr::Class143(Class::new(bytes)),
            144..=175 => Repr::Class175(Class::new(bytes)),
            176..=207 => Repr::Class207(Class::new(bytes)),
            208..=CLASS_BYTES_MAX => Repr::Class239(Class::new(bytes)),
            _ => Repr::Large(Arc::new(bytes.to_vec())),
        })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, data } => &data[..*len as usize],
            Repr::Class31(class) => class.bytes(),
            Repr::Class47(class) => class.bytes(),
            Repr::Class63(class) => class.bytes(),
            Repr::Class79(class) => class.bytes(),
            Repr::Class95(class) => class.bytes(),
            Repr::Class111(class) => class.bytes(),
            Repr::Class143(class) => class.bytes(),
            Repr::Class175(class) => class.bytes(),
            Repr::Class207(class) => class.bytes(),
            Repr::Class239(class) => class.bytes(),
            Repr::Large(bytes) => bytes,
        }
    }

    /// The bytes as a growable buffer, without a copy where they are long and not shared.
    pub(crate) fn into_buffer(self) -> Arc<Vec<u8>> {
        match self.0 {
            Repr::Large(bytes) => bytes,
            repr => Arc::new(Blob(repr).as_bytes().to_vec()),
        }
    }

    /// Bytes of heap behind content of this length: a function of content, for accounting.
    pub(crate) fn heap_bytes(len: usize) -> usize {
        match len {
            0..=INLINE_BYTES_MAX => 0,
            24..=31 => 48,
            32..=47 => 64,
            48..=63 => 80,
            64..=79 => 96,
            80..=95 => 112,
            96..=111 => 128,
            112..=143 => 160,
            144..=175 => 192,
            176..=207 => 224,
            208..=CLASS_BYTES_MAX => 256,
            _ => 48 + slots::class_bytes(len),
        }
    }
}

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
    /// Keeps the vector's allocation where the bytes are long.
    fn from(mut bytes: Vec<u8>) -> Blob {
        if bytes.len() <= CLASS_BYTES_MAX {
            return Blob::new(&bytes);
        }
        bytes.shrink_to_fit();
        Blob(Repr::Large(Arc::new(bytes)))
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
        for len in (0..=300).chain([4096]) {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let blob = Blob::new(&bytes);
            assert_eq!(&*blob, &bytes[..], "length {len}");
            assert_eq!(blob.clone(), Blob::from(bytes.clone()), "length {len}");
            assert_eq!(**blob.into_buffer(), bytes, "length {len}");
        }
    }
}
