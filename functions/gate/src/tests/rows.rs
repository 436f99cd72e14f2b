//! The contract's table, row by row: who passes, and what the others are told.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use insta::{allow_duplicates, assert_snapshot};
use serde_json::json;

use super::scripted::{Answer, Scripted, nobody};
use super::stack::{Asked, Setting, Stack};

async fn product() -> Scripted {
    Scripted::start(|_, _| Answer::ok("the product")).await
}

#[tokio::test]
async fn an_exempt_path_passes_without_a_token_and_without_a_look_at_the_records() {
    let product = product().await;
    let setting = Setting { upstream_url: product.url.clone(), is_dynamodb_down: true, ..Setting::default() };
    let stack = Stack::start(setting).await;
    let told = stack.ask(Asked::new("POST", "/api/auth/login/").header("X-User-Id", "1")).await;
    assert_eq!((told.status(), told.body()), (200, "the product"));
    assert!(product.only().header("x-user-id").is_empty());
}

#[tokio::test]
async fn without_a_token_the_answer_is_401() {
    let product = product().await;
    let stack = Stack::before(&product).await;
    for path in ["/api/banking/", "/api/authx", "/API/auth/login/", "/api/auth/a;b"] {
        let told = stack.ask(Asked::get(path)).await;
        allow_duplicates! {
            assert_snapshot!(told.line(), @r#"401 {"code":"not_authenticated","detail":"Authentication credentials were not provided."}"#);
        }
        assert_eq!(told.header("www-authenticate"), Some(r#"Bearer realm="api""#));
    }
    assert!(product.received().is_empty());
}

#[tokio::test]
async fn with_a_bad_token_the_answer_is_401() {
    let product = product().await;
    let stack = Stack::before(&product).await;
    for claims in [json!({ "user_id": "42", "exp": 1 }), json!({ "user_id": "42", "token_type": "refresh" })] {
        let told = stack.ask(Asked::get("/api/banking/").with_claims(claims)).await;
        allow_duplicates! {
            assert_snapshot!(told.line(), @r#"401 {"code":"token_not_valid","detail":"Given token not valid for any token type"}"#);
        }
    }
    assert!(product.received().is_empty());
}

#[tokio::test]
async fn a_superuser_passes_without_a_look_at_the_records() {
    let product = product().await;
    let setting = Setting { upstream_url: product.url.clone(), is_dynamodb_down: true, ..Setting::default() };
    let stack = Stack::start(setting).await;
    let asked = Asked::get("/api/banking/").with_claims(json!({ "user_id": 7, "is_superuser": true }));
    assert_eq!(stack.ask(asked.header("X-Subscription-Status", "active")).await.status(), 200);
    assert_eq!(product.only().header("x-user-id"), ["7"]);
    assert!(product.only().header("x-subscription-status").is_empty());
}

#[tokio::test]
async fn a_newcomer_is_sent_to_checkout() {
    let product = product().await;
    let stack = Stack::before(&product).await;
    let told = stack.ask(Asked::get("/api/banking/").of("42")).await;
    assert_snapshot!(told.line(), @r#"402 {"code":"CHECKOUT_REQUIRED","error":"Subscription required. Please complete checkout.","redirect":"/checkout"}"#);
    assert!(product.received().is_empty());
}

#[tokio::test]
async fn a_spent_trial_is_told_to_subscribe() {
    let stack = Stack::before(&product().await).await;
    stack.spend_trial("42").await;
    let told = stack.ask(Asked::get("/api/banking/").of("42")).await;
    assert_snapshot!(told.line(), @r#"402 {"code":"TRIAL_USED","error":"Trial already used. Please subscribe.","redirect":"/subscription/trial-used"}"#);
}

#[tokio::test]
async fn a_canceled_subscriber_is_told_to_subscribe_again() {
    let stack = Stack::before(&product().await).await;
    stack.subscribe("42", "sub_1", "canceled").await;
    stack.subscribe("42", "sub_2", "unpaid").await;
    let told = stack.ask(Asked::get("/api/banking/").of("42")).await;
    assert_snapshot!(told.line(), @r#"402 {"code":"SUBSCRIPTION_REQUIRED","error":"Active subscription required","redirect":"/subscription/expired"}"#);
}

#[tokio::test]
async fn who_is_being_served_passes_by_name() {
    let product = product().await;
    let stack = Stack::before(&product).await;
    for (place, status) in ["trialing", "active", "past_due"].into_iter().enumerate() {
        let user = format!("{status} é%");
        stack.subscribe(&user, "sub_1", "canceled").await;
        stack.subscribe(&user, "sub_2", status).await;
        assert_eq!(stack.ask(Asked::get("/api/banking/").of(&user)).await.body(), "the product");
        let passed = &product.received()[place];
        assert_eq!(passed.header("x-user-id"), [format!("{status}%20%C3%A9%25")]);
        assert_eq!(passed.header("x-subscription-status"), [status]);
    }
}

#[tokio::test]
async fn late_payers_pass_until_their_grace_is_over() {
    let product = product().await;
    for (past_due_grace_days, status) in [(11, 200), (9, 402)] {
        let upstream_url = product.url.clone();
        let past_due_grace_days = Some(past_due_grace_days);
        let stack = Stack::start(Setting { upstream_url, past_due_grace_days, ..Setting::default() }).await;
        stack.subscribe("42", "sub_1", "past_due").await;
        assert_eq!(stack.ask(Asked::get("/api/banking/").of("42")).await.status(), status);
    }
}

#[tokio::test]
async fn records_that_cannot_be_read_are_503_and_never_402() {
    let product = product().await;
    let setting = Setting { upstream_url: product.url.clone(), is_dynamodb_down: true, ..Setting::default() };
    let told = Stack::start(setting).await.ask(Asked::get("/api/banking/").of("42")).await;
    assert_snapshot!(told.line(), @r#"503 {"code":"UNAVAILABLE","error":"Access cannot be checked now","request_id":"request-1"}"#);
    assert_eq!(told.header("retry-after"), Some("5"));
    assert!(product.received().is_empty());
}

#[tokio::test]
async fn an_unknown_status_gives_no_access_and_wakes_somebody() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let _listening = tracing::subscriber::set_default(subscriber);
    let stack = Stack::before(&product().await).await;
    stack.subscribe("42", "sub_1", "hibernating").await;
    let told = stack.ask(Asked::get("/api/banking/").of("42")).await;
    assert_eq!((told.status(), told.code().as_str()), (402, "SUBSCRIPTION_REQUIRED"));
    let errors = log.lines_with("\"level\":\"ERROR\"");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("hibernating") && errors[0].contains("sub_1"), "{}", errors[0]);
}

#[tokio::test]
async fn a_product_that_is_down_is_502() {
    let stack = Stack::start(Setting { upstream_url: nobody().await, ..Setting::default() }).await;
    let told = stack.ask(Asked::get("/api/auth/login/")).await;
    assert_snapshot!(told.line(), @r#"502 {"code":"BAD_GATEWAY","error":"The service behind did not answer","request_id":"request-1"}"#);
}

#[tokio::test]
async fn a_product_that_is_slow_is_504() {
    let product = Scripted::start(|_, _| Answer::Never).await;
    let patience = Some(Duration::from_millis(100));
    let stack = Stack::start(Setting { upstream_url: product.url.clone(), patience, ..Setting::default() }).await;
    let told = stack.ask(Asked::get("/api/auth/login/")).await;
    assert_snapshot!(told.line(), @r#"504 {"code":"GATEWAY_TIMEOUT","error":"The service behind did not answer in time","request_id":"request-1"}"#);
    assert_eq!(product.received().len(), 1);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines_with(&self, text: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        String::from_utf8_lossy(&bytes).lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
