//! The supervisor of one node: starts its process, starts it again when it died, stops it.
//!
//! Invariant: there is at most one process of a node, and when the supervisor ends there is none.
//!
//! One task a node; the cluster's task sends orders and receives events.

use std::collections::VecDeque;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::plan::NodePlan;

/// After a node died, before it is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// For a planned stop; killed beyond.
const STOP_TIME_MAX: Duration = Duration::from_secs(15);
/// How much of the end of a log is looked at to tell why its node died.
const TAIL_BYTES: u64 = 8 << 10;
const TAIL_LINES: usize = 12;

/// What a supervisor is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Kill the process as a crash would; it is started again.
    Kill,
    /// Ask the process to stop, and end.
    Stop,
    /// Kill the process, and end.
    StopNow,
}

/// What a supervisor tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happened {
    Started { node: u32, pid: u32 },
    Died { node: u32, reason: String, log_tail: Vec<String> },
}

/// Keeps one node running until it is told to stop. `orders` closing means [`Order::StopNow`].
pub(super) async fn supervise(
    plan: NodePlan,
    mut orders: mpsc::Receiver<Order>,
    happened: mpsc::UnboundedSender<Happened>,
) {
    let node = plan.number;
    loop {
        let reason = match start(&plan) {
            Err(error) => format!("cannot be started: {error}"),
            Ok((mut child, pid)) => {
                // Held apart for as long as the process is to live, for waiting on a child closes its pipe.
                let _stdin = child.stdin.take();
                let _ = happened.send(Happened::Started { node, pid });
                match attend(&mut child, &mut orders).await {
                    Some(status) => describe(status),
                    None => return,
                }
            }
        };
        let log_tail = tail(&plan.log);
        let _ = happened.send(Happened::Died { node, reason, log_tail });
        if pause(&mut orders).await.is_break() {
            return;
        }
    }
}

/// Waits for the process to die by itself or by [`Order::Kill`]; `None` once it was stopped for good.
async fn attend(
    child: &mut Child,
    orders: &mut mpsc::Receiver<Order>,
) -> Option<std::io::Result<ExitStatus>> {
    loop {
        let order = tokio::select! {
            status = child.wait() => return Some(status),
            order = orders.recv() => order.unwrap_or(Order::StopNow),
        };
        match order {
            Order::Kill => {
                let _ = child.start_kill();
            }
            Order::StopNow => {
                let _ = child.kill().await;
                return None;
            }
            Order::Stop => {
                stop(child, orders).await;
                return None;
            }
        }
    }
}

async fn stop(child: &mut Child, orders: &mut mpsc::Receiver<Order>) {
    terminate(child);
    let impatient = async { while !matches!(orders.recv().await, Some(Order::StopNow) | None) {} };
    let stopped = async {
        tokio::select! { _ = child.wait() => (), () = impatient => () }
    };
    let _ = timeout(STOP_TIME_MAX, stopped).await;
    // Does nothing to a process that has ended and been waited for.
    let _ = child.kill().await;
}

fn terminate(child: &Child) {
    // The id is of our own child that has not been waited for, so it cannot be another process by now.
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM);
    }
}

async fn pause(orders: &mut mpsc::Receiver<Order>) -> std::ops::ControlFlow<()> {
    let stop = async { while matches!(orders.recv().await, Some(Order::Kill)) {} };
    tokio::select! {
        () = sleep(RESTART_PAUSE) => std::ops::ControlFlow::Continue(()),
        () = stop => std::ops::ControlFlow::Break(()),
    }
}

fn start(plan: &NodePlan) -> std::io::Result<(Child, u32)> {
    let mut log = plan.open_log()?;
    writeln!(log, "--- node {} starts", plan.number)?;
    let [program, args @ ..] = plan.command.as_slice() else {
        return Err(std::io::Error::other("the plan has no program"));
    };
    let mut command = Command::new(program);
    // Settings of the environment are meant for a node in production, not for all nodes of a local cluster.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("QUORATE_")) {
        command.env_remove(name);
    }
    let child = command
        .args(args)
        // The child sees the end of this pipe when the parent dies, however it dies.
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Ctrl-C on the terminal is for the parent alone, which stops the children in good order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let pid = child.id().ok_or_else(|| std::io::Error::other("the process has ended at once"))?;
    Ok((child, pid))
}

fn describe(status: std::io::Result<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(0), _) => "stopped".into(),
            (Some(code), _) => format!("ended with status {code}"),
            (None, Some(signal)) => format!("was killed by signal {signal}"),
            (None, None) => status.to_string(),
        },
        Err(error) => format!("cannot be waited for: {error}"),
    }
}

