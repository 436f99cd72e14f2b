//! What we send to Stripe, and what the sandbox answers, against Stripe's own description of its API.

use anyhow::Result;
use serde_json::{Value, json};
use stripe_spec::Spec;
use tests::World;

/// The description ends one version before the one we pin, so its list of versions does not know it.
fn is_known_difference(violation: &str) -> bool {
    violation.starts_with("api_version:")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_story_is_one_stripe_describes() -> Result<()> {
    let Some(spec) = Spec::load() else {
        eprintln!("skipped: Stripe's description is not there; set STRIPE_OPENAPI_SPEC to a copy of it");
        return Ok(());
    };
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    let elsewhere = json!({ "cancel_url": format!("{}/prices", world.stack.api_url()) });
    world.post("/api/subscriptions/checkout/", Some(&token), &elsewhere).await?;
    let session = world.checkout(&token).await.unwrap_or(session);
    world.pay(&session, "4242424242424242").await?;
    world.get(&format!("/api/subscriptions/session-status/?session_id={session}"), Some(&token)).await?;
    world.post("/api/subscriptions/portal/", Some(&token), &json!({})).await?;

    let listing = world.sandbox_get("requests").await?;
    let requests = listing["requests"].as_array().cloned().unwrap_or_default();
    assert!(requests.len() >= 5, "{requests:?}");
    for request in &requests {
        let (method, path) = (text(request, "method"), text(request, "path"));
        let encoded = form(&request["params"]);
        let (path, body) = match method {
            "GET" if !encoded.is_empty() => (format!("{path}?{encoded}"), String::new()),
            _ => (path.to_owned(), encoded),
        };
        let violations = spec.check_request(method, &path, &body);
        let unknown: Vec<_> = violations.iter().filter(|violation| !is_known_difference(violation)).collect();
        assert!(unknown.is_empty(), "{method} {path} {body}: {unknown:?}");
    }
    world.stack.shutdown().await
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The sandbox's log has parameters as JSON; Stripe's description judges the form they came in.
fn form(params: &Value) -> String {
    let mut pairs = Vec::new();
    flatten(params, String::new(), &mut pairs);
    pairs.join("&")
}

fn flatten(value: &Value, name: String, pairs: &mut Vec<String>) {
    let inner = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}[{key}]") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| flatten(value, inner(key), pairs)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| flatten(value, inner(&index.to_string()), pairs));
        }
        Value::String(text) => pairs.push(format!("{name}={}", url_encoded(text))),
        other => pairs.push(format!("{name}={other}")),
    }
}

fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
