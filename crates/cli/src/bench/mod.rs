//! `quorate bench`: puts a load on nodes, or on any Redis, and says what came of every request.
//!
//! ```text
//!  run ──► plan ──► worker (a thread) ──► load (a connection): any commands, pipelined
//!   │                     └─────────────► nodeapi (a connection): the model of a file-transfer site
//!   └──◄── tally, once a second ──► report: live line, table, JSON
//! ```
//!
//! It is as lean as it can be, because it often shares a machine with what it measures: a thread has one
//! runtime, replies are scanned and not taken apart, nothing is shared between threads but the time.
//!
//! Invariants: every request that is sent is counted once (`tally`); a delay holds the wait that a slow server
//! caused (`pace`).

mod connection;
mod encode;
mod keys;
mod load;
mod mix;
mod nodeapi;
mod pace;
mod plan;
mod reply;
mod report;
mod tally;
mod worker;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use self::connection::Connection;
use self::keys::Pattern;
use self::pace::Run;
use self::plan::{Kind, Plan};
use self::report::{Delays, Report, Second};
use self::tally::Tally;
use crate::exit::{Code, Failure};
use crate::output;
use crate::settings::duration;

/// What to send where, how fast and for how long.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Where to connect; connections are spread over all addresses, and one that is lost goes to the next.
    #[arg(value_name = "HOST:PORT", value_delimiter = ',', default_value = "127.0.0.1:6379")]
    addresses: Vec<String>,
    /// set, get, incr, hset: that command alone. P1 (office), P2 (everything logged), P3 (flood of small files):
    /// the model of a file-transfer site's state, at the rates of three hosts.
    #[arg(long, conflicts_with_all = ["mix", "command"])]
    profile: Option<String>,
    /// Known commands and their weights, such as set=1,get=10.
    #[arg(long, value_name = "NAME=WEIGHT,…")]
    mix: Option<String>,
    /// A command with `__key__` and `__data__`, with a weight if it begins with "3="; may be repeated.
    #[arg(long, value_name = "[WEIGHT=]COMMAND")]
    command: Vec<String>,
    /// Connections of all threads together [default: 50, or as the profile has it].
    #[arg(short, long)]
    connections: Option<usize>,
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256), help = "Threads")]
    threads: u16,
    /// Requests of a connection that may be open at a time.
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pipeline: u32,
    /// Requests (with P1 to P3: operations) a second of all connections together. Delays then count from when a
    /// request was due [default: as fast as it goes, or as the profile has it].
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Times the rate of the profile; 0: as fast as it goes.
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// How long, the warm-up not counted [default: 10s, unless --requests is given].
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
    /// How many requests (with P1 to P3: operations), of all connections together.
    #[arg(short = 'n', long, value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// How long to send before anything is counted.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    warm_up: Option<Duration>,
    /// How many keys there are.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    keys: u64,
    /// What all keys begin with [default: "key:", with P1 to P3 "m:"].
    #[arg(long)]
    key_prefix: Option<String>,
    /// In which order keys are used.
    #[arg(long, value_enum, default_value = "random")]
    key_pattern: Pattern,
    /// Bytes of a value: 128, or 10-1000 (all lengths alike), or 100:9,10000:1 (lengths and weights).
    #[arg(long, default_value = "128", value_name = "BYTES")]
    size: keys::Sizes,
    /// Write every key once before the run, so that reads find something.
    #[arg(long)]
    prefill: bool,
    /// Check at the end, on every address, that all that was acknowledged is there, and nothing twice or refused.
    /// For P1 to P3. Nobody else may use the key prefix meanwhile.
    #[arg(long)]
    verify: bool,
    #[arg(long, help = "User of the server [default: its default user]")]
    user: Option<String>,
    /// Password of the server.
    #[arg(long, env = "QUORATE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    #[arg(long, default_value_t = 0, help = "Database")]
    db: u32,
    #[arg(long, help = "Speak RESP3")]
    resp3: bool,
    /// How long a connection attempt or a reply may take; the connection is given up then.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    #[arg(long, default_value_t = 1, help = "What chance follows from")]
    seed: u64,
    #[arg(long, help = "Print one JSON object")]
    json: bool,
    /// Write the distribution of all delays to a file, as HdrHistogram's tools print it.
    #[arg(long, value_name = "FILE")]
    histogram: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e9 => Ok(rate),
        _ => Err("must be a number above 0, in requests a second".into()),
    }
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if (0.0..=1e6).contains(&scale) => Ok(scale),
        _ => Err("must be a number from 0 to 1000000".into()),
    }
}

/// Runs the load and prints what came of it.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let plan = Arc::new(Plan::make(args).map_err(crate::usage)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let report = runtime.block_on(carry_out(&plan, args))?;
    let fails = report.verified.as_ref().is_some_and(|verified| !verified.holds());
    let answered = report.total.ok > 0;
    if args.json {
        output::line(&serde_json::to_string(&report).expect("a report is always JSON"));
    } else {
        output::text(&report.text());
    }
    if fails {
        let reason = anyhow!("not all that was acknowledged holds");
        return Err(Failure { said: !args.json, ..Failure::new(Code::Failed, reason) });
    }
    if !answered {
        return Err(Failure::new(Code::Unavailable, anyhow!("no request was answered well")));
    }
    Ok(())
}

