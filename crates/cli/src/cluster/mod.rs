//! `quorate cluster`: looks at a cluster and changes it, through the admin API of any node.
//!
//! Every subcommand is one call of the API, or one and a wait; the rules are the cluster's.

mod table;
mod watch;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use quorate::admin::{Addresses, Done};
use quorate_server::Secret;
use quorate_server::admin::{AddNode, Nodes, Replacement, TakeSnapshot, Transfer};
use serde::Serialize;
use serde_json::json;

use crate::exit::{Code, Failure};
use crate::http::{AdminClient, CallError};
use crate::settings::duration;
use crate::{output, usage};

/// Where the admin API of a node listens unless it is told otherwise.
pub(crate) const URL: &str = "http://127.0.0.1:8379";

/// Between two tries of a call that is too early.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How to reach a cluster, and what to do with it.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    /// The admin API of a node; of several, the first that is reached and available.
    #[arg(long, global = true, env = "QUORATE_URL", default_value = URL, value_delimiter = ',')]
    url: Vec<String>,
    /// A file with the bearer token.
    #[arg(long, global = true, env = "QUORATE_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long to wait for one answer.
    #[arg(long, global = true, value_name = "TIME", default_value = "60s", value_parser = duration)]
    timeout: Duration,
    /// Print JSON: answers to standard output, errors to standard error.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the nodes, who leads, and how far each has come. Exits with 4 if there is no leader or quorum.
    Status {
        /// Show it again and again.
        #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "1s", value_parser = duration)]
        watch: Option<Duration>,
    },
    /// Add a node as a learner.
    Add(AddArgs),
    /// Make learners voters, all in one change.
    Promote(ChangeArgs),
    /// Make voters learners, all in one change.
    Demote(ChangeArgs),
    /// Remove nodes, all in one change; a leader hands over first.
    Remove(ChangeArgs),
    /// Put a learner in the place of another node, in one change.
    Replace {
        /// The id of the node that goes.
        old: u64,
        /// The id of the learner that comes.
        new: u64,
        #[command(flatten)]
        how: How,
    },
    /// Hand the leadership over.
    Transfer {
        /// The id of the voter to lead; without it the one that is furthest ahead.
        to: Option<u64>,
    },
    /// Prepare a node for a planned stop: no new clients, open requests finished, leadership handed over.
    Drain {
        /// The node's id.
        node: u64,
    },
    /// Take a drained node back.
    Undrain {
        /// The node's id.
        node: u64,
    },
    /// Take a snapshot.
    Snapshot {
        /// The node's id; without it every node takes one.
        node: Option<u64>,
    },
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Where the node listens for other nodes.
    #[arg(long, value_name = "HOST:PORT")]
    peer: String,
    /// Where the node serves Redis clients.
    #[arg(long, value_name = "HOST:PORT", default_value = "")]
    resp: String,
    /// Where the node's admin API listens.
    #[arg(long, value_name = "HOST:PORT", default_value = "")]
    admin: String,
    /// The node's number; without it the next free one.
    #[arg(long, value_name = "N")]
    number: Option<u32>,
    /// Make it a voter when it has caught up, and wait for that.
    #[arg(long)]
    promote: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct ChangeArgs {
    /// The nodes' ids, as the status shows them.
    #[arg(required = true, value_name = "ID")]
    nodes: Vec<u64>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args, Default)]
struct How {
    /// Do it even if an even number of voters results, the quorum is at risk, or a node lags.
    #[arg(long)]
    force: bool,
    /// Try again for this long while the cluster is busy or a node has not caught up.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wait: Option<Duration>,
}

/// Carries the command out and prints what it did.
pub(crate) fn run(args: &ClusterArgs) -> Result<(), Failure> {
    let token = match &args.token_file {
        Some(path) => Some(Secret::read("token-file", path).map_err(|e| usage(e.to_string()))?),
        None => None,
    };
    let client = AdminClient::new(&args.url, token, args.timeout);
    let result = match &args.action {
        Action::Status { watch: None } => status(&client, args.json),
        Action::Status { watch: Some(pause) } => watch::run(&client, *pause, args.json),
        action => change(&client, action, args.json),
    };
    result.map_err(|error| tell(error, args.json))
}

/// With `--json`, errors are JSON as well.
fn tell(error: Trouble, json: bool) -> Failure {
    let problem = match &error {
        Trouble::Call(CallError::Problem(problem)) if json => Some(serde_json::json!(problem)),
        _ => None,
    };
    let mut failure = Failure::from(error);
    if json && !failure.said {
        let fallback = || json!({ "detail": failure.to_string(), "exit_status": failure.code as u8 });
        eprintln!("{}", problem.unwrap_or_else(fallback));
        failure.said = true;
    }
    failure
}

/// A failed call, or an answer that is itself bad news.
enum Trouble {
    Call(CallError),
    /// The status was printed, and says that the cluster does not work.
    NoQuorum,
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Call(error) => error.into(),
            Trouble::NoQuorum => {
                let reason = anyhow::anyhow!("the cluster has no leader or no quorum");
                Self { said: true, ..Self::new(Code::Unavailable, reason) }
            }
        }
    }
}

