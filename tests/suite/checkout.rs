//! POST /api/subscriptions/checkout/: prices, URLs, one customer, one open session, one trial.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{World, answer};

const PATH: &str = "/api/subscriptions/checkout/";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_gets_a_session_with_a_trial_for_a_customer_of_their_own() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let answer = world.post(PATH, Some(&token), &json!({})).await?;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let session_id = answer.body["session_id"].as_str().unwrap_or_default();
    assert!(session_id.starts_with("cs_test_"), "{session_id}");
    assert!(answer.body["checkout_url"].as_str().unwrap_or_default().starts_with(world.stack.stripe_url()));

    let requests = world.sandbox_get("requests").await?;
    let requests = requests["requests"].as_array().cloned().unwrap_or_default();
    let sent = requests.iter().find(|call| call["path"] == "/v1/checkout/sessions").cloned().unwrap_or_default();
    let params = sent["params"].to_string();
    for expected in ["subscription", "pt-BR", "{CHECKOUT_SESSION_ID}", "\"True\"", "/checkout/cancel"] {
        assert!(params.contains(expected), "{expected} in {params}");
    }
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_again_returns_the_same_session_and_another_choice_replaces_it() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let first = world.post(PATH, Some(&token), &json!({})).await?.body;
    assert_eq!(world.post(PATH, Some(&token), &json!({})).await?.body, first);
    let success_url = format!("{}/welcome?session_id={{CHECKOUT_SESSION_ID}}", world.stack.api_url());
    let other = world.post(PATH, Some(&token), &json!({ "success_url": success_url })).await?.body;
    assert_ne!(other["session_id"], first["session_id"]);
    assert_eq!(session_state(&world, &first).await?, "expired");
    assert_eq!(session_state(&world, &other).await?, "open");
    world.stack.shutdown().await
}

/// The first session was expired for a second one that Stripe then refused to open.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_ended_for_another_choice_is_not_handed_out_again() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let first = world.post(PATH, Some(&token), &json!({})).await?.body;
    let product = world.stripe_get("/v1/products?limit=1").await?["data"][0]["id"].clone();
    let form = format!("product={}&currency=brl&unit_amount=990&recurring[interval]=month", product.as_str().unwrap());
    let price = world.stripe_post("/v1/prices", &form).await?.body["id"].clone();
    world.delivered().await?;
    // Neither its being archived nor the first session's end is heard of.
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    world.stripe_post(&format!("/v1/prices/{}", price.as_str().unwrap()), "active=false").await?;
    let refused = world.post(PATH, Some(&token), &json!({ "price_id": price })).await?;
    assert!(refused.status >= 400, "{:?}", refused.body);
    assert_eq!(session_state(&world, &first).await?, "expired");
    let again = world.post(PATH, Some(&token), &json!({})).await?;
    assert_eq!(again.status, 200, "{:?}", again.body);
    assert_eq!(session_state(&world, &again.body).await?, "open");
    world.stack.shutdown().await
}

