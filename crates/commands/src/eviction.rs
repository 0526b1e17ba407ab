//! Eviction: what goes when the data has outgrown `maxmemory`, and the noting of uses that it goes by.
//!
//! For: the policies of Redis as a function of the replicated state, decided at the end of each log entry, on
//! every node alike. Leaves to others: refusing commands while nothing can be evicted (the node, before they
//! enter the log), and telling the log of reads (the node; a read that no entry tells of is no use).
//! See `docs/decisions/0010-eviction-at-apply.md`.
//!
//! Invariants: after an entry the data is within the limit, or no larger than before the entry, or nothing is
//! there that the policy would give up; all chance comes from the entry's stamp.
//! Called by: the apply task.

use quorate_keyspace::{AccessClock, Blob, DbIndex, Entry, Millis, Rng, Version};

use crate::{EventClass, Events, Settings, State};

/// Keys that one entry evicts at most for what was there before it; the next entries go on. What the entry itself
/// has added is made up for whatever it takes.
const EVICTED_PER_ENTRY_MAX: u64 = 512;
/// Candidates that are remembered from one choice to the next within an entry, as in Redis.
const POOL_LEN: usize = 16;

/// What [`State::evict`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Keys that went.
    pub keys: u64,
    /// Whether the limit is exceeded and nothing is left that could go: commands that add data are to be refused.
    pub is_full: bool,
    /// Whether more is to go with the next entry.
    pub has_more: bool,
}

/// Which keys may go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Among {
    All,
    /// Those that have an expiry.
    Volatile,
}

/// Which of them goes first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    /// The one that was not used for the longest time, or the least often.
    Stalest,
    Random,
    /// The one that expires first.
    Soonest,
}

impl State {
    /// Begins an entry: moves the agreed time, which never runs backwards, and has uses of keys noted as the eviction
    /// policy wants it.
    pub fn begin(&mut self, time: Millis) {
        self.clock = self.clock.max(time);
        self.keyspace.set_access_clock(access_clock(&self.settings, self.clock));
    }

    /// How uses of keys are read at this time.
    pub fn access_clock(&self, now: Millis) -> AccessClock {
        access_clock(&self.settings, now)
    }

    /// Whether the data is beyond the memory limit, and nothing is left that could go: what adds data is refused.
    pub fn is_full(&self) -> bool {
        let limit = self.settings.maxmemory();
        if limit == 0 || self.used_bytes() <= limit {
            return false;
        }
        match policy(self.settings.maxmemory_policy()) {
            None => true,
            Some((among, _)) => DbIndex::all().all(|db| self.candidates(db, among) == 0),
        }
    }

    /// Ends an entry: evicts what the limit asks for. `before_bytes` is [`State::used_bytes`] before the entry.
    pub fn evict(
        &mut self,
        before_bytes: usize,
        rng: &mut Rng,
        version: Version,
        events: &mut Events,
    ) -> Evicted {
        let mut evicted = Evicted::default();
        let limit = self.settings.maxmemory();
        if limit == 0 || self.used_bytes() <= limit {
            return evicted;
        }
        let Some((among, first)) = policy(self.settings.maxmemory_policy()) else {
            evicted.is_full = true;
            return evicted;
        };
        let mut pool = Pool::default();
        loop {
            let bytes = self.used_bytes();
            if bytes <= limit {
                return evicted;
            }
            if evicted.keys >= EVICTED_PER_ENTRY_MAX && bytes <= before_bytes {
                evicted.has_more = true;
                return evicted;
            }
            let Some((db, key)) = self.choose(among, first, rng, &mut pool) else {
                evicted.is_full = true;
                return evicted;
            };
            if self.keyspace.db_mut(db).remove(&key, self.clock, version).is_some() {
                events.notify(EventClass::Evicted, "evicted", db, &key);
                evicted.keys += 1;
            } else {
                events.notify(EventClass::Expired, "expired", db, &key);
            }
        }
    }

