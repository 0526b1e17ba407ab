//! Append-only files: one file, with an RDB preamble or without, or a folder of parts and their manifest.
//!
//! ```text
//! file     := [ rdb ] ( "#" note CRLF | "*" count CRLF ( "$" len CRLF bytes CRLF )* )*
//! manifest := ( "file" name "seq" number "type" ( "b" | "h" | "i" ) LF )*      base, history, increments in order
//! ```
//!
//! For: finding the parts, and reading commands. Leaves to others: the preamble ([`crate::rdb`]), the target.
//! Invariant: a file that ends in the middle of a command or a transaction has lost its tail, as Redis loses it in a
//! crash; what stands before is whole.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::error::shown;
use crate::load::Databases;
use crate::{Error, Event, Observer, Progress, Target};

/// Longest argument, and most arguments of a command.
const ARG_BYTES_MAX: u64 = 1 << 30;
const ARGS_MAX: u64 = 1 << 24;
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// What a path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// In the order in which they are read.
    pub parts: Vec<PathBuf>,
}

/// Finds the files of a path: the file itself; of a folder its manifest's parts, or else its AOF, or else its dump.
///
/// # Errors
/// There is nothing, or the manifest is damaged.
pub fn find(path: &Path) -> Result<Files, Error> {
    let is_manifest = |path: &Path| path.extension().is_some_and(|ending| ending == "manifest");
    if !path.is_dir() {
        return if is_manifest(path) { manifest(path) } else { Ok(Files { parts: vec![path.to_owned()] }) };
    }
    for folder in [path.to_owned(), path.join("appendonlydir")] {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let mut found: Vec<_> =
            entries.flatten().map(|entry| entry.path()).filter(|p| is_manifest(p)).collect();
        found.sort();
        match found.as_slice() {
            [] => {}
            [one] => return manifest(one),
            _ => return Err(Error::Usage(format!("{} has several manifests; name one", folder.display()))),
        }
    }
    let known = ["appendonly.aof", "dump.rdb"].map(|name| path.join(name));
    match known.into_iter().find(|file| file.is_file()) {
        Some(file) => Ok(Files { parts: vec![file] }),
        None => Err(Error::Usage(format!("{} has no manifest, appendonly.aof or dump.rdb", path.display()))),
    }
}

fn manifest(path: &Path) -> Result<Files, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path.display().to_string()))?;
    let mut parts = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let damaged =
            || Error::Damaged { offset, what: format!("{}: a line is not understood", path.display()) };
        let trimmed = line.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            let rest = trimmed.strip_prefix("file ").ok_or_else(damaged)?;
            let (name, rest) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once("\" ").filter(|(name, _)| !name.contains('\\')),
                None => rest.split_once(' '),
            }
            .ok_or_else(damaged)?;
            let kind = rest.split_whitespace().skip_while(|word| *word != "type").nth(1);
            // A name with folders could lead anywhere.
            if name.contains('/') {
                return Err(damaged());
            }
            match kind {
                Some("b" | "i") => parts.push(path.with_file_name(name)),
                Some("h") => {}
                _ => return Err(damaged()),
            }
        }
        offset += line.len() as u64;
    }
    Ok(Files { parts })
}

/// Whether a file begins as an RDB file does.
///
/// # Errors
/// It cannot be read.
pub fn begins_with_rdb(path: &Path) -> Result<bool, Error> {
    let mut file = File::open(path).map_err(Error::io(path.display().to_string()))?;
    let mut head = Vec::new();
    file.by_ref().take(6).read_to_end(&mut head).map_err(Error::io(path.display().to_string()))?;
    Ok(head.starts_with(b"REDIS") || head == b"VALKEY")
}

/// Commands of a file, from an offset on.
pub struct Commands<R> {
    input: BufReader<R>,
    offset: u64,
}

/// The next command, or why there is none.
enum Next {
    Command(Vec<Vec<u8>>),
    End,
    /// It ends in the middle of a command.
    Cut,
}

impl<R: Read> Commands<R> {
    /// Reads on from an offset.
    pub fn new(source: R, offset: u64) -> Commands<R> {
        Commands { input: BufReader::with_capacity(64 * 1024, source), offset }
    }

    fn damaged(&self, what: impl Into<String>) -> Error {
        Error::Damaged { offset: self.offset, what: what.into() }
    }

    /// A line without its end; none where it is not whole.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut line = Vec::new();
        let read = self.input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        read.map_err(Error::io(format!("reading byte {}", self.offset)))?;
        if line.last() != Some(&b'\n') {
            let is_long = line.len() as u64 == LINE_BYTES_MAX;
            return if is_long { Err(self.damaged("a line does not end")) } else { Ok(None) };
        }
        self.offset += line.len() as u64;
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    fn number(&self, line: &[u8], mark: u8, max: u64) -> Result<u64, Error> {
        let digits = line.strip_prefix(&[mark]).and_then(|digits| std::str::from_utf8(digits).ok());
        let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| *number <= max);
        number.ok_or_else(|| {
            self.damaged(format!(
                "{} stands where a number behind '{}' is expected",
                shown(line),
                char::from(mark)
            ))
        })
    }

    fn next(&mut self) -> Result<Next, Error> {
        let line = loop {
            if self.input.fill_buf().map_err(Error::io("reading"))?.is_empty() {
                return Ok(Next::End);
            }
            match self.line()? {
                None => return Ok(Next::Cut),
                Some(line) if line.first() == Some(&b'#') => {}
                Some(line) => break line,
            }
        };
        let count = self.number(&line, b'*', ARGS_MAX)?;
        let mut args = Vec::new();
        for _ in 0..count {
            let Some(line) = self.line()? else { return Ok(Next::Cut) };
            let len = self.number(&line, b'$', ARG_BYTES_MAX)?;
            let mut arg = Vec::new();
            let read = self.input.by_ref().take(len + 2).read_to_end(&mut arg);
            let read = read.map_err(Error::io(format!("reading byte {}", self.offset)))? as u64;
            if read < len + 2 {
                return Ok(Next::Cut);
            }
            self.offset += read;
            if !arg.ends_with(b"\r\n") {
                return Err(self.damaged("an argument is longer than it says"));
            }
            arg.truncate(arg.len() - 2);
            args.push(arg);
        }
        if args.is_empty() { Err(self.damaged("a command has no name")) } else { Ok(Next::Command(args)) }
    }
}

