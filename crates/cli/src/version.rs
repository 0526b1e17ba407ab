//! `quorate version`.

use std::collections::BTreeMap;

use serde_json::json;

use crate::output;

/// Prints the version of the program and of its formats.
pub(crate) fn print(json: bool) {
    let version = env!("CARGO_PKG_VERSION");
    let platform = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    if json {
        let formats: BTreeMap<_, _> = quorate::FORMATS.into_iter().collect();
        let told = json!({ "version": version, "platform": platform, "formats": formats });
        output::line(&told.to_string());
    } else {
        output::line(&format!("quorate {version} ({platform})"));
        output::line("versions of what it writes to disk and sends to other nodes:");
        for (name, version) in quorate::FORMATS {
            output::line(&format!("  {name} {version}"));
        }
    }
}
