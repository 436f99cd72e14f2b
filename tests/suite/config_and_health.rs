//! The two endpoints that need no token, and a function whose environment is incomplete.

use anyhow::Result;
use local::Fault;
use reqwest::Method;
use serde_json::json;
use tests::{World, answer};

#[tokio::test(flavor = "multi_thread")]
async fn config_tells_the_publishable_key_and_the_default_price() -> Result<()> {
    let world = World::start().await?;
    for path in ["/api/subscriptions/config/", "/api/subscriptions/config"] {
        let answer = world.get(path, None).await?;
        assert_eq!(answer.status, 200);
        assert!(answer.body["publishable_key"].as_str().unwrap_or_default().starts_with("pk_test_"));
        assert_eq!(answer.body["default_price_id"], stripe_sandbox::DEFAULT_PRICE_ID);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_the_table() -> Result<()> {
    let world = World::start().await?;
    let healthy = world.get("/health/", None).await?;
    assert_eq!(healthy.body, json!({ "status": "healthy", "database": "connected", "mode": "test" }));
    world.stack.dynamodb().fail_next(None, 50, Fault::InternalError);
    assert_eq!(world.get("/health", None).await?.status, 503);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_mode_is_one_flag() -> Result<()> {
    let world = World::with(&[("STRIPE_LIVE_MODE", "true")]).await?;
    assert_eq!(world.get("/health/", None).await?.body["mode"], "live");
    let config = world.get("/api/subscriptions/config/", None).await?.body;
    assert!(config["publishable_key"].as_str().unwrap_or_default().starts_with("pk_live_"), "{config}");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_configured_function_starts_and_says_misconfigured() -> Result<()> {
    for (variable, value) in [("STRIPE_LIVE_MODE", "yes"), ("TRIAL_DAYS", "-1"), ("FRONTEND_URL", "not a url")] {
        let world = World::with(&[(variable, value)]).await?;
        let answer = world.get("/api/subscriptions/status/", None).await?;
        assert_eq!((answer.status, answer.code()), (503, "MISCONFIGURED"), "{variable}");
        assert_eq!(answer.body["error"], "Service misconfigured");
        world.stack.shutdown().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_method_is_405_with_allow_and_a_preflight_is_answered() -> Result<()> {
    let world = World::start().await?;
    for (path, right, wrong) in [
        ("/api/subscriptions/config/", "GET", Method::POST),
        ("/api/subscriptions/status/", "GET", Method::DELETE),
        ("/api/subscriptions/checkout/", "POST", Method::GET),
        ("/api/subscriptions/session-status/", "GET", Method::PUT),
        ("/api/subscriptions/portal/", "POST", Method::GET),
        ("/health/", "GET", Method::POST),
    ] {
        let answer = answer(world.request(wrong, path, None)).await?;
        assert_eq!(answer.status, 405, "{path}");
        assert!(answer.header("allow").unwrap_or_default().contains(right), "{path}");
    }
    let preflight = |origin: String| {
        let request = world.request(Method::OPTIONS, "/api/subscriptions/status/", None);
        answer(request.header("origin", origin).header("access-control-request-method", "GET"))
    };
    let own = preflight(world.stack.api_url().to_owned()).await?;
    assert_eq!(own.header("access-control-allow-origin"), Some(world.stack.api_url()));
    for origin in
        ["null".to_owned(), "https://evil.example".to_owned(), format!("{}.evil.example", world.stack.api_url())]
    {
        assert_eq!(preflight(origin).await?.header("access-control-allow-origin"), None);
    }
    world.stack.shutdown().await
}
