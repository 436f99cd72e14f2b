//! `/v1/checkout/sessions`: hosted pages in subscription mode.

use serde_json::{Value, json};

use crate::api::given::{Given, check_bounds, check_email, check_url, fresh_metadata};
use crate::api::{Call, Reply, expand, lists, prices};
use crate::engine::checkout;
use crate::engine::jobs::Task;
use crate::errors::ApiError;
use crate::objects::session as object;
use crate::state::Kind;
use crate::values::{int, items, owned, text};

const SHORTEST_SECONDS: i64 = 30 * 60;
const LONGEST_SECONDS: i64 = 24 * 3_600;
/// No trial lasts longer than five years.
pub(crate) const LONGEST_TRIAL_SECONDS: i64 = 5 * 365 * 86_400;
/// In Checkout a trial that ends at a date must last two days.
const SHORTEST_TRIAL_SECONDS: i64 = 48 * 3_600;

pub(crate) fn create(call: &mut Call) -> Reply {
    check(call)?;
    let lines = lines(call)?;
    let prefix = if call.tx.livemode() { "cs_live_a1" } else { "cs_test_a1" };
    let id = call.tx.id(prefix);
    let mut session = object::session(&id, "subscription", call.tx.public_url, call.tx.livemode(), call.tx.now);
    write(&call.given, &mut session);
    let total: i64 = lines.iter().map(|line| int(&line["price"]["unit_amount"]) * int(&line["quantity"])).sum();
    let order = order(&call.given, lines);
    let is_trial = !order["trial_days"].is_null() || !order["trial_end"].is_null();
    session["currency"] = order["lines"][0]["price"]["currency"].clone();
    session["amount_subtotal"] = json!(if is_trial { 0 } else { total });
    session["amount_total"] = session["amount_subtotal"].clone();
    if session["customer"].is_null() {
        session["customer_creation"] = json!("always");
    }
    prefill(call, &mut session);
    call.tx.world.orders.insert(id.clone(), order);
    call.tx.schedule(int(&session["expires_at"]), Task::ExpireSession, &id);
    Ok(call.tx.create(Kind::Session, session, ""))
}

fn check(call: &Call) -> Result<(), ApiError> {
    let given = &call.given;
    match given.text("mode") {
        None => return Err(ApiError::missing_param("mode")),
        Some("subscription") => {}
        Some(other) => {
            return Err(ApiError::invalid(
                "mode",
                format!("The sandbox has no `{other}` mode; it knows `subscription`."),
            ));
        }
    }
    if given.text("ui_mode").is_some_and(|mode| !mode.starts_with("hosted")) {
        return Err(ApiError::invalid("ui_mode", "The sandbox knows hosted pages only."));
    }
    check_url("success_url", &given.required("success_url")?)?;
    if let Some(url) = given.text("cancel_url") {
        check_url("cancel_url", url)?;
    }
    if given.text("customer").is_some() && given.text("customer_email").is_some() {
        let message = "You may only specify one of these parameters: customer, customer_email.";
        return Err(ApiError::coded("parameters_exclusive", Some("customer"), message));
    }
    if let Some(customer) = given.text("customer") {
        call.tx.at_param(Kind::Customer, customer, "customer")?;
    }
    if let Some(email) = given.text("customer_email") {
        check_email("customer_email", email)?;
    }
    if given.text("client_reference_id").is_some_and(|id| id.chars().count() > 200) {
        return Err(ApiError::invalid("client_reference_id", "Invalid string: must be at most 200 characters"));
    }
    check_expiry(given, call.tx.now)?;
    check_trial(given, call.tx.now)
}

fn check_expiry(given: &Given, now: i64) -> Result<(), ApiError> {
    match given.int("expires_at") {
        Some(at) if at < now + SHORTEST_SECONDS => {
            let message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.";
            Err(ApiError::invalid("expires_at", message))
        }
        Some(at) if at > now + LONGEST_SECONDS => {
            let message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.";
            Err(ApiError::invalid("expires_at", message))
        }
        _ => Ok(()),
    }
}

fn check_trial(given: &Given, now: i64) -> Result<(), ApiError> {
    let (days, end) = (given.int("subscription_data.trial_period_days"), given.int("subscription_data.trial_end"));
    match (days, end) {
        (Some(_), Some(_)) => {
            let message = "You may only specify one of these parameters: trial_end, trial_period_days.";
            Err(ApiError::coded("parameters_exclusive", Some("subscription_data[trial_end]"), message))
        }
        (Some(days), _) if days < 1 => {
            let message = "The minimum number of trial period days is 1.";
            Err(ApiError::invalid("subscription_data[trial_period_days]", message))
        }
        (Some(days), _) if days > 730 => {
            let message = "The maximum number of trial period days is 730 (2 years).";
            Err(ApiError::invalid("subscription_data[trial_period_days]", message))
        }
        (_, Some(end)) if end < now + SHORTEST_TRIAL_SECONDS => {
            let message = "The `trial_end` date has to be at least 2 days in the future.";
            Err(ApiError::invalid("subscription_data[trial_end]", message))
        }
        (_, Some(end)) => check_bounds("subscription_data[trial_end]", end, 0..=now + LONGEST_TRIAL_SECONDS),
        _ => Ok(()),
    }
}

