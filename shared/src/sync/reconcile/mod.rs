//! Finding and mending what no webhook brought: a disabled endpoint, a lost event, a record that drifted.
//!
//! Everything goes by the webhook's own road, so two runs at once, or a run beside webhooks, end in the same records. A
//! run stops before its time is up and the next goes on from there.
//!
//! - [`failed`]: tries the failed events again.
//! - [`events`]: walks Stripe's event list from a stored cursor and applies what the event records lack.
//! - [`endpoint`]: looks at the registered endpoint.
//! - [`drift`]: once a day compares every subscription with Stripe.
//! - [`walk`]: going through one of Stripe's lists over several runs.

mod drift;
mod endpoint;
mod events;
mod failed;
mod walk;

use std::collections::BTreeSet;
use std::time::Instant;

use serde::Serialize;

use super::SyncError;
use crate::books::Auditor;
use crate::domain::{EventId, Mode};
use crate::stripe::StripeError;

/// What one run found and did in one mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Handled events in the walked stretch of Stripe's list.
    pub events_seen: u64,
    /// Events that no webhook had brought although an endpoint is registered for them.
    pub events_healed: u64,
    /// Events that failed, or failed again. One that can never succeed is counted by the delivery that showed it.
    pub events_failed: u64,
    /// Age of the oldest event that had not been brought; 0 when all had.
    pub webhook_lag_seconds: i64,
    pub drift_checked: u64,
    pub drift_repaired: u64,
    /// Subscriptions that drifted and could not be written.
    pub drift_failed: u64,
    /// Endpoints of ours that Stripe has disabled.
    pub endpoint_disabled: u64,
    /// Nothing was left for the next run.
    pub is_complete: bool,
}

/// One run, and what its parts have to tell each other.
struct Run<'a> {
    auditor: &'a Auditor,
    report: Report,
    /// What our endpoints are registered for; nothing while that is not known.
    registered: Option<BTreeSet<String>>,
    /// Failed events that this run has tried.
    tried: BTreeSet<EventId>,
}

/// Runs all of it for one mode until the deadline. What fails in one part, or takes too long, keeps no other from its
/// work: each problem is logged and returned, and the run is then not complete. A part may be cut off anywhere: every
/// write stands by itself, and the next run does again what was not noted as done.
pub async fn run(auditor: &Auditor, deadline: Instant) -> (Report, Vec<SyncError>) {
    let mut run = Run { auditor, report: Report::default(), registered: None, tried: BTreeSet::new() };
    let mut outcome = Outcomes { mode: auditor.books.mode(), problems: Vec::new() };
    // The failed ones have half of the time at most, so that the list is always walked.
    let until = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
    let is_looked_at = outcome.of("endpoint", within(until, endpoint::look(&mut run)).await);
    let is_tried = outcome.of("failed events", within(until, failed::try_again(&mut run)).await);
    let is_walked = outcome.of("events", within(deadline, events::walk(&mut run)).await);
    let is_compared = outcome.of("drift", within(deadline, drift::compare(&mut run)).await);
    run.report.is_complete = is_looked_at && is_tried && is_walked && is_compared;
    (run.report, outcome.problems)
}

/// Not done when the time is over.
async fn within(deadline: Instant, part: impl Future<Output = Result<(), SyncError>>) -> Result<bool, SyncError> {
    match tokio::time::timeout_at(deadline.into(), part).await {
        Ok(done) => done.map(|()| true),
        Err(_elapsed) => Ok(false),
    }
}

struct Outcomes {
    mode: Mode,
    problems: Vec<SyncError>,
}

impl Outcomes {
    fn of(&mut self, part: &str, outcome: Result<bool, SyncError>) -> bool {
        outcome.unwrap_or_else(|error| {
            tracing::error!(part, mode = %self.mode, %error, "A part of reconcile could not be finished");
            self.problems.push(error);
            false
        })
    }
}

fn stripe_failed(doing: &str) -> impl Fn(StripeError) -> SyncError {
    move |source| SyncError::Stripe { doing: doing.to_owned(), source }
}
