//! The asynchronous runtime as openraft sees it: tokio, with randomness that a simulation can replay.
//!
//! openraft draws its election timeouts from the runtime. In production they come from the operating system's
//! randomness; after [`seed_simulation`] all that the calling thread's tasks draw is a function of the seed, provided
//! that the runtime is single-threaded, as a simulation's is.

use std::{
    cell::Cell,
    future::Future,
    hash::{BuildHasher, RandomState},
    io,
    time::Duration,
};

use openraft::{
    OptionalSend,
    rt::{AsyncRuntime, Select2, Select3, Select4},
};
use rand_core::SeedableRng;
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus, rand_core::Rng};

thread_local! {
    static SIMULATION: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Makes everything random that consensus does on this thread a function of `seed`. For simulations.
pub fn seed_simulation(seed: u64) {
    SIMULATION.set(Some(seed));
}

/// A seed for one generator: the next of the simulation's, or the operating system's.
pub(crate) fn draw_seed() -> u64 {
    match SIMULATION.get() {
        Some(state) => {
            let mut next = SplitMix64::seed_from_u64(state);
            SIMULATION.set(Some(next.next_u64()));
            next.next_u64()
        }
        None => RandomState::new().hash_one(0_u8),
    }
}

type Inner = openraft_rt_tokio::TokioRuntime;

/// Tokio with replayable randomness and one order of waiting. Everything but `thread_rng` and `select4` is passed on.
#[derive(Debug)]
pub(crate) struct Runtime(Inner);

impl AsyncRuntime for Runtime {
    type JoinError = <Inner as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <Inner as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <Inner as AsyncRuntime>::Sleep;
    type Instant = <Inner as AsyncRuntime>::Instant;
    type TimeoutError = <Inner as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <Inner as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = Xoshiro256PlusPlus;
    type Mpsc = <Inner as AsyncRuntime>::Mpsc;
    type Watch = <Inner as AsyncRuntime>::Watch;
    type Oneshot = <Inner as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <Inner as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        Inner::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        Inner::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        Inner::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        Inner::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        Inner::timeout_at(deadline, future)
    }

    fn select2<A, B>(a: A, b: B) -> impl Future<Output = Select2<A::Output, B::Output>> + OptionalSend
    where
        A: Future + OptionalSend,
        B: Future + OptionalSend,
    {
        Inner::select2(a, b)
    }

    fn select3<A, B, C>(
        a: A,
        b: B,
        c: C,
    ) -> impl Future<Output = Select3<A::Output, B::Output, C::Output>> + OptionalSend
    where
        A: Future + OptionalSend,
        B: Future + OptionalSend,
        C: Future + OptionalSend,
    {
        Inner::select3(a, b, c)
    }

    async fn select4<A, B, C, D>(
        a: A,
        b: B,
        c: C,
        d: D,
    ) -> Select4<A::Output, B::Output, C::Output, D::Output>
    where
        A: Future + OptionalSend,
        B: Future + OptionalSend,
        C: Future + OptionalSend,
        D: Future + OptionalSend,
    {
        // openraft waits for news of entries and of the commit index in the last two. Where both are there, the entries
        // carry the index; taken the other way round it would go in a message of its own before them.
        let last_two = async {
            tokio::select! {
                biased;
                value = c => Select2::First(value),
                value = d => Select2::Second(value),
            }
        };
        match Inner::select2(Inner::select2(a, b), last_two).await {
            Select2::First(Select2::First(value)) => Select4::First(value),
            Select2::First(Select2::Second(value)) => Select4::Second(value),
            Select2::Second(Select2::First(value)) => Select4::Third(value),
            Select2::Second(Select2::Second(value)) => Select4::Fourth(value),
        }
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        Inner::is_panic(join_error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        Xoshiro256PlusPlus::seed_from_u64(draw_seed())
    }

    fn new(threads: usize) -> Self {
        Self(Inner::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }

    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Inner::spawn_blocking(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_what_is_drawn() {
        let draw = |seed| {
            std::thread::spawn(move || {
                seed_simulation(seed);
                (0..4).map(|_| Runtime::thread_rng().next_u64()).collect::<Vec<_>>()
            })
            .join()
            .expect("the thread only draws numbers")
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(draw_seed(), draw_seed());
    }
}
