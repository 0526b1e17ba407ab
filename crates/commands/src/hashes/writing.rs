//! Setting and removing fields.

use quorate_keyspace::{Entry, HashValue, Value};
use quorate_resp::Reply;

use crate::{Args, Error, EventClass, Write};

/// `HSET key field value [field value ...]`
pub(crate) fn hset(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let added = set_pairs(write, args, "hset")?;
    reply.integer(added);
    Ok(())
}

/// `HMSET key field value [field value ...]`
pub(crate) fn hmset(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    set_pairs(write, args, "hmset")?;
    reply.ok();
    Ok(())
}

/// `HSETNX key field value`
pub(crate) fn hsetnx(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (key, field) = (&args[1], &args[2]);
    let missing = write.hash(key)?.is_none_or(|hash| !hash.contains(field));
    if missing {
        write.set_fields(key, [(field, &args[3])].into_iter())?;
        write.notify(EventClass::Hash, "hset", key);
    }
    reply.integer(i64::from(missing));
    Ok(())
}

/// `HDEL key field [field ...]`
pub(crate) fn hdel(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let key = &args[1];
    let fields = args.from(2);
    let hits = write.hash(key)?.is_some_and(|hash| fields.iter().any(|field| hash.contains(field)));
    if !hits {
        reply.integer(0);
        return Ok(());
    }
    let (removed, empty) = {
        let mut entry = write.get_mut(key).expect("the hash was found");
        let hash = hash_in(&mut entry);
        let removed = fields.iter().filter(|field| hash.remove(field)).count();
        (removed, hash.is_empty())
    };
    write.notify(EventClass::Hash, "hdel", key);
    if empty {
        write.remove(key);
        write.notify(EventClass::Generic, "del", key);
    }
    reply.integer(removed as i64);
    Ok(())
}

/// Sets the pairs of a request; how many fields are new.
fn set_pairs(write: &mut Write<'_>, args: Args<'_>, name: &'static str) -> Result<i64, Error> {
    let pairs = args.from(2);
    if !pairs.len().is_multiple_of(2) {
        return Err(Error::WrongArity(name.into()));
    }
    let key = &args[1];
    let added = write.set_fields(key, pairs.chunks_exact(2).map(|pair| (pair[0], pair[1])))?;
    write.notify(EventClass::Hash, "hset", key);
    Ok(added)
}

impl Write<'_> {
    /// Sets fields of the hash at a key, which is created if need be; how many are new.
    pub(super) fn set_fields<'p>(
        &mut self,
        key: &[u8],
        pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>,
    ) -> Result<i64, Error> {
        self.hash(key)?;
        let (limits, seed) = (self.hash_limits(), self.state.keyspace.seed());
        let set_in = |hash: &mut HashValue| {
            let mut added = 0;
            for (field, value) in pairs {
                added += i64::from(hash.insert(field, value, limits, seed));
            }
            added
        };
        if let Some(mut entry) = self.get_mut(key) {
            return Ok(set_in(hash_in(&mut entry)));
        }
        let mut hash = HashValue::new();
        let added = set_in(&mut hash);
        self.set(key, Value::hash(hash), None);
        Ok(added)
    }
}

/// The hash of an entry that was found to be one.
fn hash_in(entry: &mut Entry) -> &mut HashValue {
    entry.value_mut().as_hash_mut().expect("the type was checked")
}
