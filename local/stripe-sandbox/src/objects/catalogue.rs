//! Products, prices and the older `plan` view of a price.

use serde_json::{Value, json};

use crate::values::owned;

/// A product with Stripe's defaults; the caller fills in what was given.
pub(crate) fn product(id: &str, name: &str, livemode: bool, now: i64) -> Value {
    json!({
        "id": id,
        "object": "product",
        "active": true,
        "created": now,
        "default_price": null,
        "description": null,
        "images": [],
        "livemode": livemode,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "package_dimensions": null,
        "shippable": null,
        "statement_descriptor": null,
        "tax_code": null,
        "type": "service",
        "unit_label": null,
        "updated": now,
        "url": null,
    })
}

/// What a price costs and how often.
#[derive(Debug)]
pub(crate) struct NewPrice<'a> {
    pub id: &'a str,
    pub product: &'a str,
    pub currency: &'a str,
    pub unit_amount: i64,
    /// Interval and count; none for a one-time price.
    pub every: Option<(&'a str, i64)>,
}

pub(crate) fn price(new: &NewPrice, livemode: bool, now: i64) -> Value {
    let recurring = new.every.map(|(interval, count)| {
        json!({
            "interval": interval,
            "interval_count": count,
            "meter": null,
            "usage_type": "licensed",
        })
    });
    json!({
        "id": new.id,
        "object": "price",
        "active": true,
        "billing_scheme": "per_unit",
        "created": now,
        "currency": new.currency,
        "custom_unit_amount": null,
        "livemode": livemode,
        "lookup_key": null,
        "metadata": {},
        "nickname": null,
        "product": new.product,
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "tiers_mode": null,
        "transform_quantity": null,
        "type": if new.every.is_some() { "recurring" } else { "one_time" },
        "unit_amount": new.unit_amount,
        "unit_amount_decimal": new.unit_amount.to_string(),
    })
}

/// The `plan` that subscription items still carry beside their price.
pub(crate) fn plan(price: &Value) -> Value {
    json!({
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "livemode": price["livemode"],
        "metadata": price["metadata"],
        "meter": null,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": null,
        "transform_usage": null,
        "trial_period_days": null,
        "usage_type": "licensed",
    })
}

/// `R$ 49.90`-like text for lines and pages: the currency's sign or code, then major units.
pub(crate) fn amount_text(amount_minor: i64, currency: &str) -> String {
    let sign = match currency {
        "brl" => "R$ ".to_owned(),
        "usd" => "$".to_owned(),
        "eur" => "€".to_owned(),
        other => format!("{} ", other.to_uppercase()),
    };
    match currency {
        "jpy" | "krw" | "clp" | "vnd" | "pyg" => format!("{sign}{amount_minor}"),
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => format!("{sign}{}.{:03}", amount_minor / 1000, amount_minor % 1000),
        _ => format!("{sign}{}.{:02}", amount_minor / 100, amount_minor % 100),
    }
}

/// The interval of a recurring price, `month` and 1 when it has none.
pub(crate) fn interval(price: &Value) -> (String, i64) {
    let recurring = &price["recurring"];
    let name = match recurring["interval"].as_str() {
        Some(_) => owned(&recurring["interval"]),
        None => "month".to_owned(),
    };
    (name, recurring["interval_count"].as_i64().unwrap_or(1))
}
