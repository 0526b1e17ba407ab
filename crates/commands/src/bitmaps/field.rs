//! Integers of any width in a string: `BITFIELD`.
//!
//! The steps of a request work on the changed bytes alone, beside the string, which is changed once at the end.

use std::collections::BTreeMap;

use quorate_keyspace::StringValue;
use quorate_resp::Reply;

use super::field_offset;
use crate::args::parse_integer;
use crate::{Args, Error, EventClass, KeyFlag, KeyFlags, Read, State, Write};

/// What happens to a number that does not fit.
#[derive(Debug, Clone, Copy)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

/// An integer's type.
#[derive(Debug, Clone, Copy)]
struct Kind {
    signed: bool,
    width: u32,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Increment(i64),
}

#[derive(Debug, Clone, Copy)]
struct Step {
    action: Action,
    kind: Kind,
    offset: u64,
    overflow: Overflow,
}

/// `BITFIELD key [GET type offset | [OVERFLOW WRAP|SAT|FAIL] SET|INCRBY type offset value ...]`
pub(crate) fn bitfield(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let steps = steps(write.state, args)?;
    let key = &args[1];
    let string = write.string(key)?;
    let outcome = with_bytes(string, |bytes| run(&steps, bytes, reply));
    let grows = outcome.len > string.map_or(0, StringValue::len);
    if grows || outcome.changed {
        write.edit_string(key, |string| {
            if grows {
                string.set_range(outcome.len - 1, &[0]);
            }
            let buffer = string.make_raw();
            for (at, byte) in outcome.bytes {
                buffer[at] = byte;
            }
        });
    } else if steps.iter().any(|step| !matches!(step.action, Action::Get)) {
        write.mark_raw(key);
    }
    if outcome.changed {
        write.notify(EventClass::String, "setbit", key);
    }
    Ok(())
}

/// `BITFIELD_RO key [GET type offset ...]`
pub(crate) fn bitfield_ro(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let steps = steps(read.state, args)?;
    if steps.iter().any(|step| !matches!(step.action, Action::Get)) {
        return Err(Error::text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    with_bytes(read.string(&args[1])?, |bytes| run(&steps, bytes, reply));
    Ok(())
}

/// What a `BITFIELD` does with its key: it may only read it.
pub(crate) fn key_flags(args: Args<'_>) -> KeyFlags {
    let mut i = 2;
    while i < args.len() {
        if !args.is(i, "GET") {
            return KeyFlags::of(&[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update]);
        }
        i += 3;
    }
    KeyFlags::of(&[KeyFlag::Ro, KeyFlag::Access])
}

fn with_bytes<T>(string: Option<&StringValue>, f: impl FnOnce(&[u8]) -> T) -> T {
    match string {
        Some(string) => string.with_bytes(f),
        None => f(b""),
    }
}

fn steps(state: &State, args: Args<'_>) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut i = 2;
    while i < args.len() {
        let left = args.len() - i - 1;
        if args.is(i, "OVERFLOW") && left >= 1 {
            overflow = match () {
                () if args.is(i + 1, "WRAP") => Overflow::Wrap,
                () if args.is(i + 1, "SAT") => Overflow::Saturate,
                () if args.is(i + 1, "FAIL") => Overflow::Fail,
                () => return Err(Error::text("ERR Invalid OVERFLOW type specified")),
            };
            i += 2;
            continue;
        }
        let needed = match () {
            () if args.is(i, "GET") => 2,
            () if args.is(i, "SET") || args.is(i, "INCRBY") => 3,
            () => return Err(Error::Syntax),
        };
        if left < needed {
            return Err(Error::Syntax);
        }
        let kind = Kind::parse(&args[i + 1])?;
        let offset = field_offset(state, &args[i + 2], kind.width)?;
        let action = match () {
            () if needed == 2 => Action::Get,
            () if args.is(i, "SET") => Action::Set(args.integer(i + 3)?),
            () => Action::Increment(args.integer(i + 3)?),
        };
        steps.push(Step { action, kind, offset, overflow });
        i += 1 + needed;
    }
    Ok(steps)
}

/// What the steps leave behind.
struct Outcome {
    /// The string's length.
    len: usize,
    /// The bytes that were written.
    bytes: BTreeMap<usize, u8>,
    /// Whether anything was written that is not as it was.
    changed: bool,
}

fn run(steps: &[Step], bytes: &[u8], reply: &mut Reply) -> Outcome {
    let writes = steps.iter().filter(|step| !matches!(step.action, Action::Get));
    let end = writes.map(|step| (step.offset + u64::from(step.kind.width)).div_ceil(8) as usize).max();
    // Redis makes room for every write of the request before the first of them.
    let len = end.unwrap_or(0).max(bytes.len());
    let mut overlay = Overlay { below: bytes, above: BTreeMap::new() };
    let mut changed = false;
    reply.array(steps.len());
    for step in steps {
        let old = overlay.get(step.kind, step.offset);
        let new = match step.action {
            Action::Get => {
                reply.integer(step.kind.value(old));
                continue;
            }
            Action::Set(value) => step.kind.fit(step.kind.whole(value), step.overflow),
            Action::Increment(by) => {
                let old = i128::from(step.kind.value(old));
                step.kind.fit(old + i128::from(by), step.overflow)
            }
        };
        let Some(new) = new else {
            reply.null();
            continue;
        };
        let shown = if matches!(step.action, Action::Set(_)) { old } else { new };
        reply.integer(step.kind.value(shown));
        overlay.set(step.kind, step.offset, new);
        changed |= new != old || len > bytes.len();
    }
    Outcome { len, bytes: overlay.above, changed }
}

/// Bytes with changes that are not yet made.
struct Overlay<'a> {
    below: &'a [u8],
    above: BTreeMap<usize, u8>,
}

impl Overlay<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.above.get(&at).or(self.below.get(at)).copied().unwrap_or(0)
    }

    /// The bits of a field, in the low bits.
    fn get(&self, kind: Kind, offset: u64) -> u64 {
        let at = (offset / 8) as usize;
        let window = (0..9).fold(0u128, |window, i| window << 8 | u128::from(self.byte(at + i)));
        (window >> kind.shift(offset)) as u64 & kind.mask()
    }

    fn set(&mut self, kind: Kind, offset: u64, bits: u64) {
        let at = (offset / 8) as usize;
        let (field, mask) =
            (u128::from(bits) << kind.shift(offset), u128::from(kind.mask()) << kind.shift(offset));
        for i in 0..9 {
            let down = 8 * (8 - i);
            let (field, mask) = ((field >> down) as u8, (mask >> down) as u8);
            if mask != 0 {
                let byte = self.byte(at + i) & !mask | field;
                self.above.insert(at + i, byte);
            }
        }
    }
}

