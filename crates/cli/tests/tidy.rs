//! What the compiler does not check: the arrows between crates, the doors to foreign worlds, the size of files, the
//! links of the documentation. The rules are those of `docs/architecture.md`.
//!
//! Cheap checks of text: a `Cargo.toml` is read line by line, a source file as a whole.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Which of our crates each crate may depend on. A new arrow is a decision: it belongs into `docs/architecture.md` too.
const ARROWS: &[(&str, &[&str])] = &[
    ("resp", &[]),
    ("keyspace", &[]),
    ("script", &["resp"]),
    ("commands", &["keyspace", "resp", "script"]),
    ("storage", &[]),
    ("raft", &["storage"]),
    ("node", &["commands", "keyspace", "raft", "resp", "storage"]),
    ("migrate", &["commands", "keyspace", "resp"]),
    ("server", &["commands", "node", "resp"]),
    ("cli", &["migrate", "node", "resp", "server"]),
    ("testkit", &["cli", "commands", "keyspace", "node", "raft", "resp", "server", "storage"]),
];

/// Who may depend on what comes from outside.
const DOORS: &[(&str, &[&str])] = &[
    ("openraft", &["raft"]),
    ("openraft-rt-tokio", &["raft"]),
    ("sled", &["storage"]),
    ("bincode", &["raft", "storage"]),
    ("axum", &["server"]),
    ("utoipa", &["server"]),
    ("utoipa-axum", &["server"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("anyhow", &["cli"]),
    ("mlua", &["script"]),
    ("turmoil", &["testkit"]),
];

/// Within a crate: the only places that may name something.
const ROOMS: &[(&str, &str, &[&str])] = &[
    ("raft", "bincode::", &["src/wire/"]),
    ("server", "axum::", &["src/admin/"]),
    ("storage", "sled::", &["src/durable_sled.rs", "src/error.rs"]),
];

const LINES_MAX: usize = 600;
/// Files that may be longer, and why.
const LONGER: &[(&str, &str)] =
    &[("crates/node/src/pipeline.rs", "one state machine; its parts lock the same state")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder of the repository that end in `ending`, by their path from the root.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder that can be read").path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    open.push(path);
                }
            } else if path.to_string_lossy().ends_with(ending) {
                let path = path.strip_prefix(root()).expect("found below the root").to_path_buf();
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// The names below `[dependencies]`, of all targets, without those of tests.
fn dependencies(krate: &str) -> Vec<String> {
    let manifest = read(&root().join("crates").join(krate).join("Cargo.toml"));
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]")
                && !line.contains("dev-dependencies")
                && !line.contains("build-dependencies");
        } else if inside && !line.starts_with('#') {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            if !name.is_empty() {
                names.push(name.to_owned());
            }
        }
    }
    names
}

fn crates() -> Vec<String> {
    let manifests = files("crates", "Cargo.toml").into_iter();
    let mut names: Vec<_> = manifests.filter_map(|path| path.split('/').nth(1).map(str::to_owned)).collect();
    names.dedup();
    names
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn dependencies_point_right_only() {
    let mut found = Vec::new();
    for krate in crates() {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == krate) else {
            found.push(format!("{krate} has no row in ARROWS"));
            continue;
        };
        for name in dependencies(&krate) {
            if name.strip_prefix("quorate-").is_some_and(|to| !allowed.contains(&to)) {
                found.push(format!("{krate} -> {name}"));
            }
        }
    }
    assert_none("arrows that docs/architecture.md does not draw", &found);
}

#[test]
fn foreign_worlds_have_one_door() {
    let mut found = Vec::new();
    for krate in crates() {
        for name in dependencies(&krate) {
            if DOORS.iter().any(|(door, to)| *door == name && !to.contains(&krate.as_str())) {
                found.push(format!("{krate} depends on {name}"));
            }
        }
    }
    for (krate, text, rooms) in ROOMS {
        let rooms: Vec<_> = rooms.iter().map(|room| format!("crates/{krate}/{room}")).collect();
        for file in files(&format!("crates/{krate}/src"), ".rs") {
            let here = read(&root().join(&file)).lines().any(|line| names(line, text));
            if here && !rooms.iter().any(|room| file.starts_with(room)) {
                found.push(format!("{file} names {text}"));
            }
        }
    }
    assert_none("what goes around a door", &found);
}

/// Whether a line of code has the text as a path of its own, not as the end of a longer name.
fn names(line: &str, text: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(text).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn files_have_a_readable_length() {
    let mut found = Vec::new();
    for file in ["crates", "benches", "tests"].into_iter().flat_map(|folder| files(folder, ".rs")) {
        let lines = read(&root().join(&file)).lines().count();
        if lines > LINES_MAX && !LONGER.iter().any(|(name, _)| *name == file) {
            found.push(format!("{file}: {lines} lines"));
        }
    }
    assert_none("split these by idea, or say in LONGER why not", &found);
}

#[test]
fn crates_say_what_they_are_for() {
    let roots = files("crates", ".rs").into_iter().filter(|file| {
        let mut parts = file.split('/').skip(2);
        parts.next() == Some("src") && matches!(parts.next(), Some("lib.rs" | "main.rs"))
    });
    let silent: Vec<_> = roots.filter(|file| !read(&root().join(file)).starts_with("//! ")).collect();
    assert_none("crates without a head", &silent);
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// What is wrong with a link from one page, if anything.
fn broken(page: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
    let from = root().join(page);
    let target =
        if file.is_empty() { from.clone() } else { from.parent().expect("a page is in a folder").join(file) };
    if !target.exists() {
        return Some(format!("{page}: {link} is not there"));
    }
    let known = fragment.is_empty()
        || read(&target).lines().any(|line| line.starts_with('#') && anchor(line) == fragment);
    (!known).then(|| format!("{page}: {link} is no heading there"))
}

#[test]
fn links_of_the_documentation_resolve() {
    let mut found = Vec::new();
    for page in files("docs", ".md").into_iter().chain(["README.md".to_owned()]) {
        let text = read(&root().join(&page));
        for part in text.split("](").skip(1) {
            found.extend(part.split(')').next().and_then(|link| broken(&page, link)));
        }
        // A path in the text is a promise as well, if it is one file or folder.
        for word in text.split('`').skip(1).step_by(2).filter(|word| word.starts_with("crates/")) {
            if !word.contains(['<', '{', ' ', '*']) && !root().join(word).exists() {
                found.push(format!("{page}: `{word}` is not there"));
            }
        }
    }
    assert_none("links that lead nowhere", &found);
}
