//! The account itself, and the permissions it shows.

use serde_json::{Value, json};

/// The id of the sandbox's one account.
pub(crate) const ACCOUNT_ID: &str = "acct_1CaixaHubSandbox";

pub(crate) fn account() -> Value {
    json!({
        "id": ACCOUNT_ID,
        "object": "account",
        "business_profile": {
            "annual_revenue": null,
            "estimated_worker_count": null,
            "mcc": "5734",
            "minority_owned_business_designation": null,
            "name": "CaixaHub",
            "product_description": "Subscription software",
            "support_address": null,
            "support_email": "support@example.com",
            "support_phone": null,
            "support_url": "https://example.com/support",
            "url": "https://example.com",
        },
        "business_type": "company",
        "capabilities": { "card_payments": "active", "transfers": "active" },
        "charges_enabled": true,
        "controller": { "type": "account" },
        "country": "BR",
        "created": 1_700_000_000,
        "default_currency": "brl",
        "details_submitted": true,
        "email": "owner@example.com",
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": false,
            "url": format!("/v1/accounts/{ACCOUNT_ID}/external_accounts"),
        },
        "metadata": {},
        "payouts_enabled": true,
        "settings": {
            "branding": { "icon": null, "logo": null, "primary_color": null, "secondary_color": null },
            "card_payments": {
                "decline_on": { "avs_failure": false, "cvc_failure": false },
                "statement_descriptor_prefix": "CAIXAHUB",
                "statement_descriptor_prefix_kana": null,
                "statement_descriptor_prefix_kanji": null,
            },
            "dashboard": { "display_name": "CaixaHub", "timezone": "America/Sao_Paulo" },
            "payments": {
                "statement_descriptor": "CAIXAHUB",
                "statement_descriptor_kana": null,
                "statement_descriptor_kanji": null,
            },
        },
        "type": "standard",
    })
}
