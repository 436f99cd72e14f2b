//! Stripe as a reader sees it: the objects a test says are true, as of the second a test says it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Answers `GET /v1/subscriptions/{id}`, `/v1/customers/{id}` and `/v1/payment_methods/{id}` until it is dropped.
pub struct Truth {
    url: String,
    known: Arc<Mutex<Known>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Known {
    objects: HashMap<String, Value>,
    /// The `Date` of every answer.
    second: i64,
    reads: usize,
}

impl Truth {
    pub async fn start() -> Result<Truth> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let known = Arc::<Mutex<Known>>::default();
        let router = Router::new().fallback(tell).with_state(Arc::clone(&known));
        let serving = tokio::spawn(async move {
            // It ends when it is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Truth { url, known, serving })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on the object is so. It is known by its `object` and `id`.
    pub fn is(&self, object: &Value) {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let path = format!("/v1/{}s/{}", text("object"), text("id"));
        self.known().objects.insert(path, object.clone());
    }

    pub fn set_second(&self, second: i64) {
        self.known().second = second;
    }

    /// How often anything was asked.
    pub fn reads(&self) -> usize {
        self.known().reads
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Truth {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn tell(State(known): State<Arc<Mutex<Known>>>, request: Request) -> Response {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    known.reads += 1;
    let second = u64::try_from(known.second).unwrap_or_default();
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    let (status, body) = match known.objects.get(request.uri().path()) {
        Some(object) => (StatusCode::OK, object.to_string()),
        None => {
            let error = json!({ "error": { "type": "invalid_request_error", "code": "resource_missing" } });
            (StatusCode::NOT_FOUND, error.to_string())
        }
    };
    (status, [(header::DATE, date.as_str()), (header::CONTENT_TYPE, "application/json")], body).into_response()
}
