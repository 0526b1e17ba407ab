//! Expiry times in arguments.
//!
//! For: turning a relative or absolute time into an absolute one, with Redis' overflow errors.
//! Leaves to others: storing it, and what a time in the past means to the command.

use quorate_keyspace::Millis;

use crate::Error;
use crate::args::parse_integer;

/// What an expiry argument counts, and from when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Seconds; otherwise milliseconds.
    pub(crate) seconds: bool,
    /// Since the Unix epoch; otherwise from now on.
    pub(crate) absolute: bool,
}

impl Unit {
    /// `EX`
    pub(crate) const EX: Unit = Unit { seconds: true, absolute: false };
    /// `PX`
    pub(crate) const PX: Unit = Unit { seconds: false, absolute: false };
    /// `EXAT`
    pub(crate) const EXAT: Unit = Unit { seconds: true, absolute: true };
    /// `PXAT`
    pub(crate) const PXAT: Unit = Unit { seconds: false, absolute: true };

    /// The unit that an option's word names.
    pub(crate) fn from_option(word: &[u8]) -> Option<Unit> {
        [("EX", Unit::EX), ("PX", Unit::PX), ("EXAT", Unit::EXAT), ("PXAT", Unit::PXAT)]
            .into_iter()
            .find_map(|(name, unit)| word.eq_ignore_ascii_case(name.as_bytes()).then_some(unit))
    }
}

/// Reads a time that must be positive, as in `SET … EX`; `command` is named in the error.
pub(crate) fn absolute(time: &[u8], unit: Unit, now: Millis, command: &'static str) -> Result<Millis, Error> {
    let time = parse_integer(time).ok_or(Error::NotInteger)?;
    let invalid = || Error::InvalidExpire(command);
    if time <= 0 {
        return Err(invalid());
    }
    let millis = if unit.seconds { time.checked_mul(1000) } else { Some(time) };
    let millis = if unit.absolute { millis } else { millis.and_then(|millis| millis.checked_add(now.0)) };
    millis.map(Millis).ok_or_else(invalid)
}
