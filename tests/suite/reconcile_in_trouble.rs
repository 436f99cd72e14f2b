//! Reconcile where something is broken for good, slow, or was never asked for.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use local::Fault;
use serde_json::{Value, json};
use shared::sync::event::HANDLED_EVENT_TYPES;
use tests::{EventBuilder, World, answer};

const LONGEST: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_can_never_succeed_does_not_ring_for_ever() -> Result<()> {
    let world = World::start().await?;
    let core = world.stack.shared_core();
    let broken = EventBuilder::subscription("evt_broken", "sub_1", "cus_1", world.business_now_second())
        .with("/data/object/customer", Value::Null);
    assert_eq!(world.deliver(&broken.body()).await?.body["outcome"], "failed");
    let mut counts = Vec::new();
    for _ in 0..3 {
        world.sandbox("advance", &json!({ "days": 2 })).await?;
        counts.push(reconcile::run(&core, Instant::now() + LONGEST).await?[0].report.events_failed);
    }
    assert_eq!(counts, [0, 0, 0], "said once, by the webhook");
    world.stack.shutdown().await
}

/// The endpoint is registered for the six types of the old guide.
#[tokio::test(flavor = "multi_thread")]
async fn the_six_types_of_the_old_guide_are_enough_for_a_quiet_reconcile() -> Result<()> {
    let world = World::start().await?;
    let core = world.stack.shared_core();
    let endpoint = world.stripe_get("/v1/webhook_endpoints").await?["data"][0]["id"].clone();
    let six = HANDLED_EVENT_TYPES[..6].iter().map(|event_type| format!("enabled_events[]={event_type}"));
    let form = six.collect::<Vec<_>>().join("&");
    let endpoint = endpoint.as_str().context("an endpoint")?;
    let registered = world.stripe_post(&format!("/v1/webhook_endpoints/{endpoint}"), &form).await?;
    assert_eq!(registered.status, 200, "{:?}", registered.body);
    world.subscribe(&world.token("42")?).await?;
    world.sandbox("advance", &json!({ "seconds": 600 })).await?;
    let report = reconcile::run(&core, Instant::now() + LONGEST).await?[0].report.clone();
    assert_eq!((report.events_healed, report.webhook_lag_seconds), (0, 0), "{report:?}");
    world.stack.shutdown().await
}

