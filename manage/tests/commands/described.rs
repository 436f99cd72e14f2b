//! What the commands send to Stripe, against Stripe's own description of its API.

use anyhow::Result;
use serde_json::json;
use shared::domain::Mode;
use tests::World;
use tests::described::{description, undescribed};

use crate::support::{auditor_of, manage, manage_with};

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_commands_is_one_stripe_describes() -> Result<()> {
    let Some(spec) = description() else { return Ok(()) };
    let world = World::start().await?;
    world.subscribe(&world.token("42")?).await?;
    world.sandbox("keys", &json!({ "add": "sk_test_rolled1" })).await?;
    let live = auditor_of(&world, Mode::Live);
    let portal = live.setup().list_portal_configurations().await?.remove(0);
    live.setup().save_portal_configuration(Some(&portal.id), "https://example.com/settings").await?;
    for arguments in [
        &["sync-stripe"][..],
        &["explain", "42"],
        &["rotate", "webhook", "--yes"],
        &["go-live", "--live", "--yes"],
        &["doctor", "--live"],
        &["rollback", "--live", "--yes"],
        &["fix-customer-links", "--dry-run"],
        &["events"],
        &["replay", "--since", "1h"],
    ] {
        let said = manage(&world, arguments).await;
        assert_eq!(said.code, 0, "{said:?}");
    }
    manage_with(&world, &["rotate", "stripe-key", "--yes"], "sk_test_rolled1").await;
    let (sent, violations) = undescribed(&spec, &world).await?;
    assert!(sent > 80, "{sent} requests");
    assert!(violations.is_empty(), "{violations:#?}");
    Ok(())
}
