//! The RESP codec: requests in, replies out, replies read by a client.
//!
//! Each figure is for a whole buffer as a busy socket gives it; divide by the elements that criterion reports.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use quorate_resp::{
    Decoder, Limits, Protocol, Reply, Value, ValueDecoder, ValueLimits, encode_request, format_double,
};

const PIPELINE: usize = 128;

/// Pipelined commands with a value of so many bytes, back to back in one buffer.
fn pipeline(value_bytes: usize) -> BytesMut {
    let mut out = BytesMut::new();
    let value = vec![b'v'; value_bytes];
    for i in 0..PIPELINE {
        encode_request([b"SET".as_slice(), format!("key:{i:012}").as_bytes(), &value], &mut out);
    }
    out
}

fn decode_all(mut buf: BytesMut) -> usize {
    let mut decoder = Decoder::new(Limits::default());
    let mut bytes = 0;
    while let Ok(Some(request)) = decoder.decode(&mut buf) {
        bytes += black_box(request).frame_bytes();
    }
    assert!(buf.is_empty(), "the whole pipeline was decoded");
    bytes
}

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("request");
    for value_bytes in [64, 1024, 16 * 1024] {
        let stream = pipeline(value_bytes);
        group.throughput(Throughput::Elements(PIPELINE as u64));
        group.bench_function(format!("decode SET {value_bytes} B"), |b| {
            b.iter_batched(|| stream.clone(), decode_all, BatchSize::SmallInput);
        });
    }
    let inline = BytesMut::from(&b"GET key:000000000001\r\n".repeat(PIPELINE)[..]);
    group.bench_function("decode inline GET", |b| {
        b.iter_batched(|| inline.clone(), decode_all, BatchSize::SmallInput);
    });
    let value = [b'v'; 64];
    group.bench_function("encode SET 64 B", |b| {
        let mut out = BytesMut::new();
        b.iter(|| {
            out.clear();
            for _ in 0..PIPELINE {
                encode_request([b"SET".as_slice(), b"key:000000000001", &value], &mut out);
            }
            black_box(&out);
        });
    });
    group.finish();

    let mut group = c.benchmark_group("request in parts");
    let big = {
        let mut out = BytesMut::new();
        encode_request([b"SET".as_slice(), b"key", &vec![b'v'; 16 * 1024 * 1024]], &mut out);
        out.freeze()
    };
    group.throughput(Throughput::Bytes(big.len() as u64)).sample_size(10);
    group.bench_function("decode SET 16 MiB read by 16 KiB", |b| b.iter(|| in_parts(&big)));
    group.finish();
}

/// As a socket does it: append what has come, decode, until the request is whole.
fn in_parts(stream: &Bytes) -> usize {
    let (mut decoder, mut buf) = (Decoder::new(Limits::default()), BytesMut::new());
    for part in stream.chunks(16 * 1024) {
        buf.extend_from_slice(part);
        if let Ok(Some(request)) = decoder.decode(&mut buf) {
            return request.frame_bytes();
        }
    }
    panic!("the request is whole at the end of the stream");
}

fn replies(c: &mut Criterion) {
    let mut group = c.benchmark_group("reply");
    group.throughput(Throughput::Elements(PIPELINE as u64));
    let mut reply = Reply::new(Protocol::Resp2);
    let mut write = |name: &str, each: fn(&mut Reply)| {
        group.bench_function(name, |b| {
            b.iter(|| {
                reply.truncate(0);
                for _ in 0..PIPELINE {
                    each(&mut reply);
                }
                black_box(reply.len())
            });
        });
    };
    write("write OK", Reply::ok);
    write("write integer", |reply| reply.integer(black_box(1_234_567)));
    write("write bulk 64 B", |reply| reply.bulk(black_box(&[b'v'; 64])));
    write("write double", |reply| reply.double(black_box(1234.5678)));
    write("write whole double", |reply| reply.double(black_box(1234.0)));

    let mut discarding = Reply::discarding();
    group.bench_function("discard bulk 64 B", |b| {
        b.iter(|| (0..PIPELINE).for_each(|_| discarding.bulk(black_box(&[b'v'; 64]))));
    });

    let mut array = Reply::new(Protocol::Resp3);
    array.array(PIPELINE);
    (0..PIPELINE).for_each(|_| array.bulk(&[b'v'; 64]));
    let array = BytesMut::from(array.as_bytes());
    group.bench_function("read array of bulk 64 B", |b| {
        b.iter_batched(
            || array.clone(),
            |mut buf| {
                ValueDecoder::new(ValueLimits::default())
                    .decode(&mut buf)
                    .map(|v| v.is_some_and(|v| v != Value::Null))
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
    c.bench_function("format double", |b| b.iter(|| format_double(black_box(0.1 + 0.2))));
}

criterion_group!(codec, requests, replies);
criterion_main!(codec);
