//! `quorate version`.

use serde_json::json;

use crate::output;

/// Prints the version of the program.
pub(crate) fn print(json: bool) {
    let version = env!("CARGO_PKG_VERSION");
    let platform = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    if json {
        output::line(&json!({ "version": version, "platform": platform }).to_string());
    } else {
        output::line(&format!("quorate {version} ({platform})"));
    }
}
