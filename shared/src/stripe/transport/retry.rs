//! Whether and when a failed call is tried again.

use std::time::Duration;

use super::answer::Failure;

/// The first pause is up to this, each further one up to twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A try with less time than this would only burden Stripe.
const SHORTEST_TRY: Duration = Duration::from_millis(300);

/// How long a caller waits for Stripe: shorter than the functions' own timeouts.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub per_try: Duration,
    pub in_all: Duration,
    pub tries: u32,
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            per_try: Duration::from_secs(5),
            in_all: Duration::from_secs(8),
            tries: 3,
            longest_pause: Duration::from_millis(500),
        }
    }
}

impl Patience {
    /// For operator commands: nobody waits behind a load balancer, and a walk through an account outlasts a short outage.
    pub const OPERATOR: Patience = Patience {
        per_try: Duration::from_secs(30),
        in_all: Duration::from_secs(90),
        tries: 10,
        longest_pause: Duration::from_secs(8),
    };

    /// Nothing when another try cannot help, is one too many or does not fit in the time left.
    ///
    /// Full jitter: callers that failed together do not come back together.
    pub(super) fn pause_before_next_try(
        &self,
        failure: &Failure,
        tries_made: u32,
        time_left: Duration,
    ) -> Option<Duration> {
        if !failure.may_help_again || tries_made >= self.tries {
            return None;
        }
        let longest = FIRST_PAUSE.saturating_mul(1 << tries_made.saturating_sub(1).min(8)).min(self.longest_pause);
        let jitter = longest.mul_f64(fastrand::f64());
        let pause = failure.retry_after.unwrap_or_default().max(jitter);
        (pause + SHORTEST_TRY.min(self.per_try) <= time_left).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stripe::StripeError;

    fn failure(retry_after: Option<u64>) -> Failure {
        let error = StripeError::RateLimited { request_id: None };
        Failure { error, may_help_again: true, retry_after: retry_after.map(Duration::from_secs) }
    }

    const LONG: Duration = Duration::from_secs(8);

    #[test]
    fn three_tries_are_all() {
        let patience = Patience::default();
        assert!(patience.pause_before_next_try(&failure(None), 1, LONG).is_some());
        assert!(patience.pause_before_next_try(&failure(None), 2, LONG).is_some());
        assert!(patience.pause_before_next_try(&failure(None), 3, LONG).is_none());
    }

    #[test]
    fn what_cannot_help_is_not_tried_again() {
        let hopeless = Failure { may_help_again: false, ..failure(None) };
        assert!(Patience::default().pause_before_next_try(&hopeless, 1, LONG).is_none());
    }

    #[test]
    fn pauses_are_random_within_their_bounds() {
        let pauses: Vec<Duration> =
            (0..50).filter_map(|_| Patience::default().pause_before_next_try(&failure(None), 1, LONG)).collect();
        assert!(pauses.iter().all(|pause| *pause <= FIRST_PAUSE));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }

    #[test]
    fn stripes_wish_is_granted_when_it_fits_and_ends_the_matter_when_not() {
        let patience = Patience::default();
        let pause = patience.pause_before_next_try(&failure(Some(2)), 1, LONG).unwrap();
        assert_eq!(pause, Duration::from_secs(2));
        assert!(patience.pause_before_next_try(&failure(Some(2)), 1, Duration::from_secs(2)).is_none());
        assert!(patience.pause_before_next_try(&failure(Some(u64::MAX / 2)), 1, LONG).is_none());
    }

    #[test]
    fn a_try_that_would_have_no_time_is_not_begun() {
        assert!(Patience::default().pause_before_next_try(&failure(None), 1, Duration::from_millis(299)).is_none());
    }
}
