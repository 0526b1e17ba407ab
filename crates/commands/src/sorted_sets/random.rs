//! Picking members at random.
//!
//! Every choice of members is equally likely, for any count and in both encodings: members have ranks, and ranks
//! are drawn. What is drawn follows from the read's seed alone.

use quorate_keyspace::{Rng, SortedSetValue};
use quorate_resp::Reply;

use super::output;
use crate::hashes::random::{PICKS_MAX, distinct_ranks};
use crate::{Args, Error, Read};

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub(crate) fn zrandmember(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.len() == 2 {
        match read.sorted_set(&args[1])? {
            Some(set) => reply.bulk(member_at(set, read.rng().index(set.len())).0),
            None => reply.null(),
        }
        return Ok(());
    }
    let count = args.integer(2)?;
    if count == i64::MIN {
        return Err(Error::text(format!(
            "ERR value is out of range, value must between {} and {}",
            -i64::MAX,
            i64::MAX
        )));
    }
    let with_scores = args.len() > 3;
    if args.len() > 4 || with_scores && !args.is(3, "WITHSCORES") {
        return Err(Error::Syntax);
    }
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(Error::OutOfRange);
    }
    let Some(set) = read.sorted_set(&args[1])? else {
        reply.array(0);
        return Ok(());
    };
    if count < 0 {
        let bytes_max = read.state.settings.proto_max_bulk_len();
        pick(set, count.unsigned_abs(), &mut read.rng(), with_scores, bytes_max, reply)
    } else {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(set.len());
        choose(set, count, &mut read.rng(), with_scores, reply);
        Ok(())
    }
}

/// Writes `count` members, each picked from all, so that a member may come up many times.
///
/// Both the count and the bytes of such a reply have a limit, as neither is bounded by the set.
fn pick(
    set: &SortedSetValue,
    count: u64,
    rng: &mut Rng,
    with_scores: bool,
    bytes_max: usize,
    reply: &mut Reply,
) -> Result<(), Error> {
    if count > PICKS_MAX {
        return Err(Error::OutOfRange);
    }
    let start = reply.len();
    output::begin(count as usize, with_scores, reply);
    for _ in 0..count {
        let (member, score) = member_at(set, rng.index(set.len()));
        output::one(member, score, with_scores, reply);
        if reply.len() - start > bytes_max {
            reply.truncate(start);
            return Err(Error::OutOfRange);
        }
    }
    Ok(())
}

/// Writes `count` different members, at most all of them.
fn choose(set: &SortedSetValue, count: usize, rng: &mut Rng, with_scores: bool, reply: &mut Reply) {
    output::begin(count, with_scores, reply);
    if count == set.len() {
        set.iter().for_each(|(member, score)| output::one(member, score, with_scores, reply));
        return;
    }
    let ranks = distinct_ranks(set.len() as u64, count as u64, rng);
    if count < set.len() / 3 {
        for rank in ranks {
            let (member, score) = member_at(set, rank as usize);
            output::one(member, score, with_scores, reply);
        }
        return;
    }
    // So many are better met on one walk.
    for (rank, (member, score)) in set.iter().enumerate() {
        if ranks.contains(&(rank as u64)) {
            output::one(member, score, with_scores, reply);
        }
    }
}

fn member_at(set: &SortedSetValue, rank: usize) -> (&[u8], f64) {
    set.get(rank).expect("a rank is below the number of members")
}
