//! Reconcile: what no webhook brought is brought, by the same road.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use local::Fault;
use serde_json::{Value, json};
use shared::domain::{Mode, UserId};
use shared::sync::event::HANDLED_EVENT_TYPES;
use shared::sync::reconcile::Report;
use tests::{EventBuilder, World};

const LONGEST: Duration = Duration::from_secs(30);

async fn reconcile_now(world: &World) -> Result<Report> {
    let core = world.stack.shared_core();
    let summaries = reconcile::run(&core, Instant::now() + LONGEST).await?;
    let of_test_mode = summaries.into_iter().find(|summary| summary.mode == "test");
    Ok(of_test_mode.context("test mode was gone through")?.report)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_were_dropped_are_brought_once() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    let drop_all = json!({ "delivery": [{ "kind": "drop", "probability": 1.0 }] });
    world.sandbox("faults", &drop_all).await?;
    world.pay(&session, "4242424242424242").await?;
    assert_eq!(world.status(&token).await?["status"], "none");

    world.sandbox("advance", &json!({ "seconds": 600 })).await?;
    let healed = reconcile_now(&world).await?;
    assert!(healed.events_healed >= 3, "{healed:?}");
    assert!(healed.events_seen >= healed.events_healed, "{healed:?}");
    assert!((600..1_200).contains(&healed.webhook_lag_seconds), "{healed:?}");
    assert!(healed.is_complete, "{healed:?}");
    let status = world.status(&token).await?;
    assert_eq!((&status["status"], &status["has_used_trial"]), (&json!("trialing"), &json!(true)));

    let again = reconcile_now(&world).await?;
    assert_eq!((again.events_healed, again.webhook_lag_seconds, again.drift_checked), (0, 0, 0), "{again:?}");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_not_read_endpoints_brings_the_events_all_the_same_and_says_so() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    world.sandbox("faults", &json!({ "delivery": [{ "kind": "drop", "probability": 1.0 }] })).await?;
    world.pay(&session, "4242424242424242").await?;
    world.sandbox("advance", &json!({ "seconds": 600 })).await?;
    let no_permission = json!({ "kind": "403", "path_prefix": "/v1/webhook_endpoints", "count": 100 });
    world.sandbox("faults", &json!({ "api": [no_permission] })).await?;
    let problem = reconcile_now(&world).await.err().context("the run says what it could not do")?;
    assert!(problem.to_string().contains("list webhook endpoints"), "{problem}");
    let core = world.stack.shared_core();
    let auditor = core.as_ref().as_ref().map_err(|error| anyhow::anyhow!("{error}"))?.auditor(Mode::Test)?;
    let (report, problems) = shared::sync::reconcile::run(&auditor, Instant::now() + LONGEST).await;
    assert_eq!((report.is_complete, problems.len()), (false, 1), "{report:?}");
    assert_eq!(world.status(&token).await?["status"], "trialing");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_end_alike() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    world.sandbox("faults", &json!({ "delivery": [{ "kind": "drop", "probability": 1.0 }] })).await?;
    world.pay(&session, "4242424242424242").await?;
    world.sandbox("advance", &json!({ "days": 8 })).await?;
    let (one, other) = tokio::join!(reconcile_now(&world), reconcile_now(&world));
    let events = world.stripe_get("/v1/events?limit=100").await?["data"].clone();
    let is_due = |event: &&Value| {
        let is_handled = event["type"].as_str().is_some_and(|name| HANDLED_EVENT_TYPES.contains(&name));
        is_handled && event["created"].as_i64().is_some_and(|at| at <= world.business_now_second() - 120)
    };
    let due = events.as_array().into_iter().flatten().filter(is_due).count();
    assert!(due >= 3, "{events}");
    assert_eq!(one?.events_healed + other?.events_healed, due as u64, "each was brought by one of them");
    assert_eq!(world.status(&token).await?["status"], "active");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_drifted_is_repaired_once_a_day() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let subscription = world.subscribe(&token).await?;
    reconcile_now(&world).await?;
    // An event that Stripe never sent, so nothing in its list contradicts it.
    let object = world.stripe_subscription(&subscription).await?;
    let customer = object["customer"].as_str().context("a customer")?;
    let wrong = EventBuilder::subscription("evt_wrong", &subscription, customer, world.business_now_second() + 1)
        .owned_by("42")
        .status("unpaid");
    world.deliver(&wrong.body()).await?;
    assert_eq!(world.status(&token).await?["status"], "unpaid");
    let same_day = reconcile_now(&world).await?;
    assert_eq!((same_day.drift_checked, same_day.drift_repaired), (0, 0), "{same_day:?}");
    world.sandbox("advance", &json!({ "hours": 25 })).await?;
    let next_day = reconcile_now(&world).await?;
    assert_eq!((next_day.drift_checked, next_day.drift_repaired), (1, 1), "{next_day:?}");
    assert_eq!(world.status(&token).await?["status"], "trialing");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_endpoint_is_counted() -> Result<()> {
    let world = World::start().await?;
    assert_eq!(reconcile_now(&world).await?.endpoint_disabled, 0);
    let listing = world.stripe_get("/v1/webhook_endpoints").await?;
    let id = listing["data"][0]["id"].as_str().context("an endpoint")?;
    let path = world.stack.webhook_path();
    let uuid = path.trim_matches('/').rsplit('/').next().context("the endpoint's uuid")?;
    let on_record = async || -> Result<_> {
        let stack = &world.stack;
        let kept = tests::partition(stack.dynamodb_url(), stack.table_name(), "test#webhook").await?;
        Ok(kept.get(&format!("endpoint#{uuid}")).with_context(|| format!("{kept:?}"))?["is_enabled"].clone())
    };
    assert_eq!(on_record().await?, true);
    world.stripe_post(&format!("/v1/webhook_endpoints/{id}"), "disabled=true").await?;
    assert_eq!(reconcile_now(&world).await?.endpoint_disabled, 1);
    assert_eq!(on_record().await?, false);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_events_are_listed_and_leave_the_list_when_they_succeed() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    world.sandbox(&format!("checkout/{session}/pay"), &json!({ "card": "4242424242424242" })).await?;
    let deliveries = world.sandbox_get("deliveries").await?;
    let created = deliveries["deliveries"].as_array().into_iter().flatten();
    let created = created.filter(|delivery| delivery["type"] == "customer.subscription.created").collect::<Vec<_>>();
    let event_id = created[0]["event"].as_str().context("an event id")?;
    let event = world.stripe_get(&format!("/v1/events/{event_id}")).await?;
    // The write fails, the note that it failed does not.
    world.stack.dynamodb().fail_next(Some("TransactWriteItems"), 3, Fault::InternalError);
    assert_eq!(world.deliver(&event.to_string()).await?.status, 503);
    world.stack.dynamodb().heal();

    let core = world.stack.shared_core();
    let store = core.as_ref().as_ref().map_err(|error| anyhow::anyhow!("{error}"))?.store(Mode::Test)?;
    let listed = store.read_failed_events().await?;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].event.as_str(), event_id);
    assert!(listed[0].error.as_deref().is_some_and(|error| !error.is_empty()), "{listed:?}");
    assert_eq!(reconcile_now(&world).await?.events_healed, 1);
    assert_eq!(store.read_failed_events().await?, vec![]);
    let account = store.read_account(&UserId::parse("42")?).await?;
    assert_eq!(account.subscriptions.len(), 1);
    world.stack.shutdown().await
}
