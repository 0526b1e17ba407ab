//! The operations that change transfers: each write noted with its outcome.
//!
//! A transfer that is created, a step of a counter, a file and an event are noted as acknowledged, refused or
//! unknown, one by one; `verify` compares them with what the nodes hold.

use std::io;
use std::rc::Rc;

use super::super::connection::Replies;
use super::client::{Batch, Client};
use super::ledger::{Event, Outcome, Sum, Transfer};

/// How long events are kept, in seconds.
const EVENT_SECONDS: &[u8] = b"129600";
/// Bytes of a transfer's specification, of a session, of a file and of an event.
const SPEC_BYTES: usize = 4000;
const SESSION_BYTES: usize = 700;
const FILE_BYTES: usize = 400;
const EVENT_BYTES: usize = 500;
/// Bytes that a transfer counts for its tenant.
const TRANSFER_BYTES: u64 = 1_000_000;

/// What an event says first: which run made it, and its number.
pub(super) fn event_mark(label: &str, number: u64) -> String {
    format!("{{\"run\":\"{label}\",\"event\":{number},")
}

/// What became of the request of this number.
fn outcome(replies: &io::Result<Replies>, number: usize) -> Outcome {
    let Ok(replies) = replies else { return Outcome::Unknown };
    let reply = replies.get(number);
    if reply.error().is_some() { Outcome::Refused } else { Outcome::Acknowledged }
}

/// What became of an event whose text and place are the requests from this number on.
fn told(replies: &io::Result<Replies>, number: u64, from: usize) -> Event {
    Event { number, text: outcome(replies, from), listed: outcome(replies, from + 1) }
}

impl Client {
    /// Takes the next numbers of changes and of events, so many at once; none that was refused. The numbers
    /// given are the last of each.
    async fn number(&mut self, changes: u64, events: u64) -> io::Result<(Option<u64>, Option<u64>)> {
        let mut batch = Batch::writes();
        let mut asked = [None, None];
        if changes > 0 {
            asked[0] = Some(batch.add(&["INCRBY", &self.keys().sequence(), &changes.to_string()]));
        }
        if events > 0 {
            asked[1] = Some(batch.add(&["INCRBY", &self.keys().event_sequence(), &events.to_string()]));
        }
        let floors = {
            let ledger = &self.site.state.borrow().ledger;
            [ledger.sequence.highest, ledger.event_sequence.highest]
        };
        let replies = self.call(batch).await;
        let mut state = self.site.state.borrow_mut();
        let ledger = &mut state.ledger;
        let mut given = [None, None];
        let mut wrong = Vec::new();
        let counters = [&mut ledger.sequence, &mut ledger.event_sequence];
        for (i, (counter, amount)) in counters.into_iter().zip([changes, events]).enumerate() {
            let Some(number) = asked[i] else { continue };
            match &replies {
                Err(_) => counter.sum.note(Outcome::Unknown, amount),
                Ok(replies) => {
                    given[i] = replies.get(number).integer();
                    if let Some(value) = given[i] {
                        wrong.extend(counter.step(value, amount, floors[i]).err());
                    }
                }
            }
        }
        for what in wrong {
            let node = &self.site.target.addresses[self.address];
            ledger.wrong(format!("{node}: {what}"));
        }
        drop(state);
        replies?;
        Ok((given[0], given[1]))
    }

    /// Appends an event and its entry in the list of events.
    fn add_event(&mut self, batch: &mut Batch, number: u64) {
        let mark = event_mark(&self.site.label, number);
        let mut text = mark.into_bytes();
        let rest = self.text(EVENT_BYTES);
        text.extend_from_slice(b"\"text\":\"");
        text.extend_from_slice(&rest);
        text.extend_from_slice(b"\"}");
        let (key, number) = (self.keys().event(number), number.to_string());
        batch.add_bytes(&[b"SET", key.as_bytes(), &text, b"EX", EVENT_SECONDS]);
        batch.add(&["ZADD", &self.keys().events(), &number, &number]);
    }

