//! The list of failed events: who leaves it, who stays, and what is said of them.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use axum::extract::OriginalUri;
use axum::{Json, Router};
use local::Fault;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::domain::Mode;
use shared::stripe::envelope;
use shared::sync::reconcile::{self, Report};
use shared::sync::{SyncError, event};
use tests::{EventBuilder, Services, World, core_on};
use tokio::net::TcpListener;

async fn run(world: &World) -> Result<(Report, Vec<SyncError>)> {
    let core = world.stack.shared_core();
    let auditor = core.as_ref().as_ref().map_err(|error| anyhow!("{error}"))?.auditor(Mode::Test)?;
    Ok(reconcile::run(&auditor, Instant::now() + Duration::from_secs(20)).await)
}

/// An event whose write failed and the note of it did not. Stripe does not know it.
async fn failed(world: &World) -> Result<EventBuilder> {
    let event = EventBuilder::subscription("evt_1", "sub_1", "cus_1", world.business_now_second()).owned_by("42");
    world.stack.dynamodb().fail_next(Some("TransactWriteItems"), 3, Fault::InternalError);
    assert_eq!(world.deliver(&event.body()).await?.status, 503);
    world.stack.dynamodb().heal();
    assert_eq!(listed(world).await?, 1);
    Ok(event)
}

async fn listed(world: &World) -> Result<usize> {
    Ok(world.store()?.read_failed_events().await?.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_has_succeeded_since_leaves_the_list_unasked() -> Result<()> {
    let world = World::start().await?;
    let event = failed(&world).await?;
    assert_eq!(world.deliver(&event.body()).await?.body["outcome"], "applied");
    let (report, problems) = run(&world).await?;
    assert_eq!((report.events_failed, report.events_healed, problems.len()), (0, 0, 0), "{report:?} {problems:?}");
    assert_eq!(listed(&world).await?, 0);
    assert!(!world.stripe_calls().await?.contains(&"GET /v1/events/evt_1".to_owned()));
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_stripe_has_forgotten_is_counted_and_stays() -> Result<()> {
    let world = World::start().await?;
    failed(&world).await?;
    let (report, problems) = run(&world).await?;
    assert_eq!((report.events_failed, report.is_complete, problems.len()), (1, true, 0), "{report:?} {problems:?}");
    assert_eq!(listed(&world).await?, 1);
    world.stack.shutdown().await
}

/// What Stripe refuses it will refuse again; what it cannot do now is left for the next run.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_stripe_will_not_show_keeps_nobody_waiting_and_a_stripe_in_trouble_does() -> Result<()> {
    for (kind, events_failed, is_complete) in [("403", 1, true), ("500", 0, false)] {
        let world = World::start().await?;
        failed(&world).await?;
        let fault = json!({ "path_prefix": "/v1/events/", "kind": kind, "count": 100 });
        world.sandbox("faults", &json!({ "api": [fault] })).await?;
        let (report, problems) = run(&world).await?;
        assert_eq!((report.events_failed, report.is_complete), (events_failed, is_complete), "{kind} {problems:?}");
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let is_said = problems.iter().any(|problem| problem.starts_with("read a failed event: "));
        assert_eq!(is_said, !is_complete, "{problems:?}");
        assert_eq!(listed(&world).await?, 1, "{kind}");
        world.stack.shutdown().await?;
    }
    Ok(())
}

/// A Stripe that has one event and perhaps a subscription, lists them and gives the event.
async fn stripe_of(event: Value, subscriptions: Vec<Value>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let answer = move |OriginalUri(uri): OriginalUri| async move {
        Json(match uri.path() {
            "/v1/events" => json!({ "object": "list", "has_more": false, "data": [event] }),
            path if path.starts_with("/v1/events/") => event,
            "/v1/subscriptions" => json!({ "object": "list", "has_more": false, "data": subscriptions }),
            _ => json!({ "object": "list", "has_more": false, "data": [] }),
        })
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    Ok(url)
}

/// Whether the list of events brings it or the list of failed ones, where nobody knew yet that it is hopeless.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_is_counted_by_whoever_finds_that_out() -> Result<()> {
    for is_listed in [false, true] {
        let world = World::start().await?;
        let broken = EventBuilder::subscription("evt_1", "sub_1", "cus_1", world.business_now_second() - 600)
            .with("/data/object/customer", Value::Null);
        let services = Services {
            dynamodb_url: world.stack.dynamodb_url(),
            stripe_url: &stripe_of(broken.value().clone(), vec![]).await?,
            default_price: stripe_sandbox::DEFAULT_PRICE_ID,
        };
        let auditor = core_on(&world.stack, services, Clock::default()).await?.auditor(Mode::Test)?;
        if is_listed {
            let envelope = envelope::from_value(broken.value().clone())?;
            let error = SyncError::Contended { object: "sub_1".to_owned() };
            event::note_failure(auditor.books(), &envelope, "delivery", &error).await?;
        }
        for events_failed in [1, 0] {
            let (report, problems) = reconcile::run(&auditor, Instant::now() + Duration::from_secs(20)).await;
            assert_eq!(
                (report.events_failed, problems.len()),
                (events_failed, 0),
                "{is_listed} {report:?} {problems:?}"
            );
        }
        assert!(world.store()?.read_failed_events().await?[0].is_hopeless);
        world.stack.shutdown().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_in_a_list_is_said_and_passed_over() -> Result<()> {
    local::logs::start(false);
    let world = World::start().await?;
    let event = json!({ "id": "evt_odd", "object": "event", "created": world.business_now_second() - 600 });
    let subscription = json!({ "id": "sub_odd", "object": "subscription", "status": 7 });
    let services = Services {
        dynamodb_url: world.stack.dynamodb_url(),
        stripe_url: &stripe_of(event, vec![subscription]).await?,
        default_price: stripe_sandbox::DEFAULT_PRICE_ID,
    };
    let auditor = core_on(&world.stack, services, Clock::default()).await?.auditor(Mode::Test)?;
    let (report, problems) = reconcile::run(&auditor, Instant::now() + Duration::from_secs(20)).await;
    assert_eq!((report.is_complete, problems.len()), (true, 0), "{report:?} {problems:?}");
    assert_eq!((report.drift_checked, report.drift_failed), (1, 1), "{report:?}");
    let is_said = |message: &str, name: &str, id: &str| {
        let is_it = |line: &Value| line["level"] == "ERROR" && line["message"] == message && line[name] == id;
        local::logs::after(0).iter().any(is_it)
    };
    assert!(is_said("An event in Stripe's list cannot be read", "event", "evt_odd"));
    assert!(is_said("A subscription cannot be read", "subscription", "sub_odd"));
    world.stack.shutdown().await
}
