//! Libraries in Redis' own format: `FUNCTION DUMP` and `RESTORE`.
//!
//! ```text
//! payload := ( 0xf5 string )* version:u16 crc64:u64      string as in an RDB file, numbers little-endian
//! ```

use crate::{Error, rdb};

/// An RDB file's mark of a library.
const FUNCTION_2: u8 = 245;

pub(crate) fn write<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut payload = Vec::new();
    for code in codes {
        payload.push(FUNCTION_2);
        rdb::write_string(code, &mut payload);
    }
    rdb::seal(payload)
}

pub(super) fn read(payload: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let bad = || Error::text("ERR DUMP payload version or checksum are wrong");
    let mut reader = rdb::Reader::new(rdb::checked(payload).ok_or_else(bad)?);
    let mut codes = Vec::new();
    while !reader.rest().is_empty() {
        let kind = reader.byte().map_err(|_| Error::text("ERR can not read data type"))?;
        if kind != FUNCTION_2 {
            return Err(Error::text("ERR given type is not a function"));
        }
        let code =
            reader.string().map_err(|_| Error::text("ERR failed loading the given functions payload"))?;
        codes.push(code.into_owned());
    }
    Ok(codes)
}
