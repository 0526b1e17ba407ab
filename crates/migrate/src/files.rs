//! An import from files: RDB, AOF, or both, and the comparison afterwards.
//!
//! For: the order of things. Leaves to others: reading, writing and comparing.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use crate::load::{Databases, Loaded, load};
use crate::rdb::Reader;
use crate::{Comparison, Error, Event, Observer, OnConflict, Progress, Stage, Target, aof, compare_file};

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What the RDB parts held.
    pub loaded: Loaded,
    /// Commands of the AOF parts.
    pub commands: u64,
    /// Keys that were left as they were.
    pub skipped: u64,
    /// What the comparison found, if there was one.
    pub comparison: Option<Comparison>,
}

/// Reads the files of a path, writes what is in them to a target if there is one, and compares then if that is wanted.
///
/// # Errors
/// A file is damaged, the target refuses something, or holds something else in the end.
pub fn import_files(
    path: &Path,
    mut target: Option<Target>,
    databases: &Databases,
    verify: bool,
    observer: &mut dyn Observer,
) -> Result<Report, Error> {
    let files = aof::find(path)?;
    let mut report = Report::default();
    let mut progress = Progress { bytes_total: Some(total_bytes(&files.parts)?), ..Progress::default() };
    let was_empty = match &mut target {
        Some(target) => target.connection()?.databases()?.is_empty(),
        None => true,
    };
    for path in &files.parts {
        let mut read = || -> Result<(), Error> {
            let file = open(path)?;
            let before = progress.bytes;
            if aof::begins_with_rdb(path)? {
                let mut reader = Reader::new(file)?;
                let loaded = load(&mut reader, target.as_mut(), databases, &mut progress, observer)?;
                add(&mut report.loaded, loaded);
                if reader.is_at_end()? {
                    return Ok(());
                }
                let offset = reader.offset();
                let (file, ahead) = reader.into_parts();
                may_replay(target.as_ref(), was_empty)?;
                let mut commands = aof::Commands::new(Cursor::new(ahead).chain(file), offset);
                report.commands +=
                    aof::replay(&mut commands, target.as_mut(), databases, &mut progress, observer)?;
            } else {
                may_replay(target.as_ref(), was_empty)?;
                let mut commands = aof::Commands::new(file, 0);
                report.commands +=
                    aof::replay(&mut commands, target.as_mut(), databases, &mut progress, observer)?;
            }
            progress.bytes = progress.bytes.max(before);
            Ok(())
        };
        read().map_err(|error| named(error, path))?;
    }
    if let Some(target) = &mut target {
        target.finish()?;
        report.skipped = target.skipped();
        if verify {
            report.comparison = compare(&files.parts, target, databases, &report, observer)?;
        }
    }
    Ok(report)
}

/// A log of commands means what it says only on top of what it was written on.
fn may_replay(target: Option<&Target>, was_empty: bool) -> Result<(), Error> {
    match target.map(Target::on_conflict) {
        Some(OnConflict::Error) if !was_empty => Err(Error::NotEmpty(
            "the target has keys already, and an append-only file is a log of commands, not of keys; --on-conflict \
             replace lets them run on top of what is there"
                .into(),
        )),
        Some(OnConflict::Skip) => Err(Error::Usage(
            "an append-only file is a log of commands: there is no key of it that could be skipped".into(),
        )),
        _ => Ok(()),
    }
}

fn compare(
    parts: &[PathBuf],
    target: &mut Target,
    databases: &Databases,
    report: &Report,
    observer: &mut dyn Observer,
) -> Result<Option<Comparison>, Error> {
    if report.commands > 0 {
        let what =
            "every command was acknowledged; what they have made of the keys is in no file to compare with";
        observer.event(Event::Note(what.into()));
        return Ok(None);
    }
    let mut progress =
        Progress { stage: Stage::Compare, bytes_total: Some(total_bytes(parts)?), ..Progress::default() };
    let mut all = Comparison::default();
    for path in parts {
        let mut compare = || {
            let mut reader = Reader::new(open(path)?)?;
            compare_file(&mut reader, target.connection()?, databases, &mut progress, observer)
        };
        let found = compare().map_err(|error| named(error, path))?;
        all.keys += found.keys;
        all.same += found.same;
        all.expired += found.expired;
        all.different += found.different;
        all.named.extend(found.named);
    }
    if all.different > report.skipped {
        let first = all.named.first().map(|named| format!(", such as {named}")).unwrap_or_default();
        let what = format!("{} of {} keys differ from the file{first}", all.different, all.keys);
        return Err(Error::Differs(what));
    }
    Ok(Some(all))
}

fn add(sum: &mut Loaded, more: Loaded) {
    for (db, keys) in more.keys {
        *sum.keys.entry(db).or_default() += keys;
    }
    sum.expiring += more.expiring;
    sum.in_parts += more.in_parts;
    sum.left_out += more.left_out;
    sum.functions += more.functions;
    sum.checked |= more.checked;
}

fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(Error::io("opening it"))
}

fn total_bytes(parts: &[PathBuf]) -> Result<u64, Error> {
    parts.iter().try_fold(0, |sum, path| {
        let meta = std::fs::metadata(path).map_err(Error::io(path.display().to_string()))?;
        Ok(sum + meta.len())
    })
}

/// An error of reading says in which file it was.
fn named(error: Error, path: &Path) -> Error {
    let path = path.display();
    match error {
        Error::Damaged { offset, what } => Error::Damaged { offset, what: format!("{what}, in {path}") },
        Error::Unsupported { offset, what } => {
            Error::Unsupported { offset, what: format!("{what}, in {path},") }
        }
        Error::Io { what, source } if !what.contains(" from ") && !what.contains(" to ") => {
            Error::Io { what: format!("{path}: {what}"), source }
        }
        other => other,
    }
}