fn status(client: &AdminClient, json: bool) -> Result<(), Trouble> {
    let status = client.status()?;
    if json {
        print_json(&status)
    } else {
        output::text(&table::render(&status))
    }
    if status.quorum && status.leader.is_some() { Ok(()) } else { Err(Trouble::NoQuorum) }
}

fn change(client: &AdminClient, action: &Action, json: bool) -> Result<(), Trouble> {
    let none = How::default();
    let done = match action {
        Action::Status { .. } => unreachable!("it changes nothing and is handled apart"),
        Action::Add(add) => return self::add(client, add, json),
        Action::Promote(ChangeArgs { nodes, how }) => post_nodes(client, "/v1/voters", nodes, how)?,
        Action::Demote(ChangeArgs { nodes, how }) => post_nodes(client, "/v1/learners", nodes, how)?,
        Action::Remove(ChangeArgs { nodes, how }) => {
            let ids: Vec<String> = nodes.iter().map(u64::to_string).collect();
            let path = format!("/v1/nodes?nodes={}&force={}", ids.join(","), how.force);
            call::<()>(client, "DELETE", &path, None, nodes, how)?
        }
        Action::Replace { old, new, how } => {
            let body = Replacement { new: *new, force: how.force };
            call(client, "POST", &format!("/v1/nodes/{old}/replace"), Some(&body), &[*new], how)?
        }
        Action::Transfer { to } => {
            call(client, "POST", "/v1/leader/transfer", Some(&Transfer { to: *to }), &[], &none)?
        }
        Action::Drain { node } => {
            call::<()>(client, "PUT", &format!("/v1/nodes/{node}/drain"), None, &[], &none)?
        }
        Action::Undrain { node } => {
            call::<()>(client, "DELETE", &format!("/v1/nodes/{node}/drain"), None, &[], &none)?
        }
        Action::Snapshot { node } => {
            call(client, "POST", "/v1/snapshots", Some(&TakeSnapshot { node: *node }), &[], &none)?
        }
    };
    print_done(&done, json);
    Ok(())
}

fn add(client: &AdminClient, add: &AddArgs, json: bool) -> Result<(), Trouble> {
    let addresses = Addresses {
        peer: add.peer.clone(),
        resp: add.resp.clone(),
        admin: add.admin.clone(),
        sentinel: String::new(),
    };
    let body = AddNode { number: add.number, addresses };
    let done = call(client, "POST", "/v1/nodes", Some(&body), &[], &add.how)?;
    print_done(&done, json);
    if add.promote {
        // It has to catch up first, which may take as long as the data is large.
        let wait = add.how.wait.unwrap_or(Duration::from_secs(3600));
        let how = How { force: add.how.force, wait: Some(wait) };
        print_done(&post_nodes(client, "/v1/voters", &done.nodes, &how)?, json);
    }
    Ok(())
}

fn post_nodes(client: &AdminClient, path: &str, nodes: &[u64], how: &How) -> Result<Done, CallError> {
    let body = Nodes { nodes: nodes.to_vec(), force: how.force };
    call(client, "POST", path, Some(&body), nodes, how)
}

/// Makes a call, again while it is too early and `--wait` allows, and shows how far the nodes have come.
fn call<B: Serialize + Sync>(
    client: &AdminClient,
    method: &str,
    path: &str,
    body: Option<&B>,
    nodes: &[u64],
    how: &How,
) -> Result<Done, CallError> {
    let start = Instant::now();
    let deadline = start + how.wait.unwrap_or_default();
    std::thread::scope(|scope| {
        let (finished, wait) = mpsc::channel::<()>();
        scope.spawn(move || progress(client, nodes, start, &wait));
        let result = loop {
            match client.send(method, path, body) {
                Err(error) if error.is_busy() && Instant::now() + RETRY_PAUSE < deadline => {
                    std::thread::sleep(RETRY_PAUSE);
                }
                result => break result,
            }
        };
        drop(finished);
        result
    })
}

/// Tells on a terminal, once a second, what is waited for, until the other end of `wait` goes.
fn progress(client: &AdminClient, nodes: &[u64], start: Instant, wait: &mpsc::Receiver<()>) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    while let Err(mpsc::RecvTimeoutError::Timeout) = wait.recv_timeout(Duration::from_secs(1)) {
        let status = client.status().ok();
        let text = status.map_or_else(String::new, |status| table::progress(&status, nodes));
        eprint!("\r\x1b[Kwaiting, {} s{text}", start.elapsed().as_secs());
    }
    if start.elapsed() > Duration::from_secs(1) {
        eprint!("\r\x1b[K");
    }
}

fn print_done(done: &Done, json: bool) {
    if json {
        print_json(done);
    } else {
        output::line(&format!("{}{}", done.message, if done.changed { "" } else { " (nothing changed)" }));
    }
}

fn print_json<T: Serialize>(value: &T) {
    output::line(&serde_json::to_string(value).expect("the API's values are always JSON"));
}
