//! `quorate dev`: a whole local cluster of real processes in one command, to try things and to break them.
//!
//! Each node is a child process that runs `quorate serve` of this very program on loopback, with its data
//! and its log in a folder of its own. This process starts them, checks that the cluster answers, shows
//! how it is, starts nodes again that died, and stops all of them. It holds no data itself.
//!
//! Invariants:
//! - No child outlives this process: a planned stop waits for them, and when this process dies hard they
//!   see the end of their standard input and stop.
//! - The same folder is the same cluster: it is never started with other addresses than it was made with.
//!
//! ```text
//! run ──► cluster ──► one supervisor a node (child) ──► quorate serve
//!            └─► readiness, check and status through the admin API and RESP, as any client would
//! ```

mod check;
mod child;
mod cluster;
mod event;
mod plan;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use self::event::Screen;
use self::plan::Plan;
use crate::exit::Failure;
use crate::settings::duration;

/// How the local cluster is laid out and treated.
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// How many nodes [default: 3, or as the folder was made].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=15))]
    nodes: Option<u16>,
    /// Node i, from 0, serves Redis clients on this port plus i, its admin API 1000 above, and other nodes 3000
    /// above [default: 7001, or as the folder was made].
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
    /// Where data and logs live; the same folder is the same cluster with the same data.
    #[arg(long, default_value = "quorate-dev")]
    dir: PathBuf,
    /// Kill the leader with SIGKILL again and again, whenever all nodes are ready.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    kill_leader_every: Option<Duration>,
    /// Print one JSON object for each event.
    #[arg(long)]
    json: bool,
    /// How long the cluster may take to come up.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    start_max: Duration,
    /// Further flags for every `quorate serve`.
    #[arg(last = true, value_name = "SERVE FLAGS")]
    serve_flags: Vec<OsString>,
}

/// Runs the cluster until Ctrl-C or SIGTERM.
pub(crate) fn run(args: &DevArgs) -> Result<(), Failure> {
    let mut screen = Screen::new(args.json);
    let result = start(args, &mut screen);
    if let Err(failure) = &result {
        screen.failed(&failure.to_string());
    }
    // With --json the reason has been told as an event.
    result.map_err(|failure| Failure { said: args.json, ..failure })
}

fn start(args: &DevArgs, screen: &mut Screen) -> Result<(), Failure> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let plan = Plan::make(&args.dir, args.nodes, args.base_port, program.into(), &args.serve_flags)?;
    plan.check_ports()?;
    plan.prepare_dir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let rules = cluster::Rules { kill_leader_every: args.kill_leader_every, start_max: args.start_max };
    let result = runtime.block_on(async {
        let stops = cluster::signals().context("cannot listen for signals")?;
        cluster::run(&plan, &rules, screen, stops).await
    });
    // A status request to a node that has gone may still wait for its time-out; nothing depends on it.
    runtime.shutdown_background();
    result
}
