//! Where log lines go: standard error, for people or as JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, ServeSettings};

/// Installs the subscriber of the process. Called once, before the first line.
pub(crate) fn start(settings: &ServeSettings) -> Result<(), String> {
    let filter = EnvFilter::builder().parse(&settings.log_level).map_err(|e| format!("log-level: {e}"))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match settings.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
    };
    installed.map_err(|e| format!("logging: {e}"))
}
