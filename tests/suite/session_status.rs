//! GET /api/subscriptions/session-status/: the success page.

use anyhow::Result;
use serde_json::{Value, json};
use tests::World;

fn path(session: &str) -> String {
    format!("/api/subscriptions/session-status/?session_id={session}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_success_page_learns_the_truth_before_the_webhook() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    let pay = json!({ "card": "4242424242424242", "email": "maria@example.com" });
    let paid = world.sandbox(&format!("checkout/{session}/pay"), &pay).await?;
    assert_eq!(world.status(&token).await?["status"], "none");

    let told = world.get(&path(&session), None).await?;
    assert_eq!(told.status, 200, "{:?}", told.body);
    assert_eq!(told.body["status"], "trialing");
    assert_eq!(told.body["subscription_id"], paid["subscription_id"]);
    assert_eq!(told.body["customer_email"].as_str().map(|email| email.contains("***@")), Some(true), "{:?}", told.body);
    assert!(told.body["trial_end"].is_i64());

    // It was written too: the gate lets the user in although no webhook has come.
    let status = world.status(&token).await?;
    assert_eq!((&status["status"], &status["has_used_trial"]), (&json!("trialing"), &json!(true)));
    assert_eq!(status["payment_method"]["last4"], "4242");
    assert_eq!(world.get("/api/banking/accounts/", Some(&token)).await?.status, 200);

    // The webhooks that come after change nothing.
    world.sandbox("deliver", &json!({ "hold": false })).await?;
    world.sandbox("deliver", &json!({ "release": "all" })).await?;
    world.delivered().await?;
    assert_eq!(world.status(&token).await?, status);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_whole_only_for_the_sessions_own_user() -> Result<()> {
    let world = World::start().await?;
    let (own, other) = (world.token("42")?, world.token("43")?);
    let session = world.checkout(&own).await?;
    world.pay(&session, "4242424242424242").await?;
    let whole = world.get(&path(&session), Some(&own)).await?.body["customer_email"].clone();
    assert!(whole.as_str().is_some_and(|email| email.contains('@') && !email.contains("***")), "{whole}");
    for token in [Some(other.as_str()), Some("not-a-token"), None] {
        let masked = world.get(&path(&session), token).await?;
        assert_eq!(masked.status, 200);
        assert!(masked.body["customer_email"].as_str().is_some_and(|email| email.contains("***")), "{:?}", masked.body);
    }
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_completed_session_of_this_mode_is_said_so() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    let open = world.get(&path(&session), Some(&token)).await?;
    insta::assert_json_snapshot!(open.body, @r#"
    {
      "message": "Checkout not completed",
      "status": "incomplete"
    }
    "#);
    let missing = world.get("/api/subscriptions/session-status/", None).await?;
    assert_eq!((missing.status, &missing.body["error"]), (400, &json!("session_id is required")));
    let long = format!("cs_test_{}", "a".repeat(5_000));
    for id in ["cs_live_abc", "cs_test_unknown", "sub_1", "cs_test_", "cs_test_a%2fb", "..", long.as_str()] {
        let answer = world.get(&path(id), Some(&token)).await?;
        assert_eq!((answer.status, &answer.body["error"]), (400, &json!("Invalid session_id")), "{id:.40}");
    }
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_down_is_502_in_the_words_of_the_front_end() -> Result<()> {
    let world = World::start().await?;
    let fault = json!({ "api": [{ "path_prefix": "/v1/checkout", "kind": "500", "count": 10 }] });
    world.sandbox("faults", &fault).await?;
    let answer = world.get(&path("cs_test_abc"), None).await?;
    assert_eq!((answer.status, &answer.body["error"]), (502, &json!("Erro ao verificar sessão")));
    assert_ne!(answer.body["request_id"], Value::Null);
    world.stack.shutdown().await
}
