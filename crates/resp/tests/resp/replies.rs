//! Replies in both versions of the protocol.

use quorate_resp::{Protocol, Reply};

fn check(write: impl Fn(&mut Reply), resp2: &str, resp3: &str) {
    for (protocol, expected) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
        let mut reply = Reply::new(protocol);
        write(&mut reply);
        assert_eq!(reply.len(), expected.len());
        assert_eq!(reply.take().escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
        assert!(reply.is_empty(), "taken");
    }
    let mut nothing = Reply::discarding();
    write(&mut nothing);
    assert_eq!((nothing.len(), nothing.take().len()), (0, 0), "discarding");
}

#[test]
fn same_in_both_versions() {
    let same = |write: fn(&mut Reply), expected| check(write, expected, expected);
    same(|r| r.ok(), "+OK\r\n");
    same(|r| r.simple("PONG"), "+PONG\r\n");
    same(|r| r.simple("a\r\nb"), "+a  b\r\n");
    same(|r| r.error("ERR syntax error"), "-ERR syntax error\r\n");
    same(|r| r.error("\r\nERR a\r\n+b\n\n"), "-ERR a  +b\r\n");
    same(|r| r.integer(0), ":0\r\n");
    same(|r| r.integer(i64::MIN), ":-9223372036854775808\r\n");
    same(|r| r.count(12), ":12\r\n");
    same(|r| r.bulk(b""), "$0\r\n\r\n");
    same(|r| r.bulk(b"a\r\nb"), "$4\r\na\r\nb\r\n");
    same(|r| r.bulk_integer(-1), "$2\r\n-1\r\n");
    same(|r| r.bulk_double(0.5), "$3\r\n0.5\r\n");
    same(|r| r.array(0), "*0\r\n");
    same(|r| r.array(10), "*10\r\n");
    same(|r| r.bulk_or_null(Some(b"x")), "$1\r\nx\r\n");
    same(|r| r.raw(b"+QUEUED\r\n"), "+QUEUED\r\n");
}

#[test]
fn downgraded_in_resp2() {
    check(|r| r.null(), "$-1\r\n", "_\r\n");
    check(|r| r.bulk_or_null(None), "$-1\r\n", "_\r\n");
    check(|r| r.null_array(), "*-1\r\n", "_\r\n");
    check(|r| r.map(2), "*4\r\n", "%2\r\n");
    check(|r| r.set(2), "*2\r\n", "~2\r\n");
    check(|r| r.push(3), "*3\r\n", ">3\r\n");
    check(|r| r.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
    check(|r| r.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
    check(|r| r.boolean(true), ":1\r\n", "#t\r\n");
    check(|r| r.boolean(false), ":0\r\n", "#f\r\n");
    check(
        |r| r.big_number("-12345678901234567890"),
        "$21\r\n-12345678901234567890\r\n",
        "(-12345678901234567890\r\n",
    );
    check(|r| r.verbatim("txt", b"a\nb"), "$3\r\na\nb\r\n", "=7\r\ntxt:a\nb\r\n");
    check(
        |r| {
            if r.attribute(1) {
                r.simple("ttl");
                r.integer(3);
            }
            r.ok();
        },
        "+OK\r\n",
        "|1\r\n+ttl\r\n:3\r\n+OK\r\n",
    );
}

#[test]
fn headers_put_in_later() {
    check(
        |r| {
            r.ok();
            let outer = r.deferred();
            r.bulk(b"a");
            let inner = r.deferred();
            r.integer(1);
            r.integer(2);
            r.finish_set(inner, 2);
            r.finish_array(outer, 2);
            let empty = r.deferred();
            r.finish_map(empty, 0);
            let map = r.deferred();
            r.simple("k");
            r.simple("v");
            r.finish_map(map, 1);
        },
        "+OK\r\n*2\r\n$1\r\na\r\n*2\r\n:1\r\n:2\r\n*0\r\n*2\r\n+k\r\n+v\r\n",
        "+OK\r\n*2\r\n$1\r\na\r\n~2\r\n:1\r\n:2\r\n%0\r\n%1\r\n+k\r\n+v\r\n",
    );
}

#[test]
fn undone_by_truncation() {
    let mut reply = Reply::new(Protocol::Resp3);
    reply.ok();
    let len = reply.len();
    reply.array(2);
    reply.bulk(b"half");
    reply.truncate(len);
    reply.set_protocol(Protocol::Resp2);
    reply.null();
    assert_eq!(reply.as_bytes(), b"+OK\r\n$-1\r\n");
    assert_eq!(reply.protocol(), Protocol::Resp2);
}

#[test]
#[should_panic(expected = "three bytes")]
fn verbatim_format_is_checked() {
    Reply::new(Protocol::Resp3).verbatim("text", b"");
}
