//! The life of a local cluster: bring-up, watch, trouble on purpose, stop.
//!
//! Invariant: whatever ends [`run`], every supervisor has ended before it returns, and so every child.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::check;
use super::child::{Happened, Order, supervise};
use super::event::{Event, Screen, Summary};
use super::plan::Plan;
use crate::exit::Failure;
use crate::http::AdminClient;

/// Between two looks at the cluster.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// Between two looks at a cluster that is coming up.
const START_PAUSE: Duration = Duration::from_millis(100);
/// For one answer of the admin API.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);
/// A node that dies this often while the cluster comes up will not come up by trying on.
const START_DEATHS_MAX: u32 = 3;

/// How the cluster is treated.
pub(super) struct Rules {
    pub(super) kill_leader_every: Option<Duration>,
    pub(super) start_max: Duration,
}

/// Runs the cluster until the first of `stops`, or until it fails to come up. A second one hurries the stop.
pub(super) async fn run(
    plan: &Plan,
    rules: &Rules,
    screen: &mut Screen,
    mut stops: mpsc::Receiver<()>,
) -> Result<(), Failure> {
    screen.tell(&Event::Starting { dir: plan.dir.display().to_string(), nodes: plan.nodes.len() });
    let mut nodes = Nodes::start(plan);
    let life = async {
        nodes.bring_up(rules, screen).await?;
        nodes.watch(rules, screen).await
    };
    let result = tokio::select! {
        result = life => result,
        _ = stops.recv() => Ok(()),
    };
    nodes.stop(screen, stops).await;
    result
}

/// Each Ctrl-C, SIGTERM or loss of the terminal as a message.
pub(super) fn signals() -> std::io::Result<mpsc::Receiver<()>> {
    let (stop, stops) = mpsc::channel(2);
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let (mut signal, stop) = (signal(kind)?, stop.clone());
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                // Whoever presses Ctrl-C a third time has been heard.
                let _ = stop.try_send(());
            }
        });
    }
    Ok(stops)
}

/// The supervisors and what is known of their nodes.
struct Nodes<'a> {
    plan: &'a Plan,
    orders: BTreeMap<u32, mpsc::Sender<Order>>,
    tasks: Vec<JoinHandle<()>>,
    happened: mpsc::UnboundedReceiver<Happened>,
    client: AdminClient,
}

impl<'a> Nodes<'a> {
    fn start(plan: &'a Plan) -> Self {
        let (tell, happened) = mpsc::unbounded_channel();
        let (mut orders, mut tasks) = (BTreeMap::new(), Vec::new());
        for node in &plan.nodes {
            let (order, received) = mpsc::channel(4);
            orders.insert(node.number, order);
            tasks.push(tokio::spawn(supervise(node.clone(), received, tell.clone())));
        }
        let urls: Vec<String> = plan.nodes.iter().map(|node| node.admin_url()).collect();
        Self { plan, orders, tasks, happened, client: AdminClient::new(&urls, None, ANSWER_TIME_MAX) }
    }

    /// Waits until every node is ready, then writes and reads.
    async fn bring_up(&mut self, rules: &Rules, screen: &mut Screen) -> Result<(), Failure> {
        let start = Instant::now();
        let mut reason = "no node has answered".to_owned();
        let brought_up = async {
            self.wait_ready(screen, &mut reason).await?;
            self.check(screen, &mut reason).await
        };
        match tokio::time::timeout(rules.start_max, brought_up).await {
            Ok(result) => result?,
            Err(_) => {
                let bound = rules.start_max.as_secs_f32();
                return Err(anyhow!("the cluster did not come up within {bound} s: {reason}").into());
            }
        }
        let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        screen.tell(&Event::Up { elapsed_ms, hints: self.hints() });
        Ok(())
    }

    async fn wait_ready(&mut self, screen: &mut Screen, reason: &mut String) -> Result<(), Failure> {
        let mut waiting: Vec<u32> = self.plan.nodes.iter().map(|node| node.number).collect();
        let mut deaths: BTreeMap<u32, u32> = BTreeMap::new();
        loop {
            while let Ok(happened) = self.happened.try_recv() {
                if let Happened::Died { node, reason, log_tail } = &happened {
                    let count = deaths.entry(*node).or_default();
                    *count += 1;
                    if *count == START_DEATHS_MAX {
                        let lines = log_tail.iter().map(|line| format!("\n  | {line}")).collect::<String>();
                        return Err(
                            anyhow!("the cluster did not come up: node {node} {reason}{lines}").into()
                        );
                    }
                    waiting.push(*node);
                    waiting.sort_unstable();
                    waiting.dedup();
                }
                self.tell(&happened, screen);
            }
            let ready = self.ready(&waiting).await;
            for node in ready {
                waiting.retain(|number| *number != node);
                screen.tell(&Event::NodeReady { node });
            }
            if waiting.is_empty() {
                return Ok(());
            }
            *reason = self.why_not_ready(&waiting);
            sleep(START_PAUSE).await;
        }
    }

