//! How a request reaches Stripe: over pooled connections, within a deadline, tried again when that is safe and useful.
//!
//! What is worth another try is decided in `retry`, what an answer means in `answer`, with which key in [`KeySource`].
//! async-stripe's own client has no timeout, reuses no connection and retries without jitter; its typed requests are
//! sent from here instead. Parameters and bodies are never logged.

mod answer;
mod key_source;
mod pace;
mod retry;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use sha2::{Digest, Sha256};
use stripe_client_core::{CustomizedStripeRequest, RequestBuilder, StripeClient, StripeClientErr, StripeMethod};
use tokio::time::Instant;
use tracing::{info, instrument};
use url::Url;

pub use answer::Reply;
pub use key_source::KeySource;
pub use pace::Pace;
pub use retry::Patience;

use self::answer::Failure;
use super::{API_VERSION, StripeError};
use crate::causes::causes;
use crate::clock::Clock;
use crate::https_client::{HttpsClient, HttpsError, read_body};
use crate::tally::{Count, count};

const OUR_NAME: &str = concat!("stripe-subscriptions/", env!("CARGO_PKG_VERSION"), " (Rust; AWS Lambda)");

/// A full page of a hundred expanded subscriptions is about 1 MB.
const REPLY_MAX_BYTES: usize = 8 * 1024 * 1024;

/// One Stripe account as its key sees it. A clone shares the connections.
#[derive(Clone)]
pub struct Transport {
    https: HttpsClient,
    /// Without a trailing slash.
    api_url: String,
    keys: KeySource,
    clock: Clock,
    patience: Patience,
    pace: Option<Pace>,
}

impl Transport {
    pub fn new(https: HttpsClient, api_url: &Url, keys: KeySource, clock: Clock) -> Transport {
        let api_url = api_url.as_str().trim_end_matches('/').to_owned();
        Transport { https, api_url, keys, clock, patience: Patience::default(), pace: None }
    }

    pub fn with_patience(self, patience: Patience) -> Transport {
        Transport { patience, ..self }
    }

    /// Every try waits for its turn.
    pub fn with_pace(self, pace: Pace) -> Transport {
        Transport { pace: Some(pace), ..self }
    }

    /// The answer to the request, after as many tries as [`Patience`] allows. All tries of a POST carry one idempotency
    /// key, the caller's or a random one, so that a try whose answer was lost cannot have its effect twice.
    ///
    /// # Errors
    /// What Stripe said, or [`StripeError::Unavailable`] when it said nothing in time.
    #[instrument(name = "stripe", skip_all, fields(method = ?request.method, path = request.path))]
    pub async fn send(&self, request: &RequestBuilder, idempotency_key: Option<&str>) -> Result<Reply, StripeError> {
        let request = self.signed(request, idempotency_key).await?;
        let deadline = Instant::now() + self.patience.in_all;
        let mut tries_made = 0;
        loop {
            if let Some(pace) = &self.pace {
                pace.turn().await;
            }
            let failure = match self.try_once(request.clone(), deadline).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            tries_made += 1;
            let time_left = deadline.saturating_duration_since(Instant::now());
            let Some(pause) = self.patience.pause_before_next_try(&failure, tries_made, time_left) else {
                return Err(failure.error);
            };
            let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            info!(error = %failure.error, tries_made, pause_ms, "Stripe call failed, trying again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_once(&self, request: Request<Full<Bytes>>, deadline: Instant) -> Result<Reply, Failure> {
        count(Count::StripeCalls);
        let began = Instant::now();
        let deadline = deadline.min(began + self.patience.per_try);
        let time_left = || deadline.saturating_duration_since(Instant::now());
        let exchange = async {
            let (head, body) = self.https.send(request, time_left()).await?.into_parts();
            Ok::<_, HttpsError>((head, read_body(body, REPLY_MAX_BYTES, time_left()).await?))
        };
        match exchange.await {
            Ok((head, body)) => answer::read(&head, body, began.elapsed(), &self.clock),
            Err(error) => {
                let may_help_again = !matches!(error, HttpsError::TooLarge);
                let error = StripeError::Unavailable { detail: causes(&error) };
                Err(Failure { error, may_help_again, retry_after: None })
            }
        }
    }

    async fn signed(
        &self,
        request: &RequestBuilder,
        idempotency_key: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, StripeError> {
        let unsendable = |_| StripeError::Unreadable { detail: "the request cannot be written as HTTP".to_owned() };
        let query = request.query.as_deref().filter(|query| !query.is_empty());
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let uri = format!("{}/v1{}{query}", self.api_url, request.path);
        let uri = Uri::try_from(uri).map_err(|error| unsendable(error.into()))?;
        let signed = Request::builder()
            .uri(uri)
            .header(AUTHORIZATION, self.keys.authorization().await?)
            .header(USER_AGENT, HeaderValue::from_static(OUR_NAME))
            .header("Stripe-Version", HeaderValue::from_static(API_VERSION));
        let body = request.body.as_deref().map(in_one_order).unwrap_or_default();
        let mut signed = match request.method {
            StripeMethod::Get => signed.method(Method::GET),
            StripeMethod::Delete => signed.method(Method::DELETE),
            StripeMethod::Post => {
                let key = idempotency_key.map_or_else(|| uuid::Uuid::new_v4().to_string(), as_idempotency_key);
                signed.method(Method::POST).header("Idempotency-Key", key)
            }
        };
        if !body.is_empty() {
            signed = signed.header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        signed.body(Full::from(body)).map_err(unsendable)
    }
}

/// Stripe takes up to 255 characters. A key longer than that, or of letters a header cannot hold (user ids may have
/// both), is sent as its hash: as good a key, for only equality counts.
fn as_idempotency_key(text: &str) -> String {
    if text.len() <= 255 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    hex::encode(Sha256::digest(text))
}

/// Metadata is kept in hash maps: sorted, the same parameters are the same bytes on every try and in every process.
fn in_one_order(form: &str) -> String {
    let mut pairs: Vec<&str> = form.split('&').collect();
    pairs.sort_unstable();
    pairs.join("&")
}

/// So that async-stripe's requests can also be sent with its own typed replies.
impl StripeClient for Transport {
    type Err = StripeError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, StripeError> {
        let (request, overrides) = request.into_pieces();
        let idempotency_key = overrides.request_strategy.and_then(|strategy| strategy.get_key());
        let reply = self.send(&request, idempotency_key.as_ref().map(|key| key.as_str())).await?;
        Ok(reply.body)
    }
}

impl StripeClientErr for StripeError {
    /// async-stripe's text names no values: "error deserializing request data".
    fn deserialize_err(message: impl std::fmt::Display) -> StripeError {
        StripeError::Unreadable { detail: message.to_string() }
    }
}
