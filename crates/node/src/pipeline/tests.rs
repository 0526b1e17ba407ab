//! The pipeline against a leader that keeps what it is sent.

use std::sync::atomic::{AtomicBool, Ordering};

use quorate_raft::NodeId;
use quorate_resp::Protocol;

use super::*;
use crate::batch::{Data, sequence_of};

/// A leader that keeps what it is sent.
#[derive(Clone, Default)]
struct Desk {
    sent: Arc<Mutex<Vec<Bytes>>>,
    closed: Arc<AtomicBool>,
}

impl Desk {
    fn sequences(&self) -> Vec<u64> {
        self.sent.lock().iter().filter_map(|data| sequence_of(data)).collect()
    }

    fn requests(&self, i: usize) -> usize {
        match Data::decode(&self.sent.lock()[i]) {
            Ok(Data::Batch { requests, .. }) => requests.filter(|request| request.is_ok()).count(),
            other => panic!("{other:?} is no batch"),
        }
    }
}

impl Carrier for Desk {
    fn send(&mut self, data: Bytes) -> bool {
        if self.closed.load(Ordering::Relaxed) {
            return false;
        }
        self.sent.lock().push(data);
        true
    }
}

fn pipeline(limits: Limits) -> Arc<Pipeline> {
    Pipeline::new(Origin { node: NodeId(1), incarnation: 1 }, limits)
}

fn group(bytes: usize) -> Group {
    let command = quorate_commands::lookup(b"set").expect("SET is in the table");
    let style = Style { protocol: Protocol::Resp2, silent: false };
    let value = vec![b'x'; bytes];
    let request = Request::from_args([&b"SET"[..], b"key", &value]);
    vec![Slot::Write { db: DbIndex::default(), command, request, style, caller: None }].into()
}

type Task = tokio::task::JoinHandle<Result<Bytes, Failure>>;

async fn write(pipeline: &Arc<Pipeline>, bytes: usize) -> Task {
    let (pipeline, before) = (pipeline.clone(), pipeline.gauges());
    let task = tokio::spawn({
        let pipeline = pipeline.clone();
        async move { pipeline.write(group(bytes)).await }
    });
    while pipeline.gauges() == before && !task.is_finished() {
        tokio::task::yield_now().await;
    }
    task
}

fn apply(pipeline: &Pipeline, sequence: u64) -> usize {
    let groups = pipeline.applied(sequence);
    let count = groups.len();
    for group in groups {
        group.reply.send(Ok(Bytes::from_static(b"+OK\r\n"))).expect("the connection waits");
    }
    count
}

#[tokio::test]
async fn the_next_batch_fills_while_one_is_in_flight() {
    let pipeline = pipeline(Limits::default());
    let desk = Desk::default();
    pipeline.connect(Some(Box::new(desk.clone())));
    let first = write(&pipeline, 8).await;
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(write(&pipeline, 8).await);
    }
    assert_eq!((desk.sequences(), desk.requests(0)), (vec![1], 1));
    assert_eq!(apply(&pipeline, 1), 1);
    assert_eq!(first.await.unwrap().unwrap(), "+OK\r\n");
    assert_eq!((desk.sequences(), desk.requests(1)), (vec![1, 2], 5));
    assert_eq!(apply(&pipeline, 2), 5);
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert!(pipeline.idle());
}

