//! On a schedule: finds and mends what no webhook brought, in both modes, by the webhook's own road.

use std::time::{Duration, Instant};

use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;
use shared::boot::Core;
use shared::clock::time_until;
use shared::config::Misconfigured;
use shared::domain::Mode;
use shared::metrics;
use shared::sync::reconcile::{self, Report};
use shared::tally::{Count, Tally};

/// Kept free at the end of a run for the last write and the log.
const RESERVE: Duration = Duration::from_secs(5);

/// Where nobody says how long a run may take.
const USUAL_TIME: Duration = Duration::from_secs(300);

/// What a run found in one mode; a mode without a usable secret is left out.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub struct Summary {
    pub mode: &'static str,
    #[serde(flatten)]
    pub report: Report,
}

/// A run that could not be finished: the schedule tries again, and the alarm on errors tells.
#[derive(Debug)]
pub struct Unfinished(String);

impl std::fmt::Display for Unfinished {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unfinished {}

/// Runs the Lambda runtime until the environment is shut down.
pub async fn serve(core: Result<Core, Misconfigured>) -> Result<(), lambda_runtime::Error> {
    let core = &core;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let summaries = Box::pin(run(core, Instant::now() + time_left(event.context.deadline))).await;
        summaries.map_err(|unfinished| lambda_runtime::Error::from(unfinished.to_string()))
    }))
    .await
}

/// One run over both modes until the deadline.
///
/// # Errors
/// When the environment is incomplete, or a mode could not be gone through; the other mode was all the same.
pub async fn run(core: &Result<Core, Misconfigured>, deadline: Instant) -> Result<Vec<Summary>, Unfinished> {
    let core = core.as_ref().map_err(|error| {
        tracing::error!(variable = error.variable, "Service misconfigured: {error}");
        Unfinished(error.to_string())
    })?;
    let mut summaries = Vec::new();
    let mut problems = Vec::new();
    // The mode in use first: it must not wait for the other.
    let other = if core.config.mode.is_live() { Mode::Test } else { Mode::Live };
    for mode in [core.config.mode, other] {
        match run_mode(core, mode, deadline).await {
            Ok(Some((summary, problem))) => {
                summaries.push(summary);
                problems.extend(problem.map(|problem| format!("{mode}: {problem}")));
            }
            Ok(None) => {}
            Err(problem) => problems.push(format!("{mode}: {problem}")),
        }
    }
    if problems.is_empty() { Ok(summaries) } else { Err(Unfinished(problems.join("; "))) }
}

/// What was found, and what stood in the way of finding more.
async fn run_mode(core: &Core, mode: Mode, deadline: Instant) -> Result<Option<(Summary, Option<String>)>, String> {
    if let Err(error) = core.secrets.get(mode).await {
        // The mode that is not in use need not be set up yet.
        return if mode == core.config.mode { Err(error.to_string()) } else { Ok(None) };
    }
    let auditor = core.auditor(mode).map_err(|error| error.to_string())?;
    let tally = Tally::default();
    let (report, found) = Box::pin(tally.of(reconcile::run(&auditor, deadline))).await;
    let problems: Vec<String> = found.iter().map(ToString::to_string).collect();
    tracing::info!(
        target: metrics::RECONCILE,
        mode = mode.as_str(),
        events_seen = report.events_seen,
        events_healed = report.events_healed,
        events_failed = report.events_failed,
        webhook_lag_seconds = report.webhook_lag_seconds,
        drift_checked = report.drift_checked,
        drift_repaired = report.drift_repaired,
        drift_failed = report.drift_failed,
        endpoint_disabled = report.endpoint_disabled,
        is_complete = report.is_complete,
        dynamodb_calls = tally.get(Count::DynamodbCalls),
        stripe_calls = tally.get(Count::StripeCalls),
        trials_started = tally.get(Count::TrialsStarted),
        trials_converted = tally.get(Count::TrialsConverted),
        trials_lost = tally.get(Count::TrialsLost),
        payments_succeeded = tally.get(Count::PaymentsSucceeded),
        payments_failed = tally.get(Count::PaymentsFailed),
        subscriptions_ended = tally.get(Count::SubscriptionsEnded),
        "Reconcile finished"
    );
    let summary = Summary { mode: mode.as_str(), report };
    Ok(Some((summary, (!problems.is_empty()).then(|| problems.join(", ")))))
}

fn time_left(deadline_ms: u64) -> Duration {
    time_until(deadline_ms).unwrap_or(USUAL_TIME).saturating_sub(RESERVE)
}
