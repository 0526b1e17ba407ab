//! A stream in a snapshot, piece by piece.
//!
//! ```text
//! stream   := head block* ( group consumer* pending* )*
//! head     := 0x01 last:id max_deleted:id added:u64
//! block    := 0x02 id bytes:u32 listpack                        see `block`
//! group    := 0x03 name_bytes:u32 name last:id read:opt
//! consumer := 0x04 name_bytes:u32 name seen:i64 active:opt      in the order of names, as groups
//! pending  := 0x05 id consumer:u32 delivered:i64 deliveries:u64 the consumer's place among the group's
//! id       := ms:u64 seq:u64                                    these two big-endian
//! opt      := 0x00 | 0x01 number:i64                            8 zero bytes fill up the first form
//! ```

use super::{Consumer, Group, StreamBuilder, StreamId, StreamValue};
use crate::{Blob, CowTree, Error, Millis};

const HEAD: u8 = 1;
const BLOCK: u8 = 2;
const GROUP: u8 = 3;
const CONSUMER: u8 = 4;
const PENDING: u8 = 5;

const HEAD_BYTES: usize = 41;
const BLOCK_BYTES: usize = 21;
const GROUP_BYTES: usize = 30;
const CONSUMER_BYTES: usize = 22;
const PENDING_BYTES: usize = 37;

/// Between two pieces: the next one. What is captured does not change, so indexes stay what they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum StreamPlace {
    #[default]
    Head,
    Block(usize),
    Group(usize),
    Consumer(usize, usize),
    Pending(usize, usize),
}

/// The pieces of a stream.
pub(crate) struct StreamWalk<'a> {
    stream: &'a StreamValue,
    place: StreamPlace,
}

impl<'a> StreamWalk<'a> {
    pub(crate) fn new(stream: &'a StreamValue, place: StreamPlace) -> StreamWalk<'a> {
        StreamWalk { stream, place }
    }

    pub(crate) fn place(&self) -> StreamPlace {
        self.place
    }

    /// Appends the next piece; false where there is none.
    pub(crate) fn next_piece(&mut self, out: &mut Vec<u8>) -> bool {
        let StreamValue { entries, groups } = self.stream;
        loop {
            self.place = match self.place {
                StreamPlace::Head => {
                    out.push(HEAD);
                    out.extend(entries.last_id.to_bytes());
                    out.extend(entries.max_deleted_id.to_bytes());
                    out.extend(entries.added.to_le_bytes());
                    self.place = StreamPlace::Block(0);
                    return true;
                }
                StreamPlace::Block(at) => match entries.blocks.get(at) {
                    Some(block) => {
                        out.push(BLOCK);
                        out.extend(block.id.to_bytes());
                        push_bytes(out, block.data());
                        self.place = StreamPlace::Block(at + 1);
                        return true;
                    }
                    None => StreamPlace::Group(0),
                },
                StreamPlace::Group(at) => {
                    let Some(group) = groups.get(at) else { return false };
                    out.push(GROUP);
                    push_bytes(out, group.name());
                    out.extend(group.last_id().to_bytes());
                    push_option(out, group.entries_read().map(|read| read as i64));
                    self.place = StreamPlace::Consumer(at, 0);
                    return true;
                }
                StreamPlace::Consumer(at, rank) => match consumer(groups, at, rank) {
                    Some(consumer) => {
                        out.push(CONSUMER);
                        push_bytes(out, consumer.name());
                        out.extend(consumer.seen().0.to_le_bytes());
                        push_option(out, consumer.active().map(|active| active.0));
                        self.place = StreamPlace::Consumer(at, rank + 1);
                        return true;
                    }
                    None => StreamPlace::Pending(at, 0),
                },
                StreamPlace::Pending(at, index) => {
                    let group = groups.get(at).expect("its consumers were written");
                    match group.pending_at(index) {
                        Some(pending) => {
                            let rank = group.consumer_place(&pending.consumer) as u32;
                            out.push(PENDING);
                            out.extend(pending.id.to_bytes());
                            out.extend(rank.to_le_bytes());
                            out.extend(pending.delivered.0.to_le_bytes());
                            out.extend(pending.deliveries.to_le_bytes());
                            self.place = StreamPlace::Pending(at, index + 1);
                            return true;
                        }
                        None => StreamPlace::Group(at + 1),
                    }
                }
            };
        }
    }
}

impl StreamValue {
    /// The length of all pieces.
    pub(crate) fn encoded_bytes(&self) -> usize {
        let groups = self.groups.iter().map(|group| {
            let names = group.consumers().map(|consumer| CONSUMER_BYTES + consumer.name().len());
            GROUP_BYTES + group.name().len() + names.sum::<usize>() + PENDING_BYTES * group.pending_len()
        });
        HEAD_BYTES + BLOCK_BYTES * self.entries.blocks() + self.entries.data_bytes + groups.sum::<usize>()
    }
}

/// A stream in the making.
#[derive(Debug, Default)]
pub(crate) struct StreamBuild {
    builder: StreamBuilder,
    began: bool,
    /// The group whose consumers and pending entries come next.
    group: Option<Group>,
}

impl StreamBuild {
    /// Takes a piece off the front, if all of it is there; how long it was.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        let Some((&kind, rest)) = bytes.split_first() else { return Ok(None) };
        let mut rest = Rest(rest);
        let taken = match (kind, self.began) {
            (HEAD, false) => self.head(&mut rest),
            (BLOCK, true) if self.group.is_none() => self.block(&mut rest)?,
            (GROUP, true) => self.group(&mut rest)?,
            (CONSUMER, true) => self.consumer(&mut rest)?,
            (PENDING, true) => self.pending(&mut rest)?,
            _ => return Err(Error::Damaged("a stream's pieces")),
        };
        Ok(taken.map(|()| bytes.len() - rest.0.len()))
    }

