//! `/v1/subscriptions`.

use serde_json::{Value, json};

use crate::api::checkout_sessions::LONGEST_TRIAL_SECONDS;
use crate::api::given::{Given, check_bounds, fresh_metadata};
use crate::api::{Call, Reply, lists, payment_methods, prices, search};
use crate::engine::jobs::Task;
use crate::engine::subscribe::{self, Order, is_alive, period_end, period_start};
use crate::engine::{cancel, collect, cycle};
use crate::errors::ApiError;
use crate::objects::subscription::{self as object, Period};
use crate::state::Kind;
use crate::values::{int, items, owned, text};

pub(crate) fn create(call: &mut Call) -> Reply {
    let customer = call.given.required("customer")?;
    call.tx.at_param(Kind::Customer, &customer, "customer")?;
    let mut order = Order { customer: customer.clone(), lines: lines(call)?, ..Order::default() };
    order.trial_end = trial_end(&call.given, call.tx.now)?;
    order.metadata = fresh_metadata(call.given.get("metadata"));
    order.description = call.given.get("description").cloned().unwrap_or_default();
    order.missing_payment_method =
        call.given.text("trial_settings.end_behavior.missing_payment_method").unwrap_or_default().to_owned();
    order.cancel_at = call.given.int("cancel_at");
    order.cancel_at_period_end = call.given.flag("cancel_at_period_end") == Some(true);
    if let Some(named) = call.given.text("default_payment_method").map(str::to_owned) {
        order.payment_method =
            Some(payment_methods::attached_id(call.tx, &named, &customer, "default_payment_method")?);
    }
    let behavior = call.given.text("payment_behavior").unwrap_or("allow_incomplete").to_owned();
    check_payer(call, &order, &behavior)?;
    if behavior == "default_incomplete" {
        return Ok(subscribe::begin(call.tx, &order));
    }
    let (subscription, _incomplete) = subscribe::begin_and_charge(call.tx, &order);
    Ok(subscription)
}

/// Without a trial somebody must be able to pay; with `error_if_incomplete` the card must also work.
fn check_payer(call: &Call, order: &Order, behavior: &str) -> Result<(), ApiError> {
    let is_free = order.lines.iter().all(|(price, _)| int(&price["unit_amount"]) == 0);
    if order.trial_end.is_some() || is_free || behavior == "default_incomplete" {
        return Ok(());
    }
    let like_invoice = json!({ "customer": order.customer, "default_payment_method": order.payment_method });
    let Some(method) = collect::payer(call.tx, &like_invoice, None) else {
        let message = "This customer has no attached payment source or default payment method. Please consider adding a default payment method.";
        return Err(ApiError::coded("resource_missing", None, message));
    };
    match call.tx.world.cards.get(text(&method["id"])) {
        Some(card) if behavior == "error_if_incomplete" => {
            card.charge().map_err(|decline| decline.with_payment_method(method))
        }
        _ => Ok(()),
    }
}

fn lines(call: &mut Call) -> Result<Vec<(Value, i64)>, ApiError> {
    let sent = call.given.list("items").to_vec();
    if sent.is_empty() {
        return Err(ApiError::missing_param("items"));
    }
    let mut lines = Vec::new();
    for (index, item) in sent.iter().enumerate() {
        let quantity = item["quantity"].as_i64().unwrap_or(1);
        prices::check_quantity(quantity, &format!("items[{index}][quantity]"), 0)?;
        lines.push((item_price(call, item, index)?, quantity));
    }
    Ok(lines)
}

fn item_price(call: &mut Call, item: &Value, index: usize) -> Reply {
    if !item["price_data"].is_null() {
        let price = prices::build(call.tx, &Given(item["price_data"].clone()))?;
        return Ok(call.tx.create(Kind::Price, price, "price.created"));
    }
    let id = item["price"].as_str().ok_or_else(|| ApiError::missing_param(&format!("items[{index}][price]")))?;
    prices::buyable(call.tx, id, &format!("items[{index}][price]"))
}

/// `trial_end` or `trial_period_days`; `now` means none.
fn trial_end(given: &Given, now: i64) -> Result<Option<i64>, ApiError> {
    match (given.get("trial_end"), given.int("trial_period_days")) {
        (Some(_), Some(_)) => {
            let message = "You may only specify one of these parameters: trial_end, trial_period_days.";
            Err(ApiError::coded("parameters_exclusive", Some("trial_end"), message))
        }
        (Some(Value::Number(end)), None) if end.as_i64().is_some_and(|end| end <= now) => {
            Err(ApiError::invalid("trial_end", "Invalid timestamp: can only be specified in the future"))
        }
        (Some(end), None) => {
            check_bounds("trial_end", end.as_i64().unwrap_or(now), 0..=now + LONGEST_TRIAL_SECONDS)?;
            Ok(end.as_i64())
        }
        (None, Some(0)) | (None, None) => Ok(None),
        (None, Some(days)) => {
            check_bounds("trial_period_days", days, 0..=730)?;
            Ok(Some(now + days * 86_400))
        }
    }
}

