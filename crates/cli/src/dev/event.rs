//! What `quorate dev` shows: lines and a live status line for people, or one JSON object for each event.

use std::fmt::{self, Write as _};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use quorate::admin::ClusterStatus;
use serde::Serialize;

use super::plan::NodePlan;

/// Between two status lines where there is no terminal and nothing changes.
const QUIET_PAUSE: Duration = Duration::from_secs(30);

/// Something worth telling.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Event {
    Starting {
        dir: String,
        nodes: usize,
    },
    NodeStarted {
        node: u32,
        pid: u32,
        resp: String,
        admin: String,
        sentinel: String,
        peer: String,
        log: String,
    },
    NodeReady {
        node: u32,
    },
    NodeDied {
        node: u32,
        reason: String,
        log_tail: Vec<String>,
    },
    Checked {
        wrote: u32,
        read: Vec<u32>,
        elapsed_ms: u64,
    },
    CheckSkipped {
        reason: String,
    },
    Up {
        elapsed_ms: u64,
        hints: Vec<String>,
    },
    LeaderKilled {
        node: u32,
    },
    Stopping,
    Stopped,
    Failed {
        reason: String,
    },
}

impl Event {
    pub(super) fn started(plan: &NodePlan, pid: u32) -> Self {
        Self::NodeStarted {
            node: plan.number,
            pid,
            resp: plan.resp.to_string(),
            admin: plan.admin_url(),
            sentinel: plan.sentinel.to_string(),
            peer: plan.peer.to_string(),
            log: plan.log.display().to_string(),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting { dir, nodes } => write!(f, "Starting {nodes} nodes; data and logs in {dir}"),
            Self::NodeStarted { node, pid, resp, admin, sentinel, peer, .. } => {
                write!(
                    f,
                    "node {node}: redis {resp}  admin {admin}  sentinel {sentinel}  peers {peer}  process {pid}"
                )
            }
            Self::NodeReady { node } => write!(f, "node {node}: ready"),
            Self::NodeDied { node, reason, log_tail } => {
                write!(f, "node {node}: {reason}; starting it again in a second")?;
                // A kill by hand or by --kill-leader-every is no riddle; anything else is.
                let mut lines = log_tail.iter().filter(|_| !reason.contains("signal 9"));
                lines.try_for_each(|line| write!(f, "\n  | {line}"))
            }
            Self::Checked { wrote, read, elapsed_ms } if read.is_empty() => {
                write!(f, "Checked: written and read on node {wrote} in {elapsed_ms} ms")
            }
            Self::Checked { wrote, read, elapsed_ms } => {
                let read: Vec<String> = read.iter().map(u32::to_string).collect();
                write!(
                    f,
                    "Checked: written on node {wrote}, read on {} in {elapsed_ms} ms",
                    read.join(" and ")
                )
            }
            Self::CheckSkipped { reason } => write!(f, "Not checked by a write and a read: {reason}"),
            Self::Up { elapsed_ms, hints } => {
                write!(
                    f,
                    "The cluster is up after {}.{} s. Try:",
                    elapsed_ms / 1000,
                    elapsed_ms % 1000 / 100
                )?;
                hints.iter().try_for_each(|hint| write!(f, "\n  {hint}"))
            }
            Self::LeaderKilled { node } => write!(f, "node {node}: was the leader, killed on purpose"),
            Self::Stopping => f.write_str("Stopping; once more Ctrl-C kills"),
            Self::Stopped => f.write_str("Stopped; the data stays"),
            Self::Failed { reason } => f.write_str(reason),
        }
    }
}

/// How the cluster is, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    event: &'static str,
    pub(super) nodes: usize,
    pub(super) ready: usize,
    /// The leader's number.
    pub(super) leader: Option<u32>,
    quorum: bool,
    term: u64,
    committed: u64,
    keys: u64,
    clients: u64,
}

impl Summary {
    /// Of an answer, or of none.
    pub(super) fn new(nodes: usize, status: Option<&ClusterStatus>) -> Self {
        let members = || status.iter().flat_map(|s| s.nodes.values());
        let reports = || members().filter(|node| node.alive).filter_map(|node| node.report.as_ref());
        let leader = status.and_then(|s| s.nodes.get(&s.leader?)).map(|node| node.number);
        Self {
            event: "status",
            nodes,
            ready: reports().filter(|report| report.ready).count(),
            leader,
            quorum: status.is_some_and(|s| s.quorum),
            term: status.map_or(0, |s| s.term),
            committed: status.map_or(0, |s| s.committed),
            // The node that has applied most knows best; the others are about to say the same.
            keys: reports().max_by_key(|report| report.applied).map_or(0, |report| report.keys),
            clients: reports().map(|report| report.clients).sum(),
        }
    }

