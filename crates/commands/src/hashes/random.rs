//! Picking fields at random.
//!
//! Every choice of fields is equally likely, for any count and in both encodings: fields have ranks, and ranks are
//! drawn. What is drawn follows from the read's seed alone.

use std::collections::BTreeSet;

use quorate_keyspace::{HashValue, Rng};
use quorate_resp::{Protocol, Reply};

use crate::{Args, Error, Read};

/// Largest count of fields that are picked one by one, with repeats: as many as a request may have arguments.
pub(crate) const PICKS_MAX: u64 = 1024 * 1024;

/// `HRANDFIELD key [count [WITHVALUES]]`
pub(crate) fn hrandfield(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.len() == 2 {
        match read.hash(&args[1])? {
            Some(hash) => reply.bulk(field_at(hash, read.rng().below(hash.len() as u64)).0),
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
    let with_values = args.len() > 3;
    if args.len() > 4 || with_values && !args.is(3, "WITHVALUES") {
        return Err(Error::Syntax);
    }
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(Error::OutOfRange);
    }
    let Some(hash) = read.hash(&args[1])? else {
        reply.array(0);
        return Ok(());
    };
    let output = Output { with_values, reply_bytes_max: read.state.settings.proto_max_bulk_len() };
    if count < 0 {
        pick(hash, count.unsigned_abs(), &mut read.rng(), output, reply)
    } else {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(hash.len());
        choose(hash, count, &mut read.rng(), output, reply);
        Ok(())
    }
}

/// Writes `count` fields, each picked from all, so that a field may come up many times.
///
/// Both the count and the bytes of such a reply have a limit, as neither is bounded by the hash.
fn pick(hash: &HashValue, count: u64, rng: &mut Rng, output: Output, reply: &mut Reply) -> Result<(), Error> {
    if count > PICKS_MAX {
        return Err(Error::OutOfRange);
    }
    let start = reply.len();
    output.begin(count as usize, reply);
    for _ in 0..count {
        output.write(field_at(hash, rng.below(hash.len() as u64)), reply);
        if reply.len() - start > output.reply_bytes_max {
            reply.truncate(start);
            return Err(Error::OutOfRange);
        }
    }
    Ok(())
}

/// Writes `count` different fields, at most all of them.
fn choose(hash: &HashValue, count: usize, rng: &mut Rng, output: Output, reply: &mut Reply) {
    output.begin(count, reply);
    if count < hash.len() / 3 {
        for rank in distinct_ranks(hash.len() as u64, count as u64, rng) {
            output.write(field_at(hash, rank), reply);
        }
        return;
    }
    // Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): one pass, each field taken with the probability
    // of those wanted among those left.
    let mut wanted = count as u64;
    for (passed, pair) in hash.iter().enumerate() {
        if wanted == 0 {
            break;
        }
        let left = (hash.len() - passed) as u64;
        if wanted == left || rng.below(left) < wanted {
            output.write(pair, reply);
            wanted -= 1;
        }
    }
}

/// `count` different numbers below `len`, by Floyd's method: no draw is ever repeated.
pub(crate) fn distinct_ranks(len: u64, count: u64, rng: &mut Rng) -> BTreeSet<u64> {
    let mut ranks = BTreeSet::new();
    for top in len - count..len {
        let drawn = rng.below(top + 1);
        if !ranks.insert(drawn) {
            ranks.insert(top);
        }
    }
    ranks
}

fn field_at(hash: &HashValue, rank: u64) -> (&[u8], &[u8]) {
    hash.nth(rank as usize).expect("a rank is below the number of fields")
}

/// How fields are written.
#[derive(Clone, Copy)]
struct Output {
    with_values: bool,
    reply_bytes_max: usize,
}

impl Output {
    fn begin(self, count: usize, reply: &mut Reply) {
        let flat = self.with_values && reply.protocol() == Protocol::Resp2;
        reply.array(if flat { count * 2 } else { count });
    }

    fn write(self, (field, value): (&[u8], &[u8]), reply: &mut Reply) {
        if !self.with_values {
            reply.bulk(field);
            return;
        }
        // RESP3 has a pair each, RESP2 one flat array.
        if reply.protocol() == Protocol::Resp3 {
            reply.array(2);
        }
        reply.bulk(field);
        reply.bulk(value);
    }
}
