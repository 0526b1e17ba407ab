//! The runs of bytes in which Redis keeps small values: ziplist, listpack, intset, zipmap.
//!
//! ```text
//! ziplist := bytes:u32 tail:u32 count:u16 ( before text )* 0xFF
//! before  := u8 below 254 | 0xFE u32                        the length of the entry before; not needed here
//! text    := 00llllll … | 01llllll u8 … | 0x80 u32be …      strings
//!          | 0xC0 i16 | 0xD0 i32 | 0xE0 i64 | 0xF0 i24 | 0xFE i8 | 0xF1 to 0xFD: 0 to 12
//! intset  := width:u32 count:u32 ( number of this width )*  in order
//! zipmap  := count:u8 ( length field length free:u8 value unused… )* 0xFF
//! length  := u8 below 254 | 0xFE u32
//! ```
//!
//! Numbers are little-endian, but for the lengths in a ziplist. Listpacks are in `quorate-keyspace`.

use quorate_keyspace::redis_listpack;

use super::Error;

/// Takes the elements of a run, in order.
pub(super) type Visit<'v> = &'v mut dyn FnMut(&[u8]) -> Result<(), Error>;

/// The elements of a listpack.
pub(super) fn listpack(bytes: &[u8], visit: Visit<'_>) -> Result<(), Error> {
    let damaged = Error::Damaged("a listpack");
    let mut walk = redis_listpack::elements(bytes).ok_or(damaged)?;
    for element in walk.by_ref() {
        element.with_text(&mut *visit)?;
    }
    if walk.is_done() { Ok(()) } else { Err(damaged) }
}

/// The elements of a ziplist.
pub(super) fn ziplist(bytes: &[u8], visit: Visit<'_>) -> Result<(), Error> {
    let mut rest = Rest { bytes, what: "a ziplist" };
    let (total, _tail, count) = (rest.u32()?, rest.u32()?, u16::from_le_bytes(rest.array()?));
    if total as usize != bytes.len() {
        return rest.damaged();
    }
    let mut seen = 0u32;
    loop {
        match rest.byte()? {
            0xff => break,
            0xfe => {
                rest.u32()?;
            }
            _ => {}
        }
        ziplist_text(&mut rest, visit)?;
        seen += 1;
    }
    // A count of 65535 says that nobody counted.
    let counted = count == u16::MAX || u32::from(count) == seen;
    if counted && rest.bytes.is_empty() { Ok(()) } else { rest.damaged() }
}

fn ziplist_text(rest: &mut Rest<'_>, visit: Visit<'_>) -> Result<(), Error> {
    let encoding = rest.byte()?;
    let low = u32::from(encoding & 0x3f);
    let number = match encoding {
        0..=0x3f => return visit(rest.take(low)?),
        0x40..=0x7f => {
            let len = low << 8 | u32::from(rest.byte()?);
            return visit(rest.take(len)?);
        }
        0x80 => {
            let len = u32::from_be_bytes(rest.array()?);
            return visit(rest.take(len)?);
        }
        0xc0 => i16::from_le_bytes(rest.array()?).into(),
        0xd0 => i32::from_le_bytes(rest.array()?).into(),
        0xe0 => i64::from_le_bytes(rest.array()?),
        0xf0 => {
            let [a, b, c] = rest.array()?;
            (i32::from_le_bytes([0, a, b, c]) >> 8).into()
        }
        0xfe => i8::from_le_bytes(rest.array()?).into(),
        0xf1..=0xfd => i64::from(encoding & 0x0f) - 1,
        _ => return rest.damaged(),
    };
    visit(itoa::Buffer::new().format(number).as_bytes())
}

/// The fields and values of a zipmap, in turn.
pub(super) fn zipmap(bytes: &[u8], visit: Visit<'_>) -> Result<(), Error> {
    let mut rest = Rest { bytes, what: "a zipmap" };
    rest.byte()?;
    while rest.bytes.first() != Some(&0xff) {
        let len = zipmap_length(&mut rest)?;
        visit(rest.take(len)?)?;
        let len = zipmap_length(&mut rest)?;
        let free = rest.byte()?;
        visit(rest.take(len)?)?;
        rest.take(free.into())?;
    }
    if rest.bytes.len() == 1 { Ok(()) } else { rest.damaged() }
}

fn zipmap_length(rest: &mut Rest<'_>) -> Result<u32, Error> {
    match rest.byte()? {
        0xff => rest.damaged(),
        0xfe => rest.u32(),
        len => Ok(len.into()),
    }
}

