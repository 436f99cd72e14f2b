//! The gate before a REST API: the same decisions, in an authorizer's words.

use std::time::Duration;

use anyhow::Result;
use authorizer::{Ask, Authorizer, Failure, Verdict};
use local::Fault;
use serde_json::{Value, json};
use tests::World;

const SOON: Duration = Duration::from_secs(10);
const ARN: &str = "arn:aws:execute-api:sa-east-1:111122223333:a1b2c3d4e5/live/GET/banking/accounts";

/// The sample event, with these values of `Authorization`.
fn ask(tokens: &[&str]) -> Ask {
    ask_with(tokens, None)
}

/// As [`ask`], with one more header.
fn ask_with(tokens: &[&str], more: Option<&str>) -> Ask {
    let mut event: Value = serde_json::from_str(include_str!("../../events/authorizer.json")).expect("a JSON sample");
    let values: Vec<String> = tokens.iter().map(|token| format!("Bearer {token}")).collect();
    let headers = event["multiValueHeaders"].as_object_mut().expect("headers in the sample");
    match values.is_empty() {
        true => headers.remove("Authorization"),
        false => headers.insert("Authorization".to_owned(), json!(values)),
    };
    if let Some(name) = more {
        headers.insert(name.to_owned(), json!(["1"]));
    }
    serde_json::from_value(event).expect("the sample is an authorizer's event")
}

async fn decide(world: &World, tokens: &[&str]) -> Result<Verdict, Failure> {
    Authorizer::new(&world.stack.shared_core()).decide(&ask(tokens), "request-1", SOON).await
}

async fn told(world: &World, token: &str) -> Value {
    let verdict = decide(world, &[token]).await.expect("a verdict");
    serde_json::to_value(verdict).expect("a verdict is JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_carries_the_gates_own_402() -> Result<()> {
    let world = World::start().await?;
    let verdict = told(&world, &world.token("42")?).await;
    assert_eq!(
        verdict,
        json!({
            "principalId": "nobody",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{ "Action": "execute-api:Invoke", "Effect": "Deny", "Resource": ARN }],
            },
            "context": {
                "error": "Subscription required. Please complete checkout.",
                "code": "CHECKOUT_REQUIRED",
                "redirect": "/checkout",
            },
        })
    );
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_and_superusers_pass_and_are_named() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    world.subscribe(&token).await?;
    let verdict = told(&world, &token).await;
    assert_eq!(verdict["policyDocument"]["Statement"][0]["Effect"], "Allow");
    assert_eq!(verdict["policyDocument"]["Statement"][0]["Resource"], ARN);
    assert_eq!(verdict["principalId"], "42");
    assert_eq!(verdict["context"], json!({ "user_id": "42", "subscription_status": "trialing" }));

    let superuser = world.stack.token(json!({ "user_id": 7, "is_superuser": true }))?;
    assert_eq!(told(&world, &superuser).await["context"], json!({ "user_id": "7", "subscription_status": "" }));
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_one_good_token_the_answer_is_unauthorized() -> Result<()> {
    let world = World::start().await?;
    let good = world.token("42")?;
    let refresh = world.stack.token(json!({ "user_id": "42", "token_type": "refresh" }))?;
    for tokens in [&[][..], &["not-a-token"], &[&refresh], &[&good, &good]] {
        assert_eq!(decide(&world, tokens).await, Err(Failure::Unauthorized), "{} tokens", tokens.len());
    }
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_read_deny_nobody() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    world.stack.dynamodb().fail_next(Some("Query"), 1, Fault::AccessDenied);
    assert_eq!(decide(&world, &[&token]).await, Err(Failure::Unavailable));

    world.stack.dynamodb().fail_next(Some("Query"), 1, Fault::NoAnswer);
    let authorizer = Authorizer::new(&world.stack.shared_core());
    let late = authorizer.decide(&ask(&[&token]), "request-1", Duration::from_millis(300)).await;
    assert_eq!(late, Err(Failure::Unavailable));

    let unset = World::with(&[("STRIPE_LIVE_MODE", "perhaps")]).await?;
    let misconfigured = Authorizer::new(&unset.stack.shared_core()).decide(&ask(&[&token]), "request-1", SOON).await;
    assert_eq!(misconfigured, Err(Failure::Unavailable));
    unset.stack.shutdown().await?;
    world.stack.shutdown().await
}

/// API Gateway overwrites the two headers themselves and passes on every other.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_a_server_could_take_for_the_gates_own_is_refused() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    world.subscribe(&token).await?;
    for (name, passes) in
        [("x-user-id", true), ("X_User_Id", false), ("x-user.id", false), ("X_SUBSCRIPTION-status", false)]
    {
        let ask = ask_with(&[&token], Some(name));
        let decided = Authorizer::new(&world.stack.shared_core()).decide(&ask, "request-1", SOON).await;
        match passes {
            true => assert!(decided.is_ok(), "{name}"),
            false => assert!(matches!(decided, Err(Failure::Unauthorized)), "{name}"),
        }
    }
    world.stack.shutdown().await
}
