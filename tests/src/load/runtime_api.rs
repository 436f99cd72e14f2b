//! Lambda's Runtime API on loopback, for as many environments of one function as ask it.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use shared::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// What a function is told it has for a request.
const TIME_FOR_A_REQUEST: Duration = Duration::from_secs(29);

type Answer = Result<Bytes, String>;

struct Invocation {
    event: Bytes,
    answer: oneshot::Sender<Answer>,
}

struct Shared {
    /// Whoever asked first for work gets the next request.
    waiting: Mutex<mpsc::UnboundedReceiver<Invocation>>,
    open: Lock<HashMap<String, oneshot::Sender<Answer>>>,
    first_asked_at: watch::Sender<Option<Instant>>,
    init_error: Lock<Option<String>>,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Answer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, id: &str, answer: Answer) -> StatusCode {
        match self.open().remove(id) {
            // Whoever called may have given up.
            Some(caller) => {
                let _ = caller.send(answer);
                StatusCode::ACCEPTED
            }
            None => StatusCode::NOT_FOUND,
        }
    }
}

/// A running Runtime API. Dropping it stops it.
pub struct RuntimeApi {
    address: String,
    queue: mpsc::UnboundedSender<Invocation>,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<RuntimeApi> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen for the Runtime API")?;
        let address = listener.local_addr()?.to_string();
        let (queue, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            waiting: Mutex::new(waiting),
            open: Lock::default(),
            first_asked_at: watch::Sender::new(None),
            init_error: Lock::default(),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .route("/2018-06-01/runtime/init/error", post(failed_to_start))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(RuntimeApi { address, queue, shared, server })
    }

    /// For `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// When a function first asked for work.
    ///
    /// # Errors
    /// When none does within ten seconds, or one says that it cannot start.
    pub async fn first_asked_at(&self) -> Result<Instant> {
        let mut asked = self.shared.first_asked_at.subscribe();
        let asked = tokio::time::timeout(Duration::from_secs(10), asked.wait_for(Option::is_some)).await;
        let error = self.shared.init_error.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(error) = error {
            bail!("the function could not start: {error}");
        }
        let asked = asked.context("no function asks for work")?.context("the Runtime API is gone")?;
        asked.context("a function asked at some time")
    }

    /// Lets one of the environments answer the event.
    ///
    /// # Errors
    /// When it answers with an error or not at all.
    pub async fn invoke(&self, event: Bytes) -> Result<Bytes> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Invocation { event, answer }).ok().context("the Runtime API is gone")?;
        let answer = tokio::time::timeout(TIME_FOR_A_REQUEST, answered).await.context("no answer in time")?;
        match answer.context("the function is gone")? {
            Ok(reply) => Ok(reply),
            Err(error) => bail!("the function failed: {error}"),
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.first_asked_at.send_if_modified(|first| {
        let is_first = first.is_none();
        first.get_or_insert_with(Instant::now);
        is_first
    });
    let Some(invocation) = shared.waiting.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let id = uuid::Uuid::new_v4().to_string();
    shared.open().insert(id.clone(), invocation.answer);
    let deadline = Clock::default().wall_now().as_millisecond() + 29_000;
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:load".to_owned()),
    ];
    (headers, invocation.event).into_response()
}

async fn answered(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    shared.answer(&id, Ok(body))
}

async fn failed(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    shared.answer(&id, Err(String::from_utf8_lossy(&body).into_owned()))
}

async fn failed_to_start(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let error = String::from_utf8_lossy(&body).into_owned();
    *shared.init_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    StatusCode::ACCEPTED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_goes_to_whoever_asks_and_its_answer_back_to_the_caller() {
        let api = RuntimeApi::start().await.unwrap();
        let base = format!("http://{}/2018-06-01/runtime/invocation", api.address());
        let function = tokio::spawn(async move {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            for verdict in ["response", "error"] {
                let asked = client.get(format!("{base}/next")).send().await.unwrap();
                let id = asked.headers()["lambda-runtime-aws-request-id"].to_str().unwrap().to_owned();
                let event = asked.text().await.unwrap();
                client.post(format!("{base}/{id}/{verdict}")).body(format!("to {event}")).send().await.unwrap();
            }
        });
        assert_eq!(api.invoke(Bytes::from_static(b"one")).await.unwrap(), "to one");
        let error = api.invoke(Bytes::from_static(b"two")).await.unwrap_err();
        assert_eq!(error.to_string(), "the function failed: to two");
        assert!(api.first_asked_at().await.unwrap() <= Instant::now());
        function.await.unwrap();
    }
}
