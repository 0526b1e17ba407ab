//! Picking elements at random: what HRANDFIELD, SRANDMEMBER and their like share.
//!
//! Every choice of elements is equally likely, for any count and in every encoding: elements have ranks, and ranks
//! are drawn. What is drawn follows from the generator alone.

use std::collections::BTreeSet;

use quorate_keyspace::Rng;
use quorate_resp::Reply;

use crate::Error;

/// Largest count of elements that are picked one by one, with repeats: as many as a request may have arguments.
pub(crate) const PICKS_MAX: u64 = 1024 * 1024;

/// Writes `count` elements of `len`, each picked from all, so that one may come up many times: `begin` with their
/// number, then `write` with each one's rank.
///
/// Both the count and the bytes of such a reply have a limit, as neither is bounded by what there is.
pub(crate) fn pick(
    len: usize,
    count: u64,
    rng: &mut Rng,
    (reply, reply_bytes_max): (&mut Reply, usize),
    begin: impl FnOnce(usize, &mut Reply),
    mut write: impl FnMut(usize, &mut Reply),
) -> Result<(), Error> {
    if count > PICKS_MAX {
        return Err(Error::OutOfRange);
    }
    let start = reply.len();
    begin(count as usize, reply);
    for _ in 0..count {
        write(rng.index(len), reply);
        if reply.len() - start > reply_bytes_max {
            reply.truncate(start);
            return Err(Error::OutOfRange);
        }
    }
    Ok(())
}

/// Calls `take` with `count` different elements of `len`; there are at least as many. `all` walks over them, `at`
/// finds one by its rank.
pub(crate) fn choose<T>(
    len: usize,
    count: usize,
    rng: &mut Rng,
    all: impl Iterator<Item = T>,
    at: impl Fn(usize) -> T,
    mut take: impl FnMut(T),
) {
    if count < len / 3 {
        for rank in distinct_ranks(len as u64, count as u64, rng) {
            take(at(rank as usize));
        }
        return;
    }
    // Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): one pass, each element taken with the probability
    // of those wanted among those left.
    let mut wanted = count as u64;
    for (passed, element) in all.enumerate() {
        if wanted == 0 {
            break;
        }
        let left = (len - passed) as u64;
        if wanted == left || rng.below(left) < wanted {
            take(element);
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
