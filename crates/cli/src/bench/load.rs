//! A plain load: each connection keeps its pipeline full, or sends when a request is due.
//!
//! One task a connection, all of them on one thread; nothing is shared but that thread's tally.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::connection::{Attempts, Connection, Target};
use super::keys::Chance;
use super::mix::{Material, Mix};
use super::pace::{Budget, Run, Schedule};
use super::tally::{Tally, micros};

/// How often a connection that waits looks whether the run was ended.
const LOOK_AROUND: Duration = Duration::from_millis(200);

/// What all connections of a thread have in common.
pub(super) struct Shared {
    pub(super) target: Rc<Target>,
    pub(super) run: Arc<Run>,
    pub(super) mix: Arc<Mix>,
    pub(super) material: Arc<Material>,
    pub(super) pipeline: usize,
    pub(super) budget: Budget,
    pub(super) tally: Rc<RefCell<Tally>>,
}

/// A request whose reply has not come.
struct Sent {
    kind: usize,
    /// Since when its delay counts.
    from: Instant,
    at: Instant,
}

/// One connection's load, over as many sockets as it takes.
pub(super) struct Load {
    shared: Rc<Shared>,
    chance: Chance,
    schedule: Schedule,
    open: VecDeque<Sent>,
    turn: u64,
    alarm: Pin<Box<Sleep>>,
}

impl Load {
    /// The connection of this number among `of`, of all threads.
    pub(super) fn new(shared: Rc<Shared>, number: usize, of: usize, rate: Option<f64>, seed: u64) -> Self {
        let start = shared.run.started;
        let turn = shared.material.keys.count / of as u64 * number as u64;
        Self {
            chance: Chance::new(seed, number as u64 + 1),
            schedule: Schedule::new(rate, number, of, start),
            open: VecDeque::with_capacity(shared.pipeline),
            turn,
            alarm: Box::pin(sleep_until(start)),
            shared,
        }
    }

    /// Sends until the run is over; begins at the address with this number.
    pub(super) async fn run(mut self, address: usize) {
        let mut from = address;
        let mut first = true;
        while self.goes_on(Instant::now()) {
            let mut attempts = Attempts::default();
            let run = Arc::clone(&self.shared.run);
            let opened = Connection::open_any(&self.shared.target, from, || run.end(), &mut attempts).await;
            self.shared.tally.borrow_mut().connected(attempts.failed, first);
            let Some((mut connection, number)) = opened else { return };
            self.schedule.freed(if first { run.started } else { Instant::now() });
            first = false;
            let ended = self.drive(&mut connection).await;
            let mut tally = self.shared.tally.borrow_mut();
            tally.bytes_sent += connection.bytes_sent;
            tally.bytes_received += connection.bytes_received;
            if ended.is_ok() {
                return;
            }
            // Whether these took effect, nobody can say.
            for sent in self.open.drain(..) {
                tally.requests[sent.kind].unknown += 1;
            }
            from = number + 1;
        }
    }

    fn goes_on(&self, now: Instant) -> bool {
        now < self.shared.run.end() && !self.shared.budget.is_empty()
    }

    /// Over one socket; an error says that it is of no use any more.
    async fn drive(&mut self, connection: &mut Connection) -> io::Result<()> {
        let mut now = Instant::now();
        loop {
            self.fill(connection, now);
            if self.open.is_empty() && !self.goes_on(now) {
                return Ok(());
            }
            self.set_alarm(now);
            tokio::select! {
                biased;
                turned = connection.turn(), if !self.open.is_empty() => turned?,
                () = &mut self.alarm => {
                    now = Instant::now();
                    if self.open.front().is_some_and(|sent| now - sent.at > self.shared.target.time_max) {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    continue;
                }
            }
            now = Instant::now();
            self.take_replies(connection, now)?;
        }
    }

    /// Appends what is due and has room.
    fn fill(&mut self, connection: &mut Connection, now: Instant) {
        let shared = Rc::clone(&self.shared);
        while self.open.len() < shared.pipeline && self.goes_on(now) {
            let Some(due) = self.schedule.take(now) else { return };
            if !shared.budget.take() {
                return;
            }
            if let Some(late) = due.late {
                shared.tally.borrow_mut().late(late);
            }
            let kind = shared.mix.pick(&mut self.chance);
            let key = shared.material.keys.pick(&mut self.chance, self.turn);
            self.turn += 1;
            shared.mix.templates[kind].write(&mut connection.out, key, &shared.material, &mut self.chance);
            self.open.push_back(Sent { kind, from: due.from, at: now });
        }
    }

    /// When to look up though nothing has arrived: for the next request, or for a reply that is overdue.
    fn set_alarm(&mut self, now: Instant) {
        let room = self.open.len() < self.shared.pipeline;
        let next = self.schedule.next().filter(|_| room).unwrap_or(now + LOOK_AROUND);
        let next = next.min(now + LOOK_AROUND);
        // Without a schedule the alarm is only moved once it is over: moving it costs more than leaving it.
        if self.alarm.is_elapsed() || next < self.alarm.deadline() {
            self.alarm.as_mut().reset(next);
        }
    }

    fn take_replies(&mut self, connection: &mut Connection, now: Instant) -> io::Result<()> {
        let shared = Rc::clone(&self.shared);
        let counts = shared.run.counts(now);
        let mut tally = shared.tally.borrow_mut();
        let was_full = self.open.len() == shared.pipeline;
        let mut any = false;
        while let Some(reply) = connection.next_reply()? {
            let sent = self.open.pop_front().ok_or(io::ErrorKind::InvalidData)?;
            any = true;
            if !counts {
                continue;
            }
            let count = &mut tally.requests[sent.kind];
            count.delay(micros(now - sent.from.min(now)));
            match reply.error() {
                None => count.ok += 1,
                Some(text) => {
                    count.errors += 1;
                    tally.error(text);
                }
            }
        }
        if any {
            if was_full {
                self.schedule.freed(now);
            }
            if counts {
                shared.run.pause.note(now - shared.run.started);
            }
        }
        Ok(())
    }
}
