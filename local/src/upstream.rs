//! A sample of the API behind the gate: what a merchant's own service would be.
//!
//! Beside the pages of the story it has routes that show how a request arrived and answers of every awkward kind.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::server::Server;

/// What the demo page offers to call.
pub(crate) const SAMPLE_PATHS: [&str; 2] = ["/api/banking/accounts/", "/api/auth/hello/"];

/// `METHOD /path?query` of every request that got through the gate, in order.
#[derive(Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<Vec<String>>>);

impl Arrivals {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, request: &Request) {
        let line = format!("{} {}", request.method(), request.uri());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

pub(crate) struct Upstream {
    pub url: String,
    pub arrivals: Arrivals,
    server: Server,
}

impl Upstream {
    pub async fn start() -> Result<Upstream> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen for the sample API")?;
        let url = format!("http://{}", listener.local_addr()?);
        let arrivals = Arrivals::default();
        Ok(Upstream { url, server: Server::start(listener, router(arrivals.clone())), arrivals })
    }

    pub async fn stop(self) -> Result<()> {
        self.server.stop().await
    }
}

fn router(arrivals: Arrivals) -> Router {
    Router::new()
        .route("/api/banking/accounts/", get(accounts))
        .route("/api/banking/accounts", get(accounts))
        .route("/api/auth/{*rest}", any(hello))
        .route("/api/echo", any(echo))
        .route("/api/echo/{*rest}", any(echo))
        .route("/api/binary", get(binary))
        .route("/api/repeated", get(repeated))
        .route("/api/slow", get(slow))
        .route("/api/status/{code}", any(status))
        .layer(axum::middleware::from_fn_with_state(arrivals, note))
}

async fn note(State(arrivals): State<Arrivals>, request: Request, next: Next) -> Response {
    arrivals.note(&request);
    next.run(request).await
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The protected page of the story: whose accounts, and on which subscription.
async fn accounts(headers: HeaderMap) -> Json<Value> {
    Json(json!({
        "user_id": text(&headers, "x-user-id"),
        "subscription_status": text(&headers, "x-subscription-status"),
        "accounts": [
            { "bank": "Banco Exemplo", "number": "0001-4", "balance": "1234.56", "currency": "BRL" },
            { "bank": "Caixa Modelo", "number": "0815-0", "balance": "99.90", "currency": "BRL" },
        ],
    }))
}

/// Passes the gate without a token.
async fn hello(Path(rest): Path<String>) -> Json<Value> {
    Json(json!({ "hello": "anybody", "path": format!("/api/auth/{rest}") }))
}

/// The request as it arrived.
async fn echo(parts: Parts, body: Bytes) -> Json<Value> {
    let headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    Json(json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path(),
        "query": parts.uri.query(),
        "headers": headers,
        "body_base64": BASE64.encode(&body),
        "body_text": std::str::from_utf8(&body).ok(),
    }))
}

/// All 256 bytes in order.
async fn binary() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/octet-stream")], (0..=255).collect::<Vec<u8>>())
}

/// Headers that come twice, and one that must not travel.
async fn repeated() -> impl IntoResponse {
    AppendHeaders([
        ("set-cookie", "first=1; Path=/; Expires=Wed, 21 Oct 2037 07:28:00 GMT"),
        ("set-cookie", "second=2; Path=/"),
        ("x-repeated", "one"),
        ("x-repeated", "two"),
        ("keep-alive", "timeout=5"),
    ])
}

#[derive(Deserialize)]
struct Slowness {
    milliseconds: u64,
}

/// Answers after `?milliseconds=`.
async fn slow(Query(slowness): Query<Slowness>) -> Json<Value> {
    tokio::time::sleep(Duration::from_millis(slowness.milliseconds)).await;
    Json(json!({ "waited_ms": slowness.milliseconds }))
}

/// Answers with the status of its path.
async fn status(Path(code): Path<u16>) -> Response {
    match StatusCode::from_u16(code) {
        Ok(code) => (code, Json(json!({ "status": code.as_u16() }))).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_says_who_the_gate_said_was_calling() {
        let upstream = Upstream::start().await.unwrap();
        let client = reqwest::Client::new();
        let request = client.get(format!("{}/api/banking/accounts/", upstream.url));
        let reply = request.header("X-User-Id", "42").header("X-Subscription-Status", "trialing").send().await.unwrap();
        let body: Value = reply.json().await.unwrap();
        assert_eq!((&body["user_id"], &body["subscription_status"]), (&json!("42"), &json!("trialing")));
        assert_eq!(upstream.arrivals.all(), ["GET /api/banking/accounts/"]);
        upstream.stop().await.unwrap();
    }

    #[tokio::test]
    async fn the_echo_shows_bytes_and_repeated_headers() {
        let upstream = Upstream::start().await.unwrap();
        let request = reqwest::Client::new().put(format!("{}/api/echo/x%2Fy?a=1", upstream.url));
        let reply = request.header("X-A", "1").header("X-A", "2").body(vec![0_u8, 255]).send().await.unwrap();
        let body: Value = reply.json().await.unwrap();
        assert_eq!(
            (&body["method"], &body["path"], &body["query"]),
            (&json!("PUT"), &json!("/api/echo/x%2Fy"), &json!("a=1"))
        );
        assert_eq!((&body["body_base64"], &body["body_text"]), (&json!("AP8="), &Value::Null));
        let repeated = body["headers"].as_array().unwrap().iter().filter(|header| header[0] == "x-a").count();
        assert_eq!(repeated, 2);
        upstream.stop().await.unwrap();
    }
}
