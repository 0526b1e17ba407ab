//! Sections about the node and its cluster: server, persistence, replication, and our own.

use super::{Facts, line};
use crate::session::server::{host_and_port, unix_time};
use crate::session::{REDIS_VERSION, process};

/// How often Redis' background work runs; tools expect the fields.
const HZ: u32 = 10;

pub(super) fn server(facts: &Facts<'_>, text: &mut String) {
    let now = unix_time();
    let uptime = facts.node.uptime.as_secs();
    line(text, "redis_version", REDIS_VERSION);
    line(text, "redis_git_sha1", "00000000");
    line(text, "redis_git_dirty", 0);
    line(text, "redis_build_id", 0);
    line(text, "redis_mode", "standalone");
    line(text, "server_name", "quorate");
    line(text, "quorate_version", env!("CARGO_PKG_VERSION"));
    line(text, "os", process::operating_system());
    line(text, "arch_bits", usize::BITS);
    line(text, "monotonic_clock", "POSIX clock_gettime");
    line(text, "multiplexing_api", "epoll");
    line(text, "process_id", std::process::id());
    line(text, "process_supervised", "no");
    line(text, "run_id", &facts.node.run_id);
    line(text, "tcp_port", facts.node.resp_port);
    line(text, "server_time_usec", now.as_micros());
    line(text, "uptime_in_seconds", uptime);
    line(text, "uptime_in_days", uptime / 86_400);
    line(text, "hz", HZ);
    line(text, "configured_hz", HZ);
    // Redis' clock of 24 bits, one step a second.
    line(text, "lru_clock", now.as_secs() & 0xff_ffff);
    line(text, "executable", process::executable());
    line(text, "config_file", &facts.node.config_file);
    line(text, "io_threads_active", 0);
}

pub(super) fn persistence(facts: &Facts<'_>, text: &mut String) {
    let node = &facts.node;
    let started = unix_time().saturating_sub(node.uptime).as_secs();
    let status = if node.snapshot_failed { "err" } else { "ok" };
    line(text, "loading", u8::from(facts.loading));
    line(text, "async_loading", 0);
    line(text, "current_cow_peak", 0);
    line(text, "current_cow_size", 0);
    line(text, "current_cow_size_age", 0);
    line(text, "current_fork_perc", "0.00");
    line(text, "current_save_keys_processed", 0);
    line(text, "current_save_keys_total", 0);
    line(text, "rdb_changes_since_last_save", node.applied.saturating_sub(node.snapshot));
    line(text, "rdb_bgsave_in_progress", u8::from(node.snapshot_running));
    line(text, "rdb_last_save_time", node.snapshot_unix_seconds.max(started));
    line(text, "rdb_last_bgsave_status", status);
    line(text, "rdb_last_bgsave_time_sec", -1);
    line(text, "rdb_current_bgsave_time_sec", -1);
    line(text, "rdb_saves", node.snapshots);
    line(text, "rdb_last_cow_size", 0);
    line(text, "rdb_last_load_keys_expired", 0);
    line(text, "rdb_last_load_keys_loaded", 0);
    // The log is the counterpart of Redis' append-only file, and always on.
    line(text, "aof_enabled", 1);
    line(text, "aof_rewrite_in_progress", u8::from(node.snapshot_running));
    line(text, "aof_rewrite_scheduled", 0);
    line(text, "aof_last_rewrite_time_sec", -1);
    line(text, "aof_current_rewrite_time_sec", -1);
    line(text, "aof_last_bgrewrite_status", status);
    line(text, "aof_rewrites", node.snapshots);
    line(text, "aof_rewrites_consecutive_failures", u8::from(node.snapshot_failed));
    line(text, "aof_last_write_status", "ok");
    line(text, "aof_last_cow_size", 0);
    line(text, "module_fork_in_progress", 0);
    line(text, "module_fork_last_cow_size", 0);
    line(text, "aof_current_size", node.log_bytes);
    line(text, "aof_base_size", 0);
    line(text, "aof_pending_rewrite", 0);
    line(text, "aof_buffer_length", 0);
    line(text, "aof_pending_bio_fsync", 0);
    line(text, "aof_delayed_fsync", 0);
}

pub(super) fn replication(facts: &Facts<'_>, text: &mut String) {
    let node = &facts.node;
    match node.shown_master() {
        Some(master) => {
            let (host, port) = host_and_port(&master.resp);
            line(text, "role", "slave");
            line(text, "master_host", host);
            line(text, "master_port", port);
            line(text, "master_link_status", "up");
            line(text, "master_last_io_seconds_ago", 0);
            line(text, "master_sync_in_progress", 0);
            line(text, "slave_read_repl_offset", node.applied);
            line(text, "slave_repl_offset", node.applied);
            line(text, "slave_priority", 100);
            line(text, "slave_read_only", 0);
            line(text, "replica_announced", 1);
            line(text, "connected_slaves", 0);
        }
        None => {
            line(text, "role", "master");
            line(text, "connected_slaves", node.others().count());
            for (i, member) in node.others().enumerate() {
                let (host, port) = host_and_port(&member.resp);
                let offset = member.durable.unwrap_or(0);
                let value = format_args!("ip={host},port={port},state=online,offset={offset},lag=0");
                line(text, &format!("slave{i}"), value);
            }
        }
    }
    line(text, "master_failover_state", "no-failover");
    line(text, "master_replid", node.replication_id());
    line(text, "master_replid2", "0".repeat(40));
    line(text, "master_repl_offset", node.applied);
    line(text, "second_repl_offset", -1);
    line(text, "repl_backlog_active", 1);
    line(text, "repl_backlog_size", node.log_bytes);
    line(text, "repl_backlog_first_byte_offset", node.first_log);
    line(text, "repl_backlog_histlen", (node.last_log + 1).saturating_sub(node.first_log));
}

/// The cluster behind the façade of one Redis.
pub(super) fn quorate(facts: &Facts<'_>, text: &mut String) {
    let node = &facts.node;
    let role = node.role.map_or_else(|| "unknown".to_owned(), |role| format!("{role:?}").to_lowercase());
    line(text, "quorate_cluster", &node.cluster);
    line(text, "quorate_node", node.node);
    line(text, "quorate_role", role);
    line(text, "quorate_leader", node.leader.map_or_else(String::new, |leader| leader.to_string()));
    line(text, "quorate_term", node.term);
    line(text, "quorate_members", node.members.len());
    line(text, "quorate_voters", node.members.iter().filter(|member| member.voter).count());
    line(text, "quorate_log_first", node.first_log);
    line(text, "quorate_log_last", node.last_log);
    line(text, "quorate_log_bytes", node.log_bytes);
    line(text, "quorate_committed", node.committed);
    line(text, "quorate_applied", node.applied);
    line(text, "quorate_snapshot", node.snapshot);
    line(text, "quorate_waiters", facts.waiters);
}
