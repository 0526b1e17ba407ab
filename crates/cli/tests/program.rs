//! The program as a script sees it: what it prints where, and its exit status.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use quorate::admin::{Call, ClusterStatus, Done, NodeReport, Refusal, RefusalKind};
use quorate_server::Secret;
use quorate_server::admin::{AdminBackend, AdminOptions, Limits, router, run};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "0123456789abcdef";

fn quorate(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QUORATE_")) {
        command.env_remove(name);
    }
    command.args(line.split_whitespace()).stdin(Stdio::null());
    command
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn ran(line: &str) -> Ran {
    let Output { status, stdout, stderr } = quorate(line).output().expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { code: status.code().expect("not killed"), out: text(stdout), err: text(stderr) }
}

/// A node of which tests say what it answers.
#[derive(Default)]
struct Fake {
    calls: Mutex<Vec<Value>>,
    /// The answers to come, the last one again and again; none is a change.
    refusals: Mutex<Vec<Option<RefusalKind>>>,
    no_quorum: bool,
}

impl AdminBackend for Fake {
    fn status(&self) -> BoxFuture<'_, ClusterStatus> {
        let status = ClusterStatus {
            cluster: "abcd".into(),
            answered_by: 1,
            term: 3,
            leader: if self.no_quorum { None } else { Some(1) },
            committed: 9,
            quorum: !self.no_quorum,
            joint: false,
            nodes: BTreeMap::new(),
        };
        async { status }.boxed()
    }
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Done, Refusal>> {
        self.calls.lock().expect("calls").push(serde_json::to_value(call).expect("JSON"));
        let mut refusals = self.refusals.lock().expect("refusals");
        let next = if refusals.len() > 1 { refusals.remove(0) } else { refusals.first().copied().flatten() };
        let answer = match next {
            Some(kind) => Err(Refusal { kind, detail: "because of the test".into() }),
            None => Ok(Done { changed: true, message: "done so".into(), nodes: vec![4] }),
        };
        async { answer }.boxed()
    }
    fn report(&self) -> BoxFuture<'_, NodeReport> {
        no_report().boxed()
    }
    fn metrics_text(&self) -> String {
        String::new()
    }
    fn live(&self) -> bool {
        true
    }
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
    fn settings(&self) -> BoxFuture<'_, BTreeMap<String, String>> {
        async { BTreeMap::new() }.boxed()
    }
    fn set_settings(&self, _: BTreeMap<String, String>) -> BoxFuture<'_, Result<Done, Refusal>> {
        async { Ok(Done { changed: false, message: String::new(), nodes: vec![] }) }.boxed()
    }
}

async fn no_report() -> NodeReport {
    panic!("the command line does not ask for it")
}

/// Serves the fake until the test ends.
struct Served {
    address: SocketAddr,
    fake: Arc<Fake>,
    shutdown: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn serve(fake: Fake) -> Served {
    let (fake, shutdown) = (Arc::new(fake), CancellationToken::new());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("for tokio");
    let address = listener.local_addr().expect("bound");
    let options = AdminOptions { token: Some(Secret::new(TOKEN)), ..AdminOptions::default() };
    let (backend, stop) = (Arc::clone(&fake), shutdown.clone());
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            run(listener, router(backend, &options), Limits::default(), stop).await;
        });
    });
    Served { address, fake, shutdown, thread: Some(thread) }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.thread.take().expect("dropped once").join().expect("no panic");
    }
}

/// A folder with a token file, and the flags that use it.
fn with_token(served: &Served) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("token");
    std::fs::write(&path, TOKEN).expect("writes");
    let flags = format!("cluster --url http://{} --token-file {}", served.address, path.display());
    (dir, flags)
}

