use base64::Engine;
use reqwest::{Client, RequestBuilder};
use serde_json::json;

use super::*;
use crate::testing::Scratch;
use crate::{Fault, TestMode};

struct Story {
    stack: Stack,
    client: Client,
    token: String,
}

impl Story {
    async fn begin() -> Story {
        Story::with(Options::default()).await
    }

    async fn with(options: Options) -> Story {
        let stack = Stack::start(options).await.unwrap();
        let token = stack.token(json!({ "user_id": 42, "email": "user@example.com" })).unwrap();
        Story { stack, client: Client::builder().no_proxy().build().unwrap(), token }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stack.api_url())
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path)).bearer_auth(&self.token)
    }

    fn post(&self, path: &str, body: Value) -> RequestBuilder {
        self.client.post(self.url(path)).bearer_auth(&self.token).json(&body)
    }

    async fn subscribe(&self) {
        let (_, session) = told(self.post("/api/subscriptions/checkout/", json!({}))).await;
        let pay = format!("/_local/sandbox/checkout/{}/pay", session["session_id"].as_str().unwrap());
        let (status, body) = told(self.post(&pay, json!({ "card": "4242424242424242" }))).await;
        assert_eq!(status, 200, "{body}");
        self.advance(0).await;
    }

    async fn advance(&self, days: u32) {
        let (status, body) = told(self.post("/_local/sandbox/advance", json!({ "days": days }))).await;
        assert_eq!(status, 200, "{body}");
    }
}

