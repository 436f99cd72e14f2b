//! `check-trial-status` and `mark-trial-used`.

use anyhow::Result;
use manage::commands::check_trial_status::{Report, report};
use manage::commands::mark_trial_used::{Marked, mark};
use serde_json::json;
use tests::World;

use crate::support::{auditor, manage, user};

async fn counted(world: &World) -> Report {
    report(&world.store().unwrap(), |_| ()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trial_is_counted_once_as_what_became_of_it() -> Result<()> {
    let world = World::start().await?;
    assert_eq!(counted(&world).await, Report::default());
    let subscriptions: Vec<String> = {
        let mut subscriptions = Vec::new();
        for id in ["1", "2", "3"] {
            subscriptions.push(world.subscribe(&world.token(id)?).await?);
        }
        subscriptions
    };
    assert_eq!(counted(&world).await, Report { active: 3, converted: 0, expired: 0 });
    world.stripe_delete(&format!("/v1/subscriptions/{}", subscriptions[2])).await?;
    world.advance_days(8).await?;
    assert_eq!(counted(&world).await, Report { active: 0, converted: 2, expired: 1 });
    world.subscribe(&world.token("4")?).await?;
    let said = manage(&world, &["check_trial_status"]).await;
    assert_eq!(
        said.lines(),
        [
            "Trial Usage Report:",
            "- Total users with trials: 4",
            "- Active trials: 1",
            "- Converted trials: 2",
            "- Expired trials: 1"
        ]
    );
    let said = manage(&world, &["check-trial-status", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&said.stdout)?;
    assert_eq!(json, json!({ "total": 4, "active": 1, "converted": 2, "expired": 1 }));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_over_many_pages_of_records_adds_up() -> Result<()> {
    let world = World::start().await?;
    let books = auditor(&world).books().clone();
    for number in 0..250 {
        mark(&books, &user(&number.to_string())).await?;
    }
    assert_eq!(counted(&world).await, Report { active: 0, converted: 0, expired: 250 });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_trial_is_shown_by_id_and_by_email() -> Result<()> {
    let world = World::start().await?;
    let id = world.subscribe(&world.token("42")?).await?;
    for asked in [["--user", "42"], ["--email", "USER42@example.com"]] {
        let said = manage(&world, &[&["check-trial-status"][..], &asked[..]].concat()).await;
        let lines = said.lines();
        assert_eq!(lines[0], "Trial of user 42:");
        assert!(lines.contains(&"- Trial: active") && lines.contains(&&*format!("- Subscription: {id} (trialing)")));
    }
    let said = manage(&world, &["check-trial-status", "--email", "nobody@example.com"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_marked_as_used_is_refused_at_checkout_and_never_overwritten() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    assert_eq!(world.status(&token).await?["has_used_trial"], false);
    let said = manage(&world, &["mark_trial_used", "--user", "42"]).await;
    assert_eq!(said.code, 2, "it asks first: {said:?}");
    let said = manage(&world, &["mark_trial_used", "--user", "42", "--yes"]).await;
    assert_eq!(said.lines(), ["✅ Trial of user 42 marked as used"]);
    let status = world.status(&token).await?;
    assert_eq!(status["has_used_trial"], true);
    let first = status["first_trial_at"].clone();
    world.advance_days(1).await?;
    let said = manage(&world, &["mark-trial-used", "--user", "42"]).await;
    assert_eq!(said.code, 0, "there is nothing to ask about: {said:?}");
    assert!(said.stdout.contains("nothing was changed"), "{said:?}");
    assert_eq!(world.status(&token).await?["first_trial_at"], first);
    let subscription = world.subscribe(&token).await?;
    assert_eq!(world.stripe_subscription(&subscription).await?["status"], "active", "no second trial");
    let books = auditor(&world).books().clone();
    assert!(matches!(mark(&books, &user("42")).await?, Marked::Before(_)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_record_can_be_inspected() -> Result<()> {
    let world = World::start().await?;
    let id = world.subscribe(&world.token("42")?).await?;
    let said = manage(&world, &["inspect", "user", "42", "--json"]).await;
    let found: serde_json::Value = serde_json::from_str(said.lines()[0])?;
    assert_eq!((&found["access"], &found["subscriptions"][0]["id"]), (&json!("granted (trialing)"), &json!(id)));
    let customer = found["customer"].as_str().unwrap().to_owned();
    let said = manage(&world, &["inspect", "customer", &customer]).await;
    let lines = said.lines();
    assert!(lines.contains(&"user: 42") && lines.contains(&"  metadata_user_id: 42"), "{lines:?}");
    let said = manage(&world, &["inspect", "subscription", &id, "--json"]).await;
    let found: serde_json::Value = serde_json::from_str(said.lines()[0])?;
    assert_eq!((&found["record_equals_stripe"], &found["user"]), (&json!(true), &json!("42")));
    for unknown in [["user", "nobody"], ["customer", "cus_nobody"], ["subscription", "sub_nobody"]] {
        let said = manage(&world, &["inspect", unknown[0], unknown[1]]).await;
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.stderr.contains("Nothing is known of it in test mode"), "{said:?}");
    }
    Ok(())
}
