//! Power cuts at every kind of moment, with torn sectors: what was reported as durable is there afterwards.
//!
//! A model follows the operations. Those that reported success must be in effect after recovery; those under way when
//! the power went may or may not be, from the front of their order on. `QUORATE_SEED=n` replays one seed,
//! `QUORATE_SEEDS=n` runs more of them.

mod support;

use std::collections::BTreeMap;

use quorate_storage::{Entry, Log, LogId, LogOptions, Vote, disk::sim::SimDisk};
use support::*;

/// A small generator of the test's own: SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    entries: BTreeMap<u64, Entry>,
    purged: Option<LogId>,
    vote: Option<Vote>,
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Entry>),
    Vote(Vote),
    Truncate(Option<LogId>),
    Purge(LogId),
}

impl Model {
    fn last(&self) -> Option<LogId> {
        self.entries.values().next_back().map(|entry| entry.id).or(self.purged)
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Append(entries) => {
                self.entries.extend(entries.iter().map(|entry| (entry.id.index, entry.clone())))
            }
            Step::Vote(vote) => self.vote = Some(*vote),
            Step::Truncate(last) => {
                let next = last.map_or(0, |last| last.index + 1);
                self.entries.retain(|index, _| *index < next);
            }
            Step::Purge(upto) => {
                self.purged = Some(*upto);
                self.entries.retain(|index, _| *index > upto.index);
            }
        }
    }

    fn of(log: &Log) -> Self {
        let state = log.state();
        let entries = read_all(log).into_iter().map(|entry| (entry.id.index, entry)).collect();
        Self { entries, purged: state.purged, vote: state.vote }
    }

    fn random_step(&self, random: &mut Random, term: &mut u64) -> Step {
        let last = self.last();
        let next = last.map_or(0, |last| last.index + 1);
        let random_held = |random: &mut Random| {
            let count = self.entries.len() as u64;
            (count > 0).then(|| self.entries.values().nth(random.below(count) as usize)).flatten()
        };
        match random.below(20) {
            0 => {
                *term += 1;
                Step::Vote(vote(*term))
            }
            1 | 2 => {
                *term += 1;
                Step::Truncate(random_held(random).map(|entry| entry.id).or(self.purged))
            }
            3 => match random_held(random) {
                Some(entry) => Step::Purge(entry.id),
                None => Step::Purge(id(*term, next + random.below(20))),
            },
            4 => Step::Append(vec![entry_of(*term, next, 6000)]),
            _ => {
                let count = 1 + random.below(12);
                Step::Append((next..next + count).map(|index| entry(*term, index)).collect())
            }
        }
    }
}

fn run(log: &Log, step: &Step) -> bool {
    match step {
        Step::Append(entries) => append(log, entries.clone()).is_ok(),
        Step::Vote(vote) => save_vote(log, *vote).is_ok(),
        Step::Truncate(last) => truncate_after(log, *last).is_ok(),
        Step::Purge(upto) => purge(log, *upto).is_ok(),
    }
}

fn check_seed(seed: u64) {
    let mut random = Random(seed);
    let disk = SimDisk::new(random.next());
    let (mut model, mut term) = (Model::default(), 1);
    for life in 0..12 {
        if random.below(4) == 0 {
            // The power also goes while recovery is at work.
            disk.cut_power_after(random.below(8));
        }
        let options = LogOptions {
            recent_bytes_max: random.below(3) as usize * 1000,
            salt_seed: Some(random.next()),
            ..small()
        };
        let log = match open_sim(&disk, options) {
            Ok((log, _)) => log,
            Err(error) if disk.is_powered_off() => {
                drop(error);
                disk.restart();
                continue;
            }
            Err(error) => panic!("seed {seed}, life {life}: {error}"),
        };
        disk.calm();
        let found = Model::of(&log);
        assert_eq!(found, model, "seed {seed}, life {life}");
        disk.cut_power_after(random.below(120));
        let pending = loop {
            if random.below(5) == 0
                && let Some(last) = model.last()
            {
                log.save_committed(last);
            }
            let step = model.random_step(&mut random, &mut term);
            if !run(&log, &step) {
                assert!(disk.is_powered_off(), "seed {seed}, life {life}: {step:?} failed with the power on");
                break step;
            }
            model.apply(&step);
        };
        drop(log);
        disk.restart();
        // The step under way may have taken effect; only recovery knows.
        let mut with_pending = model.clone();
        with_pending.apply(&pending);
        let (log, _) =
            open_sim(&disk, small()).unwrap_or_else(|error| panic!("seed {seed}, life {life}: {error}"));
        let found = Model::of(&log);
        if found != model {
            assert_eq!(found, with_pending, "seed {seed}, life {life}, after {pending:?}");
            model = with_pending;
        }
        log.close().unwrap();
        drop(log);
        if random.below(2) == 0 { disk.restart() } else { disk.restart_process() }
    }
}

#[test]
fn durable_operations_survive_power_cuts() {
    if let Ok(seed) = std::env::var("QUORATE_SEED") {
        return check_seed(seed.parse().expect("QUORATE_SEED is a number"));
    }
    let seeds =
        std::env::var("QUORATE_SEEDS").map_or(100, |seeds| seeds.parse().expect("QUORATE_SEEDS is a number"));
    for seed in 0..seeds {
        check_seed(seed);
    }
}

/// Groups of several operations, written at once by the thread, are torn as a whole and in order.
#[test]
fn queued_operations_survive_as_a_prefix() {
    for seed in 0..60 {
        let disk = SimDisk::new(seed);
        let (log, _) = open(
            std::sync::Arc::new(disk.clone()),
            small(),
            quorate_storage::LogEngineKind::Segments,
            quorate_storage::Executor::Thread,
        )
        .unwrap();
        disk.cut_power_after(20 + seed);
        let mut waits = Vec::new();
        let mut next = 0;
        while !disk.is_powered_off() && next < 3_000 {
            let (done, wait) = waiter();
            log.append(entries(1, next..next + 3), done);
            waits.push((next + 3, wait));
            next += 3;
        }
        let outcomes: Vec<(u64, bool)> = waits.into_iter().map(|(end, wait)| (end, wait().is_ok())).collect();
        let acknowledged = outcomes.iter().filter(|(_, ok)| *ok).map(|(end, _)| *end).max().unwrap_or(0);
        assert!(outcomes.iter().all(|(end, ok)| *ok == (*end <= acknowledged)), "seed {seed}: order");
        drop(log);
        disk.restart();
        let (log, recovered) =
            open_sim(&disk, small()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = read_all(&log);
        assert!(found.len() as u64 >= acknowledged, "seed {seed}: {} of {acknowledged}", found.len());
        assert_eq!(found, entries(1, 0..recovered.entries), "seed {seed}");
    }
}
