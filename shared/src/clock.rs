//! The one place where time is read.
//!
//! Two clocks: the wall clock judges signatures, tokens, caches and timeouts; the business clock judges days left,
//! trials and grace. In production they are one. The local stack moves the business clock with its Stripe sandbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

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
