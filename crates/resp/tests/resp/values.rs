//! Replies as a client reads them.

use bytes::BytesMut;
use quorate_resp::{Protocol, ProtocolError, Reply, Value, ValueDecoder, ValueLimits};

fn bulk(text: &'static str) -> Value {
    Value::Bulk(text.into())
}

/// Decodes at once, byte by byte, and from every prefix, which must not be enough.
fn check(stream: &[u8], expected: Value) {
    let shown = stream.escape_ascii().to_string();
    let same = |got: &Value| format!("{got:?}") == format!("{expected:?}"); // NaN is equal to itself here
    let mut buf = BytesMut::from(stream);
    let got = Value::decode(&mut buf).expect(&shown).expect(&shown);
    assert!(same(&got) && buf.is_empty(), "{shown}: {got:?}, expected {expected:?}");

    let (mut decoder, mut buf) = (ValueDecoder::new(ValueLimits::default()), BytesMut::new());
    for (i, byte) in stream.iter().enumerate() {
        let mut prefix = BytesMut::from(&stream[..i]);
        assert_eq!(Value::decode(&mut prefix), Ok(None), "{shown}: {i} bytes");
        assert_eq!(prefix.len(), i, "nothing taken");
        assert_eq!(decoder.decode(&mut buf), Ok(None), "{shown}: {i} bytes");
        buf.extend_from_slice(&[*byte]);
    }
    assert!(same(&decoder.decode(&mut buf).unwrap().unwrap()), "{shown}");
}

#[test]
fn every_type() {
    check(b"+OK\r\n", Value::Simple("OK".into()));
    check(b"+\r\n", Value::Simple("".into()));
    check(b"-ERR no\r\n", Value::Error("ERR no".into()));
    check(b"!6\r\nERR\r\nx\r\n", Value::Error("ERR\r\nx".into()));
    check(b":-12\r\n", Value::Integer(-12));
    check(b":+12\r\n", Value::Integer(12));
    check(b"$0\r\n\r\n", bulk(""));
    check(b"$4\r\na\r\nb\r\n", bulk("a\r\nb"));
    for null in [&b"$-1\r\n"[..], b"*-1\r\n", b"_\r\n"] {
        check(null, Value::Null);
    }
    check(b"*0\r\n", Value::Array(vec![]));
    check(
        b"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n",
        Value::Array(vec![Value::Integer(1), Value::Array(vec![bulk("x")])]),
    );
    check(b"%0\r\n", Value::Map(vec![]));
    check(
        b"%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n",
        Value::Map(vec![
            (Value::Simple("a".into()), Value::Integer(1)),
            (Value::Simple("b".into()), Value::Array(vec![])),
        ]),
    );
    check(b"~1\r\n_\r\n", Value::Set(vec![Value::Null]));
    check(b">1\r\n+message\r\n", Value::Push(vec![Value::Simple("message".into())]));
    check(b",1.5\r\n", Value::Double(1.5));
    check(b",-inf\r\n", Value::Double(f64::NEG_INFINITY));
    check(b",nan\r\n", Value::Double(f64::NAN));
    check(b"#t\r\n", Value::Boolean(true));
    check(b"#f\r\n", Value::Boolean(false));
    check(b"(-123456789012345678901\r\n", Value::BigNumber("-123456789012345678901".into()));
    check(b"=7\r\ntxt:a\nb\r\n", Value::Verbatim { format: *b"txt", text: "a\nb".into() });
}

#[test]
fn attributes_belong_to_the_reply_behind_them() {
    let attributes = || vec![(Value::Simple("ttl".into()), Value::Integer(3))];
    let about = |value| Value::Attributed { attributes: attributes(), value: Box::new(value) };
    check(b"|1\r\n+ttl\r\n:3\r\n+OK\r\n", about(Value::Simple("OK".into())));
    check(b"|0\r\n+OK\r\n", Value::Simple("OK".into()));
    check(
        b"*2\r\n|1\r\n+ttl\r\n:3\r\n:1\r\n:2\r\n",
        Value::Array(vec![about(Value::Integer(1)), Value::Integer(2)]),
    );
    check(b"|1\r\n+ttl\r\n:3\r\n*1\r\n:1\r\n", about(Value::Array(vec![Value::Integer(1)])));
}

