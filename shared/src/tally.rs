//! What happens while one request is answered, counted where it happens and told in the request's one wide line.
//!
//! Counting outside a request (a test of a part, a spawned task) counts nothing.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted. The names are those of the log's fields and of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Requests to DynamoDB, without second tries.
    DynamodbCalls,
    /// Requests to Stripe, each try one.
    StripeCalls,
    /// Transactions that met others on the same records until no try was left.
    ConflictsGivenUp,
    TrialsStarted,
    /// Trials that became paid subscriptions.
    TrialsConverted,
    /// Trials whose subscription ended with them or before.
    TrialsLost,
    PaymentsSucceeded,
    PaymentsFailed,
    SubscriptionsEnded,
}

const COUNTS: usize = Count::SubscriptionsEnded as usize + 1;

/// The counts of one request. A clone counts on with the original.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<[AtomicU64; COUNTS]>);

tokio::task_local! {
    static CURRENT: Tally;
}

impl Tally {
    /// What `future` and all it awaits counts is added here.
    pub async fn of<F: Future>(&self, future: F) -> F::Output {
        CURRENT.scope(self.clone(), future).await
    }

    /// The tally of the request being answered; an empty one outside of any.
    pub fn current() -> Tally {
        CURRENT.try_with(Tally::clone).unwrap_or_default()
    }

    pub fn get(&self, count: Count) -> u64 {
        self.0[count as usize].load(Ordering::Relaxed)
    }
}

/// Counts one, for the request being answered.
pub fn count(count: Count) {
    // Outside of a request nobody asks.
    let _ = CURRENT.try_with(|tally| tally.0[count as usize].fetch_add(1, Ordering::Relaxed));
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask_twice() {
        count(Count::StripeCalls);
        tokio::task::yield_now().await;
        count(Count::StripeCalls);
    }

    #[tokio::test]
    async fn each_request_has_its_own_count() {
        let (one, other) = (Tally::default(), Tally::default());
        tokio::join!(one.of(ask_twice()), other.of(async { tokio::join!(ask_twice(), ask_twice()) }));
        assert_eq!((one.get(Count::StripeCalls), other.get(Count::StripeCalls)), (2, 4));
        assert_eq!(one.get(Count::DynamodbCalls), 0);
    }

    #[tokio::test]
    async fn what_happens_outside_of_a_request_is_not_counted() {
        ask_twice().await;
        assert_eq!(Tally::current().get(Count::StripeCalls), 0);
    }
}
