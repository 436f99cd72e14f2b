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

fn secret(publishable_key: &str) -> Value {
    json!({
        "stripe_secret_key": "sk_test_canary",
        "stripe_publishable_key": publishable_key,
        "webhook_signing_secrets": [],
        "jwt_signing_keys": ["a-token-key-of-thirty-two-bytes-or-more"],
    })
}

/// The function with a Secrets Manager that holds this secret, and no DynamoDB anywhere.
async fn function_with(secret: &Value, variables: &'static [(&'static str, &'static str)]) -> Function {
    let reply = json!({"Name": "test-secret", "SecretString": secret.to_string()}).to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let secrets_manager = Some(format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(async || reply))).await });

    let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    let endpoints = AwsEndpoints { dynamodb: Some("http://127.0.0.1:9".to_owned()), secrets_manager };
    let core = Core::assemble(Config::from_values(value).unwrap(), Clock::default(), endpoints).await;
    function(&Ok(core))
}

async fn answer(function: &Function) -> String {
    let reply = function.call(Request::new(Body::Empty)).await;
    assert_eq!(reply.headers()["content-type"], "application/json");
    assert_eq!(reply.headers()["cache-control"], "no-store");
    format!("{} {}", reply.status().as_u16(), std::str::from_utf8(reply.body()).unwrap())
}

#[tokio::test]
async fn anybody_may_read_the_publishable_key_and_the_default_price() {
    let variables = &[("SECRET_ID_TEST", "test-secret"), ("STRIPE_DEFAULT_PRICE_ID", "price_1")];
    let function = function_with(&secret("pk_test_51Abc"), variables).await;
    assert_snapshot!(answer(&function).await, @r#"200 {"publishable_key":"pk_test_51Abc","default_price_id":"price_1"}"#);
}

#[tokio::test]
async fn no_default_price_is_null() {
    let function = function_with(&secret("pk_test_51Abc"), &[("SECRET_ID_TEST", "test-secret")]).await;
    assert_snapshot!(answer(&function).await, @r#"200 {"publishable_key":"pk_test_51Abc","default_price_id":null}"#);
}

#[tokio::test]
async fn a_secret_of_the_other_mode_is_never_shown() {
    let function = function_with(&secret("pk_live_51Abc"), &[("SECRET_ID_TEST", "test-secret")]).await;
    let answer = answer(&function).await;
    assert!(
        answer.starts_with(r#"503 {"error":"Service misconfigured","code":"MISCONFIGURED","request_id":"#),
        "{answer}"
    );
}

#[tokio::test]
async fn no_secret_named_is_a_misconfiguration() {
    let function = function_with(&secret("pk_test_51Abc"), &[]).await;
    assert!(answer(&function).await.starts_with(r#"503 {"error":"Service misconfigured""#));
}

#[tokio::test]
async fn only_get_is_answered() {
    let function = function_with(&secret("pk_test_51Abc"), &[("SECRET_ID_TEST", "test-secret")]).await;
    let mut request = Request::new(Body::Empty);
    *request.method_mut() = Method::POST;
    let reply = function.call(request).await;
    assert_eq!(
        (reply.status(), &reply.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD, OPTIONS".parse().unwrap())
    );
}
