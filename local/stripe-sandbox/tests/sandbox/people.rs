//! Customers, payment methods, subscriptions made by call, the portal.

use serde_json::json;

use crate::support::{CARD, LIVE_KEY, World, id};

#[tokio::test]
async fn a_deleted_customer_takes_its_subscriptions_along() {
    let world = World::start().await;
    let (customer, subscription) = world.subscriber("", CARD).await;
    let gone = world.delete(&format!("/v1/customers/{customer}")).await;
    let expected = json!({"id": customer, "object": "customer", "deleted": true});
    assert_eq!(gone.body, expected);
    assert_eq!(world.get(&format!("/v1/customers/{customer}")).await.body, expected);
    assert_eq!(world.subscription(&subscription).await["status"], "canceled");
    world.received("customer.subscription.deleted", 1).await;
    world.received("customer.deleted", 1).await;
    let used = world.post("/v1/billing_portal/sessions", &format!("customer={customer}")).await;
    assert_eq!(used.error(), (400, "invalid_request_error", "resource_missing", "customer"));
}

#[tokio::test]
async fn customers_are_found_by_list_and_search() {
    let world = World::start().await;
    let customer = world.customer().await;
    world.post("/v1/customers", "email=rui@example.com").await;
    let by_email = world.get("/v1/customers?email=ana@example.com").await.body;
    assert_eq!((by_email["data"].as_array().unwrap().len(), id(&by_email["data"][0])), (1, customer.clone()));
    let found = world.get("/v1/customers/search?query=metadata%5B%27user_id%27%5D%3A%2742%27").await.body;
    assert_eq!((found["object"].as_str(), id(&found["data"][0])), (Some("search_result"), customer));
    assert_eq!(world.get("/v1/customers/search?query=hello").await.status, 400);

    let all = "/v1/customers/search?query=email~%22example%22&limit=1&expand[]=total_count";
    let first = world.get(all).await.body;
    assert_eq!((first["total_count"].as_i64(), first["has_more"].as_bool()), (Some(2), Some(true)));
    let second = world.get(&format!("{all}&page={}", first["next_page"].as_str().unwrap())).await.body;
    assert_eq!(
        (second["data"][0]["email"].as_str(), second["has_more"].as_bool()),
        (Some("ana@example.com"), Some(false))
    );
}

