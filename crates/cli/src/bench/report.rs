//! What a run has shown: a table for people, one JSON object for programs, a live line meanwhile.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::nodeapi::Verified;
use super::tally::{Count, Names, Tally};

/// The most seconds that are told one by one in JSON.
pub(super) const SECONDS_MAX: usize = 3600;

/// The result of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) addresses: Vec<String>,
    pub(super) load: String,
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) pipeline: usize,
    /// Requests or operations a second that were asked for.
    pub(super) rate: Option<f64>,
    pub(super) seconds: f64,
    /// All requests.
    pub(super) total: Line,
    pub(super) requests: BTreeMap<String, Line>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) operations: BTreeMap<String, Line>,
    /// Error replies by their first word.
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) reconnects: u64,
    pub(super) refused_connections: u64,
    pub(super) longest_pause_ms: f64,
    /// By how much this program was late in sending.
    pub(super) lateness: Option<Delays>,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    /// Seconds of processor time that this program took.
    pub(super) client_cpu_seconds: Option<f64>,
    pub(super) each_second: Vec<Second>,
    pub(super) stopped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verified: Option<Verified>,
}

/// Of one kind of request or operation.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) per_second: f64,
    pub(super) ok: u64,
    pub(super) errors: u64,
    pub(super) unknown: u64,
    pub(super) delays: Option<Delays>,
}

/// Milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Delays {
    mean: f64,
    min: f64,
    p50: f64,
    p90: f64,
    p95: f64,
    p99: f64,
    p99_9: f64,
    p99_99: f64,
    max: f64,
}

/// One second of the run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Second {
    pub(super) at: f64,
    pub(super) answered: u64,
    pub(super) errors: u64,
    pub(super) unknown: u64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

type Histogram = hdrhistogram::Histogram<u64>;

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

impl Delays {
    pub(super) fn of(histogram: &Histogram) -> Option<Self> {
        let at = |part: f64| millis(histogram.value_at_quantile(part));
        (!histogram.is_empty()).then(|| Self {
            mean: (histogram.mean() / 10.0).round() / 100.0,
            min: millis(histogram.min()),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: millis(histogram.max()),
        })
    }
}

impl Line {
    fn of(count: &Count, seconds: f64) -> Self {
        Self {
            per_second: (count.answered() as f64 / seconds.max(0.001) * 10.0).round() / 10.0,
            ok: count.ok,
            errors: count.errors,
            unknown: count.unknown,
            delays: Delays::of(&count.delays),
        }
    }
}

/// Lines of all kinds that occurred.
pub(super) fn lines(names: &[String], counts: &[Count], seconds: f64) -> BTreeMap<String, Line> {
    let mut sums: BTreeMap<String, Count> = BTreeMap::new();
    for (name, count) in names.iter().zip(counts) {
        if count.answered() + count.unknown == 0 {
            continue;
        }
        let sum = sums.entry(name.clone()).or_default();
        sum.delays.add(&count.delays).expect("the histogram grows as needed");
        sum.ok += count.ok;
        sum.errors += count.errors;
        sum.unknown += count.unknown;
    }
    sums.into_iter().map(|(name, sum)| (name, Line::of(&sum, seconds))).collect()
}

/// The line of all requests.
pub(super) fn total(tally: &Tally, seconds: f64) -> Line {
    Line::of(&tally.total(), seconds)
}

impl Second {
    /// What was counted in the second that ended `at` seconds after the start.
    pub(super) fn of(tally: &Tally, at: Duration) -> Self {
        let total = tally.total();
        let value = |part: f64| millis(total.delays.value_at_quantile(part));
        Self {
            at: (at.as_secs_f64() * 10.0).round() / 10.0,
            answered: total.answered(),
            errors: total.errors,
            unknown: total.unknown,
            p50_ms: value(0.5),
            p99_ms: value(0.99),
            max_ms: millis(total.delays.max()),
        }
    }

    /// The live line.
    pub(super) fn live(&self, sum: &Count) -> String {
        format!(
            "{:7.1} s {:>9}/s  p50 {:.2} ms  p99 {:.2} ms  max {:.1} ms  {} errors, {} unknown",
            self.at, self.answered, self.p50_ms, self.p99_ms, self.max_ms, sum.errors, sum.unknown
        )
    }
}

