//! Ranges of members: by rank, score or name, forwards or backwards, replied or stored.

use std::ops::Range;

use quorate_keyspace::SortedSetValue;
use quorate_resp::Reply;

use super::bounds::{NameRange, ScoreRange};
use super::output;
use crate::{Args, Error, Read, Write};

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub(crate) fn zrange(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply_range(read, args, Form::ANY, reply)
}

/// `ZREVRANGE key start stop [WITHSCORES]`
pub(crate) fn zrevrange(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply_range(read, args, Form::fixed(By::Rank, true), reply)
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub(crate) fn zrangebyscore(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply_range(read, args, Form::fixed(By::Score, false), reply)
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub(crate) fn zrevrangebyscore(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply_range(read, args, Form::fixed(By::Score, true), reply)
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub(crate) fn zrangebylex(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply_range(read, args, Form::fixed(By::Name, false), reply)
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`
pub(crate) fn zrevrangebylex(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply_range(read, args, Form::fixed(By::Name, true), reply)
}

/// `ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub(crate) fn zrangestore(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let query = Query::parse(args, 2, Form::ANY, true)?;
    let result = match write.sorted_set(&args[2])? {
        Some(set) => write.new_sorted_set(set.range(query.ranks(set))),
        None => SortedSetValue::new(),
    };
    let stored = write.store_sorted_set(&args[1], result, "zrangestore");
    reply.integer(stored);
    Ok(())
}

fn reply_range(read: &Read<'_>, args: Args<'_>, form: Form, reply: &mut Reply) -> Result<(), Error> {
    let query = Query::parse(args, 1, form, false)?;
    let Some(set) = read.sorted_set(&args[1])? else {
        reply.array(0);
        return Ok(());
    };
    let ranks = query.ranks(set);
    if query.backwards {
        output::members(set.range_backwards(ranks), query.with_scores, reply);
    } else {
        output::members(set.range(ranks), query.with_scores, reply);
    }
    Ok(())
}

/// What the bounds of a range are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Name,
}

/// What a command's name says already; the rest is left to its options.
#[derive(Clone, Copy)]
struct Form {
    by: Option<By>,
    backwards: Option<bool>,
}

impl Form {
    const ANY: Form = Form { by: None, backwards: None };

    const fn fixed(by: By, backwards: bool) -> Form {
        Form { by: Some(by), backwards: Some(backwards) }
    }
}

enum Bounds<'a> {
    /// First and last, from the end if negative, counted from where the walk begins.
    Ranks(i64, i64),
    Scores(ScoreRange),
    Names(NameRange<'a>),
}

/// A range that a request asks for.
struct Query<'a> {
    bounds: Bounds<'a>,
    backwards: bool,
    with_scores: bool,
    /// How many to leave out; negative: all.
    offset: i64,
    /// How many to take; negative: all.
    limit: i64,
}

impl<'a> Query<'a> {
    /// Reads what stands behind the key at argument `key`.
    fn parse(args: Args<'a>, key: usize, form: Form, store: bool) -> Result<Query<'a>, Error> {
        let Form { mut by, mut backwards } = form;
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut i = key + 3;
        while i < args.len() {
            if !store && args.is(i, "WITHSCORES") {
                with_scores = true;
            } else if args.is(i, "LIMIT") && i + 2 < args.len() {
                offset = args.integer(i + 1)?;
                limit = args.integer(i + 2)?;
                i += 2;
            } else if form.backwards.is_none() && backwards.is_none() && args.is(i, "REV") {
                backwards = Some(true);
            } else if by.is_none() && args.is(i, "BYLEX") {
                by = Some(By::Name);
            } else if by.is_none() && args.is(i, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(Error::Syntax);
            }
            i += 1;
        }
        let (by, backwards) = (by.unwrap_or(By::Rank), backwards.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(Error::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Name {
            return Err(Error::text("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        // Backwards the larger bound comes first.
        let (min, max) = if backwards { (key + 2, key + 1) } else { (key + 1, key + 2) };
        let bounds = match by {
            By::Rank => Bounds::Ranks(args.integer(key + 1)?, args.integer(key + 2)?),
            By::Score => Bounds::Scores(ScoreRange::parse(&args[min], &args[max])?),
            By::Name => Bounds::Names(NameRange::parse(args.at(min), args.at(max))?),
        };
        Ok(Query { bounds, backwards, with_scores, offset, limit })
    }

    fn ranks(&self, set: &SortedSetValue) -> Range<usize> {
        match &self.bounds {
            Bounds::Ranks(first, last) => {
                let ranks = index_range(*first, *last, set.len());
                if self.backwards { set.len() - ranks.end..set.len() - ranks.start } else { ranks }
            }
            Bounds::Scores(range) => self.limited(range.ranks(set)),
            Bounds::Names(range) => self.limited(range.ranks(set, self.backwards)),
        }
    }

    /// What LIMIT leaves of a range.
    fn limited(&self, ranks: Range<usize>) -> Range<usize> {
        let skipped = usize::try_from(self.offset).unwrap_or(usize::MAX).min(ranks.len());
        let taken = usize::try_from(self.limit).unwrap_or(usize::MAX).min(ranks.len() - skipped);
        if self.backwards {
            let end = ranks.end - skipped;
            end - taken..end
        } else {
            let start = ranks.start + skipped;
            start..start + taken
        }
    }
}

/// The places from `first` to `last`, which count from the end if negative.
pub(super) fn index_range(first: i64, last: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let from_end = |index: i64| if index < 0 { index + len } else { index };
    let first = from_end(first).max(0);
    let last = from_end(last).min(len - 1);
    if first > last { 0..0 } else { first as usize..last as usize + 1 }
}
