//! `string.find`, `match`, `gmatch` and `gsub` over our own matcher.
//!
//! For: replacing Lua's versions, with the same arguments, results and errors. `gmatch`, and `gsub` with a function or a
//! table, are loops in the sandbox's prelude around `native.seek`, as a function of a script must not be called from
//! Rust: its errors would lose their shape.

use mlua::{Lua, LuaString, MultiValue, Result, Table, Value};

use crate::arguments::Arguments;
use crate::meter::{Meter, SharedMeter};
use crate::pattern::{Capture, Matcher, Trouble};
use crate::raise;

/// Puts the functions into the `string` library and the prelude's `native`.
pub(crate) fn install(lua: &Lua, string: &Table, native: &Table, meter: &SharedMeter) -> Result<()> {
    let shared = meter.clone();
    string.raw_set("find", lua.create_function(move |lua, args| find(lua, &shared, &args, true))?)?;
    let shared = meter.clone();
    string.raw_set("match", lua.create_function(move |lua, args| find(lua, &shared, &args, false))?)?;
    let shared = meter.clone();
    native.raw_set("seek", lua.create_function(move |lua, args| seek(lua, &shared, args))?)?;
    let shared = meter.clone();
    native.raw_set("replace", lua.create_function(move |lua, args| replace(lua, &shared, &args))?)?;
    Ok(())
}

fn trouble(lua: &Lua, trouble: Trouble) -> mlua::Error {
    match trouble {
        Trouble::Pattern(text) => raise::text(lua, text),
        Trouble::Steps => raise::ended(),
    }
}

fn capture_value(lua: &Lua, subject: &[u8], capture: Capture) -> Result<Value> {
    Ok(match capture {
        Capture::Span(start, end) => Value::String(lua.create_string(&subject[start..end])?),
        Capture::Position(at) => Value::Number((at + 1) as f64),
    })
}

fn find(lua: &Lua, meter: &Meter, args: &Arguments, is_find: bool) -> Result<MultiValue> {
    let name = if is_find { "find" } else { "match" };
    let (subject, pattern) = (args.string(lua, name, 1)?, args.string(lua, name, 2)?);
    let (subject, pattern) = (&*subject.as_bytes(), &*pattern.as_bytes());
    let start = start_of(args.integer_or(lua, name, 3, 1)?, subject.len());
    let plain = is_find
        && (args.get(4).is_some_and(|plain| !matches!(plain, Value::Nil | Value::Boolean(false)))
            || !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte)));
    if plain {
        raise::charge(meter, (subject.len() - start) / 8 + 1)?;
        let found = find_plain(&subject[start..], pattern, meter).map_err(|error| trouble(lua, error))?;
        let found = found.map(|at| start + at);
        return Ok(match found {
            Some(at) => [number(at + 1), number(at + pattern.len())].into_iter().collect(),
            None => [Value::Nil].into_iter().collect(),
        });
    }
    let Some((at, end, captures)) = first_match(lua, meter, subject, pattern, start)? else {
        return Ok([Value::Nil].into_iter().collect());
    };
    let mut results = Vec::with_capacity(captures.len() + 2);
    if is_find {
        results.extend([number(at + 1), number(end)]);
        if captures.is_empty() {
            return Ok(results.into_iter().collect());
        }
    }
    let captures = if captures.is_empty() { vec![Capture::Span(at, end)] } else { captures };
    for capture in captures {
        results.push(capture_value(lua, subject, capture)?);
    }
    Ok(results.into_iter().collect())
}

/// The place that a start counted from 1, or from the end if negative, stands for.
fn start_of(init: i64, len: usize) -> usize {
    let from_end = if init < 0 { init + len as i64 + 1 } else { init };
    usize::try_from(from_end - 1).unwrap_or(0).min(len)
}

fn number(value: usize) -> Value {
    Value::Number(value as f64)
}

fn find_plain(subject: &[u8], needle: &[u8], meter: &Meter) -> std::result::Result<Option<usize>, Trouble> {
    let Some((first, rest)) = needle.split_first() else { return Ok(Some(0)) };
    let mut at = 0;
    while let Some(next) = subject[at..].iter().position(|byte| byte == first) {
        at += next;
        if subject[at + 1..].starts_with(rest) {
            return Ok(Some(at));
        }
        if !meter.charge(1 + rest.len() / 8) {
            return Err(Trouble::Steps);
        }
        at += 1;
    }
    Ok(None)
}

type Match = (usize, usize, Vec<Capture>);

