//! The settings of `quorate serve`: one table, from which flags, environment, file, help and docs come.
//!
//! A setting is given by file, environment or flag; a flag beats the environment, which beats the file,
//! which beats the default. Its name is the same everywhere: `data-dir` in the file, `QUORATE_DATA_DIR`
//! in the environment, `--data-dir` as a flag. What is contradictory is the server's to say
//! ([`quorate_server::ServeOptions::check`]); here values are only read.
//!
//! Invariant: a setting's name is written once, in [`SETTINGS`].

#[cfg(test)]
mod document;
mod flags;
mod kind;
mod load;
mod table;

use quorate_server::ServeOptions;

pub(crate) use self::flags::ServeArgs;
pub(crate) use self::load::{Loaded, load};
pub(crate) use self::table::SETTINGS;

/// What `quorate serve` is told: the server's options, and what the program itself needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServeSettings {
    pub(crate) options: ServeOptions,
    /// A level, or directives as of `tracing`.
    pub(crate) log_level: String,
    pub(crate) log_format: LogFormat,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            options: ServeOptions::default(),
            log_level: "info,openraft=error".into(),
            log_format: LogFormat::Text,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// One row of the table.
pub(crate) struct Setting {
    /// The name in the file; environment name and flag follow from it.
    pub(crate) name: &'static str,
    /// The heading in help and docs.
    pub(crate) group: &'static str,
    /// What stands for the value in help.
    pub(crate) placeholder: &'static str,
    /// One or two sentences.
    pub(crate) doc: &'static str,
    /// Reads the value from text.
    pub(crate) set: fn(&mut ServeSettings, &str) -> Result<(), String>,
    /// The value as text; `None` if it is not set.
    pub(crate) show: fn(&ServeSettings) -> Option<String>,
}

impl Setting {
    /// `QUORATE_` and the name in capitals.
    pub(crate) fn env(&self) -> String {
        format!("QUORATE_{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// The default as text.
    pub(crate) fn default(&self) -> Option<String> {
        (self.show)(&ServeSettings::default())
    }
}

/// A time above zero, for flags of other commands.
pub(crate) fn duration(text: &str) -> Result<std::time::Duration, String> {
    match <kind::Millis as kind::Kind>::parse(text)? {
        0 => Err("must be longer than nothing".into()),
        millis => Ok(std::time::Duration::from_millis(millis)),
    }
}
