//! How tests share one small machine.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The program.
pub(crate) const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");

/// Held while a test's cluster runs.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often something is done: in every run, and in a long one.
pub(crate) fn count(quick: u64, long: u64) -> u64 {
    if std::env::var_os("QUORATE_LONG").is_some_and(|value| value == "1") { long } else { quick }
}

/// How the nodes of a test are set. A quick run shares its machine with whatever builds there, which must not
/// count as a failure of the leader or use up the time that requests are held; a long run has the defaults.
pub(crate) fn calm(more: &[&'static str]) -> Vec<&'static str> {
    let quick = ["--heartbeat", "100ms", "--election", "800ms", "--hold-max", "25s"];
    let base: &[&str] = if count(0, 1) == 0 { &quick } else { &[] };
    [base, more].concat()
}