#[tokio::test]
async fn a_batch_about_as_large_as_the_one_in_flight_goes_beside_it() {
    let pipeline = pipeline(Limits::default());
    let desk = Desk::default();
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(write(&pipeline, 8).await);
    }
    pipeline.connect(Some(Box::new(desk.clone())));
    for _ in 0..15 {
        tasks.push(write(&pipeline, 8).await);
    }
    assert_eq!(desk.sequences(), [1]);
    tasks.push(write(&pipeline, 8).await);
    assert_eq!((desk.sequences(), desk.requests(1)), (vec![1, 2], 16));
    // Two are enough.
    for _ in 0..20 {
        tasks.push(write(&pipeline, 8).await);
    }
    assert_eq!(desk.sequences(), [1, 2]);
    apply(&pipeline, 1);
    assert_eq!((desk.sequences(), desk.requests(2)), (vec![1, 2, 3], 20));
    apply(&pipeline, 2);
    apply(&pipeline, 3);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn full_batches_go_side_by_side_up_to_the_bound() {
    let limits = Limits { batches_in_flight_max: 2, batch_bytes_eager: 100, ..Limits::default() };
    let pipeline = pipeline(limits);
    let desk = Desk::default();
    pipeline.connect(Some(Box::new(desk.clone())));
    let mut tasks = Vec::new();
    for _ in 0..4 {
        tasks.push(write(&pipeline, 200).await);
    }
    assert_eq!(desk.sequences(), [1, 2]);
    apply(&pipeline, 1);
    assert_eq!((desk.sequences(), desk.requests(2)), (vec![1, 2, 3], 2));
    apply(&pipeline, 2);
    apply(&pipeline, 3);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn everything_open_goes_to_a_new_leader_in_order() {
    let limits = Limits { batch_bytes_eager: 1, ..Limits::default() };
    let pipeline = pipeline(limits);
    let (old, new) = (Desk::default(), Desk::default());
    pipeline.connect(Some(Box::new(old.clone())));
    let tasks = [write(&pipeline, 1).await, write(&pipeline, 1).await, write(&pipeline, 1).await];
    assert_eq!(old.sequences(), [1, 2, 3]);
    apply(&pipeline, 1);
    pipeline.connect(None);
    let waiting = write(&pipeline, 1).await;
    pipeline.connect(Some(Box::new(new.clone())));
    assert_eq!(new.sequences(), [2, 3, 4]);
    for sequence in 2..=4 {
        assert_eq!(apply(&pipeline, sequence), 1);
    }
    // A repeat that comes by once more finds nobody.
    assert_eq!(apply(&pipeline, 2), 0);
    for task in tasks.into_iter().chain([waiting]) {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_refused_and_what_was_sent_is_unknown() {
    let pipeline = pipeline(Limits::default());
    let desk = Desk::default();
    pipeline.connect(Some(Box::new(desk.clone())));
    let sent = write(&pipeline, 1).await;
    pipeline.connect(None);
    let never_sent = write(&pipeline, 1).await;
    tokio::time::advance(Duration::from_secs(11)).await;
    pipeline.expire(Instant::now());
    assert_eq!(sent.await.unwrap(), Err(Failure::Unknown));
    assert_eq!(never_sent.await.unwrap(), Err(Failure::Refused(NO_LEADER.into())));
    // The batch stays open all the same: its number must not be missing.
    pipeline.connect(Some(Box::new(desk.clone())));
    assert_eq!(desk.sequences(), [1, 1]);
    assert_eq!(apply(&pipeline, 1), 0);
    let next = write(&pipeline, 1).await;
    assert_eq!(desk.sequences(), [1, 1, 2]);
    apply(&pipeline, 2);
    next.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn silence_and_broken_ways_call_the_driver() {
    let pipeline = pipeline(Limits::default());
    let desk = Desk::default();
    pipeline.connect(Some(Box::new(desk.clone())));
    let _waiting = write(&pipeline, 1).await;
    tokio::time::advance(Duration::from_secs(3)).await;
    pipeline.expire(Instant::now());
    pipeline.trouble().await;
    desk.closed.store(true, Ordering::Relaxed);
    pipeline.connect(Some(Box::new(desk.clone())));
    pipeline.trouble().await;
    assert!(pipeline.disconnected());
}

#[tokio::test]
async fn a_snapshot_that_overtakes_closes_connections() {
    let limits = Limits { batch_bytes_eager: 1, ..Limits::default() };
    let pipeline = pipeline(limits);
    pipeline.connect(Some(Box::new(Desk::default())));
    let (first, second) = (write(&pipeline, 1).await, write(&pipeline, 1).await);
    pipeline.overtaken(1);
    assert_eq!(first.await.unwrap(), Err(Failure::Unknown));
    assert_eq!(apply(&pipeline, 2), 1);
    second.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn waiting_bytes_are_bounded() {
    let pipeline = pipeline(Limits { waiting_bytes_max: 1000, ..Limits::default() });
    let first = write(&pipeline, 900).await;
    let late = tokio::spawn({
        let pipeline = pipeline.clone();
        async move { pipeline.write(group(900)).await }
    });
    assert_eq!(late.await.unwrap(), Err(Failure::Refused(OVERLOADED.into())));
    assert_eq!(pipeline.gauges().waiting, 1);
    drop(first);
}

#[tokio::test]
async fn a_stopping_node_refuses_what_waits() {
    let pipeline = pipeline(Limits::default());
    let waiting = write(&pipeline, 1).await;
    pipeline.connect(Some(Box::new(Desk::default())));
    pipeline.close();
    let outcome = waiting.await.unwrap();
    assert_eq!(outcome, Err(Failure::Unknown), "it was sent when the way opened");
    assert_eq!(pipeline.write(group(1)).await, Err(Failure::Refused(STOPPING.into())));
}
