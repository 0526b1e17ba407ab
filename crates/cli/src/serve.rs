//! `quorate serve`: settings, logging, runtime and signals around one node.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use anyhow::Context;
use quorate_server::{Hooks, ServeError};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::{Code, Failure};
use crate::settings::{Loaded, ServeArgs, load};
use crate::{logging, memory, output, usage};

/// Of each thread's stack. Calls that scripts make nest up to two hundred deep, some with buffers; what is not touched
/// takes no memory.
const STACK_BYTES: usize = 8 << 20;

/// Runs a node until it is told to stop.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    // A variable that is not Unicode can be none of ours; it is left out rather than fatal.
    let env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let loaded = load(args, &env).map_err(usage)?;
    if args.print_config {
        output::text(&loaded.to_toml());
    }
    loaded.settings.options.check().map_err(|e| usage(e.to_string()))?;
    if args.print_config {
        return Ok(());
    }
    logging::start(&loaded.settings).map_err(usage)?;
    for name in &loaded.unknown_env {
        tracing::warn!(name, "this variable looks like a setting and is none");
    }
    serve(loaded, args.stop_with_stdin)
}

/// How many threads serve connections, for the setting's value.
fn connection_threads(setting: u64) -> usize {
    match usize::try_from(setting) {
        // More threads than cores only wake each other: consensus works on one of its own.
        Ok(0) | Err(_) => std::thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1)),
        Ok(threads) => threads,
    }
}

fn serve(loaded: Loaded, stop_with_stdin: bool) -> Result<(), Failure> {
    let options = loaded.settings.options;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(connection_threads(options.threads))
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let shutdown = CancellationToken::new();
    let result = runtime.block_on(async {
        stop_on_signals(shutdown.clone()).context("cannot listen for signals")?;
        if stop_with_stdin {
            stop_at_end_of_stdin(shutdown.clone());
        }
        let hooks = Hooks { memory: Arc::new(memory::figures), ..Hooks::default() };
        Ok::<_, anyhow::Error>(quorate_server::serve(options, hooks, shutdown).await)
    })?;
    result.map_err(|error| {
        let code = match &error {
            ServeError::Options(_) | ServeError::SecretFile { .. } => Code::Usage,
            ServeError::Bind { .. } | ServeError::DataDirectory(_) | ServeError::Fault(_) => Code::Failed,
        };
        Failure::new(code, error.into())
    })
}

/// The first signal asks for a planned stop, the second ends the process where it stands.
fn stop_on_signals(shutdown: CancellationToken) -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        for planned in [true, false] {
            tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => () }
            if planned {
                tracing::info!("stopping; a second signal stops at once");
                shutdown.cancel();
            }
        }
        // What was acknowledged is on disk, so this loses no promise.
        std::process::exit(130);
    });
    Ok(())
}

/// A parent that keeps the other end of standard input open takes the node with it when it dies.
fn stop_at_end_of_stdin(shutdown: CancellationToken) {
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let mut stdin = std::io::stdin().lock();
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        shutdown.cancel();
    });
}
