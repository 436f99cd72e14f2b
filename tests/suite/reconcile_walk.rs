//! How far reconcile looks back, where it goes on, and what it leaves to others.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use local::Fault;
use serde_json::{Value, json};
use shared::books::Auditor;
use shared::domain::{EventId, Mode};
use shared::store::{Change, Commit, Progress};
use shared::sync::SyncError;
use shared::sync::reconcile::{self, Report};
use tests::World;

fn auditor(world: &World) -> Result<Auditor> {
    let core = world.stack.shared_core();
    Ok(core.as_ref().as_ref().map_err(|error| anyhow!("{error}"))?.auditor(Mode::Test)?)
}

async fn run(world: &World) -> Result<(Report, Vec<SyncError>)> {
    Ok(reconcile::run(&auditor(world)?, Instant::now() + Duration::from_secs(60)).await)
}

/// A subscription that no webhook tells of, by the token of its user.
async fn unheard_subscription(world: &World) -> Result<String> {
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    world.sandbox("faults", &json!({ "delivery": [{ "kind": "drop", "probability": 1.0 }] })).await?;
    world.pay(&session, "4242424242424242").await?;
    Ok(token)
}

/// Where a walk of another run has stopped.
async fn stopped_at(world: &World, walk: &'static str, seen_until: i64, after: &str) -> Result<()> {
    let walk_began_at = Some(world.business_now_second() - 60);
    let progress = Progress { seen_until, walk_began_at, after: Some(after.to_owned()), step: 1 };
    let stopped = Change::Progress { walk, progress };
    assert!(matches!(world.store()?.commit(vec![stopped]).await?, Commit::Landed));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_the_last_minute_are_left_to_their_webhooks() -> Result<()> {
    let world = World::start().await?;
    let token = unheard_subscription(&world).await?;
    world.sandbox("advance", &json!({ "seconds": 20 })).await?;
    let (report, _) = run(&world).await?;
    assert_eq!((report.events_seen, report.events_healed), (0, 0), "{report:?}");
    world.sandbox("advance", &json!({ "seconds": 60 })).await?;
    let (report, _) = run(&world).await?;
    assert!(report.events_seen >= 3 && report.events_healed > 0, "{report:?}");
    assert_eq!(world.status(&token).await?["status"], "trialing");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_walk_looks_back_thirty_days_and_the_next_half_an_hour_beyond_the_first() -> Result<()> {
    let world = World::start().await?;
    let first_at = world.business_now_second();
    run(&world).await?;
    world.sandbox("advance", &json!({ "hours": 5 })).await?;
    run(&world).await?;
    let requests = world.sandbox_get("requests").await?["requests"].clone();
    let since = |call: &Value| {
        let since = call["params"]["created"]["gte"].clone();
        since.as_i64().or_else(|| since.as_str()?.parse().ok())
    };
    let of_lists = requests.as_array().into_iter().flatten().filter(|call| call["path"] == "/v1/events");
    let since: Vec<i64> = of_lists.filter_map(since).map(|since| first_at - since).collect();
    let [first, next] = since[..] else { return Err(anyhow!("{since:?} of {requests}")) };
    assert!((30 * 86_400 - 30..=30 * 86_400).contains(&first), "{first}");
    assert!((60 + 1_800 - 30..=60 + 1_800).contains(&next), "{next}");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_goes_on_where_the_last_run_stopped() -> Result<()> {
    local::logs::start(false);
    let world = World::start().await?;
    unheard_subscription(&world).await?;
    world.sandbox("advance", &json!({ "seconds": 600 })).await?;
    let (events, subscriptions) = (world.stripe_get("/v1/events").await?, world.stripe_get("/v1/subscriptions").await?);
    let newest = events["data"][0]["id"].as_str().context("an event")?;
    stopped_at(&world, "events", 0, newest).await?;
    // Today's comparison is done but for what comes after the one subscription.
    let subscription = subscriptions["data"][0]["id"].as_str().context("a subscription")?;
    stopped_at(&world, "drift", world.business_now_second(), subscription).await?;
    let (report, problems) = run(&world).await?;
    assert!(report.is_complete && problems.is_empty(), "{report:?} {problems:?}");
    assert_eq!(report.drift_checked, 0, "it had been looked at");
    assert!(report.events_healed > 0, "{report:?}");
    let next = events["data"][1]["id"].as_str().context("another event")?;
    let is_said = |line: &Value| {
        line["message"] == "Brought an event that no webhook had brought"
            && (&line["level"], &line["event"], &line["outcome"]) == (&json!("WARN"), &json!(next), &json!("applied"))
    };
    assert!(local::logs::after(0).iter().any(is_said), "{events}");
    assert!(world.store()?.read_event(&EventId::parse(newest)?).await?.is_none(), "it had been passed");
    for walk in ["events", "drift"] {
        assert_eq!(world.store()?.read_progress(walk).await?.step, 2, "{walk} went on");
    }
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_whose_place_is_gone_begins_anew() -> Result<()> {
    let world = World::start().await?;
    let token = unheard_subscription(&world).await?;
    world.sandbox("advance", &json!({ "seconds": 600 })).await?;
    stopped_at(&world, "events", 0, "evt_gone").await?;
    stopped_at(&world, "drift", 0, "sub_gone").await?;
    let (report, problems) = run(&world).await?;
    assert!(report.is_complete && problems.is_empty(), "{report:?} {problems:?}");
    assert_eq!(report.drift_checked, 1, "{report:?}");
    assert!(report.events_healed > 0, "{report:?}");
    assert_eq!(world.status(&token).await?["status"], "trialing");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_stripe_does_not_give_is_a_problem_and_no_lost_place() -> Result<()> {
    let world = World::start().await?;
    let refused = |path: &str| json!({ "path_prefix": path, "kind": "403", "count": 100 });
    let faults = json!({ "api": [refused("/v1/events"), refused("/v1/subscriptions")] });
    world.sandbox("faults", &faults).await?;
    let (report, problems) = run(&world).await?;
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].starts_with("list events: ") && problems[1].starts_with("list subscriptions: "),
        "{problems:?}"
    );
    assert!(!report.is_complete);
    world.stack.shutdown().await
}

/// A hundred and one events, of which no webhook tells: Stripe gives a hundred at a time.
async fn two_pages_of_events(world: &World) -> Result<()> {
    world.sandbox("faults", &json!({ "delivery": [{ "kind": "drop", "probability": 1.0 }] })).await?;
    for number in 0..101 {
        let made = world.stripe_post("/v1/products", &format!("name=Product%20{number}")).await?;
        assert_eq!(made.status, 200, "{:?}", made.body);
    }
    world.sandbox("advance", &json!({ "seconds": 600 })).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_fails_at_its_second_page_has_not_seen_the_whole() -> Result<()> {
    let world = World::start().await?;
    two_pages_of_events(&world).await?;
    world.stack.dynamodb().fail_every(Some("BatchGetItem"), 2, Fault::AccessDenied);
    let (report, problems) = run(&world).await?;
    world.stack.dynamodb().heal();
    assert_eq!((report.events_healed, report.is_complete, problems.len()), (100, false, 1), "{report:?} {problems:?}");
    let progress = world.store()?.read_progress("events").await?;
    assert_eq!((progress.step, progress.seen_until), (1, 0), "{progress:?}");
    let (report, problems) = run(&world).await?;
    assert!(report.is_complete && problems.is_empty(), "{report:?} {problems:?}");
    assert_eq!(report.events_healed, 1, "the second page: {report:?}");
    assert!(world.store()?.read_progress("events").await?.seen_until > 0);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_a_list_is_walked() -> Result<()> {
    let world = World::start().await?;
    two_pages_of_events(&world).await?;
    let (report, problems) = run(&world).await?;
    assert!(report.is_complete && problems.is_empty(), "{report:?} {problems:?}");
    assert_eq!((report.events_seen, report.events_healed), (101, 101), "{report:?}");
    assert_eq!(world.store()?.read_progress("events").await?.step, 2, "two pages");
    world.stack.shutdown().await
}
