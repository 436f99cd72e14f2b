//! What happens to every `/v1` request: key, route, faults, parameters, idempotency, the operation, the reply.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::API_VERSION;
use crate::api::given::Given;
use crate::api::routes::{self, Route};
use crate::api::{Call, expand};
use crate::app::App;
use crate::clock::wall_millis;
use crate::connection::Link;
use crate::errors::ApiError;
use crate::events::{is_before_basil, to_old_shape};
use crate::faults::{ApiFaultKind, ApiRule};
use crate::form::{self, Tree};
use crate::idempotency::Kept;
use crate::request_log::{LoggedRequest, without_secrets};
use crate::tx::{Cause, random_text};

const MAX_BODY: usize = 1024 * 1024;
/// How long a `timeout` fault keeps silent by default.
const SILENCE_MS: u64 = 30_000;

/// Everything about one request that its steps need.
struct ApiRequest {
    id: String,
    method: String,
    path: String,
    form: Tree,
    idempotency_key: Option<String>,
    version: String,
    livemode: Option<bool>,
    started_ms: i64,
    params: Value,
}

/// An answer before it becomes HTTP.
struct Answer {
    status: u16,
    body: String,
    is_replay: bool,
    original: Option<String>,
}

/// The handler of everything under `/v1`. The work goes on when the caller hangs up, as it does at Stripe.
pub(crate) async fn serve(
    State(app): State<Arc<App>>,
    ConnectInfo(link): ConnectInfo<Link>,
    request: Request,
) -> Response {
    let work = tokio::spawn(answer(app, link, request));
    work.await.unwrap_or_else(|_| {
        let mut response = Response::new(Body::from("the sandbox itself failed: see its log"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

async fn answer(app: Arc<App>, link: Link, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let mut request = read(&parts, &String::from_utf8_lossy(&body));
    let result = process(&app, &link, &parts.headers, &mut request).await;
    let answer = result.unwrap_or_else(|error| refusal(&app, &request, &error));
    // A caller that was cut off saw no status.
    log(&app, &request, if link.is_reset() { 0 } else { answer.status });
    reply(&request, answer)
}

fn read(parts: &Parts, body: &str) -> ApiRequest {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let query = parts.uri.query().unwrap_or_default();
    ApiRequest {
        id: format!("req_{}", random_text(14)),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        form: form::parse(&format!("{query}&{body}")),
        idempotency_key: header("idempotency-key"),
        version: header("stripe-version").unwrap_or_else(|| API_VERSION.to_owned()),
        livemode: None,
        started_ms: wall_millis(),
        params: json!({}),
    }
}

async fn process(app: &App, link: &Link, headers: &HeaderMap, request: &mut ApiRequest) -> Result<Answer, ApiError> {
    let livemode = authenticate(app, headers)?;
    request.livemode = Some(livemode);
    let (route, ids) = routes::find(&request.method, &request.path)
        .ok_or_else(|| ApiError::unrecognized_url(&request.method, &request.path))?;
    let fault = app.lock().faults.for_call(&request.method, &request.path);
    let kind = fault.as_ref().map(|fault| fault.kind);
    if kind == Some(ApiFaultKind::RateLimit) {
        return Err(ApiError::rate_limited());
    }
    if kind == Some(ApiFaultKind::NoPermission) {
        return Err(ApiError::no_permission());
    }
    if kind == Some(ApiFaultKind::ResetBefore) {
        link.reset();
        return Err(ApiError::server_error());
    }
    check_content_type(headers)?;
    check_version(&request.version)?;
    let params = app.schema.read(&format!("{} {}", route.method, route.path), &request.form)?;
    request.params = without_secrets(params.clone());
    let key = request.idempotency_key.clone().filter(|_| request.method == "POST");
    let name = key.as_deref().map(|key| format!("{livemode}:{key}"));
    if let (Some(name), Some(key)) = (&name, &key) {
        let fingerprint = format!("{} {} {params}", request.method, request.path);
        if let Some(kept) = app.lock().keys.claim(name, key, fingerprint, app.clock.now())? {
            return Ok(Answer {
                status: kept.status,
                body: kept.body,
                is_replay: true,
                original: Some(kept.request_id),
            });
        }
    }
    let result = execute(app, request, route, ids, params, fault.as_ref()).await;
    if let Some(name) = name {
        app.lock().keys.finish(&name, kept(app, request, &result));
        app.changed.notify_one();
    }
    if kind == Some(ApiFaultKind::ResetAfterCommit) || kind == Some(ApiFaultKind::Timeout) {
        link.reset();
    }
    result.map(|body| Answer { status: 200, body: pretty(&body), is_replay: false, original: None })
}

/// The operation itself, with the faults that strike around it.
async fn execute(
    app: &App,
    request: &ApiRequest,
    route: &Route,
    ids: Vec<String>,
    params: Value,
    fault: Option<&ApiRule>,
) -> Result<Value, ApiError> {
    match fault.map(|fault| (fault.kind, fault.delay_ms)) {
        Some((ApiFaultKind::Delay, delay)) => sleep(delay.unwrap_or(1_000)).await,
        Some((ApiFaultKind::Timeout, delay)) => {
            sleep(delay.unwrap_or(SILENCE_MS)).await;
            return Err(ApiError::rate_limited());
        }
        Some((ApiFaultKind::ServerError, _)) => return Err(ApiError::server_error()),
        _ => {}
    }
    let cause = Cause { request_id: Some(request.id.clone()), idempotency_key: request.idempotency_key.clone() };
    let given = Given(params);
    let expands = given.texts("expand");
    let path = request.path.trim_end_matches('/').to_owned();
    let result = app.change(request.livemode == Some(true), cause, |tx| {
        let mut body = (route.run)(&mut Call { tx, ids, given, path })?;
        expand::apply(tx, &mut body, &expands)?;
        Ok(body)
    });
    match fault.map(|fault| fault.kind) {
        Some(ApiFaultKind::ServerErrorAfterCommit) => Err(ApiError::server_error()),
        _ => result.map(|body| in_version(body, &request.version)),
    }
}

async fn sleep(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// `Bearer sk_…`, or Basic with the key as the user.
fn authenticate(app: &App, headers: &HeaderMap) -> Result<bool, ApiError> {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok()).ok_or_else(ApiError::no_key)?;
    let (scheme, rest) = header.split_once(' ').ok_or_else(ApiError::no_key)?;
    let key = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => rest.trim().to_owned(),
        "basic" => {
            let decoded = BASE64_STANDARD.decode(rest.trim()).map_err(|_| ApiError::no_key())?;
            String::from_utf8_lossy(&decoded).split(':').next().unwrap_or_default().to_owned()
        }
        _ => return Err(ApiError::no_key()),
    };
    if key.is_empty() {
        return Err(ApiError::no_key());
    }
    app.mode_of(&key).ok_or_else(|| ApiError::bad_key(&key))
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_json =
        headers.get("content-type").and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("json"));
    if is_json {
        let message = "Invalid request: parameters must be form-encoded (application/x-www-form-urlencoded), not JSON.";
        return Err(ApiError::refused(message));
    }
    Ok(())
}

/// `2026-09-30.endive`: a date, and since 2024 a name.
fn check_version(version: &str) -> Result<(), ApiError> {
    let (date, name) = version.split_once('.').unwrap_or((version, "name"));
    let is_date = date.len() == 10 && date.bytes().all(|letter| letter.is_ascii_digit() || letter == b'-');
    if is_date && !name.is_empty() {
        return Ok(());
    }
    Err(ApiError::refused(format!("Invalid Stripe API version: {version}.")))
}

/// What the idempotency key keeps: successes, declines and server errors; not what was refused before it began.
fn kept(app: &App, request: &ApiRequest, result: &Result<Value, ApiError>) -> Option<Kept> {
    let (status, body) = match result {
        Ok(body) => (200, pretty(body)),
        Err(error) if error.begun => (error.status, refusal(app, request, error).body),
        Err(_) => return None,
    };
    Some(Kept { status, body, request_id: request.id.clone() })
}

fn refusal(app: &App, request: &ApiRequest, error: &ApiError) -> Answer {
    let body = error.body(&request.id, request.livemode == Some(true), app.clock.now());
    Answer { status: error.status, body: pretty(&body), is_replay: false, original: None }
}

fn pretty(body: &Value) -> String {
    serde_json::to_string_pretty(body).unwrap_or_default()
}

/// Versions before basil see the old places.
fn in_version(mut body: Value, version: &str) -> Value {
    if is_before_basil(version) {
        to_old_shape(&mut body);
        if let Some(list) = body["data"].as_array_mut() {
            list.iter_mut().for_each(to_old_shape);
        }
    }
    body
}

fn log(app: &App, request: &ApiRequest, status: u16) {
    app.lock().log.add(LoggedRequest {
        number: 0,
        method: request.method.clone(),
        path: request.path.clone(),
        params: request.params.clone(),
        idempotency_key: request.idempotency_key.clone(),
        livemode: request.livemode,
        status,
        request_id: request.id.clone(),
        duration_ms: wall_millis() - request.started_ms,
    });
}

fn reply(request: &ApiRequest, answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("content-type", "application/json");
    set("cache-control", "no-cache, no-store");
    set("request-id", &request.id);
    set("stripe-version", &request.version);
    if let Some(key) = request.idempotency_key.as_deref().filter(|_| request.method == "POST") {
        set("idempotency-key", key);
        set("original-request", answer.original.as_deref().unwrap_or(&request.id));
    }
    if answer.is_replay {
        set("idempotent-replayed", "true");
    }
    match answer.status {
        429 => {
            set("stripe-rate-limited-reason", "global-rate");
            set("stripe-should-retry", "true");
        }
        409 => set("stripe-should-retry", "true"),
        _ => {}
    }
    response
}
