//! Builds a keyspace from blocks, one at a time. Never trusts a length, and never panics on bytes.

use super::{
    ACCESSED, BYTES, DATABASE, END, ENTRY, EXPIRES, HEADER, INTEGER, LIST_BLOCKS, LIST_PACKED, MAGIC, MORE,
    PACKED, PACKED_SCORES, RAW, REMOVALS, SCORE_TREE, SET_INTS, SET_PACKED, SET_TABLE, STREAM, SWAPPED,
    TABLE, VARINT_BYTES_MAX, VERSION,
};
use crate::list::Blocks;
use crate::listpack::Listpack;
use crate::removals::SLOTS;
use crate::sorted_set::split_scored;
use crate::stream::StreamBuild;
use crate::{
    Blob, CowMap, DATABASES, DbIndex, Entry, Error, HashValue, Keyspace, ListValue, Millis, Seed, SetValue,
    SortedSetValue, StringValue, Value, packed,
};

/// Reads the blocks of an [`crate::Encoder`] in their order.
#[derive(Debug, Default)]
pub struct Decoder {
    /// There once the header was read.
    keyspace: Option<Keyspace>,
    db: Option<DbIndex>,
    partial: Option<Partial>,
    keys: u64,
    ended: bool,
}

impl Keyspace {
    /// The keyspace that these blocks encode.
    pub fn decode<B: AsRef<[u8]>>(blocks: impl IntoIterator<Item = B>) -> Result<Keyspace, Error> {
        let mut decoder = Decoder::new();
        blocks.into_iter().try_for_each(|block| decoder.push(block.as_ref()))?;
        decoder.finish()
    }
}

impl Decoder {
    /// A decoder at the first block.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Takes the next block. After an error the decoder is of no use.
    pub fn push(&mut self, block: &[u8]) -> Result<(), Error> {
        let mut bytes = Bytes(block);
        while let Some(kind) = bytes.next_kind() {
            if self.ended {
                return Err(Error::Damaged("something after the end"));
            }
            match (kind, self.keyspace.is_some(), self.partial.is_some()) {
                (HEADER, false, _) => self.header(&mut bytes)?,
                (_, false, _) => return Err(Error::Magic),
                (MORE, _, true) => self.piece(&mut bytes)?,
                (_, _, true) => return Err(Error::Damaged("an entry that does not go on")),
                (DATABASE, ..) => self.database(&mut bytes)?,
                (SWAPPED, ..) => self.swapped(&mut bytes)?,
                (REMOVALS, ..) => self.removals(&mut bytes)?,
                (ENTRY, ..) => self.entry(&mut bytes)?,
                (END, ..) => self.end(&mut bytes)?,
                (tag, ..) => return Err(Error::Unknown { what: "record", tag }),
            }
        }
        Ok(())
    }

    /// The keyspace, once the last block was taken.
    pub fn finish(self) -> Result<Keyspace, Error> {
        match self.keyspace {
            Some(keyspace) if self.ended => Ok(keyspace),
            _ => Err(Error::Truncated("the sequence of blocks")),
        }
    }

