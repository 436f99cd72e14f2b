//! Stands between functions and DynamoDB and notes what each call is charged and which items it writes.
//!
//! The charge is what DynamoDB itself says when it is asked to (`ReturnConsumedCapacity`); the functions do not ask, so it
//! is asked here in their place.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Of an item of up to a kilobyte, in a transaction.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-capacity-handling>
const UNITS_OF_A_REFUSED_PART: f64 = 2.0;

const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// A running meter. Dropping it stops it.
pub struct Meter {
    pub url: String,
    read: Arc<Mutex<Charged>>,
    server: JoinHandle<()>,
}

/// What calls were charged and wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Charged {
    pub read_units: f64,
    pub write_units: f64,
    /// `pk` and `sk` of every item that was written, or whose absence or state a write made sure of.
    pub written: BTreeSet<(String, String)>,
}

struct Post {
    read: Arc<Mutex<Charged>>,
    behind: String,
    client: reqwest::Client,
}

impl Meter {
    /// # Errors
    /// When no port is free.
    pub async fn before(dynamodb_url: &str) -> Result<Meter> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen on a free port")?;
        let url = format!("http://{}", listener.local_addr()?);
        let read = Arc::new(Mutex::new(Charged::default()));
        let client = reqwest::Client::builder().no_proxy().build().context("build a client")?;
        let post = Post { read: Arc::clone(&read), behind: dynamodb_url.to_owned(), client };
        let router = Router::new().fallback(pass).with_state(Arc::new(post));
        let server = tokio::spawn(async move {
            // It ends only with its task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Meter { url, read, server })
    }

    /// What was charged since the last time.
    pub fn take(&self) -> Charged {
        std::mem::take(&mut *lock(&self.read))
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(read: &Mutex<Charged>) -> MutexGuard<'_, Charged> {
    read.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pass(State(post): State<Arc<Post>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    post.forward(&parts.headers, &body).await.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}

impl Post {
    async fn forward(&self, headers: &HeaderMap, body: &Bytes) -> Result<Response> {
        let mut asked: Value = serde_json::from_slice(body)?;
        asked["ReturnConsumedCapacity"] = json!("TOTAL");
        let mut request = self.client.post(&self.behind).body(asked.to_string());
        for (name, value) in headers.iter().filter(|(name, _)| ![header::HOST, header::CONTENT_LENGTH].contains(name)) {
            request = request.header(name, value);
        }
        let answer = request.send().await?;
        let (status, headers, text) = (answer.status(), answer.headers().clone(), answer.bytes().await?);
        self.note(&asked, &serde_json::from_slice(&text)?);
        let mut response = (status, text).into_response();
        for (name, value) in headers.iter().filter(|(name, _)| **name != header::TRANSFER_ENCODING) {
            response.headers_mut().insert(name, value.clone());
        }
        Ok(response)
    }

    fn note(&self, asked: &Value, answer: &Value) {
        let written = written(asked);
        let charged = &answer["ConsumedCapacity"];
        let each = charged.as_array().map_or(std::slice::from_ref(charged), Vec::as_slice);
        let mut units: f64 = each.iter().filter_map(|one| one["CapacityUnits"].as_f64()).sum();
        // DynamoDB charges a transaction whose conditions fail as one that lands; its stand-in says nothing of it.
        if answer.get("CancellationReasons").is_some() {
            units += f64::from(u32::try_from(written.len()).unwrap_or(u32::MAX)) * UNITS_OF_A_REFUSED_PART;
        }
        let mut read = lock(&self.read);
        if written.is_empty() {
            read.read_units += units;
        } else {
            read.write_units += units;
        }
        read.written.extend(written);
    }
}

/// The keys of what a request writes or, in a transaction, checks.
fn written(asked: &Value) -> Vec<(String, String)> {
    let of = |key: &Value| {
        let text = |name: &str| key[name]["S"].as_str().unwrap_or_default().to_owned();
        (text("pk"), text("sk"))
    };
    let parts = asked["TransactItems"].as_array().into_iter().flatten();
    let parts = parts.flat_map(|part| part.as_object().into_iter().flatten().map(|(_, part)| part));
    let mut keys: Vec<_> = parts.map(|part| of(part.get("Item").unwrap_or(&part["Key"]))).collect();
    let is_write = asked.get("Item").is_some() || asked.get("UpdateExpression").is_some();
    if is_write {
        keys.push(of(asked.get("Item").unwrap_or(&asked["Key"])));
    }
    keys
}
