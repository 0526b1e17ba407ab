//! `quorate bench` counts every outcome, and its `--verify` finds what a server loses, doubles or makes up.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bytes::BytesMut;
use quorate_resp::{Decoder, Limits, Protocol, Reply, Request, Value};
use quorate_testkit::{Client, Cluster};
use serde_json::Value as Json;

use crate::{QUORATE, alone, calm, count};

/// Starts the program; `wait_for_report` ends it.
fn bench(addresses: &[SocketAddr], line: &str) -> std::process::Child {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    Command::new(QUORATE)
        .args(["bench", "--json", &addresses.join(",")])
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Its exit status and its report.
fn wait_for_report(child: std::process::Child) -> (i32, Json) {
    let output = child.wait_with_output().expect("the program ends");
    let report = serde_json::from_slice(&output.stdout);
    let report =
        report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().expect("it was not killed"), report)
}

fn number(report: &Json, path: &str) -> u64 {
    report.pointer(path).and_then(Json::as_u64).unwrap_or_else(|| panic!("{path} in {report}"))
}

#[test]
fn every_request_is_counted_once_by_its_outcome() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 1, &calm(&[]));
    let addresses = [cluster.nodes[0].resp];
    let line = "-n 3000 -c 7 -t 2 -p 5 --keys 50 --prefill --mix set=2,get=1";
    let (code, report) = wait_for_report(bench(&addresses, line));
    assert_eq!(code, 0);
    assert_eq!((number(&report, "/total/ok"), number(&report, "/total/errors")), (3000, 0));
    assert_eq!(number(&report, "/total/unknown"), 0);
    assert_eq!(number(&report, "/requests/set/ok") + number(&report, "/requests/get/ok"), 3000);
    assert_eq!(cluster.client(0).integer(&["DBSIZE"]), 50);

    // Strings are no hashes: every answer is an error, and the program says that nothing was answered well.
    let (code, report) = wait_for_report(bench(&addresses, "-n 200 -c 2 --keys 50 --resp3 --mix hget"));
    assert_eq!(code, 4);
    assert_eq!((number(&report, "/total/ok"), number(&report, "/errors/WRONGTYPE")), (0, 200));

    // Due times: a second at 100 a second is about a hundred requests, and delays are told apart from lateness.
    let (code, report) = wait_for_report(bench(&addresses, "-d 1s -c 4 --keys 50 --rate 100 --mix set"));
    assert_eq!(code, 0);
    let ok = number(&report, "/total/ok");
    assert!((1..=104).contains(&ok), "{ok} at 100 a second");
    assert!(report.pointer("/lateness/p99").is_some_and(Json::is_f64), "{report}");
}

#[test]
fn what_a_site_was_told_holds_though_a_node_dies_under_it() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let addresses: Vec<_> = cluster.nodes.iter().map(|node| node.resp).collect();
    let seconds = count(5, 60);
    let running = bench(
        &addresses,
        &format!("--profile P2 --scale 0.2 -c 24 -t 2 -d {seconds}s --verify --timeout 60s"),
    );
    let leader = cluster.leader();
    let mut client = cluster.client((leader + 1) % 3);
    // The load is under way.
    quorate_testkit::until("events", std::time::Duration::from_secs(60), || {
        (client.integer(&["ZCARD", "m:ev:idx:zset"]) > 20).then_some(())
    });
    cluster.kill(leader);
    cluster.spawn(leader);
    let (code, report) = wait_for_report(running);
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["verified"]["asked"].as_array().map(Vec::len), Some(3), "{report}");
    assert_eq!(number(&report, "/verified/wrong_count"), 0);
    assert!(number(&report, "/verified/events/acknowledged") > 20, "{report}");
    assert!(number(&report, "/verified/creates/acknowledged") > 0, "{report}");
    assert!(number(&report, "/reconnects") > 0, "the dead node's clients went elsewhere: {report}");
    assert_eq!(number(&report, "/total/errors"), 0, "{report}");
}

