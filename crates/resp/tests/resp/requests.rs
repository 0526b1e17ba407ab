//! Requests and protocol errors. The expected answers were taken from redis-server 7.0.15, byte for byte.

use bytes::BytesMut;
use quorate_resp::{Decoder, Limits, Protocol, ProtocolError, Reply, Request, encode_request};

/// What a stream decodes to: its requests, then the text of the error that ended it.
fn decode(limits: Limits, stream: &[u8]) -> (Vec<Vec<Vec<u8>>>, Option<Vec<u8>>) {
    let (mut decoder, mut buf) = (Decoder::new(limits), BytesMut::from(stream));
    let mut requests = Vec::new();
    loop {
        match decoder.decode(&mut buf) {
            Ok(Some(request)) => requests.push(request.args().map(<[u8]>::to_vec).collect()),
            Ok(None) => return (requests, None),
            Err(error) => {
                assert_eq!(decoder.decode(&mut buf), Err(error), "an error stays");
                let mut reply = Reply::new(Protocol::Resp2);
                reply.protocol_error(&error);
                let text = reply.take();
                let text = text.strip_prefix(b"-ERR Protocol error: ").expect("the common start");
                return (requests, Some(text.strip_suffix(b"\r\n").expect("a line").to_vec()));
            }
        }
    }
}

fn check(stream: impl AsRef<[u8]>, requests: &[&[&[u8]]], error: Option<&[u8]>) {
    let (got, got_error) = decode(Limits::default(), stream.as_ref());
    let shown = stream.as_ref().escape_ascii().to_string();
    assert_eq!(got, requests, "{:.200}", shown);
    assert_eq!(got_error.as_deref(), error, "{:.200}", shown);
}

#[test]
fn arrays_of_bulk_strings() {
    check("*1\r\n$4\r\nPING\r\n", &[&[b"PING"]], None);
    check("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", &[&[b"ECHO", b""]], None);
    check("*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\0$\r\n*1\r\n$1\r\nx\r\n", &[&[b"ECHO", b"\r\n\0$"], &[b"x"]], None);
    // The bytes behind CR and behind an argument are not looked at.
    check("*1\rX$4\rXPINGXX", &[&[b"PING"]], None);
    // No request: counts of zero and less.
    check("*0\r\n*-1\r\n*-10\r\nPING\r\n", &[&[b"PING"]], None);
    // Not whole.
    for part in [
        "",
        "*",
        "*1",
        "*1\r",
        "*1\r\n",
        "*1\r\n$4\r\nPING",
        "*1\r\n$4\r\nPING\r",
        "*1\r\nfoo",
        "*1\r\nfoo\r",
    ] {
        check(part, &[], None);
    }
}

