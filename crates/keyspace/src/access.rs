//! When a key was last used, or how often: what eviction goes by, and OBJECT IDLETIME and FREQ tell.
//!
//! Each entry has 32 bits for it, which are a part of the replicated state. They hold a time or a
//! frequency, as the eviction policy wants it; after a change of policy they are read as the other, as in
//! Redis, until keys have been used again.
//!
//! ```text
//! time      := seconds of agreed time since the Unix epoch, modulo 2^32
//! frequency := 0 (8 bits)  minutes of agreed time, modulo 2^16  counter (8 bits)
//! ```
//!
//! The counter is logarithmic: each use raises it with a chance that shrinks as it grows, and it sinks by
//! one for each period in which the key was not used. What stands for chance comes from the caller.

use crate::Millis;

/// How uses are noted from now on, and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessClock {
    /// By time, in seconds.
    Time(u32),
    /// By frequency.
    Frequency {
        /// The time.
        minutes: u16,
        /// The larger, the more uses it takes to raise a counter (`lfu-log-factor`).
        log_factor: u32,
        /// Minutes after which an unused counter sinks by one; 0: never (`lfu-decay-time`).
        decay_minutes: u32,
    },
}

/// The counter of a new key, so that it is not the first to go.
const COUNTER_NEW: u8 = 5;

impl AccessClock {
    /// Notes times.
    pub fn time(now: Millis) -> AccessClock {
        AccessClock::Time(seconds(now))
    }

    /// Notes frequencies.
    pub fn frequency(now: Millis, log_factor: u32, decay_minutes: u32) -> AccessClock {
        AccessClock::Frequency { minutes: (seconds(now) / 60) as u16, log_factor, decay_minutes }
    }

    /// What is noted for a new key.
    pub(crate) fn created(self) -> u32 {
        match self {
            AccessClock::Time(seconds) => seconds,
            AccessClock::Frequency { minutes, .. } => noted(minutes, COUNTER_NEW),
        }
    }

    /// What is noted for a key that is used once more; `chance` is any number that is as good as random.
    pub(crate) fn used(self, before: u32, chance: u64) -> u32 {
        match self {
            AccessClock::Time(seconds) => seconds,
            AccessClock::Frequency { minutes, log_factor, .. } => {
                let counter = self.counter(before);
                let above = u64::from(counter.saturating_sub(COUNTER_NEW));
                let raised = chance.is_multiple_of(above * u64::from(log_factor) + 1);
                noted(minutes, counter.saturating_add(u8::from(raised)))
            }
        }
    }

    /// What stands for a key that was not used for this long (RESTORE IDLETIME).
    pub fn idle_for(self, idle_seconds: u32) -> u32 {
        match self {
            AccessClock::Time(seconds) => seconds.wrapping_sub(idle_seconds),
            AccessClock::Frequency { .. } => self.created(),
        }
    }

    /// What stands for a key with this counter (RESTORE FREQ).
    pub fn with_counter(self, counter: u8) -> u32 {
        match self {
            AccessClock::Time(seconds) => seconds,
            AccessClock::Frequency { minutes, .. } => noted(minutes, counter),
        }
    }

    /// Seconds since a key was used (OBJECT IDLETIME).
    pub fn idle_seconds(self, accessed: u32) -> u32 {
        match self {
            // A clock that a snapshot has left behind is no reason for an idle time of a century.
            AccessClock::Time(seconds) => {
                let idle = seconds.wrapping_sub(accessed);
                if idle > u32::MAX / 2 { 0 } else { idle }
            }
            AccessClock::Frequency { .. } => 0,
        }
    }

    /// The counter of a key by now (OBJECT FREQ).
    pub fn counter(self, accessed: u32) -> u8 {
        let AccessClock::Frequency { minutes, decay_minutes, .. } = self else { return COUNTER_NEW };
        let elapsed = u32::from(minutes.wrapping_sub((accessed >> 8) as u16));
        let periods = elapsed.checked_div(decay_minutes).unwrap_or(0);
        (accessed as u8).saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX))
    }

    /// Whether it makes a difference to note another use of a key now.
    pub fn is_news(self, accessed: u32) -> bool {
        match self {
            AccessClock::Time(seconds) => accessed != seconds,
            AccessClock::Frequency { .. } => true,
        }
    }

    /// How willingly a key is given up: the larger, the sooner.
    pub fn staleness(self, accessed: u32) -> u32 {
        match self {
            AccessClock::Time(_) => self.idle_seconds(accessed),
            AccessClock::Frequency { .. } => u32::from(u8::MAX - self.counter(accessed)),
        }
    }
}

impl Default for AccessClock {
    fn default() -> AccessClock {
        AccessClock::Time(0)
    }
}

fn seconds(now: Millis) -> u32 {
    (now.0 / 1000) as u32
}

fn noted(minutes: u16, counter: u8) -> u32 {
    u32::from(minutes) << 8 | u32::from(counter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_the_time_since_the_last_use() {
        let then = AccessClock::time(Millis(50_000)).created();
        let now = AccessClock::time(Millis(62_999));
        assert_eq!(now.idle_seconds(then), 12);
        assert_eq!(now.idle_seconds(now.used(then, 1)), 0);
        assert_eq!(now.idle_seconds(now.idle_for(40)), 40);
        assert_eq!(AccessClock::time(Millis(40_000)).idle_seconds(then), 0, "a use in the future is one now");
    }

    #[test]
    fn a_counter_grows_with_the_logarithm_of_uses_and_sinks_with_time() {
        let clock = AccessClock::frequency(Millis(600_000), 10, 1);
        let mut accessed = clock.created();
        assert_eq!(clock.counter(accessed), 5);
        accessed = clock.used(accessed, 17);
        assert_eq!(clock.counter(accessed), 6, "the first use always counts");
        assert_eq!(clock.used(accessed, 12), accessed, "one in eleven");
        assert_eq!(clock.counter(clock.used(accessed, 22)), 7);
        let top = clock.with_counter(255);
        assert_eq!(clock.counter(clock.used(top, 0)), 255);
        let later = AccessClock::frequency(Millis(600_000 + 7 * 60_000), 10, 1);
        assert_eq!(later.counter(top), 248);
        assert_eq!(later.counter(accessed), 0);
        assert_eq!(AccessClock::frequency(Millis(6_000_000), 10, 0).counter(top), 255, "no decay");
    }
}
