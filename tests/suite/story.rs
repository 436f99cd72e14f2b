//! The main job from the first sign-in to the second checkout, as a front end lives it.

use anyhow::Result;
use serde_json::json;
use tests::World;

#[tokio::test(flavor = "multi_thread")]
async fn from_sign_up_to_trial_to_payment_to_failure_to_cancellation_to_a_checkout_without_a_trial() -> Result<()> {
    let world = World::start().await?;
    tests::story::live(&world).await?;
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_holds_with_only_the_six_events_of_the_old_guide() -> Result<()> {
    let world = World::start().await?;
    keep_only_the_six(&world).await?;
    let token = world.token("7")?;
    let session = world.checkout(&token).await?;
    world.pay(&session, "4242424242424242").await?;
    let status = world.status(&token).await?;
    assert_eq!(status["status"], "trialing");
    assert_eq!(status["has_used_trial"], true);
    assert_eq!(status["payment_method"], json!({ "brand": "visa", "last4": "4242" }));
    world.advance_days(8).await?;
    assert_eq!(world.status(&token).await?["status"], "active");
    let old = world.post("/api/subscriptions/checkout/", Some(&token), &json!({})).await?;
    assert_eq!((old.status, old.code()), (409, "ALREADY_SUBSCRIBED"));
    world.stack.shutdown().await
}

async fn keep_only_the_six(world: &World) -> Result<()> {
    const SIX: [&str; 6] = [
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.trial_will_end",
        "invoice.payment_succeeded",
        "invoice.payment_failed",
    ];
    let listing = world.stripe_get("/v1/webhook_endpoints").await?;
    let id = listing["data"][0]["id"].as_str().unwrap_or_default();
    let form = SIX.iter().map(|event| format!("enabled_events[]={event}")).collect::<Vec<_>>().join("&");
    let updated = world.stripe_post(&format!("/v1/webhook_endpoints/{id}"), &form).await?;
    assert_eq!(updated.status, 200, "{:?}", updated.body);
    Ok(())
}
