//! How many requests a second one process sends at the most.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::Mode;

/// Requests leave one after the other, never closer than the interval. A clone shares the queue.
///
/// Stripe takes 25 requests a second in test mode and 100 in live mode: <https://docs.stripe.com/rate-limits>. A fifth is
/// left to the functions, which share the account with whoever walks through it.
#[derive(Clone, Debug)]
pub struct Pace {
    interval: Duration,
    next_turn_at: Arc<Mutex<Option<Instant>>>,
}

impl Pace {
    pub fn of(mode: Mode) -> Pace {
        Pace::per_second(match mode {
            Mode::Test => 20,
            Mode::Live => 80,
        })
    }

    fn per_second(requests: u32) -> Pace {
        Pace { interval: Duration::from_secs(1) / requests, next_turn_at: Arc::default() }
    }

    /// Waits for this request's turn.
    pub(super) async fn turn(&self) {
        let now = Instant::now();
        let turn_at = {
            let mut next = self.next_turn_at.lock().unwrap_or_else(PoisonError::into_inner);
            let turn_at = next.map_or(now, |next| next.max(now));
            *next = Some(turn_at + self.interval);
            turn_at
        };
        tokio::time::sleep_until(turn_at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_are_an_interval_apart_and_the_first_is_at_once() {
        let pace = Pace::per_second(50);
        let began = Instant::now();
        let clone = pace.clone();
        tokio::join!(pace.turn(), clone.turn(), pace.turn());
        assert!(began.elapsed() >= Duration::from_millis(40), "{:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
        let again = Instant::now();
        pace.turn().await;
        assert!(again.elapsed() < Duration::from_millis(15), "time that passed unused is not saved up or owed");
    }
}
