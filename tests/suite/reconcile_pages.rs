//! Reconcile at a Stripe whose lists are long, and what it counts and says of what it finds there.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shared::books::Auditor;
use shared::clock::Clock;
use shared::domain::Mode;
use shared::store::{Change, Commit};
use shared::sync::SyncError;
use shared::sync::reconcile::{self, Report};
use tests::{Detour, EventBuilder, Services, World, core_on};

/// On a Stripe whose lists have one object a page.
async fn auditor(world: &World, detour: &Detour) -> Result<Auditor> {
    let services = Services {
        dynamodb_url: world.stack.dynamodb_url(),
        stripe_url: detour.url(),
        default_price: stripe_sandbox::DEFAULT_PRICE_ID,
    };
    // Of the sandbox's time, which a test may have moved on.
    let ahead = world.business_now_second() - Clock::default().wall_now().as_second();
    anyhow::ensure!(ahead.abs() < 10, "the sandbox's clock is {ahead} s ahead");
    Ok(core_on(&world.stack, services, Clock::default()).await?.auditor(Mode::Test)?)
}

async fn run(auditor: &Auditor) -> (Report, Vec<SyncError>) {
    reconcile::run(auditor, Instant::now() + Duration::from_secs(60)).await
}

fn is_said(level: &str, message: &str) -> bool {
    local::logs::after(0).iter().any(|line| line["level"] == level && line["message"] == message)
}

