//! The one place where bincode is spoken: cold structures, with a version in front and limits on decoding.
//!
//! ```text
//! 0  2  version of the structure, u16
//! 2  …  bincode, legacy configuration: fixed-width little-endian integers, u64 lengths
//! ```

use serde::{Serialize, de::DeserializeOwned};

use crate::Error;

/// A cold structure may need this many bytes, encoded or decoded.
const BYTES_MAX: usize = 16 << 20;

/// The structure's bytes behind its version.
pub(crate) fn encode<T: Serialize>(version: u16, value: &T) -> Vec<u8> {
    let mut bytes = version.to_le_bytes().to_vec();
    let config = bincode::config::legacy();
    bincode::serde::encode_into_std_write(value, &mut bytes, config)
        .expect("plain structures encode into memory without fail");
    bytes
}

/// The version and the rest.
pub(crate) fn split_version<'a>(what: &'static str, bytes: &'a [u8]) -> Result<(u16, &'a [u8]), Error> {
    let (version, rest) = bytes
        .split_first_chunk::<2>()
        .ok_or_else(|| Error::Format { what, reason: "it is too short for a version".into() })?;
    Ok((u16::from_le_bytes(*version), rest))
}

/// Decodes what [`split_version`] left. Bytes that remain are an error.
pub(crate) fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, Error> {
    let config = bincode::config::legacy().with_limit::<BYTES_MAX>();
    let (value, read) = bincode::serde::decode_from_slice(bytes, config)
        .map_err(|error| Error::Format { what, reason: error.to_string() })?;
    if read != bytes.len() {
        return Err(Error::Format { what, reason: format!("{} bytes too many", bytes.len() - read) });
    }
    Ok(value)
}
