//! The commands of the HyperLogLog group.
//!
//! For: estimating how many different elements were added, in strings of Redis' own format, dense and sparse, so
//! that values move between Redis and here. Leaves to others: strings (`quorate-keyspace`).
//! Invariants: every byte of such a string may come from a client and is checked when it is read; reading does not
//! change it, so a count is not kept in it as Redis does, but one that came with it is believed.

mod debugging;
mod dense;
mod estimate;
mod sketch;
mod sparse;

use quorate_keyspace::{Entry, StringValue, Value};
use quorate_resp::Reply;

use crate::context::as_string;
use crate::{Args, Error, EventClass, Read, Write};
pub(crate) use debugging::{pfdebug, pfselftest};
use sketch::{Encoding, Sketch};

/// `PFADD key [element [element ...]]`
pub(crate) fn pfadd(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let key = &args[1];
    let sparse_bytes_max = write.state.settings.hll_sparse_max_bytes();
    let added = match write.get(key).map(sketch_of).transpose()? {
        None => {
            let mut sketch = Sketch::new();
            for element in args.from(2) {
                sketch.add(element, sparse_bytes_max)?;
            }
            sketch.forget_count();
            write.put_sketch(key, sketch);
            true
        }
        Some(sketch) if sketch.encoding() == Encoding::Dense => {
            // These are large: they are changed in place, and only if an element is news.
            let news = args.from(2).iter().any(|element| sketch.is_news(element));
            if news {
                write.edit_sketch(key, |sketch| {
                    for element in args.from(2) {
                        sketch.add(element, sparse_bytes_max).expect("a dense one has all registers");
                    }
                    sketch.forget_count();
                });
            }
            news
        }
        Some(sketch) => {
            let mut sketch = sketch.to_owned();
            let mut news = false;
            for element in args.from(2) {
                news |= sketch.add(element, sparse_bytes_max)?;
            }
            if news {
                sketch.forget_count();
                write.edit_sketch(key, |old| *old = sketch);
            }
            news
        }
    };
    if added {
        write.notify(EventClass::String, "pfadd", key);
    } else {
        write.mark_raw(key);
    }
    reply.integer(i64::from(added));
    Ok(())
}

/// `PFCOUNT key [key ...]`
pub(crate) fn pfcount(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let count = match args.from(1) {
        [key] => match read.get(key).map(sketch_of).transpose()? {
            Some(sketch) => sketch.count()?,
            None => 0,
        },
        keys => {
            let mut registers = sketch::Registers::default();
            for key in keys {
                if let Some(sketch) = read.get(key).map(sketch_of).transpose()? {
                    registers.merge(&sketch)?;
                }
            }
            registers.count()
        }
    };
    reply.integer(count as i64);
    Ok(())
}

/// `PFMERGE destkey [sourcekey [sourcekey ...]]`
pub(crate) fn pfmerge(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let target = &args[1];
    let sparse_bytes_max = write.state.settings.hll_sparse_max_bytes();
    let mut registers = sketch::Registers::default();
    let mut dense = false;
    for key in args.from(1) {
        if let Some(sketch) = write.get(key).map(sketch_of).transpose()? {
            dense |= sketch.encoding() == Encoding::Dense;
            registers.merge(&sketch)?;
        }
    }
    let old = write.get(target).map(sketch_of).transpose()?;
    let mut merged = old.map_or_else(Sketch::new, |old| old.to_owned());
    if dense {
        merged.make_dense()?;
    }
    for (index, longest) in registers.set() {
        merged.raise(index, longest, sparse_bytes_max)?;
    }
    merged.forget_count();
    write.put_sketch(target, merged);
    write.notify(EventClass::String, "pfadd", target);
    reply.ok();
    Ok(())
}

/// What an entry holds as a sketch, or the wrong type.
fn sketch_of(entry: &Entry) -> Result<Sketch<&[u8]>, Error> {
    let bytes: &[u8] = match as_string(entry)? {
        StringValue::Int(_) => b"",
        StringValue::Bytes(bytes) => bytes,
        StringValue::Raw(bytes) => bytes,
    };
    Sketch::of(bytes).ok_or(Error::text("WRONGTYPE Key is not a valid HyperLogLog string value."))
}

impl Write<'_> {
    /// Stores a sketch; the expiry of a live key stays.
    fn put_sketch(&mut self, key: &[u8], sketch: Sketch<Vec<u8>>) {
        if self.get(key).is_some() {
            self.edit_sketch(key, |old| *old = sketch);
            return;
        }
        self.set(key, Value::String(StringValue::Raw(sketch.into_bytes().into())), None);
    }

    /// Changes the sketch at a key where it is, which must be one.
    fn edit_sketch(&mut self, key: &[u8], edit: impl FnOnce(&mut Sketch<Vec<u8>>)) {
        self.edit_string(key, |string| {
            let bytes = string.make_raw();
            let mut sketch = Sketch::of(std::mem::take(bytes)).expect("the sketch was found");
            edit(&mut sketch);
            *bytes = sketch.into_bytes();
        });
    }
}
