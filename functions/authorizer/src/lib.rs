//! The gate as a REQUEST authorizer of a REST API: for APIs that are not written in Rust and not behind the proxy.
//!
//! An authorizer can allow, deny or fail; what the caller sees is the API's gateway responses' to say, and
//! `docs/examples/rest-api.yaml` says it in the gate's own words: a denial is 402 with the body whose parts travel in
//! the authorizer's context, `Unauthorized` is 401, a failure is 503. Never is a paying user denied because the records
//! cannot be read.

mod ask;
mod verdict;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use shared::boot::Core;
use shared::clock::time_until;
use shared::config::Misconfigured;
use shared::gate::{Admission, Gate, identity};
use shared::http::ApiError;
use shared::metrics;
use shared::tally::{Count, Tally};

pub use ask::Ask;
pub use verdict::{Failure, Verdict};

/// The name in logs and metrics.
const NAME: &str = "authorizer";

/// The decision with what it needs; without it each request fails, and the log has said why.
pub struct Authorizer {
    gate: Result<Gate, Misconfigured>,
    has_been_called: AtomicBool,
}

/// Runs the Lambda runtime until the environment is shut down.
///
/// # Errors
/// When the runtime itself fails.
pub async fn serve(core: &Result<Core, Misconfigured>) -> Result<(), lambda_runtime::Error> {
    let authorizer = Authorizer::new(core);
    let authorizer = &authorizer;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Ask>| async move {
        let (ask, context) = event.into_parts();
        authorizer.decide(&ask, &context.request_id, time_left(context.deadline)).await.map_err(Diagnostic::from)
    }))
    .await
}

impl Authorizer {
    /// The gate of the mode in use.
    pub fn new(core: &Result<Core, Misconfigured>) -> Authorizer {
        let gate = core.as_ref().map_err(Clone::clone).and_then(Gate::of);
        if let Err(error) = &gate {
            tracing::error!(function = NAME, variable = error.variable, "Service misconfigured: {error}");
        }
        Authorizer { gate, has_been_called: AtomicBool::new(false) }
    }

    /// Whether the request may pass, and the request's one line in the log.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`] without a good token, [`Failure::Unavailable`] when nobody can tell.
    pub async fn decide(&self, ask: &Ask, request_id: &str, time_left: Duration) -> Result<Verdict, Failure> {
        let began = Instant::now();
        let tally = Tally::default();
        let admitted = tally.of(Box::pin(self.admit(ask, time_left))).await;
        self.tell(admitted.as_ref().err(), request_id, began.elapsed(), &tally);
        Verdict::of(admitted, ask)
    }

    async fn admit(&self, ask: &Ask, time_left: Duration) -> Result<Admission, ApiError> {
        let gate = self.gate.as_ref().map_err(|_| ApiError::Misconfigured)?;
        let headers = ask.headers();
        // API Gateway overwrites the headers themselves; another spelling it would pass on, and some servers read it as one.
        if headers.keys().any(identity::is_other_spelling) {
            return Err(ApiError::TokenNotValid);
        }
        tokio::time::timeout(time_left, Box::pin(gate.admit(&headers))).await.unwrap_or_else(|_elapsed| {
            Err(ApiError::Unavailable {
                message: "Access cannot be checked now",
                detail: "the function's time was nearly up".to_owned(),
            })
        })
    }

    fn tell(&self, error: Option<&ApiError>, request_id: &str, took: Duration, tally: &Tally) {
        if let Some(detail) = error.and_then(ApiError::detail) {
            tracing::warn!(function = NAME, request_id, detail, "Request failed");
        }
        tracing::info!(
            target: metrics::REQUEST,
            function = NAME,
            status = error.map_or(200, |error| error.status().as_u16()),
            code = error.map(ApiError::code),
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            request_id,
            cold_starts = u64::from(!self.has_been_called.swap(true, Ordering::Relaxed)),
            dynamodb_calls = tally.get(Count::DynamodbCalls),
            stripe_calls = tally.get(Count::StripeCalls),
            conflicts_given_up = tally.get(Count::ConflictsGivenUp),
            server_errors = u64::from(error.is_some_and(|error| error.status().is_server_error())),
            misconfigured = u64::from(matches!(error, Some(ApiError::Misconfigured))),
            "Request answered"
        );
    }
}

/// A second is kept for the answer.
fn time_left(deadline_ms: u64) -> Duration {
    const RESERVE: Duration = Duration::from_secs(1);
    time_until(deadline_ms).map_or(Duration::MAX, |left| left.saturating_sub(RESERVE))
}
