//! `events` and `replay`.

use anyhow::Result;
use manage::commands::events::{Types, latest};
use manage::commands::replay::replay_one;
use serde_json::{Value, json};
use shared::domain::EventId;
use shared::store::Outcome;
use tests::World;

use crate::support::{auditor, manage};

async fn event_of(world: &World, event_type: &str) -> EventId {
    let told = latest(&auditor(world), &Types::of(Some(event_type)), 1).await.unwrap();
    told[0].envelope.id.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_newest_first_with_what_became_of_them() -> Result<()> {
    let world = World::start().await?;
    let id = world.subscribe(&world.token("42")?).await?;
    let said = manage(&world, &["events", "--type", "customer.subscription.*", "--last", "1"]).await;
    let lines = said.lines();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].ends_with(&format!("customer.subscription.created  applied  {id}")), "{lines:?}");
    let event = event_of(&world, "customer.subscription.created").await;
    let said = manage(&world, &["events", event.as_str(), "--json"]).await;
    let found: Value = serde_json::from_str(said.lines()[0])?;
    assert_eq!(
        (&found["outcome"], &found["object_id"], &found["attempts"]),
        (&json!("applied"), &json!(id), &json!(1))
    );
    let said = manage(&world, &["events", "evt_nobody"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    let times: Vec<String> = {
        let said = manage(&world, &["events", "--json"]).await;
        let of = |line: &&str| serde_json::from_str::<Value>(line).unwrap()["created"].as_str().unwrap().to_owned();
        said.lines().iter().map(of).collect()
    };
    assert!(times.len() > 3 && times.windows(2).all(|pair| pair[0] >= pair[1]), "{times:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_no_webhook_brought_are_replayed_by_time_and_by_id() -> Result<()> {
    let world = crate::support::deaf_world().await?;
    let token = world.token("42")?;
    let id = world.subscribe(&token).await?;
    assert_eq!(world.status(&token).await?["status"], "none");
    let event = event_of(&world, "customer.subscription.created").await;
    assert!(manage(&world, &["events", event.as_str()]).await.stdout.contains("- Outcome: missing"));
    let said = manage(&world, &["replay", event.as_str()]).await;
    assert_eq!(said.lines(), [format!("  ✓ {event} - applied")]);
    assert_eq!(world.status(&token).await?["subscription_id"], id);
    let said = manage(&world, &["replay", "--since", "1h"]).await;
    assert!(said.lines().contains(&&*format!("  ✓ {event} - duplicate")), "{said:?}");
    assert!(said.stdout.contains(" - applied"), "the others had not been brought: {said:?}");
    let said = manage(&world, &["replay", "evt_nobody"]).await;
    assert_eq!(said.code, 1);
    assert!(said.stdout.contains("  ✗ evt_nobody: Stripe does not have it"), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_events_are_listed_until_a_replay_succeeds() -> Result<()> {
    let world = World::start().await?;
    let none = manage(&world, &["events", "--failed"]).await;
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    let id = world.subscribe(&world.token("42")?).await?;
    let event = event_of(&world, "customer.subscription.created").await;
    let auditor = auditor(&world);
    let envelope = auditor.account().get_event(&event).await?.unwrap();
    // As a reconcile notes an event it could not bring, of one that was dealt with and is to be looked at again.
    shared::sync::reopen(auditor.books(), &envelope).await?;
    let failed = manage(&world, &["events", "--failed"]).await;
    assert_eq!(failed.code, 1, "something is left to do");
    let line = format!("{event}  customer.subscription.created  failed  reopened by an operator\n");
    assert_eq!(failed.stdout, line);
    let said = manage(&world, &["replay", "--failed"]).await;
    assert_eq!(said.lines().len(), 1, "{said:?}");
    assert_eq!(manage(&world, &["events", "--failed"]).await.stdout, "");
    assert_eq!(world.status(&world.token("42")?).await?["subscription_id"], id);
    assert!(manage(&world, &["replay", "--failed"]).await.stderr.contains("There is nothing to replay"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_dealt_with_is_only_replayed_by_force() -> Result<()> {
    let world = World::start().await?;
    world.subscribe(&world.token("42")?).await?;
    let event = event_of(&world, "checkout.session.completed").await;
    let auditor = auditor(&world);
    assert_eq!(replay_one(&auditor, &event, false).await?.outcome, Ok(Outcome::Duplicate));
    assert_eq!(replay_one(&auditor, &event, true).await?.outcome, Ok(Outcome::Applied));
    let updated = event_of(&world, "customer.subscription.created").await;
    world.advance_days(8).await?;
    assert_eq!(replay_one(&auditor, &updated, true).await?.outcome, Ok(Outcome::Stale), "what is newer stays");
    assert_eq!(world.status(&world.token("42")?).await?["status"], "active");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_nothing_in_particular_is_a_usage_error() -> Result<()> {
    let world = World::start().await?;
    for arguments in
        [&["replay"][..], &["replay", "--since", "yesterday"], &["replay", "cus_1"], &["replay", "--failed", "evt_1"]]
    {
        assert_eq!(manage(&world, arguments).await.code, 2, "{arguments:?}");
    }
    Ok(())
}
