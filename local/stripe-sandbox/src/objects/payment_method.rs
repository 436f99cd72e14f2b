//! Card payment methods.

use serde_json::{Value, json};

use crate::cards::TestCard;

pub(crate) fn card(id: &str, card: &TestCard, billing: Value, livemode: bool, now: i64) -> Value {
    json!({
        "id": id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing,
        "card": {
            "brand": card.brand,
            "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
            "country": "US",
            "display_brand": if card.brand == "amex" { "american_express" } else { card.brand },
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": format!("Sandbox{:0>9}", card.last4()),
            "funding": "credit",
            "generated_from": null,
            "last4": card.last4(),
            "networks": { "available": [card.brand], "preferred": null },
            "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        },
        "created": now,
        "customer": null,
        "livemode": livemode,
        "metadata": {},
        "type": "card",
    })
}

/// Billing details as Checkout collects them.
pub(crate) fn billing_details(email: Option<&str>, name: Option<&str>) -> Value {
    json!({
        "address": { "city": null, "country": "BR", "line1": null, "line2": null, "postal_code": null, "state": null },
        "email": email,
        "name": name,
        "phone": null,
        "tax_id": null,
    })
}
