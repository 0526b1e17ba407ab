//! The API against a fake node: what each route calls, and that every error is a problem.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use quorate::admin::{
    Addresses, Call, ClusterStatus, Done, NodeReport, NodeStatus, Refusal, RefusalKind, Role,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{AdminBackend, AdminOptions, Limits, PROBLEM_JSON, Problem, ProblemKind, router, run};
use crate::Secret;

const TOKEN: &str = "0123456789abcdef";

/// Remembers calls; answers `Ok`, unless told to refuse, to hang or not to be ready.
#[derive(Default)]
struct Fake {
    calls: Mutex<Vec<Value>>,
    refuse: Option<RefusalKind>,
    hang: bool,
    trouble: bool,
}

impl Fake {
    fn done(&self, call: Value) -> BoxFuture<'_, Result<Done, Refusal>> {
        self.calls.lock().expect("no panic holds it").push(call);
        async move {
            if self.hang {
                std::future::pending::<()>().await;
            }
            match self.refuse {
                Some(kind) => Err(Refusal { kind, detail: "because".into() }),
                None => Ok(Done { changed: true, message: "done".into(), nodes: vec![4] }),
            }
        }
        .boxed()
    }
}

impl AdminBackend for Fake {
    fn status(&self) -> BoxFuture<'_, ClusterStatus> {
        async { status() }.boxed()
    }
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Done, Refusal>> {
        self.done(serde_json::to_value(call).expect("JSON"))
    }
    fn report(&self) -> BoxFuture<'_, NodeReport> {
        async { report() }.boxed()
    }
    fn metrics_text(&self) -> String {
        "# EOF\n".into()
    }
    fn live(&self) -> bool {
        !self.trouble
    }
    fn ready(&self) -> Result<(), String> {
        if self.trouble { Err("catching up".into()) } else { Ok(()) }
    }
    fn settings(&self) -> BoxFuture<'_, BTreeMap<String, String>> {
        async { BTreeMap::from([("maxmemory".to_owned(), "0".to_owned())]) }.boxed()
    }
    fn set_settings(&self, changes: BTreeMap<String, String>) -> BoxFuture<'_, Result<Done, Refusal>> {
        self.done(serde_json::to_value(changes).expect("JSON"))
    }
}

fn report() -> NodeReport {
    NodeReport {
        version: "0.1.0".into(),
        uptime_seconds: 1,
        incarnation: 1,
        term: 1,
        leader: Some(1),
        last_log: 9,
        applied: 9,
        snapshot: 0,
        first_log: 1,
        log_bytes: 100,
        keys: 2,
        memory_bytes: 3,
        clients: 4,
        ready: true,
        trouble: String::new(),
        draining: false,
        pid: 5,
    }
}

fn status() -> ClusterStatus {
    let addresses = Addresses { peer: "127.0.0.1:1".into(), ..Addresses::default() };
    let node = NodeStatus {
        id: 1,
        number: 1,
        role: Role::Leader,
        voter: true,
        alive: true,
        addresses,
        report: Some(report()),
    };
    ClusterStatus {
        cluster: "abcd".into(),
        answered_by: 1,
        term: 1,
        leader: Some(1),
        committed: 9,
        quorum: true,
        joint: false,
        nodes: BTreeMap::from([(1, node)]),
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().expect("ASCII"))
    }
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }
    fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), PROBLEM_JSON, "{}", self.text);
        let problem: Problem = serde_json::from_str(&self.text).expect("a problem");
        assert_eq!(problem.status, self.status);
        assert!(!problem.detail.is_empty() && !problem.title.is_empty());
        problem
    }
}

fn api(fake: Fake, options: AdminOptions) -> (Arc<Fake>, Router) {
    let fake = Arc::new(fake);
    (Arc::clone(&fake), router(fake, &options))
}

