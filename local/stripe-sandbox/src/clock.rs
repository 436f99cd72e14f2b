//! The only place of this crate that reads time.
//!
//! There are two clocks. The wall clock signs deliveries and measures durations; the sandbox clock (wall clock plus an
//! offset that `advance` moves) dates everything Stripe would date. Nothing here decides what is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The clock of the sandbox: the wall clock moved forward by an offset that can be shared with other parts of a local stack.
#[derive(Clone, Debug, Default)]
pub struct SandboxClock {
    offset: Arc<AtomicI64>,
}

impl SandboxClock {
    /// Starts with the offset a saved state had, in seconds.
    pub(crate) fn with_offset(seconds: i64) -> Self {
        Self { offset: Arc::new(AtomicI64::new(seconds)) }
    }

    /// Seconds the sandbox (business) clock is ahead of the wall clock.
    pub fn offset_seconds(&self) -> i64 {
        self.offset.load(Ordering::SeqCst)
    }

    /// The shared cell behind [`offset_seconds`](Self::offset_seconds), for a business clock that must follow this one.
    pub fn offset_handle(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.offset)
    }

    /// Now, in Unix seconds of the sandbox.
    pub(crate) fn now(&self) -> i64 {
        wall_seconds() + self.offset_seconds()
    }

    /// Moves the clock forward so that it shows `at`; never back.
    pub(crate) fn move_to(&self, at: i64) {
        let missing = at - self.now();
        if missing > 0 {
            self.offset.fetch_add(missing, Ordering::SeqCst);
        }
    }
}

/// Unix seconds of the wall clock.
pub(crate) fn wall_seconds() -> i64 {
    wall_millis() / 1000
}

/// Unix milliseconds of the wall clock.
#[expect(clippy::disallowed_methods, reason = "this module is where the crate reads time")]
pub(crate) fn wall_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// An HTTP date (`Date` header) of Unix seconds.
pub(crate) fn http_date(at: i64) -> String {
    let seconds = u64::try_from(at).unwrap_or_default();
    httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}
