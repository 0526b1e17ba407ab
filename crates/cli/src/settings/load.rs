//! File, environment and flags, laid over each other in this order of strength.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{SETTINGS, ServeArgs, ServeSettings, Setting};

/// The settings and where each comes from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) settings: ServeSettings,
    origins: BTreeMap<&'static str, String>,
    /// Variables that begin with `QUORATE_` and are no setting, for a warning.
    pub(crate) unknown_env: Vec<String>,
}

/// Variables of `QUORATE_*` that other parts of the program read.
const OTHER_ENV: [&str; 3] = ["QUORATE_CONFIG", "QUORATE_URL", "QUORATE_TOKEN_FILE"];

/// Lays file, environment and flags over the defaults.
///
/// # Errors
/// One sentence that names the setting, where it was given, and what is wrong with it.
pub(crate) fn load(args: &ServeArgs, env: &BTreeMap<String, String>) -> Result<Loaded, String> {
    let mut loaded = Loaded {
        settings: ServeSettings::default(),
        origins: BTreeMap::new(),
        unknown_env: unknown_env(env),
    };
    let from_env = env.get("QUORATE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    if let Some(path) = args.config.clone().or(from_env) {
        loaded.lay_file(&path)?;
    }
    for setting in SETTINGS {
        if let Some(text) = env.get(&setting.env()) {
            loaded.lay(setting, text, &setting.env())?;
        }
        if let Some(text) = args.given.get(setting.name) {
            loaded.lay(setting, text, &format!("--{}", setting.name))?;
        }
    }
    Ok(loaded)
}

fn unknown_env(env: &BTreeMap<String, String>) -> Vec<String> {
    let known = |name: &str| OTHER_ENV.contains(&name) || SETTINGS.iter().any(|s| s.env() == name);
    env.keys().filter(|name| name.starts_with("QUORATE_") && !known(name)).cloned().collect()
}

impl Loaded {
    fn lay(&mut self, setting: &'static Setting, text: &str, origin: &str) -> Result<(), String> {
        (setting.set)(&mut self.settings, text).map_err(|why| format!("{origin}: {why}"))?;
        self.origins.insert(setting.name, origin.to_owned());
        Ok(())
    }

    fn lay_file(&mut self, path: &Path) -> Result<(), String> {
        let at = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| format!("{at}: {e}"))?;
        let table: toml::Table = text.parse().map_err(|e| format!("{at}: {e}"))?;
        for (name, value) in table {
            let setting =
                SETTINGS.iter().find(|s| s.name == name).ok_or_else(|| unknown(&at.to_string(), &name))?;
            let text = toml_text(&value)
                .ok_or_else(|| format!("{at}: {name}: a {} cannot be its value", value.type_str()))?;
            self.lay(setting, &text, &format!("{at}: {name}"))?;
        }
        Ok(())
    }

    /// All settings as a TOML file that gives the same node, with their origins as comments.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = String::new();
        for setting in SETTINGS {
            let origin = self.origins.get(setting.name).map_or("default", String::as_str);
            let _ = match (setting.show)(&self.settings) {
                Some(value) => writeln!(text, "{} = {} # {origin}", setting.name, toml::Value::String(value)),
                None => writeln!(text, "# {} is not set", setting.name),
            };
        }
        text
    }
}

/// A value of the file as the text that environment or flag would give.
fn toml_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(if *flag { "yes" } else { "no" }.to_owned()),
        toml::Value::Array(items) => Some(items.iter().map(toml_text).collect::<Option<Vec<_>>>()?.join(",")),
        toml::Value::Table(table) => {
            let pair = |(key, value): (&String, &toml::Value)| Some(format!("{key}={}", value.as_str()?));
            Some(table.iter().map(pair).collect::<Option<Vec<_>>>()?.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) => None,
    }
}

fn unknown(at: &str, name: &str) -> String {
    let nearest = SETTINGS.iter().map(|s| (distance(s.name, name), s.name)).min();
    match nearest {
        Some((distance, near)) if distance <= 3 => {
            format!("{at}: no setting is called {name:?}; is {near} meant?")
        }
        _ => format!("{at}: no setting is called {name:?}; quorate serve --help lists them"),
    }
}

