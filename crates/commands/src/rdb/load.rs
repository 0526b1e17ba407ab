//! Reading values, whatever encoding they have.

use quorate_keyspace::{
    End, HashLimits, HashValue, ListLimit, ListValue, SetLimits, SetValue, SortedSetLimits, SortedSetValue,
    Value,
};

use super::kind::*;
use super::packed::{self, Visit};
use super::{Error, Reader, Shape, streams};

/// Reads a value of this type.
pub fn load(kind: u8, reader: &mut Reader<'_>, shape: Shape<'_>) -> Result<Value, Error> {
    match kind {
        STRING => Ok(Value::string(&reader.string()?)),
        LIST | LIST_ZIPLIST | LIST_QUICKLIST | LIST_QUICKLIST_2 => list(kind, reader, shape),
        SET | SET_INTSET | SET_LISTPACK => set(kind, reader, shape),
        HASH | HASH_ZIPMAP | HASH_ZIPLIST | HASH_LISTPACK => hash(kind, reader, shape),
        SORTED_SET | SORTED_SET_2 | SORTED_SET_ZIPLIST | SORTED_SET_LISTPACK => {
            sorted_set(kind, reader, shape)
        }
        STREAM | STREAM_2 | STREAM_3 => streams::load(kind, reader).map(Value::stream),
        kind => Err(Error::Type(kind)),
    }
}

fn list(kind: u8, reader: &mut Reader<'_>, shape: Shape<'_>) -> Result<Value, Error> {
    let limit = ListLimit::from_setting(shape.settings.list_max_listpack_size());
    let mut list = ListValue::new();
    let mut push = |element: &[u8]| {
        list.expect(&[element], limit);
        list.push(End::Tail, element, limit);
        Ok(())
    };
    match kind {
        LIST => {
            for _ in 0..reader.length()? {
                push(&reader.string()?)?;
            }
        }
        LIST_ZIPLIST => packed::ziplist(&reader.string()?, &mut push)?,
        LIST_QUICKLIST => {
            for _ in 0..reader.length()? {
                packed::ziplist(&reader.string()?, &mut push)?;
            }
        }
        _ => {
            for _ in 0..reader.length()? {
                match reader.length()? {
                    NODE_PLAIN => push(&reader.string()?)?,
                    NODE_PACKED => packed::listpack(&reader.string()?, &mut push)?,
                    _ => return Err(Error::Damaged("a list's node")),
                }
            }
        }
    }
    if list.is_empty() { Err(Error::Damaged("a list")) } else { Ok(Value::list(list)) }
}

fn set(kind: u8, reader: &mut Reader<'_>, shape: Shape<'_>) -> Result<Value, Error> {
    let limits = SetLimits {
        ints_max: shape.settings.set_max_intset_entries(),
        entries_max: shape.settings.set_max_listpack_entries(),
        value_bytes_max: shape.settings.set_max_listpack_value(),
    };
    let mut set = SetValue::new();
    let mut insert = |member: &[u8]| match set.insert(member, limits, shape.seed) {
        true => Ok(()),
        false => Err(Error::Damaged("a set with a member twice")),
    };
    match kind {
        SET => {
            for _ in 0..reader.length()? {
                insert(&reader.string()?)?;
            }
        }
        SET_INTSET => packed::intset(&reader.string()?, &mut insert)?,
        _ => packed::listpack(&reader.string()?, &mut insert)?,
    }
    if set.is_empty() { Err(Error::Damaged("a set")) } else { Ok(Value::set(set)) }
}

fn hash(kind: u8, reader: &mut Reader<'_>, shape: Shape<'_>) -> Result<Value, Error> {
    let limits = HashLimits {
        entries_max: shape.settings.hash_max_listpack_entries(),
        value_bytes_max: shape.settings.hash_max_listpack_value(),
    };
    let mut hash = HashValue::new();
    let mut insert = |field: &[u8], value: &[u8]| match hash.insert(field, value, limits, shape.seed) {
        true => Ok(()),
        false => Err(Error::Damaged("a hash with a field twice")),
    };
    if kind == HASH {
        for _ in 0..reader.length()? {
            insert(&reader.string()?, &reader.string()?)?;
        }
    } else {
        pairs(kind, reader, insert)?;
    }
    if hash.is_empty() { Err(Error::Damaged("a hash")) } else { Ok(Value::hash(hash)) }
}

fn sorted_set(kind: u8, reader: &mut Reader<'_>, shape: Shape<'_>) -> Result<Value, Error> {
    let limits = SortedSetLimits {
        entries_max: shape.settings.zset_max_listpack_entries(),
        value_bytes_max: shape.settings.zset_max_listpack_value(),
    };
    let mut set = SortedSetValue::new();
    let mut insert = |member: &[u8], score: f64| {
        if score.is_nan() || set.insert(member, score, limits, shape.seed).is_some() {
            return Err(Error::Damaged("a sorted set with a member twice, or without a score"));
        }
        Ok(())
    };
    if kind == SORTED_SET || kind == SORTED_SET_2 {
        for _ in 0..reader.length()? {
            let member = reader.string()?;
            let score = if kind == SORTED_SET { reader.text_double()? } else { reader.double()? };
            insert(&member, score)?;
        }
    } else {
        pairs(kind, reader, |member, score| {
            let score = std::str::from_utf8(score).ok().and_then(|score| score.parse().ok());
            insert(member, score.ok_or(Error::Damaged("a score"))?)
        })?;
    }
    if set.is_empty() { Err(Error::Damaged("a sorted set")) } else { Ok(Value::sorted_set(set)) }
}

/// Visits the pairs of a value that is kept in one string.
fn pairs(
    kind: u8,
    reader: &mut Reader<'_>,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut first: Option<Vec<u8>> = None;
    elements(kind, &reader.string()?, &mut |element| match first.take() {
        None => {
            first = Some(element.to_vec());
            Ok(())
        }
        Some(first) => visit(&first, element),
    })?;
    if first.is_some() { Err(Error::Damaged("a list of pairs")) } else { Ok(()) }
}

/// Visits what a run of bytes is made of: the string in which a value of this type is kept, or a node of a list.
/// Pairs come as two visits.
///
/// # Errors
/// The bytes are no such run, or the type has none.
pub fn visit(kind: u8, bytes: &[u8], visit: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
    elements(kind, bytes, visit)
}

fn elements(kind: u8, bytes: &[u8], visit: Visit<'_>) -> Result<(), Error> {
    match kind {
        HASH_ZIPMAP => packed::zipmap(bytes, visit),
        LIST_ZIPLIST | LIST_QUICKLIST | HASH_ZIPLIST | SORTED_SET_ZIPLIST => packed::ziplist(bytes, visit),
        SET_INTSET => packed::intset(bytes, visit),
        LIST_QUICKLIST_2 | SET_LISTPACK | HASH_LISTPACK | SORTED_SET_LISTPACK => {
            packed::listpack(bytes, visit)
        }
        kind => Err(Error::Type(kind)),
    }
}
