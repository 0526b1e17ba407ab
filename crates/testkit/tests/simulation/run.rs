//! One run: three nodes, their clients, what goes wrong, and what must hold in the end.
//!
//! ```text
//! forming ─► faults, for a while ─► everything is put right ─► a moment of peace ─► clients end ─► checks
//! ```
//!
//! Invariant: a run is a function of its seed, in a process whose randomness was replaced (see `main`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quorate::{Node, Phase};
use quorate_storage::disk::sim::SimDisk;
use quorate_testkit::linear::{self, Action, Answer, Operation};
use turmoil::Sim;

use crate::clients::{COUNTER, LETTERS, Workload};
use crate::history::{History, SharedHistory};
use crate::invariants::Invariants;
use crate::plan::{self, Death, Fault, Victim};
use crate::world::{self, Seeds, SkewedClock, host};

/// Nodes of the cluster.
const NODES: u32 = 3;
/// Clients on each node.
const CLIENTS: u32 = 2;
/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(12);
/// How long the cluster may take to form, and to be whole again after all trouble.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long clients go on after all trouble.
const PEACE: Duration = Duration::from_secs(1);

/// How often a node may try to connect to others, per simulated second.
const ATTEMPTS_MAX: u64 = 400;

/// What a run leaves behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) trace: u64,
    pub(crate) text: Option<String>,
    pub(crate) summary: String,
    pub(crate) violation: Option<String>,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, keep_trace: bool) -> Outcome {
    quorate_raft::seed_simulation(seed);
    let history = History::new(keep_trace);
    let mut run = Run::new(seed, history.clone());
    let violation = run.through().err();
    let simulated = run.sim.elapsed();
    let history = history.lock();
    Outcome {
        trace: history.trace.digest,
        text: history.trace.text().map(str::to_owned),
        summary: format!("{}, {simulated:?} simulated", history.summary()),
        violation,
    }
}

struct Run {
    sim: Sim<'static>,
    seeds: Arc<Seeds>,
    history: SharedHistory,
    hosts: BTreeMap<u32, Host>,
    invariants: Invariants,
    /// What is to be put right, and when.
    repairs: Vec<(Duration, Repair)>,
    latency_max: Duration,
    enough: Arc<AtomicBool>,
    finale: Arc<AtomicBool>,
    finished: Arc<AtomicU64>,
    clients: Arc<AtomicU64>,
}

struct Host {
    disk: SimDisk,
    /// The node of the host's present life.
    node: Arc<Mutex<Option<Node>>>,
    up: bool,
    disk_is_sound: bool,
    /// Attempts to connect to others, in this second and before.
    attempts: Arc<AtomicU64>,
    attempts_before: u64,
}

#[derive(Debug, Clone, Copy)]
enum Repair {
    /// The power of a disk has failed by now.
    Die(u32, Duration),
    Start(u32),
    Join(u32, u32),
    Latency,
}

impl Run {
    fn new(seed: u64, history: SharedHistory) -> Run {
        let seeds = Seeds::new(seed);
        let latency_max = world::between(&seeds, 2, 15);
        let mut builder = turmoil::Builder::new();
        builder
            .rng_seed(seeds.draw())
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(latency_max)
            .tcp_capacity(1 << 16)
            .enable_random_order();
        let (enough, finale) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let mut run = Run {
            sim: builder.build(),
            history: history.clone(),
            hosts: BTreeMap::new(),
            invariants: Invariants::default(),
            repairs: Vec::new(),
            latency_max,
            enough: enough.clone(),
            finale,
            finished: Arc::default(),
            clients: Arc::default(),
            seeds: seeds.clone(),
        };
        let workload = Workload {
            history,
            next_value: Arc::default(),
            next_client: Arc::default(),
            enough,
            running: run.clients.clone(),
            pause_max: 10 + seeds.below(100),
            seeds,
        };
        for number in 1..=NODES {
            run.add_host(number, workload.clone());
        }
        run
    }

    fn add_host(&mut self, number: u32, workload: Workload) {
        let disk = SimDisk::new(self.seeds.draw());
        let slot = Arc::new(Mutex::new(None));
        let clock = SkewedClock {
            error_ms: self.seeds.below(6_000) as i64 - 3_000,
            drift_per_million: self.seeds.below(400) as i64 - 200,
        };
        let (finale, finished, seeds) = (self.finale.clone(), self.finished.clone(), self.seeds.clone());
        let (host_disk, host_slot) = (disk.clone(), slot.clone());
        let attempts: Arc<AtomicU64> = Arc::default();
        let host_attempts = attempts.clone();
        self.sim.host(host(number), move || {
            let (disk, slot, workload) = (host_disk.clone(), host_slot.clone(), workload.clone());
            let (finale, finished, seeds) = (finale.clone(), finished.clone(), seeds.clone());
            let attempts = host_attempts.clone();
            async move {
                let options = world::options(number, NODES);
                let components = world::components(&disk, clock, &seeds, &attempts);
                let node = Node::start(options, components).await?;
                *slot.lock() = Some(node.clone());
                if node.serving().await.is_ok() {
                    for _ in 0..CLIENTS {
                        tokio::spawn(workload.clone().client(node.clone()));
                    }
                    while !finale.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    workload.read_all(&node).await;
                    finished.fetch_add(1, Ordering::Relaxed);
                }
                // Whether it failed for a reason is seen from outside.
                std::future::pending().await
            }
        });
        let host = Host { disk, node: slot, up: true, disk_is_sound: true, attempts, attempts_before: 0 };
        self.hosts.insert(number, host);
    }

