//! The gate's other door: the tower layer decides alike and says the same.

use std::convert::Infallible;

use lambda_http::http::{Request, Response};
use lambda_http::service_fn;
use lambda_http::tower::{Layer, Service};
use serde_json::json;
use shared::gate::{Admission, GateLayer};

use super::scripted::nobody;
use super::stack::{Setting, Stack, line, token};

async fn stack(is_dynamodb_down: bool) -> Stack {
    Stack::start(Setting { upstream_url: nobody().await, is_dynamodb_down, ..Setting::default() }).await
}

/// A product of one line, with bodies of its own kind: what it was told of the caller.
async fn product(request: Request<()>) -> Result<Response<String>, Infallible> {
    let header = |name: &str| format!("{:?}", request.headers().get_all(name).iter().collect::<Vec<_>>());
    let admission = match request.extensions().get::<Admission>() {
        Some(Admission::Subscriber { user, status, .. }) => format!("{user} {}", status.as_str()),
        Some(Admission::Superuser { user, .. }) => format!("superuser {user}"),
        None => "nobody".to_owned(),
    };
    Ok(Response::new(format!("{admission} {} {}", header("x-user-id"), header("x-subscription-status"))))
}

async fn told(stack: &Stack, claims: Option<serde_json::Value>) -> Response<String> {
    let mut request = Request::get("/anything").header("X-User-Id", "1").header("X-Subscription-Status", "active");
    if let Some(claims) = claims {
        request = request.header("Authorization", format!("Bearer {}", token(claims)));
    }
    let mut gated = GateLayer::new(stack.gate()).layer(service_fn(product));
    gated.call(request.body(()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_product_runs_for_admitted_callers_and_knows_them() {
    let stack = stack(false).await;
    stack.subscribe("42", "sub_1", "trialing").await;
    let subscriber = told(&stack, Some(json!({ "user_id": "42" }))).await;
    assert_eq!(subscriber.body(), r#"42 trialing ["42"] ["trialing"]"#);
    let superuser = told(&stack, Some(json!({ "user_id": "7", "is_superuser": true }))).await;
    assert_eq!(superuser.body(), r#"superuser 7 ["7"] []"#);
}

#[tokio::test]
async fn the_others_get_the_contracts_replies() {
    let stack = stack(false).await;
    let nobody = told(&stack, None).await;
    insta::assert_snapshot!(line(nobody.status().as_u16().into(), nobody.body()), @r#"401 {"code":"not_authenticated","detail":"Authentication credentials were not provided."}"#);
    assert_eq!(nobody.headers()["www-authenticate"], r#"Bearer realm="api""#);
    let newcomer = told(&stack, Some(json!({ "user_id": "42" }))).await;
    insta::assert_snapshot!(line(newcomer.status().as_u16().into(), newcomer.body()), @r#"402 {"code":"CHECKOUT_REQUIRED","error":"Subscription required. Please complete checkout.","redirect":"/checkout"}"#);
    assert_eq!(newcomer.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn records_that_cannot_be_read_are_503() {
    let told = told(&stack(true).await, Some(json!({ "user_id": "42" }))).await;
    assert_eq!((told.status().as_u16(), &told.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    assert!(told.body().contains(r#""code":"UNAVAILABLE""#));
}
