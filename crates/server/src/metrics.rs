//! This node's figures in the Prometheus (OpenMetrics) text format.
//!
//! Everything is read at the time of the scrape from where it is counted anyway: nothing is counted twice,
//! and a scrape costs nothing in between.
//!
//! Called by: `/metrics`.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use quorate::Node;
use quorate::session::Backend;

use crate::Hooks;

/// The text of one scrape.
pub(crate) fn text(node: &Node, hooks: &Hooks) -> String {
    let mut registry = Registry::with_prefix("quorate");
    registry.register_collector(Box::new(Scrape { node: node.clone(), hooks: hooks.clone() }));
    let mut out = String::new();
    // Writing to a string fails only if one of our names is malformed, which the test would show.
    if text::encode(&mut out, &registry).is_err() {
        out.clear();
    }
    out
}

struct Scrape {
    node: Node,
    hooks: Hooks,
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}

struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let encoder = self.0.encode_descriptor(name, help, unit, gauge.metric_type())?;
        gauge.encode(encoder)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        let encoder = self.0.encode_descriptor(name, help, None, counter.metric_type())?;
        counter.encode(encoder)
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut w = Writer(encoder);
        let report = self.node.report();
        let facts = self.node.facts();
        let pipeline = self.node.pipeline_gauges();
        let log = self.node.log_figures();
        let stats = &self.node.front().stats;
        let leads = facts.leader == Some(facts.node) && facts.node != 0;

        w.gauge("ready", "Whether the node serves clients", None, report.ready.into())?;
        w.gauge("draining", "Whether the node drains for a planned stop", None, report.draining.into())?;
        w.gauge("uptime", "Time since the start", Some(&Unit::Seconds), report.uptime_seconds)?;
        w.gauge("leader", "Whether the node leads", None, leads.into())?;
        w.gauge("term", "Raft term", None, report.term)?;
        w.gauge("log_last_index", "Last entry in the log", None, report.last_log)?;
        w.gauge("committed_index", "Last committed entry that the node knows of", None, facts.committed)?;
        w.gauge("applied_index", "Last applied entry", None, report.applied)?;
        w.gauge("snapshot_index", "Last entry in the newest snapshot", None, report.snapshot)?;
        w.gauge("log", "Log on disk", Some(&Unit::Bytes), report.log_bytes)?;
        w.counter("log_syncs", "Times that the log was synced to the device", log.syncs)?;
        w.counter("log_groups", "Groups of records written to the log", log.groups)?;
        w.gauge("members", "Members of the cluster", None, facts.members.len() as u64)?;

        w.gauge("keys", "Keys in all databases", None, report.keys)?;
        w.gauge("data", "Accounted size of the data", Some(&Unit::Bytes), report.memory_bytes)?;
        w.counter("expired_keys", "Expired keys removed", facts.expired_keys)?;
        w.counter("evicted_keys", "Keys evicted at the memory limit", facts.evicted_keys)?;
        if let Some(memory) = (self.hooks.memory)() {
            w.gauge("memory_allocated", "Live allocations", Some(&Unit::Bytes), memory.allocated_bytes)?;
            w.gauge("memory_resident", "Physical memory", Some(&Unit::Bytes), memory.resident_bytes)?;
        }

        w.gauge("clients", "Open client connections", None, report.clients)?;
        w.counter("connections", "Client connections accepted", stats.connections.load(Relaxed))?;
        w.counter(
            "connections_rejected",
            "Client connections refused",
            stats.connections_rejected.load(Relaxed),
        )?;
        w.counter("commands", "Commands executed for clients", stats.commands_processed.load(Relaxed))?;
        w.counter("error_replies", "Error replies to clients", stats.error_replies())?;
        w.counter("applied_writes", "Write commands applied from the log", self.node.applied_writes())?;
        w.gauge("batches_in_flight", "Batches sent and not yet applied here", None, pipeline.open as u64)?;
        w.gauge("groups_waiting", "Groups of requests that wait for a batch", None, pipeline.waiting as u64)?;
        w.gauge(
            "waiting",
            "Requests that wait for a batch",
            Some(&Unit::Bytes),
            pipeline.waiting_bytes as u64,
        )?;
        let unsupported: u64 = stats
            .used()
            .filter(|stats| !stats.command.is_supported())
            .map(|stats| stats.rejected.load(Relaxed))
            .sum();
        w.counter("unsupported_commands", "Commands of Redis refused because Quorate lacks them", unsupported)
    }
}