    fn through(&mut self) -> Result<(), String> {
        self.until("the cluster forms", PATIENCE, Run::all_serve)?;
        let from = self.sim.elapsed();
        let faults = plan::draw(&self.seeds, NODES, from, from + TROUBLE);
        for (at, fault) in faults {
            while self.sim.elapsed() < at {
                self.step()?;
            }
            self.begin(fault);
        }
        while !self.repairs.is_empty() {
            self.step()?;
        }
        self.until("all nodes serve again", PATIENCE, Run::all_serve)?;
        let peace_ends = self.sim.elapsed() + PEACE;
        while self.sim.elapsed() < peace_ends {
            self.step()?;
        }
        self.enough.store(true, Ordering::Relaxed);
        self.until("all clients end", PATIENCE, |run| run.clients.load(Ordering::Relaxed) == 0)?;
        self.until("all nodes have applied the same", PATIENCE, Run::all_agree)?;
        self.finale.store(true, Ordering::Relaxed);
        self.until("all nodes answer", PATIENCE, |run| {
            run.finished.load(Ordering::Relaxed) >= u64::from(NODES) && run.all_agree()
        })?;
        check(&self.history)
    }

    fn until(&mut self, what: &str, within: Duration, reached: fn(&Run) -> bool) -> Result<(), String> {
        let deadline = self.sim.elapsed() + within;
        while !reached(self) {
            if self.sim.elapsed() > deadline {
                let reports: Vec<_> = self.nodes().map(|(number, node)| (number, node.report())).collect();
                return Err(format!("it did not come to pass within {within:?} that {what}: {reports:#?}"));
            }
            self.step()?;
        }
        Ok(())
    }

