//! POST /api/subscriptions/portal/.

use anyhow::Result;
use serde_json::json;
use tests::World;

const PATH: &str = "/api/subscriptions/portal/";

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_gets_a_link_that_returns_to_the_settings() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    world.subscribe(&token).await?;
    let answer = world.post(PATH, Some(&token), &json!({})).await?;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert!(answer.body["url"].as_str().unwrap_or_default().starts_with(world.stack.stripe_url()));
    let requests = world.sandbox_get("requests").await?.to_string();
    assert!(requests.contains(&format!("{}/settings", world.stack.api_url())));
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_a_customer_has_no_portal() -> Result<()> {
    let world = World::start().await?;
    let answer = world.post(PATH, Some(&world.token("42")?), &json!({})).await?;
    assert_eq!(answer.status, 400);
    insta::assert_json_snapshot!(answer.body, @r#"
    {
      "code": "NO_CUSTOMER",
      "error": "Unable to create portal session"
    }
    "#);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_must_be_ours_and_stripe_down_is_502() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    world.subscribe(&token).await?;
    let evil = world.post(PATH, Some(&token), &json!({ "return_url": "https://evil.example/" })).await?;
    assert_eq!((evil.status, evil.code()), (400, "URL_NOT_ALLOWED"));
    let own = format!("{}/account", world.stack.api_url());
    assert_eq!(world.post(PATH, Some(&token), &json!({ "return_url": own })).await?.status, 200);
    let fault = json!({ "api": [{ "path_prefix": "/v1/billing_portal", "kind": "500", "count": 10 }] });
    world.sandbox("faults", &fault).await?;
    let down = world.post(PATH, Some(&token), &json!({})).await?;
    assert_eq!((down.status, &down.body["error"]), (502, &json!("Erro ao criar sessão do portal")));
    world.stack.shutdown().await
}
