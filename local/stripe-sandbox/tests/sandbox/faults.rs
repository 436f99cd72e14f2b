//! Faults on demand.

use serde_json::json;

use crate::support::{TEST_KEY, World, id};

#[tokio::test]
async fn a_429_comes_before_anything_is_done() {
    let world = World::start().await;
    world
        .control(
            "POST",
            "/faults",
            json!({"api": [{"kind": "429", "method": "POST", "path_prefix": "/v1/customers", "count": 2}]}),
        )
        .await;
    assert_eq!(world.get("/v1/customers").await.status, 200);
    let key = [("idempotency-key", "k")];
    for _ in 0..2 {
        let limited = world.send("POST", "/v1/customers", "name=Ana", TEST_KEY, &key).await;
        assert_eq!((limited.status, limited.header("stripe-rate-limited-reason")), (429, "global-rate"));
    }
    assert_eq!(world.send("POST", "/v1/customers", "name=Ana", TEST_KEY, &key).await.status, 200);
}

#[tokio::test]
async fn a_500_is_replayed_like_any_answer() {
    let world = World::start().await;
    world.control("POST", "/faults", json!({"api": [{"kind": "500_after_commit"}]})).await;
    let key = [("idempotency-key", "k")];
    let first = world.send("POST", "/v1/customers", "name=Ana", TEST_KEY, &key).await;
    let second = world.send("POST", "/v1/customers", "name=Ana", TEST_KEY, &key).await;
    assert_eq!((first.status, second.status, second.header("idempotent-replayed")), (500, 500, "true"));
    assert_eq!(world.get("/v1/customers").await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_reset_after_the_commit_is_healed_by_the_key() {
    let world = World::start().await;
    world
        .control(
            "POST",
            "/faults",
            json!({"api": [{"kind": "reset_after_commit"}, {"kind": "reset_before", "method": "GET"}]}),
        )
        .await;
    let send = || {
        let request = world
            .http
            .post(format!("{}/v1/customers", world.base))
            .bearer_auth(TEST_KEY)
            .header("idempotency-key", "k");
        request.header("content-type", "application/x-www-form-urlencoded").body("name=Ana").send()
    };
    assert!(send().await.is_err());
    let replayed = send().await.unwrap();
    assert_eq!(replayed.headers()["idempotent-replayed"], "true");
    let broken = world.http.get(format!("{}/v1/customers", world.base)).bearer_auth(TEST_KEY).send().await;
    assert!(broken.is_err());
    assert_eq!(world.get("/v1/customers").await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_timeout_does_nothing_and_answers_nothing() {
    let world = World::start().await;
    world.control("POST", "/faults", json!({"api": [{"kind": "timeout", "delay_ms": 200}]})).await;
    let silent = world.http.get(format!("{}/v1/account", world.base)).bearer_auth(TEST_KEY).send().await;
    assert!(silent.is_err());
}

#[tokio::test]
async fn deliveries_are_duplicated_dropped_and_delayed() {
    let world = World::start().await;
    let rules = json!({"delivery": [
        {"kind": "duplicate", "types": ["customer.created"], "count": 1},
        {"kind": "drop", "types": ["customer.updated"], "probability": 1.0},
        {"kind": "delay", "types": ["customer.deleted"], "delay_ms": 150},
    ]});
    let active = world.control("POST", "/faults", rules).await.body;
    assert_eq!(active["delivery"].as_array().unwrap().len(), 3);
    let customer = world.customer().await;
    world.post(&format!("/v1/customers/{customer}"), "name=Bia").await;
    world.delete(&format!("/v1/customers/{customer}")).await;
    assert_eq!(world.advance(0).await["undelivered"], 0);
    assert_eq!(world.receiver.types(), ["customer.created", "customer.created", "customer.deleted"]);
    let listed = world.control("GET", "/deliveries", json!(null)).await.body;
    assert!(listed["deliveries"].as_array().unwrap().iter().any(|delivery| delivery["outcome"] == "dropped"));
    let cleared = world.control("DELETE", "/faults", json!(null)).await.body;
    assert_eq!(
        cleared,
        json!({"api": [], "delivery": [], "search_lag_seconds": 0, "dunning_end": "cancel", "portal_cancel_style": "cancel_at"})
    );
    assert!(!id(&world.post("/v1/customers", "").await.body).is_empty());
}
