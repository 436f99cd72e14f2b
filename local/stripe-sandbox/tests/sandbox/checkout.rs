//! Checkout sessions and what paying them sets off.

use serde_json::json;

use crate::support::{CARD, DAY, FAILS_LATER, World, id};

#[tokio::test]
async fn a_trial_begins_with_its_burst_of_events() {
    let world = World::start().await;
    let customer = world.customer().await;
    let session = world.session(&customer, "&subscription_data[trial_period_days]=7&locale=pt-BR&phone_number_collection[enabled]=true&allow_promotion_codes=true&billing_address_collection=auto").await;
    assert_eq!(session["status"], "open");
    assert!(session["url"].as_str().unwrap().contains("/c/pay/cs_test_"));

    let paid = world.pay(&id(&session), CARD).await;
    assert_eq!(paid.status, 200, "{}", paid.body);
    assert_eq!(paid.body["redirect_url"], format!("http://localhost:9000/ok?session_id={}", id(&session)));

    for kind in [
        "checkout.session.completed",
        "setup_intent.created",
        "setup_intent.succeeded",
        "payment_method.attached",
        "customer.updated",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
    ] {
        world.received(kind, 1).await;
    }
    let created = &world.received("customer.subscription.created", 1).await[0];
    let subscription = &created["data"]["object"];
    assert_eq!(subscription["status"], "trialing");
    assert_eq!(subscription["metadata"], json!({"user_id": "42"}));
    assert_eq!(subscription["trial_end"], subscription["items"]["data"][0]["current_period_end"]);
    assert!(created["data"].get("previous_attributes").is_none());
    assert_eq!(created["request"], json!({"id": null, "idempotency_key": null}));
    assert_eq!(world.received("invoice.paid", 1).await[0]["data"]["object"]["amount_paid"], 0);

    let done = world
        .get(&format!(
            "/v1/checkout/sessions/{}?expand[]=subscription.default_payment_method&expand[]=line_items",
            id(&session)
        ))
        .await
        .body;
    assert_eq!(done["status"], "complete");
    assert_eq!(done["payment_status"], "no_payment_required");
    assert!(done["url"].is_null());
    assert_eq!(done["subscription"]["default_payment_method"]["card"]["last4"], "4242");
    assert_eq!(done["line_items"]["data"][0]["description"], "CaixaHub Premium");
    assert_eq!(done["customer_details"]["email"], "ana@example.com");
}

#[tokio::test]
async fn without_a_trial_the_subscription_is_incomplete_then_active() {
    let world = World::start().await;
    let (_, subscription) = world.subscriber("", CARD).await;
    let created = &world.received("customer.subscription.created", 1).await[0];
    assert_eq!(created["data"]["object"]["status"], "incomplete");
    let updated = &world.received("customer.subscription.updated", 1).await[0];
    assert_eq!(updated["data"]["previous_attributes"], json!({"status": "incomplete"}));
    for kind in ["payment_intent.succeeded", "charge.succeeded", "invoice.paid"] {
        world.received(kind, 1).await;
    }
    assert_eq!(world.subscription(&subscription).await["status"], "active");
}

#[tokio::test]
async fn declined_cards_leave_the_session_open() {
    let world = World::start().await;
    let customer = world.customer().await;
    let session = id(&world.session(&customer, "").await);
    for (card, decline) in [
        ("4000000000000002", "generic_decline"),
        ("4000000000009995", "insufficient_funds"),
        (FAILS_LATER, "generic_decline"),
    ] {
        let refused = world.pay(&session, card).await;
        assert_eq!((refused.status, refused.body["error"]["decline_code"].as_str()), (402, Some(decline)));
    }
    assert_eq!(world.get(&format!("/v1/checkout/sessions/{session}")).await.body["status"], "open");
    assert_eq!(world.pay(&session, CARD).await.status, 200);
    assert_eq!(world.pay(&session, CARD).await.status, 400);
}