/// An event that fails for good, and a second run.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_is_counted_once_a_run() -> Result<()> {
    local::logs::start(false);
    let world = World::start().await?;
    let token = world.token("42")?;
    let core = world.stack.shared_core();
    let subscription = world.subscribe(&token).await?;
    world.sandbox("advance", &json!({ "seconds": 600 })).await?;
    reconcile::run(&core, Instant::now() + LONGEST).await?;
    world.sandbox("faults", &json!({ "delivery": [{ "kind": "drop", "probability": 1.0 }] })).await?;
    for note in 0..2 {
        world.stripe_post(&format!("/v1/subscriptions/{subscription}"), &format!("metadata[note]={note}")).await?;
    }
    world.sandbox("advance", &json!({ "seconds": 600 })).await?;
    let broken = json!({ "method": "GET", "path_prefix": "/v1/subscriptions/", "kind": "500", "count": 1000 });
    world.sandbox("faults", &json!({ "api": [broken] })).await?;
    let first = reconcile::run(&core, Instant::now() + LONGEST).await?;
    let event = world.store()?.read_failed_events().await?[0].event.clone();
    let is_said = |line: &Value| {
        let begins = |text: &str| text.starts_with(&format!("Error processing webhook event {event}: "));
        line["level"] == "ERROR" && line["message"].as_str().is_some_and(begins)
    };
    assert!(local::logs::after(0).iter().any(is_said), "{event}");
    let second = reconcile::run(&core, Instant::now() + LONGEST).await?;
    assert_eq!((first[0].report.events_failed, second[0].report.events_failed), (1, 1));
    assert_eq!(world.store()?.read_failed_events().await?.len(), 1);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_that_cannot_be_read_keeps_no_other_from_its_comparison() -> Result<()> {
    let world = World::start().await?;
    let (good, bad) = (world.token("42")?, world.token("43")?);
    let good_subscription = world.subscribe(&good).await?;
    let bad_subscription = world.subscribe(&bad).await?;
    let core = world.stack.shared_core();
    reconcile::run(&core, Instant::now() + LONGEST).await?;
    let object = world.stripe_subscription(&good_subscription).await?;
    let wrong = EventBuilder::subscription(
        "evt_wrong",
        &good_subscription,
        object["customer"].as_str().context("a customer")?,
        world.business_now_second() + 1,
    );
    world.deliver(&wrong.owned_by("42").status("unpaid").body()).await?;
    assert_eq!(world.status(&good).await?["status"], "unpaid");
    dynamodb(
        &world,
        "UpdateItem",
        &json!({
            "TableName": world.stack.table_name(),
            "Key": { "pk": { "S": "test#user#43" }, "sk": { "S": format!("subscription#{bad_subscription}") } },
            "UpdateExpression": "REMOVE created_at",
        }),
    )
    .await?;
    for _ in 0..2 {
        world.sandbox("advance", &json!({ "hours": 25 })).await?;
        world.delivered().await?;
        reconcile::run(&core, Instant::now() + LONGEST).await?;
    }
    assert_eq!(world.status(&good).await?["status"], "trialing");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_cannot_be_repaired_is_counted_and_the_others_are_compared() -> Result<()> {
    local::logs::start(false);
    let world = World::start().await?;
    let mut customers = Vec::new();
    let mut bad = String::new();
    for user in ["42", "43"] {
        bad = world.subscribe(&world.token(user)?).await?;
        customers.push(world.stripe_subscription(&bad).await?["customer"].clone());
    }
    let customer = customers[1].as_str().context("a customer")?;
    dynamodb(
        &world,
        "UpdateItem",
        &json!({
            "TableName": world.stack.table_name(),
            "Key": { "pk": { "S": format!("test#customer#{customer}") }, "sk": { "S": "owner" } },
            "UpdateExpression": "SET user_id = :nobody",
            "ExpressionAttributeValues": { ":nobody": { "L": [] } },
        }),
    )
    .await?;
    let report = reconcile::run(&world.stack.shared_core(), Instant::now() + LONGEST).await?[0].report.clone();
    assert_eq!((report.drift_checked, report.drift_failed, report.is_complete), (2, 1, true), "{report:?}");
    let is_said = |line: &Value| {
        (&line["level"], &line["message"]) == (&json!("ERROR"), &json!("A drifted subscription could not be repaired"))
            && line["subscription"] == bad.as_str()
    };
    assert!(local::logs::after(0).iter().any(is_said), "{bad}");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_stripe_makes_no_run_outlast_its_time() -> Result<()> {
    let world = World::start().await?;
    let core = world.stack.shared_core();
    let mut subscriptions = Vec::new();
    for number in 0..5 {
        subscriptions.push(world.subscribe(&world.token(&format!("{number}"))?).await?);
    }
    world.sandbox("advance", &json!({ "seconds": 600 })).await?;
    reconcile::run(&core, Instant::now() + LONGEST).await?;
    world.sandbox("faults", &json!({ "delivery": [{ "kind": "drop", "probability": 1.0 }] })).await?;
    // Three changes each within a second or so: all but the first are ties, for which Stripe is asked.
    for subscription in &subscriptions {
        for note in 0..3 {
            world.stripe_post(&format!("/v1/subscriptions/{subscription}"), &format!("metadata[note]={note}")).await?;
        }
    }
    world.sandbox("advance", &json!({ "seconds": 600 })).await?;
    let silent = json!({ "method": "GET", "path_prefix": "/v1/subscriptions/", "kind": "timeout", "delay_ms": 20000, "count": 1000 });
    world.sandbox("faults", &json!({ "api": [silent] })).await?;
    let began = Instant::now();
    let summaries = reconcile::run(&core, began + Duration::from_secs(3)).await?;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "the 5 seconds of reserve are used up: {took:?}");
    assert!(!summaries[0].report.is_complete, "{summaries:?}");
    world.heal_stripe().await?;
    let next = reconcile::run(&core, Instant::now() + LONGEST).await?;
    assert!(next[0].report.is_complete, "the next run goes on from there: {next:?}");
    world.stack.shutdown().await
}

/// Stripe does not answer when it is asked for the failed event, and lists its events all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_event_that_takes_long_leaves_half_of_the_time_to_the_list() -> Result<()> {
    let world = World::start().await?;
    let core = world.stack.shared_core();
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    let failed = EventBuilder::subscription("evt_failed", "sub_1", "cus_1", world.business_now_second()).owned_by("43");
    world.stack.dynamodb().fail_next(Some("TransactWriteItems"), 3, Fault::InternalError);
    assert_eq!(world.deliver(&failed.body()).await?.status, 503);
    world.stack.dynamodb().heal();
    world.sandbox("faults", &json!({ "delivery": [{ "kind": "drop", "probability": 1.0 }] })).await?;
    world.pay(&session, "4242424242424242").await?;
    world.sandbox("advance", &json!({ "seconds": 600 })).await?;
    let silent = json!({ "path_prefix": "/v1/events/", "kind": "timeout", "delay_ms": 20000, "count": 1000 });
    world.sandbox("faults", &json!({ "api": [silent] })).await?;
    let began = Instant::now();
    let summaries = reconcile::run(&core, began + Duration::from_secs(6)).await?;
    assert!(began.elapsed() >= Duration::from_secs(3), "the failed event was waited for");
    assert!(!summaries[0].report.is_complete, "{summaries:?}");
    assert_eq!(world.status(&token).await?["status"], "trialing", "what the list has is brought");
    world.stack.shutdown().await
}

async fn dynamodb(world: &World, operation: &str, body: &Value) -> Result<Value> {
    const CREDENTIAL: &str =
        "AWS4-HMAC-SHA256 Credential=k/20260101/r/dynamodb/aws4_request, SignedHeaders=host, Signature=s";
    let request = world
        .http
        .post(world.stack.dynamodb_url())
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", CREDENTIAL)
        .body(body.to_string());
    let answer = answer(request).await?;
    if answer.status != 200 {
        bail!("{operation}: {}", answer.body);
    }
    Ok(answer.body)
}
