//! `fix-customer-links`: whose a customer is, and whose it must never become.

use anyhow::Result;
use manage::commands::fix_customer_links::{Fix, plan};
use serde_json::json;
use shared::domain::CustomerId;
use tests::World;

use crate::support::{
    auditor, customer, customer_at_stripe, deaf_world, manage, records, subscription_at_stripe, user,
};

/// A user who has begun a checkout and whose e-mail address a token has told us.
async fn known_user(world: &World, id: &str) -> Result<CustomerId> {
    world.checkout(&world.token(id)?).await?;
    let kept = records(world, &format!("test#user#{id}")).await;
    Ok(customer(kept["customer"]["customer_id"].as_str().unwrap()))
}

async fn sync(world: &World) {
    assert_eq!(manage(world, &["sync-stripe", "--quiet"]).await.code, 0);
}

async fn owner(world: &World, of: &CustomerId) -> Option<String> {
    let owner = auditor(world).books().store().read_owner(of).await.unwrap();
    owner.user.map(|user| user.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_links_first_and_then_an_email_of_exactly_one_user() -> Result<()> {
    let world = deaf_world().await?;
    known_user(&world, "43").await?;
    let by_email = customer_at_stripe(&world, "User43@Example.com", None).await?;
    let subscription = subscription_at_stripe(&world, &by_email, 0).await?;
    let by_metadata = customer_at_stripe(&world, "someone@example.com", None).await?;
    let lost = customer_at_stripe(&world, "unknown@example.com", None).await?;
    sync(&world).await;
    // Named after it was parked, as an operator does in the Dashboard.
    world.stripe_post(&format!("/v1/customers/{by_metadata}"), "metadata[user_id]=42").await?;

    let dry = manage(&world, &["fix_customer_links", "--dry-run"]).await;
    assert_eq!(dry.code, 1, "{dry:?}");
    assert!(dry.stdout.contains(&format!("{by_metadata} → user 42 (by metadata)")), "{dry:?}");
    assert_eq!(owner(&world, &by_metadata).await, None, "a dry run changes nothing");

    let said = manage(&world, &["fix_customer_links", "--yes"]).await;
    assert_eq!(said.code, 1, "an orphan is left: {said:?}");
    assert!(said.stdout.contains(&format!("  ✓ {by_email} → user 43 (by e-mail)")), "{said:?}");
    assert!(said.stdout.contains(&format!("  – {lost}: no user has its e-mail address")), "{said:?}");
    assert!(said.stdout.ends_with("Linked: 2, unlinked: 1, orphans: 1\n"), "{said:?}");
    assert_eq!(owner(&world, &by_metadata).await.as_deref(), Some("42"));
    assert_eq!(owner(&world, &by_email).await.as_deref(), Some("43"));
    let status = world.status(&world.token("43")?).await?;
    assert_eq!((&status["subscription_id"], &status["access"]), (&json!(subscription), &json!(true)));

    let again = manage(&world, &["fix_customer_links", "--yes"]).await;
    assert!(again.stdout.ends_with("Linked: 0, unlinked: 0, orphans: 1\n"), "{again:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_customers_the_one_with_an_active_subscription_becomes_the_users() -> Result<()> {
    let world = deaf_world().await?;
    let empty = known_user(&world, "43").await?;
    let idle = customer_at_stripe(&world, "user43@example.com", None).await?;
    let paying = customer_at_stripe(&world, "user43@example.com", None).await?;
    subscription_at_stripe(&world, &paying, 0).await?;
    sync(&world).await;
    let mut fixes = plan(&auditor(&world), None).await?;
    fixes.sort_by_key(|fix| format!("{fix:?}"));
    let link = Fix::Link { customer: paying.clone(), user: user("43"), by: "e-mail" };
    assert!(fixes.contains(&link), "{fixes:?}");
    assert!(
        fixes.contains(&Fix::Unlink { customer: empty.clone(), user: user("43"), preferred: paying.clone() }),
        "{fixes:?}"
    );
    assert!(fixes.iter().any(|fix| matches!(fix, Fix::Orphan { customer, .. } if *customer == idle)), "{fixes:?}");

    let asks = manage(&world, &["fix-customer-links"]).await;
    assert_eq!(asks.code, 2, "unlinking is asked about: {asks:?}");
    manage(&world, &["fix-customer-links", "--yes"]).await;
    assert_eq!(records(&world, "test#user#43").await["customer"]["customer_id"], paying.as_str());
    assert_eq!(owner(&world, &idle).await, None);
    assert_eq!(world.status(&world.token("43")?).await?["access"], true);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_typed_at_stripe_never_moves_a_subscription_to_another_user() -> Result<()> {
    let world = deaf_world().await?;
    // User 66 pays, and then says at Stripe that their address is the victim's.
    let of_66 = known_user(&world, "66").await?;
    subscription_at_stripe(&world, &of_66, 0).await?;
    world.stripe_post(&format!("/v1/customers/{of_66}"), "email=victim%40example.com").await?;
    // The victim paid by other means: a customer that names no user.
    let of_victim = customer_at_stripe(&world, "victim@example.com", None).await?;
    let paid = subscription_at_stripe(&world, &of_victim, 0).await?;
    sync(&world).await;
    let said = manage(&world, &["fix-customer-links", "--yes"]).await;
    assert!(said.stdout.contains("which does not verify it"), "{said:?}");
    assert_eq!(owner(&world, &of_victim).await, None);
    assert!(!records(&world, "test#user#66").await.contains_key(&format!("subscription#{paid}")));

    // The victim becomes known by a token, and it is doubtful still whose it is.
    world.checkout(&world.stack.token(json!({ "user_id": "7", "email": "victim@example.com" }))?).await?;
    let said = manage(&world, &["fix-customer-links", "--yes"]).await;
    assert!(said.stdout.contains("2 users have its e-mail address"), "{said:?}");
    assert_eq!(owner(&world, &of_victim).await, None);
    // And what is somebody's stays theirs.
    assert_eq!(owner(&world, &of_66).await.as_deref(), Some("66"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_customers_can_be_synced_first_and_one_address_looked_at_alone() -> Result<()> {
    let world = deaf_world().await?;
    let named = customer_at_stripe(&world, "a@example.com", Some("42")).await?;
    customer_at_stripe(&world, "b@example.com", None).await?;
    customer_at_stripe(&world, "c@example.com", None).await?;
    let said = manage(&world, &["fix-customer-links", "--sync-all"]).await;
    assert!(said.stdout.contains("👥 Sincronizando Customers..."), "{said:?}");
    assert_eq!(owner(&world, &named).await.as_deref(), Some("42"));
    let said = manage(&world, &["fix-customer-links", "--email", "B@example.com"]).await;
    assert!(said.stdout.ends_with("Linked: 0, unlinked: 0, orphans: 1\n"), "{said:?}");
    Ok(())
}
