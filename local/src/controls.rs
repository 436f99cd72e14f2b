//! `/_local/…` on the API's port: what the demo page, the operator commands and a curious person ask of the stack.
//!
//! These routes mint tokens, so they answer only requests that name this machine as their host: a page somewhere on
//! the web that has its own name point to 127.0.0.1 gets nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::domain::{Mode, UserId};

use crate::logs;
use crate::switch::Switch;
use crate::tokens;
use crate::upstream::SAMPLE_PATHS;

/// What the controls need to know of the running stack.
pub(crate) struct Controls {
    pub switch: Arc<Switch>,
    pub urls: Urls,
    /// The sandbox's address; nothing when Stripe's own test mode is used.
    pub sandbox: Option<String>,
    pub webhook_path: Box<dyn Fn() -> String + Send + Sync>,
    pub signing_key: Box<dyn Fn() -> Option<String> + Send + Sync>,
    pub client: reqwest::Client,
}

#[derive(Clone, serde::Serialize)]
pub(crate) struct Urls {
    pub api: String,
    pub function_url: String,
    pub dynamodb: String,
    pub secrets_manager: String,
    pub stripe: String,
}

type Shared = State<Arc<Controls>>;

pub(crate) fn router(controls: Arc<Controls>) -> Router {
    Router::new()
        .route("/_local/token", post(token))
        .route("/_local/state", get(state))
        .route("/_local/mode", post(flip))
        .route("/_local/logs", get(log_lines))
        .route("/_local/webhooks", get(webhooks))
        .route("/_local/card", post(change_card))
        .route("/_local/reconcile", post(run_reconcile))
        .route("/_local/sandbox/{*control}", get(sandbox).post(sandbox))
        .layer(axum::middleware::from_fn(only_this_machine))
        .with_state(controls)
}

#[derive(Deserialize)]
struct Flip {
    is_live: bool,
    /// The price of a checkout that names none.
    default_price: Option<String>,
}

/// What an update of the stack does in AWS: the functions serve the other mode.
async fn flip(State(controls): Shared, Json(wanted): Json<Flip>) -> Response {
    match controls.switch.flip(Mode::from_livemode(wanted.is_live), wanted.default_price).await {
        Ok(()) => Json(json!({ "mode": controls.switch.mode().as_str() })).into_response(),
        Err(error) => problem(StatusCode::BAD_REQUEST, &format!("{error:#}")),
    }
}

/// What the schedule does every quarter of an hour, now.
async fn run_reconcile(State(controls): Shared) -> Response {
    const LONGEST: Duration = Duration::from_secs(60);
    match reconcile::run(&controls.switch.core(), Instant::now() + LONGEST).await {
        Ok(summaries) => Json(summaries).into_response(),
        Err(unfinished) => problem(StatusCode::BAD_GATEWAY, &unfinished.to_string()),
    }
}

async fn only_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if ["127.0.0.1", "localhost", "[::1]"].contains(&name) {
        return next.run(request).await;
    }
    problem(StatusCode::FORBIDDEN, "Ask as 127.0.0.1 or localhost.")
}

fn problem(status: StatusCode, sentence: &str) -> Response {
    (status, Json(json!({ "error": sentence }))).into_response()
}

/// Any claims, of which `user_id` is the one a token needs.
async fn token(State(controls): Shared, body: Bytes) -> Response {
    let Ok(claims) = serde_json::from_slice::<Value>(&body) else {
        return problem(StatusCode::BAD_REQUEST, r#"The claims are a JSON object, such as {"user_id":"42"}."#);
    };
    let Some(signing_key) = (controls.signing_key)() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "The secret holds no JWT signing key.");
    };
    if claims.get("user_id").is_none() {
        return problem(StatusCode::BAD_REQUEST, "user_id is required.");
    }
    match tokens::mint(&signing_key, &claims, shared::clock::Clock::default().wall_now()) {
        Ok(token) => Json(json!({ "token": token })).into_response(),
        Err(error) => problem(StatusCode::BAD_REQUEST, &format!("{error:#}")),
    }
}

async fn state(State(controls): Shared) -> Json<Value> {
    let mut state = json!({
        "urls": controls.urls,
        "stripe": if controls.sandbox.is_some() { "sandbox" } else { "test-mode" },
        "upstream_paths": SAMPLE_PATHS,
        "webhook_path": (controls.webhook_path)(),
    });
    match controls.switch.core().as_ref() {
        Ok(core) => {
            state["table_name"] = json!(core.config.table_name);
            state["secret_id_test"] = json!(core.config.secret_id_test);
            state["secret_id_live"] = json!(core.config.secret_id_live);
            let business_now = core.clock.business_now();
            state["business_time"] = json!(business_now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            state["mode"] = json!(core.config.mode.as_str());
            state["price_id"] = json!(core.config.default_price.as_ref().map(|price| price.as_str()));
        }
        Err(misconfigured) => state["misconfigured"] = json!(misconfigured.to_string()),
    }
    Json(state)
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn log_lines(Query(query): Query<After>) -> Json<Value> {
    Json(json!({ "lines": logs::after(query.after) }))
}

async fn webhooks(State(controls): Shared) -> Response {
    pass_on(&controls, Method::GET, "deliveries", Bytes::new()).await
}

async fn sandbox(State(controls): Shared, method: Method, Path(control): Path<String>, body: Bytes) -> Response {
    pass_on(&controls, method, &control, body).await
}

#[derive(Deserialize)]
struct CardChange {
    user_id: String,
    /// A test card's number.
    card: String,
}

/// The sandbox knows customers, the page knows users: the records say which is whose.
async fn change_card(State(controls): Shared, Json(change): Json<CardChange>) -> Response {
    let Ok(user) = UserId::parse(change.user_id) else {
        return problem(StatusCode::BAD_REQUEST, "user_id is not a user id.");
    };
    let store = match controls.switch.core().as_ref() {
        Ok(core) => core.store(core.config.mode),
        Err(misconfigured) => Err(misconfigured.clone()),
    };
    let Ok(store) = store else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "The stack is misconfigured.");
    };
    let customer = match store.read_account(&user).await {
        Ok(account) => account.customer.and_then(|customer| customer.id),
        Err(error) => {
            tracing::warn!(%error, "The customer could not be read");
            return problem(StatusCode::SERVICE_UNAVAILABLE, "The records cannot be read now.");
        }
    };
    let Some(customer) = customer else {
        return problem(StatusCode::NOT_FOUND, "This user has no customer yet: begin a checkout first.");
    };
    let body = json!({ "card": change.card }).to_string().into();
    pass_on(&controls, Method::POST, &format!("customers/{customer}/card"), body).await
}

/// The sandbox's answer as it is. The page asks here, so that it needs no permission from another origin.
async fn pass_on(controls: &Controls, method: Method, control: &str, body: Bytes) -> Response {
    let Some(sandbox) = &controls.sandbox else {
        return problem(StatusCode::NOT_FOUND, "There is no sandbox: the stack uses Stripe's own test mode.");
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    let request = controls.client.request(method, format!("{sandbox}/_sandbox/{control}")).headers(headers).body(body);
    let reply = match request.send().await {
        Ok(reply) => reply,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "The sandbox could not be asked");
            return problem(StatusCode::BAD_GATEWAY, "The sandbox does not answer.");
        }
    };
    let status = reply.status();
    match reply.bytes().await {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => problem(StatusCode::BAD_GATEWAY, "The sandbox's answer broke off."),
    }
}
