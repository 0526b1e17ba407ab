//! Which options are refused and what a node announces.

use super::*;

fn good() -> ServeOptions {
    ServeOptions {
        node: Some(1),
        peers: [(1, "a:1".to_owned()), (2, "b:1".to_owned()), (3, "c:1".to_owned())].into(),
        secret_file: Some("secret".into()),
        ..ServeOptions::default()
    }
}

#[test]
fn contradictions_name_their_setting() {
    assert_eq!(good().check(), Ok(()));
    type Case = (&'static str, fn(&mut ServeOptions));
    let cases: &[Case] = &[
        ("resp-bind", |o| o.resp_bind = "6379".into()),
        ("resp-bind", |o| o.resp_bind = "::1:6379".into()),
        ("admin-bind", |o| o.admin_bind = "host:99999".into()),
        ("peer-bind", |o| o.peer_bind.clear()),
        ("are the same address", |o| o.admin_bind = o.resp_bind.clone()),
        ("announce-resp", |o| o.announce_resp = Some("0.0.0.0:6379".into())),
        ("exclude each other", |o| o.join = vec!["a:1".into()]),
        ("numbers start at 1", |o| o.node = Some(0)),
        ("which of the peers", |o| o.node = None),
        ("node 4 itself is missing", |o| o.node = Some(4)),
        ("nodes 1 and 2 share", |o| drop(o.peers.insert(2, "a:1".into()))),
        ("peers: node 2", |o| drop(o.peers.insert(2, "b".into()))),
        ("secret-file", |o| o.secret_file = None),
        ("admin-token-file", |o| o.admin_bind = "0.0.0.0:8379".into()),
        ("election", |o| o.heartbeat_ms = 100),
        ("segment-bytes", |o| o.segment_bytes = 1),
        ("announce-host", |o| (o.peers, o.join) = (BTreeMap::new(), vec!["a:1".into()])),
    ];
    for (name, spoil) in cases {
        let mut options = good();
        spoil(&mut options);
        let error = options.check().expect_err(name).to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
}

#[test]
fn loopback_needs_neither_secret_nor_token() {
    let options = ServeOptions {
        resp_bind: "127.0.0.1:7001".into(),
        admin_bind: "[::1]:8001".into(),
        peer_bind: "localhost:10001".into(),
        peers: [(1, "localhost:10001".to_owned())].into(),
        secret_file: None,
        ..good()
    };
    assert_eq!(options.check(), Ok(()));
}

#[test]
fn what_is_announced_follows_from_what_is_known() {
    type Case = (&'static str, fn(&mut ServeOptions), [&'static str; 3]);
    let cases: &[Case] = &[
        ("the entry in peers", |_| (), ["a:1", "a:6379", "127.0.0.1:8379"]),
        ("announce-host", |o| o.announce_host = Some("h".into()), ["h:16379", "h:6379", "127.0.0.1:8379"]),
        (
            "an IPv6 host",
            |o| o.announce_host = Some("fd00::1".into()),
            ["[fd00::1]:16379", "[fd00::1]:6379", "127.0.0.1:8379"],
        ),
        (
            "a bind address",
            |o| (o.node, o.peers, o.peer_bind) = (None, BTreeMap::new(), "10.0.0.1:2".into()),
            ["10.0.0.1:2", "10.0.0.1:6379", "127.0.0.1:8379"],
        ),
        ("announce-resp", |o| o.announce_resp = Some("nat:5".into()), ["a:1", "nat:5", "127.0.0.1:8379"]),
        ("no admin port", |o| o.admin_bind.clear(), ["a:1", "a:6379", ""]),
    ];
    for (name, change, [peer, resp, admin]) in cases {
        let mut options = good();
        change(&mut options);
        let announced = options.announced().expect(name);
        assert_eq!((&*announced.peer, &*announced.resp, &*announced.admin), (*peer, *resp, *admin), "{name}");
    }
}

#[test]
fn addresses_are_split() {
    let cases = [("h:1", Some(("h", 1))), ("[::1]:2", Some(("::1", 2))), ("1.2.3.4:0", Some(("1.2.3.4", 0)))];
    for (text, expected) in cases {
        assert_eq!(HostPort::parse(text).ok().map(|p| (p.host, p.port)), expected);
        assert_eq!(HostPort::parse(text).expect("an address").to_string(), text);
    }
    for wrong in ["", ":", ":1", "h", "h:", "h:x", "h:65536", "::1:2", "a b:1", "http://h:1"] {
        assert!(HostPort::parse(wrong).is_err(), "{wrong}");
    }
}
