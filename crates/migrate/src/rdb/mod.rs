//! Whole RDB files of Redis 2.8 to 7.2 and of Valkey 8 and 9, one item after the other.
//!
//! ```text
//! file   := "REDIS" version:4 digits item* 0xFF [ crc64:u64le ]5     or "VALKEY" and 3 digits
//! item   := 0xFA name value                a note about the file
//!         | 0xFE db | 0xFB keys expiries   a database follows; so many keys
//!         | 0xF5 code                      a library of functions
//!         | 0xF7 module…                   what a module wants to keep; left out
//!         | 0xF4 slot keys expiries        of a Redis Cluster; left out
//!         | about* type key value
//! about  := 0xFD seconds:u32le | 0xFC millis:u64le | 0xF8 idle seconds | 0xF9 frequency:u8
//! ```
//!
//! Numbers without a width are lengths, names and codes strings (`quorate_commands::rdb`); `[ ]5`: from version 5 on.
//!
//! For: reading a file as a stream. Leaves to others: whether a value's inner bytes make sense, where it is passed on
//! whole; the one that restores it checks that.
//! Invariants: what is held is one string, or [`WHOLE_BYTES_MAX`] of a value of many; damage has an offset.

mod input;
mod value;

use std::io::Read;

use self::input::Input;
pub use self::value::{Part, Type};
use crate::Error;
use crate::error::shown;

/// Bytes of a value beyond which it comes in parts.
pub const WHOLE_BYTES_MAX: usize = 1 << 20;
/// Bytes of a stream's value, which comes whole, beyond which it is refused.
pub const STREAM_BYTES_MAX: usize = 256 << 20;
/// Bytes of a part from which on the next one begins.
pub const PART_BYTES: usize = 256 << 10;

/// The newest version of Redis that is read; its newer types are refused one by one.
const VERSION_MAX: u32 = 12;
/// The version of Valkey 9.
const VERSION_VALKEY: u32 = 80;
/// The first version with a checksum at its end.
const VERSION_CHECKSUM: u32 = 5;

const SLOT: u8 = 0xf4;
const FUNCTION: u8 = 0xf5;
const FUNCTION_BEFORE: u8 = 0xf6;
const MODULE: u8 = 0xf7;
const IDLE: u8 = 0xf8;
const FREQUENCY: u8 = 0xf9;
const AUX: u8 = 0xfa;
const RESIZE: u8 = 0xfb;
const EXPIRES_MILLIS: u8 = 0xfc;
const EXPIRES_SECONDS: u8 = 0xfd;
const DATABASE: u8 = 0xfe;
const END: u8 = 0xff;

/// What stands before a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Key {
    /// Its database.
    pub db: u32,
    /// Its name.
    pub name: Vec<u8>,
    /// When it expires, in milliseconds since 1970.
    pub expires: Option<i64>,
    /// Seconds since its last use.
    pub idle_seconds: Option<u64>,
    /// Its counter of uses.
    pub frequency: Option<u8>,
    /// Where its type stands in the file.
    pub offset: u64,
}

/// One thing in a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A note about the file.
    Note {
        /// What it is about, such as `redis-ver`.
        name: Vec<u8>,
        /// The note.
        value: Vec<u8>,
    },
    /// The code of a library.
    Function(Vec<u8>),
    /// Something of a module was left out.
    Module(String),
    /// A key with a value without elements, which faults of old versions have left: there is no such key.
    Empty(Key),
    /// A value, as a payload for `RESTORE`.
    Whole(Key, Vec<u8>),
    /// A value that follows in parts.
    Begin(Key, Type),
    /// A part of the value that has begun.
    Part(Part),
    /// The value that has begun is complete.
    Complete,
    /// The file ends here; whether it had a checksum, which was right.
    End {
        /// Whether it was checked.
        checked: bool,
    },
}

/// Reads a file.
#[derive(Debug)]
pub struct Reader<R> {
    input: Input<R>,
    version: u32,
    db: u32,
    open: Option<value::Open>,
    /// Keys that the file has announced so far.
    announced: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the head of a file.
    ///
    /// # Errors
    /// It is none of a version that is read, or cannot be read.
    pub fn new(source: R) -> Result<Reader<R>, Error> {
        Reader::with_ahead(source, Vec::new())
    }

