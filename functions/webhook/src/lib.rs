//! POST /stripe/webhook/{uuid}/ on a function URL: Stripe's events, for both modes at all times.
//!
//! Nothing is written or called before the signature holds; 200 is answered only when everything the event causes is
//! durable. Anything else makes Stripe send it again.

mod endpoint;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lambda_http::RequestExt;
use serde_json::json;
use shared::books::Books;
use shared::boot::Core;
use shared::clock::Clock;
use shared::config::Misconfigured;
use shared::domain::Mode;
use shared::http::{self, ApiError, Function, Method, Reply, Request, StatusCode};
use shared::metrics;
use shared::secrets::SecretStore;
use shared::store::Outcome;
use shared::stripe::envelope::{self, Envelope};
use shared::sync::{self, SyncError};
use shared::tally::{Count, Tally};
use uuid::Uuid;

/// Stripe's own events are far smaller.
const LARGEST_BODY_BYTES: usize = 256 * 1024;

pub struct Deps {
    test: Books,
    live: Books,
    secrets: Arc<SecretStore>,
    clock: Clock,
    /// The mode of the path without a uuid, tried first.
    mode: Mode,
}

impl Deps {
    fn new(core: &Core) -> Result<Deps, Misconfigured> {
        Ok(Deps {
            test: core.books(Mode::Test)?,
            live: core.books(Mode::Live)?,
            secrets: Arc::clone(&core.secrets),
            clock: core.clock.clone(),
            mode: core.config.mode,
        })
    }

    fn books(&self, mode: Mode) -> &Books {
        match mode {
            Mode::Test => &self.test,
            Mode::Live => &self.live,
        }
    }
}

pub fn function(core: &Result<Core, Misconfigured>) -> Function {
    Function::new("webhook", &[Method::POST], core, Deps::new, handle).without_cors()
}

async fn handle(deps: Arc<Deps>, request: Request) -> Result<Reply, ApiError> {
    let body: &[u8] = request.body().as_ref();
    if body.len() > LARGEST_BODY_BYTES {
        return Err(ApiError::PayloadTooLarge);
    }
    let mode = endpoint::verified_mode(&deps, request.raw_http_path(), request.headers(), body).await?;
    let event = envelope::parse(body).map_err(|error| ApiError::bad_request("INVALID_EVENT", error.to_string()))?;
    let outcome = receive(deps.books(mode), &event).await?;
    Ok(http::json(StatusCode::OK, &json!({ "received": true, "outcome": outcome.as_str() })))
}

async fn receive(books: &Books, event: &Envelope) -> Result<Outcome, ApiError> {
    let began = Instant::now();
    let is_other_mode = Mode::from_livemode(event.livemode) != books.mode();
    if is_other_mode || event.account.is_some() {
        tracing::info!(event = %event.id, event_type = event.event_type, is_other_mode, "Ignored an event that is not ours");
        return Ok(Outcome::Ignored);
    }
    let delivery = Uuid::new_v4().to_string();
    let received = sync::receive(books, event, &delivery).await;
    tell(books, event, received.as_ref().ok().copied(), began.elapsed());
    match received {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            if let Err(note_error) = sync::event::note_failure(books, event, &delivery, &error).await {
                tracing::warn!(event = %event.id, error = %note_error, "The failure of an event could not be recorded");
            }
            Err(failed(event, &error))
        }
    }
}

/// The event's one wide line. Without an outcome Stripe is asked to come again.
fn tell(books: &Books, event: &Envelope, outcome: Option<Outcome>, took: Duration) {
    let tally = Tally::current();
    tracing::info!(
        target: metrics::WEBHOOK,
        event = %event.id,
        event_type = event.event_type,
        outcome = outcome.map_or("unavailable", Outcome::as_str),
        mode = books.mode().as_str(),
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        webhook_lag_seconds = books.clock().business_now().as_second() - event.created_at.as_second(),
        webhook_events = 1,
        events_failed = u64::from(outcome == Some(Outcome::Failed)),
        dynamodb_calls = tally.get(Count::DynamodbCalls),
        stripe_calls = tally.get(Count::StripeCalls),
        trials_started = tally.get(Count::TrialsStarted),
        trials_converted = tally.get(Count::TrialsConverted),
        trials_lost = tally.get(Count::TrialsLost),
        payments_succeeded = tally.get(Count::PaymentsSucceeded),
        payments_failed = tally.get(Count::PaymentsFailed),
        subscriptions_ended = tally.get(Count::SubscriptionsEnded),
        "Webhook event received"
    );
}

/// Stripe sends the event again after any of these.
fn failed(event: &Envelope, error: &SyncError) -> ApiError {
    const MESSAGE: &str = "Event could not be processed";
    let id = &event.id;
    match error {
        SyncError::Contended { .. } => {
            tracing::error!(event = %id, "Write conflict while processing webhook event {id}. Stripe will retry automatically.");
        }
        _ => tracing::error!(event = %id, "Error processing webhook event {id}: {error}"),
    }
    ApiError::unavailable(MESSAGE, error)
}
