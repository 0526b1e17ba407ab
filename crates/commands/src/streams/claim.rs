//! Taking over what others were given: `XCLAIM` and `XAUTOCLAIM`.

use quorate_keyspace::{Group, Millis, StreamEntries, StreamId};
use quorate_resp::Reply;

use super::{id, no_group, write_entry, write_id};
use crate::args::parse_integer;
use crate::{Args, Error, Write};

/// `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-ms] [RETRYCOUNT count] [FORCE]
/// [JUSTID] [LASTID id]`
pub(crate) fn xclaim(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (key, name, consumer) = (&args[1], &args[2], &args[3]);
    if write.stream(key)?.is_none_or(|stream| stream.group(name).is_none()) {
        return Err(no_group(key, name, ""));
    }
    let now = write.now;
    let min_idle = min_idle(&args[4], "XCLAIM")?;
    let ids: Vec<StreamId> = args.from(5).iter().map_while(|text| id::strict(text, 0).ok()).collect();
    let claim = Claim::parse(args, 5 + ids.len(), now)?;
    write.ensure_consumer(key, name, consumer);
    let (place, mut written) = (reply.deferred(), 0);
    write.edit_group(key, name, |entries, group| {
        group.see(consumer, now);
        if claim.last_id > group.last_id() {
            group.set_position(claim.last_id, group.entries_read());
        }
        for id in ids {
            if entries.get(id).is_none() {
                // What is no more cannot be worked on.
                group.confirm(id);
                continue;
            }
            let idle = group.pending(id).map(|pending| now.since(pending.delivered));
            let claimed = match idle {
                Some(idle) => min_idle == 0 || idle >= min_idle,
                None => claim.force,
            };
            if claimed {
                claim.take(id, consumer, entries, group, now, reply);
                written += 1;
            }
        }
    });
    reply.finish_array(place, written);
    Ok(())
}

fn min_idle(text: &[u8], command: &str) -> Result<i64, Error> {
    let number = parse_integer(text)
        .ok_or_else(|| Error::text(format!("ERR Invalid min-idle-time argument for {command}")))?;
    Ok(number.max(0))
}

/// How entries change hands.
struct Claim {
    delivered: Millis,
    deliveries: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: StreamId,
}

impl Claim {
    fn parse(args: Args<'_>, mut i: usize, now: Millis) -> Result<Claim, Error> {
        let mut claim =
            Claim { delivered: now, deliveries: None, force: false, just_id: false, last_id: StreamId::MIN };
        let number = |i: usize, option: &str| {
            let invalid = || Error::text(format!("ERR Invalid {option} option argument for XCLAIM"));
            parse_integer(&args[i]).ok_or_else(invalid)
        };
        while i < args.len() {
            let more = i + 1 < args.len();
            if args.is(i, "FORCE") {
                claim.force = true;
            } else if args.is(i, "JUSTID") {
                claim.just_id = true;
            } else if more && args.is(i, "IDLE") {
                i += 1;
                claim.delivered = Millis(now.0.wrapping_sub(number(i, "IDLE")?));
            } else if more && args.is(i, "TIME") {
                i += 1;
                claim.delivered = Millis(number(i, "TIME")?);
            } else if more && args.is(i, "RETRYCOUNT") {
                i += 1;
                claim.deliveries = u64::try_from(number(i, "RETRYCOUNT")?).ok();
            } else if more && args.is(i, "LASTID") {
                i += 1;
                claim.last_id = id::strict(&args[i], 0)?;
            } else {
                let option = String::from_utf8_lossy(&args[i]);
                return Err(Error::text(format!("ERR Unrecognized XCLAIM option '{option}'")));
            }
            i += 1;
        }
        // A clock that is a bit ahead is no error.
        if claim.delivered.0 < 0 || claim.delivered > now {
            claim.delivered = now;
        }
        Ok(claim)
    }

    /// Gives an entry, which is there, to a consumer, which is there as well, and writes it.
    fn take(
        &self,
        id: StreamId,
        consumer: &[u8],
        entries: &StreamEntries,
        group: &mut Group,
        now: Millis,
        reply: &mut Reply,
    ) {
        let before = group.pending(id).map_or(1, |pending| pending.deliveries);
        let deliveries = match self.deliveries {
            Some(deliveries) => deliveries,
            None if self.just_id => before,
            None => before.wrapping_add(1),
        };
        group.assign(id, consumer, self.delivered, deliveries);
        group.activate(consumer, now);
        if self.just_id {
            write_id(id, reply);
        } else if let Some(entry) = entries.get(id) {
            write_entry(&entry, reply);
        }
    }
}

/// How many entries an `XAUTOCLAIM` looks at for each that it may return.
const ATTEMPTS_FACTOR: usize = 10;
const COUNT_DEFAULT: usize = 100;

/// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`
pub(crate) fn xautoclaim(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (key, name, consumer) = (&args[1], &args[2], &args[3]);
    let now = write.now;
    let min_idle = min_idle(&args[4], "XAUTOCLAIM")?;
    let start = id::start(&args[5])?;
    let (mut count, mut just_id) = (COUNT_DEFAULT, false);
    let mut i = 6;
    while i < args.len() {
        if args.is(i, "COUNT") && i + 1 < args.len() {
            i += 1;
            // So that ten times as many ids can be counted, as in Redis.
            let range = 1..=i64::MAX / 16;
            let given = args.integer(i).map_err(|_| Error::text("ERR COUNT must be > 0"))?;
            count = usize::try_from(given)
                .ok()
                .filter(|_| range.contains(&given))
                .ok_or(Error::text("ERR COUNT must be > 0"))?;
        } else if args.is(i, "JUSTID") {
            just_id = true;
        } else {
            return Err(Error::Syntax);
        }
        i += 1;
    }
    if write.stream(key)?.is_none_or(|stream| stream.group(name).is_none()) {
        return Err(no_group(key, name, ""));
    }
    write.ensure_consumer(key, name, consumer);
    let claim = Claim { delivered: now, deliveries: None, force: false, just_id, last_id: StreamId::MIN };
    write.edit_group(key, name, |entries, group| {
        group.see(consumer, now);
        let looked_at = group.pending_from(start).take(count.saturating_mul(ATTEMPTS_FACTOR));
        let (mut claimed, mut gone, mut next) = (Vec::new(), Vec::new(), start);
        let mut found = false;
        for pending in looked_at {
            if claimed.len() + gone.len() == count {
                break;
            }
            (next, found) = (pending.id, true);
            if entries.get(pending.id).is_none() {
                gone.push(pending.id);
            } else if min_idle == 0 || now.since(pending.delivered) >= min_idle {
                claimed.push(pending.id);
            }
        }
        // Where the next call begins.
        let next = if found { next.next() } else { Some(start) };
        let next =
            next.and_then(|next| group.pending_from(next).next()).map_or(StreamId::MIN, |next| next.id);
        reply.array(3);
        write_id(next, reply);
        reply.array(claimed.len());
        for id in claimed {
            claim.take(id, consumer, entries, group, now, reply);
        }
        reply.array(gone.len());
        for id in gone {
            group.confirm(id);
            write_id(id, reply);
        }
    });
    Ok(())
}
