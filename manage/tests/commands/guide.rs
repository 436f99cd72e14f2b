//! The old guide's commands, in its order and spelling, on a fresh stack.

use anyhow::Result;
use serde_json::json;
use tests::World;

use crate::support::{customer_at_stripe, manage, subscription_at_stripe};

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_sequence_of_the_old_guide_works_word_for_word() -> Result<()> {
    let world = World::start().await?;
    let url = world.stack.function_url().to_owned();

    // Catalogue and people.
    let said = manage(&world, &["sync_stripe"]).await;
    assert_eq!(
        said.lines(),
        [
            "📦 Sincronizando Products...",
            "  ✓ CaixaHub Premium",
            "💰 Sincronizando Prices...",
            "  ✓ R$ 49.90 - CaixaHub Premium",
            "👥 Sincronizando Customers...",
            "📋 Sincronizando Subscriptions...",
            "✅ Sincronização completa!"
        ]
    );
    let said = manage(&world, &["sync_stripe", "--clean"]).await;
    assert_eq!(said.code, 0, "there is nothing to ask about: {said:?}");

    // Webhook.
    let said = manage(&world, &["register_stripe_webhook", "--url", &url, "--create-in-stripe"]).await;
    let lines = said.lines();
    let id = lines[1].strip_prefix("✅ Created in Stripe: ").unwrap().to_owned();
    assert_eq!(
        lines,
        [
            "📡 Creating webhook endpoint in Stripe...",
            &format!("✅ Created in Stripe: {id}"),
            "📥 Syncing to local database...",
            &format!("✅ Synced to database: {id}")
        ]
    );
    let said = manage(&world, &["register_stripe_webhook"]).await;
    assert_eq!(said.lines()[0], "Found 2 endpoint(s) in Stripe:");
    assert!(said.stdout.contains(&format!("  - {id}: {url}/stripe/webhook/")), "{said:?}");

    // A subscriber, heard of by both endpoints.
    let token = world.token("42")?;
    let subscription = world.subscribe(&token).await?;
    assert_eq!(world.status(&token).await?["status"], "trialing");
    let said = manage(&world, &["check_trial_status"]).await;
    assert_eq!(said.lines()[..3], ["Trial Usage Report:", "- Total users with trials: 1", "- Active trials: 1"]);
    let said = manage(&world, &["check_trial_status", "--email", "user42@example.com"]).await;
    assert_eq!(said.lines()[0], "Trial of user 42:");

    // A customer that has lost its user.
    let orphan = customer_at_stripe(&world, "user43@example.com", None).await?;
    let of_orphan = subscription_at_stripe(&world, &orphan, 0).await?;
    world.delivered().await?;
    world.checkout(&world.token("43")?).await?;
    assert_eq!(manage(&world, &["fix_customer_links", "--dry-run"]).await.code, 1);
    let said = manage(&world, &["fix_customer_links", "--email", "user43@example.com", "--yes"]).await;
    assert!(said.lines().contains(&&*format!("  ✓ {orphan} → user 43 (by e-mail)")), "{said:?}");
    let said = manage(&world, &["fix_customer_links", "--sync-all"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(world.status(&world.token("43")?).await?["subscription_id"], json!(of_orphan));

    // Looking after it.
    let said = manage(&world, &["events", "--last", "3"]).await;
    assert_eq!(said.lines().len(), 3);
    assert_eq!(manage(&world, &["events", "--failed"]).await.lines(), Vec::<&str>::new());
    assert_eq!(manage(&world, &["replay", "--since", "1h"]).await.code, 0);
    assert_eq!(manage(&world, &["replay", "--failed"]).await.code, 0);
    assert_eq!(manage(&world, &["mark_trial_used", "--user", "44", "--yes"]).await.code, 0);
    let said = manage(&world, &["inspect", "user", "42"]).await;
    assert!(said.lines().contains(&&*format!("  id: {subscription}")), "{said:?}");
    let said = manage(&world, &["sync_stripe", "--subscription", &subscription]).await;
    assert!(said.lines().contains(&&*format!("  ✓ {subscription} - trialing")));
    let said = manage(&world, &["sync_stripe", "--customer", orphan.as_str()]).await;
    assert!(said.lines().contains(&"  ✓ user43@example.com"));
    Ok(())
}