/// A command of a transaction, and its database if that is moved.
type Queued = (Option<u32>, Vec<Vec<u8>>);

/// Sends the commands of a file to a target, in their order; gives how many.
///
/// # Errors
/// The file is damaged before its end, or the target refuses a command.
pub fn replay(
    commands: &mut Commands<impl Read>,
    mut target: Option<&mut Target>,
    databases: &Databases,
    progress: &mut Progress,
    observer: &mut dyn Observer,
) -> Result<u64, Error> {
    let (before, start) = (progress.bytes, commands.offset);
    let mut count = 0;
    let mut db = databases.to(0);
    // A transaction is sent once it is whole.
    let mut transaction: Option<Vec<Queued>> = None;
    let is_cut = loop {
        let args = match commands.next()? {
            Next::Command(args) => args,
            Next::End => break transaction.is_some(),
            Next::Cut => break true,
        };
        progress.bytes = before + commands.offset - start;
        let is = |name: &str| args[0].eq_ignore_ascii_case(name.as_bytes());
        if is("SELECT") {
            let number = args.get(1).and_then(|db| std::str::from_utf8(db).ok()?.parse().ok());
            db = databases.to(number.ok_or_else(|| commands.damaged("a SELECT without a database"))?);
        } else if is("MULTI") {
            transaction = Some(Vec::new());
        } else if is("EXEC") {
            let parts = transaction.take().ok_or_else(|| commands.damaged("an EXEC without a MULTI"))?;
            count += parts.len() as u64;
            if let Some(target) = &mut target {
                send_transaction(target, &parts)?;
            }
        } else if let Some(parts) = &mut transaction {
            parts.push((db, args));
        } else if let Some(db) = db {
            count += 1;
            if let Some(target) = &mut target {
                target.select(db)?;
                let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
                target.command(&args)?;
            }
        }
        progress.commands = count;
        if count.is_multiple_of(64) {
            observer.progress(progress);
        }
    };
    if is_cut {
        let what = format!(
            "byte {}: the file ends in the middle of a command or a transaction, as after a crash; what stands before is \
             imported",
            commands.offset
        );
        observer.event(Event::Warning(what));
    }
    if let Some(target) = target {
        target.finish()?;
    }
    Ok(count)
}

fn send_transaction(target: &mut Target, parts: &[Queued]) -> Result<(), Error> {
    let Some(first) = parts.iter().find_map(|(db, _)| *db) else { return Ok(()) };
    target.select(first)?;
    target.command(&[b"MULTI"])?;
    for (db, args) in parts {
        let Some(db) = db else { continue };
        target.select(*db)?;
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        target.command(&args)?;
    }
    target.command(&[b"EXEC"])
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Quiet(Vec<Event>);

    impl Observer for Quiet {
        fn progress(&mut self, _: &Progress) {}
        fn event(&mut self, event: Event) {
            self.0.push(event);
        }
    }

    fn read(bytes: &[u8]) -> (Result<u64, Error>, usize) {
        let mut quiet = Quiet(Vec::new());
        let (mut commands, mut progress) = (Commands::new(bytes, 0), Progress::default());
        let count = replay(&mut commands, None, &Databases::default(), &mut progress, &mut quiet);
        (count, quiet.0.len())
    }

    #[test]
    fn commands_are_counted_and_tails_are_told_of() {
        let file = b"#TS:1\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n\
            *1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n*1\r\n$4\r\nEXEC\r\n";
        assert!(matches!(read(file), (Ok(2), 0)));
        for cut in 1..file.len() {
            let (result, told) = read(&file[..cut]);
            assert!(result.is_ok_and(|count| count < 2) && told <= 1, "cut at {cut}");
        }
        for damaged in [&b"*x\r\n"[..], b"*1\r\n$1\r\nabc", b"+OK\r\n", b"*1\r\n$4\r\nEXEC\r\n", b"*0\r\n"] {
            assert!(matches!(read(damaged).0, Err(Error::Damaged { .. })), "{damaged:?}");
        }
    }

    #[test]
    fn the_parts_of_a_folder_are_found() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a file");
        assert!(find(dir.path()).is_err());
        write("dump.rdb", "");
        assert_eq!(find(dir.path()).expect("a dump").parts, [dir.path().join("dump.rdb")]);
        write(
            "a.manifest",
            "file a.1.base.rdb seq 1 type b\nfile a.0.incr.aof seq 1 type h\nfile \"a b.aof\" seq 2 type i\n",
        );
        let parts = ["a.1.base.rdb", "a b.aof"].map(|name| dir.path().join(name));
        assert_eq!(find(dir.path()).expect("a manifest").parts, parts);
        write("a.manifest", "file ../x seq 1 type b\n");
        assert!(matches!(find(dir.path()), Err(Error::Damaged { .. })));
    }
}
