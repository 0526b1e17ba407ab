//! Properties over generated streams: the split of a stream does not matter, what is written is read again, and
//! no bytes cause a panic or more memory than they are worth.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use quorate_resp::{
    Decoder, Limits, Protocol, ProtocolError, Reply, Request, Value, ValueDecoder, ValueLimits,
    encode_request, format_double, format_integer, parse_f64, parse_i64, parse_u64,
};

/// Limits small enough for generated streams to reach.
const LIMITS: Limits = Limits {
    inline_bytes_max: 40,
    bulk_bytes_max: 60,
    args_max: 12,
    request_bytes_max: 300,
    unauthenticated: false,
};

/// Feeds the pieces between `cuts` and gives everything that came out, errors included.
fn requests(limits: Limits, stream: &[u8], cuts: &[usize]) -> (Vec<Request>, Option<ProtocolError>) {
    let (mut decoder, mut buf) = (Decoder::new(limits), BytesMut::new());
    let mut all = Vec::new();
    for piece in pieces(stream, cuts) {
        buf.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buf) {
                Ok(Some(request)) => all.push(request),
                Ok(None) => break,
                Err(error) => return (all, Some(error)),
            }
        }
        assert!(buf.len() <= limits.request_bytes_max + limits.inline_bytes_max, "{} bytes kept", buf.len());
    }
    (all, None)
}

fn values(stream: &[u8], cuts: &[usize]) -> (Vec<Value>, Option<ProtocolError>) {
    let (mut decoder, mut buf) = (ValueDecoder::new(ValueLimits::default()), BytesMut::new());
    let mut all = Vec::new();
    for piece in pieces(stream, cuts) {
        buf.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buf) {
                Ok(Some(value)) => all.push(value),
                Ok(None) => break,
                Err(error) => return (all, Some(error)),
            }
        }
    }
    (all, None)
}

fn pieces<'a>(stream: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(stream.len());
    let mut start = 0;
    cuts.iter().map(|&end| &stream[std::mem::replace(&mut start, end)..end]).collect()
}

fn args() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6)
}

/// Streams near the grammar: whole requests, headers right and wrong, lines, quotes and noise.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        4 => args().prop_map(|args| {
            let mut out = BytesMut::new();
            encode_request(&args, &mut out);
            out.to_vec()
        }),
        2 => "[*$][-0-9]{0,3}\r\n".prop_map(String::into_bytes),
        2 => "[a-c \"'\\\\x0-9]{0,12}\r?\n".prop_map(String::into_bytes),
        1 => "[a-z]{30,45}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => Just(b"\0".to_vec()),
    ];
    prop::collection::vec(token, 0..8).prop_map(|tokens| tokens.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..12).prop_map(Bytes::from);
    let line = || "[ -~]{0,12}".prop_map(|text| Bytes::from(text.into_bytes()));
    let leaf = prop_oneof![
        line().prop_map(Value::Simple),
        line().prop_map(Value::Error),
        any::<i64>().prop_map(Value::Integer),
        bytes().prop_map(Value::Bulk),
        Just(Value::Null),
        any::<f64>().prop_filter("NaN differs from itself", |v| !v.is_nan()).prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        "-?[0-9]{1,30}".prop_map(|digits| Value::BigNumber(Bytes::from(digits.into_bytes()))),
        bytes().prop_map(|text| Value::Verbatim { format: *b"txt", text }),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let items = || prop::collection::vec(inner.clone(), 0..5);
        let pairs = |min| prop::collection::vec((inner.clone(), inner.clone()), min..4);
        prop_oneof![
            items().prop_map(Value::Array),
            items().prop_map(Value::Set),
            items().prop_map(Value::Push),
            pairs(0).prop_map(Value::Map),
            (pairs(1), inner.clone())
                .prop_map(|(attributes, value)| Value::Attributed { attributes, value: Box::new(value) }),
        ]
    })
}

