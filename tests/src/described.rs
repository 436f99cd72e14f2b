//! The requests a world's sandbox got, held against Stripe's own description of its API.

use std::io::{self, Write as _};

use anyhow::Result;
use serde_json::Value;
use stripe_spec::Spec;

use crate::World;

/// The description ends one version before the one we pin, so its list of versions does not know it.
fn is_known_difference(violation: &str) -> bool {
    violation.starts_with("api_version:")
}

/// Nothing, with a line that says so, where there is no copy of the description.
pub fn description() -> Option<Spec> {
    let spec = Spec::load();
    if spec.is_none() {
        // Not by a macro, whose output of a test that passes nobody sees.
        let sentence = "SKIPPED: Stripe's description is not there; set STRIPE_OPENAPI_SPEC to a copy of it";
        let _ = writeln!(io::stderr(), "{sentence}");
    }
    spec
}

/// How many requests there were, and what Stripe does not describe of them.
pub async fn undescribed(spec: &Spec, world: &World) -> Result<(usize, Vec<String>)> {
    let listing = world.sandbox_get("requests").await?;
    let requests = listing["requests"].as_array().cloned().unwrap_or_default();
    let mut all = Vec::new();
    for request in &requests {
        let (method, path) = (text(request, "method"), text(request, "path"));
        let encoded = form(&request["params"]);
        let (path, body) = match method {
            "GET" if !encoded.is_empty() => (format!("{path}?{encoded}"), String::new()),
            _ => (path.to_owned(), encoded),
        };
        let violations = spec.check_request(method, &path, &body);
        let unknown = violations.iter().filter(|violation| !is_known_difference(violation));
        all.extend(unknown.map(|violation| format!("{method} {path} {body}: {violation}")));
    }
    Ok((requests.len(), all))
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