    /// Which of the nodes say that they serve clients.
    async fn ready(&self, numbers: &[u32]) -> Vec<u32> {
        let nodes = self.plan.nodes.iter().filter(|node| numbers.contains(&node.number));
        let asked: Vec<_> = nodes
            .map(|node| (node.number, AdminClient::new(&[node.admin_url()], None, ANSWER_TIME_MAX)))
            .collect();
        let ask =
            move || asked.into_iter().filter(|(_, client)| client.is_ok("/readyz")).map(|(n, _)| n).collect();
        spawn_blocking(ask).await.unwrap_or_default()
    }

    fn why_not_ready(&self, waiting: &[u32]) -> String {
        let log = |number: &u32| {
            let node = self.plan.nodes.iter().find(|node| node.number == *number);
            node.map_or_else(String::new, |node| {
                format!("node {number} is not ready, see {}", node.log.display())
            })
        };
        waiting.iter().map(log).collect::<Vec<_>>().join("; ")
    }

    /// Writes and reads; again if it fails, because an election may be in the way.
    async fn check(&mut self, screen: &mut Screen, reason: &mut String) -> Result<(), Failure> {
        loop {
            let plan = self.plan.clone();
            match spawn_blocking(move || check::write_and_read(&plan)).await.context("the check panicked")? {
                Ok(event) => {
                    screen.tell(&event);
                    return Ok(());
                }
                Err(error) => *reason = format!("{error:#}"),
            }
            while let Ok(happened) = self.happened.try_recv() {
                self.tell(&happened, screen);
            }
            sleep(LOOK_PAUSE).await;
        }
    }

    fn hints(&self) -> Vec<String> {
        let port = |i: usize| self.plan.nodes[i % self.plan.nodes.len()].resp.port();
        let url = self.plan.nodes[0].admin_url();
        vec![
            format!("redis-cli -p {} set hello world", port(0)),
            format!("redis-cli -p {} get hello", port(1)),
            format!("quorate cluster status --watch --url {url}"),
            "kill -9 the process of any node: it comes back after a second".to_owned(),
            "Ctrl-C to stop; the data stays".to_owned(),
        ]
    }

    /// Shows how the cluster is, and kills its leader as the rules say. Does not end by itself.
    async fn watch(&mut self, rules: &Rules, screen: &mut Screen) -> Result<(), Failure> {
        let mut look = interval(LOOK_PAUSE);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_kill = Instant::now();
        loop {
            tokio::select! {
                Some(happened) = self.happened.recv() => self.tell(&happened, screen),
                _ = look.tick() => {
                    let summary = self.look().await;
                    let due = rules.kill_leader_every.is_some_and(|every| last_kill.elapsed() >= every);
                    // Only while all are ready: two nodes down at a time would take the quorum.
                    if let (true, Some(node)) = (due && summary.ready == summary.nodes, summary.leader) {
                        last_kill = Instant::now();
                        self.order(node, Order::Kill);
                        screen.tell(&Event::LeaderKilled { node });
                    }
                    screen.show(summary);
                }
            }
        }
    }

    async fn look(&self) -> Summary {
        let client = self.client.clone();
        let status = spawn_blocking(move || client.status().ok()).await.ok().flatten();
        Summary::new(self.plan.nodes.len(), status.as_ref())
    }

    fn tell(&self, happened: &Happened, screen: &mut Screen) {
        match happened {
            Happened::Started { node, pid } => {
                if let Some(plan) = self.plan.nodes.iter().find(|plan| plan.number == *node) {
                    screen.tell(&Event::started(plan, *pid));
                }
            }
            Happened::Died { node, reason, log_tail } => {
                let (reason, log_tail) = (reason.clone(), log_tail.clone());
                screen.tell(&Event::NodeDied { node: *node, reason, log_tail });
            }
        }
    }

    fn order(&self, node: u32, order: Order) {
        if let Some(orders) = self.orders.get(&node) {
            // A full queue means that the node has been told the like several times already.
            let _ = orders.try_send(order);
        }
    }

    /// Stops all nodes together; one more of `stops` makes it quick.
    async fn stop(mut self, screen: &mut Screen, mut stops: mpsc::Receiver<()>) {
        screen.tell(&Event::Stopping);
        self.orders.keys().for_each(|node| self.order(*node, Order::Stop));
        for mut task in std::mem::take(&mut self.tasks) {
            tokio::select! {
                _ = &mut task => {}
                Some(()) = stops.recv() => {
                    self.orders.keys().for_each(|node| self.order(*node, Order::StopNow));
                    let _ = task.await;
                }
            }
        }
        screen.tell(&Event::Stopped);
    }
}

#[cfg(test)]
mod tests;