#[test]
fn refused() {
    use ProtocolError::{ReplyMalformed, ReplyTooBig, ReplyTypeUnknown};
    let cases: &[(&[u8], ProtocolError)] = &[
        (b"x\r\n", ReplyTypeUnknown { got: b'x' }),
        (b"\r\n", ReplyMalformed),
        (b":\r\n", ReplyMalformed),
        (b":1a\r\n", ReplyMalformed),
        (b":9223372036854775808\r\n", ReplyMalformed),
        (b"+a\rb\r\n", ReplyMalformed),
        (b"$-2\r\n", ReplyMalformed),
        (b"$?\r\n", ReplyMalformed),
        (b"*?\r\n", ReplyMalformed),
        (b"%-1\r\n", ReplyMalformed),
        (b"$1\r\nabc\r\n", ReplyMalformed),
        (b"$536870913\r\n", ReplyTooBig),
        (b"*9999999999\r\n", ReplyTooBig),
        (b"%9223372036854775807\r\n", ReplyTooBig),
        (b"#x\r\n", ReplyMalformed),
        (b"_x\r\n", ReplyMalformed),
        (b",\r\n", ReplyMalformed),
        (b"(\r\n", ReplyMalformed),
        (b"(1x\r\n", ReplyMalformed),
        (b"=3\r\ntxt\r\n", ReplyMalformed),
        (b"=5\r\ntxt-a\r\n", ReplyMalformed),
    ];
    for (stream, error) in cases {
        let got = ValueDecoder::new(ValueLimits::default()).decode(&mut BytesMut::from(*stream));
        assert_eq!(got, Err(*error), "{}", stream.escape_ascii());
    }
}

#[test]
fn limits_hold() {
    let limits = ValueLimits { line_bytes_max: 8, bulk_bytes_max: 4, depth_max: 2, elements_max: 5 };
    let decode =
        |stream: &[u8]| ValueDecoder::new(limits).decode(&mut BytesMut::from(stream)).map(|v| v.is_some());
    assert_eq!(decode(b"+1234567\r\n"), Ok(true));
    assert_eq!(decode(b"+12345678"), Err(ProtocolError::ReplyTooBig));
    assert_eq!(decode(b"$4\r\nabcd\r\n"), Ok(true));
    assert_eq!(decode(b"$5\r\n"), Err(ProtocolError::ReplyTooBig));
    assert_eq!(decode(b"*1\r\n*1\r\n:1\r\n"), Ok(true));
    assert_eq!(decode(b"*1\r\n*1\r\n*1\r\n"), Err(ProtocolError::ReplyTooBig));
    assert_eq!(decode(b"*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n"), Ok(true));
    assert_eq!(decode(b"*2\r\n*2\r\n:1\r\n:1\r\n*2\r\n:1\r\n:1\r\n"), Err(ProtocolError::ReplyTooBig));
    // Attributes cannot be used to get around the depth, nor to keep the decoder busy for ever.
    assert_eq!(decode(&b"|1\r\n:1\r\n:1\r\n".repeat(3)), Err(ProtocolError::ReplyTooBig));
    assert_eq!(decode(&b"|0\r\n".repeat(6)), Err(ProtocolError::ReplyTooBig));

    let mut deep = BytesMut::from(&b"*1\r\n".repeat(1_000_000)[..]);
    let got = ValueDecoder::new(ValueLimits::default()).decode(&mut deep);
    assert_eq!(got, Err(ProtocolError::ReplyTooBig), "depth costs no stack");
}

#[test]
fn several_replies_in_one_buffer() {
    let mut buf = BytesMut::from("+OK\r\n:1\r\n>1\r\n+m\r\n$5\r\nhal");
    let mut decoder = ValueDecoder::new(ValueLimits::default());
    let mut got = Vec::new();
    while let Some(value) = decoder.decode(&mut buf).unwrap() {
        got.push(value);
    }
    assert_eq!(
        got,
        [Value::Simple("OK".into()), Value::Integer(1), Value::Push(vec![Value::Simple("m".into())])]
    );
    buf.extend_from_slice(b"lo\r\n");
    assert_eq!(decoder.decode(&mut buf), Ok(Some(Value::Bulk("hallo"[..].into()))));
}

#[test]
fn views() {
    assert_eq!(Value::Simple("OK".into()).as_str(), Some("OK"));
    assert_eq!(bulk("x").as_bytes(), Some(&b"x"[..]));
    assert_eq!(Value::Bulk(b"\xff"[..].into()).as_str(), None);
    assert_eq!(Value::Integer(7).as_integer(), Some(7));
    assert_eq!(Value::Set(vec![Value::Null]).as_array(), Some(&[Value::Null][..]));
    assert_eq!(Value::Map(vec![(bulk("k"), Value::Null)]).as_map(), Some(&[(bulk("k"), Value::Null)][..]));
    assert_eq!(Value::Error("ERR x".into()).as_error(), Some(&b"ERR x"[..]));
    assert!(Value::Null.is_null() && Value::Push(vec![]).is_push());
}

#[test]
fn written_again() {
    let value = Value::Map(vec![(bulk("k"), Value::Set(vec![Value::Boolean(true), Value::Null]))]);
    for (protocol, expected) in [
        (Protocol::Resp2, &b"*2\r\n$1\r\nk\r\n*2\r\n:1\r\n$-1\r\n"[..]),
        (Protocol::Resp3, b"%1\r\n$1\r\nk\r\n~2\r\n#t\r\n_\r\n"),
    ] {
        let mut reply = Reply::new(protocol);
        value.write(&mut reply);
        assert_eq!(reply.as_bytes(), expected);
    }
}