#[test]
fn broken_arrays() {
    let cases: &[(&str, &str)] = &[
        ("*3000000000\r\n", "invalid multibulk length"),
        ("*99999999999999999999\r\n", "invalid multibulk length"),
        ("*+1\r\n", "invalid multibulk length"),
        ("*01\r\n", "invalid multibulk length"),
        ("*-0\r\n", "invalid multibulk length"),
        ("*\r\n", "invalid multibulk length"),
        ("* 1\r\n", "invalid multibulk length"),
        ("*1\r\nfoo\r\n", "expected '$', got 'f'"),
        ("*1\r\n\rfoo\r\n", "expected '$', got ' '"),
        ("*1\r\n\nfoo\r\n", "expected '$', got ' '"),
        ("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"),
        ("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n", "invalid bulk length"),
        ("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n", "invalid bulk length"),
        ("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$blabla\r\n", "invalid bulk length"),
        ("*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
        ("*1\r\n$-0\r\n", "invalid bulk length"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$\r\n", "invalid bulk length"),
        ("*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
    ];
    for (stream, error) in cases {
        check(stream, &[], Some(error.as_bytes()));
    }
    // The offending byte is repeated as it is, not as UTF-8.
    check(b"*1\r\n\xfffoo\r\n", &[], Some(b"expected '$', got '\xff'"));
    // What came before an error is still given.
    check("PING\r\n*x\r\n", &[&[b"PING"]], Some(b"invalid multibulk length"));
    assert_eq!(
        ProtocolError::BulkExpected { got: b'\r' }.to_string(),
        "Protocol error: expected '$', got ' '",
        "Display agrees with the reply"
    );
}

#[test]
fn inline_requests() {
    let cases: &[(&[u8], &[&[u8]])] = &[
        (b"PING\r\n", &[b"PING"]),
        (b"PING\n", &[b"PING"]),
        (b"PING\r\r\n", &[b"PING"]),
        (b"  set  key\tvalue  \r\n", &[b"set", b"key", b"value"]),
        (b"$3\r\n", &[b"$3"]),
        (b"echo \"\"\r\n", &[b"echo", b""]),
        (b"echo ''\r\n", &[b"echo", b""]),
        (b"echo \"a b\" 'c d'\r\n", &[b"echo", b"a b", b"c d"]),
        (b"echo \"\\n\\r\\t\\b\\a\\q\\\\\\\"\"\r\n", &[b"echo", b"\n\r\t\x08\x07q\\\""]),
        (b"echo \"\\x41\\xfF\\x00\"\r\n", &[b"echo", b"A\xff\0"]),
        (b"echo \"\\x4g\\x\"\r\n", &[b"echo", b"x4gx"]),
        (b"echo 'a\\'b\\n\\x41'\r\n", &[b"echo", b"a'b\\n\\x41"]),
        (b"echo foo\"b\\x41 c\"\r\n", &[b"echo", b"foobA c"]),
        (b"echo a\x0bb \x0c c\r\n", &[b"echo", b"a\x0bb", b"c"]),
        (b"echo \"a\"\x0bb\r\n", &[b"echo", b"a", b"b"]),
        (b"echo a\\nb\r\n", &[b"echo", b"a\\nb"]),
    ];
    for (stream, args) in cases {
        check(stream, &[args], None);
    }
    check("\r\n\n  \r\n\t\nPING\r\n", &[&[b"PING"]], None);
    for stream in [
        "echo \"a\"b\r\n",
        "echo 'a'b\r\n",
        "echo \"a\r\n",
        "echo 'a\r\n",
        "echo \"a\\\r\n",
        "echo 'a\\'\r\n",
    ] {
        check(stream, &[], Some(b"unbalanced quotes in request"));
    }
    check("set \"\"\"test-key\"\"\" test-value\r\nping\r\n", &[], Some(b"unbalanced quotes in request"));
}

#[test]
fn lines_without_end() {
    let long = |start: &[u8]| [start, &vec![b'A'; 70_000]].concat();
    check(long(b""), &[], Some(b"too big inline request"));
    check(long(b"*"), &[], Some(b"too big mbulk count string"));
    check(long(b"*1\r\n"), &[], Some(b"too big bulk count string"));
    check(long(b"*1\r\n$"), &[], Some(b"too big bulk count string"));
    // A NUL hides every line end behind it.
    check("PING\0\r\nPING\r\n", &[], None);
    check([long(b"\0"), b"\r\n".to_vec()].concat(), &[], Some(b"too big inline request"));
    check([long(b"*\0"), b"\r\n".to_vec()].concat(), &[], Some(b"too big mbulk count string"));
    check([long(b"*1\r\n$\0"), b"\r\n".to_vec()].concat(), &[], Some(b"too big bulk count string"));
    // On the limit.
    let limits = Limits { inline_bytes_max: 10, ..Limits::default() };
    for (stream, ended) in
        [("0123456789", false), ("0123456789\n", true), ("0123456789a", false), ("0123456789a\n", false)]
    {
        let (requests, error) = decode(limits, stream.as_bytes());
        assert_eq!(
            (requests.len() == 1, error.is_some()),
            (ended, stream.len() > 10 && !ended),
            "{stream:?}"
        );
    }
}

#[test]
fn limits_hold() {
    let limits = Limits { bulk_bytes_max: 5, args_max: 3, request_bytes_max: 30, ..Limits::default() };
    let error =
        |stream: &str| decode(limits, stream.as_bytes()).1.map(|text| String::from_utf8(text).unwrap());
    assert_eq!(error("*3\r\n$1\r\na\r\n$5\r\n12345\r\n$0\r\n\r\n"), None);
    assert_eq!(error("*4\r\n").as_deref(), Some("invalid multibulk length"));
    assert_eq!(error("*1\r\n$6\r\n").as_deref(), Some("invalid bulk length"));
    assert_eq!(error("*3\r\n$5\r\n12345\r\n$5\r\n12345\r\n$1\r\n").as_deref(), Some("too big request"));

    let limits = Limits { unauthenticated: true, ..Limits::default() };
    let error =
        |stream: &str| decode(limits, stream.as_bytes()).1.map(|text| String::from_utf8(text).unwrap());
    assert_eq!(error("*10\r\n$16384\r\n"), None);
    assert_eq!(error("*11\r\n").as_deref(), Some("unauthenticated multibulk length"));
    assert_eq!(error("*10\r\n$16385\r\n").as_deref(), Some("unauthenticated bulk length"));
    assert_eq!(error("*2000000\r\n").as_deref(), Some("invalid multibulk length"));
}

#[test]
fn limits_change_between_requests() {
    let mut buf = BytesMut::from("*1\r\n$4\r\nAUTH\r\n*11\r\n");
    let mut decoder = Decoder::new(Limits { unauthenticated: true, ..Limits::default() });
    assert_eq!(decoder.decode(&mut buf).unwrap().unwrap().arg(0), b"AUTH");
    decoder.set_limits(Limits { unauthenticated: false, ..*decoder.limits() });
    assert_eq!(decoder.decode(&mut buf), Ok(None), "allowed by now");
}

#[test]
fn arguments_are_slices_of_the_buffer() {
    let mut buf = BytesMut::from("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
    let start = buf.as_ptr() as usize;
    let frame_bytes = buf.len();
    let request = Decoder::new(Limits::default()).decode(&mut buf).unwrap().unwrap();
    assert_eq!(request.arg(1).as_ptr() as usize, start + 17);
    assert_eq!(request.arg_bytes(1).as_ptr() as usize, start + 17);
    assert_eq!(request.frame_bytes(), frame_bytes);
    assert_eq!((request.len(), request.get(2), request.arg(2)), (2, None, &b""[..]));
}

/// An announcement costs a mebibyte at most; what is reserved later follows what has arrived.
#[test]
fn big_arguments_are_not_allocated_on_announcement() {
    let mut decoder = Decoder::new(Limits::default());
    let mut buf = BytesMut::from("*1\r\n$536870912\r\n");
    assert_eq!(decoder.decode(&mut buf), Ok(None));
    assert!(buf.capacity() <= 2 * 1024 * 1024, "reserved {} bytes", buf.capacity());
    assert_eq!(decoder.bytes_missing(&buf), 536_870_914);

    let chunk = [b'x'; 64 * 1024];
    let mut moved = 0;
    for _ in 0..256 {
        let before = buf.as_ptr();
        buf.extend_from_slice(&chunk);
        assert_eq!(decoder.decode(&mut buf), Ok(None));
        moved += usize::from(buf.as_ptr() != before);
        assert!(buf.capacity() <= 4 * buf.len().max(1024 * 1024), "{} for {}", buf.capacity(), buf.len());
    }
    assert!(moved < 12, "16 MiB in 256 reads moved the buffer {moved} times");
}

#[test]
fn many_announced_arguments_are_not_allocated() {
    let mut decoder = Decoder::new(Limits::default());
    let mut buf = BytesMut::from("*1048576\r\n$1\r\na\r\n");
    assert_eq!(decoder.decode(&mut buf), Ok(None));
    assert!(buf.capacity() < 64 * 1024);
    for _ in 1..1_048_576 {
        buf.extend_from_slice(b"$1\r\na\r\n");
    }
    let request = decoder.decode(&mut buf).unwrap().expect("whole by now");
    assert_eq!(request.len(), 1_048_576);
    assert!(request.args().all(|arg| arg == b"a"));
}

#[test]
fn requests_made_here() {
    let request = Request::from_args(["SET", "key", ""]);
    assert_eq!(request.args().collect::<Vec<_>>(), [&b"SET"[..], b"key", b""]);
    assert_eq!(request.frame_bytes(), 6);
    assert!(Request::from_args::<[&str; 0]>([]).is_empty());
    assert_eq!(format!("{:?}", Request::from_args([b"a\xff"])), r#"["a\\xff"]"#);

    let mut out = BytesMut::new();
    encode_request(["GET", ""], &mut out);
    assert_eq!(&out[..], b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
}
