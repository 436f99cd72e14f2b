//! How a subscription begins: trialing, or incomplete until its first invoice is paid.

use serde_json::{Value, json};

use crate::engine::jobs::Task;
use crate::engine::periods::next_end;
use crate::engine::{INCOMPLETE_SECONDS, TRIAL_WARNING_SECONDS, cancel, collect, cycle, invoices};
use crate::errors::ApiError;
use crate::objects::catalogue;
use crate::objects::subscription::{self as object, Period};
use crate::state::Kind;
use crate::tx::Tx;
use crate::values::{flag, int, items, owned, text};

/// What somebody subscribes to.
#[derive(Debug, Default)]
pub(crate) struct Order {
    pub customer: String,
    /// Prices (whole objects) with their quantities.
    pub lines: Vec<(Value, i64)>,
    pub metadata: Value,
    pub description: Value,
    pub trial_end: Option<i64>,
    /// `create_invoice`, `cancel` or `pause`.
    pub missing_payment_method: String,
    pub payment_method: Option<String>,
    pub cancel_at: Option<i64>,
    pub cancel_at_period_end: bool,
}

/// Makes the subscription, its first invoice and their events; a trial's invoice of 0 is paid at once, another stays
/// open for [`collect::charge`].
pub(crate) fn begin(tx: &mut Tx, order: &Order) -> Value {
    let id = tx.id("sub_1");
    let invoice_id = tx.id("in_1");
    let mut subscription = object::subscription(&id, &order.customer, currency_of(order), tx.livemode(), tx.now);
    let period = first_period(tx, order, &mut subscription);
    let lines =
        order.lines.iter().map(|(price, quantity)| object::item(&tx.id("si_"), &id, price, *quantity, period, tx.now));
    let lines: Vec<Value> = lines.collect();
    subscription["items"]["data"] = Value::Array(lines);
    subscription["metadata"] = order.metadata.clone();
    subscription["description"] = order.description.clone();
    subscription["default_payment_method"] = json!(order.payment_method);
    subscription["latest_invoice"] = json!(invoice_id);
    if !order.missing_payment_method.is_empty() {
        subscription["trial_settings"]["end_behavior"]["missing_payment_method"] = json!(order.missing_payment_method);
    }
    if order.cancel_at_period_end {
        cancel::mark_at_period_end(&mut subscription, tx.now);
    }
    if let Some(at) = order.cancel_at {
        cancel::mark_at(&mut subscription, at, tx.now);
    }
    let subscription = tx.create(Kind::Subscription, subscription, "customer.subscription.created");
    plan_its_life(tx, &subscription);
    invoices::create_first(tx, &invoice_id, &subscription);
    tx.find(Kind::Subscription, &id).cloned().unwrap_or(subscription)
}

fn currency_of(order: &Order) -> &str {
    order.lines.first().map_or("brl", |(price, _)| text(&price["currency"]))
}

/// Sets status, trial and anchor; gives back the first period.
fn first_period(tx: &Tx, order: &Order, subscription: &mut Value) -> Period {
    match order.trial_end {
        Some(end) => {
            subscription["status"] = json!("trialing");
            subscription["trial_start"] = json!(tx.now);
            subscription["trial_end"] = json!(end);
            subscription["billing_cycle_anchor"] = json!(end);
            Period { start: tx.now, end }
        }
        None => {
            let (interval, count) =
                order.lines.first().map_or(("month".into(), 1), |(price, _)| catalogue::interval(price));
            Period { start: tx.now, end: next_end(tx.now, &interval, count, tx.now) }
        }
    }
}

fn plan_its_life(tx: &mut Tx, subscription: &Value) {
    let id = owned(&subscription["id"]);
    tx.schedule(period_end(subscription), Task::PeriodEnd, &id);
    if let Some(at) = subscription["cancel_at"].as_i64() {
        tx.schedule(at, Task::CancelAt, &id);
    }
    match subscription["trial_end"].as_i64() {
        Some(end) if end - TRIAL_WARNING_SECONDS <= tx.now => {
            cycle::warn_of_trial_end(tx, &id, end - TRIAL_WARNING_SECONDS)
        }
        Some(end) => tx.schedule(end - TRIAL_WARNING_SECONDS, Task::TrialWillEnd, &id),
        None => tx.schedule(tx.now + INCOMPLETE_SECONDS, Task::ExpireIncomplete, &id),
    }
}

/// The end of the current period: the items' latest.
pub(crate) fn period_end(subscription: &Value) -> i64 {
    let ends = items(&subscription["items"]["data"]).iter().map(|item| int(&item["current_period_end"]));
    ends.max().unwrap_or_default()
}

/// The start of the current period.
pub(crate) fn period_start(subscription: &Value) -> i64 {
    let starts = items(&subscription["items"]["data"]).iter().map(|item| int(&item["current_period_start"]));
    starts.min().unwrap_or_default()
}

/// Writes a new period on every item.
pub(crate) fn set_period(subscription: &mut Value, period: Period) {
    if let Some(items) = subscription.pointer_mut("/items/data").and_then(Value::as_array_mut) {
        for item in items {
            item["current_period_start"] = json!(period.start);
            item["current_period_end"] = json!(period.end);
        }
    }
}

/// Whether a subscription can still change by itself.
pub(crate) fn is_alive(subscription: &Value) -> bool {
    !matches!(text(&subscription["status"]), "canceled" | "incomplete_expired" | "")
}

/// A first payment that did not come in time: final.
pub(crate) fn expire_incomplete(tx: &mut Tx, id: &str) {
    let Some(subscription) = tx.find(Kind::Subscription, id).cloned() else {
        return;
    };
    if subscription["status"] != "incomplete" {
        return;
    }
    let now = tx.now;
    invoices::void(tx, text(&subscription["latest_invoice"]));
    tx.change(Kind::Subscription, id, "customer.subscription.updated", |sub| {
        sub["status"] = json!("incomplete_expired");
        sub["ended_at"] = json!(now);
    });
}

/// Begins and, without a trial, charges the first invoice. A decline leaves it `incomplete`.
pub(crate) fn begin_and_charge(tx: &mut Tx, order: &Order) -> (Value, Result<(), ApiError>) {
    let subscription = begin(tx, order);
    let id = owned(&subscription["id"]);
    let invoice = owned(&subscription["latest_invoice"]);
    let is_paid = tx.find(Kind::Invoice, &invoice).is_some_and(|invoice| invoice["status"] == "paid");
    let result = if is_paid { Ok(()) } else { collect::charge(tx, &invoice, None) };
    (tx.find(Kind::Subscription, &id).cloned().unwrap_or(subscription), result)
}

/// Whether the subscription has a cancellation ahead.
pub(crate) fn is_ending(subscription: &Value) -> bool {
    flag(&subscription["cancel_at_period_end"]) || subscription["cancel_at"].is_i64()
}
