//! Frees large dropped values on a thread of its own, so that `UNLINK`, `FLUSHALL` and the expiry of
//! huge values stall nobody.
//!
//! Invariant: freeing has no effect that anyone can see, so its order and time are free. The queue is
//! bounded by what apply drops meanwhile, which has been counted as freed already.
//!
//! Called by: the apply task. Under simulation ([`Reclaimer::inline`]) values are dropped at once.

use std::sync::mpsc;

use quorate_commands::State;
use quorate_keyspace::Garbage;

enum Rubbish {
    Values(Vec<Garbage>),
    State(Box<State>),
}

/// Where dropped values go.
#[derive(Clone)]
pub(crate) struct Reclaimer {
    queue: Option<mpsc::Sender<Rubbish>>,
}

impl Reclaimer {
    /// Starts the thread; it ends with the last clone.
    pub(crate) fn threaded() -> std::io::Result<Reclaimer> {
        let (queue, rubbish) = mpsc::channel::<Rubbish>();
        std::thread::Builder::new().name("quorate-reclaim".into()).spawn(move || {
            for item in rubbish {
                match item {
                    Rubbish::Values(values) => drop(values),
                    Rubbish::State(state) => drop(state),
                }
            }
        })?;
        Ok(Reclaimer { queue: Some(queue) })
    }

    /// Drops everything on the spot.
    pub(crate) fn inline() -> Reclaimer {
        Reclaimer { queue: None }
    }

    /// Whether everything happens on the spot, as in a simulation.
    pub(crate) fn is_inline(&self) -> bool {
        self.queue.is_none()
    }

    pub(crate) fn free(&self, values: Vec<Garbage>) {
        if !values.is_empty() {
            self.give(Rubbish::Values(values));
        }
    }

    pub(crate) fn free_state(&self, state: State) {
        self.give(Rubbish::State(Box::new(state)));
    }

    fn give(&self, rubbish: Rubbish) {
        if let Some(queue) = &self.queue {
            // Without its thread the value comes back in the error and is dropped here.
            let _rest = queue.send(rubbish);
        }
    }
}