#[test]
fn each_subcommand_makes_its_call() {
    let served = serve(Fake::default());
    let (_dir, cluster) = with_token(&served);
    let cases = [
        ("promote 4 5", vec![json!({"call":"promote","nodes":[4,5],"force":false})]),
        ("demote 4 --force", vec![json!({"call":"demote","nodes":[4],"force":true})]),
        ("remove 4 5", vec![json!({"call":"remove","nodes":[4,5],"force":false})]),
        ("replace 1 4", vec![json!({"call":"replace","old":1,"new":4,"force":false})]),
        ("transfer", vec![json!({"call":"transfer","to":null})]),
        ("transfer 2", vec![json!({"call":"transfer","to":2})]),
        ("drain 1", vec![json!({"call":"drain","node":1,"on":true})]),
        ("undrain 1", vec![json!({"call":"drain","node":1,"on":false})]),
        ("snapshot", vec![json!({"call":"snapshot","node":null})]),
        (
            "add --peer h:1 --promote",
            vec![
                json!({"call":"add","number":null,"addresses":{"peer":"h:1","resp":"","admin":"","sentinel":""}}),
                json!({"call":"promote","nodes":[4],"force":false}),
            ],
        ),
    ];
    for (line, calls) in cases {
        let ran = ran(&format!("{cluster} {line}"));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}");
        assert_eq!(ran.out, "done so\n".repeat(calls.len()), "{line}");
        assert_eq!(std::mem::take(&mut *served.fake.calls.lock().expect("calls")), calls, "{line}");
    }
    let json = ran(&format!("{cluster} --json snapshot"));
    let answer: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(answer, json!({"changed": true, "message": "done so", "nodes": [4]}));
}

#[test]
fn the_exit_status_tells_what_to_do() {
    let cases = [
        (RefusalKind::Unsafe, 3),
        (RefusalKind::NotFound, 3),
        (RefusalKind::Invalid, 3),
        (RefusalKind::Busy, 4),
        (RefusalKind::Unavailable, 4),
        (RefusalKind::Timeout, 5),
        (RefusalKind::Internal, 1),
    ];
    for (kind, code) in cases {
        let served = serve(Fake { refusals: vec![Some(kind)].into(), ..Fake::default() });
        let (_dir, cluster) = with_token(&served);
        let text = ran(&format!("{cluster} demote 1"));
        assert_eq!((text.code, text.err.as_str()), (code, "quorate: because of the test\n"), "{kind:?}");
        let json = ran(&format!("{cluster} demote 1 --json"));
        let problem: Value = serde_json::from_str(&json.err).expect("a problem");
        assert_eq!((json.code, &problem["detail"]), (code, &json!("because of the test")));
    }
    let served = serve(Fake::default());
    let without = ran(&format!("cluster status --url http://{}", served.address));
    assert_eq!(without.code, 3, "{}", without.err);
    assert!(without.err.contains("--token-file FILE"), "{}", without.err);
    let (dir, cluster) = with_token(&served);
    std::fs::write(dir.path().join("token"), "fedcba9876543210").expect("writes");
    let wrong = ran(&format!("{cluster} --json status"));
    let problem: Value = serde_json::from_str(&wrong.err).expect("a problem");
    assert_eq!((wrong.code, &problem["kind"]), (3, &json!("unauthorized")));
    assert!(
        problem["detail"].as_str().is_some_and(|text| text.contains("not this admin API's")),
        "{problem}"
    );
    for wrong in
        ["frobnicate", "cluster status --token-file /nowhere", "serve --threads x", "dev --base-port 65000"]
    {
        assert_eq!(ran(wrong).code, 2, "{wrong}");
    }
}

#[test]
fn the_status_is_shown_and_judged() {
    let served = serve(Fake::default());
    let (_dir, cluster) = with_token(&served);
    let well = ran(&format!("{cluster} status"));
    assert!(
        well.out.starts_with("cluster abcd: quorum, leader 1, term 3, committed 9 (seen by node 1)\nID ")
    );
    assert_eq!(well.code, 0);

    let served = serve(Fake { no_quorum: true, ..Fake::default() });
    let (_dir, cluster) = with_token(&served);
    let ill = ran(&format!("{cluster} status"));
    assert!(ill.out.starts_with("cluster abcd: NO QUORUM, no leader"), "{}", ill.out);
    assert_eq!((ill.code, ill.err.as_str()), (4, ""));
}

#[test]
fn a_node_that_is_down_is_passed_over() {
    let served = serve(Fake::default());
    let (_dir, cluster) = with_token(&served);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let both = cluster.replace("--url ", &format!("--url http://{gone},"));
    assert_eq!(ran(&format!("{both} status")).code, 0);
    let none = ran(&format!("cluster status --url http://{gone}"));
    assert_eq!(none.code, 4);
    assert!(none.err.contains("cannot reach http://127.0.0.1:"), "{}", none.err);
}

