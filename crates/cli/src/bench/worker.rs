//! One thread of the load: a runtime of its own, and a task for each of its connections.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::LocalSet;

use super::connection::Connection;
use super::keys::Chance;
use super::load::{Load, Shared};
use super::mix::Mix;
use super::nodeapi::{self, Ledger, Site, State};
use super::pace::{Budget, Run};
use super::plan::{Kind, Plan};
use super::tally::Tally;

/// How often a thread hands over what it has counted.
const HAND_OVER_EVERY: Duration = Duration::from_secs(1);
/// Keys that are written at once before the run.
const PREFILL_BATCH: u64 = 500;

/// Starts the thread of this number; it ends with what its clients were told.
pub(super) fn start(
    plan: Arc<Plan>,
    run: Arc<Run>,
    thread: usize,
    sender: UnboundedSender<Tally>,
) -> io::Result<JoinHandle<Ledger>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(format!("bench-{thread}")).spawn(move || {
        let tasks = LocalSet::new();
        runtime.block_on(tasks.run_until(work(plan, run, thread, sender)))
    })
}

async fn work(plan: Arc<Plan>, run: Arc<Run>, thread: usize, sender: UnboundedSender<Tally>) -> Ledger {
    let tally = Rc::new(RefCell::new(Tally::new(&plan.names)));
    let hand_over = {
        let (tally, plan, sender) = (Rc::clone(&tally), Arc::clone(&plan), sender.clone());
        tokio::task::spawn_local(async move {
            let mut tick = tokio::time::interval(HAND_OVER_EVERY);
            loop {
                tick.tick().await;
                let counted = std::mem::replace(&mut *tally.borrow_mut(), Tally::new(&plan.names));
                if sender.send(counted).is_err() {
                    return;
                }
            }
        })
    };
    let share = |whole: u64| {
        let (threads, thread) = (plan.threads as u64, thread as u64);
        whole / threads + u64::from(thread < whole % threads)
    };
    let budget = Budget::new(plan.requests.map(share));
    let target = Rc::new(plan.target.clone());
    let numbers = (thread..plan.connections).step_by(plan.threads);
    let addresses = plan.target.addresses.len();
    let mut ledger = nodeapi::ledger();
    let mut tasks = Vec::new();
    match &plan.kind {
        Kind::Commands(mix) => {
            let shared = Rc::new(Shared {
                target,
                run,
                mix: Arc::clone(mix),
                material: Arc::clone(&plan.material),
                pipeline: plan.pipeline,
                budget,
                tally: Rc::clone(&tally),
            });
            for number in numbers {
                let load = Load::new(Rc::clone(&shared), number, plan.connections, plan.rate, plan.seed);
                tasks.push(tokio::task::spawn_local(load.run(number % addresses)));
            }
            join(tasks).await;
        }
        Kind::Site(profile) => {
            let site = Rc::new(Site {
                target,
                run,
                profile: *profile,
                prefix: plan.material.keys.prefix.clone(),
                label: plan.label.clone(),
                thread,
                threads: plan.threads,
                filler: Arc::clone(&plan.site_filler),
                tally: Rc::clone(&tally),
                state: RefCell::new(State::new(nodeapi::ledger())),
            });
            for number in numbers {
                let work = nodeapi::run(
                    Rc::clone(&site),
                    budget.clone(),
                    (number, plan.connections),
                    plan.rate,
                    plan.seed,
                    number % addresses,
                );
                tasks.push(tokio::task::spawn_local(work));
            }
            join(tasks).await;
            ledger = std::mem::take(&mut site.state.borrow_mut().ledger);
        }
    }
    hand_over.abort();
    // A receiver that has gone has no use for it.
    let _ = sender.send(tally.take());
    ledger
}

async fn join(tasks: Vec<tokio::task::JoinHandle<()>>) {
    for task in tasks {
        task.await.expect("a connection's task does not panic");
    }
}

/// Writes every key once.
pub(super) async fn prefill(plan: &Plan, mix: &Mix, connection: &mut Connection) -> io::Result<()> {
    let template = mix.filling().map_err(io::Error::other)?;
    let mut chance = Chance::new(plan.seed, 0);
    let mut key = 0;
    while key < plan.material.keys.count {
        let end = (key + PREFILL_BATCH).min(plan.material.keys.count);
        for key in key..end {
            template.write(&mut connection.out, key, &plan.material, &mut chance);
        }
        let replies = connection.exchange((end - key) as usize, plan.target.time_max).await?;
        if let Some(error) = replies.iter().find_map(|reply| reply.error()) {
            return Err(io::Error::other(String::from_utf8_lossy(error).into_owned()));
        }
        key = end;
    }
    Ok(())
}
