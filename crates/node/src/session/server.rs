//! Commands about the node as a whole: time, role, snapshots, stopping, waiting for replicas.
//!
//! For: `TIME ROLE LASTSAVE SAVE BGSAVE BGREWRITEAOF SHUTDOWN WAIT CONFIG REWRITE|RESETSTAT`, answered truthfully
//! for a node of a cluster. Leaves to others: `INFO` (`info`), `SLOWLOG LATENCY MEMORY` (`diagnosis`), `DEBUG`
//! (`debug`), `CONFIG GET|SET` (commands on the replicated settings).
//! Invariant: nothing here claims more than the node knows.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quorate_commands::{Args, Error, SessionCommand, Unblock};

use super::backend::Backend;
use super::blocking::{Parked, UNBLOCKED};
use super::client::timeout_millis;
use super::{Flow, NodeFacts, Session};
use crate::group::Failure;

/// How often a waiting `WAIT` asks again.
const WAIT_POLL: Duration = Duration::from_millis(20);

impl<B: Backend> Session<B> {
    /// Answers a command about the node.
    pub(super) async fn answer_for_node(
        &mut self,
        kind: SessionCommand,
        args: Args<'_>,
    ) -> Result<Flow, Error> {
        use SessionCommand as Kind;
        match kind {
            Kind::Time => self.time().await?,
            Kind::Role => self.role(),
            Kind::Lastsave => {
                let facts = self.backend.facts();
                let started = unix_time().saturating_sub(facts.uptime).as_secs();
                self.reply.integer(seconds(facts.snapshot_unix_seconds.max(started)));
            }
            Kind::Save => {
                self.backend.snapshot().await.map_err(|reason| Error::text(format!("ERR {reason}")))?;
                self.reply.ok();
            }
            Kind::Bgsave => {
                if args.len() > 2 || args.len() == 2 && !args.is(1, "SCHEDULE") {
                    return Err(Error::Syntax);
                }
                if self.backend.facts().snapshot_running {
                    return Err(Error::text("ERR Background save already in progress"));
                }
                self.snapshot_in_background();
                self.reply.simple("Background saving started");
            }
            Kind::Bgrewriteaof => {
                if self.backend.facts().snapshot_running {
                    return Err(Error::text("ERR Background append only file rewriting already in progress"));
                }
                self.snapshot_in_background();
                self.reply.simple("Background append only file rewriting started");
            }
            Kind::Shutdown => return self.shut_down(args),
            Kind::Wait => {
                let (wanted, timeout) = (args.integer(1)?, timeout_millis(&args[2])?);
                let reached = self.interruptible(wanted, timeout).await?;
                self.reply.integer(reached);
            }
            Kind::Waitaof => self.wait_aof(args).await?,
            Kind::AclCat => self.acl_cat(args)?,
            Kind::AclGenpass => self.acl_genpass(args)?,
            Kind::AclLog => self.acl_log(args)?,
            Kind::ConfigRewrite => self.reply.ok(),
            Kind::ConfigResetstat => {
                self.backend.front().stats.reset();
                self.reply.ok();
            }
            Kind::Info => self.info(args),
            Kind::Debug => self.debug(args).await?,
            _ => self.diagnose(kind, args)?,
        }
        Ok(Flow::Continue)
    }

    /// The agreed time, so that it never runs backwards for a client that changes its node.
    async fn time(&mut self) -> Result<(), Error> {
        let now = match self.backend.barrier(self.read_mode).await {
            Ok(now) => now.max(self.backend.with_state(|state| state.clock)).0,
            Err(Failure::Refused(text)) => return Err(Error::text(text)),
            Err(Failure::Unknown) => return Err(Error::text("CLUSTERDOWN The cluster is down")),
        };
        self.reply.array(2);
        self.reply.bulk_integer(now.div_euclid(1000));
        self.reply.bulk_integer(now.rem_euclid(1000) * 1000);
        Ok(())
    }

    fn role(&mut self) {
        let facts = self.backend.facts();
        let reply = &mut self.reply;
        let offset = index(facts.applied);
        if let Some(master) = facts.shown_master() {
            let (host, port) = host_and_port(&master.resp);
            reply.array(5);
            reply.bulk(b"slave");
            reply.bulk(host.as_bytes());
            reply.integer(port);
            reply.bulk(b"connected");
            reply.integer(offset);
            return;
        }
        reply.array(3);
        reply.bulk(b"master");
        reply.integer(offset);
        reply.array(facts.others().count());
        for member in facts.others() {
            let (host, port) = host_and_port(&member.resp);
            reply.array(3);
            reply.bulk(host.as_bytes());
            reply.bulk_integer(port);
            reply.bulk_integer(index(member.durable.unwrap_or(0)));
        }
    }

