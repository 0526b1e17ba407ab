//! `quorate export`: the data of a cluster as an RDB file, which a Redis loads.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::exit::Failure;
use crate::import::{Screen, addresses, failure};
use crate::usage;

/// From where, and to which file.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file, such as dump.rdb. One that is there is replaced.
    file: PathBuf,
    /// Where a node serves Redis clients: HOST:PORT, or redis://USER:PASSWORD@HOST:PORT.
    #[arg(long, value_name = "ADDRESS")]
    from: String,
    /// A file with the password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Print one JSON object for each event.
    #[arg(long)]
    json: bool,
}

/// Exports.
pub(crate) fn run(args: &ExportArgs) -> Result<(), Failure> {
    let mut screen = Screen::new(args.json);
    let result = export(args, &mut screen);
    screen.end(result)
}

fn export(args: &ExportArgs, screen: &mut Screen) -> Result<(), Failure> {
    let source = addresses(std::slice::from_ref(&args.from), args.password_file.as_deref())?.pop();
    let source = source.ok_or_else(|| usage("no node is given"))?;
    let exported = quorate_migrate::export(&source, &args.file, screen).map_err(failure)?;
    let what = json!({
        "event": "exported", "keys": exported.keys, "functions": exported.functions, "bytes": exported.bytes,
        "millis": u64::try_from(screen.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
    let text = format!(
        "exported {} keys and {} libraries, {} bytes, in {:.1} s",
        exported.keys,
        exported.functions,
        exported.bytes,
        screen.elapsed().as_secs_f64(),
    );
    screen.done(&text, &what);
    Ok(())
}
