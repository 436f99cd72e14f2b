//! One Lambda function: everything around its handler, alike for all of them.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use lambda_http::http::header::ALLOW;
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt};
use tracing::Instrument;

use super::cors::Cors;
use super::wire::Verbatim;
use super::{ApiError, Method, Reply, Request};
use crate::boot::Core;
use crate::clock::time_until;
use crate::config::Misconfigured;
use crate::domain::Mode;
use crate::metrics;
use crate::tally::{Count, Tally};

type Outcome = Result<Reply, ApiError>;
type Handler = Box<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// Answers to any method: what the gate accepts.
const EVERY_METHOD: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// A handler with what it needs, its name and its methods.
pub struct Function {
    name: &'static str,
    methods: &'static [Method],
    cors: Option<Cors>,
    mode: Option<Mode>,
    handler: Result<Handler, Misconfigured>,
    has_been_called: AtomicBool,
    has_said_why: AtomicBool,
}

impl Function {
    /// No `methods` means any method. What `deps` finds missing does not stop the start: the function answers 503
    /// `MISCONFIGURED` and its log names the variable.
    pub fn new<D, F, Fut>(
        name: &'static str,
        methods: &'static [Method],
        core: &Result<Core, Misconfigured>,
        deps: impl FnOnce(&Core) -> Result<D, Misconfigured>,
        handle: F,
    ) -> Function
    where
        D: Send + Sync + 'static,
        F: Fn(Arc<D>, Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let config = core.as_ref().ok().map(|core| &core.config);
        let handler = core.as_ref().map_err(Clone::clone).and_then(deps).map(|deps| {
            let deps = Arc::new(deps);
            let handle = Arc::new(handle);
            let handler: Handler = Box::new(move |request| {
                let (deps, handle) = (Arc::clone(&deps), Arc::clone(&handle));
                // Inside the future, so that a panic of the call itself is caught with those of its future.
                Box::pin(async move { handle(deps, request).await })
            });
            handler
        });
        Function {
            name,
            methods,
            cors: Some(Cors::new(config.map_or(&[], |config| &config.allowed_origins))),
            mode: config.map(|config| config.mode),
            handler,
            has_been_called: AtomicBool::new(false),
            has_said_why: AtomicBool::new(false),
        }
    }

    /// For callers that are no browsers.
    pub fn without_cors(self) -> Function {
        Function { cors: None, ..self }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Answers one request and writes its one line in the log.
    pub async fn call(&self, request: Request) -> Reply {
        let started = Instant::now();
        let request_id = request_id(&request);
        let method = request.method().clone();
        let path = self.loggable_path(request.raw_http_path());
        let origin = Cors::origin(&request);
        let trace_id = trace_id(&request);
        let is_cold_start = !self.has_been_called.swap(true, Ordering::Relaxed);
        let tally = Tally::default();

        let span = tracing::info_span!("request", function = self.name, request_id, trace_id);
        let (mut reply, code) = match tally.of(self.answer(request)).instrument(span).await {
            Ok(reply) => (reply, None),
            Err(error) => {
                self.log_detail(&error, &request_id);
                let code = error.code();
                (error.into_reply(&request_id), Some(code))
            }
        };
        if let Some(cors) = &self.cors {
            cors.mark(origin.as_ref(), &mut reply);
        }
        if method == Method::HEAD {
            *reply.body_mut() = Body::Empty;
        }
        // What came from the API behind the gate goes back as it was.
        if code.is_some() || !self.methods.is_empty() {
            name_request(&mut reply, &request_id, trace_id.as_deref());
        }
        tracing::info!(
            target: metrics::REQUEST,
            function = self.name,
            method = method.as_str(),
            path,
            status = reply.status().as_u16(),
            code,
            duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            request_id,
            trace_id,
            mode = self.mode.map(Mode::as_str),
            cold_starts = u64::from(is_cold_start),
            dynamodb_calls = tally.get(Count::DynamodbCalls),
            stripe_calls = tally.get(Count::StripeCalls),
            conflicts_given_up = tally.get(Count::ConflictsGivenUp),
            server_errors = u64::from(reply.status().is_server_error()),
            misconfigured = u64::from(code == Some(ApiError::Misconfigured.code())),
            "Request answered"
        );
        reply
    }

    /// As [`Function::call`], ready for the runtime's JSON: what the runtime and its stand-ins call.
    pub async fn respond(&self, request: Request) -> Verbatim {
        Verbatim(self.call(request).await)
    }

    /// Runs the Lambda runtime until the environment is shut down.
    pub async fn serve(self) -> Result<(), lambda_http::Error> {
        let function = &self;
        lambda_http::run(lambda_http::service_fn(move |request| async move {
            Ok::<Verbatim, Infallible>(function.respond(request).await)
        }))
        .await
    }

    async fn answer(&self, request: Request) -> Outcome {
        if self.cors.is_some() && Cors::is_preflight(&request) {
            // What the product behind the gate wants to be sent is its own affair.
            let wanted = if self.methods.is_empty() { Cors::wanted_headers(&request) } else { None };
            return Ok(Cors::preflight_reply(&self.allow(), wanted));
        }
        if !self.accepts(request.method()) {
            if request.method() == Method::OPTIONS {
                return Ok(self.options_reply());
            }
            return Err(ApiError::MethodNotAllowed { allow: self.allow() });
        }
        let handler = self.handler.as_ref().map_err(|misconfigured| self.say_why(misconfigured))?;
        let time_left = time_left(&request);
        match tokio::time::timeout(time_left, catching_panics(handler(request))).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(ApiError::Unavailable {
                message: "The request took too long",
                detail: "the function's time was nearly up".to_owned(),
            }),
        }
    }

