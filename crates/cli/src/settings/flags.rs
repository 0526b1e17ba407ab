//! The flags of `quorate serve`, made from the table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

use super::SETTINGS;

/// What stands on the command line of `quorate serve`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServeArgs {
    /// The settings file.
    pub(crate) config: Option<PathBuf>,
    /// Settings by name, as given.
    pub(crate) given: BTreeMap<&'static str, String>,
    /// Show the settings and where they come from, and do not start.
    pub(crate) print_config: bool,
    /// Stop when standard input ends: the parent process has died.
    pub(crate) stop_with_stdin: bool,
}

impl clap::Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("A TOML file with settings by name [env: QUORATE_CONFIG]");
        let print = Arg::new("print-config")
            .long("print-config")
            .action(ArgAction::SetTrue)
            .help("Show every setting and where it comes from, and do not start");
        let stop_with_stdin =
            Arg::new("stop-with-stdin").long("stop-with-stdin").action(ArgAction::SetTrue).hide(true);
        let settings = SETTINGS.iter().map(|setting| {
            let default =
                setting.default().map_or_else(String::new, |d| format!(" [default: {d:?}]").replace('"', ""));
            let help = format!("{}{default} [env: {}]", setting.doc, setting.env());
            let flag = Arg::new(setting.name).long(setting.name).value_name(setting.placeholder).help(help);
            let flag = flag.help_heading(setting.group).allow_hyphen_values(true);
            // A switch may stand alone for yes.
            if setting.placeholder == "yes|no" {
                flag.num_args(0..=1).default_missing_value("yes")
            } else {
                flag
            }
        });
        // The last of several wins, so that a script can add to a line that it was given.
        command.args_override_self(true).arg(config).arg(print).arg(stop_with_stdin).args(settings)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.config = matches.get_one::<PathBuf>("config").cloned();
        self.print_config = matches.get_flag("print-config");
        self.stop_with_stdin = matches.get_flag("stop-with-stdin");
        for setting in SETTINGS {
            if let Some(text) = matches.get_one::<String>(setting.name) {
                self.given.insert(setting.name, text.clone());
            }
        }
        Ok(())
    }
}
