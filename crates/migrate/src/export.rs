//! A node's data as an RDB file.
//!
//! For: asking as a replica does, and keeping the copy. Leaves to others: making it (the node).
//! Invariant: the file has its name only once it is whole, checked and on disk.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use crate::live::{Copy, copy_of};
use crate::rdb::{Item, Reader};
use crate::{Address, Error, Observer, Progress, Stage};

/// How much is read at once.
const READ_BYTES: usize = 256 * 1024;

/// What was exported.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exported {
    /// Keys.
    pub keys: u64,
    /// Libraries of functions.
    pub functions: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Takes a copy of all that a server holds, as of one moment. A file that is there is replaced.
///
/// # Errors
/// The server is not reached or refuses, the copy is damaged, or the file cannot be written.
pub fn export(source: &Address, path: &Path, observer: &mut dyn Observer) -> Result<Exported, Error> {
    let shown = path.display();
    let name = path.file_name().ok_or_else(|| Error::Usage(format!("{shown} is not the name of a file")))?;
    let mut partial = name.to_owned();
    partial.push(".partial");
    let partial = path.with_file_name(partial);
    let result = take(source, &partial, observer).and_then(|exported| {
        fs::rename(&partial, path).map_err(Error::io(format!("naming {shown}")))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(Error::io(format!("syncing the folder of {shown}")))?;
        Ok(exported)
    });
    if result.is_err() {
        // What is left of it is of no use to anybody.
        let _removed = fs::remove_file(&partial);
    }
    result
}

fn take(source: &Address, path: &Path, observer: &mut dyn Observer) -> Result<Exported, Error> {
    let mut copy = copy_of(source)?;
    let writing = || Error::io(format!("writing {}", path.display()));
    let mut file = File::create(path).map_err(writing())?;
    let mut progress = Progress { bytes_total: copy.bytes_total(), ..Progress::default() };
    while let Some(bytes) = copy.next_bytes(READ_BYTES)? {
        file.write_all(&bytes).map_err(writing())?;
        progress.bytes += bytes.len() as u64;
        observer.progress(&progress);
    }
    file.sync_all().map_err(writing())?;
    drop(copy);
    check(path, progress.bytes, observer)
}

/// Reads the file that was written to its end.
fn check(path: &Path, bytes: u64, observer: &mut dyn Observer) -> Result<Exported, Error> {
    let file = File::open(path).map_err(Error::io(format!("reading {}", path.display())))?;
    let mut reader = Reader::new(file)?;
    let mut exported = Exported { bytes, ..Exported::default() };
    let mut progress = Progress { stage: Stage::Compare, bytes_total: Some(bytes), ..Progress::default() };
    loop {
        match reader.next_item()? {
            Item::Whole(..) | Item::Begin(..) => exported.keys += 1,
            Item::Function(_) => exported.functions += 1,
            Item::End { .. } => break,
            _ => {}
        }
        (progress.keys, progress.bytes) = (exported.keys, reader.offset());
        observer.progress(&progress);
    }
    if !reader.is_at_end()? {
        let what = "bytes stand behind the end of the copy".into();
        return Err(Error::Damaged { offset: reader.offset(), what });
    }
    Ok(exported)
}

impl Copy {
    /// The next bytes of the copy; none at its end.
    fn next_bytes(&mut self, max: usize) -> Result<Option<Vec<u8>>, Error> {
        loop {
            if let Some(bytes) = self.take_known(max) {
                return Ok((!bytes.is_empty()).then_some(bytes));
            }
            let mut buffer = vec![0; max];
            match self.stream().read(&mut buffer) {
                Ok(0) => return Err(self.broke(ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.received(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broke(error)),
            }
        }
    }
}
