//! Unions, intersections and differences of sorted sets, replied, stored or counted.
//!
//! Plain sets take part as well; each of their members counts as one with a score of 1.

use std::borrow::Cow;
use std::collections::BTreeMap;

use quorate_keyspace::{Entry, Item, SetValue, SortedSetValue, Value};
use quorate_resp::{Reply, parse_f64};

use super::output;
use crate::args::parse_integer;
use crate::{Args, Error, Read, Write};

/// `ZUNION numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(crate) fn zunion(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply_result(read, args, Operation::Union, reply)
}

/// `ZINTER numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(crate) fn zinter(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply_result(read, args, Operation::Intersection, reply)
}

/// `ZDIFF numkeys key [key ...] [WITHSCORES]`
pub(crate) fn zdiff(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply_result(read, args, Operation::Difference, reply)
}

/// `ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX]`
pub(crate) fn zunionstore(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    store_result(write, args, Operation::Union, "zunionstore", reply)
}

/// `ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX]`
pub(crate) fn zinterstore(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    store_result(write, args, Operation::Intersection, "zinterstore", reply)
}

/// `ZDIFFSTORE destination numkeys key [key ...]`
pub(crate) fn zdiffstore(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    store_result(write, args, Operation::Difference, "zdiffstore", reply)
}

/// `ZINTERCARD numkeys key [key ...] [LIMIT limit]`
pub(crate) fn zintercard(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (sources, query) = Query::parse(read, args, 1, Operation::Intersection, Purpose::Count)?;
    let limit = if query.limit == 0 { usize::MAX } else { query.limit };
    let count = intersection(sources, query.aggregate).take(limit).count();
    reply.integer(count as i64);
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What is done with the result: it decides which options there are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Reply,
    Store,
    Count,
}

/// How the scores of one member become one score.
#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

/// The options of a request.
struct Query {
    aggregate: Aggregate,
    with_scores: bool,
    limit: usize,
}

/// A member of a result: its name and its score.
type Member<'a> = (Cow<'a, [u8]>, f64);

fn reply_result(
    read: &Read<'_>,
    args: Args<'_>,
    operation: Operation,
    reply: &mut Reply,
) -> Result<(), Error> {
    let (sources, query) = Query::parse(read, args, 1, operation, Purpose::Reply)?;
    let mut result = combine(operation, sources, query.aggregate);
    result.sort_by(|(name, score), (other, other_score)| {
        score.partial_cmp(other_score).expect("a score is a number").then_with(|| name.cmp(other))
    });
    output::members(result.into_iter(), query.with_scores, reply);
    Ok(())
}

fn store_result(
    write: &mut Write<'_>,
    args: Args<'_>,
    operation: Operation,
    event: &'static str,
    reply: &mut Reply,
) -> Result<(), Error> {
    let result = {
        let read = write.as_read();
        let (sources, query) = Query::parse(&read, args, 2, operation, Purpose::Store)?;
        write.new_sorted_set(combine(operation, sources, query.aggregate))
    };
    let stored = write.store_sorted_set(&args[1], result, event);
    reply.integer(stored);
    Ok(())
}

impl Query {
    /// Reads the number of keys at argument `count_at`, the keys behind it, and the options.
    fn parse<'a>(
        read: &Read<'a>,
        args: Args<'_>,
        count_at: usize,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<(Vec<Source<'a>>, Query), Error> {
        let count = args.integer(count_at)?;
        if count < 1 {
            let name = args[0].to_ascii_lowercase();
            let name = String::from_utf8_lossy(&name);
            return Err(Error::text(format!("ERR at least 1 input key is needed for '{name}' command")));
        }
        let keys = args.from(count_at + 1);
        let keys = usize::try_from(count).ok().and_then(|count| keys.get(..count)).ok_or(Error::Syntax)?;
        let mut sources = Vec::with_capacity(keys.len());
        for key in keys {
            let contents = read.get(key).map(Contents::of).transpose()?;
            sources.push(Source { contents: contents.unwrap_or(Contents::None), weight: 1.0 });
        }
        let mut query = Query { aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        let scored = operation != Operation::Difference && purpose != Purpose::Count;
        let mut i = count_at + 1 + keys.len();
        while i < args.len() {
            let left = args.len() - i;
            if scored && left > sources.len() && args.is(i, "WEIGHTS") {
                for source in &mut sources {
                    i += 1;
                    source.weight =
                        parse_f64(&args[i]).ok_or(Error::text("ERR weight value is not a float"))?;
                }
            } else if scored && left >= 2 && args.is(i, "AGGREGATE") {
                i += 1;
                query.aggregate = [("SUM", Aggregate::Sum), ("MIN", Aggregate::Min), ("MAX", Aggregate::Max)]
                    .into_iter()
                    .find_map(|(word, aggregate)| args.is(i, word).then_some(aggregate))
                    .ok_or(Error::Syntax)?;
            } else if purpose == Purpose::Reply && args.is(i, "WITHSCORES") {
                query.with_scores = true;
            } else if purpose == Purpose::Count && left >= 2 && args.is(i, "LIMIT") {
                i += 1;
                let limit = parse_integer(&args[i]).and_then(|limit| usize::try_from(limit).ok());
                query.limit = limit.ok_or(Error::text("ERR LIMIT can't be negative"))?;
            } else {
                return Err(Error::Syntax);
            }
            i += 1;
        }
        Ok((sources, query))
    }
}

/// One of the sets that are combined.
struct Source<'a> {
    contents: Contents<'a>,
    weight: f64,
}

