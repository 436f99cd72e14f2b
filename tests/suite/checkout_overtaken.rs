//! A checkout that webhooks overtake while it waits for Stripe.

use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{EventBuilder, World};

const CHECKOUT: &str = "/api/subscriptions/checkout/";

/// Passes calls to Stripe on at once, and what it answers about one session 2.5 seconds late, as a slow network does.
async fn slow_way_to(stripe_url: &str) -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let from = format!("http://{}", listener.local_addr()?);
    let (to, client) = (stripe_url.to_owned(), reqwest::Client::builder().no_proxy().build()?);
    let router = Router::new().fallback(move |request: Request| {
        let (to, client) = (to.clone(), client.clone());
        async move { pass_on(request, &to, &client).await.map_err(|_| StatusCode::BAD_GATEWAY) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(from)
}

async fn pass_on(request: Request, to: &str, client: &reqwest::Client) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let is_slow = parts.method == Method::GET && parts.uri.path().starts_with("/v1/checkout/sessions/");
    for name in ["host", "content-length"] {
        parts.headers.remove(name);
    }
    let url = format!("{to}{}", parts.uri.path_and_query().context("a path")?);
    let body = axum::body::to_bytes(body, usize::MAX).await?;
    let reply = client.request(parts.method, url).headers(parts.headers).body(body).send().await?;
    let (status, mut headers) = (reply.status(), reply.headers().clone());
    headers.remove("transfer-encoding");
    let bytes = reply.bytes().await?;
    if is_slow {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
    }
    Ok((status, headers, bytes).into_response())
}

/// A genuine webhook of the next second overtakes Stripe's answer about a paid session.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_overtakes_the_look_at_a_paid_session_brings_no_second_trial() -> Result<()> {
    use lambda_http::RequestExt;
    let world = World::start().await?;
    let stripe_url = slow_way_to(world.stack.stripe_url()).await?;
    let services = tests::Services {
        dynamodb_url: world.stack.dynamodb_url(),
        stripe_url: &stripe_url,
        default_price: stripe_sandbox::DEFAULT_PRICE_ID,
    };
    let core = tests::core_on(&world.stack, services, shared::clock::Clock::default()).await;
    let checkout = checkout::function(&core);
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    world.sandbox("faults", &json!({ "delivery": [{ "kind": "drop", "probability": 1.0 }] })).await?;
    let paid = world.sandbox(&format!("checkout/{session}/pay"), &json!({ "card": "4242424242424242" })).await?;
    let subscription = paid["subscription_id"].as_str().context("a subscription")?;
    world.heal_stripe().await?;
    let ask = async {
        let body = json!({ "cancel_url": format!("{}/prices", world.stack.api_url()) }).to_string();
        let request = lambda_http::http::Request::post(CHECKOUT).header("authorization", format!("Bearer {token}"));
        let reply = checkout.call(request.body(body.into())?.with_raw_http_path(CHECKOUT)).await;
        let text: &[u8] = reply.body();
        Ok::<_, anyhow::Error>((reply.status().as_u16(), serde_json::from_slice::<Value>(text)?))
    };
    let webhook = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        world.stripe_post(&format!("/v1/subscriptions/{subscription}"), "metadata[note]=1").await?;
        world.delivered().await
    };
    let ((status, asked), ()) = tokio::try_join!(ask, webhook)?;
    if status == 200 {
        let second = asked["session_id"].as_str().context("a session")?;
        world.sandbox(&format!("checkout/{second}/pay"), &json!({ "card": "4242424242424242" })).await?;
    }
    let listed = world.stripe_get("/v1/subscriptions?status=all&limit=100").await?;
    let trials =
        listed["data"].as_array().context("a list")?.iter().filter(|one| !one["trial_start"].is_null()).count();
    assert_eq!((status, trials), (409, 1));
    world.stack.shutdown().await
}

/// Stripe names what is the user's while the user's own customer is being made.
#[tokio::test(flavor = "multi_thread")]
async fn a_customer_linked_while_another_is_made_leaves_no_session_open() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let made = world.stripe_post("/v1/customers", "metadata[user_id]=42").await?.body;
    let slow = json!({ "method": "POST", "path_prefix": "/v1/checkout/sessions", "kind": "delay", "delay_ms": 1200 });
    world.sandbox("faults", &json!({ "api": [slow] })).await?;
    let webhook = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let event = EventBuilder::of("evt_updated", "customer.updated", world.business_now_second(), made.clone());
        world.deliver(&event.body()).await
    };
    let empty = json!({});
    let (asked, _) = tokio::try_join!(world.post(CHECKOUT, Some(&token), &empty), webhook)?;
    let listed = world.stripe_get("/v1/checkout/sessions?status=open&limit=100").await?;
    let open: Vec<&Value> = listed["data"].as_array().context("a list")?.iter().map(|one| &one["id"]).collect();
    assert_eq!(open, [&asked.body["session_id"]]);
    world.stack.shutdown().await
}
