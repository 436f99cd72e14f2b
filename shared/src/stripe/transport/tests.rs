//! Transport and a real server: what goes over the wire, and what is tried again.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;
use stripe_client_core::{IdempotencyKey, RequestBuilder, RequestStrategy, StripeMethod};
use stripe_core::customer::DeleteCustomer;

use super::*;
use crate::scripted_server::{Reaction, ScriptedServer};

fn transport(server: &ScriptedServer) -> Transport {
    let api_url = Url::parse(&server.url("/")).unwrap();
    let keys = KeySource::Fixed(SecretString::from("sk_test_canary"));
    Transport::new(HttpsClient::new(), &api_url, keys, Clock::default())
}

fn post() -> RequestBuilder {
    RequestBuilder::new(StripeMethod::Post, "/customers").form(&json!({"name": "Ana", "email": "a+b@example.com"}))
}

fn get() -> RequestBuilder {
    RequestBuilder::new(StripeMethod::Get, "/customers/cus_1")
}

fn idempotency_keys(server: &ScriptedServer) -> Vec<String> {
    server.requests().iter().filter_map(|request| request.header("idempotency-key")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_request_says_who_asks_which_version_and_with_which_key() {
    let server = ScriptedServer::start(vec![Reaction::ok("{}"), Reaction::ok("{}")]).await;
    let transport = transport(&server);
    transport.send(&post(), Some("key-1")).await.unwrap();
    transport.send(&get().query(&json!({"expand": ["sources"]})), None).await.unwrap();
    let [posted, got] = &server.requests()[..] else { panic!("two requests") };
    assert_eq!((posted.method.as_str(), posted.path.as_str()), ("POST", "/v1/customers"));
    assert_eq!(posted.header("authorization"), Some("Bearer sk_test_canary"));
    assert_eq!(posted.header("stripe-version"), Some("2026-09-30.endive"));
    assert_eq!(posted.header("idempotency-key"), Some("key-1"));
    assert_eq!(posted.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(posted.header("user-agent"), Some(OUR_NAME));
    assert_eq!(posted.body, "email=a%2Bb@example.com&name=Ana");
    assert_eq!((got.method.as_str(), got.path.as_str()), ("GET", "/v1/customers/cus_1?expand[0]=sources"));
    assert_eq!((got.header("idempotency-key"), got.header("content-type")), (None, None));
    assert_eq!(server.connections(), 1);
}

#[test]
fn the_version_is_the_one_the_typed_requests_were_made_for() {
    assert_eq!(API_VERSION, stripe_client_core::VERSION.as_str());
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_with_the_same_key() {
    for passing in [
        Reaction::reply(429, "{}"),
        Reaction::reply(500, "{}"),
        Reaction::reply(409, json!({"error": {"type": "idempotency_error", "code": "idempotency_key_in_use"}})),
        Reaction::Reset,
    ] {
        let server = ScriptedServer::start(vec![passing, Reaction::ok("{}")]).await;
        transport(&server).send(&post(), None).await.unwrap();
        let keys = idempotency_keys(&server);
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0], keys[1]);
    }
}

#[tokio::test]
async fn two_calls_without_a_key_of_their_own_have_different_ones() {
    let server = ScriptedServer::start(vec![Reaction::ok("{}"), Reaction::ok("{}")]).await;
    let transport = transport(&server);
    transport.send(&post(), None).await.unwrap();
    transport.send(&post(), None).await.unwrap();
    let keys = idempotency_keys(&server);
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_key_no_header_can_hold_is_sent_as_its_hash() {
    let server = ScriptedServer::start(vec![Reaction::ok("{}"); 4]).await;
    let transport = transport(&server);
    for key in ["customer-ção", "customer-ção", "customer-cao\n", &"a".repeat(256)] {
        transport.send(&post(), Some(key)).await.unwrap();
    }
    let keys = idempotency_keys(&server);
    assert!(keys.iter().all(|key| key.len() == 64), "{keys:?}");
    assert_eq!(keys[0], keys[1]);
    assert_eq!(std::collections::HashSet::<&String>::from_iter(&keys).len(), 3);
}

#[tokio::test]
async fn stripes_no_is_final() {
    let no = Reaction::reply(500, "{}").with_header("stripe-should-retry", "false");
    let server = ScriptedServer::start(vec![no]).await;
    let error = transport(&server).send(&get(), None).await.unwrap_err();
    assert!(matches!(error, StripeError::Failed { http_status: 500, .. }), "{error:?}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn three_failures_are_the_end() {
    let server = ScriptedServer::start(vec![Reaction::reply(429, "{}"); 3]).await;
    let error = transport(&server).send(&get(), None).await.unwrap_err();
    assert_eq!(error, StripeError::RateLimited { request_id: None });
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_pooled_connection_gone_stale_costs_one_more_try() {
    let server = ScriptedServer::start(vec![Reaction::ok("1"), Reaction::Reset, Reaction::ok("2")]).await;
    let transport = transport(&server);
    assert_eq!(transport.send(&get(), None).await.unwrap().body, "1");
    assert_eq!(transport.send(&get(), None).await.unwrap().body, "2");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_wish_to_wait_longer_than_the_deadline_ends_the_call_at_once() {
    let busy = Reaction::reply(429, "{}").with_header("retry-after", 60);
    let server = ScriptedServer::start(vec![busy]).await;
    let began = Instant::now();
    let error = transport(&server).send(&get(), None).await.unwrap_err();
    assert!(error.is_transient());
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_try_that_hangs_is_given_up_and_the_next_one_counts() {
    let patience = Patience { per_try: Duration::from_millis(100), ..Patience::default() };
    for hanging in [Reaction::Hang, Reaction::HangInBody] {
        let server = ScriptedServer::start(vec![hanging, Reaction::ok("{}")]).await;
        transport(&server).with_patience(patience).send(&post(), Some("key-1")).await.unwrap();
        assert_eq!(idempotency_keys(&server), ["key-1", "key-1"]);
    }
}

#[tokio::test]
async fn all_tries_together_keep_the_deadline() {
    let patience =
        Patience { per_try: Duration::from_millis(400), in_all: Duration::from_millis(500), ..Patience::default() };
    let server = ScriptedServer::start(vec![Reaction::Hang; 3]).await;
    let began = Instant::now();
    let error = transport(&server).with_patience(patience).send(&get(), None).await.unwrap_err();
    assert_eq!(error, StripeError::Unavailable { detail: "no answer in time".into() });
    assert!(began.elapsed() < Duration::from_millis(800), "{:?}", began.elapsed());
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let server = ScriptedServer::start(vec![]).await;
    let transport = transport(&server);
    server.stop().await;
    let error = transport.send(&get(), None).await.unwrap_err();
    assert!(error.to_string().contains("could not connect"), "{error}");
}

#[tokio::test]
async fn a_key_that_is_no_header_is_no_key_and_not_shown() {
    let server = ScriptedServer::start(vec![]).await;
    let api_url = Url::parse(&server.url("/")).unwrap();
    let keys = KeySource::Fixed(SecretString::from("sk_test_\ncanary"));
    let transport = Transport::new(HttpsClient::new(), &api_url, keys, Clock::default());
    assert_eq!(transport.send(&get(), None).await.unwrap_err(), StripeError::NoKey);
}

#[tokio::test]
async fn typed_requests_can_have_typed_replies() {
    let deleted = json!({"id": "cus_1", "object": "customer", "deleted": true});
    let server = ScriptedServer::start(vec![Reaction::ok(deleted), Reaction::ok("{}")]).await;
    let transport = transport(&server);
    let reply = DeleteCustomer::new("cus_1").send(&transport).await.unwrap();
    assert_eq!(reply.id.as_str(), "cus_1");
    let strategy = RequestStrategy::Idempotent(IdempotencyKey::new("key-1").unwrap());
    let unreadable = post().customize::<stripe_shared::DeletedCustomer>().request_strategy(strategy).send(&transport);
    assert!(matches!(unreadable.await, Err(StripeError::Unreadable { .. })));
    assert_eq!(idempotency_keys(&server), ["key-1"]);
}
