//! What a function does around its handler, whatever the handler is.

use insta::assert_snapshot;
use lambda_http::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN, VARY};
use serde_json::{Value, json};
use tracing::Level;

use super::*;
use crate::aws::AwsEndpoints;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::json;
use crate::telemetry::tests::Captured;

const APP: &str = "https://app.example.com";

async fn core() -> Result<Core, Misconfigured> {
    let config = Config::from_values(|name| (name == "FRONTEND_URL").then(|| APP.to_owned()))?;
    Ok(Core::assemble(config, Clock::default(), AwsEndpoints::default()).await)
}

fn no_core() -> Result<Core, Misconfigured> {
    Err(Misconfigured::new("STRIPE_LIVE_MODE", "must be true or false"))
}

/// Answers with the method, or in the way its path asks for.
async fn echo(_deps: Arc<()>, request: Request) -> Outcome {
    match request.uri().path() {
        "/panic" => panic!("with sk_live_secret"),
        "/denied" => Err(ApiError::Denied(crate::domain::Denial::CheckoutRequired)),
        "/down" => Err(ApiError::Unavailable { message: "Erro", detail: "read account 42: timed out".to_owned() }),
        _ => Ok(json(StatusCode::OK, &json!({"method": request.method().as_str()}))),
    }
}

fn function(methods: &'static [Method], core: &Result<Core, Misconfigured>) -> Function {
    Function::new("echo", methods, core, |_| Ok(()), echo)
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let builder = lambda_http::http::Request::builder().method(method).uri(path);
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    builder.body(Body::Empty).unwrap().with_raw_http_path(path.split('?').next().unwrap())
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(reply.body()).unwrap()
}

