//! Another writer changes the record between the webhook's read and its write, again and again.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use shared::domain::{EventId, SubscriptionId, UserId};
use shared::store::{Change, Commit, Guard, Partition, Store};
use tests::Subscriber;

use super::{in_time, is_logged, outcome, times_logged};

/// Long enough for the other writer to write while Stripe is thinking.
const THINKING_MS: u64 = 400;

#[tokio::test(flavor = "multi_thread")]
async fn a_race_that_is_lost_three_times_is_won_at_the_fourth() -> Result<()> {
    local::logs::start(false);
    let subscriber = tied().await?;
    let event = subscriber.event("evt_storm_won", 20).status("unpaid").body();
    let (answer, ()) = tokio::try_join!(in_time(subscriber.world.deliver(&event)), outrun(&subscriber, 3))?;
    assert_eq!(outcome(&answer), "200 applied");
    assert_eq!(reads(&subscriber).await?, 4);
    let retrying = "Write conflict while processing webhook event evt_storm_won. Retrying.";
    assert_eq!(times_logged("evt_storm_won", "WARN", retrying), 3);
    assert_eq!(subscriber.status().await?, "trialing", "as Stripe has it");
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_that_is_lost_four_times_is_503_and_comes_again() -> Result<()> {
    local::logs::start(false);
    let subscriber = tied().await?;
    let event = subscriber.event("evt_storm_lost", 20).status("unpaid").body();
    let (answer, ()) = tokio::try_join!(in_time(subscriber.world.deliver(&event)), outrun(&subscriber, 4))?;
    assert_eq!(answer.status, 503, "{:?}", answer.body);
    assert_eq!(reads(&subscriber).await?, 4, "four rounds and no more");
    let record = subscriber.world.store()?.read_event(&EventId::parse("evt_storm_lost")?).await?;
    let error = format!("{} kept changing while it was being written", subscriber.subscription);
    assert_eq!(record.and_then(|record| record.error), Some(error));
    let gave_up = "Write conflict while processing webhook event evt_storm_lost. Stripe will retry automatically.";
    assert!(is_logged("evt_storm_lost", "ERROR", gave_up));
    assert_eq!(subscriber.status().await?, "past_due", "the other writer's word stands");
    subscriber.world.heal_stripe().await?;
    assert_eq!(subscriber.outcome(subscriber.event("evt_storm_lost", 20).status("unpaid")).await?, "applied");
    assert_eq!(subscriber.status().await?, "trialing", "as Stripe has it");
    subscriber.world.stack.shutdown().await
}

/// A record of the very second of the event to come, and a Stripe that takes its time.
async fn tied() -> Result<Subscriber> {
    let subscriber = Subscriber::start().await?;
    assert_eq!(subscriber.outcome(subscriber.event("evt_first", 20).status("past_due")).await?, "applied");
    let slow = json!({ "path_prefix": "/v1/subscriptions", "kind": "delay", "delay_ms": THINKING_MS, "count": 100 });
    subscriber.world.sandbox("faults", &json!({ "api": [slow] })).await?;
    Ok(subscriber)
}

/// Writes the record anew, with nothing changed but its version, each time Stripe has been asked: as another webhook of
/// the same second would.
async fn outrun(subscriber: &Subscriber, times: u64) -> Result<()> {
    let store = subscriber.world.store()?;
    for asked in 1..=times {
        while times_asked(subscriber).await? < asked {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rewrite(subscriber, &store).await?;
    }
    Ok(())
}

/// Questions under way count too.
async fn times_asked(subscriber: &Subscriber) -> Result<u64> {
    let faults = subscriber.world.sandbox_get("faults").await?;
    Ok(100 - faults["api"][0]["count"].as_u64().context("the rule")?)
}

async fn rewrite(subscriber: &Subscriber, store: &Store) -> Result<()> {
    let partition = Partition::User(UserId::parse("42")?);
    let id = SubscriptionId::parse(subscriber.subscription.as_str())?;
    let stored = store.read_subscription(&partition, &id).await?.context("a record")?;
    let change = Change::Subscription {
        partition,
        subscription: Box::new(stored.value),
        as_of: stored.as_of,
        guard: Guard::Unchanged(Some(stored.version)),
    };
    assert!(matches!(store.commit(vec![change]).await?, Commit::Landed));
    Ok(())
}

async fn reads(subscriber: &Subscriber) -> Result<usize> {
    let path = format!("GET /v1/subscriptions/{}", subscriber.subscription);
    // One more was the test's own, when the subscriber was made.
    Ok(subscriber.world.stripe_calls().await?.iter().filter(|call| **call == path).count() - 1)
}