pub(crate) fn retrieve(call: &mut Call) -> Reply {
    call.tx.at_path(Kind::Subscription, call.id())
}

pub(crate) fn list(call: &mut Call) -> Reply {
    lists::check_customer(call.tx, &call.given)?;
    let given = &call.given;
    let status = given.text("status");
    let price = given.text("price");
    let found = call.tx.world.all(Kind::Subscription).newest_first().filter(|sub| {
        has_status(sub, status)
            && lists::created(sub, given)
            && ["customer", "collection_method"].iter().all(|name| lists::equals(sub, given, name))
            && price.is_none_or(|price| items(&sub["items"]["data"]).iter().any(|item| item["price"]["id"] == price))
            && lists::in_range(period_end(sub), given.get("current_period_end"))
            && lists::in_range(period_start(sub), given.get("current_period_start"))
    });
    lists::page(&found.cloned().collect::<Vec<_>>(), given, &call.path, "subscription")
}

/// Without `status`, canceled subscriptions are left out.
fn has_status(subscription: &Value, wanted: Option<&str>) -> bool {
    match wanted {
        None => subscription["status"] != "canceled",
        Some("all") => true,
        Some("ended") => !is_alive(subscription),
        Some(status) => subscription["status"] == status,
    }
}

pub(crate) fn search(call: &mut Call) -> Reply {
    search::run(call.tx, Kind::Subscription, &call.given, &call.path)
}

/// `DELETE`: canceled at once.
pub(crate) fn delete(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    let subscription = call.tx.at_path(Kind::Subscription, &id)?;
    if !is_alive(&subscription) {
        // Stripe no longer finds what has ended.
        return Err(ApiError::no_such(404, "subscription", &id, "id", ""));
    }
    let details = call.given.get("cancellation_details").cloned();
    call.tx.change(Kind::Subscription, &id, "", |sub| note_details(sub, details.as_ref()));
    Ok(cancel::now(call.tx, &id, "cancellation_requested"))
}

fn note_details(subscription: &mut Value, details: Option<&Value>) {
    for name in ["comment", "feedback"] {
        if let Some(value) = details.and_then(|details| details.get(name)) {
            subscription["cancellation_details"][name] = value.clone();
        }
    }
}

pub(crate) fn update(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    let before = call.tx.at_path(Kind::Subscription, &id)?;
    check_update(call, &before)?;
    let customer = owned(&before["customer"]);
    let named = call.given.text("default_payment_method").map(str::to_owned);
    let method = named
        .map(|named| payment_methods::attached_id(call.tx, &named, &customer, "default_payment_method"))
        .transpose()?;
    let new_items = changed_items(call, &before)?;
    let (given, now) = (call.given.clone(), call.tx.now);
    let after = call.tx.change(Kind::Subscription, &id, "customer.subscription.updated", |sub| {
        write(&given, sub);
        if let Some(new_items) = new_items {
            sub["items"]["data"] = Value::Array(new_items);
        }
        if let Some(method) = method {
            sub["default_payment_method"] = json!(method);
        } else if given.get("default_payment_method").is_some_and(Value::is_null) {
            sub["default_payment_method"] = Value::Null;
        }
        write_end(&given, sub, now);
    });
    plan(call, &id, &after);
    match call.given.get("trial_end") {
        Some(Value::Number(end)) => cycle::move_trial_end(call.tx, &id, end.as_i64().unwrap_or(now)),
        Some(Value::String(_)) if before["status"] == "trialing" => {
            cycle::start_paying_now(call.tx, &id, "subscription_update")
        }
        _ => {}
    }
    call.tx.at_path(Kind::Subscription, &id)
}

