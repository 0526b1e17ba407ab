//! Reading scores and ranks, and counting.

use quorate_keyspace::SortedSetValue;
use quorate_resp::Reply;

use super::bounds::{NameRange, ScoreRange};
use crate::{Args, Error, Read};

/// `ZCARD key`
pub(crate) fn zcard(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let members = read.sorted_set(&args[1])?.map_or(0, SortedSetValue::len);
    reply.integer(members as i64);
    Ok(())
}

/// `ZSCORE key member`
pub(crate) fn zscore(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    write_score(read.sorted_set(&args[1])?, &args[2], reply);
    Ok(())
}

/// `ZMSCORE key member [member ...]`
pub(crate) fn zmscore(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let set = read.sorted_set(&args[1])?;
    let members = args.from(2);
    reply.array(members.len());
    members.iter().for_each(|member| write_score(set, member, reply));
    Ok(())
}

/// `ZRANK key member [WITHSCORE]`
pub(crate) fn zrank(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    rank(read, args, "zrank", |_, rank| rank, reply)
}

/// `ZREVRANK key member [WITHSCORE]`
pub(crate) fn zrevrank(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    rank(read, args, "zrevrank", |set, rank| set.len() - 1 - rank, reply)
}

/// `ZCOUNT key min max`
pub(crate) fn zcount(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let range = ScoreRange::parse(&args[2], &args[3])?;
    let count = read.sorted_set(&args[1])?.map_or(0, |set| range.ranks(set).len());
    reply.integer(count as i64);
    Ok(())
}

/// `ZLEXCOUNT key min max`
pub(crate) fn zlexcount(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let range = NameRange::parse(args.at(2), args.at(3))?;
    let count = read.sorted_set(&args[1])?.map_or(0, |set| range.ranks(set, false).len());
    reply.integer(count as i64);
    Ok(())
}

fn write_score(set: Option<&SortedSetValue>, member: &[u8], reply: &mut Reply) {
    match set.and_then(|set| set.score(member)) {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

fn rank(
    read: &Read<'_>,
    args: Args<'_>,
    name: &'static str,
    count: fn(&SortedSetValue, usize) -> usize,
    reply: &mut Reply,
) -> Result<(), Error> {
    let member = &args[2];
    if args.len() > 4 {
        return Err(Error::WrongArity(name.into()));
    }
    let with_score = args.len() == 4;
    if with_score && !args.is(3, "WITHSCORE") {
        return Err(Error::Syntax);
    }
    let set = read.sorted_set(&args[1])?;
    match set.and_then(|set| Some((set, set.rank(member)?, set.score(member)?))) {
        Some((set, rank, score)) if with_score => {
            reply.array(2);
            reply.integer(count(set, rank) as i64);
            reply.double(score);
        }
        Some((set, rank, _)) => reply.integer(count(set, rank) as i64),
        None if with_score => reply.null_array(),
        None => reply.null(),
    }
    Ok(())
}