    fn nodes(&self) -> impl Iterator<Item = (u32, Node)> + '_ {
        self.hosts.iter().filter_map(|(number, host)| Some((*number, host.node.lock().clone()?)))
    }

    fn all_serve(&self) -> bool {
        let serving = |(_, node): &(u32, Node)| matches!(*node.phase().borrow(), Phase::Serving);
        self.nodes().filter(serving).count() == NODES as usize
    }

    fn all_agree(&self) -> bool {
        let digests: Vec<_> = self.nodes().map(|(_, node)| node.digest()).collect();
        digests.len() == NODES as usize && digests.iter().all(|one| one.is_some() && *one == digests[0])
    }

    /// A millisecond passes.
    fn step(&mut self) -> Result<(), String> {
        let now = self.sim.elapsed();
        let (due, later) = std::mem::take(&mut self.repairs).into_iter().partition(|(at, _)| *at <= now);
        self.repairs = later;
        let due: Vec<(Duration, Repair)> = due;
        for (_, repair) in due {
            self.repair(repair);
        }
        self.sim.step().map_err(|error| format!("a host ended: {error}"))?;
        let millis = now.as_millis();
        let mut history = self.history.lock();
        for (number, host) in &self.hosts {
            let Some(node) = host.node.lock().clone() else { continue };
            self.invariants.check(*number, &node, host.disk_is_sound, millis, &mut history.trace)?;
        }
        drop(history);
        if millis.is_multiple_of(1_000) { self.check_attempts() } else { Ok(()) }
    }

    /// A peer that is not there must not be asked without a pause.
    fn check_attempts(&mut self) -> Result<(), String> {
        for (number, host) in &mut self.hosts {
            let attempts = host.attempts.load(Ordering::Relaxed);
            let new = attempts - std::mem::replace(&mut host.attempts_before, attempts);
            if new > ATTEMPTS_MAX {
                return Err(format!("node {number} tried to connect {new} times within a second"));
            }
        }
        Ok(())
    }

    fn note(&self, what: std::fmt::Arguments<'_>) {
        self.history.lock().trace.note(self.sim.elapsed().as_millis(), what);
    }

    fn begin(&mut self, fault: Fault) {
        self.note(format_args!("{fault:?}"));
        let now = self.sim.elapsed();
        match fault {
            Fault::Crash { victim, death, down } => {
                let number = self.number(victim);
                let Some(host) = self.hosts.get_mut(&number).filter(|host| host.up) else { return };
                host.up = false;
                let mut dies = now;
                match death {
                    Death::Kill => {}
                    Death::PowerCut => host.disk_is_sound = false,
                    Death::TornWrite(writes) => {
                        host.disk.cut_power_after(writes);
                        host.disk_is_sound = false;
                        dies += Duration::from_millis(20);
                    }
                }
                self.repairs.push((dies, Repair::Die(number, dies + down)));
            }
            Fault::Isolate { victim, length } => {
                let number = self.number(victim);
                for other in (1..=NODES).filter(|other| *other != number) {
                    self.sim.partition(host(number), host(other));
                    self.repairs.push((now + length, Repair::Join(number, other)));
                }
            }
            Fault::Sever { one, other, length } => {
                self.sim.partition(host(one), host(other));
                self.repairs.push((now + length, Repair::Join(one, other)));
            }
            Fault::Deafen { from, to, length } => {
                self.sim.partition_oneway(host(from), host(to));
                self.repairs.push((now + length, Repair::Join(from, to)));
            }
            Fault::Slow { latency_max, length } => {
                self.sim.set_max_message_latency(latency_max);
                self.repairs.push((now + length, Repair::Latency));
            }
        }
    }

    /// A leader's id in a cluster that formed itself begins with its node's number; see `rules::first_id`.
    fn number(&self, victim: Victim) -> u32 {
        match victim {
            Victim::Node(number) => number,
            Victim::Leader => {
                let leader = self.invariants.leader();
                let leads = |node: &Node| node.id().is_some_and(|id| Some(id.0) == leader);
                self.nodes().find(|(_, node)| leads(node)).map_or(1, |(number, _)| number)
            }
        }
    }

    fn repair(&mut self, repair: Repair) {
        self.note(format_args!("{repair:?}"));
        match repair {
            Repair::Die(number, back) => self.die(number, back),
            Repair::Start(number) => {
                self.invariants.reborn(number);
                for other in (1..=NODES).filter(|other| *other != number) {
                    self.sim.repair(host(number), host(other));
                }
                self.sim.bounce(host(number));
                if let Some(host) = self.hosts.get_mut(&number) {
                    (host.up, host.disk_is_sound) = (true, true);
                }
            }
            Repair::Join(one, other) => self.sim.repair(host(one), host(other)),
            Repair::Latency => self.sim.set_max_message_latency(self.latency_max),
        }
    }

    fn die(&mut self, number: u32, back: Duration) {
        let Some(dying) = self.hosts.get(&number) else { return };
        let silent = !dying.disk_is_sound;
        if silent {
            dying.disk.cut_power();
            // A computer without power does not close its connections.
            for other in (1..=NODES).filter(|other| *other != number) {
                self.sim.partition(host(number), host(other));
            }
        }
        self.sim.crash(host(number));
        let applied = self.invariants.applied(number);
        self.note(format_args!("node {number} dies with {applied} entries applied"));
        let dead = dying.node.lock().take();
        drop(dead);
        if silent {
            dying.disk.restart();
        } else {
            dying.disk.restart_process();
        }
        self.repairs.push((back, Repair::Start(number)));
    }
}

/// What the clients saw must be what one Redis could have answered.
fn check(history: &SharedHistory) -> Result<(), String> {
    for (key, operations) in history.lock().by_key() {
        linear::check(&operations).map_err(|violation| format!("{key}: {violation}"))?;
        match key {
            COUNTER => check_counter(&operations)?,
            LETTERS => check_letters(&operations)?,
            _ => {}
        }
    }
    Ok(())
}

/// The last value that was read.
fn last_read(operations: &[Operation]) -> Vec<u8> {
    let value = |operation: &Operation| match &operation.returned {
        Some((_, Answer::Value(value))) => Some(value.clone().unwrap_or_default()),
        _ => None,
    };
    operations.iter().rev().find_map(value).unwrap_or_default()
}

/// Each acknowledged increment counts once, each of unknown outcome at most once.
fn check_counter(operations: &[Operation]) -> Result<(), String> {
    let increments = operations.iter().filter(|operation| operation.action == Action::Increment);
    let (known, unknown): (Vec<_>, Vec<_>) = increments.partition(|operation| operation.returned.is_some());
    let last = last_read(operations);
    let sum = std::str::from_utf8(&last).ok().and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    if sum < known.len() || sum > known.len() + unknown.len() {
        return Err(format!("{} to {} increments, sum {sum}", known.len(), known.len() + unknown.len()));
    }
    Ok(())
}

/// Each acknowledged part is there once, and none is there twice.
fn check_letters(operations: &[Operation]) -> Result<(), String> {
    let last = String::from_utf8_lossy(&last_read(operations)).into_owned();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for part in last.split_terminator(',') {
        *counts.entry(part).or_default() += 1;
    }
    for operation in operations {
        let Action::Append(part) = &operation.action else { continue };
        let part = String::from_utf8_lossy(part);
        let count = counts.get(part.trim_end_matches(',')).copied().unwrap_or(0);
        if count > 1 || count == 0 && operation.returned.is_some() {
            return Err(format!("{operation} is there {count} times"));
        }
    }
    Ok(())
}