impl Report {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let rate = self.rate.map(|rate| format!(", {rate:.1} a second asked for")).unwrap_or_default();
        let _ = writeln!(
            out,
            "{}: {} connections, {} threads, pipeline {}{rate}, {:.1} s against {}",
            self.load,
            self.connections,
            self.threads,
            self.pipeline,
            self.seconds,
            self.addresses.join(", ")
        );
        let _ = writeln!(
            out,
            "\n{:<12} {:>10} {:>10} {:>7} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "", "a second", "ok", "errors", "unknown", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "max ms"
        );
        for (name, line) in self.requests.iter().chain(&self.operations) {
            row(&mut out, name, line);
        }
        row(&mut out, "all", &self.total);
        out.push('\n');
        for (word, count) in &self.errors {
            let _ = writeln!(out, "{count} errors {word}");
        }
        let _ = writeln!(
            out,
            "{} reconnects, {} connections refused, longest pause {:.0} ms, {:.1} MB sent, {:.1} MB received",
            self.reconnects,
            self.refused_connections,
            self.longest_pause_ms,
            self.bytes_sent as f64 / 1e6,
            self.bytes_received as f64 / 1e6
        );
        if let Some(cpu) = self.client_cpu_seconds {
            let each = cpu * 1e6 / (self.total.ok + self.total.errors).max(1) as f64;
            let _ = writeln!(out, "this program: {cpu:.2} s of processor time, {each:.1} µs a request");
        }
        if let Some(lateness) = &self.lateness {
            let _ = writeln!(
                out,
                "this program was late by {:.2} ms (p50), {:.2} ms (p99), {:.1} ms (max)",
                lateness.p50, lateness.p99, lateness.max
            );
        }
        if let Some(verified) = &self.verified {
            verified_text(&mut out, verified);
        }
        out
    }
}

fn row(out: &mut String, name: &str, line: &Line) {
    let _ = write!(
        out,
        "{name:<12} {:>10.1} {:>10} {:>7} {:>8}",
        line.per_second, line.ok, line.errors, line.unknown
    );
    if let Some(delays) = &line.delays {
        for value in [delays.p50, delays.p95, delays.p99, delays.p99_9, delays.max] {
            let _ = write!(out, " {value:>9.2}");
        }
    }
    out.push('\n');
}

fn verified_text(out: &mut String, verified: &Verified) {
    let _ = writeln!(out, "\nverified on {}", verified.asked.join(", "));
    for silent in &verified.silent {
        let _ = writeln!(out, "  not asked: {silent}");
    }
    let kinds = [
        ("creates", verified.creates),
        ("files", verified.files),
        ("events", verified.events),
        ("steps", verified.steps),
    ];
    for (name, compared) in kinds {
        let _ = writeln!(
            out,
            "  {name:<8} {} acknowledged: {} lost; {} refused; {} unknown, of which {} done; {} too many",
            compared.acknowledged,
            compared.lost,
            compared.refused,
            compared.unknown,
            compared.unknown_done,
            compared.too_many
        );
    }
    for wrong in &verified.wrong {
        let _ = writeln!(out, "  WRONG {wrong}");
    }
    let more = verified.wrong_count.saturating_sub(verified.wrong.len() as u64);
    if more > 0 {
        let _ = writeln!(out, "  WRONG and {more} more");
    }
}

/// The distribution of all delays as HdrHistogram's own tools print and plot it.
pub(super) fn distribution(count: &Count) -> String {
    let mut out =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for step in count.delays.iter_quantiles(5) {
        let part = step.quantile_iterated_to();
        let _ = write!(
            out,
            "{:>12.3} {part:>14.12} {:>10}",
            millis(step.value_iterated_to()),
            count.delays.count_between(0, step.value_iterated_to())
        );
        if part < 1.0 {
            let _ = write!(out, " {:>14.2}", 1.0 / (1.0 - part));
        }
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]\n#[Max     = {:>12.3}, Total count    = {:>12}]",
        count.delays.mean() / 1000.0,
        count.delays.stdev() / 1000.0,
        millis(count.delays.max()),
        count.delays.len()
    );
    out
}

/// For the names of what is counted.
pub(super) fn by_name(tally: &Tally, names: &Names, seconds: f64) -> [BTreeMap<String, Line>; 2] {
    [lines(&names.requests, &tally.requests, seconds), lines(&names.operations, &tally.operations, seconds)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_names_every_step_up_to_the_slowest() {
        let mut count = Count::default();
        for value in 1..=1000 {
            count.delay(value * 1000);
        }
        let text = distribution(&count);
        assert!(text.contains("Percentile") && text.contains("Total count    =         1000"), "{text}");
        assert!(text.lines().any(|line| line.contains("1.000000000000") && line.contains(" 1000")), "{text}");
    }

    #[test]
    fn kinds_that_did_not_occur_are_left_out_and_equal_names_are_one_line() {
        let names = Names { requests: vec!["set".into(), "get".into(), "set".into()], operations: vec![] };
        let mut tally = Tally::new(&names);
        tally.requests[0].ok = 10;
        tally.requests[2].ok = 10;
        tally.requests[2].delay(2000);
        let [requests, operations] = by_name(&tally, &names, 2.0);
        assert_eq!((requests.len(), operations.len()), (1, 0));
        assert_eq!((requests["set"].ok, requests["set"].per_second), (20, 10.0));
        let live = Second::of(&tally, Duration::from_secs(1)).live(&tally.total());
        assert!(live.contains("20/s") && live.contains("0 errors"), "{live}");
    }
}