/// What a key holds that is combined.
#[derive(Clone, Copy)]
enum Contents<'a> {
    None,
    SortedSet(&'a SortedSetValue),
    Set(&'a SetValue),
}

impl<'a> Contents<'a> {
    fn of(entry: &'a Entry) -> Result<Contents<'a>, Error> {
        match entry.value() {
            Value::SortedSet(set) => Ok(Contents::SortedSet(set)),
            Value::Set(set) => Ok(Contents::Set(set)),
            _ => Err(Error::WrongType),
        }
    }

    fn len(self) -> usize {
        match self {
            Contents::None => 0,
            Contents::SortedSet(set) => set.len(),
            Contents::Set(set) => set.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Contents::None => None,
            Contents::SortedSet(set) => set.score(member),
            Contents::Set(set) => set.contains(member).then_some(SET_SCORE),
        }
    }

    fn members(self) -> Box<dyn Iterator<Item = Member<'a>> + 'a> {
        match self {
            Contents::None => Box::new(std::iter::empty()),
            Contents::SortedSet(set) => {
                Box::new(set.iter().map(|(member, score)| (Cow::Borrowed(member), score)))
            }
            Contents::Set(set) => Box::new(set.iter().map(|member| (text_of(member), SET_SCORE))),
        }
    }
}

/// What a member of a plain set counts for.
const SET_SCORE: f64 = 1.0;

fn text_of(member: Item<'_>) -> Cow<'_, [u8]> {
    match member {
        Item::Bytes(bytes) => Cow::Borrowed(bytes),
        Item::Int(number) => Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()),
    }
}

impl Source<'_> {
    /// A score of this source, weighted. Infinity times zero counts as zero.
    fn weighted(&self, score: f64) -> f64 {
        let weighted = self.weight * score;
        if weighted.is_nan() { 0.0 } else { weighted }
    }
}

impl Aggregate {
    fn join(self, score: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => {
                let sum = score + other;
                // Opposite infinities.
                if sum.is_nan() { 0.0 } else { sum }
            }
            Aggregate::Min => {
                if other < score {
                    other
                } else {
                    score
                }
            }
            Aggregate::Max => {
                if other > score {
                    other
                } else {
                    score
                }
            }
        }
    }
}

/// The members of the result, in no particular order.
fn combine(operation: Operation, sources: Vec<Source<'_>>, aggregate: Aggregate) -> Vec<Member<'_>> {
    match operation {
        Operation::Union => union(sources, aggregate),
        Operation::Intersection => intersection(sources, aggregate).collect(),
        Operation::Difference => difference(&sources),
    }
}

/// Redis takes small sets first; sums of doubles depend on the order.
fn by_size(mut sources: Vec<Source<'_>>) -> Vec<Source<'_>> {
    sources.sort_by_key(|source| source.contents.len());
    sources
}

fn union(sources: Vec<Source<'_>>, aggregate: Aggregate) -> Vec<Member<'_>> {
    let mut result: BTreeMap<Cow<'_, [u8]>, f64> = BTreeMap::new();
    for source in by_size(sources) {
        for (member, score) in source.contents.members() {
            let score = source.weighted(score);
            result.entry(member).and_modify(|sum| *sum = aggregate.join(*sum, score)).or_insert(score);
        }
    }
    result.into_iter().collect()
}

fn intersection(sources: Vec<Source<'_>>, aggregate: Aggregate) -> impl Iterator<Item = Member<'_>> {
    let sources = by_size(sources);
    let smallest = sources.first().map_or(Contents::None, |source| source.contents);
    smallest.members().filter_map(move |(member, score)| {
        let (first, others) = sources.split_first()?;
        let mut sum = first.weighted(score);
        for other in others {
            let score = other.contents.score(&member)? * other.weight;
            sum = aggregate.join(sum, score);
        }
        Some((member, sum))
    })
}

/// What the first has and no other: by looking each of its members up in the others, or by taking theirs away,
/// whichever is less work.
fn difference<'a>(sources: &[Source<'a>]) -> Vec<Member<'a>> {
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let size = first.contents.len();
    let other_sizes: usize = others.iter().map(|other| other.contents.len()).sum();
    if size.saturating_mul(sources.len()) / 2 <= size + other_sizes {
        let missing = |member: &[u8]| others.iter().all(|other| other.contents.score(member).is_none());
        return first.contents.members().filter(|(member, _)| missing(member)).collect();
    }
    let mut left: BTreeMap<Cow<'_, [u8]>, f64> = first.contents.members().collect();
    for other in others {
        if left.is_empty() {
            break;
        }
        for (member, _) in other.contents.members() {
            left.remove(&member);
        }
    }
    left.into_iter().collect()
}
