//! Registers as runs, for sketches of few elements.
//!
//! ```text
//! 00llllll            zeros, 1 to 64
//! 01llllll llllllll   zeros, 1 to 16384
//! 1vvvvvll            values of 1 to 32, one to four of them
//! ```
//!
//! Lengths and values are stored less one. The bytes that a sketch has are Redis' own, so runs are divided and
//! joined just as Redis does it.

use super::estimate::REGISTERS;
use super::sketch::{HEADER_BYTES, corrupted};
use crate::Error;

/// All registers zero.
pub(super) const EMPTY: [u8; 2] = [0x7f, 0xff];
/// The largest value that a run can have.
const VALUE_MAX: u8 = 32;
const VALUES_MAX: usize = 4;
const SHORT_ZEROS_MAX: usize = 64;
/// How many runs are looked at for neighbours that can be joined.
const JOINED_RUNS_MAX: usize = 5;

/// What became of a register.
pub(super) enum Raised {
    /// It was as high already.
    No,
    Yes,
    /// It would be, in a dense sketch: nothing was done.
    TooLong,
}

/// One run.
#[derive(Clone, Copy)]
struct Run {
    /// Bytes that it takes.
    bytes: usize,
    length: usize,
    /// 0 for zeros.
    value: u8,
}

/// The run at a place, which must be there. A last byte that is missing reads as zero, as it does in Redis.
fn run_at(bytes: &[u8], at: usize) -> Run {
    let first = bytes[at];
    let low = usize::from(first & 0x3f);
    match first >> 6 {
        0 => Run { bytes: 1, length: low + 1, value: 0 },
        1 => {
            let second = usize::from(bytes.get(at + 1).copied().unwrap_or(0));
            Run { bytes: 2, length: (low << 8 | second) + 1, value: 0 }
        }
        _ => Run { bytes: 1, length: usize::from(first & 3) + 1, value: (first >> 2 & 0x1f) + 1 },
    }
}

fn values(value: u8, length: usize) -> u8 {
    0x80 | (value - 1) << 2 | (length - 1) as u8
}

fn push_run(out: &mut Vec<u8>, value: u8, length: usize) {
    match length {
        0 => {}
        _ if value > 0 => out.push(values(value, length)),
        1..=SHORT_ZEROS_MAX => out.push((length - 1) as u8),
        _ => out.extend_from_slice(&(0x4000 | (length - 1) as u16).to_be_bytes()),
    }
}

/// Visits the runs in order; an error if they are not as many registers as there are.
pub(super) fn runs(body: &[u8], mut visit: impl FnMut(usize, u8)) -> Result<(), Error> {
    let (mut at, mut covered) = (0, 0);
    while at < body.len() {
        let run = run_at(body, at);
        covered += run.length;
        if covered > REGISTERS {
            return Err(corrupted());
        }
        visit(run.length, run.value);
        at += run.bytes;
    }
    if covered == REGISTERS { Ok(()) } else { Err(corrupted()) }
}

/// Raises a register of a sketch, whose header counts for its length.
pub(super) fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    value: u8,
    sparse_bytes_max: usize,
) -> Result<Raised, Error> {
    if value > VALUE_MAX {
        return Ok(Raised::TooLong);
    }
    let (mut at, mut first) = (HEADER_BYTES, 0);
    let mut before = None;
    let run = loop {
        if at >= bytes.len() {
            return Err(corrupted());
        }
        let run = run_at(bytes, at);
        if index < first + run.length {
            break run;
        }
        before = Some(at);
        at += run.bytes;
        first += run.length;
    };
    if run.value >= value {
        return Ok(Raised::No);
    }
    let mut divided = Vec::with_capacity(5);
    push_run(&mut divided, run.value, index - first);
    push_run(&mut divided, value, 1);
    push_run(&mut divided, run.value, first + run.length - 1 - index);
    let end = (at + run.bytes).min(bytes.len());
    if divided.len() > run.bytes && bytes.len() + divided.len() - run.bytes > sparse_bytes_max {
        return Ok(Raised::TooLong);
    }
    bytes.splice(at..end, divided);
    join(bytes, before.unwrap_or(HEADER_BYTES));
    Ok(Raised::Yes)
}

/// Joins neighbouring runs of one value, from a run on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED_RUNS_MAX {
        if at >= bytes.len() {
            return;
        }
        let run = run_at(bytes, at);
        if run.value > 0 && at + 1 < bytes.len() {
            let next = run_at(bytes, at + 1);
            if next.value == run.value && run.length + next.length <= VALUES_MAX {
                bytes[at + 1] = values(run.value, run.length + next.length);
                bytes.remove(at);
                // The longer run may be joined with the next one, too.
                continue;
            }
        }
        at += run.bytes;
    }
}

/// The runs as text: `z` and `Z` for zeros with their length, `v` for a value and how many there are.
pub(super) fn describe(body: &[u8]) -> String {
    let mut words = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let run = run_at(body, at);
        words.push(match run {
            Run { value: 0, bytes: 1, length } => format!("z:{length}"),
            Run { value: 0, length, .. } => format!("Z:{length}"),
            Run { value, length, .. } => format!("v:{value},{length}"),
        });
        at += run.bytes;
    }
    words.join(" ")
}