/// The last lines of a log; those of the process's last start, if they fit.
fn tail(log: &Path) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(log)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let mut lines = VecDeque::new();
    for line in text.lines() {
        if line.starts_with("--- node ") {
            lines.clear();
            continue;
        }
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }
    lines.into()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    /// A node whose program is a shell script.
    fn plan(dir: &Path, script: &str) -> NodePlan {
        let nowhere: SocketAddr = ([127, 0, 0, 1], 1).into();
        NodePlan {
            number: 1,
            resp: nowhere,
            admin: nowhere,
            sentinel: nowhere,
            peer: nowhere,
            dir: dir.to_owned(),
            log: dir.join("log.txt"),
            command: ["/bin/sh", "-c", script].map(Into::into).to_vec(),
        }
    }

    struct Supervised {
        orders: mpsc::Sender<Order>,
        happened: mpsc::UnboundedReceiver<Happened>,
        task: tokio::task::JoinHandle<()>,
        _dir: tempfile::TempDir,
    }

    fn supervised(script: &str) -> Supervised {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (orders, received) = mpsc::channel(4);
        let (tell, happened) = mpsc::unbounded_channel();
        let task = tokio::spawn(supervise(plan(dir.path(), script), received, tell));
        Supervised { orders, happened, task, _dir: dir }
    }

    impl Supervised {
        async fn next(&mut self) -> Happened {
            timeout(Duration::from_secs(20), self.happened.recv())
                .await
                .expect("in time")
                .expect("still supervised")
        }
        async fn started(&mut self) -> u32 {
            match self.next().await {
                Happened::Started { node: 1, pid } => pid,
                other => panic!("{other:?} instead of a start"),
            }
        }
        async fn end(self, order: Order) {
            self.orders.send(order).await.expect("still supervised");
            timeout(Duration::from_secs(20), self.task).await.expect("ends in time").expect("no panic");
        }
    }

    fn is_running(pid: u32) -> bool {
        let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not 0");
        rustix::process::test_kill_process(pid).is_ok()
    }

    #[tokio::test]
    async fn a_killed_node_is_started_again() {
        let mut node = supervised("exec cat");
        let first = node.started().await;
        node.orders.send(Order::Kill).await.expect("still supervised");
        let died = node.next().await;
        assert!(
            matches!(&died, Happened::Died { reason, .. } if reason == "was killed by signal 9"),
            "{died:?}"
        );
        let second = node.started().await;
        assert_ne!(first, second);
        assert!(!is_running(first) && is_running(second));
        node.end(Order::StopNow).await;
        assert!(!is_running(second));
    }

    #[tokio::test]
    async fn a_node_that_fails_says_its_last_lines() {
        let mut node = supervised("echo starting; echo no such disk >&2; exit 7");
        node.started().await;
        let expected = Happened::Died {
            node: 1,
            reason: "ended with status 7".into(),
            log_tail: vec!["starting".into(), "no such disk".into()],
        };
        assert_eq!(node.next().await, expected);
        // Between two starts it stops at once.
        node.end(Order::Stop).await;
    }

    #[tokio::test]
    async fn a_planned_stop_is_sigterm() {
        let mut node = supervised(
            "trap 'echo planned; exit 0' TERM; echo up; while :; do read -r _ || sleep 0.01; done",
        );
        let pid = node.started().await;
        let log = node._dir.path().join("log.txt");
        while !tail(&log).contains(&"up".to_owned()) {
            sleep(Duration::from_millis(10)).await;
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let keep = dir.path().join("log.txt");
        std::fs::hard_link(&log, &keep).or_else(|_| std::fs::copy(&log, &keep).map(drop)).expect("kept");
        node.end(Order::Stop).await;
        assert!(!is_running(pid));
        assert!(tail(&keep).contains(&"planned".to_owned()), "{:?}", tail(&keep));
    }

    #[tokio::test]
    async fn a_node_that_does_not_stop_is_killed_on_demand() {
        let mut node = supervised("trap '' TERM; while :; do sleep 0.05; done");
        let pid = node.started().await;
        node.orders.send(Order::Stop).await.expect("still supervised");
        node.end(Order::StopNow).await;
        assert!(!is_running(pid));
    }

    #[tokio::test]
    async fn a_node_that_nobody_gives_orders_to_is_killed() {
        let mut node = supervised("exec cat");
        let pid = node.started().await;
        assert!(is_running(pid));
        // Without orders the supervisor ends, and its process with it.
        drop(node.orders);
        timeout(Duration::from_secs(20), node.task).await.expect("ends in time").expect("no panic");
        assert!(!is_running(pid));
    }

    #[tokio::test]
    async fn a_program_that_is_missing_is_told() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut plan = plan(dir.path(), "");
        plan.command = vec!["/nowhere/quorate".into()];
        let (orders, received) = mpsc::channel(4);
        let (tell, mut happened) = mpsc::unbounded_channel();
        let task = tokio::spawn(supervise(plan, received, tell));
        let died = happened.recv().await.expect("told");
        assert!(
            matches!(&died, Happened::Died { reason, .. } if reason.starts_with("cannot be started")),
            "{died:?}"
        );
        drop(orders);
        task.await.expect("no panic");
    }
}