    pub(crate) fn finish(mut self) -> Option<StreamValue> {
        self.close().ok()?;
        if self.began { self.builder.finish() } else { None }
    }

    fn head(&mut self, rest: &mut Rest<'_>) -> Option<()> {
        let (last_id, max_deleted_id, added) = (rest.id()?, rest.id()?, rest.number()?);
        self.builder.ids(last_id, max_deleted_id, added as u64);
        self.began = true;
        Some(())
    }

    fn block(&mut self, rest: &mut Rest<'_>) -> Result<Option<()>, Error> {
        let (Some(id), Some(data)) = (rest.id(), rest.bytes()) else { return Ok(None) };
        self.builder.block(id, data.to_vec()).map(Some).ok_or(Error::Damaged("a stream's block"))
    }

    fn group(&mut self, rest: &mut Rest<'_>) -> Result<Option<()>, Error> {
        let (Some(name), Some(last_id), Some(read)) = (rest.bytes(), rest.id(), rest.option()) else {
            return Ok(None);
        };
        self.close()?;
        self.group = Some(Group::new(name, last_id, read.map(|read| read as u64)));
        Ok(Some(()))
    }

    fn consumer(&mut self, rest: &mut Rest<'_>) -> Result<Option<()>, Error> {
        let (Some(name), Some(seen), Some(active)) = (rest.bytes(), rest.number(), rest.option()) else {
            return Ok(None);
        };
        let group = self.group.as_mut().filter(|group| group.pending_len() == 0);
        let consumer = Consumer::new(name, Millis(seen), active.map(Millis));
        let added = group.is_some_and(|group| group.add_consumer(consumer));
        if added { Ok(Some(())) } else { Err(Error::Damaged("a consumer")) }
    }

    fn pending(&mut self, rest: &mut Rest<'_>) -> Result<Option<()>, Error> {
        let (Some(id), Some(rank), Some(delivered), Some(deliveries)) =
            (rest.id(), rest.array::<4>(), rest.number(), rest.number())
        else {
            return Ok(None);
        };
        let damaged = || Error::Damaged("a pending entry");
        let group = self.group.as_mut().ok_or_else(damaged)?;
        let consumer = group.consumer_at(u32::from_le_bytes(rank) as usize).ok_or_else(damaged)?;
        let name: Blob = consumer.name().clone();
        if group.last_pending().is_some_and(|last| last.id >= id) {
            return Err(damaged());
        }
        group.assign(id, &name, Millis(delivered), deliveries as u64);
        Ok(Some(()))
    }

    fn close(&mut self) -> Result<(), Error> {
        match self.group.take() {
            Some(group) => self.builder.group(group).ok_or(Error::Damaged("a group twice")),
            None => Ok(()),
        }
    }
}

fn consumer(groups: &CowTree<Group>, at: usize, rank: usize) -> Option<&Consumer> {
    groups.get(at)?.consumer_at(rank)
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).expect("an argument is shorter than 4 GiB");
    out.extend(len.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn push_option(out: &mut Vec<u8>, number: Option<i64>) {
    out.push(u8::from(number.is_some()));
    out.extend(number.unwrap_or(0).to_le_bytes());
}

/// What is left of a piece, or not yet there of it.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn id(&mut self) -> Option<StreamId> {
        self.array().map(StreamId::from_bytes)
    }

    fn number(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn option(&mut self) -> Option<Option<i64>> {
        let [there] = self.array()?;
        let number = self.number()?;
        Some((there != 0).then_some(number))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = u32::from_le_bytes(self.array()?) as usize;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }
}