/// The numbers of an intset, as text.
pub(super) fn intset(bytes: &[u8], visit: Visit<'_>) -> Result<(), Error> {
    let mut rest = Rest { bytes, what: "an intset" };
    let (width, count) = (rest.u32()?, rest.u32()?);
    if rest.bytes.len() as u64 != u64::from(width) * u64::from(count) {
        return rest.damaged();
    }
    let mut last = None;
    for _ in 0..count {
        let number = match width {
            2 => i16::from_le_bytes(rest.array()?).into(),
            4 => i32::from_le_bytes(rest.array()?).into(),
            8 => i64::from_le_bytes(rest.array()?),
            _ => return rest.damaged(),
        };
        if last.is_some_and(|last| last >= number) {
            return rest.damaged();
        }
        last = Some(number);
        visit(itoa::Buffer::new().format(number).as_bytes())?;
    }
    Ok(())
}

/// What is left of a run, and its name for errors.
struct Rest<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Rest<'a> {
    fn damaged<T>(&self) -> Result<T, Error> {
        Err(Error::Damaged(self.what))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(Error::Damaged(self.what))?;
        self.bytes = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    fn take(&mut self, len: u32) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self.bytes.split_at_checked(len as usize).ok_or(Error::Damaged(self.what))?;
        self.bytes = rest;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(read: fn(&[u8], Visit<'_>) -> Result<(), Error>, bytes: &[u8]) -> Option<String> {
        let mut texts = Vec::new();
        let result = read(bytes, &mut |text| {
            texts.push(String::from_utf8_lossy(text).into_owned());
            Ok(())
        });
        result.ok().map(|()| texts.join(","))
    }

    /// Whatever byte is changed or missing, there is an answer.
    fn mutate(read: fn(&[u8], Visit<'_>) -> Result<(), Error>, bytes: &[u8]) {
        for at in 0..bytes.len() {
            for byte in [0, 1, 0x3f, 0x7f, 0x80, 0xc0, 0xf0, 0xfe, 0xff] {
                let mut damaged = bytes.to_vec();
                damaged[at] = byte;
                let _ = all(read, &damaged);
            }
            assert_eq!(all(read, &bytes[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn ziplists() {
        let list = b"\x0f\0\0\0\x0c\0\0\0\x02\0\x00\xf3\x02\xf6\xff";
        assert_eq!(all(ziplist, list).as_deref(), Some("2,5"));
        mutate(ziplist, list);
        let parts: &[&[u8]] = &[
            b"\x40\0\0\0\0\0\0\0\xff\xff",
            b"\x00\x02hi",
            b"\x04\x40\x03hey",
            b"\x06\x80\0\0\0\x01x",
            b"\x07\xc0\x39\x30",
            b"\xfe\x04\0\0\0\xd0\xff\xff\xff\xff",
            b"\x06\xe0\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\x0a\xf0\xff\xff\x7f",
            b"\x05\xfe\x80",
            b"\x03\xfd",
            b"\xff",
        ];
        let mut list = parts.concat();
        list[0] = list.len() as u8;
        let expected = "hi,hey,x,12345,-1,9223372036854775807,8388607,-128,12";
        assert_eq!(all(ziplist, &list).as_deref(), Some(expected));
        mutate(ziplist, &list);
    }

    #[test]
    fn intsets() {
        let set = b"\x02\0\0\0\x03\0\0\0\xff\xff\x05\0\x39\x30";
        assert_eq!(all(intset, set).as_deref(), Some("-1,5,12345"));
        mutate(intset, set);
        assert_eq!(
            all(intset, b"\x08\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\x80").as_deref(),
            Some("-9223372036854775808")
        );
        assert_eq!(all(intset, b"\x04\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\0\0"), None);
        assert_eq!(all(intset, b"\x03\0\0\0\x01\0\0\0\x01\0\0"), None);
    }

    #[test]
    fn zipmaps() {
        let map = b"\x02\x03foo\x03\x00bar\x05hello\x05\x02world??\xff";
        assert_eq!(all(zipmap, map).as_deref(), Some("foo,bar,hello,world"));
        mutate(zipmap, map);
        assert_eq!(all(zipmap, b"\x01\xfe\x01\0\0\0a\xfe\x01\0\0\0\0b\xff").as_deref(), Some("a,b"));
    }
}
