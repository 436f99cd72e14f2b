//! GET /api/subscriptions/status/ when the records cannot be read.

use anyhow::Result;
use local::Fault;
use serde_json::json;
use tests::World;

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_read_are_never_told_as_none() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    world.stack.dynamodb().fail_next(Some("Query"), 50, Fault::InternalError);
    let status = world.get("/api/subscriptions/status/", Some(&token)).await?;
    assert_eq!(status.status, 503);
    assert!(status.header("retry-after").is_some());
    assert_eq!(status.body["error"], "Erro ao buscar status da assinatura");
    assert_eq!(status.body["code"], "UNAVAILABLE");
    let gate = world.get("/api/banking/accounts/", Some(&token)).await?;
    assert_eq!(gate.status, 503, "never 402: {:?}", gate.body);
    assert!(gate.header("retry-after").is_some());
    world.stack.dynamodb().heal();
    assert_eq!(world.status(&token).await?["status"], json!("none"));
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_spellings_of_a_numeric_user_are_one_user() -> Result<()> {
    let world = World::start().await?;
    world.subscribe(&world.stack.token(json!({ "user_id": 42 }))?).await?;
    let spelled_as_text = world.stack.token(json!({ "user_id": "42" }))?;
    assert_eq!(world.status(&spelled_as_text).await?["status"], "trialing");
    world.stack.shutdown().await
}
