//! What an import shows: a line that moves on a terminal, a line now and then elsewhere, or JSON.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quorate_migrate::{Event, Observer, Progress, Stage};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::output;

/// Between two pictures on a terminal, and between two lines elsewhere.
const TERMINAL_PAUSE: Duration = Duration::from_millis(100);
const LINE_PAUSE: Duration = Duration::from_secs(2);
/// The width of the bar.
const BAR: usize = 24;

/// Shows how an import goes.
pub(crate) struct Screen {
    json: bool,
    terminal: bool,
    started: Instant,
    /// When something was shown, and what it said of bytes, keys and commands.
    shown: Instant,
    before: Progress,
    /// Whether the line at the bottom is one that is drawn over.
    is_open: bool,
    /// Whether somebody has ended a line on standard input.
    was_told: Arc<AtomicBool>,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Screen {
        let now = Instant::now();
        let terminal = !json && std::io::stderr().is_terminal();
        let was_told = Arc::default();
        Screen {
            json,
            terminal,
            started: now,
            shown: now,
            before: Progress::default(),
            is_open: false,
            was_told,
        }
    }

    /// Takes the end of a line on standard input for the wish to cut over.
    pub(crate) fn listen(&mut self) {
        let told = Arc::clone(&self.was_told);
        if self.terminal {
            eprintln!("Enter cuts over, Ctrl-C ends; the same command goes on where it was");
        }
        std::thread::spawn(move || {
            let mut line = String::new();
            // The end of the input is no wish.
            if std::io::stdin().lock().read_line(&mut line).is_ok_and(|count| count > 0) {
                told.store(true, Ordering::Relaxed);
            }
        });
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Leaves the line that is drawn over.
    fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            eprintln!();
        }
    }

    pub(crate) fn done(&mut self, text: &str, event: &Value) {
        self.close();
        output::line(&if self.json { event.to_string() } else { text.to_owned() });
    }

    fn failed(&mut self, text: &str) {
        self.close();
        output::line(&json!({ "event": "failed", "text": text }).to_string());
    }

    /// Says how it has ended.
    pub(crate) fn end(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        self.close();
        result.map_err(|failure| {
            if self.json {
                self.failed(&failure.to_string());
            }
            Failure { said: self.json, ..failure }
        })
    }

    fn draw(&mut self, progress: &Progress, since: Duration) {
        let seconds = since.as_secs_f64().max(0.001);
        let rate = |now: u64, before: u64| (now.saturating_sub(before) as f64 / seconds) as u64;
        let keys = rate(progress.keys, self.before.keys);
        let bytes = rate(progress.bytes, self.before.bytes);
        let commands = rate(progress.commands, self.before.commands);
        if self.json {
            let event = json!({
                "event": "progress", "stage": progress.stage.name(), "keys": progress.keys, "bytes": progress.bytes,
                "bytes_total": progress.bytes_total, "commands": progress.commands, "lag_bytes": progress.lag_bytes,
                "keys_per_second": keys, "bytes_per_second": bytes, "commands_per_second": commands,
            });
            output::line(&event.to_string());
            return;
        }
        let mut line = String::new();
        if let Some(total) =
            progress.bytes_total.filter(|total| *total > 0 && progress.stage != Stage::Follow)
        {
            let done = (progress.bytes as f64 / total as f64).min(1.0);
            let full = (done * BAR as f64) as usize;
            line += &format!("[{}{}] {:3.0} % ", "#".repeat(full), "-".repeat(BAR - full), done * 100.0);
        }
        line += &match progress.stage {
            Stage::Load => format!(
                "{} keys, {} commands, {} ({} keys/s, {}/s)",
                progress.keys,
                progress.commands,
                bytes_text(progress.bytes),
                keys,
                bytes_text(bytes)
            ),
            Stage::Follow => format!(
                "following: {} commands ({commands}/s), lag {}",
                progress.commands,
                progress.lag_bytes.map_or("unknown".to_owned(), bytes_text)
            ),
            Stage::Compare => format!("comparing: {} keys ({keys} keys/s)", progress.keys),
        };
        if self.terminal {
            eprint!("\r\x1b[K{line}");
            let _shown = std::io::stderr().flush();
            self.is_open = true;
        } else {
            eprintln!("{line}");
        }
    }
}

/// Bytes with a unit that people can read.
fn bytes_text(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

impl Observer for Screen {
    fn progress(&mut self, progress: &Progress) {
        let since = self.shown.elapsed();
        if progress.stage != self.before.stage {
            // A new stage begins to count anew.
            self.before = Progress { stage: progress.stage, ..Progress::default() };
        }
        if since >= if self.terminal { TERMINAL_PAUSE } else { LINE_PAUSE } {
            self.draw(progress, since);
            self.shown = Instant::now();
            self.before = *progress;
        }
    }

    fn wants_cut_over(&mut self) -> bool {
        self.was_told.load(Ordering::Relaxed)
    }

    fn event(&mut self, event: Event) {
        self.close();
        let (name, text) = match event {
            Event::Note(text) => ("note", text),
            Event::Warning(text) => ("warning", text),
        };
        if self.json {
            output::line(&json!({ "event": name, "text": text }).to_string());
        } else {
            eprintln!("{name}: {text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        let texts = [0, 999, 1_500, 2_500_000, 3_210_000_000].map(bytes_text);
        assert_eq!(texts, ["0 B", "999 B", "1.5 kB", "2.5 MB", "3.21 GB"]);
    }
}
