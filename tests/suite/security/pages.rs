//! What browsers and their pages could be made to do: return URLs, prices, sessions of others, origins.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{World, answer};

use super::Asked;

const CHECKOUT: &str = "/api/subscriptions/checkout/";
const PORTAL: &str = "/api/subscriptions/portal/";

fn hostile_urls(own: &str) -> Vec<String> {
    let host = own.trim_start_matches("http://");
    let bare = host.split(':').next().unwrap_or_default();
    [
        "//evil.example".to_owned(),
        format!("//{host}/"),
        format!("///{host}/"),
        "https://evil.example/".to_owned(),
        format!("https://{host}@evil.example/"),
        format!("{own}@evil.example/"),
        format!("{own}:443@evil.example/"),
        format!("{own}.evil.example/"),
        format!("http://{bare}.evil.example/"),
        format!("http://evil.example/{host}"),
        format!("http://{bare}/"),
        format!("http://{bare}:1/"),
        format!("https://{host}/"),
        format!("http://{bare}.:{}/", host.rsplit(':').next().unwrap_or_default()),
        format!("http://user@{host}/"),
        format!("http://user:secret@{host}/"),
        format!("http://@{host}/"),
        format!("http:\\\\{host}/"),
        format!("{own}\\@evil.example"),
        format!("{own}\\evil"),
        format!("{own}/\tx"),
        format!("ht\ntp://{host}/"),
        format!(" {own}/"),
        format!("{own}/ "),
        format!("{own}/\u{0}"),
        format!("HTTP://{host}/"),
        "http://127.0.0.1。evil.example/".to_owned(),
        "http://１２７.0.0.1/".to_owned(),
        "http://2130706433/".to_owned(),
        "http://0x7f.1/".to_owned(),
        "https://xn--pple-43d.example/".to_owned(),
        "https://еxample.com/".to_owned(),
        "javascript:alert(1)".to_owned(),
        format!("javascript://{host}/%0aalert(1)"),
        "data:text/html,hi".to_owned(),
        "vbscript:x".to_owned(),
        format!("blob:{own}/1"),
        "file:///etc/passwd".to_owned(),
        "/settings".to_owned(),
        "settings".to_owned(),
        "https:".to_owned(),
        "null".to_owned(),
        format!("{own}/{}", "a".repeat(5_000)),
    ]
    .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_url_is_where_stripe_sends_a_user_back_to() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    world.subscribe(&token).await?;
    let before = world.stripe_calls().await?.len();
    for url in hostile_urls(world.stack.api_url()) {
        for (path, field) in [(CHECKOUT, "success_url"), (CHECKOUT, "cancel_url"), (PORTAL, "return_url")] {
            let answer = world.post(path, Some(&token), &json!({ field: url })).await?;
            assert_eq!((answer.status, answer.code()), (400, "URL_NOT_ALLOWED"), "{field} {url:.60}");
            let said = answer.body.to_string();
            assert!(!said.contains("evil") && said.len() < 200, "{said}");
        }
    }
    assert_eq!(world.stripe_calls().await?.len(), before, "Stripe was not asked");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_prices_on_sale_are_sold() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let make = |form: &'static str| world.stripe_post("/v1/prices", form);
    let one_off = make("currency=brl&unit_amount=1&product=prod_caixahub_premium").await?.body;
    let archived =
        make("currency=brl&unit_amount=1&product=prod_caixahub_premium&recurring[interval]=month").await?.body;
    let archived = archived["id"].as_str().context("a price")?.to_owned();
    world.stripe_post(&format!("/v1/prices/{archived}"), "active=false").await?;
    world.delivered().await?;
    let ids = [
        one_off["id"].as_str().context("a price")?.to_owned(),
        archived,
        "price_of_the_other_mode".to_owned(),
        "price_1&mode=payment".to_owned(),
        "price_1&discounts[0][coupon]=free".to_owned(),
        "price_1\r\nIdempotency-Key: x".to_owned(),
        "price_1#product#prod_caixahub_premium".to_owned(),
        "../products/prod_caixahub_premium".to_owned(),
        "prod_caixahub_premium".to_owned(),
        "price_\u{202e}1".to_owned(),
        "x".repeat(256),
        "x".repeat(4_000),
    ];
    for price in ids {
        for body in [json!({ "price_id": price })] {
            let answer = world.post(CHECKOUT, Some(&token), &body).await?;
            assert_eq!((answer.status, answer.code()), (400, "PRICE_NOT_ALLOWED"), "{price:.40}");
        }
    }
    // Neither amount nor trial nor quantity is the caller's to say.
    let greedy = json!({
        "quantity": 0, "trial_days": 3650, "trial_period_days": 3650, "unit_amount": 1, "customer": "cus_another",
        "user_id": "1", "client_reference_id": "1", "mode": "payment", "discounts": [{ "coupon": "free" }],
    });
    let opened = world.post(CHECKOUT, Some(&token), &greedy).await?;
    assert_eq!(opened.status, 200, "{:?}", opened.body);
    let session = opened.body["session_id"].as_str().context("a session")?;
    let session = world.stripe_get(&format!("/v1/checkout/sessions/{session}")).await?;
    assert_eq!(
        (&session["client_reference_id"], &session["mode"]),
        (&json!("42"), &json!("subscription")),
        "{session}"
    );
    assert_ne!(session["customer"], "cus_another");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_at_sessions_learns_nothing() -> Result<()> {
    let world = World::start().await?;
    let (own, other) = (world.token("42")?, world.token("43")?);
    let session = world.checkout(&own).await?;
    let paid = world.pay(&session, "4242424242424242").await?;
    let path = |id: &str| format!("/api/subscriptions/session-status/?session_id={id}");

    // Unknown, of the other mode, of another kind: one and the same answer.
    let unknown = world.get(&path("cs_test_unknown"), Some(&other)).await?;
    for id in
        ["cs_live_unknown", "cs_test_a1", "cs_test_", "cus_1", "cs_test_%00", "cs_test_a%0d%0ab", "%2e%2e%2fcustomers"]
    {
        let guessed = world.get(&path(id), Some(&other)).await?;
        assert_eq!((guessed.status, &guessed.body), (unknown.status, &unknown.body), "{id}");
    }
    // Whoever has the id of another's session learns what the contract says, and no address.
    let theirs = world.get(&path(&session), Some(&other)).await?;
    let keys: Vec<_> = theirs.body.as_object().map(|body| body.keys().cloned().collect()).unwrap_or_default();
    assert_eq!(keys, ["customer_email", "status", "subscription_id", "trial_end"]);
    assert_eq!(theirs.body["subscription_id"], paid["subscription_id"]);
    assert!(theirs.body["customer_email"].as_str().is_some_and(|email| email.contains("***")), "{:?}", theirs.body);
    // And what it taught us is its owner's alone.
    assert_eq!(world.status(&other).await?["status"], "none");
    // Two ids, an id in the body, a long one.
    let session_status = session_status::function(&world.stack.shared_core());
    let asked = Asked::new("GET", "/api/subscriptions/session-status/").query("session_id", &"a".repeat(5_000));
    assert_eq!(asked.of(&session_status).await?.status, 400);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_strangers_read_nothing_whatever_the_status() -> Result<()> {
    let world = World::start().await?;
    let own = world.stack.api_url().to_owned();
    let port = own.rsplit(':').next().unwrap_or_default().to_owned();
    let token = world.token("42")?;
    let strangers = [
        "null".to_owned(),
        "*".to_owned(),
        "https://evil.example".to_owned(),
        format!("{own}.evil.example"),
        format!("{own}/"),
        format!("https://127.0.0.1:{port}"),
        "http://127.0.0.1".to_owned(),
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{port}0"),
        own.to_uppercase(),
        format!("{own}, https://evil.example"),
    ];
    let faults = async |operation: &str| {
        world.stack.dynamodb().heal();
        world.stack.dynamodb().fail_next(Some(operation), 20, local::Fault::AccessDenied);
    };
    for (path, status) in [
        ("/api/subscriptions/config/", 200),
        ("/api/subscriptions/session-status/", 400),
        ("/api/banking/accounts/", 402),
        ("/api/subscriptions/checkout/", 405),
        ("/api/subscriptions/status/", 503),
    ] {
        if status == 503 {
            faults("Query").await;
        }
        for origin in strangers.iter().chain([&own]) {
            let request = world.request(Method::GET, path, Some(&token)).header("origin", origin);
            let told = answer(request).await?;
            assert_eq!(told.status, status, "{path}");
            let expected = (*origin == own).then_some(own.as_str());
            assert_eq!(told.header("access-control-allow-origin"), expected, "{origin} {path} {status}");
            assert_eq!(told.header("access-control-allow-credentials"), None, "cookies are never asked for");
            assert!(told.header("vary").is_some_and(|vary| vary.to_lowercase().contains("origin")), "{path}");
        }
        world.stack.dynamodb().heal();
        for origin in strangers.iter().chain([&own]) {
            let preflight = world
                .request(Method::OPTIONS, path, None)
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization");
            let told = answer(preflight).await?;
            assert_eq!(told.status, 204);
            assert_eq!(told.header("access-control-allow-origin").is_some(), *origin == own, "{origin} {path}");
        }
    }
    let unauthenticated =
        answer(world.request(Method::GET, "/api/banking/accounts/", None).header("origin", &own)).await?;
    assert_eq!(
        (unauthenticated.status, unauthenticated.header("access-control-allow-origin")),
        (401, Some(own.as_str()))
    );
    assert_eq!(unauthenticated.body["detail"], Value::from("Authentication credentials were not provided."));
    world.stack.shutdown().await
}
