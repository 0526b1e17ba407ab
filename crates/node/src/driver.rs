//! Keeps the pipeline connected to whoever leads, and its promises of time.
//!
//! What it leaves to others: what is sent, and again ([`crate::pipeline`]).
//!
//! Invariant: there is at most one carrier, and everything open is sent again over each new one.
//!
//! Called by: its own task.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quorate_raft::{Leadership, NodeId, Raft};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::leader::{Leader, Proposal};
use crate::node::Inner;
use crate::peers::TAKEN;
use crate::pipeline::{Carrier, Pipeline};

/// How often waiting requests are looked at for having waited too long.
const LOOK: Duration = Duration::from_millis(100);
/// The pause before everything open is sent again after a refusal.
const PAUSE: Duration = Duration::from_millis(5);

/// What the driver works with.
pub(crate) struct Driver {
    pub(crate) node: Arc<Inner>,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) raft: Raft,
    pub(crate) leader: Arc<Leader>,
}

impl Driver {
    /// Runs until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let pipeline = self.pipeline.clone();
        tokio::join!(self.connect(stop.clone()), stop.run_until_cancelled(pipeline.release_held()));
    }

    async fn connect(self, stop: CancellationToken) {
        let mut leadership = self.raft.leadership();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Ends the tasks of the present carrier.
        let mut link = stop.child_token();
        let mut full = false;
        leadership.mark_changed();
        loop {
            let mut pause = false;
            tokio::select! {
                () = stop.cancelled() => return,
                changed = leadership.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    link.cancel();
                }
                () = self.pipeline.trouble() => {
                    link.cancel();
                    pause = true;
                }
                _ = look.tick() => {
                    self.pipeline.expire(Instant::now());
                    // Sessions go by a copy of the replicated settings.
                    self.node.replica.read(|replicated| self.node.front.refresh(&replicated.state));
                    self.watch_room(&mut full);
                    if !self.pipeline.disconnected() {
                        continue;
                    }
                }
            }
            if pause {
                tokio::time::sleep(PAUSE).await;
            }
            link.cancel();
            link = stop.child_token();
            let now = *leadership.borrow_and_update();
            self.pipeline.connect(self.carrier(now, &link).await);
        }
    }

    /// While the disk is full writers get an error and readers are served; it heals by itself.
    fn watch_room(&self, full: &mut bool) {
        let now = self.raft.metrics().is_full(&self.raft.members());
        if now != *full {
            *full = now;
            self.pipeline.refuse(now.then_some(DISK_FULL));
        }
    }

    async fn carrier(&self, leadership: Leadership, link: &CancellationToken) -> Option<Box<dyn Carrier>> {
        let leader = leadership.leader?;
        self.node.has_been_led.store(true, Ordering::Relaxed);
        if leadership.leader_is_me {
            return Some(Box::new(Here { leader: self.leader.clone(), pipeline: self.pipeline.clone() }));
        }
        self.there(leader, link).await
    }

    /// A stream of batches to another node, with tasks that send them and hear what was refused.
    async fn there(&self, leader: NodeId, link: &CancellationToken) -> Option<Box<dyn Carrier>> {
        let connected = tokio::select! {
            () = link.cancelled() => return None,
            connected = self.node.peers.transport().forward(leader) => connected,
        };
        let (sender, mut answers) = match connected {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%leader, %error, "the leader cannot be reached");
                return None;
            }
        };
        let (queue, mut batches) = mpsc::channel::<Bytes>(self.pipeline.limits().batches_in_flight_max + 1);
        let (pipeline, ended) = (self.pipeline.clone(), link.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = ended.cancelled() => return,
                    batch = batches.recv() => {
                        let Some(batch) = batch else { return };
                        if sender.send(batch, Bytes::new()).await.is_err() {
                            return pipeline.resend();
                        }
                    }
                    answer = answers.next() => match answer {
                        Some((_, answer)) if answer == TAKEN => {}
                        // The leader did not take a batch, or is gone.
                        _ => return pipeline.resend(),
                    },
                }
            }
        });
        Some(Box::new(There { queue }))
    }
}

/// The reply to writers while the disk has no room.
pub(crate) const DISK_FULL: &str = "MISCONF The disk of this node is full; the command was not executed";

/// This node leads.
struct Here {
    leader: Arc<Leader>,
    pipeline: Arc<Pipeline>,
}

impl Carrier for Here {
    fn send(&mut self, data: Bytes) -> bool {
        let pipeline = self.pipeline.clone();
        // The leader stamps its own copy; this node keeps the batch until it is applied.
        let data = BytesMut::from(&data[..]);
        self.leader.propose(Proposal { data, refused: Box::new(move |_| pipeline.resend()) });
        true
    }
}

/// Another node leads.
struct There {
    queue: mpsc::Sender<Bytes>,
}

impl Carrier for There {
    fn send(&mut self, data: Bytes) -> bool {
        self.queue.try_send(data).is_ok()
    }
}
