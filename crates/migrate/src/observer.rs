//! What is told of the work while it goes on.
//!
//! For: numbers, and what happened. Leaves to others: how they look. Called by: the thread that works, often; an observer
//! decides how often it shows something.

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// Data is read and written to the target.
    #[default]
    Load,
    /// The source's stream of commands is followed.
    Follow,
    /// Both sides are compared.
    Compare,
}

impl Stage {
    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Load => "load",
            Stage::Follow => "follow",
            Stage::Compare => "compare",
        }
    }
}

/// How far the work is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// What is going on.
    pub stage: Stage,
    /// Keys that were read, or compared.
    pub keys: u64,
    /// Bytes of the source that were read.
    pub bytes: u64,
    /// Bytes of the source, where that is known.
    pub bytes_total: Option<u64>,
    /// Commands of the source's stream that were applied.
    pub commands: u64,
    /// Bytes of the source's stream that were not yet applied when it was last asked.
    pub lag_bytes: Option<u64>,
}

/// Something that happens once.
#[derive(Debug, Clone)]
pub enum Event {
    /// A line for people.
    Note(String),
    /// Something that they should look at.
    Warning(String),
}

/// Takes what is told.
pub trait Observer {
    /// How far the work is; called often.
    fn progress(&mut self, progress: &Progress);
    /// Something has happened.
    fn event(&mut self, event: Event);
    /// Whether the source is to be cut over now; asked often.
    fn wants_cut_over(&mut self) -> bool {
        false
    }
}
