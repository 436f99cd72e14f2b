//! Events: an object frozen at the moment something happened to it, and how it is rendered for an endpoint.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::API_VERSION;
use crate::state::World;
use crate::tx::Tx;
use crate::values::{int, items, owned, text};

/// Stripe's list reaches back 30 days.
const KEPT_SECONDS: i64 = 30 * 86_400;

/// The first version with periods on the items (basil).
const BASIL: &str = "2025-03-31";

/// One event; the object is kept as text because it never changes again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub created: i64,
    pub livemode: bool,
    pub request_id: Option<String>,
    pub idempotency_key: Option<String>,
    object: String,
    previous: Option<String>,
}

impl Event {
    pub fn new(tx: &Tx, kind: &str, object: &Value, previous: Option<Value>) -> Self {
        Self {
            id: tx.id("evt_1"),
            kind: kind.to_owned(),
            created: tx.now,
            livemode: tx.livemode(),
            request_id: tx.cause.request_id.clone(),
            idempotency_key: tx.cause.idempotency_key.clone(),
            object: object.to_string(),
            previous: previous.map(|value| value.to_string()),
        }
    }

    /// The event in the shape of an API version.
    pub fn render(&self, api_version: Option<&str>, pending_webhooks: usize) -> Value {
        let version = api_version.unwrap_or(API_VERSION);
        let mut object: Value = serde_json::from_str(&self.object).unwrap_or_default();
        let mut previous: Option<Value> = self.previous.as_deref().and_then(|text| serde_json::from_str(text).ok());
        if is_before_basil(version) {
            to_old_shape(&mut object);
            if let Some(previous) = previous.as_mut() {
                periods_to_top(previous);
            }
        }
        let mut data = json!({ "object": object });
        if let Some(previous) = previous {
            data["previous_attributes"] = previous;
        }
        json!({
            "id": self.id,
            "object": "event",
            "api_version": version,
            "created": self.created,
            "data": data,
            "livemode": self.livemode,
            "pending_webhooks": pending_webhooks,
            "request": { "id": self.request_id, "idempotency_key": self.idempotency_key },
            "type": self.kind,
        })
    }
}

/// Whether a version still has the old places of periods and of an invoice's subscription.
pub(crate) fn is_before_basil(version: &str) -> bool {
    version.get(..10).is_some_and(|date| date < BASIL)
}

/// Drops what the event list no longer shows.
pub(crate) fn forget_old(world: &mut World, now: i64) {
    while world.events.front().is_some_and(|event| event.created < now - KEPT_SECONDS) {
        world.events.pop_front();
    }
}

/// Renders an object (and what is expanded or listed in it) as versions before basil did.
pub(crate) fn to_old_shape(object: &mut Value) {
    match text(&object["object"]) {
        "subscription" => periods_to_top(object),
        "invoice" => old_invoice(object),
        _ => {}
    }
}

/// `items.data[].current_period_*` → `current_period_*` on the subscription.
fn periods_to_top(subscription: &mut Value) {
    for name in ["current_period_start", "current_period_end"] {
        let on_items: Vec<i64> =
            items(&subscription["items"]["data"]).iter().filter_map(|item| item[name].as_i64()).collect();
        if let Some(period) = on_items.into_iter().max() {
            subscription[name] = json!(period);
        }
        if let Some(items) = subscription.pointer_mut("/items/data").and_then(Value::as_array_mut) {
            for item in items.iter_mut().filter_map(Value::as_object_mut) {
                item.remove(name);
            }
        }
    }
}

/// `parent.subscription_details` → `subscription` and `subscription_details` on the invoice.
fn old_invoice(invoice: &mut Value) {
    let details = invoice["parent"]["subscription_details"].clone();
    invoice["subscription"] = details["subscription"].clone();
    invoice["subscription_details"] = json!({ "metadata": details["metadata"] });
    invoice["paid"] = json!(invoice["status"] == "paid");
    if let Some(fields) = invoice.as_object_mut() {
        fields.remove("parent");
    }
    let Some(lines) = invoice.pointer_mut("/lines/data").and_then(Value::as_array_mut) else {
        return;
    };
    for line in lines {
        let item = line["parent"]["subscription_item_details"].clone();
        line["type"] = json!("subscription");
        line["subscription"] = details["subscription"].clone();
        line["subscription_item"] = item["subscription_item"].clone();
        line["proration"] = json!(false);
        line["price"] = json!({
            "id": owned(&line["pricing"]["price_details"]["price"]),
            "object": "price",
            "product": owned(&line["pricing"]["price_details"]["product"]),
            "unit_amount": int(&line["amount"]) / line["quantity"].as_i64().unwrap_or(1).max(1),
            "currency": line["currency"],
        });
        if let Some(fields) = line.as_object_mut() {
            fields.remove("parent");
            fields.remove("pricing");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_basil_are_told_by_their_date() {
        assert!(is_before_basil("2024-06-20"));
        assert!(!is_before_basil("2025-03-31.basil"));
        assert!(!is_before_basil(API_VERSION));
    }

    #[test]
    fn old_endpoints_get_the_period_on_the_subscription() {
        let mut subscription = json!({"object": "subscription", "items": {"data": [{"id": "si_1", "current_period_start": 1, "current_period_end": 2}]}});
        to_old_shape(&mut subscription);
        let expected = json!({"object": "subscription", "current_period_start": 1, "current_period_end": 2, "items": {"data": [{"id": "si_1"}]}});
        assert_eq!(subscription, expected);
    }
}