    fn snapshot_in_background(&self) {
        let backend = Arc::clone(&self.backend);
        tokio::spawn(async move {
            if let Err(reason) = backend.snapshot().await {
                tracing::warn!(%reason, "a snapshot that a client asked for has failed");
            }
        });
    }

    fn shut_down(&mut self, args: Args<'_>) -> Result<Flow, Error> {
        let (mut abort, mut others, mut save, mut nosave) = (false, false, false, false);
        for word in args.from(1) {
            match word.to_ascii_lowercase().as_slice() {
                b"abort" => abort = true,
                b"nosave" => nosave = true,
                b"save" => save = true,
                b"now" | b"force" => others = true,
                _ => return Err(Error::Syntax),
            }
        }
        if abort && (others || save || nosave) || save && nosave {
            return Err(Error::Syntax);
        }
        if abort {
            return Err(Error::text("ERR No shutdown in progress."));
        }
        // Everything acknowledged is on disk already, so all forms are the same.
        tracing::info!(client = %self.client.origin.addr, "a client has asked this node to stop");
        self.backend.shutdown();
        Ok(Flow::Close)
    }

    /// As `WAIT`, and whether it is on disk here.
    async fn wait_aof(&mut self, args: Args<'_>) -> Result<(), Error> {
        let local = args.integer(1)?;
        if !(0..=1).contains(&local) {
            return Err(Error::text("ERR value is out of range, must be between 0 and 1"));
        }
        let replicas = args.integer(2)?;
        if replicas < 0 {
            return Err(Error::NotPositive);
        }
        let timeout = timeout_millis(&args[3])?;
        let reached = self.interruptible(replicas, timeout).await?;
        self.reply.array(2);
        // What was applied here was in the log here before.
        self.reply.integer(1);
        self.reply.integer(reached);
        Ok(())
    }

    /// As [`Session::wait`]; another client may end it.
    async fn interruptible(&mut self, wanted: i64, timeout: Duration) -> Result<i64, Error> {
        let client = self.client.handle();
        let mut wait = Parked::new(&client);
        let ended = tokio::select! {
            reached = self.wait(wanted, timeout) => return Ok(reached),
            how = wait.unblocked() => how,
        };
        match ended {
            Unblock::Error => Err(Error::text(UNBLOCKED)),
            Unblock::Timeout | Unblock::Gone => Ok(self.wait(0, timeout).await),
        }
    }

    /// Every write was on a majority before it was answered; only a wish for more nodes has to wait.
    async fn wait(&mut self, wanted: i64, timeout: Duration) -> i64 {
        let deadline = tokio::time::Instant::now() + timeout.min(Duration::from_secs(100 * 365 * 86_400));
        loop {
            let reached = i64::try_from(self.backend.replicas_durable().await).unwrap_or(i64::MAX);
            let out_of_time = !timeout.is_zero() && tokio::time::Instant::now() >= deadline;
            // Inside a transaction nothing waits.
            if reached >= wanted || out_of_time || self.multi.is_running() {
                return reached;
            }
            let pause = tokio::time::Instant::now() + WAIT_POLL;
            tokio::time::sleep_until(if timeout.is_zero() { pause } else { pause.min(deadline) }).await;
        }
    }
}

impl NodeFacts {
    /// Forty hexadecimal digits that stay the same as long as the cluster does.
    pub(super) fn replication_id(&self) -> String {
        let mut id: String = self.cluster.chars().filter(char::is_ascii_hexdigit).take(40).collect();
        id.extend(std::iter::repeat_n('0', 40 - id.len()));
        id
    }
}

/// Time since the Unix epoch by this node's clock, for figures that people read.
#[expect(clippy::disallowed_methods, reason = "nothing that is replicated follows from it")]
pub(super) fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// An address in the two parts in which Redis gives it.
pub(super) fn host_and_port(address: &str) -> (&str, i64) {
    match address.rsplit_once(':') {
        Some((host, port)) => (host.trim_matches(['[', ']']), port.parse().unwrap_or(0)),
        None => (address, 0),
    }
}

fn index(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_at_the_port() {
        assert_eq!(host_and_port("10.0.0.1:6379"), ("10.0.0.1", 6379));
        assert_eq!(host_and_port("[::1]:7001"), ("::1", 7001));
        assert_eq!(host_and_port("db.example:31415"), ("db.example", 31415));
        assert_eq!(host_and_port(""), ("", 0));
    }

    #[test]
    fn a_replication_id_has_forty_digits() {
        let facts = NodeFacts { cluster: "abc-1".to_owned(), ..NodeFacts::default() };
        assert_eq!(facts.replication_id(), format!("abc1{}", "0".repeat(36)));
    }
}
