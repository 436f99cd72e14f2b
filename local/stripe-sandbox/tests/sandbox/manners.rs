//! How Stripe answers: keys, errors, idempotency, headers, versions.

use serde_json::json;

use crate::support::{TEST_KEY, World, id};

#[tokio::test]
async fn keys_are_asked_for() {
    let world = World::start().await;
    let none = world.send("GET", "/v1/customers", "", "", &[]).await;
    assert_eq!(none.error(), (401, "invalid_request_error", "", ""));
    let wrong = world.send("GET", "/v1/customers", "", "sk_test_somebody_else_1234", &[]).await;
    assert_eq!(
        (wrong.status, wrong.body["error"]["message"].as_str()),
        (401, Some("Invalid API Key provided: sk_test_**************1234"))
    );
    let basic =
        world.http.get(format!("{}/v1/account", world.base)).basic_auth(TEST_KEY, None::<&str>).send().await.unwrap();
    assert_eq!(basic.status().as_u16(), 200);
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let world = World::start().await;
    assert_eq!(
        world.get("/v1/customers/cus_x").await.error(),
        (404, "invalid_request_error", "resource_missing", "id")
    );
    let unknown = world.post("/v1/customers", "emial=a@b.co").await;
    assert_eq!(unknown.error(), (400, "invalid_request_error", "parameter_unknown", "emial"));
    assert!(unknown.body["error"]["request_log_url"].as_str().unwrap().contains(unknown.header("request-id")));
    assert_eq!(world.post("/v1/customers", "email=nobody").await.error().2, "email_invalid");
    let nowhere = world.http.get(format!("{}/v1/nothing", world.base)).bearer_auth(TEST_KEY).send().await.unwrap();
    assert_eq!(nowhere.status().as_u16(), 404);
    let customer = world.customer().await;
    let expanded = world.get(&format!("/v1/customers/{customer}?expand[]=name.x")).await;
    assert_eq!(expanded.error(), (400, "invalid_request_error", "", "expand[0]"));
}

#[tokio::test]
async fn the_first_answer_is_the_answer() {
    let world = World::start().await;
    let key = [("idempotency-key", "once")];
    let first = world.send("POST", "/v1/customers", "name=Ana", TEST_KEY, &key).await;
    let second = world.send("POST", "/v1/customers", "name=Ana", TEST_KEY, &key).await;
    assert_eq!(id(&first.body), id(&second.body));
    assert_eq!((first.header("idempotent-replayed"), second.header("idempotent-replayed")), ("", "true"));
    assert_eq!(second.header("original-request"), first.header("request-id"));
    assert_eq!(second.header("idempotency-key"), "once");
    let other = world.send("POST", "/v1/customers", "name=Rui", TEST_KEY, &key).await;
    assert_eq!((other.status, other.error().1), (400, "idempotency_error"));
    assert_eq!(world.get("/v1/customers").await.body["data"].as_array().unwrap().len(), 1);

    let wrong = [("idempotency-key", "wrong")];
    assert_eq!(world.send("POST", "/v1/customers", "nmae=Ana", TEST_KEY, &wrong).await.status, 400);
    assert_eq!(world.send("POST", "/v1/customers", "name=Ana", TEST_KEY, &wrong).await.status, 200);
    let created = world.received("customer.created", 2).await;
    assert!(created.iter().any(|event| event["request"]["idempotency_key"] == "once"));
}

#[tokio::test]
async fn a_key_in_use_is_a_conflict() {
    let world = World::start().await;
    world.control("POST", "/faults", json!({"api": [{"kind": "delay", "delay_ms": 400}]})).await;
    let key = [("idempotency-key", "busy")];
    let send = || world.send("POST", "/v1/customers", "name=Ana", TEST_KEY, &key);
    let (slow, fast) = tokio::join!(send(), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        send().await
    });
    assert_eq!(slow.status, 200);
    assert_eq!(fast.error(), (409, "idempotency_error", "idempotency_key_in_use", ""));
}

#[tokio::test]
async fn replies_name_their_version_and_time() {
    let world = World::start().await;
    world.advance(10).await;
    let reply = world.get("/v1/account").await;
    assert_eq!(reply.header("stripe-version"), stripe_sandbox::API_VERSION);
    assert!(reply.header("request-id").starts_with("req_"));
    let customer = world.post("/v1/customers", "").await;
    let now = world.control("GET", "/state", json!(null)).await.body["now"].as_i64().unwrap();
    assert!((0..3).contains(&(now - customer.body["created"].as_i64().unwrap())));
    assert_eq!(world.control("GET", "/state", json!(null)).await.body["offset_seconds"], 864_000);
}

#[tokio::test]
async fn calls_are_counted() {
    let world = World::start().await;
    world.customer().await;
    let logged = world.control("GET", "/requests", json!(null)).await.body;
    let call = &logged["requests"][0];
    assert_eq!(
        (call["method"].as_str(), call["path"].as_str(), call["status"].as_i64()),
        (Some("POST"), Some("/v1/customers"), Some(200))
    );
    assert_eq!(call["params"]["metadata"], json!({"user_id": "42"}));
    world.get("/v1/account").await;
    assert_eq!(
        world.control("GET", "/requests?since=1", json!(null)).await.body["requests"].as_array().unwrap().len(),
        1
    );
    world.control("DELETE", "/requests", json!(null)).await;
    assert_eq!(world.control("GET", "/requests", json!(null)).await.body["requests"], json!([]));
}

