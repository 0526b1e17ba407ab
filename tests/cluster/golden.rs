//! The golden scripts of the command groups, through every node of three.
//!
//! Left out, by rule, and counted: steps marked `!`, which only the bare state answers so (they show its own clock, seed
//! or figures); keyspace events, which no client can subscribe to yet; the rest of a script after
//! it needs longer than [`WAIT_MS_MAX`] to pass.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_commands::golden::{Server, Target, replay};
use quorate_resp::{Protocol, Value};
use quorate_testkit::{Client, Cluster};

use crate::{QUORATE, alone, calm, count};

/// A script may let this much time pass; time cannot be set here, so it really passes.
const WAIT_MS_MAX: i64 = 1_500;

/// In a script the clock stands still between two steps, here a busy machine may take a second for one. What differs
/// as often as this, for one script, does not differ by time.
const TRIES_MAX: usize = 12;

#[test]
fn every_node_answers_the_golden_scripts_to_the_letter() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let mut differences = Vec::new();
    let (mut steps, mut marked, mut cut) = (0, 0, 0);
    let all = count(0, 1) == 1;
    let defaults: Vec<_> = (0..3).map(|node| settings(&mut cluster.client(node))).collect();
    for (node, defaults) in defaults.iter().enumerate() {
        // Thousands of round trips: in a quick run every script goes through one node, and every node has some.
        let its =
            scripts().into_iter().enumerate().filter(|(i, _)| all || i % 3 == node).map(|(_, path)| path);
        for path in its {
            let script = fs::read_to_string(&path).expect("a readable script");
            let (script, was_cut) = without_long_waits(&script);
            cut += usize::from(was_cut);
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let ask = || {
                let mut target = Through::connect(&cluster, node, defaults);
                let answered = replay(&script, &mut target);
                let answered = answered.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                difference(&script, &answered)
            };
            let mut difference = ask();
            for _ in 1..TRIES_MAX {
                let Some(text) = difference.take_if(|_| depends_on_time(&script)) else { break };
                println!("again, as time may have passed: node {node}, {name}: {text}");
                difference = ask();
            }
            steps += script.lines().filter(|line| line.starts_with('>')).count();
            marked += script.lines().filter(|line| line.starts_with(">!") || line.starts_with(">~!")).count();
            differences.extend(difference.map(|text| format!("node {node}, {name}: {text}")));
        }
    }
    println!("{steps} steps, {marked} of them left out as marked; {cut} scripts cut at a long wait");
    assert!(differences.is_empty(), "replies differ from the scripts:\n{}", differences.join("\n"));
}

fn scripts() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../commands/tests/golden");
    let mut paths: Vec<PathBuf> = fs::read_dir(root)
        .expect("the folder of scripts")
        .flat_map(|group| fs::read_dir(group.expect("a group").path()).expect("a group's folder"))
        .map(|script| script.expect("a script").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "golden"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// The script up to the first wait that is too long for a test; whether there was one.
fn without_long_waits(script: &str) -> (String, bool) {
    let too_long = |line: &str| {
        let millis = line.strip_prefix("time +").and_then(|millis| millis.parse::<i64>().ok());
        millis.is_some_and(|millis| millis > WAIT_MS_MAX)
    };
    let kept: Vec<_> = script.lines().take_while(|line| !too_long(line)).collect();
    let cut = kept.len() < script.lines().count();
    (kept.iter().flat_map(|line| [line, "\n"]).collect(), cut)
}

/// Whether a reply of the script may be another one if time passes between two steps.
fn depends_on_time(script: &str) -> bool {
    let tells =
        ["TTL", "EXPIRE", "IDLE", " EX ", " PX ", "EXAT", "PXAT", "SETEX", "time +", "XADD", "LASTSAVE"];
    tells.iter().any(|word| script.contains(word))
}

/// The first line that differs, events left out, with the request that it belongs to.
fn difference(script: &str, answered: &str) -> Option<String> {
    fn visible(text: &str) -> impl Iterator<Item = &str> {
        text.lines().filter(|line| !line.starts_with("  event "))
    }
    let mut request = "";
    for (expected, got) in visible(script).zip(visible(answered)) {
        if expected != got {
            return Some(format!("{request}\n  script: {expected}\n  got:    {got}"));
        }
        if expected.starts_with('>') {
            request = expected;
        }
    }
    (visible(script).count() != visible(answered).count()).then(|| "one has more lines".to_owned())
}

/// A node, over one connection.
struct Through {
    client: Client,
}

impl Through {
    /// Connects to an emptied cluster with the settings that it started with.
    fn connect(cluster: &Cluster, node: usize, defaults: &Settings) -> Through {
        let mut client = cluster.client(node);
        let now = settings(&mut client);
        let changed = defaults.iter().filter(|(name, value)| now.get(*name) != Some(value));
        let resets = changed.map(|(name, value)| vec!["CONFIG", "SET", name, value]);
        for setup in [vec!["FLUSHALL"], vec!["HELLO", "3"]].into_iter().chain(resets) {
            let reply = client.call(&setup).expect("an undisturbed node");
            assert!(!matches!(reply, Value::Error(_)), "{setup:?} gave {reply:?}");
        }
        Through { client }
    }
}

/// Every setting's name and value.
type Settings = BTreeMap<String, String>;

fn settings(client: &mut Client) -> Settings {
    let Ok(Value::Array(all)) = client.call(&["CONFIG", "GET", "*"]) else {
        panic!("an undisturbed node tells its settings")
    };
    let text = |value: &Value| value.as_str().expect("settings are text").to_owned();
    all.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

impl Target for Through {
    fn request(&mut self, args: &[Vec<u8>]) -> (Value, Vec<String>) {
        let reply = self.client.call_bytes(args).unwrap_or_else(|error| {
            let args: Vec<_> = args.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
            panic!("an undisturbed node did not answer {args:?}: {error}")
        });
        (reply, Vec::new())
    }

    fn advance(&mut self, millis: i64) {
        std::thread::sleep(Duration::from_millis(millis.unsigned_abs()));
    }

    fn protocol(&mut self, protocol: Protocol) {
        let version = if matches!(protocol, Protocol::Resp2) { "2" } else { "3" };
        self.client.call(&["HELLO", version]).expect("an undisturbed node");
    }

    fn select(&mut self, db: i64) {
        assert_eq!(self.client.text(&["SELECT", &db.to_string()]), Some("OK".into()));
    }

    fn events(&mut self, classes: &str) {
        let set = self.client.text(&["CONFIG", "SET", "notify-keyspace-events", classes]);
        assert_eq!(set, Some("OK".into()));
    }

    fn server(&self) -> Server {
        Server::Quorate
    }
}
