//! Taking the members with the lowest or highest scores.

use std::ops::Range;

use quorate_keyspace::SortedSetValue;
use quorate_resp::{Protocol, Reply};

use crate::args::parse_integer;
use crate::{Args, Error, Write};

/// Which end of a sorted set to take from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Lowest,
    Highest,
}

/// `ZPOPMIN key [count]`
pub(crate) fn zpopmin(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    pop(write, args, End::Lowest, reply)
}

/// `ZPOPMAX key [count]`
pub(crate) fn zpopmax(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    pop(write, args, End::Highest, reply)
}

/// `ZMPOP numkeys key [key ...] MIN | MAX [COUNT count]`
pub(crate) fn zmpop(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let pops = Pops::parse(args, 1)?;
    if !pops.take_first(write, args, reply)? {
        reply.null_array();
    }
    Ok(())
}

/// What `ZMPOP` and `BZMPOP` are asked for.
pub(super) struct Pops {
    /// Which arguments are keys.
    pub(super) keys: Range<usize>,
    end: End,
    count: usize,
}

impl Pops {
    /// Reads the arguments from the number of keys on.
    pub(super) fn parse(args: Args<'_>, at: usize) -> Result<Pops, Error> {
        let positive =
            |i: usize| parse_integer(&args[i]).and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        let keys = positive(at).ok_or(Error::text("ERR numkeys should be greater than 0"))?;
        let end_at = keys.checked_add(at + 1).filter(|end_at| *end_at < args.len()).ok_or(Error::Syntax)?;
        let end = match () {
            () if args.is(end_at, "MIN") => End::Lowest,
            () if args.is(end_at, "MAX") => End::Highest,
            () => return Err(Error::Syntax),
        };
        let mut count = None;
        let mut i = end_at + 1;
        while i < args.len() {
            if count.is_some() || !args.is(i, "COUNT") || i + 1 >= args.len() {
                return Err(Error::Syntax);
            }
            count = Some(positive(i + 1).ok_or(Error::text("ERR count should be greater than 0"))?);
            i += 2;
        }
        Ok(Pops { keys: at + 1..end_at, end, count: count.unwrap_or(1) })
    }

    /// Takes members of the first of the sorted sets that there is; false if there is none.
    pub(super) fn take_first(
        &self,
        write: &mut Write<'_>,
        args: Args<'_>,
        reply: &mut Reply,
    ) -> Result<bool, Error> {
        for key in &args.as_slice()[self.keys.clone()] {
            if let Some(set) = write.sorted_set(key)? {
                let ranks = self.end.ranks(set, self.count);
                reply.array(2);
                reply.bulk(key);
                reply.array(ranks.len());
                write_popped(set, ranks.clone(), self.end, true, reply);
                write.remove_ranks(key, ranks, self.end.event());
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn pop(write: &mut Write<'_>, args: Args<'_>, end: End, reply: &mut Reply) -> Result<(), Error> {
    if args.len() > 3 {
        return Err(Error::Syntax);
    }
    let count = match args.get(2) {
        Some(count) => {
            let count = parse_integer(count).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(Error::NotPositive)?)
        }
        None => None,
    };
    let key = &args[1];
    let Some(set) = write.sorted_set(key)? else {
        reply.array(0);
        return Ok(());
    };
    let ranks = end.ranks(set, count.unwrap_or(1));
    // A count asks for pairs, which RESP2 has not.
    let pairs = count.is_some() && reply.protocol() == Protocol::Resp3;
    reply.array(if pairs { ranks.len() } else { 2 * ranks.len() });
    write_popped(set, ranks.clone(), end, pairs, reply);
    if !ranks.is_empty() {
        write.remove_ranks(key, ranks, end.event());
    }
    Ok(())
}

impl End {
    /// The ranks of the first `count` members from this end.
    pub(crate) fn ranks(self, set: &SortedSetValue, count: usize) -> Range<usize> {
        let count = count.min(set.len());
        match self {
            End::Lowest => 0..count,
            End::Highest => set.len() - count..set.len(),
        }
    }

    /// The keyspace event of taking from this end.
    pub(crate) fn event(self) -> &'static str {
        match self {
            End::Lowest => "zpopmin",
            End::Highest => "zpopmax",
        }
    }
}

/// Writes members in the order in which they are taken, as pairs or one after the other.
pub(super) fn write_popped(
    set: &SortedSetValue,
    ranks: Range<usize>,
    end: End,
    pairs: bool,
    reply: &mut Reply,
) {
    let mut one = |(member, score): (&[u8], f64)| {
        if pairs {
            reply.array(2);
        }
        reply.bulk(member);
        reply.double(score);
    };
    match end {
        End::Lowest => set.range(ranks).for_each(&mut one),
        End::Highest => set.range_backwards(ranks).for_each(&mut one),
    }
}
