//! What Lambda and lambda_http made of the caller's request, and how to get the caller's own path and query out of it.

use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use shared::gate::{BadPath, CheckedPath, Spelling};
use shared::http::{ApiError, Method, Request};

/// Those API Gateway knows; an upstream must not be asked to TRACE or to CONNECT.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

pub(crate) fn check_method(method: &Method) -> Result<(), ApiError> {
    if METHODS.contains(method) {
        return Ok(());
    }
    Err(ApiError::MethodNotAllowed { allow: METHODS.each_ref().map(Method::as_str).join(", ") })
}

pub(crate) fn path(request: &Request) -> Result<CheckedPath, BadPath> {
    CheckedPath::parse(request.raw_http_path(), spelling(request))
}

/// A route of an HTTP API has a key such as `ANY /api/{proxy+}`; a function URL's is `$default`.
fn spelling(request: &Request) -> Spelling {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context))
            if context.route_key.as_ref().is_some_and(|key| key.contains('/')) =>
        {
            Spelling::Decoded
        }
        _ => Spelling::AsSent,
    }
}

/// The query as the caller wrote it.
///
/// lambda_http glues path and query together and parses the result, so a path that came decoded and holds a `?` or a
/// `#` hides where its query begins. Without a query that is no matter; with one, the request cannot be passed on as it
/// was.
pub(crate) fn query(request: &Request) -> Result<Option<&str>, BadPath> {
    if !request.raw_http_path().contains(['?', '#']) {
        return Ok(request.uri().query());
    }
    match request.query_string_parameters_ref().is_none_or(|parameters| parameters.is_empty()) {
        true => Ok(None),
        false => Err(BadPath("Path must not hold ? or # beside a query")),
    }
}
