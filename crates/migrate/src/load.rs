//! From an RDB file to a target, or nowhere to see what is in the file.
//!
//! For: one pass over the items. Leaves to others: reading ([`rdb`]), writing ([`Target`]).

use std::collections::BTreeMap;
use std::io::Read;

use crate::error::shown;
use crate::rdb::{self, Item, Key, Type};
use crate::{Error, Event, Observer, Progress, Target};

/// Items between two looks at how far it is.
const ITEMS_PER_LOOK: u64 = 64;

/// Which databases are moved, and to where.
#[derive(Debug, Clone, Default)]
pub struct Databases(Vec<(u32, u32)>);

impl Databases {
    /// These alone, each to another; without any, all to themselves.
    pub fn new(pairs: Vec<(u32, u32)>) -> Databases {
        Databases(pairs)
    }

    /// Whether all are moved to themselves.
    pub fn are_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a database goes; none if it is left out.
    pub fn to(&self, db: u32) -> Option<u32> {
        match self.are_all() {
            true => Some(db),
            false => self.0.iter().find(|(from, _)| *from == db).map(|(_, to)| *to),
        }
    }
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Keys of each database of the target.
    pub keys: BTreeMap<u32, u64>,
    /// Keys with an expiry.
    pub expiring: u64,
    /// Keys that came in parts.
    pub in_parts: u64,
    /// Keys of databases that were left out.
    pub left_out: u64,
    /// Libraries of functions.
    pub functions: u64,
    /// Whether the file had a checksum, which was right.
    pub checked: bool,
}

impl Loaded {
    /// Keys of all databases.
    pub fn keys_total(&self) -> u64 {
        self.keys.values().sum()
    }
}

/// Reads a file to its end, and writes what is in it.
///
/// # Errors
/// The file is damaged, or the target refuses.
pub fn load(
    reader: &mut rdb::Reader<impl Read>,
    mut target: Option<&mut Target>,
    databases: &Databases,
    progress: &mut Progress,
    observer: &mut dyn Observer,
) -> Result<Loaded, Error> {
    let mut loaded = Loaded::default();
    let before = progress.bytes;
    let mut items = 0u64;
    // Whether the value that has begun belongs to a database that is moved.
    let mut is_wanted = false;
    loop {
        let item = reader.next_item()?;
        progress.bytes = before + reader.offset();
        items += 1;
        if items.is_multiple_of(ITEMS_PER_LOOK) {
            observer.progress(progress);
        }
        match item {
            Item::Note { .. } => {}
            Item::Module(name) => {
                let what = format!("what the module type {name} kept beside its values is left out");
                observer.event(Event::Warning(what));
            }
            Item::Function(code) => {
                loaded.functions += 1;
                if let Some(target) = &mut target {
                    target.function(&code)?;
                }
            }
            Item::Empty(key) => {
                let what = format!(
                    "key {} has no elements, as faults of old versions left it: it is left out",
                    shown(&key.name)
                );
                observer.event(Event::Warning(what));
            }
            Item::Whole(key, payload) => {
                let Some(key) = wanted(key, databases, &mut loaded, progress) else { continue };
                if let Some(target) = &mut target {
                    target.restore(&key, &payload)?;
                }
            }
            Item::Begin(key, kind) => {
                let Some(key) = wanted(key, databases, &mut loaded, progress) else {
                    is_wanted = false;
                    continue;
                };
                is_wanted = true;
                loaded.in_parts += 1;
                if let Some(target) = &mut target {
                    begin(target, &key, kind)?;
                }
            }
            Item::Part(part) => {
                if let Some(target) = target.as_mut().filter(|_| is_wanted) {
                    target.part(&part)?;
                }
                observer.progress(progress);
            }
            Item::Complete => {
                if let Some(target) = target.as_mut().filter(|_| is_wanted) {
                    target.complete()?;
                }
            }
            Item::End { checked } => {
                loaded.checked = checked;
                break;
            }
        }
    }
    if let Some(target) = target {
        target.finish()?;
    }
    observer.progress(progress);
    Ok(loaded)
}

fn begin(target: &mut Target, key: &Key, kind: Type) -> Result<(), Error> {
    target.begin(key, kind).map_err(|error| match error {
        Error::Refused { who, request, text } => {
            Error::Refused { who, request: format!("{request} for {}", shown(&key.name)), text }
        }
        other => other,
    })
}

/// Counts a key; gives it as the target is to have it, if its database is moved.
fn wanted(mut key: Key, databases: &Databases, loaded: &mut Loaded, progress: &mut Progress) -> Option<Key> {
    let Some(db) = databases.to(key.db) else {
        loaded.left_out += 1;
        return None;
    };
    key.db = db;
    *loaded.keys.entry(db).or_default() += 1;
    loaded.expiring += u64::from(key.expires.is_some());
    progress.keys += 1;
    Some(key)
}
