//! The two fronts: the HTTP API and the function URL, each with the limits and the own answers of the AWS service.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use shared::clock::Clock;

use super::event::{Arrival, Front, event_of, http_api_path};
use super::fronts::Invoke;
use super::invoke::InvokeError;
use super::reply::{gateway_message, response_of};
use super::routes::Routes;

/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const HTTP_API_BODY_LIMIT: usize = 10 * 1024 * 1024;
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const FUNCTION_URL_BODY_LIMIT: usize = 6 * 1024 * 1024;
/// What a function may answer, as JSON text.
const REPLY_LIMIT: usize = 6 * 1024 * 1024;

struct HttpApi {
    routes: Routes,
    functions: Arc<dyn Invoke>,
}

/// Answers every path the template has a route for, and the rest with API Gateway's own 404.
pub(crate) fn http_api(routes: Routes, functions: Arc<dyn Invoke>) -> Router {
    Router::new().fallback(answer_http_api).with_state(Arc::new(HttpApi { routes, functions }))
}

async fn answer_http_api(
    State(api): State<Arc<HttpApi>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Some(chosen) = api.routes.choose(parts.method.as_str(), &http_api_path(parts.uri.path())) else {
        return gateway_message(StatusCode::NOT_FOUND, "Not Found");
    };
    let Ok(body) = to_bytes(body, HTTP_API_BODY_LIMIT).await else {
        return gateway_message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let function = chosen.function.clone();
    match pass(api.functions.as_ref(), &function, Front::HttpApi(chosen), &parts, &body, peer).await {
        Ok(response) => response,
        Err(InvokeError::TimedOut) => gateway_message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        Err(InvokeError::Failed) => gateway_message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

struct FunctionUrl {
    function: String,
    functions: Arc<dyn Invoke>,
}

/// A function URL: every path is its one function's.
pub(crate) fn function_url(function: String, functions: Arc<dyn Invoke>) -> Router {
    Router::new().fallback(answer_function_url).with_state(Arc::new(FunctionUrl { function, functions }))
}

async fn answer_function_url(
    State(url): State<Arc<FunctionUrl>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, FUNCTION_URL_BODY_LIMIT).await else {
        return gateway_message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    match pass(url.functions.as_ref(), &url.function, Front::FunctionUrl, &parts, &body, peer).await {
        Ok(response) => response,
        Err(_) => (StatusCode::BAD_GATEWAY, Body::from("Internal Server Error")).into_response(),
    }
}

async fn pass(
    functions: &dyn Invoke,
    function: &str,
    front: Front,
    parts: &Parts,
    body: &Bytes,
    peer: SocketAddr,
) -> Result<Response, InvokeError> {
    let request_id = uuid::Uuid::new_v4().to_string();
    let source_ip = peer.ip().to_string();
    let arrival = Arrival { request_id: &request_id, source_ip: &source_ip, at: Clock::default().wall_now() };
    let event = event_of(&front, parts, body, &arrival);
    let reply = functions.invoke(function, &event, &request_id).await?;
    let response = (reply.len() <= REPLY_LIMIT).then(|| response_of(&reply)).flatten();
    response.ok_or_else(|| {
        tracing::error!(function, request_id, bytes = reply.len(), "The reply is none that AWS would send on");
        InvokeError::Failed
    })
}
