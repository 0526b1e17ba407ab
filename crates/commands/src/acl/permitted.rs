//! Which commands are permitted: a bit for each row of the table, subcommands included.
//!
//! Leaves to others: what rules make of it (`selector`). Invariant: places are this program's own; what is stored or
//! sent are rules, never bits.

use std::sync::LazyLock;

use crate::Command;
use crate::table::commands;

/// Words of bits; room for twice the commands that there are.
const WORDS: usize = 16;

/// A set of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CommandSet([u64; WORDS]);

/// The rows by address, and the place of each.
static PLACES: LazyLock<Vec<(usize, usize)>> = LazyLock::new(|| {
    let mut places: Vec<(usize, usize)> = rows().map(address).zip(0..).collect();
    places.sort_unstable();
    assert!(places.len() <= WORDS * 64, "there is a bit for every command");
    places
});

/// All commands and subcommands.
pub(super) fn rows() -> impl Iterator<Item = &'static Command> {
    commands().flat_map(|command| std::iter::once(command).chain(command.subcommands))
}

/// The place of a row; nothing of a copy of one.
pub(super) fn place(command: &Command) -> Option<usize> {
    let at = PLACES.binary_search_by_key(&address(command), |(address, _)| *address).ok()?;
    Some(PLACES[at].1)
}

fn address(command: &Command) -> usize {
    std::ptr::from_ref(command).addr()
}

impl CommandSet {
    pub(super) const NONE: CommandSet = CommandSet([0; WORDS]);
    pub(super) const ALL: CommandSet = CommandSet([u64::MAX; WORDS]);

    pub(super) fn has(&self, place: usize) -> bool {
        self.0[place / 64] & 1 << (place % 64) != 0
    }

    /// Adds a command with its subcommands, or takes it out.
    pub(super) fn set(&mut self, command: &'static Command, permitted: bool) {
        for row in std::iter::once(command).chain(command.subcommands) {
            let place = place(row).expect("it is a row of the table");
            let bit = 1 << (place % 64);
            if permitted {
                self.0[place / 64] |= bit;
            } else {
                self.0[place / 64] &= !bit;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup;

    #[test]
    fn every_row_has_a_bit_of_its_own() {
        let places: std::collections::BTreeSet<_> = rows().map(|row| place(row).expect("a row")).collect();
        assert_eq!(places.len(), rows().count());
        let copy = *lookup(b"get").expect("a row");
        assert_eq!(place(&copy), None);
        let mut set = CommandSet::NONE;
        set.set(lookup(b"config").expect("a row"), true);
        let has = |set: &CommandSet, command: &Command| set.has(place(command).expect("a row"));
        let config = lookup(b"config").expect("a row");
        assert!(has(&set, config) && config.subcommands.iter().all(|sub| has(&set, sub)));
        assert!(!has(&set, lookup(b"get").expect("a row")));
    }
}
