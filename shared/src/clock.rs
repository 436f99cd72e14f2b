//! The one place where time is read.
//!
//! Two clocks: the wall clock judges signatures, tokens, caches and timeouts; the business clock judges days left,
//! trials and grace. In production they are one. The local stack moves the business clock with its Stripe sandbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Seconds the business clock is ahead of the wall clock; 0 in production.
    business_offset_seconds: Arc<AtomicI64>,
}

impl Clock {
    /// A clock whose business time is moved by writing `offset_seconds`.
    pub fn with_business_offset(offset_seconds: Arc<AtomicI64>) -> Clock {
        Clock { business_offset_seconds: offset_seconds }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where time is read")]
    pub fn wall_now(&self) -> Timestamp {
        Timestamp::now()
    }

    pub fn business_now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.business_offset_seconds.load(Ordering::SeqCst));
        self.wall_now().checked_add(offset).unwrap_or(Timestamp::MAX)
    }
}

/// What is left until Lambda's deadline, in milliseconds since 1970; nothing where none is given. `cargo lambda watch`
/// gives one that lies in 1970.
pub fn time_until(deadline_ms: u64) -> Option<Duration> {
    /// Long before there was Lambda.
    const FIRST_MS: u64 = 1_000_000_000_000;
    let now_ms = u64::try_from(Clock::default().wall_now().as_millisecond()).unwrap_or(0);
    (deadline_ms >= FIRST_MS).then(|| Duration::from_millis(deadline_ms.saturating_sub(now_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_has_passed_leaves_nothing_and_one_of_1970_is_none() {
        let now_ms = u64::try_from(Clock::default().wall_now().as_millisecond()).unwrap();
        assert!(time_until(now_ms + 10_000).is_some_and(|left| left > Duration::from_secs(9)));
        assert_eq!(time_until(now_ms - 1), Some(Duration::ZERO));
        assert_eq!(time_until(0), None);
        assert_eq!(time_until(600_000), None);
    }
}
