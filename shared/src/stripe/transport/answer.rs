//! What an answer of Stripe means: a reply with its instant, or an error in our own words.

use std::time::Duration;

use bytes::Bytes;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode, response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::clock::Clock;
use crate::stripe::{Snapshot, StripeError};

/// A good answer, and between which instants of Stripe's clock it was true: see [`Snapshot`].
#[derive(Debug)]
pub struct Reply {
    pub body: Bytes,
    pub request_id: Option<String>,
    seen_from: Timestamp,
    seen_until: Timestamp,
}

impl Reply {
    pub fn snapshot<T>(&self, value: T) -> Snapshot<T> {
        Snapshot { value, seen_from: self.seen_from, seen_until: self.seen_until }
    }
}

/// A failed try.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: StripeError,
    pub may_help_again: bool,
    /// How long Stripe asks us to wait.
    pub retry_after: Option<Duration>,
}

/// `elapsed` is the time from before the request was sent until after the answer was read.
pub(super) fn read(head: &response::Parts, body: Bytes, elapsed: Duration, clock: &Clock) -> Result<Reply, Failure> {
    let request_id = text_header(&head.headers, "request-id").filter(|id| is_word(id)).map(str::to_owned);
    if !head.status.is_success() {
        return Err(failure(head, &body, request_id));
    }
    // Stripe always sends a Date. Should it be missing, our own clock is the next best: both are set by NTP.
    let seen_until = text_header(&head.headers, DATE.as_str())
        .and_then(|text| httpdate::parse_http_date(text).ok())
        .and_then(|date| Timestamp::try_from(date).ok())
        .unwrap_or_else(|| clock.business_now());
    let elapsed = SignedDuration::from_secs(whole_seconds_up(elapsed));
    let seen_from = seen_until.checked_sub(elapsed).unwrap_or(Timestamp::MIN);
    Ok(Reply { body, request_id, seen_from, seen_until })
}

/// Zero has no place in `seen_from`: a second is the unit of Stripe's clock.
fn whole_seconds_up(elapsed: Duration) -> i64 {
    i64::try_from(elapsed.as_secs() + u64::from(elapsed.subsec_nanos() > 0)).unwrap_or(i64::MAX).max(1)
}

fn failure(head: &response::Parts, body: &[u8], request_id: Option<String>) -> Failure {
    let status = head.status;
    // A 409 is a concurrent use of the idempotency key or a lock on the object: over in a moment.
    let stripe_says = text_header(&head.headers, "stripe-should-retry").and_then(|text| text.parse::<bool>().ok());
    let is_passing = matches!(status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS) || status.is_server_error();
    let retry_after = text_header(&head.headers, RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
    Failure {
        error: error(status, body, request_id),
        may_help_again: stripe_says.unwrap_or(is_passing),
        retry_after: retry_after.map(Duration::from_secs),
    }
}

/// The parts of Stripe's error that hold no personal data; its message may.
/// <https://docs.stripe.com/api/errors>
#[derive(Default, Deserialize)]
#[serde(default)]
struct WireError {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    param: Option<String>,
}

#[derive(Default, Deserialize)]
struct WireErrorBody {
    error: WireError,
}

fn error(status: StatusCode, body: &[u8], request_id: Option<String>) -> StripeError {
    let WireErrorBody { error: WireError { kind, code, param } } = serde_json::from_slice(body).unwrap_or_default();
    let (code, param) = (code.filter(|code| is_word(code)), param.filter(|param| is_word(param)));
    let http_status = status.as_u16();
    match (status, kind.as_deref(), code.as_deref()) {
        (_, _, Some("resource_missing")) => StripeError::NotFound { param, request_id },
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _, _) => {
            StripeError::Unauthorized { http_status, request_id }
        }
        (StatusCode::TOO_MANY_REQUESTS, _, _) => StripeError::RateLimited { request_id },
        (StatusCode::CONFLICT, _, _) => unavailable(http_status, code, request_id),
        (_, Some("idempotency_error"), _) => StripeError::IdempotencyMismatch { request_id },
        _ if status.is_server_error() => StripeError::Failed { http_status, request_id },
        _ => StripeError::Refused { http_status, code, param, request_id },
    }
}

fn unavailable(http_status: u16, code: Option<String>, request_id: Option<String>) -> StripeError {
    let (code, request_id) = (code.as_deref().unwrap_or("-"), request_id.as_deref().unwrap_or("-"));
    StripeError::Unavailable { detail: format!("it answered {http_status} {code} (request {request_id})") }
}

/// Codes, parameter names ("line_items[0][price]") and request ids; anything else is not repeated.
fn is_word(text: &str) -> bool {
    let is_word_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_-[].".contains(&byte);
    text.len() <= 128 && text.bytes().all(is_word_byte)
}

fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn head(status: u16, headers: &[(&'static str, &str)]) -> response::Parts {
        let mut builder = http::Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn failed(status: u16, headers: &[(&'static str, &str)], body: serde_json::Value) -> Failure {
        let body = Bytes::from(body.to_string());
        read(&head(status, headers), body, Duration::ZERO, &Clock::default()).unwrap_err()
    }

    #[test]
    fn the_date_less_the_time_it_took_is_when_the_answer_was_true() {
        let head = head(200, &[("date", "Thu, 09 Oct 2025 08:53:20 GMT"), ("request-id", "req_1")]);
        for (elapsed_ms, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (4200, 5)] {
            let reply = read(&head, Bytes::new(), Duration::from_millis(elapsed_ms), &Clock::default()).unwrap();
            let snapshot = reply.snapshot(());
            assert_eq!(snapshot.seen_until.as_second(), 1_760_000_000);
            assert_eq!(snapshot.seen_from.as_second(), 1_760_000_000 - seconds, "{elapsed_ms} ms");
            assert_eq!(reply.request_id.as_deref(), Some("req_1"));
        }
    }

    #[test]
    fn without_a_date_our_own_clock_stands_in() {
        let clock = Clock::default();
        let before = clock.business_now();
        for headers in [&[][..], &[("date", "yesterday")]] {
            let reply = read(&head(200, headers), Bytes::new(), Duration::ZERO, &clock).unwrap();
            assert!((before..=clock.business_now()).contains(&reply.seen_until));
        }
    }

    #[test]
    fn each_error_of_stripe_has_its_name_here() {
        let request_id = Some("req_1".to_owned());
        let of = |kind: &str, code: &str| json!({"error": {"type": kind, "code": code, "param": "customer"}});
        let param = Some("customer".to_owned());
        for (status, body, expected) in [
            (
                404,
                of("invalid_request_error", "resource_missing"),
                StripeError::NotFound { param: param.clone(), request_id: request_id.clone() },
            ),
            (
                400,
                of("invalid_request_error", "resource_missing"),
                StripeError::NotFound { param: param.clone(), request_id: request_id.clone() },
            ),
            (400, of("idempotency_error", ""), StripeError::IdempotencyMismatch { request_id: request_id.clone() }),
            (
                401,
                of("invalid_request_error", ""),
                StripeError::Unauthorized { http_status: 401, request_id: request_id.clone() },
            ),
            (403, json!({}), StripeError::Unauthorized { http_status: 403, request_id: request_id.clone() }),
            (
                429,
                of("invalid_request_error", "rate_limit"),
                StripeError::RateLimited { request_id: request_id.clone() },
            ),
            (
                409,
                of("idempotency_error", "idempotency_key_in_use"),
                StripeError::Unavailable { detail: "it answered 409 idempotency_key_in_use (request req_1)".into() },
            ),
            (500, json!("not an error body"), StripeError::Failed { http_status: 500, request_id: request_id.clone() }),
            (
                402,
                of("card_error", "card_declined"),
                StripeError::Refused {
                    http_status: 402,
                    code: Some("card_declined".into()),
                    param,
                    request_id: request_id.clone(),
                },
            ),
            // An unknown path is our mistake, not a missing object.
            (
                404,
                json!({"error": {"type": "invalid_request_error"}}),
                StripeError::Refused { http_status: 404, code: None, param: None, request_id: request_id.clone() },
            ),
            (
                302,
                json!({}),
                StripeError::Refused { http_status: 302, code: None, param: None, request_id: request_id.clone() },
            ),
        ] {
            assert_eq!(failed(status, &[("request-id", "req_1")], body.clone()).error, expected, "{status} {body}");
        }
    }

    #[test]
    fn stripe_decides_what_is_tried_again_and_else_the_status_does() {
        for (status, header, expected) in [
            (500, None, true),
            (503, None, true),
            (429, None, true),
            (409, None, true),
            (400, None, false),
            (404, None, false),
            (500, Some("false"), false),
            (429, Some("false"), false),
            (400, Some("true"), true),
            (500, Some("perhaps"), true),
        ] {
            let headers: Vec<_> = header.map(|value| ("stripe-should-retry", value)).into_iter().collect();
            assert_eq!(failed(status, &headers, json!({})).may_help_again, expected, "{status} {header:?}");
        }
    }

    #[test]
    fn a_wish_to_wait_is_read_in_seconds() {
        assert_eq!(failed(429, &[("retry-after", "2")], json!({})).retry_after, Some(Duration::from_secs(2)));
        assert_eq!(failed(429, &[("retry-after", "soon")], json!({})).retry_after, None);
    }

    #[test]
    fn no_text_of_stripe_that_may_be_personal_is_repeated() {
        let body = json!({"error": {"type": "canary@example.com", "code": "canary@example.com",
            "param": "canary example", "message": "No such customer: canary@example.com"}});
        let failure = failed(400, &[("request-id", "canary@example.com")], body);
        assert!(!format!("{failure:?} {}", failure.error).contains("canary"));
    }
}
