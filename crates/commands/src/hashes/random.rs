//! Picking fields at random.

use quorate_keyspace::HashValue;
use quorate_resp::{Protocol, Reply};

use crate::{Args, Error, Read, sampling};

/// `HRANDFIELD key [count [WITHVALUES]]`
pub(crate) fn hrandfield(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let mut rng = read.rng();
    if args.len() == 2 {
        match read.hash(&args[1])? {
            Some(hash) => reply.bulk(field_at(hash, rng.index(hash.len())).0),
            None => reply.null(),
        }
        return Ok(());
    }
    let count = args.integer_but_least(2)?;
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
    let output = Output { with_values };
    if count < 0 {
        let bounded = (reply, read.state.settings.proto_max_bulk_len());
        return sampling::pick(
            hash.len(),
            count.unsigned_abs(),
            &mut rng,
            bounded,
            |count, reply| output.begin(count, reply),
            |rank, reply| output.write(field_at(hash, rank), reply),
        );
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(hash.len());
    output.begin(count, reply);
    sampling::choose(
        hash.len(),
        count,
        &mut rng,
        hash.iter(),
        |rank| field_at(hash, rank),
        |pair| output.write(pair, reply),
    );
    Ok(())
}

fn field_at(hash: &HashValue, rank: usize) -> (&[u8], &[u8]) {
    hash.nth(rank).expect("a rank is below the number of fields")
}

/// How fields are written.
#[derive(Clone, Copy)]
struct Output {
    with_values: bool,
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