/// The lines with their whole prices.
fn lines(call: &mut Call) -> Result<Vec<Value>, ApiError> {
    let sent = call.given.list("line_items").to_vec();
    if sent.is_empty() {
        return Err(ApiError::missing_param("line_items"));
    }
    let mut lines = Vec::new();
    for (index, line) in sent.iter().enumerate() {
        let price = match line["price_data"].is_null() {
            false => {
                let price = prices::build(call.tx, &Given(line["price_data"].clone()))?;
                call.tx.create(Kind::Price, price, "price.created")
            }
            true => {
                let name = format!("line_items[{index}][price]");
                let id = line["price"].as_str().ok_or_else(|| ApiError::missing_param(&name))?;
                prices::buyable(call.tx, id, &name)?
            }
        };
        let quantity = line["quantity"]
            .as_i64()
            .ok_or_else(|| ApiError::missing_param(&format!("line_items[{index}][quantity]")))?;
        prices::check_quantity(quantity, &format!("line_items[{index}][quantity]"), 1)?;
        lines.push(json!({ "id": call.tx.id("li_1"), "price": price, "quantity": quantity }));
    }
    Ok(lines)
}

fn write(given: &Given, session: &mut Value) {
    let plain = [
        "success_url",
        "cancel_url",
        "customer",
        "customer_email",
        "client_reference_id",
        "locale",
        "allow_promotion_codes",
        "billing_address_collection",
        "payment_method_collection",
        "expires_at",
        "submit_type",
        "origin_context",
        "integration_identifier",
    ];
    given.copy(session, &plain);
    given.merge_metadata(session);
    given.merge(session, "phone_number_collection");
    if let Some(enabled) = given.flag("tax_id_collection.enabled") {
        session["tax_id_collection"]["enabled"] = json!(enabled);
    }
}

/// What completing the session will subscribe to; kept beside it.
fn order(given: &Given, lines: Vec<Value>) -> Value {
    json!({
        "lines": lines,
        "metadata": fresh_metadata(given.get("subscription_data.metadata")),
        "description": given.text("subscription_data.description"),
        "trial_days": given.int("subscription_data.trial_period_days"),
        "trial_end": given.int("subscription_data.trial_end"),
        "missing_payment_method": given.text("subscription_data.trial_settings.end_behavior.missing_payment_method"),
    })
}

/// Stripe shows the e-mail it knows from the start.
fn prefill(call: &Call, session: &mut Value) {
    let of_customer = session["customer"].as_str().and_then(|id| call.tx.find(Kind::Customer, id));
    let email = match of_customer {
        Some(customer) => customer["email"].clone(),
        None => session["customer_email"].clone(),
    };
    if email.is_string() {
        session["customer_details"] = object::customer_details(text(&email), None);
        session["customer_details"]["address"] = Value::Null;
    }
}

pub(crate) fn retrieve(call: &mut Call) -> Reply {
    call.tx.at_path(Kind::Session, call.id())
}

pub(crate) fn list(call: &mut Call) -> Reply {
    lists::check_customer(call.tx, &call.given)?;
    let given = &call.given;
    let email = given.text("customer_details.email");
    let found = call.tx.world.all(Kind::Session).newest_first().filter(|session| {
        lists::created(session, given)
            && ["customer", "status", "subscription", "payment_intent"]
                .iter()
                .all(|name| lists::equals(session, given, name))
            && email.is_none_or(|email| session["customer_details"]["email"] == email)
    });
    lists::page(&found.cloned().collect::<Vec<_>>(), given, &call.path, "checkout.session")
}

pub(crate) fn line_items(call: &mut Call) -> Reply {
    call.tx.at_path(Kind::Session, call.id())?;
    let lines = expand::line_items(call.tx, call.id());
    lists::page(items(&lines["data"]), &call.given, &call.path, "item")
}

pub(crate) fn expire(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    let session = call.tx.at_path(Kind::Session, &id)?;
    if session["status"] != "open" {
        let message = format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of {}.",
            owned(&session["status"])
        );
        return Err(ApiError::refused(message));
    }
    Ok(checkout::expire(call.tx, &id))
}