#[test]
fn of_several_nodes_one_that_is_available_answers() {
    let starting = serve(Fake {
        no_quorum: true,
        refusals: vec![Some(RefusalKind::Unavailable)].into(),
        ..Fake::default()
    });
    let served = serve(Fake::default());
    let (_dir, cluster) = with_token(&served);
    let both = cluster.replace("--url ", &format!("--url http://{},", starting.address));
    let status = ran(&format!("{both} status"));
    assert_eq!(status.code, 0, "{}", status.out);
    let change = ran(&format!("{both} drain 1"));
    assert_eq!((change.code, change.out.as_str()), (0, "done so\n"), "{}", change.err);
    // Any other refusal is an answer, and no other node is bothered.
    *starting.fake.refusals.lock().expect("refusals") = vec![Some(RefusalKind::Unsafe)];
    assert_eq!(ran(&format!("{both} drain 1")).code, 3);
    assert_eq!(served.fake.calls.lock().expect("calls").len(), 1);
}

#[test]
fn waiting_tries_again_while_the_cluster_is_busy() {
    let busy = || vec![Some(RefusalKind::Busy), None].into();
    let served = serve(Fake { refusals: busy(), ..Fake::default() });
    let (_dir, cluster) = with_token(&served);
    assert_eq!(ran(&format!("{cluster} promote 4")).code, 4);
    *served.fake.refusals.lock().expect("refusals") = vec![Some(RefusalKind::Busy), None];
    let waited = ran(&format!("{cluster} promote 4 --wait 1m"));
    assert_eq!((waited.code, waited.out.as_str()), (0, "done so\n"));
    assert_eq!(served.fake.calls.lock().expect("calls").len(), 3);
}

#[test]
fn settings_are_printed_and_checked() {
    let printed = ran("serve --print-config --node 1 --peers 1=127.0.0.1:1 --peer-bind 127.0.0.1:1");
    assert_eq!((printed.code, printed.err.as_str()), (0, ""));
    assert!(printed.out.contains("node = \"1\" # --node\n"), "{}", printed.out);
    let open = ran("serve --node 1 --peers 1=10.0.0.1:1");
    assert_eq!(open.code, 2);
    assert!(open.err.starts_with("quorate: secret-file: "), "{}", open.err);
}

#[test]
fn completions_and_version_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let script = ran(&format!("completions {shell}"));
        assert!(script.code == 0 && script.out.contains("kill-leader-every"), "{shell}");
    }
    let text = ran("version").out;
    assert!(text.starts_with(concat!("quorate ", env!("CARGO_PKG_VERSION"))), "{text}");
    let json: Value = serde_json::from_str(&ran("version --json").out).expect("JSON");
    let formats = json["formats"].as_object().expect("formats by name");
    assert!(!formats.is_empty());
    let documented = documented_formats();
    for (name, version) in formats {
        let (version, line) = (version.to_string(), format!("  {name} {version}\n"));
        assert!(text.contains(&line), "{line:?} in {text}");
        assert_eq!(documented.get(name), Some(&version), "{name} in docs/formats.md");
    }
    assert_eq!(documented.len(), formats.len(), "{documented:?}");
}

/// The formats in the table of docs/formats.md that have a number.
fn documented_formats() -> BTreeMap<String, String> {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/formats.md")).expect("docs");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| [")?.split('|');
        let name = cells.next()?.split(']').next()?;
        let version = cells.next()?.trim();
        version.parse::<u32>().is_ok().then(|| (name.to_owned(), version.to_owned()))
    });
    rows.collect()
}

#[test]
fn a_reader_that_goes_is_no_failure() {
    let mut child =
        quorate("completions zsh").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("waited for");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn watching_goes_on_until_it_is_ended() {
    let served = serve(Fake::default());
    let (dir, cluster) = with_token(&served);
    let out = dir.path().join("out");
    let file = std::fs::File::create(&out).expect("a file");
    let mut child =
        quorate(&format!("{cluster} --json status --watch=20ms")).stdout(file).spawn().expect("runs");
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::fs::read_to_string(&out).expect("text").lines().count() < 3 {
        assert!(Instant::now() < deadline, "three lines in time");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("killed");
    child.wait().expect("waited for");
    let text = std::fs::read_to_string(&out).expect("text");
    let status: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!(status["cluster"], "abcd");
}

#[test]
fn a_load_on_nobody_is_no_success() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = closed.local_addr().expect("its address");
    drop(closed);
    let ran_out = ran(&format!("bench {address} -n 10 --timeout 1s"));
    assert_eq!((ran_out.code, ran_out.out.as_str()), (4, ""));
    assert!(ran_out.err.contains(&format!("cannot use {address}")), "{}", ran_out.err);
    for wrong in ["--verify", "--mix nonsense", "--connections 1 --threads 2", "--profile P1 --prefill"] {
        assert_eq!(ran(&format!("bench {address} {wrong}")).code, 2, "{wrong}");
    }
}
