//! Picking members at random.

use quorate_keyspace::SortedSetValue;
use quorate_resp::Reply;

use super::output;
use crate::{Args, Error, Read, sampling};

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub(crate) fn zrandmember(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.len() == 2 {
        match read.sorted_set(&args[1])? {
            Some(set) => reply.bulk(member_at(set, read.rng().index(set.len())).0),
            None => reply.null(),
        }
        return Ok(());
    }
    let count = args.integer_but_least(2)?;
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
    let mut rng = read.rng();
    if count < 0 {
        let bounded = (reply, read.state.settings.proto_max_bulk_len());
        return sampling::pick(
            set.len(),
            count.unsigned_abs(),
            &mut rng,
            bounded,
            |count, reply| output::begin(count, with_scores, reply),
            |rank, reply| {
                let (member, score) = member_at(set, rank);
                output::one(member, score, with_scores, reply);
            },
        );
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(set.len());
    output::begin(count, with_scores, reply);
    sampling::choose(
        set.len(),
        count,
        &mut rng,
        set.iter(),
        |rank| member_at(set, rank),
        |(member, score)| {
            output::one(member, score, with_scores, reply);
        },
    );
    Ok(())
}

fn member_at(set: &SortedSetValue, rank: usize) -> (&[u8], f64) {
    set.get(rank).expect("a rank is below the number of members")
}