impl Kind {
    fn parse(text: &[u8]) -> Result<Kind, Error> {
        let refused = Error::text(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (signed, digits) = match text {
            [b'i', digits @ ..] => (true, digits),
            [b'u', digits @ ..] => (false, digits),
            _ => return Err(refused),
        };
        match parse_integer(digits) {
            Some(width @ 1..=64) if signed || width < 64 => Ok(Kind { signed, width: width as u32 }),
            _ => Err(refused),
        }
    }

    fn mask(self) -> u64 {
        u64::MAX >> (64 - self.width)
    }

    /// How far the field's lowest bit is from the end of the nine bytes that it begins in.
    fn shift(self, offset: u64) -> u32 {
        72 - (offset % 8) as u32 - self.width
    }

    /// The number that these bits stand for.
    fn value(self, bits: u64) -> i64 {
        let unused = 64 - self.width;
        if self.signed { (bits << unused) as i64 >> unused } else { bits as i64 }
    }

    /// A request's number as it is compared with the bounds: negative ones count as huge where there is no sign.
    fn whole(self, value: i64) -> i128 {
        if self.signed { i128::from(value) } else { i128::from(value as u64) }
    }

    /// The bits of a number; nothing where it does not fit and must not be made to.
    fn fit(self, number: i128, overflow: Overflow) -> Option<u64> {
        let (min, max) = match self.signed {
            true => (-(1i128 << (self.width - 1)), (1i128 << (self.width - 1)) - 1),
            false => (0, (1i128 << self.width) - 1),
        };
        let fitting = match overflow {
            _ if (min..=max).contains(&number) => number,
            Overflow::Wrap => number,
            Overflow::Saturate => number.clamp(min, max),
            Overflow::Fail => return None,
        };
        Some(fitting as u64 & self.mask())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields of all widths at all places, against one bit at a time.
    #[test]
    fn fields_are_where_they_should_be() {
        let bytes: Vec<u8> = (0..40u8).map(|i| i.wrapping_mul(151) ^ 0x5a).collect();
        let bit = |bytes: &[u8], at| super::super::bit_at(bytes, at);
        for width in 1..=64 {
            for offset in 0..80 {
                let kind = Kind { signed: false, width };
                let mut overlay = Overlay { below: &bytes, above: BTreeMap::new() };
                let field = overlay.get(kind, offset);
                let bits = (0..u64::from(width))
                    .fold(0u64, |bits, i| bits << 1 | u64::from(bit(&bytes, offset + i)));
                assert_eq!(field, bits, "{width} bits at {offset}");
                overlay.set(kind, offset, !field & kind.mask());
                let changed: Vec<u8> = (0..40).map(|at| overlay.byte(at)).collect();
                for at in 0..320 {
                    let inside = (offset..offset + u64::from(width)).contains(&at);
                    assert_eq!(
                        bit(&bytes, at) != bit(&changed, at),
                        inside,
                        "{width} bits at {offset}, bit {at}"
                    );
                }
            }
        }
    }
}
