//! Webhooks: signatures, retries, holding, repeating, old shapes, and what outlives a restart.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use stripe_sandbox::{Options, Sandbox};
use tokio::net::TcpListener;

use crate::support::{CARD, SECRET, World, endpoint, id, start_receiver};

#[tokio::test]
async fn a_delivery_is_signed_over_its_raw_body() {
    let world = World::start().await;
    world.customer().await;
    world.received("customer.created", 1).await;
    let got = world.receiver.all()[0].clone();
    let (t, v1) = got.signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let v1 = v1.split_once(",v0=").unwrap().0;
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{t}.{}", got.body).as_bytes());
    assert_eq!(hex::encode(mac.finalize().into_bytes()), v1);
    assert_eq!(got.agent, "Stripe/1.0 (+https://stripe.com/docs/webhooks)");
    assert_eq!(got.event["pending_webhooks"], 1);
    assert!(got.body.contains("\n  \"api_version\""));
}

#[tokio::test]
async fn a_refused_delivery_comes_again() {
    let world = World::start().await;
    world.receiver.answer(500);
    let customer = world.customer().await;
    world.received("customer.created", 1).await;
    world.receiver.answer(200);
    world.received("customer.created", 2).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let listed = world.control("GET", "/deliveries", json!(null)).await.body;
    let delivery = &listed["deliveries"][0];
    assert_eq!(
        (delivery["outcome"].as_str(), delivery["tries"].as_i64(), delivery["last_status"].as_i64()),
        (Some("delivered"), Some(2), Some(200))
    );
    let event = id(&world.receiver.all()[0].event);
    assert_eq!(world.get(&format!("/v1/events/{event}")).await.body["pending_webhooks"], 0);
    assert!(!customer.is_empty());
}

#[tokio::test]
async fn moving_the_clock_flushes_retries_and_redirects_are_failures() {
    let world = World::start().await;
    world.receiver.answer(302);
    world.customer().await;
    world.received("customer.created", 1).await;
    let moved = world.advance(1).await;
    assert_eq!(moved["undelivered"], 1);
    world.receiver.answer(200);
    assert_eq!(world.advance(1).await["undelivered"], 0);
}

#[tokio::test]
async fn held_deliveries_go_in_the_order_asked_for() {
    let world = World::start().await;
    world.control("POST", "/deliver", json!({"hold": true})).await;
    let customer = world.customer().await;
    world.post(&format!("/v1/customers/{customer}"), "name=Bia").await;
    world.post(&format!("/v1/customers/{customer}"), "name=Cia").await;
    let events: Vec<String> = world.get("/v1/events").await.body["data"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(world.receiver.types(), Vec::<String>::new());
    assert_eq!(world.advance(0).await["undelivered"], 3);

    let order = world.control("POST", "/deliver", json!({"order": [events[0], events[1]]})).await.body;
    assert_eq!(order, json!({"delivered": 2, "failed": 0, "hold": true, "pending": 1}));
    assert_eq!(world.receiver.types(), ["customer.updated", "customer.updated"]);
    assert_eq!(world.receiver.all()[0].event["id"], events[0].as_str());
    assert_eq!(world.control("POST", "/deliver", json!({"release": "all"})).await.body["delivered"], 1);
    assert_eq!(
        world.control("POST", "/deliver", json!({"duplicate": [events[2]], "copies": 5})).await.body["delivered"],
        5
    );
    assert_eq!(world.control("POST", "/deliver", json!({"resend": events[2]})).await.body["delivered"], 1);
    assert_eq!(world.receiver.of_type("customer.created").len(), 7);
    assert_eq!(world.control("POST", "/deliver", json!({"hold": false})).await.body["hold"], false);
}

#[tokio::test]
async fn old_endpoints_get_old_shapes() {
    let (old, url) = start_receiver().await;
    let world = World::with(|options| {
        let mut second = endpoint(&url);
        second.id = "we_old".into();
        second.api_version = Some("2024-06-20".into());
        second.enabled_events = vec!["customer.subscription.created".into(), "invoice.paid".into()];
        options.endpoints.push(second);
    })
    .await;
    let (_, subscription) = world.subscriber("", CARD).await;
    world.advance(0).await;
    let created = &old.of_type("customer.subscription.created")[0];
    assert_eq!(created["api_version"], "2024-06-20");
    assert!(created["data"]["object"]["current_period_end"].is_i64());
    assert!(created["data"]["object"]["items"]["data"][0].get("current_period_end").is_none());
    assert_eq!(old.of_type("invoice.paid")[0]["data"]["object"]["subscription"], subscription.as_str());
    let new = &world.receiver.of_type("invoice.paid")[0]["data"]["object"];
    assert_eq!(new["parent"]["subscription_details"]["subscription"], subscription.as_str());
    assert_eq!(old.all().len(), 2);
}

#[tokio::test]
async fn endpoints_are_managed_by_call() {
    let world = World::start().await;
    let (other, url) = start_receiver().await;
    let made = world
        .post(
            "/v1/webhook_endpoints",
            &format!("url={url}&enabled_events[]=customer.created&api_version=2026-09-30.endive&metadata[a]=b"),
        )
        .await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert!(made.body["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = format!("/v1/webhook_endpoints/{}", id(&made.body));
    assert!(world.get(&path).await.body.get("secret").is_none());
    world.customer().await;
    world.advance(0).await;
    assert_eq!(other.types(), ["customer.created"]);
    assert_eq!(world.post(&path, "disabled=true").await.body["status"], "disabled");
    world.customer().await;
    world.advance(0).await;
    assert_eq!(other.types().len(), 1);
    assert_eq!(world.get("/v1/webhook_endpoints").await.body["data"].as_array().unwrap().len(), 2);
    assert_eq!(world.delete(&path).await.body["deleted"], true);
    assert_eq!(world.get(&path).await.error().0, 404);
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let folder = std::env::temp_dir().join(format!("stripe-sandbox-{}", std::process::id()));
    let file = folder.join("sandbox.json");
    let world = World::with(|options| options.data_file = Some(file.clone())).await;
    let (_, subscription) = world.subscriber("&subscription_data[trial_period_days]=7", CARD).await;
    world.advance(2).await;
    world.control("POST", "/deliver", json!({"hold": true})).await;
    world.customer().await;
    let offset = world.sandbox.clock().offset_seconds();
    world.sandbox.shutdown().await.unwrap();
    world.receiver.clear();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let options = Options {
        data_file: Some(file),
        public_url: base.clone(),
        secret_key: crate::support::TEST_KEY.into(),
        live_mode_key: None,
        publishable_key: "pk_test_sandbox".into(),
        seed_catalogue: true,
        endpoints: vec![endpoint(&world.receiver_url)],
    };
    let again = Sandbox::start(listener, options).await.unwrap();
    assert_eq!(again.clock().offset_seconds(), offset);
    let control =
        |path: &str, body: serde_json::Value| world.http.post(format!("{base}/_sandbox{path}")).json(&body).send();
    control("/deliver", json!({"hold": false})).await.unwrap();
    assert_eq!(world.receiver.types(), ["customer.created"]);
    control("/advance", json!({"days": 6})).await.unwrap();
    let reply = world
        .http
        .get(format!("{base}/v1/subscriptions/{subscription}"))
        .bearer_auth(crate::support::TEST_KEY)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.json::<serde_json::Value>().await.unwrap()["status"], "active");
    again.shutdown().await.unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}
