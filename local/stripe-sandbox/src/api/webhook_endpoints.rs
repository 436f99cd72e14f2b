//! `/v1/webhook_endpoints`. The signing secret is shown by the creation only.

use serde_json::{Value, json};

use crate::api::given::{Given, check_url};
use crate::api::{Call, Reply, lists};
use crate::errors::ApiError;
use crate::objects::{customer::deleted, endpoint as object};
use crate::state::Kind;
use crate::tx::random_text;

/// An account may have 16 endpoints in a mode.
const MAX_ENDPOINTS: usize = 16;

pub(crate) fn create(call: &mut Call) -> Reply {
    let url = call.given.required("url")?;
    check(call)?;
    if call.tx.world.all(Kind::Endpoint).len() >= MAX_ENDPOINTS {
        return Err(ApiError::refused("You have reached the maximum of 16 webhook endpoints."));
    }
    let id = call.tx.id("we_1");
    let mut endpoint = object::endpoint(&id, &url, call.tx.livemode(), call.tx.now);
    write(&call.given, &mut endpoint);
    call.given.copy(&mut endpoint, &["api_version"]);
    let secret = format!("whsec_{}", random_text(32));
    call.tx.world.secrets.insert(id, secret.clone());
    let mut shown = call.tx.create(Kind::Endpoint, endpoint, "");
    shown["secret"] = json!(secret);
    Ok(shown)
}

pub(crate) fn retrieve(call: &mut Call) -> Reply {
    call.tx.at_path(Kind::Endpoint, call.id())
}

pub(crate) fn update(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    call.tx.at_path(Kind::Endpoint, &id)?;
    check(call)?;
    let given = call.given.clone();
    Ok(call.tx.change(Kind::Endpoint, &id, "", |endpoint| {
        write(&given, endpoint);
        given.copy(endpoint, &["url"]);
        if let Some(disabled) = given.flag("disabled") {
            endpoint["status"] = json!(if disabled { "disabled" } else { "enabled" });
        }
    }))
}

pub(crate) fn delete(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    call.tx.at_path(Kind::Endpoint, &id)?;
    call.tx.remove(Kind::Endpoint, &id);
    call.tx.world.secrets.remove(&id);
    Ok(deleted("webhook_endpoint", &id))
}

pub(crate) fn list(call: &mut Call) -> Reply {
    let found: Vec<Value> = call.tx.world.all(Kind::Endpoint).newest_first().cloned().collect();
    lists::page(&found, &call.given, &call.path, "webhook endpoint")
}

fn check(call: &Call) -> Result<(), ApiError> {
    if let Some(url) = call.given.text("url") {
        check_url("url", url)?;
        // Stripe refuses every http endpoint in live mode; the sandbox lets loopback pass, else nothing local could go live.
        let is_loopback = url.starts_with("http://127.0.0.1") || url.starts_with("http://localhost");
        if call.tx.livemode() && !url.starts_with("https://") && !is_loopback {
            let message = "Invalid URL: URL must begin with https for live mode webhook endpoints.";
            return Err(ApiError::coded("url_invalid", Some("url"), message));
        }
    }
    if call.given.get("enabled_events").is_some() && call.given.list("enabled_events").is_empty() {
        return Err(ApiError::empty_param("enabled_events"));
    }
    Ok(())
}

fn write(given: &Given, endpoint: &mut Value) {
    given.copy(endpoint, &["description"]);
    if given.get("enabled_events").is_some() {
        endpoint["enabled_events"] = json!(given.texts("enabled_events"));
    }
    given.merge_metadata(endpoint);
}
