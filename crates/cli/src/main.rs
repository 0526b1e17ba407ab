//! The `quorate` program: serves a node, runs a local cluster, and administers one.
//!
//! This crate reads the command line, the environment and settings files, and says things to people; it
//! is the only place that knows clap and anyhow. Nodes are [`quorate_server`]'s.
//!
//! Invariant: the exit status follows [`exit::Code`], whatever the command.

// The future of a whole node nests deeper than the compiler's usual bound when its layout is computed.
#![recursion_limit = "256"]

mod bench;
mod cluster;
mod dev;
mod exit;
mod export;
mod health;
mod http;
mod import;
mod logging;
mod memory;
mod output;
mod resp;
mod serve;
mod settings;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::exit::Failure;

/// Returns memory to the system sooner and fragments less than the system's allocator under a store's load.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A replicated in-memory key-value store that any Redis client uses as one Redis.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, after_help = exit::HELP, max_term_width = 110, propagate_version = true)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one node of a cluster.
    Serve(Box<settings::ServeArgs>),
    /// Run a whole local cluster, to try things.
    Dev(dev::DevArgs),
    /// Look at a cluster and change it, through the admin API of any node.
    Cluster(cluster::ClusterArgs),
    /// Put a load on nodes, count what came of every request, and check that nothing is lost.
    Bench(Box<bench::BenchArgs>),
    /// Import the data of a Redis: its dump, its append-only file, or live from itself.
    Import(Box<import::ImportArgs>),
    /// Export the data of a cluster as an RDB file.
    Export(export::ExportArgs),
    /// Ask one node whether it serves clients. Exits with 4 and the reason if it does not.
    Health(health::HealthArgs),
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the version of the program, and of the formats that it writes.
    Version {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let result = match Program::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Dev(args) => dev::run(&args),
        Command::Cluster(args) => cluster::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Program::command(), "quorate", &mut script);
            output::bytes(&script);
            Ok(())
        }
        Command::Version { json } => {
            version::print(json);
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.said {
                eprintln!("quorate: {:#}", failure.reason);
            }
            ExitCode::from(failure.code as u8)
        }
    }
}

/// A failure that the command line caused.
fn usage(reason: impl Into<String>) -> Failure {
    Failure::new(exit::Code::Usage, anyhow::Error::msg(reason.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn command_lines_are_read_or_refused() {
        let good = [
            "serve --node 1 --peers 1=a:1,2=b:1,3=c:1 --secret-file s",
            "serve --join a:1 --log-format json --print-config",
            "dev",
            "dev --nodes 5 --base-port 7100 --dir d --kill-leader-every 10s --json -- --log-engine sled",
            "cluster status --watch",
            "cluster status --watch=500ms --json",
            "cluster --url http://a:1 add --peer a:1 --number 4 --promote",
            "cluster promote 4 5 --force --wait 5m",
            "cluster demote 4",
            "cluster remove 4 --url http://a:1,http://b:1",
            "cluster replace 1 4",
            "cluster transfer",
            "cluster transfer 2",
            "cluster drain 1",
            "cluster undrain 1",
            "cluster snapshot",
            "bench",
            "bench a:1 b:2,c:3 --profile P2 --verify --scale 0.5 --duration 1m --json",
            "bench --mix set=1,get=10 -c 10 -t 2 -p 16 -n 1000 --rate 1e4 --size 10-20:1,500:2",
            "health",
            "health --live --url http://a:1 --timeout 1s",
            "import dump.rdb --to a:1,b:2",
            "import appendonlydir --to redis://:p@a:1 --on-conflict replace --db 1 --db 2=3 --json --no-verify",
            "import dump.rdb --dry-run",
            "import --from redis://:p@a:1 --to b:1 --cut-over-when-lag-below 1000 --no-fence",
            "export dump.rdb --from redis://:p@a:1 --json",
            "completions zsh",
            "version --json",
        ];
        let wrong = [
            "",
            "serve --nonsense",
            "dev --nodes 0",
            "dev --nodes x",
            "dev --kill-leader-every 10",
            "dev --kill-leader-every 0s",
            "cluster",
            "cluster promote",
            "cluster promote x",
            "cluster replace 1",
            "cluster drain",
            "cluster add",
            "bench --rate 0",
            "bench --profile P1 --mix set",
            "bench --size x",
            "export dump.rdb",
            "import",
            "import dump.rdb",
            "import dump.rdb --from a:1 --to b:1",
            "import dump.rdb --to b:1 --no-fence",
            "import dump.rdb --to a:1 --db x",
            "import dump.rdb --to a:1 --on-conflict no",
        ];
        let parse = |line: &str| Program::try_parse_from(format!("quorate {line}").split_whitespace());
        for line in good {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err().map(|e| e.to_string()));
        }
        for line in wrong {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
