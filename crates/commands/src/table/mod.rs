//! The one command table: a row per command of Redis 7.2, by group.
//!
//! For: finding a request's row. Leaves to others: what the rows point at.
//! Invariants: names are unique; every command of Redis 7.2 has a row, so that what is missing in Quorate is
//! told apart from what does not exist. The index is built at compile time and is a perfect match to the rows.

mod acl;
mod bitmaps;
mod cluster;
mod connection;
mod diagnosis;
mod geo;
mod hashes;
mod hyperloglog;
mod introspection;
mod keys;
mod lists;
mod pubsub;
mod scripting;
mod server;
mod sets;
mod sorted_sets;
mod streams;
mod strings;
mod transactions;

use crate::{Args, Command, Error};

/// The rows, by group. A command's place is (group, row).
static GROUPS: &[&[Command]] = &[
    acl::COMMANDS,
    bitmaps::COMMANDS,
    cluster::COMMANDS,
    connection::COMMANDS,
    diagnosis::COMMANDS,
    geo::COMMANDS,
    hashes::COMMANDS,
    hyperloglog::COMMANDS,
    introspection::COMMANDS,
    keys::COMMANDS,
    lists::COMMANDS,
    pubsub::COMMANDS,
    scripting::COMMANDS,
    server::COMMANDS,
    sets::COMMANDS,
    sorted_sets::COMMANDS,
    streams::COMMANDS,
    strings::COMMANDS,
    transactions::COMMANDS,
];

/// Slots of the index; a power of two, at least twice the number of commands.
const SLOTS: usize = 1024;
const EMPTY: (u8, u8) = (u8::MAX, u8::MAX);
/// Open addressing by [`hash`], linear probing.
static INDEX: [(u8, u8); SLOTS] = build_index();

/// All top-level commands, in the table's order.
pub fn commands() -> impl Iterator<Item = &'static Command> {
    GROUPS.iter().flat_map(|group| group.iter())
}

/// The top-level command of that name, in any case.
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static Command> {
    let mut slot = hash(name);
    loop {
        let (group, row) = INDEX[slot];
        if (group, row) == EMPTY {
            return None;
        }
        let command = &GROUPS[usize::from(group)][usize::from(row)];
        if command.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some(command);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// A request's command or subcommand, whether or not Quorate runs it.
pub(crate) fn find(args: Args<'_>) -> Option<&'static Command> {
    let container = lookup(&args[0])?;
    match args.get(1) {
        Some(sub) if !container.subcommands.is_empty() => container.subcommand(sub),
        _ => Some(container),
    }
}

/// Finds a request's command or subcommand and checks its arity; Redis' errors for what it does not find.
///
/// What Redis has and Quorate has not yet is an error as well.
pub fn resolve(args: Args<'_>) -> Result<&'static Command, Error> {
    let container = lookup(&args[0]).ok_or_else(|| unknown_command(args))?;
    let command = match args.get(1) {
        Some(sub) if !container.subcommands.is_empty() => {
            container.subcommand(sub).ok_or_else(|| unknown_subcommand(args))?
        }
        _ => container,
    };
    if !command.arity_fits(args.len()) {
        return Err(Error::WrongArity(command.full_name().into()));
    }
    if !command.is_supported() {
        return Err(Error::Unsupported(command.full_name()));
    }
    Ok(command)
}

/// Redis quotes at most this many bytes of what it does not know.
const QUOTED_BYTES_MAX: usize = 128;

fn unknown_command(args: Args<'_>) -> Error {
    let mut quoted = Vec::new();
    for arg in args.from(1) {
        if quoted.len() >= QUOTED_BYTES_MAX {
            break;
        }
        let room = QUOTED_BYTES_MAX - quoted.len();
        quoted.push(b'\'');
        quoted.extend_from_slice(printed(arg, room));
        quoted.extend_from_slice(b"' ");
    }
    Error::UnknownCommand { name: one_line(printed(&args[0], QUOTED_BYTES_MAX)), args: one_line(&quoted) }
}

fn unknown_subcommand(args: Args<'_>) -> Error {
    let sub = one_line(printed(&args[1], QUOTED_BYTES_MAX));
    Error::UnknownSubcommand { sub, container: one_line(&args[0].to_ascii_uppercase()) }
}

/// What C's `%.*s` prints: up to `max` bytes, ending at a NUL.
fn printed(bytes: &[u8], max: usize) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(max)];
    &bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())]
}

/// Error replies are one line of text.
fn one_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace(['\r', '\n'], " ")
}

/// FNV-1a of the name in lower case, folded to a slot.
const fn hash(name: &[u8]) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    let mut i = 0;
    while i < name.len() {
        hash = (hash ^ name[i].to_ascii_lowercase() as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    (hash ^ hash >> 16) as usize % SLOTS
}

const fn build_index() -> [(u8, u8); SLOTS] {
    let mut index = [EMPTY; SLOTS];
    let mut group = 0;
    while group < GROUPS.len() {
        let mut row = 0;
        assert!(GROUPS[group].len() < u8::MAX as usize, "a row's place is one byte");
        while row < GROUPS[group].len() {
            let mut slot = hash(GROUPS[group][row].name.as_bytes());
            while index[slot].0 != u8::MAX {
                slot = (slot + 1) % SLOTS;
            }
            index[slot] = (group as u8, row as u8);
            row += 1;
        }
        group += 1;
    }
    index
}
