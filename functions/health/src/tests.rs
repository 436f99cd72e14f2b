use axum::Router;
use axum::routing::post;
use insta::assert_snapshot;
use lambda_http::Body;
use serde_json::{Value, json};
use shared::boot::AwsEndpoints;
use shared::clock::Clock;
use shared::config::Config;
use tokio::net::TcpListener;

use super::*;

type Answer = (axum::http::StatusCode, &'static str);

/// What DynamoDB says to a GetItem of a key that is not there.
const NOTHING: Answer = (axum::http::StatusCode::OK, "{}");
/// Said when the table was deleted or named wrong; not worth another try.
const NO_TABLE: Answer =
    (axum::http::StatusCode::BAD_REQUEST, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}"#);

/// The function with a table that answers so.
async fn function_with(answer: Answer, variables: &[(&str, &str)]) -> Function {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dynamodb = Some(format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(async move || answer))).await });

    let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    let endpoints = AwsEndpoints { dynamodb, secrets_manager: Some("http://127.0.0.1:9".to_owned()) };
    let core = Core::assemble(Config::from_values(value).unwrap(), Clock::default(), endpoints).await;
    function(&Ok(core))
}

async fn call(function: &Function) -> Reply {
    function.call(Request::new(Body::Empty)).await
}

fn body(reply: &Reply) -> &str {
    std::str::from_utf8(reply.body()).unwrap()
}

#[tokio::test]
async fn a_table_that_answers_is_health() {
    let reply = call(&function_with(NOTHING, &[("TABLE_NAME", "subscriptions")]).await).await;
    assert_eq!(reply.status(), StatusCode::OK);
    assert_snapshot!(body(&reply), @r#"{"status":"healthy","database":"connected","mode":"test"}"#);

    let live = &[("TABLE_NAME", "subscriptions"), ("STRIPE_LIVE_MODE", "true")];
    let reply = call(&function_with(NOTHING, live).await).await;
    assert_snapshot!(body(&reply), @r#"{"status":"healthy","database":"connected","mode":"live"}"#);
}

#[tokio::test]
async fn a_table_that_does_not_is_503() {
    let reply = call(&function_with(NO_TABLE, &[("TABLE_NAME", "subscriptions")]).await).await;
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.headers().contains_key("retry-after"));
    let mut body: Value = serde_json::from_str(body(&reply)).unwrap();
    assert!(body.as_object_mut().unwrap().remove("request_id").is_some());
    assert_eq!(body, json!({"error": "Database unavailable", "code": "UNAVAILABLE"}));
}

#[tokio::test]
async fn no_table_named_is_a_misconfiguration() {
    let reply = call(&function_with(NOTHING, &[]).await).await;
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(body(&reply).starts_with(r#"{"error":"Service misconfigured","code":"MISCONFIGURED""#));
}