async fn told(request: RequestBuilder) -> (u16, Value) {
    let reply = request.send().await.unwrap();
    let status = reply.status().as_u16();
    let body = reply.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_user_subscribes_and_the_gate_opens() {
    let story = Story::begin().await;
    let (status, body) = told(story.get("/api/banking/accounts/")).await;
    assert_eq!((status, &body["code"]), (402, &json!("CHECKOUT_REQUIRED")));
    assert_eq!(story.stack.upstream_arrivals(), Vec::<String>::new());

    story.subscribe().await;
    let (status, body) = told(story.get("/api/subscriptions/status/")).await;
    assert_eq!((status, &body["status"], &body["has_used_trial"]), (200, &json!("trialing"), &json!(true)), "{body}");
    assert_eq!(body["payment_method"]["last4"], "4242");
    let (status, body) = told(story.get("/api/banking/accounts/")).await;
    assert_eq!((status, &body["user_id"], &body["subscription_status"]), (200, &json!("42"), &json!("trialing")));
    assert_eq!(story.stack.upstream_arrivals(), ["GET /api/banking/accounts/"]);
    story.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn moving_the_sandbox_moves_the_business_clock_and_not_the_tokens() {
    let story = Story::begin().await;
    story.subscribe().await;
    let (_, before) = told(story.get("/_local/state")).await;
    story.advance(8).await;
    let (_, after) = told(story.get("/_local/state")).await;
    let time = |state: &Value| state["business_time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!((time(&after) - time(&before)).as_hours(), 8 * 24);
    let (status, body) = told(story.get("/api/subscriptions/status/")).await;
    assert_eq!((status, &body["status"]), (200, &json!("active")), "{body}");

    let card = json!({ "user_id": "42", "card": "4000000000000341" });
    assert_eq!(told(story.post("/_local/card", card)).await.0, 200);
    story.advance(31).await;
    let (_, body) = told(story.get("/api/subscriptions/status/")).await;
    assert_eq!(body["status"], "past_due", "{body}");
    story.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_was_done_is_there_after_a_restart_and_old_tokens_stay_good() {
    let scratch = Scratch::new();
    let options = || Options { data: Data::Folder(scratch.path().to_owned()), ..Options::default() };
    let first = Story::with(options()).await;
    first.subscribe().await;
    first.advance(8).await;
    let refusal = Stack::start(options()).await.err().unwrap().to_string();
    assert!(refusal.starts_with("Another local stack is using the data folder"), "{refusal}");
    let webhook_path = first.stack.webhook_path();
    let token = first.token.clone();
    first.stack.shutdown().await.unwrap();

    let second = Story { token, ..Story::with(options()).await };
    assert_eq!(second.stack.webhook_path(), webhook_path);
    let (status, body) = told(second.get("/api/subscriptions/status/")).await;
    assert_eq!((status, &body["status"]), (200, &json!("active")), "{body}");
    second.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn every_route_of_the_template_is_answered_by_its_function() {
    let story = Story::begin().await;
    for function in Template::of_this_workspace().unwrap().functions {
        for route in function.routes {
            let path = route.path.replace("{proxy+}", "banking/accounts/");
            let (status, body) = told(story.get(&path)).await;
            assert_ne!(body, json!({ "message": "Not Found" }), "{} {path}: {status}", function.name);
            assert!(status < 500, "{} {path}: {status} {body}", function.name);
        }
    }
    let (status, body) = told(story.get("/nothing/here")).await;
    assert_eq!((status, body), (404, json!({ "message": "Not Found" })));
    story.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn bytes_cookies_and_repeated_headers_pass_the_gate_both_ways() {
    let story = Story::begin().await;
    story.subscribe().await;
    let bytes: Vec<u8> = (0..=255).collect();
    let sent = story.client.put(story.url("/api/echo/deep%20path?a=1&a=2")).bearer_auth(&story.token);
    let (status, echo) = told(sent.header("X-User-Id", "1").body(bytes.clone())).await;
    assert_eq!((status, &echo["method"], &echo["query"]), (200, &json!("PUT"), &json!("a=1&a=2")), "{echo}");
    assert_eq!(echo["body_base64"], base64::engine::general_purpose::STANDARD.encode(&bytes));
    let user_ids: Vec<_> =
        echo["headers"].as_array().unwrap().iter().filter(|header| header[0] == "x-user-id").collect();
    assert_eq!(user_ids, [&json!(["x-user-id", "42"])]);

    let binary = story.get("/api/binary").send().await.unwrap().bytes().await.unwrap();
    assert_eq!(binary, bytes);
    let repeated = story.get("/api/repeated").send().await.unwrap();
    assert_eq!(repeated.headers().get_all("set-cookie").iter().count(), 2);
    let joined: Vec<_> = repeated.headers().get_all("x-repeated").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(joined.join(", ").replace(",two", ", two"), "one, two");
    assert!(!repeated.headers().contains_key("keep-alive"));
    story.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_body_too_large_is_refused_by_the_front() {
    let story = Story::begin().await;
    let body = vec![b'x'; 10 * 1024 * 1024 + 1];
    let sent = story.client.post(story.url("/api/echo")).bearer_auth(&story.token).body(body);
    let (status, body) = told(sent).await;
    assert_eq!((status, body), (413, json!({ "message": "Request Entity Too Large" })));
    story.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_table_that_fails_is_503_and_the_calls_are_counted() {
    let story = Story::begin().await;
    story.stack.dynamodb().fail_next(None, u32::MAX, Fault::AccessDenied);
    let reply = story.get("/api/banking/accounts/").send().await.unwrap();
    assert_eq!(reply.status(), 503);
    assert!(reply.headers().contains_key("retry-after"));
    assert_eq!(story.stack.dynamodb_calls(), ["Query"]);
    story.stack.dynamodb().heal();
    assert_eq!(told(story.get("/api/banking/accounts/")).await.0, 402);
    assert_eq!(story.stack.dynamodb().round_trips_in_series(1), 1);
    assert!(!story.stack.secrets_calls().is_empty());
    story.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_half_configured_stack_starts_and_its_functions_answer_503() {
    let settings = vec![("STRIPE_LIVE_MODE".to_owned(), "maybe".to_owned())];
    let story = Story::with(Options { settings, ..Options::default() }).await;
    assert!(story.stack.core().is_err());
    let (status, body) = told(story.get("/api/subscriptions/status/")).await;
    assert_eq!((status, &body["code"]), (503, &json!("MISCONFIGURED")));
    let (_, state) = told(story.get("/_local/state")).await;
    assert!(state["misconfigured"].as_str().unwrap().contains("STRIPE_LIVE_MODE"), "{state}");
    story.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn controls_answer_this_machine_only_and_the_page_talks_to_its_own_origin_only() {
    let story = Story::begin().await;
    let rebound = story.post("/_local/token", json!({ "user_id": "1" })).header("Host", "evil.example:9000");
    assert_eq!(told(rebound).await.0, 403);
    let (status, body) = told(story.post("/_local/token", json!({ "email": "a@example.com" }))).await;
    assert_eq!((status, &body["error"]), (400, &json!("user_id is required.")));
    let (_, body) = told(story.post("/_local/token", json!({ "user_id": "7", "is_superuser": true }))).await;
    let minted = body["token"].as_str().unwrap().to_owned();
    let passed = story.client.get(story.url("/api/banking/accounts/")).bearer_auth(minted);
    assert_eq!(told(passed).await.0, 200);

    for place in ["/", "/checkout/success?session_id=cs_test_1", "/settings/", "/subscription/expired"] {
        let page = story.client.get(story.url(place)).send().await.unwrap();
        assert_eq!(page.status(), 200, "{place}");
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    story.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn stripes_own_test_mode_takes_the_sandboxs_place() {
    let scratch = Scratch::new();
    let key = "sk_test_canary_of_a_real_account";
    let given = TestMode::new(key, Some("pk_test_theirs".to_owned()), None).unwrap();
    let data = Data::Folder(scratch.path().to_owned());
    let stripe = StripeSide::TestMode(given);
    let story = Story::with(Options { data, stripe, ..Options::default() }).await;
    assert_eq!(story.stack.stripe_url(), "https://api.stripe.com");
    let (_, body) = told(story.get("/api/subscriptions/config/")).await;
    assert_eq!(body["publishable_key"], "pk_test_theirs");
    assert_eq!(told(story.get("/_local/webhooks")).await.0, 404);
    assert!(scratch.path().join("stripe-test-mode/secrets.json").exists());
    assert!(!scratch.path().join("secrets.json").exists());
    story.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_functions_serve_the_other_mode_when_told_to_and_come_back() {
    let story = Story::begin().await;
    for (is_live, mode) in [(true, "live"), (true, "live"), (false, "test")] {
        let flip = json!({ "is_live": is_live, "default_price": format!("price_{mode}") });
        let (status, body) = told(story.post("/_local/mode", flip)).await;
        assert_eq!((status, &body["mode"]), (200, &json!(mode)), "{body}");
        let (_, health) = told(story.get("/health/")).await;
        assert_eq!(health["mode"], mode);
        let (_, config) = told(story.get("/api/subscriptions/config/")).await;
        assert_eq!(config["default_price_id"], format!("price_{mode}"));
        assert!(config["publishable_key"].as_str().unwrap().starts_with(&format!("pk_{mode}_")), "{config}");
        let (_, state) = told(story.get("/_local/state")).await;
        assert_eq!((&state["mode"], &state["price_id"]), (&json!(mode), &config["default_price_id"]));
    }
    story.stack.shutdown().await.unwrap();
}
