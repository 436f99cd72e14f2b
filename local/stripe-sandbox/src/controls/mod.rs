//! `/_sandbox/…`: what only a sandbox has. JSON, no key needed.

mod account;
mod deliveries;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::app::App;
use crate::errors::ApiError;
use crate::state::Kind;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/_sandbox/state", get(account::state))
        .route("/_sandbox/advance", post(account::advance))
        .route("/_sandbox/faults", get(account::list_faults).post(account::add_faults).delete(account::clear_faults))
        .route("/_sandbox/requests", get(account::list_requests).delete(account::clear_requests))
        .route("/_sandbox/checkout/{session}/pay", post(account::pay))
        .route("/_sandbox/checkout/{session}/authenticate", post(account::authenticate))
        .route("/_sandbox/customers/{customer}/card", post(account::change_card))
        .route("/_sandbox/keys", post(account::roll_key))
        .route("/_sandbox/deliver", post(deliveries::deliver))
        .route("/_sandbox/deliveries", get(deliveries::list))
}

/// What a control answers when it cannot.
struct Refused(ApiError);

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, axum::Json(json!({ "error": self.0.detail() }))).into_response()
    }
}

type Answer = Result<axum::Json<Value>, Refused>;

/// A JSON body, an empty one being `{}`.
fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, ApiError> {
    let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| ApiError::refused(format!("Invalid JSON body: {error}")))
}

/// The world that has an object: live only when it is there and not in the test world.
fn world_of(app: &App, kind: Kind, id: &str) -> bool {
    let state = app.lock();
    state.test.find(kind, id).is_none() && state.live.find(kind, id).is_some()
}