    /// As [`Reader::new`], with bytes that were already read.
    ///
    /// # Errors
    /// As of [`Reader::new`].
    pub fn with_ahead(source: R, ahead: Vec<u8>) -> Result<Reader<R>, Error> {
        let mut input = Input::new(source, ahead, 0);
        let head: [u8; 9] = input.array()?;
        let digits = head.strip_prefix(b"REDIS").or_else(|| head.strip_prefix(b"VALKEY"));
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let version = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let Some(version) = version else {
            return Err(Error::Damaged {
                offset: 0,
                what: format!("{} is not the head of an RDB file", shown(&head)),
            });
        };
        if !(1..=VERSION_MAX).contains(&version) && version != VERSION_VALKEY {
            return Err(Error::Unsupported { offset: 5, what: format!("an RDB file of version {version}") });
        }
        Ok(Reader { input, version, db: 0, open: None, announced: 0, ended: false })
    }

    /// The version of the file.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// How many bytes were read.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// How many keys the file has announced so far.
    pub fn announced(&self) -> u64 {
        self.announced
    }

    /// The source, and what was read of it beyond the file's end.
    pub fn into_parts(self) -> (R, Vec<u8>) {
        self.input.into_parts()
    }

    /// The next item; after [`Item::End`] only that.
    ///
    /// # Errors
    /// The file is damaged, has something that cannot be imported, or cannot be read.
    pub fn next_item(&mut self) -> Result<Item, Error> {
        if self.ended {
            return Ok(Item::End { checked: false });
        }
        if let Some(open) = &mut self.open {
            return Ok(match open.part(&mut self.input)? {
                Some(part) => Item::Part(part),
                None => {
                    self.open = None;
                    Item::Complete
                }
            });
        }
        let mut key = Key::default();
        loop {
            key.offset = self.input.offset();
            match self.input.byte()? {
                AUX => return Ok(Item::Note { name: self.input.string()?, value: self.input.string()? }),
                FUNCTION => return Ok(Item::Function(self.input.string()?)),
                MODULE => return self.module(),
                DATABASE => {
                    let db = self.input.length()?;
                    self.db = u32::try_from(db).map_err(|_| self.input.damaged(format!("database {db}")))?;
                }
                RESIZE => {
                    self.announced = self.announced.saturating_add(self.input.length()?);
                    self.input.length()?;
                }
                SLOT => {
                    for _ in 0..3 {
                        self.input.length()?;
                    }
                }
                EXPIRES_SECONDS => {
                    key.expires = Some(i64::from(i32::from_le_bytes(self.input.array()?)) * 1000);
                }
                EXPIRES_MILLIS => key.expires = Some(i64::from_le_bytes(self.input.array()?)),
                IDLE => key.idle_seconds = Some(self.input.length()?),
                FREQUENCY => key.frequency = Some(self.input.byte()?),
                END => return self.end(),
                FUNCTION_BEFORE => {
                    return Err(unsupported(key.offset, "a library of a pre-release of Redis 7"));
                }
                kind => return self.value(kind, key),
            }
        }
    }

    fn value(&mut self, kind: u8, mut key: Key) -> Result<Item, Error> {
        key.db = self.db;
        key.name = self.input.string()?;
        if let Some(what) = value::refused(kind) {
            let mut what = what.to_owned();
            if kind == value::MODULE_2 {
                what = format!("a value of the module type {}", value::module_name(self.input.length()?));
            }
            return Err(unsupported(key.offset, format!("key {}: {what}", shown(&key.name))));
        }
        match value::begin(kind, &mut self.input)? {
            value::Begun::Empty => Ok(Item::Empty(key)),
            value::Begun::Whole(payload) => Ok(Item::Whole(key, payload)),
            value::Begun::Parts(open) => {
                let kind = open.kind();
                self.open = Some(open);
                Ok(Item::Begin(key, kind))
            }
        }
    }

    fn module(&mut self) -> Result<Item, Error> {
        let name = value::module_name(self.input.length()?);
        value::skip_module(&mut self.input)?;
        Ok(Item::Module(name))
    }

    fn end(&mut self) -> Result<Item, Error> {
        self.ended = true;
        if self.version < VERSION_CHECKSUM {
            return Ok(Item::End { checked: false });
        }
        let (offset, expected) = (self.input.offset(), self.input.crc());
        let found = u64::from_le_bytes(self.input.array()?);
        // Nought says that the writer was told to make none.
        if found != 0 && found != expected {
            let what = format!("the checksum is {found:016x}, and that of what was read {expected:016x}");
            return Err(Error::Damaged { offset, what });
        }
        Ok(Item::End { checked: found != 0 })
    }

    /// Whether nothing stands behind the file's end.
    ///
    /// # Errors
    /// The source cannot be read.
    pub fn is_at_end(&mut self) -> Result<bool, Error> {
        self.input.is_at_end()
    }
}

fn unsupported(offset: u64, what: impl Into<String>) -> Error {
    Error::Unsupported { offset, what: what.into() }
}

#[cfg(test)]
mod tests;
