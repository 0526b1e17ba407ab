//! Picking members at random, to show them or to take them away.

use quorate_keyspace::{Item, SetValue};
use quorate_resp::Reply;

use super::reading::write_set;
use super::set_in;
use crate::items::write_item;
use crate::{Args, Error, EventClass, Read, Write, sampling};

/// `SRANDMEMBER key [count]`
pub(crate) fn srandmember(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.len() > 3 {
        return Err(Error::Syntax);
    }
    let mut rng = read.rng();
    if args.len() == 2 {
        match read.set(&args[1])? {
            Some(set) => write_item(member_at(set, rng.index(set.len())), reply),
            None => reply.null(),
        }
        return Ok(());
    }
    let count = args.integer_but_least(2)?;
    let Some(set) = read.set(&args[1])? else {
        reply.array(0);
        return Ok(());
    };
    if count < 0 {
        let bounded = (reply, read.state.settings.proto_max_bulk_len());
        return sampling::pick(
            set.len(),
            count.unsigned_abs(),
            &mut rng,
            bounded,
            |count, reply| reply.array(count),
            |rank, reply| write_item(member_at(set, rank), reply),
        );
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(set.len());
    reply.array(count);
    sampling::choose(
        set.len(),
        count,
        &mut rng,
        set.iter(),
        |rank| member_at(set, rank),
        |member| write_item(member, reply),
    );
    Ok(())
}

/// `SPOP key [count]`
pub(crate) fn spop(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.len() > 3 {
        return Err(Error::Syntax);
    }
    let key = &args[1];
    if args.len() == 3 {
        return pop_many(write, args, reply);
    }
    let Some(len) = write.set_at(key)?.map(SetValue::len) else {
        reply.null();
        return Ok(());
    };
    let rank = write.rng.index(len);
    let member = {
        let mut entry = write.get_mut(key).expect("the set was found");
        set_in(&mut entry).take_nth(rank).expect("a rank is below the number of members")
    };
    write.notify(EventClass::Set, "spop", key);
    if len == 1 {
        write.remove_emptied(key);
    }
    reply.bulk(&member);
    Ok(())
}

/// `SPOP key count`
fn pop_many(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let key = &args[1];
    let count = args.positive(2)?;
    let Some(set) = write.set_at(key)? else {
        reply.set(0);
        return Ok(());
    };
    let len = set.len();
    if count >= len {
        write_set(set, reply);
        write.notify(EventClass::Set, "spop", key);
        write.remove_emptied(key);
        return Ok(());
    }
    reply.set(count);
    if count == 0 {
        return Ok(());
    }
    let mut rng = write.rng.clone();
    {
        let mut entry = write.get_mut(key).expect("the set was found");
        let set = set_in(&mut entry);
        for left in (len - count + 1..=len).rev() {
            let member = set.take_nth(rng.index(left)).expect("a rank is below the number of members");
            reply.bulk(&member);
        }
    }
    *write.rng = rng;
    write.notify(EventClass::Set, "spop", key);
    Ok(())
}

fn member_at(set: &SetValue, rank: usize) -> Item<'_> {
    set.nth(rank).expect("a rank is below the number of members")
}