#[tokio::test]
async fn a_card_that_wants_its_holder_is_finished_by_authentication() {
    let world = World::start().await;
    let customer = world.customer().await;
    let session = id(&world.session(&customer, "").await);
    let refused = world.pay(&session, "4000002500003155").await;
    assert_eq!((refused.status, refused.body["error"]["code"].as_str()), (402, Some("authentication_required")));
    world.received("invoice.payment_action_required", 1).await;
    let done = world.control("POST", &format!("/checkout/{session}/authenticate"), json!({})).await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(world.subscription(done.body["subscription_id"].as_str().unwrap()).await["status"], "active");
}

#[tokio::test]
async fn a_first_payment_never_confirmed_expires_for_ever() {
    let world = World::start().await;
    let customer = world.customer().await;
    let session = id(&world.session(&customer, "").await);
    world.pay(&session, "4000002500003155").await;
    let subscription = id(&world.received("customer.subscription.created", 1).await[0]["data"]["object"]);
    assert_eq!(world.subscription(&subscription).await["status"], "incomplete");
    world.advance(1).await;
    assert_eq!(world.subscription(&subscription).await["status"], "incomplete_expired");
    assert_eq!(world.control("POST", &format!("/checkout/{session}/authenticate"), json!({})).await.status, 400);
}

#[tokio::test]
async fn sessions_expire_by_time_or_by_call() {
    let world = World::start().await;
    let customer = world.customer().await;
    let first = id(&world.session(&customer, "").await);
    let expired = world.post(&format!("/v1/checkout/sessions/{first}/expire"), "").await.body;
    assert_eq!((expired["status"].as_str(), expired["url"].is_null()), (Some("expired"), true));
    assert_eq!(world.post(&format!("/v1/checkout/sessions/{first}/expire"), "").await.status, 400);
    let second = id(&world.session(&customer, "").await);
    world.advance(1).await;
    assert_eq!(world.get(&format!("/v1/checkout/sessions/{second}")).await.body["status"], "expired");
    world.received("checkout.session.expired", 2).await;
    assert_eq!(world.pay(&second, CARD).await.status, 400);
}

#[tokio::test]
async fn a_session_without_a_customer_makes_one() {
    let world = World::start().await;
    let form = "mode=subscription&line_items[0][price]=price_caixahub_premium_monthly&line_items[0][quantity]=1&success_url=https://a.example/ok&customer_email=rui@example.com";
    let session = id(&world.post("/v1/checkout/sessions", form).await.body);
    let paid = world.control("POST", &format!("/checkout/{session}/pay"), json!({"card": CARD})).await;
    let customer = world.get(&format!("/v1/customers/{}", paid.body["customer"].as_str().unwrap())).await.body;
    assert_eq!(customer["email"], "rui@example.com");
    world.received("customer.created", 1).await;
}

#[tokio::test]
async fn what_a_session_refuses() {
    let world = World::start().await;
    let now = world.control("GET", "/state", json!(null)).await.body["now"].as_i64().unwrap();
    let base = "mode=subscription&line_items[0][price]=price_caixahub_premium_monthly&line_items[0][quantity]=1&success_url=https://a.example";
    let soon = format!("{base}&expires_at={}", now + 60);
    let late = format!("{base}&expires_at={}", now + 2 * DAY);
    let cases: &[(&str, &str, &str)] = &[
        ("", "parameter_missing", "mode"),
        ("mode=subscription", "parameter_missing", "success_url"),
        ("mode=subscription&success_url=https://a.example", "parameter_missing", "line_items"),
        ("mode=gift", "", "mode"),
        (&base.replace("https://a.example", "nowhere"), "url_invalid", "success_url"),
        (&base.replace("price_caixahub_premium_monthly", "price_x"), "resource_missing", "line_items[0][price]"),
        (&format!("{base}&customer=cus_x"), "resource_missing", "customer"),
        (&format!("{base}&subscription_data[trial_period_days]=0"), "", "subscription_data[trial_period_days]"),
        (
            &format!("{base}&subscription_data[trial_period_days]=x"),
            "parameter_invalid_integer",
            "subscription_data[trial_period_days]",
        ),
        (&format!("{base}&coupon=x"), "parameter_unknown", "coupon"),
        (&soon, "", "expires_at"),
        (&late, "", "expires_at"),
    ];
    for (form, code, param) in cases {
        let reply = world.post("/v1/checkout/sessions", form).await;
        assert_eq!(reply.error(), (400, "invalid_request_error", *code, *param), "{form}");
    }
}