    /// The next key to go.
    fn choose(&self, among: Among, first: First, rng: &mut Rng, pool: &mut Pool) -> Option<(DbIndex, Blob)> {
        match first {
            First::Stalest => loop {
                self.fill(among, rng, pool);
                let (_, db, key) = pool.stalest.pop()?;
                let db_keys = self.keyspace.db(db);
                // It may have been there twice.
                let found = db_keys.stored(&key);
                if found.is_some_and(|entry| among == Among::All || entry.expires().is_some()) {
                    return Some((db, key));
                }
            },
            First::Random => {
                let len = |db: &DbIndex| self.candidates(*db, among);
                let total: usize = DbIndex::all().map(|db| len(&db)).sum();
                let mut rank = if total == 0 { return None } else { rng.index(total) };
                let db = DbIndex::all().find(|db| match rank.checked_sub(len(db)) {
                    Some(rest) => {
                        rank = rest;
                        false
                    }
                    None => true,
                })?;
                self.sample(db, among, rng).map(|(key, _)| (db, key.clone()))
            }
            First::Soonest => {
                let soonest = |db| self.keyspace.db(db).first_expiry().map(|(at, key)| (*at, db, key));
                let (_, db, key) = DbIndex::all().filter_map(soonest).min()?;
                Some((db, key.clone()))
            }
        }
    }

    /// Looks at a few keys of each database, and remembers the stalest.
    fn fill(&self, among: Among, rng: &mut Rng, pool: &mut Pool) {
        let clock = access_clock(&self.settings, self.clock);
        for db in DbIndex::all().filter(|db| self.candidates(*db, among) > 0) {
            for _ in 0..self.settings.maxmemory_samples() {
                if let Some((key, entry)) = self.sample(db, among, rng) {
                    pool.offer(clock.staleness(entry.accessed()), db, key);
                }
            }
        }
    }

    fn candidates(&self, db: DbIndex, among: Among) -> usize {
        match among {
            Among::All => self.keyspace.db(db).len(),
            Among::Volatile => self.keyspace.db(db).expiring_len(),
        }
    }

    fn sample(&self, db: DbIndex, among: Among, rng: &mut Rng) -> Option<(&Blob, &Entry)> {
        match among {
            Among::All => self.keyspace.db(db).sample(rng),
            Among::Volatile => self.keyspace.db(db).sample_expiring(rng),
        }
    }
}

/// The stalest keys that were seen, the stalest last.
#[derive(Default)]
struct Pool {
    stalest: Vec<(u32, DbIndex, Blob)>,
}

impl Pool {
    fn offer(&mut self, staleness: u32, db: DbIndex, key: &Blob) {
        let place = self.stalest.partition_point(|(other, ..)| *other < staleness);
        let equal = self.stalest[place..].iter().take_while(|(other, ..)| *other == staleness);
        let is_known = equal.into_iter().any(|(_, other, name)| (*other, name) == (db, key));
        if is_known || (place == 0 && self.stalest.len() == POOL_LEN) {
            return;
        }
        self.stalest.insert(place, (staleness, db, key.clone()));
        if self.stalest.len() > POOL_LEN {
            self.stalest.remove(0);
        }
    }
}

/// How uses of keys are noted and read under these settings, at this time.
pub(crate) fn access_clock(settings: &Settings, now: Millis) -> AccessClock {
    if settings.maxmemory_policy().ends_with("lfu") {
        AccessClock::frequency(now, settings.lfu_log_factor(), settings.lfu_decay_time())
    } else {
        AccessClock::time(now)
    }
}

/// Whether reads are worth noting: the policy goes by uses, and there is a limit.
pub fn reads_count(settings: &Settings) -> bool {
    let policy = settings.maxmemory_policy();
    settings.maxmemory() > 0 && (policy.ends_with("lru") || policy.ends_with("lfu"))
}

/// The policy of this name; `None` where nothing is evicted.
fn policy(name: &str) -> Option<(Among, First)> {
    let (among, first) = name.split_once('-')?;
    let among = if among == "volatile" { Among::Volatile } else { Among::All };
    let first = match first {
        "random" => First::Random,
        "ttl" => First::Soonest,
        _ => First::Stalest,
    };
    Some((among, first))
}

#[cfg(test)]
mod tests;
