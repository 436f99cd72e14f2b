//! What we send to Stripe, and what the sandbox answers, against Stripe's own description of its API.

use anyhow::Result;
use serde_json::json;
use tests::World;
use tests::described::{description, undescribed};

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_story_is_one_stripe_describes() -> Result<()> {
    let Some(spec) = description() else {
        return Ok(());
    };
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    let elsewhere = json!({ "cancel_url": format!("{}/prices", world.stack.api_url()) });
    world.post("/api/subscriptions/checkout/", Some(&token), &elsewhere).await?;
    let session = world.checkout(&token).await.unwrap_or(session);
    world.pay(&session, "4242424242424242").await?;
    world.get(&format!("/api/subscriptions/session-status/?session_id={session}"), Some(&token)).await?;
    world.post("/api/subscriptions/portal/", Some(&token), &json!({})).await?;

    let (sent, violations) = undescribed(&spec, &world).await?;
    assert!(sent >= 5, "{sent} requests");
    assert!(violations.is_empty(), "{violations:#?}");
    world.stack.shutdown().await
}
