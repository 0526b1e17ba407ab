//! Intersection, union and difference, shown, counted or stored.
//!
//! A missing key is an empty set; every key that exists must hold a set, whatever the others are.

use quorate_keyspace::{Item, Seed, SetEncoding, SetLimits, SetValue, Value};
use quorate_resp::Reply;

use super::reading::write_set;
use crate::items::write_item;
use crate::{Args, Error, EventClass, Read, Write};

/// `SINTER key [key ...]`
pub(crate) fn sinter(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let sets = operands(read, args.from(1))?;
    let place = reply.deferred();
    let mut count = 0;
    if let Some(sets) = by_size(&sets) {
        intersect(&sets, |member| {
            write_item(member, reply);
            count += 1;
            true
        });
    }
    reply.finish_set(place, count);
    Ok(())
}

/// `SINTERCARD numkeys key [key ...] [LIMIT limit]`
pub(crate) fn sintercard(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let too_few = || Error::text("ERR numkeys should be greater than 0");
    let keys = args.integer(1).ok().filter(|keys| *keys > 0).ok_or_else(too_few)?;
    let keys = usize::try_from(keys).unwrap_or(usize::MAX);
    if keys > args.len() - 2 {
        return Err(Error::text("ERR Number of keys can't be greater than number of args"));
    }
    let mut limit = usize::MAX;
    let mut i = 2 + keys;
    while i < args.len() {
        if !args.is(i, "LIMIT") || i + 1 == args.len() {
            return Err(Error::Syntax);
        }
        let negative = || Error::text("ERR LIMIT can't be negative");
        let number = args.integer(i + 1).ok().filter(|limit| *limit >= 0).ok_or_else(negative)?;
        limit = match usize::try_from(number) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(limit) => limit,
        };
        i += 2;
    }
    let sets = operands(read, &args.from(2)[..keys])?;
    let mut count = 0;
    if let Some(sets) = by_size(&sets) {
        intersect(&sets, |_| {
            count += 1;
            count < limit
        });
    }
    reply.count(count);
    Ok(())
}

/// `SINTERSTORE destination key [key ...]`
pub(crate) fn sinterstore(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (limits, seed) = (write.set_limits(), write.state.keyspace.seed());
    let sets = operands(&write.as_read(), args.from(2))?;
    let mut result = SetValue::new();
    if let Some(sets) = by_size(&sets) {
        // As Redis: what the smallest set is tells what the result is likely to be.
        if sets[0].encoding() != SetEncoding::Intset {
            result = SetValue::with_first(b"", 1, limits, seed);
        }
        let mut digits = itoa::Buffer::new();
        intersect(&sets, |member| result.insert(member.text(&mut digits), limits, seed));
        result.make_ints(limits);
    }
    store(write, &args[1], result, "sinterstore", reply);
    Ok(())
}

/// `SUNION key [key ...]`
pub(crate) fn sunion(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let sets = operands(read, args.from(1))?;
    // The encoding does not show: begin with the most that there is.
    let most = sets.iter().flatten().max_by_key(|set| set.len());
    let result = most.map_or_else(SetValue::new, |set| SetValue::clone(set));
    let limits = SetLimits { ints_max: result.len(), ..SetLimits::default() };
    write_set(&union(result, &sets, limits, read.state.keyspace.seed()), reply);
    Ok(())
}

/// `SUNIONSTORE destination key [key ...]`
pub(crate) fn sunionstore(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (limits, seed) = (write.set_limits(), write.state.keyspace.seed());
    let sets = operands(&write.as_read(), args.from(2))?;
    let result = union(SetValue::new(), &sets, limits, seed);
    store(write, &args[1], result, "sunionstore", reply);
    Ok(())
}

/// `SDIFF key [key ...]`
pub(crate) fn sdiff(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let sets = operands(read, args.from(1))?;
    if probes(&sets) {
        let place = reply.deferred();
        let mut count = 0;
        subtract(&sets, |member| {
            write_item(member, reply);
            count += 1;
        });
        reply.finish_set(place, count);
    } else {
        let first = sets[0].map_or_else(SetValue::new, SetValue::clone);
        write_set(&remove_others(first, &sets), reply);
    }
    Ok(())
}

