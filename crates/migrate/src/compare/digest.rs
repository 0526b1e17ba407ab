//! What a value holds, as one number: the same for two values that Redis would say are equal, however each is kept.
//!
//! What has no order has none here: members, fields and groups are added up. Times at which consumers were seen are
//! left out, as no replica of Redis has them right.

use std::hash::{DefaultHasher, Hash, Hasher};

use quorate_commands::Settings;
use quorate_commands::rdb::{self, Shape, crc64_after};
use quorate_keyspace::{Group, Seed, StreamId, StreamValue, Value};

use crate::rdb::{Part, Type};

/// A value's digest while it is made.
#[derive(Debug)]
pub(crate) struct Digest {
    kind: Type,
    len: u64,
    sum: u64,
}

impl Digest {
    pub(crate) fn new(kind: Type) -> Digest {
        Digest { kind, len: 0, sum: 0 }
    }

    pub(crate) fn add(&mut self, part: &Part) {
        match part {
            Part::Elements(elements) => elements.iter().for_each(|element| self.element(element)),
            Part::Pairs(pairs) => pairs.iter().for_each(|(field, value)| self.pair(field, value)),
            Part::Scores(scores) => scores.iter().for_each(|(member, score)| self.score(member, *score)),
        }
    }

    fn element(&mut self, element: &[u8]) {
        match self.kind {
            Type::String => {
                self.sum = crc64_after(self.sum, element);
                self.len += element.len() as u64;
            }
            Type::List => {
                self.sum = self.sum.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(hashed(element));
                self.len += 1;
            }
            _ => self.unordered(hashed(element)),
        }
    }

    fn pair(&mut self, field: &[u8], value: &[u8]) {
        self.unordered(hashed((field, value)));
    }

    fn score(&mut self, member: &[u8], score: f64) {
        // Both noughts are one score.
        self.unordered(hashed((member, (score + 0.0).to_bits())));
    }

    fn unordered(&mut self, hash: u64) {
        self.sum = self.sum.wrapping_add(hash);
        self.len += 1;
    }

    pub(crate) fn finish(self) -> u64 {
        hashed((self.kind as u8, self.len, self.sum))
    }
}

fn hashed(what: impl Hash) -> u64 {
    // Its keys are fixed, so both sides get the same.
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The digest of the value in a payload of `DUMP`.
///
/// # Errors
/// It holds no value.
pub(crate) fn of_payload(payload: &[u8]) -> Result<u64, rdb::Error> {
    let settings = Settings::default();
    let value = rdb::restore(payload, Shape { seed: Seed([0; 16]), settings: &settings })?;
    Ok(of_value(&value))
}

fn of_value(value: &Value) -> u64 {
    let mut text = Vec::new();
    let mut digest = Digest::new(match value {
        Value::String(_) => Type::String,
        Value::List(_) => Type::List,
        Value::Set(_) => Type::Set,
        Value::Hash(_) => Type::Hash,
        _ => Type::SortedSet,
    });
    match value {
        Value::String(string) => string.with_bytes(|bytes| digest.element(bytes)),
        Value::List(list) => list.iter_from(0).for_each(|item| {
            text.clear();
            item.with_text(|element| text.extend_from_slice(element));
            digest.element(&text);
        }),
        Value::Set(set) => set.iter().for_each(|item| {
            text.clear();
            item.with_text(|element| text.extend_from_slice(element));
            digest.element(&text);
        }),
        Value::Hash(hash) => hash.iter().for_each(|(field, value)| digest.pair(field, value)),
        Value::SortedSet(set) => set.iter().for_each(|(member, score)| digest.score(member, score)),
        Value::Stream(stream) => return of_stream(stream),
        other => unreachable!("there is no type {}", other.type_name()),
    }
    digest.finish()
}

fn of_stream(stream: &StreamValue) -> u64 {
    let entries = stream.entries();
    let mut hasher = DefaultHasher::new();
    for entry in entries.range(StreamId::MIN, StreamId::MAX) {
        entry.id().to_bytes().hash(&mut hasher);
        entry.for_each(|field, value| (field, value).hash(&mut hasher));
    }
    for id in [entries.last_id(), entries.max_deleted_id()] {
        id.to_bytes().hash(&mut hasher);
    }
    (entries.len(), entries.added()).hash(&mut hasher);
    stream.groups().fold(0u64, |sum, group| sum.wrapping_add(of_group(group))).hash(&mut hasher);
    hasher.finish()
}

fn of_group(group: &Group) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&group.name()[..], group.last_id().to_bytes(), group.entries_read()).hash(&mut hasher);
    for pending in group.pending_from(StreamId::MIN) {
        (pending.id.to_bytes(), pending.delivered.0, pending.deliveries).hash(&mut hasher);
    }
    let consumers = group.consumers().fold(0u64, |sum, consumer| {
        let mut hasher = DefaultHasher::new();
        consumer.name()[..].hash(&mut hasher);
        consumer.pending_from(StreamId::MIN).for_each(|id| id.to_bytes().hash(&mut hasher));
        sum.wrapping_add(hasher.finish())
    });
    consumers.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::{Item, Reader};

    fn payload(kind: u8, value: &[u8]) -> Vec<u8> {
        let mut payload = [&[kind][..], value, &[10, 0]].concat();
        payload.extend(rdb::crc64(&payload).to_le_bytes());
        payload
    }

    #[test]
    fn the_encoding_does_not_matter_and_the_content_does() {
        let digest = |kind, value: &[u8]| of_payload(&payload(kind, value)).expect("a value");
        let set = digest(2, b"\x02\x011\x012");
        assert_eq!(set, digest(2, b"\x02\x012\x011"));
        assert_eq!(set, digest(11, b"\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0"));
        assert_ne!(set, digest(2, b"\x02\x011\x013"));
        assert_ne!(set, digest(1, b"\x02\x011\x012"));
        assert_ne!(digest(1, b"\x02\x011\x012"), digest(1, b"\x02\x012\x011"));
        assert_ne!(digest(4, b"\x01\x01a\x01b"), digest(4, b"\x01\x01b\x01a"));
        assert_eq!(digest(0, b"\x0212"), digest(0, b"\xc0\x0c"));
    }

    #[test]
    fn a_value_in_parts_has_the_digest_of_the_whole() {
        let mut value = vec![0x80];
        value.extend(300_000u32.to_be_bytes());
        for member in 0..300_000 {
            let member = format!("member-{member}");
            value.push(member.len() as u8);
            value.extend(member.as_bytes());
        }
        let file = [b"REDIS0003\x02\x01s", &value[..], b"\xff"].concat();
        let mut reader = Reader::new(&file[..]).expect("a file");
        assert!(matches!(reader.next_item(), Ok(Item::Begin(_, Type::Set))));
        let mut digest = Digest::new(Type::Set);
        while let Item::Part(part) = reader.next_item().expect("a part") {
            digest.add(&part);
        }
        assert_eq!(digest.finish(), of_payload(&payload(2, &value)).expect("a set"));
    }
}