async fn session_state(world: &World, reply: &Value) -> Result<Value> {
    let id = reply["session_id"].as_str().unwrap_or_default();
    Ok(world.stripe_get(&format!("/v1/checkout/sessions/{id}")).await?["status"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_requests_end_with_one_customer_and_one_open_session() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let other_choice = json!({ "cancel_url": format!("{}/prices", world.stack.api_url()) });
    let plain = json!({});
    let bodies = [&plain, &other_choice, &plain, &other_choice, &plain, &plain];
    let asked = bodies.map(|body| Box::pin(world.post(PATH, Some(&token), body)));
    for answer in join_all(asked.into()).await {
        let answer = answer?;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
    let customers = world.stripe_get("/v1/customers?limit=100").await?;
    assert_eq!(customers["data"].as_array().map(Vec::len), Some(1), "{customers}");
    let sessions = world.stripe_get("/v1/checkout/sessions?limit=100").await?;
    let open = sessions["data"].as_array().into_iter().flatten().filter(|session| session["status"] == "open").count();
    assert_eq!(open, 1, "{sessions}");
    world.stack.shutdown().await
}

/// Polls all of them at once.
async fn join_all<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(value) = std::pin::Pin::new(future).poll(context)
            {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_is_sent_to_the_settings() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    world.subscribe(&token).await?;
    let answer = world.post(PATH, Some(&token), &json!({})).await?;
    assert_eq!(answer.status, 409);
    insta::assert_json_snapshot!(answer.body, @r#"
    {
      "code": "ALREADY_SUBSCRIBED",
      "error": "Subscription already active",
      "redirect": "/settings"
    }
    "#);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_come_from_the_body_or_the_token_or_the_default_and_must_be_allowed() -> Result<()> {
    let world =
        World::with(&[("STRIPE_DEFAULT_PRICE_ID", ""), ("ALLOWED_PRICE_IDS", stripe_sandbox::DEFAULT_PRICE_ID)])
            .await?;
    let token = world.token("42")?;
    let answer = world.post(PATH, Some(&token), &json!({})).await?;
    assert_eq!(answer.status, 400);
    insta::assert_json_snapshot!(answer.body, @r#"
    {
      "code": "PRICE_NOT_CONFIGURED",
      "error": "STRIPE_DEFAULT_PRICE_ID must be configured in settings"
    }
    "#);
    for price in ["price_of_another", "price_1\"},{\"", "prod_1", "price_\u{0}"] {
        let answer = world.post(PATH, Some(&token), &json!({ "price_id": price })).await?;
        assert_eq!((answer.status, answer.code()), (400, "PRICE_NOT_ALLOWED"), "{price}");
    }
    let chosen = world.stack.token(json!({ "user_id": 42, "price_id": stripe_sandbox::DEFAULT_PRICE_ID }))?;
    assert_eq!(world.post(PATH, Some(&chosen), &json!({})).await?.status, 200);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_recurring_price_of_the_catalogue_may_be_asked_for_and_no_other() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let create = |form: &'static str| world.stripe_post("/v1/prices", form);
    let yearly =
        create("currency=brl&unit_amount=49900&product=prod_caixahub_premium&recurring[interval]=year").await?;
    let one_off = create("currency=brl&unit_amount=1000&product=prod_caixahub_premium").await?;
    world.delivered().await?;
    let ask = |price: &Value| {
        let body = json!({ "price_id": price["id"] });
        let (world, token) = (&world, token.clone());
        async move { world.post(PATH, Some(&token), &body).await }
    };
    assert_eq!(ask(&one_off.body).await?.code(), "PRICE_NOT_ALLOWED");
    assert_eq!(ask(&yearly.body).await?.status, 200);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_outside_the_front_end_are_refused() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let own = world.stack.api_url().to_owned();
    let hostile = [
        "//evil.example".to_owned(),
        "https://evil.example/".to_owned(),
        format!("{own}@evil.example/"),
        format!("{own}.evil.example/"),
        "javascript:alert(1)".to_owned(),
        "data:text/html,hi".to_owned(),
        format!("{own}\\@evil.example"),
        format!("{own}/{}", "a".repeat(5_000)),
    ];
    for url in hostile {
        for field in ["success_url", "cancel_url"] {
            let answer = world.post(PATH, Some(&token), &json!({ field: url })).await?;
            assert_eq!((answer.status, answer.code()), (400, "URL_NOT_ALLOWED"), "{field} {url:.60}");
        }
    }
    assert!(world.stripe_calls().await?.is_empty());
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_checkout_is_400_and_writes_nothing() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let bodies: [(Vec<u8>, &str); 6] = [
        (b"not json".to_vec(), "INVALID_JSON"),
        (b"[]".to_vec(), "INVALID_BODY"),
        (b"\"text\"".to_vec(), "INVALID_BODY"),
        (br#"{"price_id": 7}"#.to_vec(), "INVALID_BODY"),
        (vec![b'{'; 1024 * 1024], "BODY_TOO_LARGE"),
        (vec![0xff, 0xfe], "INVALID_JSON"),
    ];
    let before = world.stack.dynamodb_calls().len();
    for (body, code) in bodies {
        let request = world.request(Method::POST, PATH, Some(&token)).header("content-type", "application/json");
        let answer = answer(request.body(body)).await?;
        assert_eq!((answer.status, answer.code()), (400, code), "{:?}", answer.body);
    }
    assert_eq!(world.stack.dynamodb_calls().len(), before);
    assert!(world.stripe_calls().await?.is_empty());
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_deleted_at_stripe_is_made_anew_once() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let first = world.checkout(&token).await?;
    let paid = world.pay(&first, "4242424242424242").await?;
    let customer = paid["customer"].as_str().unwrap_or_default();
    let deleted = world.stripe_delete(&format!("/v1/customers/{customer}")).await?;
    assert_eq!(deleted.status, 200, "{:?}", deleted.body);
    world.delivered().await?;
    assert_eq!(world.status(&token).await?["access"], false);
    let second = world.checkout(&token).await?;
    let paid = world.pay(&second, "4242424242424242").await?;
    assert_ne!(paid["customer"], customer);
    let status = world.status(&token).await?;
    assert_eq!((&status["status"], &status["trial_end"]), (&json!("active"), &Value::Null), "no second trial");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_deleted_without_a_word_is_found_out_and_made_anew() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let first = world.post(PATH, Some(&token), &json!({})).await?.body;
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    let customers = world.stripe_get("/v1/customers").await?;
    let customer = customers["data"][0]["id"].as_str().unwrap_or_default();
    world.stripe_delete(&format!("/v1/customers/{customer}")).await?;
    let elsewhere = json!({ "cancel_url": format!("{}/prices", world.stack.api_url()) });
    let second = world.post(PATH, Some(&token), &elsewhere).await?;
    assert_eq!(second.status, 200, "{:?}", second.body);
    assert_ne!(second.body["session_id"], first["session_id"]);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_down_is_503_and_the_next_request_succeeds_with_one_customer() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let fault = json!({ "api": [{ "method": "POST", "path_prefix": "/v1/customers", "kind": "500_after_commit", "count": 10 }] });
    world.sandbox("faults", &fault).await?;
    let answer_down = world.post(PATH, Some(&token), &json!({})).await?;
    assert_eq!(answer_down.status, 503, "{:?}", answer_down.body);
    assert_eq!(answer_down.body["error"], "Erro ao criar sessão de checkout");
    assert!(answer_down.header("retry-after").is_some());
    world.http.delete(format!("{}/_sandbox/faults", world.stack.stripe_url())).send().await?;
    assert_eq!(world.post(PATH, Some(&token), &json!({})).await?.status, 200);
    let customers = world.stripe_get("/v1/customers?limit=100").await?;
    assert_eq!(customers["data"].as_array().map(Vec::len), Some(1), "{customers}");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_trial_is_offered_when_the_operator_offers_none() -> Result<()> {
    let world = World::with(&[("TRIAL_DAYS", "0")]).await?;
    let token = world.token("42")?;
    world.subscribe(&token).await?;
    let status = world.status(&token).await?;
    assert_eq!((&status["status"], &status["has_used_trial"]), (&json!("active"), &json!(false)));
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_session_is_known_to_be_paid_before_its_subscription_comes() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    world
        .sandbox("faults", &json!({ "delivery": [{ "kind": "drop", "types": ["customer.subscription.created"] }] }))
        .await?;
    let paid = world.pay(&session, "4242424242424242").await?;
    assert_eq!(world.status(&token).await?["status"], "none", "only the completed session has come");
    let again = world.post(PATH, Some(&token), &json!({})).await?;
    assert_eq!((again.status, again.code()), (409, "ALREADY_SUBSCRIBED"), "{:?}", again.body);
    assert_eq!(world.status(&token).await?["subscription_id"], paid["subscription_id"], "and what was learnt is kept");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_without_webhooks_opens_no_second_trial() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    world.sandbox("faults", &json!({ "delivery": [{ "kind": "drop", "probability": 1.0 }] })).await?;
    world.pay(&session, "4242424242424242").await?;
    world.sandbox("advance", &json!({ "hours": 25 })).await?;
    let again = world.post(PATH, Some(&token), &json!({})).await?;
    assert_eq!((again.status, again.code()), (409, "ALREADY_SUBSCRIBED"), "{:?}", again.body);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_deleted_customer_is_not_handed_out_again() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let first = world.post(PATH, Some(&token), &json!({})).await?.body;
    let customers = world.stripe_get("/v1/customers").await?;
    let customer = customers["data"][0]["id"].as_str().unwrap_or_default();
    world.stripe_delete(&format!("/v1/customers/{customer}")).await?;
    world.delivered().await?;
    let second = world.post(PATH, Some(&token), &json!({})).await?;
    assert_eq!(second.status, 200, "{:?}", second.body);
    assert_ne!(second.body["session_id"], first["session_id"]);
    world.stack.shutdown().await
}
