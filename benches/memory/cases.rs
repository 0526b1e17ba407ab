//! The data: what is stored, as requests.

/// Takes one request.
pub(crate) type Sink<'a> = dyn FnMut(&[Vec<u8>]) + 'a;

/// One line of the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Keys or elements, whichever the bytes are divided by.
    pub(crate) units: u64,
    pub(crate) fill: fn(&mut Sink<'_>),
}

const UNITS: u64 = 1_000_000;
/// Elements of a small value.
const SMALL: u64 = 5;
/// Elements that one request adds to a large value.
const CHUNK: u64 = 100;

pub(crate) fn cases() -> Vec<Case> {
    let case = |name, fill| Case { name, units: UNITS, fill };
    vec![
        case("string, a number", |sink| keys(sink, |n| vec![b("SET"), key(n), number(1_000_000 + n)])),
        case("string of 16 B", |sink| keys(sink, |n| vec![b("SET"), key(n), text("value:", n, 16)])),
        case("string of 128 B", |sink| keys(sink, |n| vec![b("SET"), key(n), text("value:", n, 128)])),
        case("string of 16 B, key of 30 B", |sink| {
            keys(sink, |n| vec![b("SET"), text("session:", n, 30), text("value:", n, 16)]);
        }),
        case("string of 16 B with an expiry", |sink| {
            keys(sink, |n| vec![b("SET"), key(n), text("value:", n, 16), b("EX"), number(100_000 + n)]);
        }),
        case("hash of 5 fields", |sink| {
            keys(sink, |n| {
                small("HSET", n, |i, add| add(&[text("field:", i, 7), text("value:", n + i, 14)]))
            });
        }),
        case("list of 5", |sink| {
            keys(sink, |n| small("RPUSH", n, |i, add| add(&[text("element:", n + i, 16)])));
        }),
        case("set of 5 numbers", |sink| keys(sink, |n| small("SADD", n, |i, add| add(&[number(n + i)])))),
        case("set of 5 strings", |sink| {
            keys(sink, |n| small("SADD", n, |i, add| add(&[text("member:", n + i, 14)])));
        }),
        case("sorted set of 5", |sink| {
            keys(sink, |n| small("ZADD", n, |i, add| add(&[number(n + i), text("member:", n + i, 14)])));
        }),
        case("stream of 5 entries", |sink| {
            for n in 0..UNITS {
                for i in 0..SMALL {
                    let id = format!("{}-{i}", 1_700_000_000_000 + n);
                    sink(&[
                        b("XADD"),
                        key(n),
                        id.into_bytes(),
                        b("sensor"),
                        number(n),
                        b("value"),
                        number(i),
                    ]);
                }
            }
        }),
        case("hash of 1,000,000", |sink| {
            large(sink, "HSET", |n, add| add(&[text("field:", n, 13), text("value:", n, 13)]));
        }),
        case("hash of 1,000,000, values of 100 B", |sink| {
            large(sink, "HSET", |n, add| add(&[text("field:", n, 20), text("value:", n, 100)]));
        }),
        case("list of 1,000,000", |sink| large(sink, "RPUSH", |n, add| add(&[text("element:", n, 16)]))),
        case("set of 1,000,000 numbers", |sink| large(sink, "SADD", |n, add| add(&[number(n)]))),
        case("set of 1,000,000 strings", |sink| large(sink, "SADD", |n, add| add(&[text("member:", n, 14)]))),
        case("set of 1,000,000 strings of 20 B", |sink| {
            large(sink, "SADD", |n, add| add(&[text("member:", n, 20)]));
        }),
        case("sorted set of 1,000,000", |sink| {
            large(sink, "ZADD", |n, add| {
                add(&[number(n.wrapping_mul(7_919) % UNITS), text("member:", n, 14)])
            });
        }),
        case("sorted set of 1,000,000, members of 20 B", |sink| {
            large(sink, "ZADD", |n, add| {
                add(&[number(n.wrapping_mul(7_919) % UNITS), text("member:", n, 20)])
            });
        }),
        case("stream of 1,000,000 entries", |sink| {
            for n in 0..UNITS {
                let id = format!("{}-0", 1_700_000_000_000 + n * 10);
                sink(&[
                    b("XADD"),
                    key(0),
                    id.into_bytes(),
                    b("sensor"),
                    number(n % 100),
                    b("value"),
                    number(n),
                ]);
            }
        }),
    ]
}

fn keys(sink: &mut Sink<'_>, request: impl Fn(u64) -> Vec<Vec<u8>>) {
    (0..UNITS).for_each(|n| sink(&request(n)));
}

/// A request that makes a small value.
fn small(name: &str, n: u64, element: impl Fn(u64, &mut dyn FnMut(&[Vec<u8>]))) -> Vec<Vec<u8>> {
    let mut request = vec![b(name), key(n)];
    (0..SMALL).for_each(|i| element(i, &mut |args| request.extend_from_slice(args)));
    request
}

/// Makes one value of many elements.
fn large(sink: &mut Sink<'_>, name: &str, element: impl Fn(u64, &mut dyn FnMut(&[Vec<u8>]))) {
    for first in (0..UNITS).step_by(CHUNK as usize) {
        let mut request = vec![b(name), key(0)];
        (first..first + CHUNK).for_each(|n| element(n, &mut |args| request.extend_from_slice(args)));
        sink(&request);
    }
}

/// As redis-benchmark names them: 16 bytes.
fn key(n: u64) -> Vec<u8> {
    text("key:", n, 16)
}

fn number(n: u64) -> Vec<u8> {
    n.to_string().into_bytes()
}

/// Text of this length that differs in its number.
fn text(prefix: &str, n: u64, len: usize) -> Vec<u8> {
    format!("{prefix}{n:0width$}", width = len - prefix.len()).into_bytes()
}

fn b(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}
