//! `quorate import`: data from a Redis' files, or from a Redis itself, into a cluster, through the port that any client
//! uses.
//!
//! Leaves to others: the work (`quorate_migrate`), how it is shown ([`Screen`]).

mod live;
mod screen;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use quorate_migrate::load::Databases;
use quorate_migrate::{Address, Error, OnConflict, Target, TargetOptions, files};
use quorate_server::Secret;
use serde_json::json;

pub(crate) use self::screen::Screen;
use crate::exit::{Code, Failure};
use crate::usage;

/// What to import, and to where.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// A dump.rdb, an append-only file, its manifest, or the data folder of a Redis.
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    file: Option<PathBuf>,
    /// A running Redis, which is followed as its replica until it is cut over: at the end of a line on standard input, or
    /// as --cut-over-when-lag-below says. HOST:PORT, or redis://USER:PASSWORD@HOST:PORT.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "dry_run")]
    from: Option<String>,
    /// A file with the source's password.
    #[arg(long, value_name = "FILE", requires = "from", conflicts_with = "file")]
    source_password_file: Option<PathBuf>,
    /// Cut over as soon as fewer bytes of the source's stream than this are not yet applied.
    #[arg(long, value_name = "BYTES", requires = "from", conflicts_with = "file")]
    cut_over_when_lag_below: Option<u64>,
    /// Let the source take writes again after the cut-over. They do not reach the cluster.
    #[arg(long, requires = "from", conflicts_with = "file")]
    no_fence: bool,
    /// The target: where a node serves Redis clients; of several, the first that answers. HOST:PORT, or
    /// redis://USER:PASSWORD@HOST:PORT.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', required_unless_present = "dry_run")]
    to: Vec<String>,
    /// A file with the target's password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// What to do about a key that is there already: stop with an error, replace it, or skip the new one.
    #[arg(long, value_name = "WHAT", value_enum, default_value = "error")]
    on_conflict: Conflict,
    /// Import this database only, into another one if that is given; may be repeated.
    #[arg(long, value_name = "DB[=TO]", value_parser = database)]
    db: Vec<(u32, u32)>,
    /// Read everything, write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not compare every key with the source in the end.
    #[arg(long)]
    no_verify: bool,
    /// Print one JSON object for each event.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Conflict {
    Error,
    Replace,
    Skip,
}

impl From<Conflict> for OnConflict {
    fn from(conflict: Conflict) -> OnConflict {
        match conflict {
            Conflict::Error => OnConflict::Error,
            Conflict::Replace => OnConflict::Replace,
            Conflict::Skip => OnConflict::Skip,
        }
    }
}

fn database(text: &str) -> Result<(u32, u32), String> {
    let number = |text: &str| text.parse().map_err(|_| format!("'{text}' is not the number of a database"));
    let (from, to) = text.split_once('=').unwrap_or((text, text));
    Ok((number(from)?, number(to)?))
}

/// Imports.
pub(crate) fn run(args: &ImportArgs) -> Result<(), Failure> {
    let mut screen = Screen::new(args.json);
    let result = import(args, &mut screen);
    screen.end(result)
}

fn import(args: &ImportArgs, screen: &mut Screen) -> Result<(), Failure> {
    let databases = Databases::new(args.db.clone());
    let Some(file) = &args.file else { return live::run(args, databases, screen) };
    let target = if args.dry_run {
        None
    } else {
        let addresses = addresses(&args.to, args.password_file.as_deref())?;
        let options = TargetOptions { on_conflict: args.on_conflict.into() };
        Some(Target::open(&addresses, options).map_err(failure)?)
    };
    let report = files::import_files(file, target, &databases, !args.no_verify, screen).map_err(failure)?;
    let (loaded, took) = (&report.loaded, screen.elapsed());
    let what = json!({
        "event": if args.dry_run { "read" } else { "imported" },
        "keys": loaded.keys_total(),
        "databases": loaded.keys,
        "expiring": loaded.expiring,
        "in_parts": loaded.in_parts,
        "left_out": loaded.left_out,
        "functions": loaded.functions,
        "checksum": loaded.checked,
        "commands": report.commands,
        "skipped": report.skipped,
        "millis": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "compared": report.comparison.as_ref().map(|found| json!({
            "keys": found.keys, "same": found.same, "expired": found.expired, "different": found.different,
        })),
    });
    let mut text = format!(
        "{} {} keys in {} databases ({} with an expiry), {} libraries, {} commands, in {:.1} s",
        if args.dry_run { "read" } else { "imported" },
        loaded.keys_total(),
        loaded.keys.len(),
        loaded.expiring,
        loaded.functions,
        report.commands,
        took.as_secs_f64(),
    );
    if report.skipped > 0 {
        text += &format!("; {} were there already and stay as they were", report.skipped);
    }
    if let Some(found) = &report.comparison {
        text += &format!(
            "\ncompared {} keys: {} are the same, {} have expired, {} differ",
            found.keys, found.same, found.expired, found.different
        );
    }
    screen.done(&text, &what);
    Ok(())
}

/// The addresses with the password of the file.
pub(crate) fn addresses(texts: &[String], password_file: Option<&Path>) -> Result<Vec<Address>, Failure> {
    let password = match password_file {
        Some(path) => Some(Secret::read("password-file", path).map_err(|error| usage(error.to_string()))?),
        None => None,
    };
    texts
        .iter()
        .map(|text| {
            let mut address = Address::parse(text).map_err(failure)?;
            if let Some(password) = &password {
                address.password = Some(password.expose().to_owned());
            }
            Ok(address)
        })
        .collect()
}

/// An error with the exit status that belongs to it.
pub(crate) fn failure(error: Error) -> Failure {
    let code = match &error {
        Error::Usage(_) => Code::Usage,
        Error::Refused { .. } | Error::Conflict(_) | Error::NotEmpty(_) => Code::Refused,
        Error::Io { what, .. } if what.starts_with("connecting") => Code::Unavailable,
        _ => Code::Failed,
    };
    Failure::new(code, error.into())
}