    /// HEAD is a GET whose body is dropped.
    fn accepts(&self, method: &Method) -> bool {
        self.methods.is_empty()
            || self.methods.contains(method)
            || (method == Method::HEAD && self.methods.contains(&Method::GET))
    }

    fn allow(&self) -> String {
        if self.methods.is_empty() {
            return EVERY_METHOD.to_owned();
        }
        let mut names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        if self.methods.contains(&Method::GET) {
            names.push("HEAD");
        }
        names.push("OPTIONS");
        names.join(", ")
    }

    fn options_reply(&self) -> Reply {
        let mut reply = Reply::new(Body::Empty);
        *reply.status_mut() = StatusCode::NO_CONTENT;
        if let Ok(allow) = HeaderValue::from_str(&self.allow()) {
            reply.headers_mut().insert(ALLOW, allow);
        }
        reply
    }

    fn say_why(&self, misconfigured: &Misconfigured) -> ApiError {
        if !self.has_said_why.swap(true, Ordering::Relaxed) {
            tracing::error!(
                function = self.name,
                variable = misconfigured.variable,
                "Service misconfigured: {misconfigured}"
            );
        }
        ApiError::Misconfigured
    }

    fn log_detail(&self, error: &ApiError, request_id: &str) {
        let (function, code) = (self.name, error.code());
        match (error, error.detail()) {
            (ApiError::Internal { .. }, Some(detail)) => {
                tracing::error!(function, code, request_id, detail, "Request failed");
            }
            (_, Some(detail)) => tracing::warn!(function, code, request_id, detail, "Request failed"),
            (_, None) => {}
        }
    }

    /// Our own paths whole; of those that pass the gate two segments, as far as they read like the name of a collection or a
    /// version: the rest is another product's, and may hold a password reset token or an e-mail address.
    fn loggable_path(&self, path: &str) -> String {
        const LONGEST: usize = 128;
        if !self.methods.is_empty() {
            return path.chars().take(LONGEST).collect();
        }
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let is_version = |segment: &str| {
            let number = segment.strip_prefix('v').unwrap_or_default();
            matches!(number.len(), 1..=3) && number.bytes().all(|byte| byte.is_ascii_digit())
        };
        let is_name = |segment: &&str| {
            let is_word = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_');
            is_version(segment) || (segment.len() <= 32 && segment.bytes().all(is_word))
        };
        let shown: Vec<&str> = segments.iter().copied().take(2).take_while(is_name).collect();
        let rest = match (shown.len() < segments.len(), shown.is_empty()) {
            (true, true) => "…",
            (true, false) => "/…",
            (false, _) => "",
        };
        let shown = shown.join("/");
        format!("/{shown}{rest}").chars().take(LONGEST).collect()
    }
}

/// Lambda's id, which its own REPORT line names too; else the gateway's; else a fresh one.
fn request_id(request: &Request) -> String {
    let of_lambda = request.lambda_context_ref().map(|context| context.request_id.clone());
    let of_gateway = || match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    of_lambda
        .filter(|id| !id.is_empty())
        .or_else(|| of_gateway().filter(|id| !id.is_empty()))
        .unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

/// X-Ray's id of the request, which API Gateway, Lambda and whoever is behind them share. A caller may have made it up.
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
fn trace_id(request: &Request) -> Option<String> {
    let of_lambda = request.lambda_context_ref().and_then(|context| context.xray_trace_id.as_deref());
    let of_header = || request.headers().get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
    let header = of_lambda.filter(|id| !id.is_empty()).or_else(of_header)?;
    let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root="))?;
    let is_id = root.len() <= 64 && root.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_id && !root.is_empty()).then(|| root.to_owned())
}

/// By these the log's lines of a request are found.
fn name_request(reply: &mut Reply, request_id: &str, trace_id: Option<&str>) {
    for (name, id) in [("x-request-id", Some(request_id)), ("x-trace-id", trace_id)] {
        if let Some(value) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
            reply.headers_mut().insert(name, value);
        }
    }
}

/// What Lambda leaves the handler, less the second that answering takes: an answer of ours, with a log line, instead of
/// being killed. Every wait within a handler is shorter; this is for their sum.
fn time_left(request: &Request) -> Duration {
    const RESERVE: Duration = Duration::from_secs(1);
    let given = request.lambda_context_ref().and_then(|context| time_until(context.deadline));
    given.map_or(Duration::MAX, |left| left.saturating_sub(RESERVE))
}

/// A panic is one request's misfortune, not the process's: the panic hook has logged where it was.
async fn catching_panics(mut future: Pin<Box<dyn Future<Output = Outcome> + Send>>) -> Outcome {
    std::future::poll_fn(move |context| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))).unwrap_or_else(|_payload| {
            Poll::Ready(Err(ApiError::Internal { detail: "the handler panicked".to_owned() }))
        })
    })
    .await
}

#[cfg(test)]
#[path = "function_tests.rs"]
mod tests;