/// The first match from `start` on; its captures are empty if the pattern has none.
fn first_match(
    lua: &Lua,
    meter: &Meter,
    subject: &[u8],
    pattern: &[u8],
    start: usize,
) -> Result<Option<Match>> {
    let anchored = pattern.first() == Some(&b'^');
    let mut matcher = Matcher::new(subject, pattern, meter);
    for at in start..=subject.len() {
        let found = matcher.at(at, usize::from(anchored)).map_err(|error| trouble(lua, error))?;
        if let Some(end) = found {
            let captures = matcher.captures(at, end).map_err(|error| trouble(lua, error))?;
            let captures = if matcher.has_captures() { captures } else { Vec::new() };
            return Ok(Some((at, end, captures)));
        }
        if anchored {
            break;
        }
    }
    Ok(None)
}

/// `seek(subject, pattern, from, anchors)`: start and end of the next match, counted from 1, and its captures.
fn seek(
    lua: &Lua,
    meter: &Meter,
    (subject, pattern, from, anchors): (LuaString, LuaString, usize, bool),
) -> Result<MultiValue> {
    let (subject, pattern) = (&*subject.as_bytes(), &*pattern.as_bytes());
    if from > subject.len() + 1 {
        return Ok(MultiValue::new());
    }
    let found = if anchors {
        first_match(lua, meter, subject, pattern, from - 1)?
    } else {
        // In gmatch a '^' is a character like any other.
        unanchored(lua, meter, subject, pattern, from - 1)?
    };
    let Some((at, end, captures)) = found else { return Ok(MultiValue::new()) };
    let captures = if captures.is_empty() { vec![Capture::Span(at, end)] } else { captures };
    let mut results = vec![number(at + 1), number(end)];
    for capture in captures {
        results.push(capture_value(lua, subject, capture)?);
    }
    Ok(results.into_iter().collect())
}

fn unanchored(
    lua: &Lua,
    meter: &Meter,
    subject: &[u8],
    pattern: &[u8],
    start: usize,
) -> Result<Option<Match>> {
    let mut matcher = Matcher::new(subject, pattern, meter);
    for at in start..=subject.len() {
        if let Some(end) = matcher.at(at, 0).map_err(|error| trouble(lua, error))? {
            let captures = matcher.captures(at, end).map_err(|error| trouble(lua, error))?;
            return Ok(Some((at, end, captures)));
        }
    }
    Ok(None)
}

/// `replace(subject, pattern, replacement, most)`: `gsub` with a string.
fn replace(lua: &Lua, meter: &Meter, args: &Arguments) -> Result<(LuaString, usize)> {
    let (subject, pattern) = (args.string(lua, "gsub", 1)?, args.string(lua, "gsub", 2)?);
    let replacement = args.string(lua, "gsub", 3)?;
    let (subject, pattern) = (&*subject.as_bytes(), &*pattern.as_bytes());
    let replacement = &*replacement.as_bytes();
    let most = args.integer_or(lua, "gsub", 4, subject.len() as i64 + 1)?;
    let anchored = pattern.first() == Some(&b'^');
    let mut matcher = Matcher::new(subject, pattern, meter);
    let mut out = Vec::with_capacity(subject.len());
    let (mut at, mut count) = (0, 0);
    while (count as i64) < most {
        let found = matcher.at(at, usize::from(anchored)).map_err(|error| trouble(lua, error))?;
        if let Some(end) = found {
            count += 1;
            let captures = matcher.captures(at, end).map_err(|error| trouble(lua, error))?;
            let before = out.len();
            add_replacement(lua, &mut out, replacement, subject, (at, end), &captures)?;
            raise::charge(meter, (out.len() - before) / 8)?;
            if out.len() > crate::Limits::RUN.memory_bytes_max {
                meter.end(crate::meter::Ended::Memory);
                return Err(raise::ended());
            }
        }
        match found {
            Some(end) if end > at => at = end,
            _ if at < subject.len() => {
                out.push(subject[at]);
                at += 1;
            }
            _ => break,
        }
        if anchored {
            break;
        }
    }
    out.extend_from_slice(subject.get(at..).unwrap_or_default());
    Ok((lua.create_string(out)?, count))
}

fn add_replacement(
    lua: &Lua,
    out: &mut Vec<u8>,
    replacement: &[u8],
    subject: &[u8],
    (start, end): (usize, usize),
    captures: &[Capture],
) -> Result<()> {
    let mut bytes = replacement.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        match bytes.next() {
            Some(b'0') => out.extend_from_slice(&subject[start..end]),
            Some(digit @ b'1'..=b'9') => match captures.get(usize::from(digit - b'1')) {
                Some(Capture::Span(from, to)) => out.extend_from_slice(&subject[*from..*to]),
                Some(Capture::Position(at)) => out.extend_from_slice((at + 1).to_string().as_bytes()),
                None => return Err(raise::text(lua, "invalid capture index")),
            },
            Some(other) => out.push(*other),
            None => out.push(0),
        }
    }
    Ok(())
}
