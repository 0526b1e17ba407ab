//! Replies: no input panics, the split changes nothing, the two ways of decoding agree, and what was read can be
//! written and read again.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use quorate_resp::{Protocol, ProtocolError, Reply, Value, ValueDecoder, ValueLimits};

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Value>, Option<ProtocolError>) {
    let (mut decoder, mut buf) = (ValueDecoder::new(ValueLimits::default()), BytesMut::new());
    let mut all = Vec::new();
    for piece in pieces {
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

/// As text, since NaN differs from itself.
fn text(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

fuzz_target!(|input: (u8, &[u8])| {
    let (step, stream) = input;
    let whole = decode(std::iter::once(stream));
    assert_eq!(text(&whole), text(&decode(stream.chunks(usize::from(step % 16) + 1))));
    let at_once = Value::decode(&mut BytesMut::from(stream));
    let Some(first) = whole.0.first() else { return };
    assert_eq!(text(&at_once), text(&Ok::<_, ProtocolError>(Some(first))));

    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut reply = Reply::new(protocol);
        first.write(&mut reply);
        let written = reply.take();
        let (again, error) = decode(std::iter::once(&written[..]));
        assert_eq!((again.len(), error), (1, None));
        let mut reply = Reply::new(protocol);
        again[0].write(&mut reply);
        assert_eq!(reply.take(), written);
    }
});
