//! The only table from "what went wrong" to a status, a body and its headers.
//!
//! Details are for the log ([`ApiError::detail`]); a reply holds fixed sentences only.

use std::borrow::Cow;
use std::error::Error;

use lambda_http::http::header::{ALLOW, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use lambda_http::http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::{Reply, json};
use crate::causes::causes;
use crate::domain::Denial;
use crate::secrets::SecretsError;

/// Seconds after which a caller may try again what failed for our reasons.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// Why a request gets no 200.
#[derive(Clone, Debug)]
pub enum ApiError {
    /// 401: no token.
    NotAuthenticated,
    /// 401: a token, but not a good one.
    TokenNotValid,
    /// 401 of the webhook: the signature is missing, wrong or stale.
    SignatureRefused { code: &'static str, message: &'static str },
    /// 402.
    Denied(Denial),
    /// 400.
    BadRequest { code: &'static str, message: Cow<'static, str> },
    /// 409.
    AlreadySubscribed,
    /// 404.
    NotFound,
    /// 405; `allow` is the header of that name.
    MethodNotAllowed { allow: String },
    /// 413.
    PayloadTooLarge,
    /// 503: the operator left something out. Whoever found out has logged it.
    Misconfigured,
    /// 503: something of ours cannot be reached now.
    Unavailable { message: &'static str, detail: String },
    /// 502: somebody else failed.
    BadGateway { message: &'static str, code: &'static str, detail: String },
    /// 504: somebody else was too slow.
    GatewayTimeout { detail: String },
    /// 500: our fault.
    Internal { detail: String },
}

impl ApiError {
    pub fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::BadRequest { code, message: message.into() }
    }

    /// 503 with the endpoint's own sentence; the error goes to the log.
    pub fn unavailable(message: &'static str, error: &(dyn Error + 'static)) -> ApiError {
        ApiError::Unavailable { message, detail: causes(error) }
    }

    /// 502 with the endpoint's own sentence; the error goes to the log.
    pub fn bad_gateway(message: &'static str, code: &'static str, error: &(dyn Error + 'static)) -> ApiError {
        ApiError::BadGateway { message, code, detail: causes(error) }
    }

    /// 500; the error goes to the log.
    pub fn internal(error: &(dyn Error + 'static)) -> ApiError {
        ApiError::Internal { detail: causes(error) }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            ApiError::BadRequest { .. } => StatusCode::BAD_REQUEST,
            ApiError::NotAuthenticated | ApiError::TokenNotValid | ApiError::SignatureRefused { .. } => {
                StatusCode::UNAUTHORIZED
            }
            ApiError::Denied(_) => StatusCode::PAYMENT_REQUIRED,
            ApiError::NotFound => StatusCode::NOT_FOUND,
            ApiError::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            ApiError::AlreadySubscribed => StatusCode::CONFLICT,
            ApiError::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            ApiError::BadGateway { .. } => StatusCode::BAD_GATEWAY,
            ApiError::Misconfigured | ApiError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::GatewayTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The `code` of the body.
    pub fn code(&self) -> &'static str {
        match self {
            ApiError::NotAuthenticated => "not_authenticated",
            ApiError::TokenNotValid => "token_not_valid",
            ApiError::Denied(Denial::CheckoutRequired) => "CHECKOUT_REQUIRED",
            ApiError::Denied(Denial::TrialUsed) => "TRIAL_USED",
            ApiError::Denied(Denial::SubscriptionRequired) => "SUBSCRIPTION_REQUIRED",
            ApiError::AlreadySubscribed => "ALREADY_SUBSCRIBED",
            ApiError::NotFound => "NOT_FOUND",
            ApiError::MethodNotAllowed { .. } => "METHOD_NOT_ALLOWED",
            ApiError::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            ApiError::Misconfigured => "MISCONFIGURED",
            ApiError::Unavailable { .. } => "UNAVAILABLE",
            ApiError::GatewayTimeout { .. } => "GATEWAY_TIMEOUT",
            ApiError::Internal { .. } => "INTERNAL",
            ApiError::SignatureRefused { code, .. }
            | ApiError::BadRequest { code, .. }
            | ApiError::BadGateway { code, .. } => code,
        }
    }

    /// What the log may say and the reply may not.
    pub fn detail(&self) -> Option<&str> {
        match self {
            ApiError::Unavailable { detail, .. }
            | ApiError::BadGateway { detail, .. }
            | ApiError::GatewayTimeout { detail }
            | ApiError::Internal { detail } => Some(detail),
            _ => None,
        }
    }

    fn sentence(&self) -> &str {
        match self {
            ApiError::NotAuthenticated => "Authentication credentials were not provided.",
            ApiError::TokenNotValid => "Given token not valid for any token type",
            ApiError::Denied(Denial::CheckoutRequired) => "Subscription required. Please complete checkout.",
            ApiError::Denied(Denial::TrialUsed) => "Trial already used. Please subscribe.",
            ApiError::Denied(Denial::SubscriptionRequired) => "Active subscription required",
            ApiError::AlreadySubscribed => "Subscription already active",
            ApiError::NotFound => "Not found",
            ApiError::MethodNotAllowed { .. } => "Method not allowed",
            ApiError::PayloadTooLarge => "Payload too large",
            ApiError::Misconfigured => "Service misconfigured",
            ApiError::GatewayTimeout { .. } => "The service behind did not answer in time",
            ApiError::Internal { .. } => "Internal server error",
            ApiError::BadRequest { message, .. } => message,
            ApiError::SignatureRefused { message, .. }
            | ApiError::Unavailable { message, .. }
            | ApiError::BadGateway { message, .. } => message,
        }
    }

    /// Where the front end should take the user.
    fn redirect(&self) -> Option<&'static str> {
        match self {
            ApiError::Denied(Denial::CheckoutRequired) => Some("/checkout"),
            ApiError::Denied(Denial::TrialUsed) => Some("/subscription/trial-used"),
            ApiError::Denied(Denial::SubscriptionRequired) => Some("/subscription/expired"),
            ApiError::AlreadySubscribed => Some("/settings"),
            _ => None,
        }
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            ApiError::NotAuthenticated | ApiError::TokenNotValid => {
                Some((WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="api""#)))
            }
            ApiError::MethodNotAllowed { allow } => HeaderValue::from_str(allow).ok().map(|allow| (ALLOW, allow)),
            ApiError::Unavailable { .. } => Some((RETRY_AFTER, RETRY_AFTER_SECONDS)),
            _ => None,
        }
    }

    /// The reply; those of our own failures name the request, so that its log line can be found.
    pub fn into_reply(self, request_id: &str) -> Reply {
        // 401s of tokens are spelled as Django REST framework spells them.
        let sentence_field = match self {
            ApiError::NotAuthenticated | ApiError::TokenNotValid => "detail",
            _ => "error",
        };
        let mut body = Map::new();
        body.insert(sentence_field.to_owned(), Value::from(self.sentence()));
        body.insert("code".to_owned(), Value::from(self.code()));
        if let Some(redirect) = self.redirect() {
            body.insert("redirect".to_owned(), Value::from(redirect));
        }
        if self.status().is_server_error() {
            body.insert("request_id".to_owned(), Value::from(request_id));
        }
        let mut reply = json(self.status(), &body);
        if let Some((name, value)) = self.header() {
            reply.headers_mut().insert(name, value);
        }
        reply
    }
}

/// A secret that is wrong has been logged by the store of secrets, once.
impl From<SecretsError> for ApiError {
    fn from(error: SecretsError) -> ApiError {
        match error {
            SecretsError::Invalid { .. } => ApiError::Misconfigured,
            SecretsError::Unavailable { .. } => ApiError::unavailable("Service temporarily unavailable", &error),
        }
    }
}
