//! Requests: no input panics, and the split of a stream changes neither its requests nor its error.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use quorate_resp::{Decoder, Limits, ProtocolError};

/// Small, so that short inputs reach every limit.
const LIMITS: Limits = Limits {
    inline_bytes_max: 64,
    bulk_bytes_max: 256,
    args_max: 32,
    request_bytes_max: 1024,
    unauthenticated: false,
};

type Decoded = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

fn decode<'a>(limits: Limits, pieces: impl Iterator<Item = &'a [u8]>) -> Decoded {
    let (mut decoder, mut buf) = (Decoder::new(limits), BytesMut::new());
    let mut all = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buf) {
                Ok(Some(request)) => {
                    assert!(!request.is_empty());
                    all.push(request.args().map(<[u8]>::to_vec).collect());
                }
                Ok(None) => break,
                Err(error) => return (all, Some(error)),
            }
        }
        assert!(buf.len() <= limits.request_bytes_max + limits.inline_bytes_max + piece.len());
    }
    (all, None)
}

fuzz_target!(|input: (u8, bool, &[u8])| {
    let (step, unauthenticated, stream) = input;
    let limits = Limits { unauthenticated, ..LIMITS };
    let whole = decode(limits, std::iter::once(stream));
    assert_eq!(whole, decode(limits, stream.chunks(usize::from(step % 16) + 1)));
    decode(Limits::default(), std::iter::once(stream));
});