    /// F: one event.
    pub(super) async fn event(&mut self) -> io::Result<()> {
        let (_, Some(number)) = self.number(0, 1).await? else { return Ok(()) };
        let mut batch = Batch::writes();
        self.add_event(&mut batch, number);
        let replies = self.call(batch).await;
        self.site.state.borrow_mut().ledger.events.push(told(&replies, number, 0));
        replies.map(|_| ())
    }

    /// B: a transfer and all lists that it is in, sometimes as a transaction.
    pub(super) async fn create(&mut self) -> io::Result<()> {
        let tenant = self.authenticate().await?;
        let (Some(change), Some(event)) = self.number(1, 1).await? else { return Ok(()) };
        let site = Rc::clone(&self.site);
        let number = {
            let mut state = site.state.borrow_mut();
            state.made += 1;
            state.made * site.threads as u64 + site.thread as u64
        };
        let (id, change) = (self.id(number), change.to_string());
        let spec = self.text(SPEC_BYTES);
        let whole = self.chance.below(4) == 0;
        let mut batch = Batch::writes();
        if whole {
            batch.add(&["MULTI"]);
        }
        let (key, tenant_text) = (self.keys().transfer(&id), tenant.to_string());
        let fields: [&[u8]; 10] = [
            b"HMSET",
            key.as_bytes(),
            b"id",
            id.as_bytes(),
            b"access_key",
            tenant_text.as_bytes(),
            b"status",
            b"waiting",
            b"start_spec",
            &spec,
        ];
        let from = batch.add_bytes(&fields);
        batch.add(&["ZADD", &self.keys().by_change(), &change, &id]);
        batch.add(&["ZADD", &self.keys().of_tenant(tenant), &change, &id]);
        batch.add(&["SADD", &self.keys().active(), &id]);
        batch.add(&["RPUSH", &format!("{}jobq:list", site.prefix), &id]);
        let event_from = batch.len();
        self.add_event(&mut batch, event);
        let executed = whole.then(|| batch.add(&["EXEC"]));
        let replies = self.call(batch).await;
        // In a transaction the replies tell that commands are queued; what becomes of them, the last one tells.
        let part = |number: usize| outcome(&replies, executed.unwrap_or(number));
        let outcomes = [from, from + 1, from + 2].map(part);
        let event = Event { number: event, text: part(event_from), listed: part(event_from + 1) };
        let mut state = site.state.borrow_mut();
        let place = state.ledger.transfers.len();
        state.ledger.transfers.push(Transfer {
            id: number,
            tenant,
            outcomes,
            files: Sum::default(),
            files_completed: Sum::default(),
        });
        state.ledger.events.push(event);
        if outcomes == [Outcome::Acknowledged; 3] {
            state.active.push(place);
        }
        drop(state);
        replies.map(|_| ())
    }

    /// D: a session's own process connects, reads its key, and starts.
    pub(super) async fn start(&mut self) -> io::Result<()> {
        self.elsewhere(async |client| {
            let Some(id) = client.active_or_new().await?.map(|(_, id)| id) else { return Ok(()) };
            let mut batch = Batch::reads();
            batch.add(&["GET", &format!("{}tokkey:xfer:str", client.site.prefix)]);
            client.call(batch).await?;
            let (Some(change), _) = client.number(1, 0).await? else { return Ok(()) };
            let session = client.text(SESSION_BYTES);
            let mut batch = Batch::writes();
            let key = client.keys().sessions(&id);
            batch.add_bytes(&[b"HSET", key.as_bytes(), b"session-1", &session]);
            batch.add(&["HSET", &client.keys().transfer(&id), "status", "running"]);
            batch.add(&["ZADD", &client.keys().by_change(), &change.to_string(), &id]);
            batch.add(&["LPOP", &format!("{}jobq:list", client.site.prefix)]);
            client.call(batch).await.map(|_| ())
        })
        .await
    }

    /// A transfer under way, by place and name; one is created while there are fewer than there should be.
    async fn active_or_new(&mut self) -> io::Result<Option<(usize, String)>> {
        let few =
            self.site.state.borrow().active.len() < self.site.profile.sessions.div_ceil(self.site.threads);
        if few {
            self.create().await?;
        }
        let Some(place) = self.any_active() else { return Ok(None) };
        let number = self.site.state.borrow().ledger.transfers[place].id;
        Ok(Some((place, self.id(number))))
    }

