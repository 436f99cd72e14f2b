//! Webhook endpoints. The signing secret is not part of the stored object.

use serde_json::{Value, json};

pub(crate) fn endpoint(id: &str, url: &str, livemode: bool, now: i64) -> Value {
    json!({
        "id": id,
        "object": "webhook_endpoint",
        "api_version": null,
        "application": null,
        "created": now,
        "description": null,
        "enabled_events": ["*"],
        "livemode": livemode,
        "metadata": {},
        "status": "enabled",
        "url": url,
    })
}