/// Sends `METHOD path` with headers (`Name: value`) and a body; a body that is JSON is declared as such.
async fn ask(api: &Router, line: &str, headers: &[&str], body: &str) -> Answer {
    let (method, path) = line.split_once(' ').expect("METHOD path");
    let mut request = Request::builder().method(method).uri(path);
    if !body.is_empty() && !headers.iter().any(|h| h.to_lowercase().starts_with("content-type")) {
        request = request.header("content-type", "application/json");
    }
    for header in headers {
        let (name, value) = header.split_once(": ").expect("Name: value");
        request = request.header(name, value);
    }
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    let response = api.clone().oneshot(request).await.expect("infallible");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    Answer { status, headers, text: String::from_utf8(bytes.to_vec()).expect("text") }
}

#[tokio::test]
async fn each_route_makes_its_call() {
    let cases = [
        (
            "POST /v1/nodes",
            r#"{"number":4,"addresses":{"peer":"h:1"}}"#,
            json!({"call":"add","number":4,"addresses":{"peer":"h:1","resp":"","admin":"","sentinel":""}}),
        ),
        ("DELETE /v1/nodes?nodes=4,5&force=true", "", json!({"call":"remove","nodes":[4,5],"force":true})),
        ("DELETE /v1/nodes/4", "", json!({"call":"remove","nodes":[4],"force":false})),
        ("DELETE /v1/nodes/4?force=true", "", json!({"call":"remove","nodes":[4],"force":true})),
        ("POST /v1/nodes/4/promote", "", json!({"call":"promote","nodes":[4],"force":false})),
        ("POST /v1/nodes/4/demote?force=true", "", json!({"call":"demote","nodes":[4],"force":true})),
        ("POST /v1/nodes/1/replace", r#"{"new":4}"#, json!({"call":"replace","old":1,"new":4,"force":false})),
        (
            "PUT /v1/nodes/1/addresses",
            r#"{"resp":"h:2"}"#,
            json!({"call":"set-addresses","node":1,"addresses":{"peer":"","resp":"h:2","admin":"","sentinel":""}}),
        ),
        ("PUT /v1/nodes/1/drain", "", json!({"call":"drain","node":1,"on":true})),
        ("DELETE /v1/nodes/1/drain", "", json!({"call":"drain","node":1,"on":false})),
        ("POST /v1/voters", r#"{"nodes":[4,5]}"#, json!({"call":"promote","nodes":[4,5],"force":false})),
        (
            "POST /v1/learners",
            r#"{"nodes":[4,5],"force":true}"#,
            json!({"call":"demote","nodes":[4,5],"force":true}),
        ),
        ("POST /v1/leader/transfer", "", json!({"call":"transfer","to":null})),
        ("POST /v1/leader/transfer", r#"{"to":2}"#, json!({"call":"transfer","to":2})),
        ("POST /v1/snapshots", "", json!({"call":"snapshot","node":null})),
        ("POST /v1/snapshots", r#"{"node":2}"#, json!({"call":"snapshot","node":2})),
        (
            "PATCH /v1/settings",
            r#"{"maxmemory":100,"requirepass":"x","appendonly":true}"#,
            json!({"maxmemory":"100","requirepass":"x","appendonly":"yes"}),
        ),
    ];
    let (fake, api) = api(Fake::default(), AdminOptions::default());
    for (line, body, call) in cases {
        let answer = ask(&api, line, &[], body).await;
        assert!(matches!(answer.status, 200 | 201), "{line}: {}", answer.text);
        assert_eq!(answer.json(), json!({"changed": true, "message": "done", "nodes": [4]}), "{line}");
        assert_eq!(fake.calls.lock().expect("calls").pop(), Some(call), "{line}");
    }
    let added = ask(&api, "POST /v1/nodes", &[], r#"{"addresses":{"peer":"h:1"}}"#).await;
    assert_eq!((added.status, added.header("location")), (201, "/v1/nodes/4"));
}

#[tokio::test]
async fn reads_answer_what_the_node_says() {
    let (_, api) = api(Fake::default(), AdminOptions::default());
    let cases = [
        ("/v1/cluster", serde_json::to_value(status()).expect("JSON")),
        ("/v1/node", serde_json::to_value(report()).expect("JSON")),
        ("/v1/settings", json!({"maxmemory": "0"})),
    ];
    for (path, expected) in cases {
        let answer = ask(&api, &format!("GET {path}"), &[], "").await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    assert_eq!(ask(&api, "GET /metrics", &[], "").await.text, "# EOF\n");
    let page = ask(&api, "GET /", &[], "").await;
    assert!(page.text.starts_with("<!doctype html>") && page.header("content-type").starts_with("text/html"));
    assert!(!page.text.contains("//cdn") && !page.text.contains("https://"), "no outside assets");
}

#[tokio::test]
async fn health_says_why_not() {
    let (_, well) = api(Fake::default(), AdminOptions::default());
    let (_, ill) = api(Fake { trouble: true, ..Fake::default() }, AdminOptions::default());
    for path in ["GET /livez", "GET /readyz"] {
        assert_eq!(ask(&well, path, &[], "").await.status, 200);
    }
    assert_eq!(ask(&ill, "GET /livez", &[], "").await.problem().kind, ProblemKind::Internal);
    let answer = ask(&ill, "GET /readyz", &[], "").await;
    assert_eq!((answer.status, answer.problem().detail.as_str()), (503, "catching up"));
}

#[tokio::test]
async fn every_error_is_a_problem() {
    let long = format!(r#"{{"nodes":[{}4]}}"#, "4,".repeat(64 << 10));
    let cases = [
        ("GET /v1/nothing", "", 404, ProblemKind::NotFound),
        ("PUT /v1/cluster", "", 405, ProblemKind::MethodNotAllowed),
        ("POST /v1/nodes/x/promote", "", 400, ProblemKind::Invalid),
        ("POST /v1/nodes/4/promote?force=maybe", "", 400, ProblemKind::Invalid),
        ("POST /v1/nodes/4/promote?forse=true", "", 400, ProblemKind::Invalid),
        ("DELETE /v1/nodes?nodes=4,x", "", 400, ProblemKind::Invalid),
        ("DELETE /v1/nodes", "", 400, ProblemKind::Invalid),
        ("POST /v1/voters", "{", 400, ProblemKind::Invalid),
        ("POST /v1/voters", r#"{"nodes":"4"}"#, 422, ProblemKind::Invalid),
        ("POST /v1/voters", r#"{"nodes":[4],"forse":true}"#, 422, ProblemKind::Invalid),
        ("PATCH /v1/settings", r#"{"maxmemory":null}"#, 422, ProblemKind::Invalid),
        ("POST /v1/voters", "", 415, ProblemKind::UnsupportedMediaType),
        ("POST /v1/voters", &long, 413, ProblemKind::TooLarge),
    ];
    let (fake, api) = api(Fake::default(), AdminOptions::default());
    for (line, body, status, kind) in cases {
        let answer = ask(&api, line, &[], body).await;
        assert_eq!((answer.status, answer.problem().kind), (status, kind), "{line}: {}", answer.text);
        if status == 405 {
            assert_eq!(answer.header("allow"), "GET,HEAD");
        }
    }
    let text = ask(&api, "POST /v1/voters", &["Content-Type: text/plain"], r#"{"nodes":[4]}"#).await;
    assert_eq!(text.problem().status, 415);
    assert!(fake.calls.lock().expect("calls").is_empty(), "no wrong request reached the node");
}

#[tokio::test]
async fn refusals_keep_their_kind_and_reason() {
    let cases = [
        (RefusalKind::Invalid, 400),
        (RefusalKind::NotFound, 404),
        (RefusalKind::Unsafe, 409),
        (RefusalKind::Busy, 409),
        (RefusalKind::Internal, 500),
        (RefusalKind::Unavailable, 503),
        (RefusalKind::Timeout, 504),
    ];
    for (kind, status) in cases {
        let (_, api) = api(Fake { refuse: Some(kind), ..Fake::default() }, AdminOptions::default());
        let problem = ask(&api, "POST /v1/snapshots", &[], "").await.problem();
        assert_eq!((problem.status, problem.detail.as_str()), (status, "because"));
        assert_eq!(
            serde_json::to_value(problem.kind).expect("JSON"),
            serde_json::to_value(kind).expect("JSON")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_answered() {
    let (_, api) = api(Fake { hang: true, ..Fake::default() }, AdminOptions::default());
    assert_eq!(ask(&api, "POST /v1/snapshots", &[], "").await.problem().status, 504);
}

#[tokio::test]
async fn the_token_guards_all_but_health() {
    let options = AdminOptions { token: Some(Secret::new(TOKEN)), ..AdminOptions::default() };
    let (_, closed) = api(Fake::default(), options.clone());
    let (_, metrics_open) = api(Fake::default(), AdminOptions { metrics_open: true, ..options });
    for path in ["/", "/livez", "/readyz"] {
        assert_eq!(ask(&closed, &format!("GET {path}"), &[], "").await.status, 200, "{path}");
    }
    for path in ["/v1/cluster", "/metrics", "/openapi.json", "/v1/nothing", "/livez/", "//"] {
        let answer = ask(&closed, &format!("GET {path}"), &[], "").await;
        assert_eq!(answer.problem().status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    assert_eq!(ask(&metrics_open, "GET /metrics", &[], "").await.status, 200);
    assert_eq!(ask(&metrics_open, "GET /v1/cluster", &[], "").await.status, 401);

    let good = format!("Authorization: Bearer {TOKEN}");
    for header in [good.clone(), good.replace("Bearer", "bEARER")] {
        assert_eq!(ask(&closed, "GET /v1/cluster", &[&header], "").await.status, 200, "{header}");
    }
    for header in [
        format!("{good}0"),
        good[..good.len() - 1].into(),
        good.replace("Bearer", "Basic"),
        "Authorization: B".into(),
    ] {
        assert_eq!(ask(&closed, "GET /v1/cluster", &[&header], "").await.status, 401, "{header}");
    }
}

#[tokio::test]
async fn browsers_of_other_sites_are_refused() {
    let (fake, open) = api(Fake::default(), AdminOptions::default());
    let cases = [
        ("GET /v1/cluster", &["Host: 127.0.0.1:8379"][..], 200),
        ("GET /v1/cluster", &["Host: localhost:8379"], 200),
        ("GET /v1/cluster", &["Host: [::1]:8379"], 200),
        ("GET /v1/cluster", &["Host: rebound.example:8379"], 403),
        ("POST /v1/snapshots", &["Host: localhost:8379", "Origin: http://localhost:8379"], 200),
        ("POST /v1/snapshots", &["Host: localhost:8379", "Origin: https://evil.example"], 403),
        ("POST /v1/snapshots", &["Host: localhost:8379", "Origin: null"], 403),
    ];
    for (line, headers, status) in cases {
        assert_eq!(ask(&open, line, headers, "").await.status, status, "{line} {headers:?}");
    }
    assert_eq!(fake.calls.lock().expect("calls").len(), 1);

    // With a token any host name will do, for the attacker's page does not have it.
    let (_, closed) =
        api(Fake::default(), AdminOptions { token: Some(Secret::new(TOKEN)), ..Default::default() });
    let bearer = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(ask(&closed, "GET /v1/cluster", &["Host: admin.example", &bearer], "").await.status, 200);
}

#[tokio::test]
async fn the_document_has_every_route_and_its_errors() {
    let routes = [
        "get /",
        "get /livez",
        "get /metrics",
        "get /openapi.json",
        "get /readyz",
        "get /v1/cluster",
        "post /v1/leader/transfer",
        "post /v1/learners",
        "get /v1/node",
        "delete /v1/nodes",
        "post /v1/nodes",
        "delete /v1/nodes/{id}",
        "put /v1/nodes/{id}/addresses",
        "post /v1/nodes/{id}/demote",
        "delete /v1/nodes/{id}/drain",
        "put /v1/nodes/{id}/drain",
        "post /v1/nodes/{id}/promote",
        "post /v1/nodes/{id}/replace",
        "get /v1/settings",
        "patch /v1/settings",
        "post /v1/snapshots",
        "post /v1/voters",
    ];
    let (_, api) = api(Fake::default(), AdminOptions::default());
    let document = ask(&api, "GET /openapi.json", &[], "").await.json();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            described.insert(format!("{method} {path}"));
            let problem = &operation["responses"]["default"]["content"][PROBLEM_JSON]["schema"]["$ref"];
            assert_eq!(problem, "#/components/schemas/Problem", "{method} {path}");
            // A described route exists: whatever it answers, it is not "no such path" or "no such method".
            let line = format!("{} {}", method.to_uppercase(), path.replace("{id}", "4"));
            assert!(!matches!(ask(&api, &line, &[], "").await.status, 404 | 405), "{line}");
        }
    }
    assert_eq!(described, routes.iter().map(|r| (*r).to_owned()).collect());
    check_references(&document, &document);
    assert!(document["components"]["securitySchemes"]["bearer"].is_object());
}

/// Every `$ref` of the document leads somewhere in it.
fn check_references(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                let pointer = reference.strip_prefix('#').expect("a local reference");
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            members.values().for_each(|value| check_references(document, value));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(document, item)),
        _ => {}
    }
}

#[tokio::test]
async fn what_is_sent_is_what_the_document_says() {
    let (_, api) = api(Fake::default(), AdminOptions::default());
    let document = ask(&api, "GET /openapi.json", &[], "").await.json();
    let real = serde_json::to_value(status()).expect("JSON");
    let done =
        serde_json::to_value(Done { changed: true, message: String::new(), nodes: vec![] }).expect("JSON");
    let cases = [
        ("ClusterStatus", &real),
        ("NodeStatus", &real["nodes"]["1"]),
        ("NodeReport", &real["nodes"]["1"]["report"]),
        ("Addresses", &real["nodes"]["1"]["addresses"]),
        ("Done", &done),
    ];
    let names =
        |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
    for (schema, value) in cases {
        assert_eq!(names(&document["components"]["schemas"][schema]["properties"]), names(value), "{schema}");
    }
    // The types agree too: the mirror reads what is sent.
    let _: super::schema::doc::ClusterStatus = serde_json::from_value(real).expect("as described");
    let _: super::schema::doc::Done = serde_json::from_value(done).expect("as described");
    for role in [Role::Leader, Role::Follower, Role::Candidate, Role::Learner, Role::Outsider] {
        let sent = serde_json::to_value(role).expect("JSON");
        let described = document["components"]["schemas"]["Role"]["enum"].as_array().expect("roles");
        assert!(described.contains(&sent), "{sent}");
    }
}

async fn listening(limits: Limits) -> (std::net::SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let shutdown = CancellationToken::new();
    let api = router(Arc::new(Fake::default()), &AdminOptions { limits, ..AdminOptions::default() });
    (address, shutdown.clone(), tokio::spawn(run(listener, api, limits, shutdown)))
}

async fn read_all(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    // A connection that was never accepted is reset when its listener goes, which is closed as well.
    let _ = tokio::time::timeout(Duration::from_secs(10), read).await.expect("closed in time");
    String::from_utf8(text).expect("text")
}

#[tokio::test]
async fn connections_are_served_bounded_and_stopped() {
    let limits =
        Limits { head_time_max: Duration::from_millis(200), connections_max: 1, ..Limits::default() };
    let (address, shutdown, server) = listening(limits).await;

    // One that never finishes its head holds the only place until its time is over.
    let mut slow = TcpStream::connect(address).await.expect("connects");
    slow.write_all(b"GET /livez HT").await.expect("writes");
    let mut waiting = TcpStream::connect(address).await.expect("waits in the queue");
    waiting.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("writes");
    read_all(slow).await;
    // The answer comes, and then the idle connection is closed too.
    assert!(read_all(waiting).await.starts_with("HTTP/1.1 200 OK\r\n"));

    let idle = TcpStream::connect(address).await.expect("connects");
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), server).await.expect("stops").expect("no panic");
    read_all(idle).await;
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
}