/// What a server does wrong with the requests that match.
#[derive(Debug, Clone, Copy)]
enum Lie {
    /// Answers well and does nothing.
    Lose,
    /// Does it twice.
    Repeat,
    /// Answers with an error and does it.
    Deny,
}

/// Stands between clients and a server, and lies to each tenth request of one kind.
fn liar(
    server: SocketAddr,
    command: &'static str,
    key: &'static str,
    lie: Lie,
) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    let (matched, lies) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let told = Arc::clone(&lies);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let (matched, lies) = (Arc::clone(&matched), Arc::clone(&lies));
            thread::spawn(move || {
                let is_due = |request: &Request| {
                    let word = |number: usize| request.get(number).unwrap_or_default();
                    word(0).eq_ignore_ascii_case(command.as_bytes())
                        && String::from_utf8_lossy(word(1)).contains(key)
                        && matched.fetch_add(1, Ordering::Relaxed) % 10 == 7
                };
                pass(stream, server, |request| {
                    let due = is_due(request);
                    lies.fetch_add(u64::from(due), Ordering::Relaxed);
                    due.then_some(lie)
                });
            });
        }
    });
    (address, told)
}

/// Passes one connection's requests on, one by one.
fn pass(mut stream: TcpStream, server: SocketAddr, lie: impl Fn(&Request) -> Option<Lie>) {
    let Ok(mut behind) = Client::connect(server) else { return };
    let (mut decoder, mut received, mut buffer) =
        (Decoder::new(Limits::default()), BytesMut::new(), [0; 65536]);
    loop {
        let mut answers = BytesMut::new();
        while let Ok(Some(request)) = decoder.decode(&mut received) {
            let args: Vec<&[u8]> = request.args().collect();
            let mut forward = || behind.call_bytes(&args);
            let answer = match lie(&request) {
                None => forward(),
                Some(Lie::Lose) => Ok(Value::Integer(1)),
                Some(Lie::Repeat) => forward().and_then(|_| forward()),
                Some(Lie::Deny) => forward().map(|_| Value::Error("ERR a lie".into())),
            };
            let Ok(answer) = answer else { return };
            let mut reply = Reply::new(Protocol::Resp2);
            answer.write(&mut reply);
            answers.extend_from_slice(reply.as_bytes());
        }
        if stream.write_all(&answers).is_err() {
            return;
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => received.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
}

#[test]
fn a_server_that_lies_is_found_out() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 1, &calm(&[]));
    let server = cluster.nodes[0].resp;
    let all = [
        ("ZADD", "xfer:ak:", Lie::Lose, "/verified/creates/lost"),
        ("RPUSH", ":files:", Lie::Repeat, "/verified/files/too_many"),
        ("SET", ":ev:", Lie::Deny, "/verified/events/too_many"),
        ("INCRBY", "xfer:seq", Lie::Lose, "/verified/steps/lost"),
        ("SET", ":ev:", Lie::Lose, "/verified/events/lost"),
        ("RPUSH", ":files:", Lie::Lose, "/verified/files/lost"),
        ("INCRBY", "ev:seq", Lie::Repeat, "/verified/steps/too_many"),
    ];
    let cases = &all[..count(4, all.len() as u64) as usize];
    let line = "--profile P3 --scale 0 -c 4 -n 50 --verify --timeout 60s";
    for &(command, key, lie, path) in cases {
        cluster.client(0).call(&["FLUSHALL"]).expect("an empty server");
        let (address, lies) = liar(server, command, key, lie);
        let (code, report) = wait_for_report(bench(&[address], line));
        assert!(lies.load(Ordering::Relaxed) > 0, "{command} {key} came by often enough");
        assert!(number(&report, path) > 0, "{lie:?} {command} {key}: {report}");
        assert_eq!(code, 1, "{lie:?} {command} {key}: {report}");
    }
    // The same without lies.
    cluster.client(0).call(&["FLUSHALL"]).expect("an empty server");
    let (address, lies) = liar(server, "NOTHING", "", Lie::Lose);
    let (code, report) = wait_for_report(bench(&[address], line));
    assert_eq!((code, lies.load(Ordering::Relaxed)), (0, 0), "{report}");
}
