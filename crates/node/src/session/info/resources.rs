//! Sections about what the node uses: clients, memory, traffic, processor.

use std::sync::atomic::Ordering::Relaxed;

use quorate_commands::State;

use super::{Facts, human, line, memory as amount};
use crate::session::diagnosis::client_bytes;
use crate::session::process;

pub(super) fn clients(facts: &Facts<'_>, text: &mut String) {
    let stats = &facts.front.stats;
    line(text, "connected_clients", facts.front.clients.len());
    line(text, "cluster_connections", 0);
    line(text, "maxclients", facts.tunables.clients_max);
    line(text, "client_recent_max_input_buffer", stats.input_buffer_bytes_peak.load(Relaxed));
    line(text, "client_recent_max_output_buffer", stats.output_buffer_bytes_peak.load(Relaxed));
    line(text, "blocked_clients", facts.front.clients.all().iter().filter(|c| c.is_blocked()).count());
    line(text, "tracking_clients", facts.front.post.tracking.figures().clients);
    line(text, "clients_in_timeout_table", 0);
    line(text, "total_blocking_keys", facts.awaited_keys);
}

pub(super) fn memory(facts: &Facts<'_>, text: &mut String) {
    // The data as accounted, and what an empty state counts as: the same on every node, and what the memory limit
    // goes by. Programs compare the two.
    let base = State::BASE_BYTES as u64;
    let used = base + facts.data_bytes;
    // Without an allocator that can tell, it is the nearest.
    let allocated = facts.node.allocated_bytes.unwrap_or(used);
    let resident = process::resident_bytes();
    let peak = facts.front.peak_bytes(used);
    let maxmemory = facts.tunables.maxmemory() as u64;
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    amount(text, "used_memory", used);
    amount(text, "used_memory_rss", resident);
    amount(text, "used_memory_peak", peak);
    line(text, "used_memory_peak_perc", format_args!("{:.2}%", share(used, peak)));
    line(text, "used_memory_overhead", base);
    line(text, "used_memory_startup", base);
    line(text, "used_memory_dataset", facts.data_bytes);
    line(text, "used_memory_dataset_perc", "100.00%");
    line(text, "allocator_allocated", allocated);
    line(text, "allocator_active", resident);
    line(text, "allocator_resident", resident);
    amount(text, "total_system_memory", process::machine_bytes());
    line(text, "used_memory_lua", 0);
    line(text, "used_memory_vm_eval", 0);
    line(text, "used_memory_lua_human", human(0));
    let scripts = &facts.scripts;
    let (scripts_bytes, functions_bytes) = (scripts.scripts_bytes() as u64, scripts.functions_bytes() as u64);
    line(text, "used_memory_scripts_eval", scripts_bytes);
    line(text, "number_of_cached_scripts", scripts.scripts_count());
    line(text, "number_of_functions", scripts.functions_count());
    line(text, "number_of_libraries", scripts.libraries_count());
    line(text, "used_memory_vm_functions", 0);
    amount(text, "used_memory_vm_total", 0);
    line(text, "used_memory_functions", functions_bytes);
    amount(text, "used_memory_scripts", scripts_bytes + functions_bytes);
    amount(text, "maxmemory", maxmemory);
    line(text, "maxmemory_policy", facts.tunables.maxmemory_policy());
    line(text, "allocator_frag_ratio", "1.00");
    line(text, "allocator_frag_bytes", 0);
    line(text, "allocator_rss_ratio", "1.00");
    line(text, "allocator_rss_bytes", 0);
    line(text, "rss_overhead_ratio", "1.00");
    line(text, "rss_overhead_bytes", 0);
    line(text, "mem_fragmentation_ratio", format_args!("{:.2}", ratio(resident, allocated)));
    line(text, "mem_fragmentation_bytes", resident.saturating_sub(allocated));
    line(text, "mem_not_counted_for_evict", 0);
    line(text, "mem_replication_backlog", 0);
    line(text, "mem_total_replication_buffers", 0);
    line(text, "mem_clients_slaves", 0);
    line(text, "mem_clients_normal", client_bytes(facts.front));
    line(text, "mem_cluster_links", 0);
    line(text, "mem_aof_buffer", 0);
    line(text, "mem_allocator", if facts.node.allocated_bytes.is_some() { "jemalloc" } else { "libc" });
    line(text, "active_defrag_running", 0);
    line(text, "lazyfree_pending_objects", 0);
    line(text, "lazyfreed_objects", 0);
}

