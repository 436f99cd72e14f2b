//! Every route against callers who are not who they should be. A new route fails here until its row is added.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use local::template::{TEMPLATE, Template};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{World, answer};

/// Routes that ask for a token, and those that do not.
const PROTECTED: [(&str, &str); 4] = [
    ("GET", "/api/subscriptions/status/"),
    ("POST", "/api/subscriptions/checkout/"),
    ("POST", "/api/subscriptions/portal/"),
    ("GET", "/api/banking/accounts/"),
];
const OPEN: [&str; 3] = ["/api/subscriptions/config/", "/api/subscriptions/session-status/", "/health/"];

#[tokio::test(flavor = "multi_thread")]
async fn no_token_and_bad_tokens_are_401_in_the_old_words() -> Result<()> {
    let world = World::start().await?;
    let now = jiff::Timestamp::from_second(world.business_now_second())?.as_second();
    let claims = |claims: Value| world.stack.token(claims);
    let bad = [
        ("garbage", "abc".to_owned()),
        ("expired", claims(json!({ "user_id": 1, "exp": now - 60 }))?),
        ("refresh token", claims(json!({ "user_id": 1, "token_type": "refresh" }))?),
        ("no user", claims(json!({ "user_id": null }))?),
        ("float user", claims(json!({ "user_id": 1.5 }))?),
        ("boolean user", claims(json!({ "user_id": true }))?),
        ("empty user", claims(json!({ "user_id": "" }))?),
        ("long user", claims(json!({ "user_id": "9".repeat(129) }))?),
        ("not yet", claims(json!({ "user_id": 1, "nbf": now + 600 }))?),
        (
            "alg none",
            "eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjoxLCJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjo5OTk5OTk5OTk5fQ.".to_owned(),
        ),
        ("too long", "a".repeat(7_000)),
    ];
    for (method, path) in PROTECTED {
        let method = Method::from_bytes(method.as_bytes())?;
        let none = answer(world.request(method.clone(), path, None)).await?;
        assert_eq!(none.status, 401, "{path}");
        assert_eq!(none.header("www-authenticate"), Some("Bearer realm=\"api\""));
        let expected =
            json!({ "detail": "Authentication credentials were not provided.", "code": "not_authenticated" });
        assert_eq!(none.body, expected);
        for (name, token) in &bad {
            let refused = answer(world.request(method.clone(), path, Some(token))).await?;
            assert_eq!(refused.status, 401, "{name} {path}: {:?}", refused.body);
            assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"api\""));
            let expected = json!({ "detail": "Given token not valid for any token type", "code": "token_not_valid" });
            assert_eq!(refused.body, expected, "{name}");
        }
    }
    assert!(world.stack.dynamodb_calls().is_empty(), "nobody's records were read");
    world.stack.shutdown().await
}

#[test]
fn every_route_of_the_template_has_its_row() -> Result<()> {
    let template = Template::parse(TEMPLATE).context("the template")?;
    let mut known: BTreeSet<String> = OPEN.iter().map(|path| (*path).to_owned()).collect();
    known.extend(PROTECTED.iter().map(|(_, path)| (*path).to_owned()));
    for route in template.functions.iter().flat_map(|function| &function.routes) {
        // The gate's own route stands for every path nobody else owns.
        let path = route.path.replace("{proxy+}", "banking/accounts/");
        let with_slash = if path.ends_with('/') { path } else { format!("{path}/") };
        assert!(known.contains(&with_slash), "{with_slash} has no refused-credentials row in this file");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_with_and_without_its_slash_and_never_redirects() -> Result<()> {
    let world = World::start().await?;
    let paths = PROTECTED.iter().map(|(_, path)| *path).chain(OPEN);
    for path in paths {
        let slash = answer(world.request(Method::GET, path, None)).await?;
        let bare = answer(world.request(Method::GET, path.trim_end_matches('/'), None)).await?;
        assert_eq!(slash.status, bare.status, "{path}");
        assert!(slash.status < 300 || slash.status >= 400, "{path}");
        assert_ne!(slash.status, 404, "{path}");
    }
    world.stack.shutdown().await
}