fn check_update(call: &Call, before: &Value) -> Result<(), ApiError> {
    let only_notes = call.given.0.as_object().is_some_and(|sent| {
        sent.keys().all(|name| matches!(name.as_str(), "metadata" | "cancellation_details" | "expand"))
    });
    if !is_alive(before) && !only_notes {
        let message = "A canceled subscription can only update its cancellation_details and metadata.";
        return Err(ApiError::refused(message));
    }
    if call.given.flag("cancel_at_period_end") == Some(true) && call.given.int("cancel_at").is_some() {
        let message = "You may only specify one of these parameters: cancel_at, cancel_at_period_end.";
        return Err(ApiError::coded("parameters_exclusive", Some("cancel_at"), message));
    }
    if call.given.int("cancel_at").is_some_and(|at| at <= call.tx.now) {
        return Err(ApiError::invalid("cancel_at", "The `cancel_at` timestamp must be in the future."));
    }
    trial_end(&call.given, call.tx.now).map(|_| ())
}

fn write(given: &Given, subscription: &mut Value) {
    given.merge_metadata(subscription);
    given.copy(subscription, &["description", "pause_collection", "days_until_due"]);
    if subscription["pause_collection"].is_object() && subscription["pause_collection"]["resumes_at"].is_null() {
        subscription["pause_collection"]["resumes_at"] = Value::Null;
    }
    if let Some(behavior) = given.get("trial_settings.end_behavior.missing_payment_method") {
        subscription["trial_settings"]["end_behavior"]["missing_payment_method"] = behavior.clone();
    }
    note_details(subscription, given.get("cancellation_details"));
}

fn write_end(given: &Given, subscription: &mut Value, now: i64) {
    match (given.flag("cancel_at_period_end"), given.get("cancel_at")) {
        (Some(true), _) => cancel::mark_at_period_end(subscription, now),
        (_, Some(at)) if at.is_i64() => cancel::mark_at(subscription, int(at), now),
        (_, Some(Value::String(when))) if when.ends_with("period_end") => {
            let end = period_end(subscription);
            cancel::mark_at(subscription, end, now);
        }
        (_, Some(Value::Null)) => cancel::unmark(subscription),
        // A `cancel_at` that stands alone stays when only `cancel_at_period_end` is taken back.
        (Some(false), None) if subscription["cancel_at_period_end"] == true => cancel::unmark(subscription),
        _ => {}
    }
}

fn plan(call: &mut Call, id: &str, after: &Value) {
    if let Some(at) = after["cancel_at"].as_i64() {
        call.tx.schedule(at, Task::CancelAt, id);
    }
    if let Some(at) = after["pause_collection"]["resumes_at"].as_i64() {
        call.tx.schedule(at, Task::ResumeCollection, id);
    }
}

/// The items after `items[]`: changed, removed or added. The sandbox makes no prorations.
fn changed_items(call: &mut Call, before: &Value) -> Result<Option<Vec<Value>>, ApiError> {
    let sent = call.given.list("items").to_vec();
    if sent.is_empty() {
        return Ok(None);
    }
    let mut after = items(&before["items"]["data"]).to_vec();
    for (index, change) in sent.iter().enumerate() {
        let quantity = change["quantity"].as_i64().unwrap_or(1);
        prices::check_quantity(quantity, &format!("items[{index}][quantity]"), 0)?;
        let Some(id) = change["id"].as_str() else {
            let price = item_price(call, change, index)?;
            let period = Period { start: period_start(before), end: period_end(before) };
            after.push(object::item(&call.tx.id("si_"), text(&before["id"]), &price, quantity, period, call.tx.now));
            continue;
        };
        let at = after.iter().position(|item| item["id"] == id);
        let at =
            at.ok_or_else(|| ApiError::no_such(400, "subscription item", id, &format!("items[{index}][id]"), ""))?;
        if change["deleted"] == true {
            after.remove(at);
            continue;
        }
        if change["price"].is_string() || !change["price_data"].is_null() {
            let price = item_price(call, change, index)?;
            after[at]["plan"] = crate::objects::catalogue::plan(&price);
            after[at]["price"] = price;
        }
        if change["quantity"].is_i64() {
            after[at]["quantity"] = json!(quantity);
        }
    }
    if after.is_empty() {
        return Err(ApiError::invalid("items", "A subscription must have at least one active item."));
    }
    Ok(Some(after))
}

pub(crate) fn resume(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    let subscription = call.tx.at_path(Kind::Subscription, &id)?;
    if subscription["status"] != "paused" {
        let message = "Subscription is not paused, so it cannot be resumed.";
        return Err(ApiError::refused(message));
    }
    cycle::start_paying_now(call.tx, &id, "subscription_update");
    let resumed = call.tx.at_path(Kind::Subscription, &id)?;
    if resumed["status"] == "active" {
        call.tx.emit("customer.subscription.resumed", &resumed, None);
    }
    Ok(resumed)
}
