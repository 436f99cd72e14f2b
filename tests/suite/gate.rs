//! The gate in front of the sample API, through the whole stack.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{World, answer};

const PROTECTED: &str = "/api/banking/accounts/";

#[tokio::test(flavor = "multi_thread")]
async fn the_three_refusals_send_the_front_end_where_it_expects() -> Result<()> {
    let world = World::start().await?;
    let newcomer = world.get(PROTECTED, Some(&world.token("1")?)).await?;
    assert_eq!(newcomer.status, 402);
    insta::assert_json_snapshot!(newcomer.body, @r#"
    {
      "code": "CHECKOUT_REQUIRED",
      "error": "Subscription required. Please complete checkout.",
      "redirect": "/checkout"
    }
    "#);
    let token = world.token("2")?;
    let subscription = world.subscribe(&token).await?;
    let canceled = world.stripe_delete(&format!("/v1/subscriptions/{subscription}")).await?;
    assert_eq!(canceled.status, 200, "{:?}", canceled.body);
    world.delivered().await?;
    let former = world.get(PROTECTED, Some(&token)).await?;
    assert_eq!(former.status, 402);
    insta::assert_json_snapshot!(former.body, @r#"
    {
      "code": "SUBSCRIPTION_REQUIRED",
      "error": "Active subscription required",
      "redirect": "/subscription/expired"
    }
    "#);
    assert!(world.stack.upstream_arrivals().is_empty(), "nothing reached the API behind");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_superusers_and_exempt_paths_pass() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    world.subscribe(&token).await?;
    let forged = world
        .request(Method::GET, PROTECTED, Some(&token))
        .header("X-User-Id", "1")
        .header("x-subscription-status", "vip");
    let passed = answer(forged).await?;
    assert_eq!(passed.status, 200);
    let seen = passed.body.to_string();
    assert!(seen.contains("\"42\"") && seen.contains("trialing") && !seen.contains("vip"), "{seen}");

    let superuser = world.stack.token(json!({ "user_id": 1, "is_superuser": true }))?;
    assert_eq!(world.get(PROTECTED, Some(&superuser)).await?.status, 200);
    assert_ne!(world.get("/api/auth/login/", None).await?.status, 401);
    assert_eq!(world.get("/api/authx/", None).await?.status, 401);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn past_due_keeps_access_until_the_grace_is_over() -> Result<()> {
    let world = World::with(&[("PAST_DUE_GRACE_DAYS", "3")]).await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    let paid = world.pay(&session, "4242424242424242").await?;
    world.advance_days(8).await?;
    let customer = paid["customer"].as_str().unwrap_or_default();
    world.sandbox(&format!("customers/{customer}/card"), &json!({ "card": "4000000000000341" })).await?;
    // The month is over, and an hour later the renewal was charged in vain.
    world.advance_days(31).await?;
    let status = world.status(&token).await?;
    assert_eq!((&status["status"], &status["access"]), (&json!("past_due"), &json!(true)), "{status}");
    assert_ne!(status["grace_ends_at"], Value::Null);
    assert_eq!(world.get(PROTECTED, Some(&token)).await?.status, 200);
    world.advance_days(3).await?;
    assert_eq!(world.status(&token).await?["status"], "past_due");
    let refused = world.get(PROTECTED, Some(&token)).await?;
    assert_eq!((refused.status, refused.code()), (402, "SUBSCRIPTION_REQUIRED"));
    world.stack.shutdown().await
}
