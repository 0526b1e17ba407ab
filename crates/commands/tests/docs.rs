//! `docs/commands.md` and the tables in `docs/settings.md` follow from the command and settings tables.
//!
//! `QUORATE_BLESS=1` writes them anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use quorate_commands::settings::{Scope, settings};
use quorate_commands::{Command, Route, commands, syntax};

const GROUPS: [(&str, &str); 16] = [
    ("connection", "Connection"),
    ("server", "Server"),
    ("generic", "Keys"),
    ("string", "Strings"),
    ("hash", "Hashes"),
    ("list", "Lists"),
    ("set", "Sets"),
    ("sorted-set", "Sorted sets"),
    ("stream", "Streams"),
    ("bitmap", "Bitmaps"),
    ("hyperloglog", "HyperLogLog"),
    ("geo", "Geographic indexes"),
    ("pubsub", "Messages"),
    ("transactions", "Transactions"),
    ("scripting", "Scripts"),
    ("cluster", "Redis Cluster"),
];

#[test]
fn commands_are_documented() {
    check("commands.md", |_| commands_page());
}

#[test]
fn settings_are_documented() {
    check("settings.md", |page| {
        let cluster = replace_between(page, "cluster settings", &settings_table(Scope::Cluster));
        replace_between(&cluster, "node settings", &settings_table(Scope::Node))
    });
}

/// Compares a page with what it should be, or writes it.
fn check(name: &str, generate: impl FnOnce(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    let page = fs::read_to_string(&path).unwrap_or_default();
    let fresh = generate(&page);
    if std::env::var_os("QUORATE_BLESS").is_some() {
        fs::write(&path, fresh).expect("a writable page");
        return;
    }
    let stale = page.lines().zip(fresh.lines()).find(|(is, should)| is != should);
    assert!(page == fresh, "docs/{name} is stale, run with QUORATE_BLESS=1; first difference: {stale:?}");
}

/// Replaces what stands between the comments that name `part`.
fn replace_between(page: &str, part: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- generated: {part} -->\n"), format!("<!-- end: {part} -->"));
    let start = page.find(&begin).unwrap_or_else(|| panic!("a place for the {part}")) + begin.len();
    let stop = page.find(&end).unwrap_or_else(|| panic!("an end of the {part}"));
    format!("{}{text}{}", &page[..start], &page[stop..])
}

fn commands_page() -> String {
    let mut page = String::from(
        "# Commands\n\n\
         Generated from the command table in `crates/commands/src/table/`; a test fails when this page is stale.\n\n\
         Replies and error texts are those of Redis 7.2. A command of Redis that is not supported answers \
         `ERR command '…' is not supported by Quorate yet`, and is left out of `COMMAND`.\n\n\
         *Where*: `log` commands go through the log and are applied on every node; `any` commands read from the node \
         that is asked, behind a read barrier; `node` commands are answered by the connection's node.\n",
    );
    for (group, title) in GROUPS {
        let of_group: Vec<&Command> = commands().filter(|command| command.group.name() == group).collect();
        let (supported, missing): (Vec<&Command>, Vec<&Command>) =
            of_group.into_iter().partition(|command| command.is_supported());
        write!(page, "\n## {title}\n").expect("a string takes everything");
        if !supported.is_empty() {
            page.push_str("\n| command | since | where | cost | what it does |\n|---|---|---|---|---|\n");
            for command in &supported {
                let subcommands = command.subcommands.iter().filter(|sub| sub.is_supported());
                let runs_itself = !matches!(command.route, Route::Container);
                for row in runs_itself.then_some(*command).into_iter().chain(subcommands) {
                    command_row(&mut page, row);
                }
            }
        }
        let subcommands = supported.iter().flat_map(|command| command.subcommands);
        let missing: Vec<&Command> =
            missing.into_iter().chain(subcommands.filter(|sub| !sub.is_supported())).collect();
        if !missing.is_empty() {
            page.push_str("\n| not supported | since | why |\n|---|---|---|\n");
            for command in missing {
                let (name, since) = (words(command), command.since);
                let why = command.refusal.unwrap_or("still to come");
                writeln!(page, "| `{name}` | {since} | {why} |").expect("a string takes everything");
            }
        }
    }
    page
}

fn command_row(page: &mut String, command: &Command) {
    let place = match command.route {
        Route::Read(_) => "any",
        Route::Write(_) => "log",
        Route::Session(_) => "node",
        Route::Container | Route::Unsupported => unreachable!("only commands that run are listed"),
    };
    let usage = [words(command), syntax(command.arguments)].join(" ").trim_end().replace('|', "\\|");
    let deprecated = match command.deprecated {
        Some((since, instead)) => format!(" Deprecated since {since}: use {instead}."),
        None => String::new(),
    };
    let Command { since, complexity, summary, .. } = command;
    writeln!(page, "| `{usage}` | {since} | {place} | {complexity} | {summary}{deprecated} |")
        .expect("a string takes everything");
}

/// The name as it is typed.
fn words(command: &Command) -> String {
    command.full_name().to_ascii_uppercase().replace('|', " ")
}

fn settings_table(scope: Scope) -> String {
    let mut table = String::from("| setting | values | default | |\n|---|---|---|---|\n");
    for setting in settings().iter().filter(|setting| setting.scope == scope) {
        let alias = setting.alias.map(|alias| format!(" (also `{alias}`)")).unwrap_or_default();
        let default =
            if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        let kept = if setting.used { "" } else { " *Kept for clients; no effect.*" };
        let (name, unit, doc) = (setting.name, setting.kind.unit(), setting.doc);
        writeln!(table, "| `{name}`{alias} | {unit} | {default} | {doc}{kept} |")
            .expect("a string takes everything");
    }
    table
}

#[test]
fn every_group_has_a_heading() {
    for command in commands() {
        let group = command.group.name();
        assert!(GROUPS.iter().any(|(known, _)| *known == group), "{}: {group}", command.full_name());
    }
}