    /// Whether something else than counters differs.
    fn is_news(&self, before: Option<&Self>) -> bool {
        before.is_none_or(|b| {
            (b.ready, b.leader, b.quorum, b.term) != (self.ready, self.leader, self.quorum, self.term)
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ready, ", self.ready, self.nodes)?;
        match self.leader {
            Some(node) => write!(f, "leader node {node}")?,
            None => f.write_str("no leader")?,
        }
        if !self.quorum {
            f.write_str(", NO QUORUM")?;
        }
        write!(
            f,
            ", term {}, committed {}, {} keys, {} clients",
            self.term, self.committed, self.keys, self.clients
        )
    }
}

/// Where events go.
pub(super) struct Screen {
    out: Box<dyn Write + Send>,
    json: bool,
    terminal: bool,
    summary: Option<Summary>,
    last_line: Instant,
}

impl Screen {
    /// Standard output.
    pub(super) fn new(json: bool) -> Self {
        let terminal = !json && std::io::stdout().is_terminal();
        Self::to(Box::new(std::io::stdout()), json, terminal)
    }

    /// Elsewhere than standard output.
    pub(super) fn to(out: Box<dyn Write + Send>, json: bool, terminal: bool) -> Self {
        Self { out, json, terminal, summary: None, last_line: Instant::now() }
    }

    /// Shows an event, above the status line where there is one.
    pub(super) fn tell(&mut self, event: &Event) {
        let mut text = String::new();
        if self.json {
            text = serde_json::to_string(event).expect("events are always JSON");
        } else {
            let clear = if self.terminal { "\r\x1b[K" } else { "" };
            let _ = write!(text, "{clear}{event}");
        }
        text.push('\n');
        self.write(&text);
    }

    /// Renews the status line; elsewhere than on a terminal only news are told, and now and then the rest.
    pub(super) fn show(&mut self, summary: Summary) {
        let due = self.last_line.elapsed() >= QUIET_PAUSE;
        let text = match (self.json, self.terminal) {
            (false, true) => format!("\r\x1b[K{summary}"),
            _ if !due && !summary.is_news(self.summary.as_ref()) => return,
            (true, _) => serde_json::to_string(&summary).expect("always JSON") + "\n",
            (false, false) => format!("{summary}\n"),
        };
        self.last_line = Instant::now();
        self.summary = Some(summary);
        self.write(&text);
    }

    /// The last word of a failed start; people get it on standard error from the program's end.
    pub(super) fn failed(&mut self, reason: &str) {
        if self.json {
            self.tell(&Event::Failed { reason: reason.to_owned() });
        }
    }

    /// A reader that has gone must not take the cluster with it.
    fn write(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_objects_and_sentences() {
        let checked = Event::Checked { wrote: 1, read: vec![2, 3], elapsed_ms: 4 };
        let json = serde_json::to_value(&checked).expect("JSON");
        assert_eq!(
            json,
            serde_json::json!({"event": "checked", "wrote": 1, "read": [2, 3], "elapsed_ms": 4})
        );
        assert_eq!(checked.to_string(), "Checked: written on node 1, read on 2 and 3 in 4 ms");
        assert_eq!(
            serde_json::to_value(Event::Stopping).expect("JSON"),
            serde_json::json!({"event": "stopping"})
        );
        let died = |reason: &str| {
            Event::NodeDied { node: 2, reason: reason.into(), log_tail: vec!["disk full".into()] }.to_string()
        };
        assert!(died("ended with status 1").ends_with("\n  | disk full"));
        assert!(!died("was killed by signal 9").contains("disk full"));
    }

    #[test]
    fn counters_alone_are_no_news() {
        let before = Summary::new(3, None);
        assert_eq!(
            before.to_string(),
            "0/3 ready, no leader, NO QUORUM, term 0, committed 0, 0 keys, 0 clients"
        );
        assert!(before.is_news(None));
        assert!(!Summary { committed: 9, keys: 9, ..before.clone() }.is_news(Some(&before)));
        assert!(Summary { leader: Some(2), ..before.clone() }.is_news(Some(&before)));
    }
}
