//! The main job from the first sign-in to the second checkout, as a front end lives it.
//!
//! Told once and played twice: by the suite on functions in its own process, and by `behind_lambda` on the built ones.

use anyhow::Result;
use serde_json::{Value, json};

use crate::World;

const PROTECTED: &str = "/api/banking/accounts/";

/// # Panics
/// When the story takes another turn.
///
/// # Errors
/// When a part of the world cannot be reached.
pub async fn live(world: &World) -> Result<()> {
    let token = world.token("42")?;

    // Signed in, never subscribed.
    assert_eq!(world.status(&token).await?["status"], "none");
    assert_eq!(refused_with(world, &token).await?, (402, "CHECKOUT_REQUIRED".into()));

    // Checks out and pays: the webhook brings the trial.
    let session = world.checkout(&token).await?;
    let paid = world.pay(&session, "4242424242424242").await?;
    let status = world.status(&token).await?;
    assert_eq!(status["status"], "trialing");
    assert_eq!(status["has_used_trial"], true);
    assert_eq!(status["payment_method"], json!({ "brand": "visa", "last4": "4242" }));
    assert_eq!(status["amount"], 49.90);
    assert_eq!(status["currency"], "BRL");
    assert_eq!(status["days_until_renewal"], 7);
    assert_eq!(status["trial_end"], status["current_period_end"]);
    assert_eq!(status["subscription_id"], paid["subscription_id"]);
    let first_trial_at = status["first_trial_at"].clone();
    assert!(first_trial_at.is_string());

    // The success page asks, and the protected API answers.
    let told = world.get(&format!("/api/subscriptions/session-status/?session_id={session}"), Some(&token)).await?;
    assert_eq!(told.body["status"], "trialing");
    let allowed = world.get(PROTECTED, Some(&token)).await?;
    assert_eq!(allowed.status, 200, "{:?}", allowed.body);

    // The trial ends and the card is charged.
    world.advance_days(8).await?;
    let status = world.status(&token).await?;
    assert_eq!(status["status"], "active");
    assert_eq!(status["access"], true);
    assert_eq!(status["first_trial_at"], first_trial_at);

    // The card starts to fail; a month later the payment is overdue and access goes on.
    let customer = paid["customer"].as_str().unwrap_or_default().to_owned();
    world.sandbox(&format!("customers/{customer}/card"), &json!({ "card": "4000000000000341" })).await?;
    world.advance_days(31).await?;
    assert_eq!(world.status(&token).await?["status"], "past_due");
    assert_eq!(world.get(PROTECTED, Some(&token)).await?.status, 200);
    let failing_card = json!({ "brand": "visa", "last4": "0341" });
    assert_eq!(world.status(&token).await?["payment_method"], failing_card);

    // The card is mended, the open invoice is paid, and the user cancels in the portal.
    world.sandbox(&format!("customers/{customer}/card"), &json!({ "card": "4242424242424242" })).await?;
    world.advance_days(7).await?;
    assert_eq!(world.status(&token).await?["status"], "active");
    cancel_in_portal(world, &token).await?;
    let status = world.status(&token).await?;
    assert_eq!(status["cancel_at_period_end"], true);
    assert_eq!(status["status"], "active");

    // The period ends: nothing is left, and nothing is free any more.
    world.advance_days(32).await?;
    assert_eq!(world.status(&token).await?["status"], "canceled");
    assert_eq!(refused_with(world, &token).await?, (402, "SUBSCRIPTION_REQUIRED".into()));
    let session = world.checkout(&token).await?;
    world.pay(&session, "4242424242424242").await?;
    let status = world.status(&token).await?;
    assert_eq!(status["status"], "active");
    assert_eq!(status["trial_end"], Value::Null);
    assert_eq!(status["first_trial_at"], first_trial_at);
    assert_eq!(world.get(PROTECTED, Some(&token)).await?.status, 200);
    Ok(())
}

/// Clicks "cancel" on the sandbox's portal page.
async fn cancel_in_portal(world: &World, token: &str) -> Result<()> {
    let portal = world.post("/api/subscriptions/portal/", Some(token), &json!({})).await?;
    assert_eq!(portal.status, 200, "{:?}", portal.body);
    let url = portal.body["url"].as_str().unwrap_or_default();
    let page = world.http.get(url).send().await?.text().await?;
    assert!(page.contains("/cancel\""), "the portal page offers to cancel: {page}");
    let status = world.status(token).await?;
    let form = format!("subscription={}", status["subscription_id"].as_str().unwrap_or_default());
    let cancel = world.http.post(format!("{url}/cancel")).header("content-type", "application/x-www-form-urlencoded");
    let canceled = cancel.body(form).send().await?;
    assert_eq!(canceled.status(), 303);
    world.delivered().await
}

async fn refused_with(world: &World, token: &str) -> Result<(u16, String)> {
    let answer = world.get(PROTECTED, Some(token)).await?;
    Ok((answer.status, answer.code().to_owned()))
}