#[tokio::test]
async fn search_lags_when_told_to() {
    let world = World::start().await;
    world.control("POST", "/faults", json!({"search_lag_seconds": 60})).await;
    world.customer().await;
    let query = "/v1/customers/search?query=email%3A%22ana@example.com%22";
    assert_eq!(world.get(query).await.body["data"], json!([]));
    world.control("DELETE", "/faults", json!(null)).await;
    assert_eq!(world.get(query).await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn lists_page_forward_and_back() {
    let world = World::start().await;
    for number in 0..5 {
        world.post("/v1/customers", &format!("name=c{number}")).await;
    }
    let first = world.get("/v1/customers?limit=2").await.body;
    assert_eq!((first["data"][0]["name"].as_str(), first["has_more"].as_bool()), (Some("c4"), Some(true)));
    let second = world.get(&format!("/v1/customers?limit=2&starting_after={}", id(&first["data"][1]))).await.body;
    assert_eq!(second["data"][0]["name"], "c2");
    let last = world.get(&format!("/v1/customers?limit=2&starting_after={}", id(&second["data"][1]))).await.body;
    assert_eq!((last["data"].as_array().unwrap().len(), last["has_more"].as_bool()), (1, Some(false)));
    let back = world.get(&format!("/v1/customers?limit=2&ending_before={}", id(&last["data"][0]))).await.body;
    assert_eq!(back["data"], second["data"]);
    for limit in ["0", "101", "x"] {
        let refused = world.get(&format!("/v1/customers?limit={limit}")).await;
        assert_eq!(refused.error(), (400, "invalid_request_error", "parameter_invalid_integer", "limit"));
    }
    assert_eq!(world.get("/v1/customers?starting_after=cus_x").await.error().2, "resource_missing");
}

#[tokio::test]
async fn test_tokens_become_payment_methods_when_attached() {
    let world = World::start().await;
    let customer = world.customer().await;
    let attach = |token: &'static str| world.post_attach(token, &customer);
    let visa = attach("pm_card_visa").await.body;
    assert!(id(&visa).starts_with("pm_1"));
    assert_eq!(attach("pm_card_amex").await.body["card"]["brand"], "amex");
    assert_eq!(attach("pm_card_chargeCustomerFail").await.body["card"]["last4"], "0341");
    assert_eq!(attach("pm_card_authenticationRequired").await.body["card"]["last4"], "3155");
    assert_eq!(attach("pm_card_visa_chargeDeclined").await.error().2, "card_declined");
    assert_eq!(
        attach("pm_card_nothing").await.error(),
        (404, "invalid_request_error", "resource_missing", "payment_method")
    );
    let listed = world.get(&format!("/v1/customers/{customer}/payment_methods?type=card")).await.body;
    assert_eq!(listed["data"].as_array().unwrap().len(), 4);
    let path = format!("/v1/payment_methods/{}", id(&visa));
    assert_eq!(world.post(&path, "card[exp_year]=2040&billing_details[name]=Ana").await.body["card"]["exp_year"], 2040);
    assert!(world.post(&format!("{path}/detach"), "").await.body["customer"].is_null());
    assert_eq!(world.get(&path).await.status, 200);
    assert_eq!(world.post(&format!("{path}/detach"), "").await.status, 400);
    let made = world
        .post(
            "/v1/payment_methods",
            "type=card&card[number]=4242424242424242&card[exp_month]=1&card[exp_year]=2035&card[cvc]=123",
        )
        .await;
    assert_eq!(made.status, 200, "{}", made.body);
    let logged = world.control("GET", "/requests", json!(null)).await.body.to_string();
    assert!(!logged.contains("4242424242424242"));
}

impl World {
    async fn post_attach(&self, token: &str, customer: &str) -> crate::support::Reply {
        self.post(&format!("/v1/payment_methods/{token}/attach"), &format!("customer={customer}")).await
    }
}

#[tokio::test]
async fn subscriptions_by_call_need_somebody_who_pays() {
    let world = World::start().await;
    let customer = world.customer().await;
    let form = format!("customer={customer}&items[0][price]=price_caixahub_premium_monthly&metadata[user_id]=42");
    assert_eq!(world.post("/v1/subscriptions", &form).await.error().2, "resource_missing");
    let failing = id(&world.post_attach("pm_card_chargeCustomerFail", &customer).await.body);
    let refused = world
        .post(
            "/v1/subscriptions",
            &format!("{form}&default_payment_method={failing}&payment_behavior=error_if_incomplete"),
        )
        .await;
    assert_eq!(refused.error().2, "card_declined");
    let incomplete = world.post("/v1/subscriptions", &format!("{form}&default_payment_method={failing}")).await.body;
    assert_eq!(incomplete["status"], "incomplete");
    let active = world
        .post(
            "/v1/subscriptions",
            &format!("{form}&default_payment_method=pm_card_visa&expand[]=default_payment_method&expand[]=customer"),
        )
        .await
        .body;
    assert_eq!(
        (active["status"].as_str(), active["customer"]["id"].as_str()),
        (Some("active"), Some(customer.as_str()))
    );

    let all = world
        .get(&format!("/v1/subscriptions?customer={customer}&status=all&expand[]=data.default_payment_method"))
        .await
        .body;
    assert_eq!(all["data"].as_array().unwrap().len(), 2);
    assert_eq!(all["data"][0]["default_payment_method"]["object"], "payment_method");
    let canceled = world.delete(&format!("/v1/subscriptions/{}", id(&active))).await.body;
    assert_eq!((canceled["status"].as_str(), canceled["ended_at"].is_i64()), (Some("canceled"), true));
    let listed = world.get(&format!("/v1/subscriptions?customer={customer}")).await.body;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let by_price = world.get("/v1/subscriptions?status=canceled&price=price_caixahub_premium_monthly").await.body;
    assert_eq!(by_price["data"].as_array().unwrap().len(), 1);
    let searched = world
        .get("/v1/subscriptions/search?query=metadata%5B%22user_id%22%5D%3A%2242%22%20AND%20status%3A%22canceled%22")
        .await
        .body;
    assert_eq!(searched["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn portal_sessions_and_configurations() {
    let world = World::start().await;
    let customer = world.customer().await;
    let session = world
        .post("/v1/billing_portal/sessions", &format!("customer={customer}&return_url=http://localhost:9000/settings"))
        .await
        .body;
    assert!(session["url"].as_str().unwrap().contains("/p/session/bps_"));
    let form = "features[payment_method_update][enabled]=true&features[invoice_history][enabled]=true&features[subscription_cancel][enabled]=true\
                &features[subscription_cancel][mode]=at_period_end&features[customer_update][enabled]=true&features[customer_update][allowed_updates][]=email\
                &business_profile[headline]=CaixaHub&default_return_url=https://a.example/settings";
    let made = world.post("/v1/billing_portal/configurations", form).await.body;
    assert_eq!(made["features"]["customer_update"], json!({"enabled": true, "allowed_updates": ["email"]}));
    let path = format!("/v1/billing_portal/configurations/{}", id(&made));
    assert_eq!(
        world.post(&path, "active=false&features[subscription_cancel][enabled]=false").await.body["active"],
        false
    );
    assert_eq!(world.get(&path).await.body["features"]["subscription_cancel"]["enabled"], false);
    assert_eq!(
        world.get("/v1/billing_portal/configurations?is_default=true").await.body["data"].as_array().unwrap().len(),
        1
    );
    assert_eq!(
        world
            .post("/v1/billing_portal/sessions", &format!("customer={customer}&configuration={}", id(&made)))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn the_live_world_is_another() {
    let world = World::start().await;
    let customer = world.customer().await;
    let hidden = world.send("GET", &format!("/v1/customers/{customer}"), "", LIVE_KEY, &[]).await;
    assert_eq!(hidden.error(), (404, "invalid_request_error", "resource_missing", "id"));
    assert!(
        hidden.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("a similar object exists in test mode, but a live mode key was used")
    );
    let live = world.send("POST", "/v1/customers", "email=ana@example.com", LIVE_KEY, &[]).await.body;
    assert_eq!(live["livemode"], true);
    assert_eq!(world.get("/v1/customers").await.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(world.send("GET", "/v1/prices", "", LIVE_KEY, &[]).await.body["data"], json!([]));
}