pub(super) fn stats(facts: &Facts<'_>, text: &mut String) {
    let stats = &facts.front.stats;
    let rate = stats.rate();
    line(text, "total_connections_received", stats.connections.load(Relaxed));
    line(text, "total_commands_processed", stats.commands_processed.load(Relaxed));
    line(text, "instantaneous_ops_per_sec", rate.commands as u64);
    line(text, "total_net_input_bytes", stats.input_bytes.load(Relaxed));
    line(text, "total_net_output_bytes", stats.output_bytes.load(Relaxed));
    line(text, "total_net_repl_input_bytes", 0);
    line(text, "total_net_repl_output_bytes", 0);
    line(text, "instantaneous_input_kbps", format_args!("{:.2}", rate.input_kib));
    line(text, "instantaneous_output_kbps", format_args!("{:.2}", rate.output_kib));
    line(text, "instantaneous_input_repl_kbps", "0.00");
    line(text, "instantaneous_output_repl_kbps", "0.00");
    line(text, "rejected_connections", stats.connections_rejected.load(Relaxed));
    for name in ["sync_full", "sync_partial_ok", "sync_partial_err"] {
        line(text, name, 0);
    }
    line(text, "expired_keys", facts.node.expired_keys);
    line(text, "expired_stale_perc", "0.00");
    for name in ["expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds"] {
        line(text, name, 0);
    }
    line(text, "evicted_keys", facts.node.evicted_keys);
    for name in ["evicted_clients", "total_eviction_exceeded_time", "current_eviction_exceeded_time"] {
        line(text, name, 0);
    }
    line(text, "keyspace_hits", stats.lookups.hits.load(Relaxed));
    line(text, "keyspace_misses", stats.lookups.misses.load(Relaxed));
    let [channels, patterns, shards] = facts.subscriptions;
    line(text, "pubsub_channels", channels);
    line(text, "pubsub_patterns", patterns);
    line(text, "pubsubshard_channels", shards);
    for name in [
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
    ] {
        line(text, name, 0);
    }
    let tracking = facts.front.post.tracking.figures();
    line(text, "tracking_total_keys", tracking.keys);
    line(text, "tracking_total_items", tracking.items);
    line(text, "tracking_total_prefixes", tracking.prefixes);
    line(text, "unexpected_error_replies", 0);
    line(text, "total_error_replies", stats.error_replies());
    line(text, "dump_payload_sanitizations", 0);
    line(text, "total_reads_processed", stats.reads.load(Relaxed));
    line(text, "total_writes_processed", stats.writes.load(Relaxed));
    for name in [
        "io_threaded_reads_processed",
        "io_threaded_writes_processed",
        "reply_buffer_shrinks",
        "reply_buffer_expands",
    ] {
        line(text, name, 0);
    }
    let [auth, command, key, channel] = facts.front.denials.counts();
    line(text, "acl_access_denied_auth", auth);
    line(text, "acl_access_denied_cmd", command);
    line(text, "acl_access_denied_key", key);
    line(text, "acl_access_denied_channel", channel);
}

pub(super) fn cpu(_: &Facts<'_>, text: &mut String) {
    let cpu = process::cpu_time();
    for (name, micros) in [
        ("used_cpu_sys", cpu.system),
        ("used_cpu_user", cpu.user),
        ("used_cpu_sys_children", cpu.children_system),
        ("used_cpu_user_children", cpu.children_user),
    ] {
        line(text, name, format_args!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
    }
}