/// `SDIFFSTORE destination key [key ...]`
pub(crate) fn sdiffstore(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (limits, seed) = (write.set_limits(), write.state.keyspace.seed());
    let sets = operands(&write.as_read(), args.from(2))?;
    let mut digits = itoa::Buffer::new();
    let mut result = SetValue::new();
    let mut add = |member: Item<'_>| {
        result.insert(member.text(&mut digits), limits, seed);
    };
    if probes(&sets) {
        subtract(&sets, add);
    } else {
        sets[0].iter().flat_map(|set| set.iter()).for_each(&mut add);
        result = remove_others(result, &sets);
    }
    store(write, &args[1], result, "sdiffstore", reply);
    Ok(())
}

/// The sets at these keys.
fn operands<'a>(read: &Read<'a>, keys: &[&[u8]]) -> Result<Vec<Option<&'a SetValue>>, Error> {
    keys.iter().map(|key| read.set(key)).collect()
}

/// The sets, the smallest first; nothing if one is empty.
fn by_size<'a>(sets: &[Option<&'a SetValue>]) -> Option<Vec<&'a SetValue>> {
    let mut sets: Vec<&SetValue> = sets.iter().copied().collect::<Option<_>>()?;
    sets.sort_by_key(|set| set.len());
    Some(sets)
}

/// Visits what all sets have in common, as long as the visitor wants to go on.
fn intersect(sets: &[&SetValue], mut visit: impl FnMut(Item<'_>) -> bool) {
    let (smallest, others) = sets.split_first().expect("commands have at least one key");
    for member in smallest.iter() {
        // The same key twice is the same set: it need not be asked.
        let in_all = |other: &&SetValue| std::ptr::eq(*other, *smallest) || other.contains_item(member);
        if others.iter().all(in_all) && !visit(member) {
            return;
        }
    }
}

/// Adds the members of all sets.
fn union(mut to: SetValue, sets: &[Option<&SetValue>], limits: SetLimits, seed: Seed) -> SetValue {
    let mut digits = itoa::Buffer::new();
    for member in sets.iter().flatten().flat_map(|set| set.iter()) {
        to.insert(member.text(&mut digits), limits, seed);
    }
    to
}

/// True if a difference is found by asking for each member of the first set whether another has it; otherwise the
/// others' members are removed one by one. Redis' estimate of what is less work.
fn probes(sets: &[Option<&SetValue>]) -> bool {
    let first = sets[0].map_or(0, SetValue::len);
    let others = sets.iter().flatten();
    let probing = first * others.clone().count() / 2;
    let removing: usize = others.map(|set| set.len()).sum();
    probing <= removing
}

/// Visits what the first set has and the others lack.
fn subtract(sets: &[Option<&SetValue>], visit: impl FnMut(Item<'_>)) {
    let Some((Some(first), others)) = sets.split_first() else { return };
    let mut others: Vec<&SetValue> = others.iter().copied().flatten().collect();
    if others.iter().any(|other| std::ptr::eq(*other, *first)) {
        return;
    }
    // The largest is the likeliest to have a member.
    others.sort_by_key(|set| std::cmp::Reverse(set.len()));
    first.iter().filter(|member| !others.iter().any(|other| other.contains_item(*member))).for_each(visit);
}

/// Removes the members of all sets but the first.
fn remove_others(mut from: SetValue, sets: &[Option<&SetValue>]) -> SetValue {
    let mut digits = itoa::Buffer::new();
    for other in sets[1..].iter().flatten() {
        for member in other.iter() {
            if from.is_empty() {
                return from;
            }
            from.remove(member.text(&mut digits));
        }
    }
    from
}

/// Puts a result in the place of what is at the destination; an empty one leaves nothing there.
fn store(write: &mut Write<'_>, key: &[u8], result: SetValue, event: &'static str, reply: &mut Reply) {
    reply.count(result.len());
    if !result.is_empty() {
        write.set(key, Value::set(result), None);
        write.notify(EventClass::Set, event, key);
    } else if write.remove(key).is_some() {
        write.notify(EventClass::Generic, "del", key);
    }
}
