//! The waiters of the replicated state.
//!
//! For: keeping them in order of arrival, finding those of a key and those whose time is up, and their bytes in a
//! snapshot. Leaves to others: running them again (`service`).
//!
//! ```text
//! waiter := bytes:u32 (of what follows) ticket:u64 node:u64 incarnation:u64 deadline:i64 (ms; i64::MIN: none)
//!           db:u8 kind:u8 zero:u16 first_key:u32 keys:u32 arguments:u32 ( bytes:u32 argument )*
//! ```
//!
//! Invariants: the keys' databases know that somebody waits for them, once for each waiter and key; a waiter costs
//! nothing until one of its keys changes or its time is up. A capture takes constant time.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use quorate_keyspace::{CowTree, DbIndex, Keyspace, Millis, TreeItem};
use quorate_resp::Request;

use super::{Kind, Ticket};
use crate::{Args, Flag};

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiter {
    /// The node that has its connection.
    pub node: u64,
    /// That node's life.
    pub incarnation: u64,
    /// The connection's database.
    pub db: DbIndex,
    /// Until when it waits, in agreed time; nothing: forever.
    pub deadline: Option<Millis>,
    pub(crate) kind: Kind,
    /// Which arguments are keys.
    pub(crate) keys: Range<usize>,
    pub(crate) request: Request,
}

/// A waiter in its place.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) ticket: Ticket,
    pub(crate) waiter: Arc<Waiter>,
}

impl TreeItem for Standing {}

/// All who wait.
#[derive(Debug, Default)]
pub struct Waiters {
    standing: CowTree<Standing>,
    /// Derived from `standing`, as the next.
    by_key: BTreeSet<(DbIndex, Arc<[u8]>, Kind, Ticket)>,
    by_deadline: BTreeSet<(Millis, Ticket)>,
}

impl Waiters {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.standing.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }

    /// The waiter of this ticket.
    pub fn get(&self, ticket: Ticket) -> Option<&Arc<Waiter>> {
        let place = self.place(ticket);
        self.standing.get(place).filter(|standing| standing.ticket == ticket).map(|standing| &standing.waiter)
    }

    /// All in their order.
    pub fn iter(&self) -> impl Iterator<Item = (Ticket, &Waiter)> {
        self.standing.iter().map(|standing| (standing.ticket, &*standing.waiter))
    }

    /// When the first of them gives up.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    pub(super) fn overdue(&self, now: Millis) -> Option<Ticket> {
        self.by_deadline.first().filter(|(deadline, _)| *deadline <= now).map(|(_, ticket)| *ticket)
    }

    pub(crate) fn add(&mut self, keyspace: &mut Keyspace, ticket: Ticket, waiter: Waiter) {
        let db = waiter.db;
        let mut is_new = true;
        for i in waiter.keys.clone() {
            let key = keyspace.db_mut(db).await_key(waiter.request.arg(i));
            if !self.by_key.insert((db, Arc::clone(&key), waiter.kind, ticket)) {
                // The request names it twice.
                keyspace.db_mut(db).release_key(&key);
            }
        }
        if let Some(deadline) = waiter.deadline {
            is_new &= self.by_deadline.insert((deadline, ticket));
        }
        let place = self.place(ticket);
        is_new &= self.standing.get(place).is_none_or(|standing| standing.ticket != ticket);
        assert!(is_new, "a ticket is given once");
        self.standing.insert(place, Standing { ticket, waiter: Arc::new(waiter) });
    }

    pub(super) fn remove(&mut self, keyspace: &mut Keyspace, ticket: Ticket) -> Option<Arc<Waiter>> {
        let place = self.place(ticket);
        self.standing.get(place).filter(|standing| standing.ticket == ticket)?;
        let waiter = self.standing.remove(place)?.waiter;
        for i in waiter.keys.clone() {
            let key: Arc<[u8]> = waiter.request.arg(i).into();
            if self.by_key.remove(&(waiter.db, Arc::clone(&key), waiter.kind, ticket)) {
                keyspace.db_mut(waiter.db).release_key(&key);
            }
        }
        if let Some(deadline) = waiter.deadline {
            self.by_deadline.remove(&(deadline, ticket));
        }
        Some(waiter)
    }

    /// The first who waits for such a thing at a key, of those behind `after`.
    pub(super) fn next(&self, db: DbIndex, key: &Arc<[u8]>, kind: Kind, after: Ticket) -> Option<Ticket> {
        if after == Ticket::LAST {
            return None;
        }
        let place = |ticket| (db, Arc::clone(key), kind, ticket);
        let mut behind = self.by_key.range(place(Ticket(after.0 + 1))..=place(Ticket::LAST));
        behind.next().map(|(.., ticket)| *ticket)
    }

    fn place(&self, ticket: Ticket) -> usize {
        self.standing.partition_point(|standing| standing.ticket < ticket)
    }

    #[cfg(test)]
    pub(crate) fn add_sample(
        &mut self,
        keyspace: &mut Keyspace,
        ticket: u64,
        args: &[&[u8]],
        keys: Range<usize>,
    ) {
        let kind = if keys.start == 1 { Kind::List } else { Kind::Group };
        let deadline = keys.start.is_multiple_of(7).then_some(Millis(1_700_000_060_000));
        let (node, incarnation, db) = (3, 2, DbIndex::ZERO);
        let waiter =
            Waiter { node, incarnation, db, deadline, kind, keys, request: Request::from_args(args) };
        self.add(keyspace, Ticket(ticket), waiter);
    }

    /// All of them as they are now, in constant time.
    pub(crate) fn capture(&self) -> CowTree<Standing> {
        self.standing.clone()
    }
}

