//! Two servers, key by key, in both directions.
//!
//! Every key that either side walks through is asked of both. What a walk does not give, because it came or went
//! meanwhile, is nobody's: whoever compares has made sure that nothing does.

use quorate_resp::Value;

use super::{Comparison, KEYS_PER_TURN, answer, ask, time};
use crate::load::Databases;
use crate::{Connection, Error, Observer, Progress};

/// How far apart two times to live may be that were asked one after the other, in milliseconds.
const OLD_SLACK_MILLIS: i64 = 2000;

/// Compares all keys of the source's databases with the target's, and the target's with the source's.
///
/// # Errors
/// A server refuses, or a connection broke.
pub(crate) fn compare_servers(
    source: &mut Connection,
    target: &mut Connection,
    databases: &Databases,
    ignored: &[u8],
    progress: &mut Progress,
    observer: &mut dyn Observer,
    mut each_turn: impl FnMut(&mut Connection) -> Result<(), Error>,
) -> Result<Comparison, Error> {
    let mut comparison = Comparison::default();
    // PEXPIRETIME is of 7.0.
    let version = source.info("server")?.into_iter().find(|(name, _)| name == "redis_version");
    let major = version.and_then(|(_, version)| version.split('.').next()?.parse::<u32>().ok());
    let is_old = major.is_some_and(|major| major < 7);
    let mut dbs: Vec<u32> = source.databases()?.into_iter().map(|(db, _)| db).collect();
    dbs.extend(target.databases()?.into_iter().map(|(db, _)| db));
    dbs.sort_unstable();
    dbs.dedup();
    for from in dbs {
        let Some(to) = databases.to(from) else { continue };
        for is_back in [false, true] {
            let mut cursor = b"0".to_vec();
            loop {
                each_turn(source)?;
                source.call(&[b"SELECT", from.to_string().as_bytes()])?;
                target.call(&[b"SELECT", to.to_string().as_bytes()])?;
                let walked = if is_back { &mut *target } else { &mut *source };
                let count = KEYS_PER_TURN.to_string();
                let reply = walked.call(&[b"SCAN", &cursor, b"COUNT", count.as_bytes()])?;
                let (next, mut keys) = page(&reply);
                keys.retain(|key| key != ignored);
                if is_back {
                    // The others have been looked at.
                    keys = only_in_target(source, keys)?;
                }
                for keys in keys.chunks(KEYS_PER_TURN) {
                    turn(source, target, from, keys, is_old, &mut comparison)?;
                    progress.keys += keys.len() as u64;
                    observer.progress(progress);
                }
                if next == b"0" || next.is_empty() {
                    break;
                }
                cursor = next;
            }
        }
    }
    Ok(comparison)
}

/// The cursor and the keys of a page of `SCAN`.
fn page(reply: &Value) -> (Vec<u8>, Vec<Vec<u8>>) {
    let parts = reply.as_array().unwrap_or_default();
    let cursor = parts.first().and_then(Value::as_bytes).unwrap_or_default().to_vec();
    let keys = parts.get(1).and_then(Value::as_array).unwrap_or_default();
    (cursor, keys.iter().filter_map(Value::as_bytes).map(<[u8]>::to_vec).collect())
}

fn only_in_target(source: &mut Connection, keys: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
    for key in &keys {
        source.queue(&[b"EXISTS", key])?;
    }
    source.flush()?;
    let mut only = Vec::new();
    for key in keys {
        let reply = source.receive()?;
        if source.checked(reply, || "EXISTS".into())?.as_integer() == Some(0) {
            only.push(key);
        }
    }
    Ok(only)
}

fn turn(
    source: &mut Connection,
    target: &mut Connection,
    db: u32,
    keys: &[Vec<u8>],
    is_old: bool,
    comparison: &mut Comparison,
) -> Result<(), Error> {
    for server in [&mut *source, &mut *target] {
        for key in keys {
            ask(server, key, is_old)?;
        }
        server.queue(&[b"TIME"])?;
        server.flush()?;
    }
    let mut sides = Vec::with_capacity(keys.len());
    for key in keys {
        let (left, mut right) = (answer(source, key, is_old)?, answer(target, key, is_old)?);
        if is_old
            && let (Some((_, Some(left))), Some((_, Some(right)))) = (&left, &mut right)
            && left.abs_diff(*right) <= OLD_SLACK_MILLIS.unsigned_abs()
        {
            *right = *left;
        }
        sides.push((left, right));
    }
    // The earlier of two clocks would take a key that is due for one that is lost.
    let now = time(source)?.max(time(target)?);
    for (key, (left, right)) in keys.iter().zip(sides) {
        // Times to live are compared with a moment that has passed where they are over.
        let now = if is_old { OLD_SLACK_MILLIS } else { now };
        comparison.enter(db, key, left, right, now);
    }
    Ok(())
}
