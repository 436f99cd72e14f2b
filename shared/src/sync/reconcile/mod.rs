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

use std::time::Instant;

use serde::Serialize;

use super::SyncError;
use crate::books::Auditor;
use crate::stripe::StripeError;

/// What one run found and did in one mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Handled events in the walked stretch of Stripe's list.
    pub events_seen: u64,
    /// Events that no webhook had brought.
    pub events_healed: u64,
    /// Events that still fail.
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

/// Runs all of it for one mode until the deadline. What fails in one part keeps no other from its work: each problem is
/// logged and returned, and the run is then not complete.
pub async fn run(auditor: &Auditor, deadline: Instant) -> (Report, Vec<SyncError>) {
    let mut report = Report::default();
    let mut problems = Vec::new();
    let mut done = |part: &'static str, result: Result<bool, SyncError>| {
        result.unwrap_or_else(|error| {
            tracing::error!(part, mode = %auditor.books.mode(), %error, "A part of reconcile could not be finished");
            problems.push(error);
            false
        })
    };
    let is_looked_at = done("endpoint", endpoint::look(auditor, &mut report).await.map(|()| true));
    let is_tried = done("failed events", failed::try_again(auditor, deadline, &mut report).await);
    let is_walked = done("events", events::walk(auditor, deadline, &mut report).await);
    let is_compared = done("drift", drift::compare(auditor, deadline, &mut report).await);
    report.is_complete = is_looked_at && is_tried && is_walked && is_compared;
    (report, problems)
}

fn is_over(deadline: Instant) -> bool {
    Instant::now() >= deadline
}

fn stripe_failed(doing: &str) -> impl Fn(StripeError) -> SyncError {
    move |source| SyncError::Stripe { doing: doing.to_owned(), source }
}
