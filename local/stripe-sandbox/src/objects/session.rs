//! Checkout sessions and their line items.

use serde_json::{Value, json};

use crate::values::{int, owned};

/// An open session with Stripe's defaults; the caller fills in what was given.
pub(crate) fn session(id: &str, mode: &str, public_url: &str, livemode: bool, now: i64) -> Value {
    json!({
        "id": id,
        "object": "checkout.session",
        "adaptive_pricing": { "enabled": false },
        "after_expiration": null,
        "allow_promotion_codes": null,
        "amount_subtotal": 0,
        "amount_total": 0,
        "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
        "billing_address_collection": null,
        "cancel_url": null,
        "client_reference_id": null,
        "client_secret": null,
        "collected_information": null,
        "consent": null,
        "consent_collection": null,
        "created": now,
        "currency": null,
        "currency_conversion": null,
        "custom_fields": [],
        "custom_text": {
            "after_submit": null,
            "shipping_address": null,
            "submit": null,
            "terms_of_service_acceptance": null,
        },
        "customer": null,
        "customer_account": null,
        "customer_creation": null,
        "customer_details": null,
        "customer_email": null,
        "discounts": [],
        "expires_at": now + 86_400,
        "integration_identifier": null,
        "invoice": null,
        "invoice_creation": null,
        "livemode": livemode,
        "locale": null,
        "metadata": {},
        "mode": mode,
        "optional_items": null,
        "origin_context": null,
        "payment_intent": null,
        "payment_link": null,
        "payment_method_collection": "always",
        "payment_method_configuration_details": null,
        "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "permissions": null,
        "phone_number_collection": { "enabled": false },
        "recovered_from": null,
        "saved_payment_method_options": {
            "allow_redisplay_filters": ["always"],
            "payment_method_remove": "disabled",
            "payment_method_save": null,
        },
        "setup_intent": null,
        "shipping_address_collection": null,
        "shipping_cost": null,
        "shipping_options": [],
        "status": "open",
        "submit_type": null,
        "subscription": null,
        "success_url": null,
        "tax_id_collection": { "enabled": false, "required": "never" },
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
        "ui_mode": "hosted_page",
        "url": format!("{public_url}/c/pay/{id}"),
        "wallet_options": null,
    })
}

/// A line of a session: `order` is `{price, quantity, id}` as it is kept beside the session.
pub(crate) fn line_item(order: &Value, product_name: &str) -> Value {
    let amount = int(&order["price"]["unit_amount"]) * int(&order["quantity"]);
    json!({
        "id": owned(&order["id"]),
        "object": "item",
        "adjustable_quantity": null,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": order["price"]["currency"],
        "description": product_name,
        "metadata": {},
        "price": order["price"],
        "quantity": order["quantity"],
    })
}

/// What the customer typed on the page.
pub(crate) fn customer_details(email: &str, name: Option<&str>) -> Value {
    json!({
        "address": { "city": null, "country": "BR", "line1": null, "line2": null, "postal_code": null, "state": null },
        "business_name": null,
        "email": email,
        "individual_name": null,
        "name": name,
        "phone": null,
        "tax_exempt": "none",
        "tax_ids": [],
    })
}