async fn carry_out(plan: &Arc<Plan>, args: &BenchArgs) -> Result<Report, Failure> {
    let mut first = first_connection(plan).await?;
    let unprepared = || "cannot prepare the data";
    let mut base = None;
    match &plan.kind {
        Kind::Commands(mix) if args.prefill => {
            worker::prefill(plan, mix, &mut first).await.with_context(unprepared)?;
        }
        Kind::Commands(_) => {}
        Kind::Site(_) => {
            let read = nodeapi::Base::read(&plan.target, &plan.material.keys.prefix, &mut first).await;
            base = Some(read.with_context(unprepared)?);
            let prepared = nodeapi::prepare(&plan.target, &plan.material.keys.prefix, &mut first).await;
            prepared.with_context(unprepared)?;
        }
    }
    drop(first);

    let cpu_before = processor_seconds();
    let run = Arc::new(Run::new(plan.warm_up, plan.duration));
    let (sender, receiver) = unbounded_channel();
    let workers: Vec<_> = (0..plan.threads)
        .map(|thread| worker::start(Arc::clone(plan), Arc::clone(&run), thread, sender.clone()))
        .collect::<std::io::Result<_>>()
        .context("cannot start a thread")?;
    drop(sender);
    let (tally, each_second) = collect(&run, receiver, !args.json).await;
    let now = Instant::now();
    // Of a load that is bounded by a number of requests the end is now.
    let end = if run.end() < now { run.end() } else { now };
    run.pause.note(end - run.started);
    let seconds = end.duration_since(run.started + run.warm.min(end - run.started)).as_secs_f64();
    let cpu = processor_seconds().zip(cpu_before).map(|(after, before)| after - before);

    let mut ledger = nodeapi::ledger();
    for worker in workers {
        ledger.add(worker.join().map_err(|_| anyhow!("a thread has ended early"))?);
    }
    let mut verified = None;
    if let (true, Some(base)) = (args.verify, base) {
        let prefix = &plan.material.keys.prefix;
        verified = Some(nodeapi::verify(&plan.target, prefix, &plan.label, &base, ledger).await);
    }
    if let Some(file) = &args.histogram {
        let text = report::distribution(&tally.total());
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let [requests, operations] = report::by_name(&tally, &plan.names, seconds);
    Ok(Report {
        addresses: plan.target.addresses.clone(),
        load: plan.title.clone(),
        connections: plan.connections,
        threads: plan.threads,
        pipeline: plan.pipeline,
        rate: plan.rate,
        seconds: (seconds * 1000.0).round() / 1000.0,
        total: report::total(&tally, seconds),
        requests,
        operations,
        lateness: tally.lateness.as_ref().and_then(Delays::of),
        errors: tally.errors,
        reconnects: tally.reconnects,
        refused_connections: tally.refused,
        longest_pause_ms: run.pause.longest().as_secs_f64() * 1000.0,
        bytes_sent: tally.bytes_sent,
        bytes_received: tally.bytes_received,
        client_cpu_seconds: cpu,
        each_second,
        stopped: run.was_stopped(),
        verified,
    })
}

/// A connection to any address; what is wrong with the first of them, if there is none.
async fn first_connection(plan: &Plan) -> Result<Connection, Failure> {
    let mut failure = None;
    for address in &plan.target.addresses {
        match Connection::open(&plan.target, address).await {
            Ok(connection) => return Ok(connection),
            Err(error) => {
                let refused = error.kind() == std::io::ErrorKind::PermissionDenied;
                let code = if refused { Code::Refused } else { Code::Unavailable };
                let reason = anyhow!(error).context(format!("cannot use {address}"));
                failure.get_or_insert(Failure::new(code, reason));
            }
        }
    }
    Err(failure.unwrap_or_else(|| Failure::new(Code::Usage, anyhow!("there is no address"))))
}

/// Adds up what the threads hand over, second by second, until all of them have ended; shows it on a terminal.
/// An interrupt ends the run early, and what came of it is told all the same.
async fn collect(run: &Run, mut deltas: UnboundedReceiver<Tally>, live: bool) -> (Tally, Vec<Second>) {
    let live = live && std::io::stderr().is_terminal();
    let mut sum: Option<Tally> = None;
    let mut second: Option<Tally> = None;
    let mut seconds = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.tick().await;
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    let mut interrupted = false;
    loop {
        tokio::select! {
            delta = deltas.recv() => match delta {
                Some(delta) => match &mut second {
                    Some(second) => second.add(&delta),
                    None => second = Some(delta),
                },
                None => break,
            },
            _ = tick.tick() => {
                take_second(run, &mut sum, &mut second, &mut seconds, live);
            }
            _ = &mut interrupt, if !interrupted => {
                interrupted = true;
                run.stop();
            }
        }
    }
    take_second(run, &mut sum, &mut second, &mut seconds, live);
    if live {
        eprint!("\r\x1b[K");
    }
    (sum.unwrap_or_default(), seconds)
}

fn take_second(
    run: &Run,
    sum: &mut Option<Tally>,
    second: &mut Option<Tally>,
    seconds: &mut Vec<Second>,
    live: bool,
) {
    let Some(delta) = second.take() else { return };
    let line = Second::of(&delta, run.started.elapsed());
    match sum {
        Some(sum) => sum.add(&delta),
        None => *sum = Some(delta),
    }
    if live {
        let total = sum.as_ref().map(Tally::total).unwrap_or_default();
        eprint!("\r\x1b[K{}", line.live(&total));
        let _ = std::io::stderr().flush();
    }
    if seconds.len() < report::SECONDS_MAX {
        seconds.push(line);
    }
}

/// What this process has used of processors. The kernel counts it in hundredths on every architecture.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / 100.0)
}