/// How many characters must be added, removed or changed to make one text the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let changed = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn check(file: Option<&str>, env: &[(&str, &str)], flags: &[&str]) -> Result<Loaded, String> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("quorate.toml");
        let mut line = vec!["serve".to_owned()];
        if let Some(text) = file {
            std::fs::write(&path, text).expect("writes");
            line.extend(["--config".to_owned(), path.display().to_string()]);
        }
        line.extend(flags.iter().map(|f| (*f).to_owned()));
        let args = Program::try_parse_from(line).map_err(|e| e.to_string())?.serve;
        load(&args, &env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
        let file = Some("resp-bind = \"file:1\"");
        let env = [("QUORATE_RESP_BIND", "env:2")];
        let flag = ["--resp-bind", "flag:3"];
        let resp = |loaded: Result<Loaded, String>| loaded.expect("loads").settings.options.resp_bind;
        assert_eq!(resp(check(None, &[], &[])), "0.0.0.0:6379");
        assert_eq!(resp(check(file, &[], &[])), "file:1");
        assert_eq!(resp(check(file, &env, &[])), "env:2");
        assert_eq!(resp(check(file, &env, &flag)), "flag:3");
        assert_eq!(resp(check(file, &[], &flag)), "flag:3");
        assert_eq!(resp(check(None, &env, &flag)), "flag:3");
    }

    #[test]
    fn every_setting_is_read_back_as_it_is_shown() {
        for setting in SETTINGS {
            let Some(shown) = setting.default() else { continue };
            let mut settings = ServeSettings::default();
            (setting.set)(&mut settings, &shown).expect(setting.name);
            assert_eq!(settings, ServeSettings::default(), "{}", setting.name);
        }
        let names: std::collections::BTreeSet<_> = SETTINGS.iter().map(|s| s.name).collect();
        assert_eq!(names.len(), SETTINGS.len(), "each name once");
    }

    #[test]
    fn every_option_has_a_row() {
        // A field that no row can reach would be a setting that only a program can set.
        let options = toml::Value::try_from(quorate_server::ServeOptions {
            node: Some(1),
            bind_outgoing: Some(std::net::Ipv4Addr::LOCALHOST.into()),
            announce_host: Some("h".into()),
            announce_resp: Some("h:1".into()),
            announce_admin: Some("h:1".into()),
            announce_peer: Some("h:1".into()),
            announce_sentinel: Some("h:1".into()),
            secret_file: Some("f".into()),
            admin_token_file: Some("f".into()),
            ..Default::default()
        })
        .expect("serialises");
        let plain = |name: &str| name.replace("-ms", "");
        let rows: std::collections::BTreeSet<String> = SETTINGS
            .iter()
            .map(|s| s.name.to_owned())
            .filter(|name| !matches!(name.as_str(), "log-level" | "log-format"))
            .collect();
        let fields = options.as_table().expect("a table").keys().map(|name| plain(name)).collect();
        assert_eq!(rows, fields);
    }

    #[test]
    fn the_file_takes_toml_s_own_types() {
        let file = "node = 2\nthreads = 4\nmetrics-open = true\njoin = [\"a:1\", \"b:2\"]\nelection = \"1s\"\n[peers]\n1 = \"a:1\"\n2 = \"b:1\"\n";
        let options = check(Some(file), &[], &[]).expect("loads").settings.options;
        assert_eq!(
            (options.node, options.threads, options.metrics_open, options.election_ms),
            (Some(2), 4, true, 1000)
        );
        assert_eq!(options.join, ["a:1", "b:2"]);
        assert_eq!(options.peers, [(1, "a:1".to_owned()), (2, "b:1".to_owned())].into());
    }

    #[test]
    fn an_error_names_the_place_and_the_setting() {
        type Case = (
            Option<&'static str>,
            &'static [(&'static str, &'static str)],
            &'static [&'static str],
            &'static str,
        );
        let cases: [Case; 8] = [
            (Some("resp-bnd = \"a:1\""), &[], &[], "is resp-bind meant?"),
            (Some("nonsense-of-mine = 1"), &[], &[], "--help lists them"),
            (Some("resp-bind = \"a\""), &[], &[], "quorate.toml: resp-bind: \"a\" is no address"),
            (Some("threads = 1.5"), &[], &[], "threads: a float cannot be its value"),
            (Some("threads = "), &[], &[], "quorate.toml: "),
            (None, &[("QUORATE_ELECTION", "soon")], &[], "QUORATE_ELECTION: \"soon\" is no time"),
            (None, &[], &["--log-engine", "rocks"], "--log-engine: \"rocks\" is none of wal, sled"),
            (None, &[("QUORATE_CONFIG", "/nowhere/quorate.toml")], &[], "/nowhere/quorate.toml: "),
        ];
        for (file, env, flags, expected) in cases {
            let error = check(file, env, flags).expect_err(expected);
            assert!(error.contains(expected), "{error} should contain {expected}");
        }
    }

    #[test]
    fn an_empty_variable_unsets_what_may_be_unset() {
        let env = [
            ("QUORATE_JOIN", ""),
            ("QUORATE_NODE", ""),
            ("QUORATE_ANNOUNCE_HOST", ""),
            ("QUORATE_CONFIG", ""),
        ];
        let options = check(Some("node = 2\njoin = \"a:1\""), &env, &[]).expect("loads").settings.options;
        assert_eq!((options.node, options.join.len(), options.announce_host), (None, 0, None));
    }

    #[test]
    fn switches_may_stand_alone() {
        let metrics = |flags: &[&str]| check(None, &[], flags).expect("loads").settings.options.metrics_open;
        assert!(metrics(&["--metrics-open"]));
        assert!(metrics(&["--metrics-open", "yes"]));
        assert!(!metrics(&["--metrics-open=no"]));
    }

    #[test]
    fn what_is_printed_gives_the_same_settings() {
        let flags =
            ["--node", "1", "--peers", "1=a:1,2=b:1,3=c:1", "--hold-max", "90s", "--log-level", "debug"];
        let loaded =
            check(None, &[("QUORATE_THREADS", "3"), ("QUORATE_THREDS", "3")], &flags).expect("loads");
        assert_eq!(loaded.unknown_env, ["QUORATE_THREDS"]);
        let printed = loaded.to_toml();
        assert!(printed.contains("hold-max = \"90s\" # --hold-max\n"), "{printed}");
        assert!(printed.contains("threads = \"3\" # QUORATE_THREADS\n"), "{printed}");
        assert!(printed.contains("# announce-host is not set\n"), "{printed}");
        assert_eq!(check(Some(&printed), &[], &[]).expect("loads").settings, loaded.settings);
    }
}