async fn three_subscriptions(world: &World) -> Result<()> {
    for user in ["1", "2", "3"] {
        world.subscribe(&world.token(user)?).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_subscriptions_is_compared() -> Result<()> {
    let world = World::start().await?;
    three_subscriptions(&world).await?;
    let detour = Detour::to(world.stack.stripe_url()).await?;
    let (report, problems) = run(&auditor(&world, &detour).await?).await;
    assert!(report.is_complete && problems.is_empty(), "{report:?} {problems:?}");
    assert_eq!((report.drift_checked, report.drift_repaired), (3, 0), "{report:?}");
    assert_eq!(world.store()?.read_progress("drift").await?.step, 3, "three pages");
    world.stack.shutdown().await
}

/// Two runs may walk at once, as when a scheduled one lasts longer than it should.
#[tokio::test(flavor = "multi_thread")]
async fn the_slower_of_two_runs_leaves_the_rest_to_the_other() -> Result<()> {
    let world = World::start().await?;
    three_subscriptions(&world).await?;
    let store = world.store()?;
    let detour = Detour::with(
        world.stack.stripe_url(),
        Box::new(move |call| {
            let store = store.clone();
            Box::pin(async move {
                if call == "GET /v1/subscriptions" {
                    let mut progress = store.read_progress("drift").await.unwrap();
                    progress.step += 1;
                    let step = Change::Progress { walk: "drift", progress };
                    assert!(matches!(store.commit(vec![step]).await.unwrap(), Commit::Landed));
                }
            })
        }),
    )
    .await?;
    let (report, problems) = run(&auditor(&world, &detour).await?).await;
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(report.drift_checked, 1, "its first page, and no other: {report:?}");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn our_endpoint_is_found_on_whatever_page_it_is() -> Result<()> {
    local::logs::start(false);
    let world = World::start().await?;
    let ours = world.stripe_get("/v1/webhook_endpoints").await?["data"][0]["id"].clone();
    let ours = ours.as_str().context("an endpoint")?;
    for number in 0..2 {
        let form = format!("url=https%3A%2F%2Fexample.com%2F{number}&enabled_events[0]=invoice.paid");
        let made = world.stripe_post("/v1/webhook_endpoints", &form).await?;
        assert_eq!(made.status, 200, "{:?}", made.body);
    }
    assert_ne!(world.stripe_get("/v1/webhook_endpoints?limit=1").await?["data"][0]["id"], ours, "newest first");
    let disabled = world.stripe_post(&format!("/v1/webhook_endpoints/{ours}"), "disabled=true").await?;
    assert_eq!(disabled.body["status"], "disabled");
    let detour = Detour::to(world.stack.stripe_url()).await?;
    let auditor = auditor(&world, &detour).await?;
    let (report, problems) = run(&auditor).await;
    assert_eq!((report.endpoint_disabled, problems.len()), (1, 0), "{report:?} {problems:?}");
    assert!(is_said("ERROR", &format!("Webhook endpoint {ours} is disabled at Stripe")));
    world.stripe_delete(&format!("/v1/webhook_endpoints/{ours}")).await?;
    let (report, problems) = run(&auditor).await;
    assert_eq!((report.endpoint_disabled, problems.len()), (0, 0), "{report:?} {problems:?}");
    assert!(is_said("ERROR", &format!("Webhook endpoint {ours} is not registered at Stripe")));
    world.stack.shutdown().await
}

/// A record that only an event contradicts counts as repaired when it was written, with its user or with nobody.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_counts_as_repaired_and_what_was_left_does_not() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let subscription = world.subscribe(&token).await?;
    let object = world.stripe_subscription(&subscription).await?;
    let customer = object["customer"].as_str().context("a customer")?;
    // Told a little ahead of Stripe's clock, so that what is read now is no later.
    let ahead = EventBuilder::subscription("evt_ahead", &subscription, customer, world.business_now_second() + 300);
    let answer = world.deliver(&ahead.owned_by("42").status("unpaid").body()).await?;
    assert_eq!(answer.body["outcome"], "applied");
    world.sandbox("faults", &json!({ "delivery": [{ "kind": "drop", "probability": 1.0 }] })).await?;
    orphan(&world).await?;
    let detour = Detour::to(world.stack.stripe_url()).await?;
    let (report, problems) = run(&auditor(&world, &detour).await?).await;
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!((report.drift_checked, report.drift_repaired), (2, 1), "the orphan is new: {report:?}");
    assert_eq!(world.status(&token).await?["status"], "unpaid", "as it was told");
    world.stack.shutdown().await
}

/// A subscription of a customer that nobody owns.
async fn orphan(world: &World) -> Result<String> {
    let customer = world.stripe_post("/v1/customers", "email=maria%40example.com").await?.body["id"].clone();
    let customer = customer.as_str().context("a customer")?;
    let attach = "/v1/payment_methods/pm_card_visa/attach";
    let card = world.stripe_post(attach, &format!("customer={customer}")).await?.body["id"].clone();
    let form = format!(
        "customer={customer}&items[0][price]={}&trial_period_days=7&default_payment_method={}",
        stripe_sandbox::DEFAULT_PRICE_ID,
        card.as_str().context("a card")?
    );
    let made = world.stripe_post("/v1/subscriptions", &form).await?;
    made.body["id"].as_str().map(str::to_owned).with_context(|| format!("{:?}", made.body))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_could_not_be_finished_and_a_subscription_that_could_not_be_repaired_are_said() -> Result<()> {
    local::logs::start(false);
    let world = World::start().await?;
    world.sandbox("faults", &json!({ "delivery": [{ "kind": "drop", "probability": 1.0 }] })).await?;
    let orphan = orphan(&world).await?;
    let refused = json!({ "path_prefix": "/v1/events", "kind": "403", "count": 100 });
    world.sandbox("faults", &json!({ "api": [refused] })).await?;
    let detour = Detour::to(world.stack.stripe_url()).await?;
    let (_, problems) = run(&auditor(&world, &detour).await?).await;
    assert_eq!(problems.len(), 1, "{problems:?}");
    let is_it = |line: &Value| {
        line["message"] == "A part of reconcile could not be finished"
            && line["level"] == "ERROR"
            && (&line["part"], &line["mode"]) == (&json!("events"), &json!("test"))
            && line["error"].as_str().is_some_and(|error| error.starts_with("list events: "))
    };
    assert!(local::logs::after(0).iter().any(is_it));
    let is_repaired = |line: &Value| {
        line["message"] == "Repaired a subscription whose record had drifted" && line["subscription"] == orphan.as_str()
    };
    assert!(local::logs::after(0).iter().any(is_repaired), "{orphan}");
    world.stack.shutdown().await
}