    /// E: a session tells how far it is.
    pub(super) async fn progress(&mut self) -> io::Result<()> {
        let Some((_, id)) = self.active_or_new().await? else { return Ok(()) };
        let (Some(change), _) = self.number(1, 0).await? else { return Ok(()) };
        let (session, change) = (self.text(SESSION_BYTES), change.to_string());
        let mut batch = Batch::writes();
        let key = self.keys().sessions(&id);
        batch.add_bytes(&[b"HMSET", key.as_bytes(), b"session-1", &session]);
        batch.add(&["HMSET", &self.keys().transfer(&id), "status", "running", "bytes", &change]);
        batch.add(&["ZADD", &self.keys().by_change(), &change, &id]);
        let bandwidth = format!("{}bw:{id}:zset", self.site.prefix);
        batch.add(&["ZADD", &bandwidth, &change, &change]);
        batch.add(&["ZREMRANGEBYRANK", &bandwidth, "0", "-901"]);
        self.call(batch).await.map(|_| ())
    }

    /// G: files of one transfer are done; each is counted, listed, and an event.
    pub(super) async fn files(&mut self) -> io::Result<()> {
        let Some((place, id)) = self.active_or_new().await? else { return Ok(()) };
        let count = self.site.profile.files_batch as u64;
        let (_, Some(last)) = self.number(0, count).await? else { return Ok(()) };
        let (list, hash) = (self.keys().files(&id), self.keys().transfer(&id));
        let mut batch = Batch::writes();
        let mut starts = Vec::with_capacity(count as usize);
        for number in last + 1 - count..=last {
            let file = self.text(FILE_BYTES);
            let start = batch.add_bytes(&[b"RPUSH", list.as_bytes(), &file]);
            batch.add(&["HINCRBY", &hash, "files_completed", "1"]);
            self.add_event(&mut batch, number);
            starts.push((number, start));
        }
        let replies = self.call(batch).await;
        let mut state = self.site.state.borrow_mut();
        for (number, start) in starts {
            let transfer = &mut state.ledger.transfers[place];
            transfer.files.note(outcome(&replies, start), 1);
            transfer.files_completed.note(outcome(&replies, start + 1), 1);
            state.ledger.events.push(told(&replies, number, start + 2));
        }
        drop(state);
        replies.map(|_| ())
    }

    /// H: the oldest transfer ends, and counts for its tenant.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        let ended = {
            let mut state = self.site.state.borrow_mut();
            let many = state.active.len() > self.site.profile.sessions / self.site.threads;
            many.then(|| {
                let place = state.active.remove(0);
                (state.ledger.transfers[place].id, state.ledger.transfers[place].tenant)
            })
        };
        let Some((number, tenant)) = ended else { return Ok(()) };
        let id = self.id(number);
        let (Some(change), Some(event)) = self.number(1, 1).await? else { return Ok(()) };
        let session = self.text(SESSION_BYTES);
        let mut batch = Batch::writes();
        let key = self.keys().sessions(&id);
        batch.add_bytes(&[b"HSET", key.as_bytes(), b"session-1", &session]);
        batch.add(&["HSET", &self.keys().transfer(&id), "status", "completed"]);
        batch.add(&["ZADD", &self.keys().by_change(), &change.to_string(), &id]);
        batch.add(&["SREM", &self.keys().active(), &id]);
        let usage = self.keys().usage(tenant);
        let used = batch.add(&["HINCRBY", &usage, "bytes", &TRANSFER_BYTES.to_string()]);
        let event_from = batch.len();
        self.add_event(&mut batch, event);
        let replies = self.call(batch).await;
        let mut state = self.site.state.borrow_mut();
        state.ledger.usage[tenant as usize].note(outcome(&replies, used), TRANSFER_BYTES);
        state.ledger.events.push(told(&replies, event, event_from));
        drop(state);
        replies.map(|_| ())
    }
}
