//! Adding members, changing scores, removing members by name.

use quorate_keyspace::{SortedSetValue, Value};
use quorate_resp::{Reply, parse_f64};

use super::sorted_set_in;
use crate::{Args, Error, EventClass, Write};

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]`
pub(crate) fn zadd(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    add(write, args, Options::default(), reply)
}

/// `ZINCRBY key increment member`
pub(crate) fn zincrby(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    add(write, args, Options { increment: true, ..Options::default() }, reply)
}

/// `ZREM key member [member ...]`
pub(crate) fn zrem(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let key = &args[1];
    let members = args.from(2);
    let hits =
        write.sorted_set(key)?.is_some_and(|set| members.iter().any(|member| set.score(member).is_some()));
    if !hits {
        reply.integer(0);
        return Ok(());
    }
    let (removed, empty) = {
        let mut entry = write.get_mut(key).expect("the sorted set was found");
        let set = sorted_set_in(&mut entry);
        let removed = members.iter().filter(|member| set.remove(member).is_some()).count();
        (removed, set.is_empty())
    };
    write.notify(EventClass::SortedSet, "zrem", key);
    if empty {
        write.remove(key);
        write.notify(EventClass::Generic, "del", key);
    }
    reply.integer(removed as i64);
    Ok(())
}

/// What `ZADD` is asked to do, and when not.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    /// New members only.
    pub(crate) new_only: bool,
    /// Old members only.
    pub(crate) old_only: bool,
    /// Old members only where the score grows.
    greater: bool,
    /// Old members only where the score falls.
    less: bool,
    /// Count changed members, not only new ones.
    pub(crate) changed: bool,
    /// Add to the score, and reply it.
    increment: bool,
}

/// What becomes of one member.
enum Outcome {
    /// An option forbids it.
    Skipped,
    /// It has this score already.
    Kept(f64),
    Changed(f64),
    Added(f64),
}

impl Options {
    /// Reads the options and returns where the pairs of score and member begin.
    fn parse(&mut self, args: Args<'_>) -> usize {
        let mut i = 2;
        while i < args.len() {
            let option = [
                ("NX", &mut self.new_only),
                ("XX", &mut self.old_only),
                ("GT", &mut self.greater),
                ("LT", &mut self.less),
                ("CH", &mut self.changed),
                ("INCR", &mut self.increment),
            ]
            .into_iter()
            .find(|(word, _)| args.is(i, word));
            let Some((_, option)) = option else { break };
            *option = true;
            i += 1;
        }
        i
    }

    fn check(&self, arguments: usize) -> Result<(), Error> {
        if arguments == 0 || !arguments.is_multiple_of(2) {
            return Err(Error::Syntax);
        }
        if self.new_only && self.old_only {
            return Err(Error::text("ERR XX and NX options at the same time are not compatible"));
        }
        if [self.new_only, self.greater, self.less].into_iter().filter(|set| *set).count() > 1 {
            return Err(Error::text("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.increment && arguments > 2 {
            return Err(Error::text("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    fn outcome(&self, old: Option<f64>, given: f64) -> Result<Outcome, Error> {
        let Some(old) = old else {
            return Ok(if self.old_only { Outcome::Skipped } else { Outcome::Added(given) });
        };
        if self.new_only {
            return Ok(Outcome::Skipped);
        }
        let new = if self.increment { old + given } else { given };
        if new.is_nan() {
            return Err(Error::text("ERR resulting score is not a number (NaN)"));
        }
        Ok(if self.less && new >= old || self.greater && new <= old {
            Outcome::Skipped
        } else if new == old {
            Outcome::Kept(new)
        } else {
            Outcome::Changed(new)
        })
    }
}

fn add(write: &mut Write<'_>, args: Args<'_>, mut options: Options, reply: &mut Reply) -> Result<(), Error> {
    let first = options.parse(args);
    options.check(args.len() - first)?;
    let members = args
        .from(first)
        .chunks_exact(2)
        .map(|pair| Ok((parse_f64(pair[0]).ok_or(Error::NotFloat)?, pair[1])))
        .collect::<Result<Vec<(f64, &[u8])>, Error>>()?;
    add_scored(write, &args[1], options, &members, reply)
}

/// Adds members as `ZADD` does, and writes its reply.
pub(crate) fn add_scored(
    write: &mut Write<'_>,
    key: &[u8],
    options: Options,
    members: &[(f64, &[u8])],
    reply: &mut Reply,
) -> Result<(), Error> {
    let set = write.sorted_set(key)?;
    let mut tally = Tally::default();
    // What changes nothing leaves the key as it is: the first member that does tells.
    let mut changes = false;
    for (given, member) in members {
        tally.count(options.outcome(set.and_then(|set| set.score(member)), *given)?);
        if tally.added + tally.changed > 0 {
            changes = true;
            break;
        }
    }
    if changes {
        tally = write.add_members(key, options, members);
        let event = if options.increment { "zincr" } else { "zadd" };
        write.notify(EventClass::SortedSet, event, key);
    }
    match tally.score {
        _ if !options.increment => {
            reply.integer(tally.added + if options.changed { tally.changed } else { 0 });
        }
        Some(score) => reply.double(score),
        None => reply.null(),
    }
    Ok(())
}

/// What became of all members.
#[derive(Default)]
struct Tally {
    added: i64,
    changed: i64,
    /// Of the last one that no option has kept out.
    score: Option<f64>,
}

impl Tally {
    /// Notes what becomes of a member; its score where it has to be set.
    fn count(&mut self, outcome: Outcome) -> Option<f64> {
        match outcome {
            Outcome::Skipped => None,
            Outcome::Kept(score) => {
                self.score = Some(score);
                None
            }
            Outcome::Changed(score) => {
                self.changed += 1;
                self.score = Some(score);
                Some(score)
            }
            Outcome::Added(score) => {
                self.added += 1;
                self.score = Some(score);
                Some(score)
            }
        }
    }
}

impl Write<'_> {
    /// Adds to the sorted set at a key, which is created if need be.
    fn add_members(&mut self, key: &[u8], options: Options, members: &[(f64, &[u8])]) -> Tally {
        let (limits, seed) = (self.sorted_set_limits(), self.state.keyspace.seed());
        let add_to = |set: &mut SortedSetValue| {
            let mut tally = Tally::default();
            for (given, member) in members {
                let outcome = options.outcome(set.score(member), *given);
                let score =
                    tally.count(outcome.expect("a sum that is no number comes alone, and was refused"));
                if let Some(score) = score {
                    set.insert(member, score, limits, seed);
                }
            }
            tally
        };
        if let Some(mut entry) = self.get_mut(key) {
            return add_to(sorted_set_in(&mut entry));
        }
        let mut set = SortedSetValue::new();
        let tally = add_to(&mut set);
        self.set(key, Value::sorted_set(set), None);
        tally
    }
}
