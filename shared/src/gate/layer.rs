//! The gate as a tower layer, for functions written in Rust: what stands behind it runs for admitted callers only.
//!
//! The inner service finds the [`Admission`](super::Admission) among the request's extensions, and the same headers a
//! product behind the proxy sees. A caller who is not admitted gets the proxy's reply. CORS is not the layer's: whoever
//! serves browsers puts a CORS layer around it, so that preflights, which carry no token, are answered before the gate.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use lambda_http::{Body, RequestExt};
use tower::{Layer, Service};

use super::{Gate, identity};
use crate::http::ApiError;

/// Puts the gate in front of a service. A clone shares the gate.
#[derive(Clone)]
pub struct GateLayer {
    gate: Arc<Gate>,
}

impl GateLayer {
    pub fn new(gate: Gate) -> GateLayer {
        GateLayer { gate: Arc::new(gate) }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { gate: Arc::clone(&self.gate), inner }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub struct Gated<S> {
    gate: Arc<Gate>,
    inner: S,
}

impl<S, RequestBody, ReplyBody> Service<Request<RequestBody>> for Gated<S>
where
    S: Service<Request<RequestBody>, Response = Response<ReplyBody>> + Clone + Send + 'static,
    S::Future: Send,
    RequestBody: Send + 'static,
    ReplyBody: From<String>,
{
    type Response = Response<ReplyBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let gate = Arc::clone(&self.gate);
        // The one that was polled ready is the one to call: a fresh clone need not be.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        Box::pin(async move {
            // Only the headers are lent to the gate: a body need not be one that threads can share.
            let headers = std::mem::take(request.headers_mut());
            let admitted = gate.admit(&headers).await;
            *request.headers_mut() = headers;
            match admitted {
                Ok(admission) => {
                    identity::mark(request.headers_mut(), Some(&admission));
                    request.extensions_mut().insert(admission);
                    inner.call(request).await
                }
                Err(error) => Ok(refusal(error, &request_id(&request))),
            }
        })
    }
}

/// Lambda's id for the invocation; a fresh one when the service runs elsewhere.
fn request_id<B>(request: &Request<B>) -> String {
    let of_lambda = request.extensions().lambda_context_ref().map(|context| context.request_id.clone());
    of_lambda.filter(|id| !id.is_empty()).unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

fn refusal<B: From<String>>(error: ApiError, request_id: &str) -> Response<B> {
    if let Some(detail) = error.detail() {
        tracing::warn!(code = error.code(), request_id, detail, "Request failed");
    }
    error.into_reply(request_id).map(|body| match body {
        Body::Text(text) => B::from(text),
        _ => B::from(String::new()),
    })
}