fn written(value: &Value, protocol: Protocol) -> Vec<u8> {
    let mut reply = Reply::new(protocol);
    value.write(&mut reply);
    reply.take().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_do_not_depend_on_the_split(stream in stream(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let whole = requests(LIMITS, &stream, &[]);
        let args = |all: &(Vec<Request>, Option<ProtocolError>)| {
            let requests: Vec<Vec<Vec<u8>>> =
                all.0.iter().map(|request| request.args().map(<[u8]>::to_vec).collect()).collect();
            (requests, all.1)
        };
        prop_assert_eq!(args(&whole), args(&requests(LIMITS, &stream, &cuts)));
        let bytes: Vec<usize> = (0..stream.len()).collect();
        prop_assert_eq!(args(&whole), args(&requests(LIMITS, &stream, &bytes)));
    }

    #[test]
    fn requests_survive_the_wire(all in prop::collection::vec(args(), 1..5), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        let mut out = BytesMut::new();
        for args in &all {
            encode_request(args, &mut out);
        }
        let (got, error) = requests(Limits::default(), &out, &cuts);
        prop_assert_eq!(error, None);
        let got: Vec<Vec<Vec<u8>>> = got.iter().map(|request| request.args().map(<[u8]>::to_vec).collect()).collect();
        prop_assert_eq!(&got, &all);
        for args in &all {
            let made = Request::from_args(args);
            prop_assert!(made.args().eq(args.iter().map(Vec::as_slice)));
        }
    }

    #[test]
    fn mutated_requests_cause_no_harm(
        all in prop::collection::vec(args(), 1..4),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..5),
        cuts in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let mut out = BytesMut::new();
        for args in &all {
            encode_request(args, &mut out);
        }
        for (at, byte) in changes {
            let at = at % out.len();
            out[at] = byte;
        }
        let (got, _) = requests(LIMITS, &out, &cuts);
        prop_assert!(got.iter().all(|request| !request.is_empty()));
        let frames: usize = got.iter().map(Request::frame_bytes).sum();
        prop_assert!(frames <= out.len());
    }

    /// What a request reserves is a constant or a multiple of what has arrived, whatever it announces.
    #[test]
    fn memory_follows_arrival(args in 1..1_048_576_u32, length in 0..536_870_912_u32, arrived in 0..20_000_usize) {
        let mut buf = BytesMut::from(format!("*{args}\r\n${length}\r\n").as_bytes());
        buf.extend_from_slice(&vec![b'1'; arrived]);
        let mut decoder = Decoder::new(Limits::default());
        let _ = decoder.decode(&mut buf);
        prop_assert!(buf.capacity() <= 2 * (1024 * 1024 + arrived + 40), "{} reserved", buf.capacity());
    }

    #[test]
    fn inline_words_are_read_as_quoted(words in args()) {
        let line: Vec<String> = words
            .iter()
            .map(|word| format!("\"{}\"", word.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>()))
            .collect();
        let (got, error) = requests(Limits::default(), format!("{}\r\n", line.join(" ")).as_bytes(), &[]);
        prop_assert_eq!(error, None);
        prop_assert_eq!(got.len(), 1);
        prop_assert!(got[0].args().eq(words.iter().map(Vec::as_slice)));
    }

    #[test]
    fn replies_survive_the_wire(all in prop::collection::vec(value(), 1..4), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        let stream: Vec<u8> = all.iter().flat_map(|value| written(value, Protocol::Resp3)).collect();
        let (got, error) = values(&stream, &cuts);
        prop_assert_eq!(error, None);
        prop_assert_eq!(&got, &all);
        let mut buf = BytesMut::from(&stream[..]);
        for value in &all {
            let got = Value::decode(&mut buf).expect("whole");
            prop_assert_eq!(got.as_ref(), Some(value));
        }
        prop_assert!(buf.is_empty());
    }

    /// The downgraded form is a whole RESP2 reply, and reading it loses types only.
    #[test]
    fn replies_downgrade_to_resp2(value in value()) {
        let resp2 = written(&value, Protocol::Resp2);
        let (got, error) = values(&resp2, &[]);
        prop_assert_eq!((got.len(), error), (1, None));
        prop_assert_eq!(written(&got[0], Protocol::Resp2), resp2);
    }

    #[test]
    fn mutated_replies_cause_no_harm(
        value in value(),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..5),
        cuts in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let mut stream = written(&value, Protocol::Resp3);
        for (at, byte) in changes {
            let at = at % stream.len();
            stream[at] = byte;
        }
        let whole = values(&stream, &[]);
        // As text, since a changed double may be NaN.
        prop_assert_eq!(format!("{whole:?}"), format!("{:?}", values(&stream, &cuts)));
        let mut buf = BytesMut::from(&stream[..]);
        let at_once = Value::decode(&mut buf);
        if let Some(first) = whole.0.first() {
            prop_assert_eq!(format!("{at_once:?}"), format!("{:?}", Ok::<_, ProtocolError>(Some(first))));
        }
    }

    #[test]
    fn noise_causes_no_harm(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        requests(LIMITS, &noise, &[]);
        values(&noise, &[]);
        let _ = (parse_i64(&noise), parse_u64(&noise), parse_f64(&noise));
    }

    #[test]
    fn integers_are_read_in_their_one_form(value in any::<i64>(), text in "[-+0-9 ]{0,21}") {
        prop_assert_eq!(parse_i64(&format_integer(value)), Some(value));
        let strict = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
        prop_assert_eq!(parse_i64(text.as_bytes()), strict);
    }

    #[test]
    fn doubles_survive_their_text(bits in any::<u64>(), scaled in -1e9..1e9_f64) {
        for value in [f64::from_bits(bits), scaled] {
            if !value.is_nan() {
                let text = format_double(value);
                prop_assert!(!text.spilled(), "fits the stack");
                prop_assert_eq!(parse_f64(&text).map(f64::to_bits), Some(value.to_bits()));
            }
        }
    }

    /// Hexadecimal, against the exact decimal of the same 64-bit integer, which the standard library rounds.
    #[test]
    fn hexadecimal_doubles_are_rounded_rightly(mantissa in any::<u64>(), exponent in 0..60_u32) {
        let text = format!("{:#x}p{exponent}", mantissa);
        let exact = u128::from(mantissa) << exponent;
        prop_assert_eq!(parse_f64(text.as_bytes()), exact.to_string().parse().ok());
    }
}
