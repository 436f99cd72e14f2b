//! Customer portal: configurations and sessions.

use serde_json::{Value, json};

/// The configuration an account gets by saving the portal settings once in the Dashboard.
pub(crate) fn configuration(id: &str, is_default: bool, livemode: bool, now: i64) -> Value {
    json!({
        "id": id,
        "object": "billing_portal.configuration",
        "active": true,
        "application": null,
        "business_profile": { "headline": null, "privacy_policy_url": null, "terms_of_service_url": null },
        "created": now,
        "default_return_url": null,
        "features": {
            "customer_update": { "allowed_updates": ["email", "address", "phone"], "enabled": is_default },
            "invoice_history": { "enabled": is_default },
            "payment_method_update": { "enabled": is_default, "payment_method_configuration": null },
            "subscription_cancel": {
                "cancellation_reason": {
                    "enabled": false,
                    "options": ["too_expensive", "missing_features", "switched_service", "unused", "other"],
                },
                "enabled": is_default,
                "mode": "at_period_end",
                "proration_behavior": "none",
            },
            "subscription_update": {
                "billing_cycle_anchor": null,
                "default_allowed_updates": [],
                "enabled": false,
                "products": [],
                "proration_behavior": "none",
                "schedule_at_period_end": { "conditions": [] },
                "trial_update_behavior": "end_trial",
            },
        },
        "is_default": is_default,
        "livemode": livemode,
        "login_page": { "enabled": false, "url": null },
        "metadata": {},
        "name": null,
        "updated": now,
    })
}

/// A session; its page lives under the sandbox's own address.
pub(crate) fn session(
    id: &str,
    configuration: &str,
    customer: &str,
    public_url: &str,
    livemode: bool,
    now: i64,
) -> Value {
    json!({
        "id": id,
        "object": "billing_portal.session",
        "configuration": configuration,
        "created": now,
        "customer": customer,
        "customer_account": null,
        "flow": null,
        "livemode": livemode,
        "locale": null,
        "on_behalf_of": null,
        "return_url": null,
        "url": format!("{public_url}/p/session/{id}"),
    })
}
