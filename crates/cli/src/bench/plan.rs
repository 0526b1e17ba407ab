//! What the command line asks for, checked and complete.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::BenchArgs;
use super::connection::Target;
use super::keys::{Keys, filler};
use super::mix::{Material, Mix};
use super::nodeapi::{self, PROFILES, Profile};
use super::tally::Names;

/// The most connections of one run.
const CONNECTIONS_MAX: usize = 100_000;
/// How long a run takes that is bounded neither by time nor by number.
const DURATION: Duration = Duration::from_secs(10);
/// What values of a site are cut from, in bytes.
const SITE_FILLER_BYTES: usize = 1 << 20;

/// What is sent.
#[derive(Debug)]
pub(super) enum Kind {
    /// Commands without a meaning.
    Commands(Arc<Mix>),
    /// The model of a site.
    Site(Profile),
}

/// A whole run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    /// What reports call it.
    pub(super) title: String,
    pub(super) target: Target,
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) pipeline: usize,
    pub(super) rate: Option<f64>,
    pub(super) duration: Option<Duration>,
    pub(super) requests: Option<u64>,
    pub(super) warm_up: Duration,
    pub(super) material: Arc<Material>,
    pub(super) site_filler: Arc<Vec<u8>>,
    pub(super) names: Names,
    pub(super) seed: u64,
    /// What tells this run from others on the same data.
    pub(super) label: String,
}

impl Plan {
    pub(super) fn make(args: &BenchArgs) -> Result<Self, String> {
        let profile = args.profile.as_deref();
        let site = profile.and_then(|name| PROFILES.iter().find(|site| site.name.eq_ignore_ascii_case(name)));
        let (kind, names, title) = match site {
            Some(site) => (Kind::Site(*site), nodeapi::names(), site.name.to_owned()),
            None => {
                let chosen = profile.or(args.mix.as_deref());
                let chosen = chosen.or_else(|| args.command.is_empty().then_some("set"));
                let mix = Mix::parse(chosen, &args.command)?;
                let requests: Vec<_> = mix.templates.iter().map(|template| template.name.clone()).collect();
                let title = requests.join(", ");
                (Kind::Commands(Arc::new(mix)), Names { requests, operations: Vec::new() }, title)
            }
        };
        if args.verify && site.is_none() {
            return Err("--verify is for the profiles P1, P2 and P3".into());
        }
        if args.prefill && site.is_some() {
            return Err("the profiles P1, P2 and P3 prepare their own data".into());
        }
        let connections = args.connections.unwrap_or(site.map_or(50, |site| site.connections));
        let threads = usize::from(args.threads);
        if connections < threads || connections > CONNECTIONS_MAX {
            return Err(format!(
                "from {threads} (one a thread) to {CONNECTIONS_MAX} connections are possible"
            ));
        }
        if args.requests.is_some_and(|requests| requests < threads as u64) {
            return Err("there are fewer requests than threads".into());
        }
        let own = site.filter(|_| args.scale > 0.0).map(|site| site.operations_rate() * args.scale);
        let prefix = args.key_prefix.as_deref().unwrap_or(if site.is_some() { "m:" } else { "key:" });
        let filler_bytes = 2 * args.size.max() + 4096;
        Ok(Self {
            kind,
            title,
            target: Target {
                addresses: args.addresses.clone(),
                user: args.user.clone(),
                password: args.password.clone(),
                db: args.db,
                resp3: args.resp3,
                time_max: args.timeout,
            },
            connections,
            threads,
            pipeline: args.pipeline as usize,
            rate: args.rate.or(own),
            duration: args.duration.or(args.requests.is_none().then_some(DURATION)),
            requests: args.requests,
            warm_up: args.warm_up.unwrap_or_default(),
            material: Arc::new(Material {
                keys: Keys::new(prefix.to_owned(), args.keys, args.key_pattern),
                sizes: args.size.clone(),
                filler: filler(filler_bytes, args.seed),
            }),
            site_filler: Arc::new(if site.is_some() {
                filler(SITE_FILLER_BYTES, args.seed)
            } else {
                Vec::new()
            }),
            names,
            seed: args.seed,
            label: label(),
        })
    }
}

/// What no other run is called.
#[expect(clippy::disallowed_methods, reason = "a name for people and keys; nothing is decided by it")]
fn label() -> String {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    format!("{millis:x}-{:x}", std::process::id())
}
