//! How members are replied, with or without their scores.

use quorate_resp::{Protocol, Reply};

/// Writes an array of members. With scores it has a pair for each in RESP3, and is flat in RESP2.
pub(super) fn members<M: AsRef<[u8]>>(
    members: impl ExactSizeIterator<Item = (M, f64)>,
    with_scores: bool,
    reply: &mut Reply,
) {
    begin(members.len(), with_scores, reply);
    members.for_each(|(member, score)| one(member.as_ref(), score, with_scores, reply));
}

/// The header of `count` members, each to be written with [`one`].
pub(super) fn begin(count: usize, with_scores: bool, reply: &mut Reply) {
    let flat = with_scores && reply.protocol() == Protocol::Resp2;
    reply.array(if flat { count * 2 } else { count });
}

/// One of the members that [`begin`] announced.
pub(super) fn one(member: &[u8], score: f64, with_scores: bool, reply: &mut Reply) {
    if !with_scores {
        reply.bulk(member);
        return;
    }
    if reply.protocol() == Protocol::Resp3 {
        reply.array(2);
    }
    reply.bulk(member);
    reply.double(score);
}