#[tokio::test]
async fn only_its_methods_are_answered_and_405_names_them() {
    let function = function(&[Method::POST], &core().await);
    assert_eq!(function.call(request("POST", "/", &[])).await.status(), StatusCode::OK);
    let reply = function.call(request("DELETE", "/", &[])).await;
    assert_eq!(reply.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.headers()[ALLOW], "POST, OPTIONS");
    assert_eq!(body(&reply)["code"], "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn head_is_a_get_without_its_body() {
    let function = function(&[Method::GET], &core().await);
    let reply = function.call(request("HEAD", "/", &[])).await;
    assert_eq!((reply.status(), reply.body().is_empty()), (StatusCode::OK, true));
}

#[tokio::test]
async fn no_methods_means_any_method() {
    let function = function(&[], &core().await);
    for method in ["GET", "PATCH", "PROPFIND", "OPTIONS"] {
        assert_eq!(body(&function.call(request(method, "/", &[])).await)["method"], method);
    }
}

#[tokio::test]
async fn a_preflight_is_answered_without_asking_the_handler() {
    let function = function(&[Method::POST], &core().await);
    let headers = [("Origin", APP), ("Access-Control-Request-Method", "POST")];
    let mut context = lambda_http::Context::default();
    context.request_id = "preflight-1".to_owned();
    let reply = function.call(request("OPTIONS", "/", &headers).with_lambda_context(context)).await;
    assert_eq!(reply.status(), StatusCode::NO_CONTENT);
    let mut shown: Vec<String> =
        reply.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    shown.sort();
    assert_snapshot!(shown.join("\n"), @r#"
    access-control-allow-headers: Accept, Authorization, Content-Type, X-CSRFToken, X-Requested-With
    access-control-allow-methods: POST, OPTIONS
    access-control-allow-origin: https://app.example.com
    access-control-max-age: 600
    vary: Origin
    x-request-id: preflight-1
    "#);

    let headers = [("Origin", "https://evil.com"), ("Access-Control-Request-Method", "POST")];
    let reply = function.call(request("OPTIONS", "/", &headers)).await;
    assert!(!reply.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn every_status_says_whether_a_page_may_read_it() {
    let function = function(&[Method::GET], &core().await);
    for (method, path, status) in
        [("GET", "/", 200), ("GET", "/denied", 402), ("PUT", "/", 405), ("GET", "/panic", 500), ("GET", "/down", 503)]
    {
        let reply = function.call(request(method, path, &[("Origin", APP)])).await;
        assert_eq!(reply.status().as_u16(), status);
        assert_eq!(reply.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], APP, "{status}");
        assert_eq!(reply.headers()[VARY], "Origin", "{status}");
    }
}

#[tokio::test]
async fn a_function_that_no_browser_calls_says_nothing_of_origins() {
    let function = function(&[Method::POST], &core().await).without_cors();
    let reply = function.call(request("POST", "/", &[(ORIGIN.as_str(), APP)])).await;
    assert!(!reply.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    assert!(!reply.headers().contains_key(VARY));
}

#[tokio::test]
async fn a_missing_variable_is_503_and_one_error_that_names_it() {
    let (log, _guard) = Captured::start(Level::INFO);
    let needs_upstream = |core: &Core| core.config.require_upstream_url().map(|_| ());
    for (core, variable) in [(no_core(), "STRIPE_LIVE_MODE"), (core().await, "UPSTREAM_URL")] {
        let function = Function::new("echo", &[Method::GET], &core, needs_upstream, echo);
        for _ in 0..2 {
            let reply = function.call(request("GET", "/", &[])).await;
            assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
            let body = body(&reply);
            assert_eq!((&body["error"], &body["code"]), (&json!("Service misconfigured"), &json!("MISCONFIGURED")));
        }
        let errors = log.lines().into_iter().filter(|line| line["level"] == "ERROR" && line["variable"] == variable);
        assert_eq!(errors.count(), 1, "{variable}");
    }
}

#[tokio::test]
async fn a_panic_is_one_500_and_the_next_request_is_answered() {
    let (log, _guard) = Captured::start(Level::INFO);
    let function = function(&[Method::GET], &core().await);
    let reply = function.call(request("GET", "/panic", &[])).await;
    assert_eq!(reply.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body(&reply)["error"], "Internal server error");
    assert_eq!(function.call(request("GET", "/", &[])).await.status(), StatusCode::OK);
    assert!(log.lines().iter().any(|line| line["level"] == "ERROR" && line["detail"] == "the handler panicked"));
    assert!(!log.text().contains("sk_live"));
}

#[tokio::test]
async fn the_cause_of_a_failure_is_in_the_log_and_its_id_in_the_reply() {
    let (log, _guard) = Captured::start(Level::INFO);
    let function = function(&[Method::GET], &core().await);
    let reply = function.call(request("GET", "/down", &[])).await;
    let body = body(&reply);
    assert_eq!(reply.headers()["retry-after"], "5");
    assert!(!body.to_string().contains("read account"));
    let lines = log.lines();
    let failure = lines.iter().find(|line| line["message"] == "Request failed").unwrap();
    assert_eq!(failure["detail"], "read account 42: timed out");
    assert_eq!(failure["request_id"], body["request_id"]);
}

#[tokio::test]
async fn each_request_is_one_line_without_token_query_or_body() {
    let (log, _guard) = Captured::start(Level::INFO);
    let function = function(&[Method::GET], &core().await);
    let mut context = lambda_http::Context::default();
    context.request_id = "lambda-1".to_owned();
    context.xray_trace_id =
        Some("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1".to_owned());
    let sent = request("GET", "/denied?email=ana@example.com", &[("Authorization", "Bearer secret-token")]);
    function.call(sent.with_lambda_context(context)).await;
    function.call(request("GET", "/", &[])).await;

    let lines = log.lines();
    assert_eq!(lines.len(), 2);
    let mut first = lines[0].clone();
    for volatile in ["timestamp", "duration_ms", "_aws"] {
        assert!(first.as_object_mut().unwrap().remove(volatile).is_some());
    }
    assert_snapshot!(first, @r#"{"code":"CHECKOUT_REQUIRED","cold_starts":1,"conflicts_given_up":0,"dynamodb_calls":0,"function":"echo","level":"INFO","message":"Request answered","method":"GET","misconfigured":0,"mode":"test","path":"/denied","request_id":"lambda-1","server_errors":0,"status":402,"stripe_calls":0,"target":"metrics::request","trace_id":"1-5759e988-bd862e3fe1be46a994272793"}"#);
    assert_eq!(lines[1]["cold_starts"], 0);
    assert_eq!(lines[1]["request_id"].as_str().unwrap().len(), 36, "a fresh one where Lambda gives none");
    for secret in ["secret-token", "ana@", "email"] {
        assert!(!log.text().contains(secret));
    }
}

#[tokio::test]
async fn a_reply_names_its_request() {
    let function = function(&[Method::GET], &core().await);
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0";
    let reply = function.call(request("GET", "/", &[("X-Amzn-Trace-Id", trace)])).await;
    assert_eq!(reply.headers()["x-trace-id"], "1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!(reply.headers()["x-request-id"].len(), 36);

    let forged = function.call(request("GET", "/", &[("X-Amzn-Trace-Id", "Root=ana@example.com")])).await;
    assert!(!forged.headers().contains_key("x-trace-id"));

    let gate = Function::new("gate", &[], &core().await, |_| Ok(()), echo);
    assert!(!gate.call(request("GET", "/", &[])).await.headers().contains_key("x-request-id"), "another's reply");
    assert!(gate.call(request("GET", "/denied", &[])).await.headers().contains_key("x-request-id"));
}

#[tokio::test]
async fn every_metric_of_a_request_is_a_number_in_its_line() {
    let (log, _guard) = Captured::start(Level::ERROR);
    function(&[Method::GET], &core().await).call(request("GET", "/down", &[])).await;
    let line = log.lines().into_iter().find(|line| line["message"] == "Request answered").unwrap();
    assert_eq!((&line["server_errors"], &line["misconfigured"]), (&json!(1), &json!(0)));
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_number(), "{name}");
        }
    }
}

#[tokio::test]
async fn of_another_products_paths_two_segments_are_logged() {
    let gate = function(&[], &core().await);
    for (path, logged) in [
        ("/api/auth/reset/a-reset-token/", "/api/auth/…"),
        ("/api/users/ana@example.com", "/api/users/…"),
        ("/api/reports", "/api/reports"),
        ("/api/ana@example.com", "/api/…"),
        ("/api/MjAyNC0xMi0wMQ", "/api/…"),
        ("/ana@example.com", "/…"),
        ("/api/v1/ana@example.com", "/api/v1/…"),
        ("/", "/"),
    ] {
        assert_eq!(gate.loggable_path(path), logged);
    }
    assert_eq!(function(&[Method::GET], &core().await).loggable_path(&"/a".repeat(200)).len(), 128);
}

#[tokio::test]
async fn an_event_of_api_gateway_is_a_request() {
    let event = json!({
        "version": "2.0", "routeKey": "GET /health", "rawPath": "/health", "rawQueryString": "", "headers": {},
        "requestContext": {
            "accountId": "1", "apiId": "a", "stage": "$default", "requestId": "gateway-1", "routeKey": "GET /health",
            "http": {"method": "GET", "path": "/health", "protocol": "HTTP/1.1", "sourceIp": "1.2.3.4", "userAgent": "u"},
            "timeEpoch": 0,
        },
        "isBase64Encoded": false,
    });
    let (log, _guard) = Captured::start(Level::INFO);
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    function(&[Method::GET], &core().await).call(request).await;
    assert_eq!(log.lines()[0]["request_id"], "gateway-1");
    assert_eq!(log.lines()[0]["path"], "/health");
}