/// The bytes of captured waiters.
pub(crate) fn encode(standing: &CowTree<Standing>) -> Vec<u8> {
    let mut out = Vec::new();
    for Standing { ticket, waiter } in standing.iter() {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        let deadline = waiter.deadline.map_or(i64::MIN, |deadline| deadline.0);
        for word in [ticket.0, waiter.node, waiter.incarnation, deadline as u64] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&[waiter.db.as_u8(), waiter.kind as u8, 0, 0]);
        let put = |len: usize, out: &mut Vec<u8>| {
            let len = u32::try_from(len).expect("a request and its parts fit a batch");
            out.extend_from_slice(&len.to_le_bytes());
        };
        put(waiter.keys.start, &mut out);
        put(waiter.keys.len(), &mut out);
        put(waiter.request.len(), &mut out);
        for arg in waiter.request.args() {
            put(arg.len(), &mut out);
            out.extend_from_slice(arg);
        }
        let bytes = u32::try_from(out.len() - start - 4).expect("a request fits a batch");
        out[start..start + 4].copy_from_slice(&bytes.to_le_bytes());
    }
    out
}

/// Reads what [`encode`] wrote; nothing if it is damaged.
pub(crate) fn decode(mut bytes: &[u8], keyspace: &mut Keyspace) -> Option<Waiters> {
    let mut waiters = Waiters::default();
    let mut last = None;
    while !bytes.is_empty() {
        let len = take_u32(&mut bytes)?;
        let (record, rest) = bytes.split_at_checked(len)?;
        bytes = rest;
        let (ticket, waiter) = decode_one(record)?;
        if last.is_some_and(|last| last >= ticket) {
            return None;
        }
        last = Some(ticket);
        waiters.add(keyspace, ticket, waiter);
    }
    Some(waiters)
}

fn decode_one(mut record: &[u8]) -> Option<(Ticket, Waiter)> {
    let mut word = || {
        let (word, rest) = record.split_first_chunk::<8>()?;
        record = rest;
        Some(u64::from_le_bytes(*word))
    };
    let (ticket, node, incarnation, deadline) = (Ticket(word()?), word()?, word()?, word()? as i64);
    let (&[db, kind, 0, 0], rest) = record.split_first_chunk::<4>()? else { return None };
    record = rest;
    let db = DbIndex::new(i64::from(db))?;
    let kind = Kind::ALL.into_iter().find(|known| *known as u8 == kind)?;
    let (first, keys, count) = (take_u32(&mut record)?, take_u32(&mut record)?, take_u32(&mut record)?);
    let mut args = Vec::new();
    for _ in 0..count {
        let len = take_u32(&mut record)?;
        let (arg, rest) = record.split_at_checked(len)?;
        args.push(arg);
        record = rest;
    }
    let end = first.checked_add(keys).filter(|end| *end <= args.len() && !args.is_empty())?;
    let deadline = (deadline != i64::MIN).then_some(Millis(deadline));
    // It is going to run again.
    crate::resolve(Args::new(&args)).ok().filter(|command| command.flags.has(Flag::Blocking))?;
    let request = Request::from_args(&args);
    let waiter = Waiter { node, incarnation, db, deadline, kind, keys: first..end, request };
    record.is_empty().then_some((ticket, waiter))
}

fn take_u32(from: &mut &[u8]) -> Option<usize> {
    let (word, rest) = from.split_first_chunk::<4>()?;
    *from = rest;
    usize::try_from(u32::from_le_bytes(*word)).ok()
}
