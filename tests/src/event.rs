//! Stripe's events, made by hand: the shape of a real one with the fields a test cares about.

use serde_json::{Value, json};

/// An event about one subscription. Times are seconds since 1970.
#[derive(Clone, Debug)]
pub struct EventBuilder {
    event: Value,
}

impl EventBuilder {
    /// A trialing subscription of the user, BRL 49.90 a month, as `customer.subscription.updated`.
    pub fn subscription(event: &str, subscription: &str, customer: &str, created: i64) -> EventBuilder {
        let item = json!({
            "id": "si_1", "object": "subscription_item", "quantity": 1,
            "current_period_start": created - 10, "current_period_end": created + 30 * 86_400,
            "price": {
                "id": "price_hand_made", "object": "price", "currency": "brl", "product": "prod_hand_made",
                "unit_amount": 4990, "recurring": { "interval": "month", "interval_count": 1 },
            },
        });
        let object = json!({
            "id": subscription, "object": "subscription", "customer": customer, "status": "active",
            "created": created - 10, "currency": "brl", "cancel_at": null, "cancel_at_period_end": false,
            "canceled_at": null, "ended_at": null, "default_payment_method": null, "trial_start": null,
            "trial_end": null, "metadata": {}, "items": { "object": "list", "has_more": false, "data": [item] },
        });
        let event = json!({
            "id": event, "object": "event", "api_version": shared::stripe::API_VERSION, "created": created,
            "livemode": false, "pending_webhooks": 1, "request": { "id": null, "idempotency_key": null },
            "type": "customer.subscription.updated", "data": { "object": object },
        });
        EventBuilder { event }
    }

    /// An event of any type about any object.
    pub fn of(event: &str, event_type: &str, created: i64, object: Value) -> EventBuilder {
        EventBuilder::subscription(event, "sub_unused", "cus_unused", created)
            .with("/type", event_type)
            .with("/data/object", object)
    }

    /// Sets one value by its JSON pointer; a new field is added where its parent is an object.
    pub fn with(mut self, pointer: &str, value: impl Into<Value>) -> EventBuilder {
        let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        if let Some(parent) = self.event.pointer_mut(parent) {
            parent[name] = value.into();
        }
        self
    }

    pub fn owned_by(self, user: &str) -> EventBuilder {
        self.with("/data/object/metadata/user_id", user)
    }

    pub fn status(self, status: &str) -> EventBuilder {
        self.with("/data/object/status", status)
    }

    pub fn value(&self) -> &Value {
        &self.event
    }

    pub fn body(&self) -> String {
        self.event.to_string()
    }
}