#[tokio::test]
async fn events_are_listed_newest_first() {
    let world = World::start().await;
    let customer = world.customer().await;
    world.post(&format!("/v1/customers/{customer}"), "name=Bia").await;
    world.received("customer.updated", 1).await;
    let events = world.get("/v1/events?types[]=customer.created&types[]=customer.updated").await.body;
    assert_eq!(events["data"][0]["type"], "customer.updated");
    assert_eq!(events["data"][0]["data"]["previous_attributes"], json!({"name": "Ana"}));
    assert_eq!(events["data"][1]["data"]["object"]["name"], "Ana");
    let one = id(&events["data"][1]);
    assert_eq!(world.get(&format!("/v1/events/{one}")).await.body["api_version"], stripe_sandbox::API_VERSION);
    assert_eq!(
        world.get(&format!("/v1/events?ending_before={one}&type=customer.*")).await.body["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let later = events["data"][0]["created"].as_i64().unwrap() + 10;
    assert_eq!(world.get(&format!("/v1/events?created[gte]={later}")).await.body["data"], json!([]));
    world.advance(31).await;
    assert_eq!(world.get("/v1/events/evt_x").await.error().2, "resource_missing");
}

#[tokio::test]
async fn wild_numbers_are_refused() {
    let world = World::start().await;
    let customer = world.customer().await;
    let huge = i64::MAX;
    let subscribe = format!("customer={customer}&items[0][price]=price_caixahub_premium_monthly");
    let price = "currency=brl&product=prod_caixahub_premium&recurring[interval]=month";
    let cases = [
        ("/v1/subscriptions", format!("{subscribe}&trial_period_days={huge}")),
        ("/v1/subscriptions", format!("{subscribe}&trial_period_days=-1")),
        ("/v1/subscriptions", format!("{subscribe}&trial_end={huge}")),
        ("/v1/subscriptions", format!("{subscribe}&trial_end=99999999999999999999")),
        ("/v1/subscriptions", format!("{subscribe}&items[0][quantity]={huge}&trial_period_days=1")),
        ("/v1/prices", format!("{price}&unit_amount={huge}")),
        ("/v1/prices", format!("{price}&unit_amount=-1")),
        ("/v1/prices", format!("{price}&unit_amount=1&recurring[interval_count]={huge}")),
    ];
    for (path, form) in cases {
        assert_eq!(world.post(path, &form).await.error().2, "parameter_invalid_integer", "{form}");
    }
    assert_eq!(world.control("POST", "/advance", json!({"days": huge})).await.status, 400);
    assert_eq!(world.control("POST", "/advance", json!({"seconds": -1})).await.status, 400);
    assert_eq!(world.control("POST", "/advance", json!({"weeks": 1})).await.status, 400);
}

#[tokio::test]
async fn no_body_makes_an_operation_fall_over() {
    let world = World::start().await;
    let (customer, subscription) =
        world.subscriber("&subscription_data[trial_period_days]=7", crate::support::CARD).await;
    let invoice = world.subscription(&subscription).await["latest_invoice"].as_str().unwrap().to_owned();
    let method = world.subscription(&subscription).await["default_payment_method"].as_str().unwrap().to_owned();
    let paths = [
        "/v1/customers".into(),
        format!("/v1/customers/{customer}"),
        "/v1/products".into(),
        "/v1/products/prod_caixahub_premium".into(),
        "/v1/prices".into(),
        "/v1/prices/price_caixahub_premium_monthly".into(),
        "/v1/checkout/sessions".into(),
        "/v1/billing_portal/sessions".into(),
        "/v1/billing_portal/configurations".into(),
        "/v1/subscriptions".into(),
        format!("/v1/subscriptions/{subscription}"),
        format!("/v1/subscriptions/{subscription}/resume"),
        format!("/v1/invoices/{invoice}"),
        format!("/v1/invoices/{invoice}/pay"),
        format!("/v1/invoices/{invoice}/void"),
        "/v1/payment_methods".into(),
        format!("/v1/payment_methods/{method}"),
        format!("/v1/payment_methods/{method}/detach"),
        "/v1/webhook_endpoints".into(),
    ];
    let bodies = [
        "",
        "=",
        "&&&",
        "a[b[c]]=d",
        "expand=x",
        "expand[]=a.b.c.d.e.f",
        "metadata=x",
        "metadata[a][b]=c",
        "items=1",
        "items[0]=1",
        "items[][price]=",
        "line_items[0][price][x]=1",
        "customer[]=1",
        "name=%FF%FE&email=%00@x.y",
        "trial_end=never",
        "cancel_at=-1",
        "features=1",
        "features[x][y]=z",
        "enabled_events=*",
        "url[]=x",
        "card=4242",
        "type=boleto",
        "recurring=month",
        "address=",
        "[x]=y",
        "][=y",
    ];
    for path in &paths {
        for body in bodies {
            let request = world.http.post(format!("{}{path}", world.base)).bearer_auth(TEST_KEY);
            let reply =
                request.header("content-type", "application/x-www-form-urlencoded").body(body).send().await.unwrap();
            assert!(reply.status().as_u16() < 500, "{path} {body}");
            assert!(reply.json::<serde_json::Value>().await.is_ok(), "{path} {body}");
        }
    }
}

#[tokio::test]
async fn sixty_four_at_once_with_one_key_make_one_customer() {
    let world = std::sync::Arc::new(World::start().await);
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move {
                world.send("POST", "/v1/customers", "name=Ana", TEST_KEY, &[("idempotency-key", "race")]).await.status
            })
        })
        .collect();
    for call in calls {
        assert!(matches!(call.await.unwrap(), 200 | 409));
    }
    assert_eq!(world.get("/v1/customers").await.body["data"].as_array().unwrap().len(), 1);
    let event = id(&world.get("/v1/events").await.body["data"][0]);
    let sent = world.control("POST", "/deliver", json!({"duplicate": [event], "copies": 64})).await;
    assert_eq!(sent.body["delivered"], 64);
}
