//! Looking inside, as tests of clients and of Redis do.

use std::fmt::Write as _;

use quorate_keyspace::Rng;
use quorate_resp::Reply;

use super::sketch::{Encoding, Sketch};
use super::{sketch_of, sparse};
use crate::{Args, Error, Read, Write};

/// Elements that `PFSELFTEST` adds; Redis adds a thousand times as many.
const SELFTEST_ELEMENTS: u64 = 10_000;
/// Errors beyond this many standard deviations do not happen.
const SELFTEST_DEVIATIONS_MAX: f64 = 6.0;

/// `PFDEBUG GETREG | DECODE | ENCODING | TODENSE key`
pub(crate) fn pfdebug(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let key = &args[2];
    let Some(sketch) = write.get(key).map(sketch_of).transpose()? else {
        return Err(Error::text("ERR The specified key does not exist"));
    };
    let sparse = sketch.encoding() == Encoding::Sparse;
    match () {
        () if args.is(1, "GETREG") => {
            let mut dense = sketch.to_owned();
            dense.make_dense()?;
            let mut registers = Vec::new();
            dense.runs(|_, longest| registers.push(longest))?;
            if sparse {
                write.put_sketch(key, dense);
            }
            reply.array(registers.len());
            registers.into_iter().for_each(|longest| reply.integer(longest.into()));
        }
        () if args.is(1, "DECODE") => {
            if !sparse {
                return Err(Error::text("ERR HLL encoding is not sparse"));
            }
            reply.bulk(sparse::describe(sketch.body()).as_bytes());
        }
        () if args.is(1, "ENCODING") => reply.simple(if sparse { "sparse" } else { "dense" }),
        () if args.is(1, "TODENSE") => {
            if sparse {
                let mut dense = sketch.to_owned();
                dense.make_dense()?;
                write.put_sketch(key, dense);
            }
            reply.integer(i64::from(sparse));
        }
        () => {
            let mut text = String::from("ERR Unknown PFDEBUG subcommand '");
            write!(text, "{}'", String::from_utf8_lossy(&args[1])).expect("a string takes everything");
            return Err(Error::text(text));
        }
    }
    Ok(())
}

/// `PFSELFTEST`
pub(crate) fn pfselftest(read: &Read<'_>, _args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let sparse_bytes_max = read.state.settings.hll_sparse_max_bytes();
    let mut rng: Rng = read.rng();
    let seed = rng.next_u64();
    let (mut small, mut dense) = (Sketch::new(), Sketch::new());
    dense.make_dense()?;
    let (mut elements, mut checkpoint) = (0u64, 1u64);
    while elements < SELFTEST_ELEMENTS {
        elements += 1;
        let element = (elements ^ seed).to_le_bytes();
        small.add(&element, sparse_bytes_max)?;
        dense.add(&element, sparse_bytes_max)?;
        if elements == checkpoint {
            check(elements, &mut small, &mut dense)?;
            checkpoint *= 10;
        }
    }
    reply.ok();
    Ok(())
}

/// Whether both encodings agree, and are near enough.
fn check(elements: u64, small: &mut Sketch<Vec<u8>>, dense: &mut Sketch<Vec<u8>>) -> Result<(), Error> {
    small.forget_count();
    dense.forget_count();
    let (count, other) = (dense.count()?, small.count()?);
    if count != other {
        return Err(Error::text("ERR TESTFAILED dense/sparse disagree"));
    }
    let deviation = 1.04 / 128.0 * elements as f64;
    let error = elements.abs_diff(count);
    if error as f64 > (SELFTEST_DEVIATIONS_MAX * deviation).ceil() {
        return Err(Error::text(format!("ERR TESTFAILED Too big error. card:{elements} abserr:{error}")));
    }
    Ok(())
}
