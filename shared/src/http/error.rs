//! The only table from "what went wrong" to a status, a body and its headers.
//!
//! Details are for the log ([`ApiError::detail`]); a reply holds fixed sentences only.

use std::borrow::Cow;
use std::error::Error;

use lambda_http::http::header::{ALLOW, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use lambda_http::http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::{Reply, json};
use crate::causes::causes;
use crate::domain::Denial;
use crate::secrets::SecretsError;

/// Seconds after which a caller may try again what failed for our reasons.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// Either `error` or `detail` holds the sentence.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

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

    /// The `error`, or `detail`, of the body.
    pub fn sentence(&self) -> &str {
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
    pub fn redirect(&self) -> Option<&'static str> {
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
        let sentence = Some(self.sentence());
        // 401s of tokens are spelled as Django REST framework spells them.
        let (error, detail) = match self {
            ApiError::NotAuthenticated | ApiError::TokenNotValid => (None, sentence),
            _ => (sentence, None),
        };
        let request_id = self.status().is_server_error().then_some(request_id);
        let body = Body { error, detail, code: self.code(), redirect: self.redirect(), request_id };
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

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use lambda_http::http::header::{CACHE_CONTROL, CONTENT_TYPE};

    use super::*;

    fn shown(error: ApiError) -> String {
        let reply = error.into_reply("r-1");
        assert_eq!(reply.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(reply.headers()[CACHE_CONTROL], "no-store");
        let extra = [WWW_AUTHENTICATE, ALLOW, RETRY_AFTER]
            .into_iter()
            .find_map(|name| reply.headers().get(&name).map(|value| format!(" [{name}: {}]", value.to_str().unwrap())));
        let body = std::str::from_utf8(reply.body()).unwrap();
        format!("{}{} {body}", reply.status().as_u16(), extra.unwrap_or_default())
    }

    #[test]
    fn every_answer_but_the_good_ones() {
        let detail = || "users table: password=hunter2".to_owned();
        let all = [
            ApiError::NotAuthenticated,
            ApiError::TokenNotValid,
            ApiError::SignatureRefused { code: "SIGNATURE_STALE", message: "Signature is stale" },
            ApiError::Denied(Denial::CheckoutRequired),
            ApiError::Denied(Denial::TrialUsed),
            ApiError::Denied(Denial::SubscriptionRequired),
            ApiError::bad_request("PRICE_NOT_ALLOWED", "Price not allowed"),
            ApiError::AlreadySubscribed,
            ApiError::NotFound,
            ApiError::MethodNotAllowed { allow: "GET, HEAD, OPTIONS".to_owned() },
            ApiError::PayloadTooLarge,
            ApiError::Misconfigured,
            ApiError::Unavailable { message: "Erro ao buscar status da assinatura", detail: detail() },
            ApiError::BadGateway { message: "Erro ao verificar sessão", code: "STRIPE_ERROR", detail: detail() },
            ApiError::GatewayTimeout { detail: detail() },
            ApiError::Internal { detail: detail() },
        ];
        assert_snapshot!(all.map(shown).join("\n"), @r#"
        401 [www-authenticate: Bearer realm="api"] {"detail":"Authentication credentials were not provided.","code":"not_authenticated"}
        401 [www-authenticate: Bearer realm="api"] {"detail":"Given token not valid for any token type","code":"token_not_valid"}
        401 {"error":"Signature is stale","code":"SIGNATURE_STALE"}
        402 {"error":"Subscription required. Please complete checkout.","code":"CHECKOUT_REQUIRED","redirect":"/checkout"}
        402 {"error":"Trial already used. Please subscribe.","code":"TRIAL_USED","redirect":"/subscription/trial-used"}
        402 {"error":"Active subscription required","code":"SUBSCRIPTION_REQUIRED","redirect":"/subscription/expired"}
        400 {"error":"Price not allowed","code":"PRICE_NOT_ALLOWED"}
        409 {"error":"Subscription already active","code":"ALREADY_SUBSCRIBED","redirect":"/settings"}
        404 {"error":"Not found","code":"NOT_FOUND"}
        405 [allow: GET, HEAD, OPTIONS] {"error":"Method not allowed","code":"METHOD_NOT_ALLOWED"}
        413 {"error":"Payload too large","code":"PAYLOAD_TOO_LARGE"}
        503 {"error":"Service misconfigured","code":"MISCONFIGURED","request_id":"r-1"}
        503 [retry-after: 5] {"error":"Erro ao buscar status da assinatura","code":"UNAVAILABLE","request_id":"r-1"}
        502 {"error":"Erro ao verificar sessão","code":"STRIPE_ERROR","request_id":"r-1"}
        504 {"error":"The service behind did not answer in time","code":"GATEWAY_TIMEOUT","request_id":"r-1"}
        500 {"error":"Internal server error","code":"INTERNAL","request_id":"r-1"}
        "#);
    }
}
