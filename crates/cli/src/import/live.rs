//! `quorate import --from`: a running Redis.

use quorate_migrate::live::{LiveOptions, import_live};
use quorate_migrate::load::Databases;
use serde_json::json;

use super::screen::Screen;
use super::{ImportArgs, addresses, failure};
use crate::exit::Failure;
use crate::usage;

pub(super) fn run(args: &ImportArgs, databases: Databases, screen: &mut Screen) -> Result<(), Failure> {
    let source = addresses(args.from.as_slice(), args.source_password_file.as_deref())?.pop();
    let options = LiveOptions {
        source: source.ok_or_else(|| usage("neither a file nor a source is given"))?,
        targets: addresses(&args.to, args.password_file.as_deref())?,
        on_conflict: args.on_conflict.into(),
        databases,
        cut_over_below_bytes: args.cut_over_when_lag_below,
        verify: !args.no_verify,
        fence: !args.no_fence,
    };
    screen.listen();
    let report = import_live(&options, screen).map_err(failure)?;
    let cut = &report.cut_over;
    let what = json!({
        "event": "cut-over",
        "keys": report.loaded.keys_total(),
        "functions": report.loaded.functions,
        "commands": report.commands,
        "paused": cut.paused,
        "caught_up_millis": u64::try_from(cut.caught_up.as_millis()).unwrap_or(u64::MAX),
        "pause_millis": u64::try_from(cut.pause.as_millis()).unwrap_or(u64::MAX),
        "fenced": cut.fenced,
        "compared": cut.comparison.as_ref().map(|found| json!({
            "keys": found.keys, "same": found.same, "expired": found.expired, "different": found.different,
        })),
    });
    let mut text = format!(
        "cut over: {} keys by copy, {} commands by stream; writes stood still for {} ms, of which {} ms until everything \
         was applied",
        report.loaded.keys_total(),
        report.commands,
        cut.pause.as_millis(),
        cut.caught_up.as_millis(),
    );
    if let Some(found) = &cut.comparison {
        text += &format!(
            "\ncompared {} keys: {} are the same, {} have expired, {} differ",
            found.keys, found.same, found.expired, found.different
        );
    }
    text += match (cut.fenced, options.fence) {
        (true, _) => {
            "\nthe source refuses writes now; CONFIG SET min-replicas-to-write 0 would let it take them again"
        }
        (false, true) => {
            "\nthe source's writes are paused for a moment more: send its clients to the cluster now"
        }
        (false, false) => "\nthe source takes writes again, and they do not reach the cluster",
    };
    screen.done(&text, &what);
    Ok(())
}
