//! Batches written and read back, the kept bytes of each format, and damage.

use super::*;

const ORIGIN: Origin = Origin { node: NodeId(3), incarnation: 7 };
const STAMP: Stamp = Stamp { time: Millis(1_700_000_000_123), seed: 0xfeed };

fn sealed() -> BytesMut {
    let mut builder = BatchBuilder::with_capacity(64);
    builder.push(DbIndex::new(0).unwrap(), [&b"SET"[..], b"key", b"value"].into_iter());
    builder.push(DbIndex::new(15).unwrap(), [&b"PING"[..], b""].into_iter());
    let watched = [
        Watched { db: DbIndex::new(2).unwrap(), key: Bytes::from_static(b"w"), version: Version(9) },
        Watched { db: DbIndex::ZERO, key: Bytes::new(), version: Version(0) },
    ];
    let requests = [
        (DbIndex::new(1).unwrap(), None, [&b"INCR"[..], b"n"].into_iter()),
        (DbIndex::ZERO, Some(&b"ann"[..]), [&b"FCALL"[..], b"f"].into_iter()),
    ];
    builder.push_transaction(&watched, requests.into_iter());
    builder.push_anew(DbIndex::ZERO, Some(Millis(5)), [&b"BLPOP"[..], b"k", b"0"].into_iter());
    builder.push_unblock(Ticket(8), Unblock::Gone);
    builder.push_as(DbIndex::ZERO, b"bob", [&b"EVAL"[..], b"", b"0"].into_iter());
    BytesMut::from(&builder.seal(ORIGIN, 42)[..])
}

#[test]
fn a_stamped_batch_reads_back() {
    let mut data = sealed();
    stamp(&mut data, STAMP).unwrap();
    assert_eq!(sequence_of(&data), Some(42));
    let Data::Batch { stamp, origin, sequence, requests } = Data::decode(&data).unwrap() else {
        panic!("a batch reads back as a batch")
    };
    assert_eq!((stamp, origin, sequence), (STAMP, ORIGIN, 42));
    let items: Vec<_> = requests.map(Result::unwrap).collect();
    let request = |db, args: &[&'static [u8]]| BatchRequest {
        db: DbIndex::new(db).unwrap(),
        args: RequestArgs::from_slice(args),
        user: None,
    };
    let expected = [
        BatchItem::Request(request(0, &[b"SET", b"key", b"value"])),
        BatchItem::Request(request(15, &[b"PING", b""])),
        BatchItem::Transaction {
            watched: vec![
                (DbIndex::new(2).unwrap(), Version(9), b"w".as_slice()),
                (DbIndex::ZERO, Version(0), b""),
            ],
            requests: vec![
                request(1, &[b"INCR", b"n"]),
                BatchRequest { user: Some(b"ann"), ..request(0, &[b"FCALL", b"f"]) },
            ],
        },
        BatchItem::Anew { deadline: Some(Millis(5)), request: request(0, &[b"BLPOP", b"k", b"0"]) },
        BatchItem::Unblock { ticket: Ticket(8), how: Unblock::Gone },
        BatchItem::Request(BatchRequest { user: Some(b"bob"), ..request(0, &[b"EVAL", b"", b"0"]) }),
    ];
    assert_eq!(items, expected);
}

/// What format version 1 wrote; a program that cannot read it breaks rolling upgrades.
fn kept(fixture: &str) -> Vec<u8> {
    let digits: Vec<u8> = fixture.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn check_kept<'a>(bytes: &'a [u8], expected: &[BatchItem<'a>]) {
    let Data::Batch { stamp, origin, sequence, requests } = Data::decode(bytes).unwrap() else {
        panic!("the fixture is a batch")
    };
    assert_eq!(stamp, Stamp { time: Millis(1000), seed: 7 });
    assert_eq!((origin.node, origin.incarnation, sequence), (NodeId(1), 2, 3));
    assert_eq!(requests.map(Result::unwrap).collect::<Vec<_>>().as_slice(), expected);
}

#[test]
fn the_first_format_stays_readable() {
    let del = |db| BatchRequest {
        db: DbIndex::new(db).unwrap(),
        args: RequestArgs::from_slice(&[b"DEL".as_slice(), b"k"]),
        user: None,
    };
    let batch = kept(include_str!("../../fixtures/v1/batch.hex"));
    check_kept(&batch, &[BatchItem::Request(del(0))]);
    let batch = kept(include_str!("../../fixtures/v1/transaction.hex"));
    let watched = vec![(DbIndex::new(1).unwrap(), Version(9), b"w".as_slice())];
    let transaction = BatchItem::Transaction { watched, requests: vec![del(2)] };
    check_kept(&batch, &[transaction]);
    let batch = kept(include_str!("../../fixtures/v1/waits.hex"));
    let pop = || BatchRequest {
        db: DbIndex::new(1).unwrap(),
        args: RequestArgs::from_slice(&[b"BLPOP".as_slice(), b"k", b"0"]),
        user: None,
    };
    let anew = |deadline| BatchItem::Anew { deadline, request: pop() };
    let unblock = BatchItem::Unblock { ticket: Ticket(9), how: Unblock::Error };
    check_kept(&batch, &[anew(Some(Millis(5000))), anew(None), unblock]);
    let batch = kept(include_str!("../../fixtures/v1/users.hex"));
    let eval = BatchRequest {
        db: DbIndex::new(3).unwrap(),
        args: RequestArgs::from_slice(&[b"EVAL".as_slice(), b"", b"0"]),
        user: Some(b"ann"),
    };
    let transaction = BatchItem::Transaction { watched: Vec::new(), requests: vec![del(2), eval.clone()] };
    check_kept(&batch, &[BatchItem::Request(eval), transaction]);
}

#[test]
fn ticks_checks_and_silences_carry_little_more_than_time() {
    assert!(matches!(Data::decode(&tick(STAMP)), Ok(Data::Tick(read)) if read == STAMP));
    assert!(matches!(Data::decode(&check(STAMP)), Ok(Data::Check(read)) if read == STAMP));
    let mut silent = silence(ORIGIN);
    stamp(&mut silent, STAMP).unwrap();
    let Ok(Data::Silence(read, origin)) = Data::decode(&silent) else {
        panic!("a silence reads back as one")
    };
    assert_eq!((read, origin), (STAMP, ORIGIN));
    assert!(matches!(Data::decode(&silent[..40]), Err(DecodeError::Malformed(_))));
}

#[test]
fn damaged_bytes_are_errors_and_never_panic() {
    let whole = sealed();
    for cut in 0..whole.len() {
        if let Ok(Data::Batch { requests, .. }) = Data::decode(&whole[..cut]) {
            assert!(requests.into_iter().any(|request| request.is_err()), "cut at {cut}");
        }
    }
    for position in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 0xff;
        if let Ok(Data::Batch { requests, .. }) = Data::decode(&damaged) {
            assert!(requests.count() <= whole.len());
        }
    }
    assert!(matches!(stamp(&mut [9; 48], STAMP), Err(DecodeError::Version(9))));
}
