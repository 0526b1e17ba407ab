//! Sections about commands: calls, errors, times.

use std::sync::atomic::Ordering::Relaxed;

use super::{Facts, line};
use crate::session::stats::percentile;

pub(super) fn commandstats(facts: &Facts<'_>, text: &mut String) {
    for stats in facts.front.stats.used() {
        let calls = stats.calls.load(Relaxed);
        let micros = stats.micros.load(Relaxed);
        let each = if calls == 0 { 0.0 } else { micros as f64 / calls as f64 };
        let rejected = stats.rejected.load(Relaxed);
        let failed = stats.failed.load(Relaxed);
        let value = format_args!(
            "calls={calls},usec={micros},usec_per_call={each:.2},rejected_calls={rejected},failed_calls={failed}"
        )
        .to_string();
        line(text, &format!("cmdstat_{}", stats.command.full_name()), value);
    }
}

pub(super) fn errorstats(facts: &Facts<'_>, text: &mut String) {
    for (code, count) in facts.front.stats.errors() {
        // A code is shown as part of a line of its own, whatever a client made it up of.
        let code: String =
            code.chars().map(|c| if matches!(c, '#' | ':' | '\n' | '\r') { '_' } else { c }).collect();
        line(text, &format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

pub(super) fn latencystats(facts: &Facts<'_>, text: &mut String) {
    for stats in facts.front.stats.used().filter(|stats| stats.calls.load(Relaxed) > 0) {
        let histogram = stats.histogram();
        let [p50, p99, p999] = [50.0, 99.0, 99.9].map(|percent| percentile(&histogram, percent));
        let value = format_args!("p50={p50}.000,p99={p99}.000,p99.9={p999}.000").to_string();
        line(text, &format!("latency_percentiles_usec_{}", stats.command.full_name()), value);
    }
}
