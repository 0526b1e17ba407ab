//! How much of each operation a site does: the three profiles of the workload model.
//!
//! The figures are assumptions about three hosts of a file-transfer server whose state lies in one store: what an
//! office does, what a site with all logging does, and a flood of small files with watched folders.
//! Left out are what happens every ten minutes or less often: reaper, cleanup, deletion of a tenant, administration.

/// What one client of the store does at a time. The letters are those of the workload model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// B: a transfer is created.
    Create,
    /// C: its state is asked for, by somebody else and over another node.
    Poll,
    /// D: a session of it starts, over a connection of its own.
    Start,
    /// E: a session tells how far it is.
    Progress,
    /// G: files of it are done; each is an event.
    Files,
    /// H: a session ends.
    End,
    /// I: what has changed since the last time.
    List,
    /// J: what has happened since the last time.
    Events,
    /// K: a folder is looked at.
    Browse,
    /// L: a token is made.
    Token,
    /// M: a permission is given.
    Permit,
    /// N: a host is alive.
    Heartbeat,
    /// R: a balancer's check, inline, over a connection of its own.
    Check,
    /// S: a watched folder's changes.
    Watch,
    /// A connection that only comes, authenticates a request and goes.
    Connect,
}

/// All of them, in the order of reports.
pub(super) const OPERATIONS: &[(Operation, &str)] = &[
    (Operation::Create, "create"),
    (Operation::Poll, "poll"),
    (Operation::Start, "start"),
    (Operation::Progress, "progress"),
    (Operation::Files, "files"),
    (Operation::End, "end"),
    (Operation::List, "list"),
    (Operation::Events, "events"),
    (Operation::Browse, "browse"),
    (Operation::Token, "token"),
    (Operation::Permit, "permit"),
    (Operation::Heartbeat, "heartbeat"),
    (Operation::Check, "check"),
    (Operation::Watch, "watch"),
    (Operation::Connect, "connect"),
];

/// A site. Rates are for each second.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Profile {
    pub(in super::super) name: &'static str,
    /// Connections that stay.
    pub(in super::super) connections: usize,
    /// Connections that come and go.
    churn: f64,
    transfers: f64,
    /// Sessions at a time.
    pub(super) sessions: usize,
    progress: f64,
    files: f64,
    /// Files that are told of at once.
    pub(super) files_batch: usize,
    polls: f64,
    pollers: f64,
    browses: f64,
    watches: f64,
}

/// All profiles.
pub(in super::super) const PROFILES: &[Profile] = &[
    Profile {
        name: "P1",
        connections: 60,
        churn: 1.0,
        transfers: 0.2,
        sessions: 10,
        progress: 2.0,
        files: 0.0,
        files_batch: 20,
        polls: 10.0,
        pollers: 3.0,
        browses: 5.0,
        watches: 0.0,
    },
    Profile {
        name: "P2",
        connections: 300,
        churn: 5.0,
        transfers: 2.0,
        sessions: 60,
        progress: 60.0,
        files: 200.0,
        files_batch: 50,
        polls: 60.0,
        pollers: 8.0,
        browses: 30.0,
        watches: 2.0,
    },
    Profile {
        name: "P3",
        connections: 300,
        churn: 20.0,
        transfers: 5.0,
        sessions: 60,
        progress: 60.0,
        files: 1100.0,
        files_batch: 100,
        polls: 60.0,
        pollers: 8.0,
        browses: 10.0,
        watches: 10.0,
    },
];

/// Seconds between two questions of a poller, two changes of a watched folder, two heartbeats, two checks.
const POLL_EVERY: f64 = 5.0;
const WATCH_EVERY: f64 = 3.0;
const HEARTBEAT_EVERY: f64 = 5.0;
const CHECK_EVERY: f64 = 2.0;
/// Hosts of the site.
const HOSTS: f64 = 3.0;

impl Profile {
    /// How often in a second it is done.
    pub(super) fn rate(&self, operation: Operation) -> f64 {
        match operation {
            Operation::Create | Operation::Start | Operation::End | Operation::Token => self.transfers,
            Operation::Poll => self.polls,
            Operation::Progress => self.progress,
            Operation::Files => self.files / self.files_batch as f64,
            Operation::List | Operation::Events => self.pollers / POLL_EVERY,
            Operation::Browse => self.browses,
            Operation::Permit => self.transfers / 10.0,
            Operation::Heartbeat => HOSTS / HEARTBEAT_EVERY,
            Operation::Check => HOSTS / CHECK_EVERY,
            Operation::Watch => self.watches / WATCH_EVERY,
            Operation::Connect => (self.churn - self.transfers).max(0.0),
        }
    }

    /// All operations of a second.
    pub(in super::super) fn operations_rate(&self) -> f64 {
        OPERATIONS.iter().map(|(operation, _)| self.rate(*operation)).sum()
    }

    /// The operation at this part, from 0 to below 1, of all that are done.
    pub(super) fn pick(&self, part: f64) -> usize {
        let mut at = part * self.operations_rate();
        for (number, (operation, _)) in OPERATIONS.iter().enumerate() {
            let rate = self.rate(*operation);
            if at < rate {
                return number;
            }
            at -= rate;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_picked_by_their_rate() {
        for profile in PROFILES {
            let mut seen = vec![0_u32; OPERATIONS.len()];
            for step in 0..10_000 {
                seen[profile.pick(f64::from(step) / 10_000.0)] += 1;
            }
            for ((operation, name), seen) in OPERATIONS.iter().zip(seen) {
                let expected = 10_000.0 * profile.rate(*operation) / profile.operations_rate();
                assert!((f64::from(seen) - expected).abs() < 3.0, "{} {name}: {seen}", profile.name);
            }
        }
    }
}
