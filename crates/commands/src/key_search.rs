//! Where the keys of a request are.
//!
//! For: ACLs, tracking, `COMMAND GETKEYS`: following a row's key specifications through the arguments.
//! Leaves to others: keys that only the command itself can tell (`BeginSearch::Unknown`): its row says who finds them.
//! Invariant: every returned position is an argument of the request.

use quorate_resp::parse_i64;
use smallvec::SmallVec;

use crate::Args;
use crate::command::{BeginSearch, Command, FindKeys, KeyFlag, KeyFlags, KeySpec};

/// A key of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPosition {
    /// Which argument it is.
    pub index: usize,
    /// What the command does with it.
    pub flags: KeyFlags,
}

/// The keys of a request; usually few.
pub type KeyPositions = SmallVec<[KeyPosition; 4]>;

/// The keys of a request, in the order of the key specifications; nothing if the arguments make no sense.
pub fn keys(command: &Command, args: Args<'_>) -> Option<KeyPositions> {
    search(command, args).ok()
}

/// As [`keys`]; of a request whose arguments make no sense, or that has no key, those that there are.
pub(crate) fn all_keys(command: &Command, args: Args<'_>) -> KeyPositions {
    search(command, args).unwrap_or_else(|found| found)
}

/// # Errors
/// The arguments make no sense for all specifications: what the others find.
fn search(command: &Command, args: Args<'_>) -> Result<KeyPositions, KeyPositions> {
    let mut found = KeyPositions::new();
    let mut makes_sense = true;
    for spec in command.keys.iter().filter(|spec| !spec.flags.has(KeyFlag::NotKey)) {
        let Some(begin) = begin(spec, args) else { continue };
        if begin >= args.len() && matches!(spec.begin, BeginSearch::Keyword(..)) {
            // A keyword at the very end introduces nothing.
            continue;
        }
        let flags = command.narrow_key_flags.map_or(spec.flags, |narrow| narrow(args));
        match range(spec, begin, args) {
            Some((first, last, step)) if last < args.len() && last >= first => {
                let places = (first..=last).step_by(step.max(1));
                found.extend(places.map(|index| KeyPosition { index, flags }));
            }
            _ => makes_sense = false,
        }
    }
    found.extend(command.own_key.and_then(|find| find(args)));
    if makes_sense { Ok(found) } else { Err(found) }
}

/// Where the search begins; nothing if a keyword is not there or only the command knows.
fn begin(spec: &KeySpec, args: Args<'_>) -> Option<usize> {
    match spec.begin {
        BeginSearch::Index(index) => Some(index),
        BeginSearch::Keyword(word, from) if from >= 0 => {
            (from as usize..args.len()).find(|i| args.is(*i, word)).map(|at| at + 1)
        }
        BeginSearch::Keyword(word, from) => {
            let start = args.len().checked_sub(from.unsigned_abs() as usize)?;
            (1..=start).rev().find(|i| args.is(*i, word)).map(|at| at + 1)
        }
        BeginSearch::Unknown => None,
    }
}

/// First and last key and their distance.
fn range(spec: &KeySpec, begin: usize, args: Args<'_>) -> Option<(usize, usize, usize)> {
    match spec.find {
        FindKeys::Range { last, step, .. } if last >= 0 => Some((begin, begin + last as usize, step)),
        FindKeys::Range { last, step, limit } if limit <= 1 => {
            Some((begin, args.len().checked_sub(last.unsigned_abs() as usize)?, step))
        }
        FindKeys::Range { step, limit, .. } => {
            let share = args.len().checked_sub(begin)? / limit;
            Some((begin, (begin + share).checked_sub(1)?, step))
        }
        FindKeys::KeyNum { count, first, step } => {
            let count = usize::try_from(parse_i64(args.get(begin + count)?)?).ok()?;
            let first = begin + first;
            let distance = count.checked_sub(1)?.checked_mul(step)?;
            Some((first, first.checked_add(distance)?, step))
        }
        FindKeys::Unknown => None,
    }
}