    /// How many keys were read so far, for progress.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    fn header(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Error> {
        if bytes.array::<4>("the header")? != *MAGIC {
            return Err(Error::Magic);
        }
        let version = u16::from_le_bytes(bytes.array("the header")?);
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let seed = Seed(bytes.array("the header")?);
        let [databases] = bytes.array("the header")?;
        if usize::from(databases) != DATABASES {
            return Err(Error::Damaged("another number of databases"));
        }
        self.keyspace = Some(Keyspace::new(seed));
        Ok(())
    }

    fn database(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Error> {
        let [index] = bytes.array("a database")?;
        let index = DbIndex::new(i64::from(index)).ok_or(Error::Damaged("a database out of range"))?;
        if self.db.is_some_and(|before| before >= index) {
            return Err(Error::Damaged("databases out of order"));
        }
        self.db = Some(index);
        let floor = u64::from_le_bytes(bytes.array("a database")?);
        let (keyspace, db) = self.place()?;
        keyspace.db_mut(db).removals.raise(crate::Version(floor));
        Ok(())
    }

    fn swapped(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Error> {
        let version = u64::from_le_bytes(bytes.array("an exchange")?);
        let (keyspace, db) = self.place()?;
        keyspace.db_mut(db).removals.note_swap(crate::Version(version));
        Ok(())
    }

    fn removals(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Error> {
        let count = u16::from_le_bytes(bytes.array("removals")?);
        let (keyspace, db) = self.place()?;
        for _ in 0..count {
            let slot = u16::from_le_bytes(bytes.array("removals")?);
            let version = u64::from_le_bytes(bytes.array("removals")?);
            if usize::from(slot) >= SLOTS {
                return Err(Error::Damaged("a removal out of range"));
            }
            keyspace.db_mut(db).removals.note_slot(usize::from(slot), crate::Version(version));
        }
        Ok(())
    }

    fn entry(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Error> {
        self.place()?;
        let [tag] = bytes.array("an entry")?;
        let expires = match tag & EXPIRES {
            0 => None,
            _ => Some(Millis(i64::from_le_bytes(bytes.array("an entry")?))),
        };
        if expires == Some(Millis(i64::MIN)) {
            return Err(Error::Damaged("an expiry that stands for none"));
        }
        let accessed = match tag & ACCESSED {
            0 => 0,
            _ => u32::from_le_bytes(bytes.array("an entry")?),
        };
        let version = crate::Version(bytes.varint("an entry")?);
        let key_left = bytes.varint("an entry")?;
        let value_left = bytes.varint("an entry")?;
        let value = Build::new(tag & !(EXPIRES | ACCESSED), self.place()?.0.seed())?;
        self.partial =
            Some(Partial { expires, accessed, version, key_left, key: Vec::new(), value_left, value });
        self.piece(bytes)
    }

    fn piece(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Error> {
        let Some(mut partial) = self.partial.take() else { return Ok(()) };
        partial.key.extend_from_slice(bytes.up_to(&mut partial.key_left));
        if partial.key_left == 0 {
            partial.value.push(bytes.up_to(&mut partial.value_left))?;
        }
        if partial.key_left > 0 || partial.value_left > 0 {
            self.partial = Some(partial);
            return Ok(());
        }
        let value = partial.value.finish()?;
        let (keyspace, db) = self.place()?;
        let entry = Entry::new(value, partial.expires, partial.version, partial.accessed);
        if keyspace.db_mut(db).put(&partial.key, entry).is_some() {
            return Err(Error::Damaged("a key twice"));
        }
        self.keys += 1;
        Ok(())
    }

    fn end(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Error> {
        if u64::from_le_bytes(bytes.array("the end")?) != self.keys {
            return Err(Error::Damaged("another number of keys"));
        }
        self.ended = true;
        Ok(())
    }

    /// Where entries go.
    fn place(&mut self) -> Result<(&mut Keyspace, DbIndex), Error> {
        match (&mut self.keyspace, self.db) {
            (Some(keyspace), Some(db)) => Ok((keyspace, db)),
            _ => Err(Error::Damaged("an entry outside of a database")),
        }
    }
}

/// An entry of which some is still to come.
#[derive(Debug)]
struct Partial {
    expires: Option<Millis>,
    accessed: u32,
    version: crate::Version,
    key_left: u64,
    key: Vec<u8>,
    value_left: u64,
    value: Build,
}

/// A value in the making. It grows with the bytes that came, not with what a length announced.
#[derive(Debug)]
struct Build {
    tag: u8,
    parts: Parts,
    /// Bytes that are not among the parts yet.
    rest: Vec<u8>,
}

/// What was made of the pieces of a value.
#[derive(Debug)]
enum Parts {
    /// Nothing: the value comes in one piece.
    None,
    Pairs(CowMap<Blob>),
    Members(CowMap<()>),
    Blocks(Blocks),
    Scored(SortedSetValue),
    Stream(Box<StreamBuild>),
}

impl Build {
    fn new(tag: u8, seed: Seed) -> Result<Build, Error> {
        let parts = match tag {
            INTEGER | BYTES | RAW | PACKED | LIST_PACKED | SET_INTS | SET_PACKED | PACKED_SCORES => {
                Parts::None
            }
            LIST_BLOCKS => Parts::Blocks(Blocks::default()),
            TABLE => Parts::Pairs(CowMap::new(seed)),
            SET_TABLE => Parts::Members(CowMap::new(seed)),
            SCORE_TREE => Parts::Scored(SortedSetValue::new_tree(seed)),
            STREAM => Parts::Stream(Box::default()),
            tag => return Err(Error::Unknown { what: "type of value", tag }),
        };
        Ok(Build { tag, parts, rest: Vec::new() })
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.rest.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(taken) = self.parts.take(&self.rest[used..])? {
            used += taken;
        }
        self.rest.drain(..used);
        Ok(())
    }

    fn finish(self) -> Result<Value, Error> {
        let Build { tag, parts, rest } = self;
        match parts {
            Parts::None => whole(tag, rest),
            Parts::Pairs(map) if rest.is_empty() && !map.is_empty() => {
                Ok(Value::hash(HashValue::from_table(map)))
            }
            Parts::Pairs(_) => Err(Error::Damaged("a hash table")),
            Parts::Members(map) if rest.is_empty() && !map.is_empty() => {
                Ok(Value::set(SetValue::from_table(map)))
            }
            Parts::Members(_) => Err(Error::Damaged("a set table")),
            Parts::Blocks(blocks) if rest.is_empty() && !blocks.is_empty() => {
                Ok(Value::list(ListValue::from_blocks(blocks)))
            }
            Parts::Blocks(_) => Err(Error::Damaged("a list of blocks")),
            Parts::Scored(set) if rest.is_empty() && !set.is_empty() => Ok(Value::sorted_set(set)),
            Parts::Scored(_) => Err(Error::Damaged("a sorted set")),
            Parts::Stream(build) if rest.is_empty() => {
                build.finish().map(Value::stream).ok_or(Error::Damaged("a stream"))
            }
            Parts::Stream(_) => Err(Error::Damaged("a stream that is cut off")),
        }
    }
}

impl Parts {
    /// Takes a piece off the front, if all of it is there; how long it was.
    fn take(&mut self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        match self {
            Parts::None => Ok(None),
            Parts::Pairs(map) => {
                let Some((field, value, after)) = split_pair(bytes) else { return Ok(None) };
                if map.insert(field, Blob::new(value)).is_some() {
                    return Err(Error::Damaged("a field twice"));
                }
                Ok(Some(bytes.len() - after.len()))
            }
            Parts::Members(map) => {
                let Some((member, after)) = packed::split_one(bytes) else { return Ok(None) };
                if map.insert(member, ()).is_some() {
                    return Err(Error::Damaged("a member twice"));
                }
                Ok(Some(bytes.len() - after.len()))
            }
            Parts::Blocks(blocks) => {
                let Some((data, after)) = packed::split_one(bytes) else { return Ok(None) };
                blocks.push_block(Listpack::from_data(data.to_vec()).ok_or(Error::Damaged("a block"))?);
                Ok(Some(bytes.len() - after.len()))
            }
            Parts::Scored(set) => {
                let Some((member, score, after)) = split_scored(bytes) else { return Ok(None) };
                if !set.push_last(member, score) {
                    return Err(Error::Damaged("a member out of order"));
                }
                Ok(Some(bytes.len() - after.len()))
            }
            Parts::Stream(build) => build.take(bytes),
        }
    }
}

/// The value of a type that comes in one piece.
fn whole(tag: u8, bytes: Vec<u8>) -> Result<Value, Error> {
    match tag {
        INTEGER => {
            let bytes = bytes.try_into().map_err(|_| Error::Damaged("a number of another width"))?;
            Ok(Value::integer(i64::from_le_bytes(bytes)))
        }
        BYTES => Ok(Value::String(StringValue::Bytes(Blob::from(bytes)))),
        RAW => Ok(Value::String(StringValue::Raw(bytes.into()))),
        LIST_PACKED => ListValue::from_packed(bytes).map(Value::list).ok_or(Error::Damaged("a packed list")),
        SET_INTS => SetValue::from_ints(bytes).map(Value::set).ok_or(Error::Damaged("a set of integers")),
        SET_PACKED => SetValue::from_packed(bytes).map(Value::set).ok_or(Error::Damaged("a packed set")),
        PACKED_SCORES => SortedSetValue::from_packed(bytes)
            .map(Value::sorted_set)
            .ok_or(Error::Damaged("a packed sorted set")),
        _ => HashValue::from_packed(bytes).map(Value::hash).ok_or(Error::Damaged("a packed hash")),
    }
}

fn split_pair(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (field, rest) = packed::split_one(data)?;
    let (value, rest) = packed::split_one(rest)?;
    Some((field, value, rest))
}

/// What is left of a block.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn next_kind(&mut self) -> Option<u8> {
        let (kind, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*kind)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Error::Truncated(what))?;
        self.0 = rest;
        Ok(*array)
    }

    fn varint(&mut self, what: &'static str) -> Result<u64, Error> {
        let mut number = 0;
        for i in 0..VARINT_BYTES_MAX {
            let [byte] = self.array(what)?;
            number |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Error::Damaged("a number without end"))
    }

    /// At most `left` bytes off the front, and so many fewer left.
    fn up_to(&mut self, left: &mut u64) -> &'a [u8] {
        let len = usize::try_from(*left).unwrap_or(usize::MAX).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        *left -= len as u64;
        bytes
    }
}
