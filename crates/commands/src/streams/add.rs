//! `XADD`, and what it shares with `XTRIM`: how a stream is shortened.

use quorate_keyspace::{ENTRY_BYTES_MAX, StreamEntries, StreamId, StreamValue, Trim, TrimTo, Value};
use quorate_resp::Reply;

use super::{id, write_id};
use crate::{Args, Error, EventClass, State, Write};

/// What stands between the key and the id of an `XADD`, or behind the key of an `XTRIM`.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) trim: Option<Trim>,
    no_create: bool,
    /// The first argument that is no option.
    next: usize,
}

/// Blocks that an approximate trim takes at most, if it does not say.
const BLOCKS_DEFAULT: u64 = 100;
/// Entries that it takes then, at least and at most.
const LIMIT_DEFAULT: u64 = 10_000;
const LIMIT_MAX: u64 = 1_000_000;

impl Options {
    pub(super) fn parse(state: &State, args: Args<'_>, adds: bool) -> Result<Options, Error> {
        let mut trim: Option<Trim> = None;
        let mut limit = None;
        let mut no_create = false;
        let mut i = 2;
        while i < args.len() {
            let more = args.len() - 1 - i;
            if adds && &args[i] == b"*" {
                break;
            } else if (args.is(i, "MAXLEN") || args.is(i, "MINID")) && more > 0 {
                if trim.is_some() {
                    return Err(syntax("MAXLEN and MINID options at the same time are not compatible"));
                }
                let by_len = args.is(i, "MAXLEN");
                let approximate = more >= 2 && &args[i + 1] == b"~";
                i += 1 + usize::from(more >= 2 && matches!(&args[i + 1], b"~" | b"="));
                let to = if by_len {
                    TrimTo::Len(positive(args, i, "MAXLEN")?)
                } else {
                    TrimTo::Id(id::strict(&args[i], 0)?)
                };
                trim = Some(Trim { to, approximate, limit: 0 });
            } else if args.is(i, "LIMIT") && more > 0 {
                i += 1;
                limit = Some(positive(args, i, "LIMIT")?);
            } else if adds && args.is(i, "NOMKSTREAM") {
                no_create = true;
            } else if adds {
                break;
            } else {
                return Err(Error::Syntax);
            }
            i += 1;
        }
        if adds && i < args.len() && &args[i] != b"*" {
            // An id that is none is told before what is wrong with the options.
            id::new(&args[i], 0)?;
        }
        match &mut trim {
            None if limit.is_some_and(|limit| limit > 0) => {
                return Err(syntax("LIMIT cannot be used without specifying a trimming strategy"));
            }
            None if limit.is_some() && adds => {
                return Err(syntax("LIMIT cannot be used without the special ~ option"));
            }
            None if !adds => return Err(syntax("XTRIM must be called with a trimming strategy")),
            None => {}
            Some(trim) if trim.approximate => trim.limit = limit.unwrap_or_else(|| default_limit(state)),
            Some(_) if limit.is_some() => {
                return Err(syntax("LIMIT cannot be used without the special ~ option"));
            }
            Some(_) => {}
        }
        Ok(Options { trim, no_create, next: i })
    }
}

fn default_limit(state: &State) -> u64 {
    match BLOCKS_DEFAULT.saturating_mul(state.settings.stream_node_max_entries() as u64) {
        0 => LIMIT_DEFAULT,
        limit => limit.min(LIMIT_MAX),
    }
}

fn positive(args: Args<'_>, i: usize, name: &str) -> Result<u64, Error> {
    let number = args.integer(i)?;
    u64::try_from(number).map_err(|_| Error::text(format!("ERR The {name} argument must be >= 0.")))
}

fn syntax(what: &str) -> Error {
    Error::text(format!("ERR syntax error, {what}"))
}

/// `XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value [field value ...]`
pub(crate) fn xadd(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let options = Options::parse(write.state, args, true)?;
    let pairs = args.from(options.next + 1);
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(Error::WrongArity("xadd".into()));
    }
    let asked = match args.at(options.next) {
        b"*" => None,
        text => Some(id::new(text, 0)?),
    };
    if asked == Some((StreamId::MIN, true)) {
        return Err(Error::text("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let key = &args[1];
    let stream = write.stream(key)?;
    if stream.is_none() && options.no_create {
        reply.null();
        return Ok(());
    }
    let last_id = stream.map_or(StreamId::MIN, |stream| stream.entries().last_id());
    let id = next_id(last_id, asked, write.now.0)?;
    if pairs.iter().map(|item| item.len()).sum::<usize>() > ENTRY_BYTES_MAX {
        return Err(Error::text("ERR Elements are too large to be stored"));
    }
    let limits = write.stream_limits();
    write.edit_or_create_stream(key, |stream| stream.entries_mut().append(id, pairs, limits));
    write.notify(EventClass::Stream, "xadd", key);
    if let Some(trim) = options.trim {
        write.trim_stream(key, trim);
    }
    write_id(id, reply);
    Ok(())
}

/// The id of a new entry: as asked for, made complete, or made from the time.
fn next_id(last_id: StreamId, asked: Option<(StreamId, bool)>, now_ms: i64) -> Result<StreamId, Error> {
    let after_last = last_id
        .next()
        .ok_or(Error::text("ERR The stream has exhausted the last possible ID, unable to add more items"))?;
    let id = match asked {
        None => StreamId::new(u64::try_from(now_ms).unwrap_or(0), 0).max(after_last),
        Some((id, true)) => id,
        Some((id, false)) if id.ms == last_id.ms && after_last.ms == id.ms => after_last,
        Some((id, false)) => id,
    };
    if id <= last_id {
        return Err(Error::text(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        ));
    }
    Ok(id)
}

impl Write<'_> {
    /// Shortens a stream, which was found; how many entries went.
    pub(super) fn trim_stream(&mut self, key: &[u8], trim: Trim) -> usize {
        if !would_trim(self.stream(key).ok().flatten().map(StreamValue::entries), trim) {
            return 0;
        }
        let mut entry = self.get_mut(key).expect("the stream was found");
        let stream = entry.value_mut().as_stream_mut().expect("the type was checked");
        let trimmed = stream.entries_mut().trim(trim);
        let count = trimmed.count;
        entry.discard(Value::stream(StreamValue::of_rest(Some(trimmed), None)));
        drop(entry);
        if count > 0 {
            self.notify(EventClass::Stream, "xtrim", key);
        }
        count
    }
}

/// Whether there is anything that a trim may take away: looking does not count as a change.
fn would_trim(entries: Option<&StreamEntries>, trim: Trim) -> bool {
    entries.is_some_and(|entries| match trim.to {
        TrimTo::Len(max) => entries.len() as u64 > max,
        TrimTo::Id(min) => !entries.is_empty() && entries.first_id() < min,
    })
}
