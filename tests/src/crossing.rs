//! What stands between a function and the services it calls, and kills the function at a call of the test's choice.
//!
//! All services share one count, so that "the third call" means the third that left the function, whereto it may.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Whether the call that kills has its effect at the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    BeforeItsEffect,
    AfterItsEffect,
}

/// Passes every call on, until one is to kill its caller.
pub struct Crossing {
    shared: Arc<Shared>,
    client: reqwest::Client,
    serving: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    plan: Mutex<Plan>,
    killed: Notify,
}

#[derive(Default)]
struct Plan {
    calls: usize,
    kill: Option<(usize, Moment)>,
}

#[derive(Clone)]
struct Way {
    shared: Arc<Shared>,
    client: reqwest::Client,
    to: String,
}

impl Crossing {
    pub fn new() -> Result<Crossing> {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Crossing { shared: Arc::default(), client, serving: Vec::new() })
    }

    /// A URL that leads to the service at the other one.
    pub async fn lead_to(&mut self, url: &str) -> Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let from = format!("http://{}", listener.local_addr()?);
        let to = url.trim_end_matches('/').to_owned();
        let way = Way { shared: Arc::clone(&self.shared), client: self.client.clone(), to };
        let router = Router::new().fallback(cross).with_state(way);
        self.serving.push(tokio::spawn(async move {
            // It ends when it is aborted.
            let _ = axum::serve(listener, router).await;
        }));
        Ok(from)
    }

    /// Runs the work; if it makes so many calls (counted from 1), it is dropped at the last of them, as a function is
    /// whose environment is taken away. Nothing when that happened.
    pub async fn kill_at<T>(&self, call: usize, moment: Moment, work: impl Future<Output = T>) -> Option<T> {
        *self.shared.plan() = Plan { calls: 0, kill: Some((call, moment)) };
        let done = tokio::select! {
            biased;
            () = self.shared.killed.notified() => None,
            done = work => Some(done),
        };
        self.shared.plan().kill = None;
        done
    }
}

impl Drop for Crossing {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Option<Moment> {
        let mut plan = self.plan();
        plan.calls += 1;
        plan.kill.filter(|(number, _)| *number == plan.calls).map(|(_, moment)| moment)
    }
}

async fn cross(State(way): State<Way>, request: Request) -> Response {
    match way.shared.begin() {
        Some(Moment::BeforeItsEffect) => way.kill().await,
        Some(Moment::AfterItsEffect) => {
            // Whatever it answers is not heard.
            let _ = forward(&way.client, &way.to, request).await;
            way.kill().await
        }
        None => forward(&way.client, &way.to, request).await,
    }
}

impl Way {
    async fn kill(&self) -> Response {
        self.shared.killed.notify_one();
        pending().await
    }
}

/// Passes a request on, and its answer back; 502 when there is none.
pub(crate) async fn forward(client: &reqwest::Client, to: &str, request: Request) -> Response {
    try_forward(client, to, request).await.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}

async fn try_forward(client: &reqwest::Client, to: &str, request: Request) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.context("read the request")?;
    parts.headers.remove(header::HOST);
    parts.headers.remove(header::CONTENT_LENGTH);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let reply = client.request(parts.method, format!("{to}{path}")).headers(parts.headers).body(body).send().await?;
    let (status, mut headers) = (reply.status(), reply.headers().clone());
    headers.remove(header::TRANSFER_ENCODING);
    let body = reply.bytes().await?;
    Ok((status, headers, Body::from(body)).into_response())
}
