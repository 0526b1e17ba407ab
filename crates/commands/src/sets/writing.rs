//! Adding, removing and moving members.

use quorate_keyspace::{SetValue, Value};
use quorate_resp::Reply;

use super::set_in;
use crate::{Args, Error, EventClass, Write};

/// `SADD key member [member ...]`
pub(crate) fn sadd(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let added = write.add_to_set(&args[1], args.from(2))?;
    reply.count(added);
    Ok(())
}

/// `SREM key member [member ...]`
pub(crate) fn srem(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let removed = write.remove_from_set(&args[1], args.from(2))?;
    reply.count(removed);
    Ok(())
}

/// `SMOVE source destination member`
pub(crate) fn smove(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (from, to, member) = (&args[1], &args[2], args.at(3));
    // Redis does not look at the destination where there is no source.
    let Some(source) = write.set_at(from)? else {
        reply.integer(0);
        return Ok(());
    };
    let found = source.contains(member);
    write.set_at(to)?;
    if found && from != to {
        write.remove_from_set(from, &[member])?;
        write.add_to_set(to, &[member])?;
    }
    reply.integer(i64::from(found));
    Ok(())
}

impl Write<'_> {
    /// Adds members to the set at a key, which is created if need be; how many are new.
    fn add_to_set(&mut self, key: &[u8], members: &[&[u8]]) -> Result<usize, Error> {
        let (limits, seed) = (self.set_limits(), self.state.keyspace.seed());
        let add_to =
            |set: &mut SetValue| members.iter().filter(|member| set.insert(member, limits, seed)).count();
        let added = match self.set_at(key)? {
            Some(set) if members.iter().all(|member| set.contains(member)) => return Ok(0),
            Some(_) => {
                let mut entry = self.get_mut(key).expect("the set was found");
                let set = set_in(&mut entry);
                set.expect(members.len(), limits, seed);
                add_to(set)
            }
            None => {
                let first = members.first().copied().unwrap_or_default();
                let mut set = SetValue::with_first(first, members.len(), limits, seed);
                let added = add_to(&mut set);
                self.set(key, Value::set(set), None);
                added
            }
        };
        self.notify(EventClass::Set, "sadd", key);
        Ok(added)
    }

    /// Removes members of the set at a key, and the key with the last one; how many were there.
    fn remove_from_set(&mut self, key: &[u8], members: &[&[u8]]) -> Result<usize, Error> {
        let hits = self.set_at(key)?.is_some_and(|set| members.iter().any(|member| set.contains(member)));
        if !hits {
            return Ok(0);
        }
        let (removed, empty) = {
            let mut entry = self.get_mut(key).expect("the set was found");
            let set = set_in(&mut entry);
            let removed = members.iter().filter(|member| set.remove(member)).count();
            (removed, set.is_empty())
        };
        self.notify(EventClass::Set, "srem", key);
        if empty {
            self.remove_emptied(key);
        }
        Ok(removed)
    }
}
