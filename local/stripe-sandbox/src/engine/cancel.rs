//! Ends: now, at the period's end, at a date, and taking it back.

use serde_json::{Value, json};

use crate::engine::invoices;
use crate::engine::jobs::Task;
use crate::engine::subscribe::{is_alive, period_end};
use crate::state::{Kind, PortalCancelStyle};
use crate::tx::Tx;
use crate::values::text;

/// Cancels at once; final.
pub(crate) fn now(tx: &mut Tx, id: &str, reason: &str) -> Value {
    let now = tx.now;
    let Some(subscription) = tx.find(Kind::Subscription, id).cloned() else {
        return Value::Null;
    };
    if subscription["status"] == "incomplete" {
        invoices::void(tx, text(&subscription["latest_invoice"]));
    }
    invoices::stop_collecting(tx, id);
    tx.change(Kind::Subscription, id, "customer.subscription.deleted", |sub| {
        sub["status"] = json!("canceled");
        sub["ended_at"] = json!(now);
        if sub["canceled_at"].is_null() {
            sub["canceled_at"] = json!(now);
        }
        if sub["cancellation_details"]["reason"].is_null() {
            sub["cancellation_details"]["reason"] = json!(reason);
        }
    })
}

/// Writes "ends with the period" on a subscription.
pub(crate) fn mark_at_period_end(subscription: &mut Value, now: i64) {
    subscription["cancel_at_period_end"] = json!(true);
    subscription["cancel_at"] = json!(period_end(subscription));
    subscription["canceled_at"] = json!(now);
    subscription["cancellation_details"]["reason"] = json!("cancellation_requested");
}

/// Writes "ends at that time" on a subscription.
pub(crate) fn mark_at(subscription: &mut Value, at: i64, now: i64) {
    subscription["cancel_at_period_end"] = json!(false);
    subscription["cancel_at"] = json!(at);
    subscription["canceled_at"] = json!(now);
    subscription["cancellation_details"]["reason"] = json!("cancellation_requested");
}

/// Takes a planned end back.
pub(crate) fn unmark(subscription: &mut Value) {
    subscription["cancel_at_period_end"] = json!(false);
    subscription["cancel_at"] = Value::Null;
    subscription["canceled_at"] = Value::Null;
    subscription["cancellation_details"]["reason"] = Value::Null;
}

/// The customer cancels in the portal.
pub(crate) fn in_portal(tx: &mut Tx, id: &str) {
    let (now, style) = (tx.now, tx.settings.portal_cancel_style);
    let subscription = tx.change(Kind::Subscription, id, "customer.subscription.updated", |sub| {
        match style {
            PortalCancelStyle::CancelAt => mark_at(sub, period_end(sub), now),
            PortalCancelStyle::CancelAtPeriodEnd => mark_at_period_end(sub, now),
        };
    });
    if let Some(at) = subscription["cancel_at"].as_i64() {
        tx.schedule(at, Task::CancelAt, id);
    }
}

/// A planned end has come.
pub(crate) fn at_date(tx: &mut Tx, id: &str, due: i64) {
    let is_due = tx.find(Kind::Subscription, id).is_some_and(|sub| is_alive(sub) && sub["cancel_at"] == due);
    if is_due {
        now(tx, id, "cancellation_requested");
    }
}

/// A customer is deleted: its subscriptions end with it, its payment methods are gone.
pub(crate) fn delete_customer(tx: &mut Tx, customer: &str) {
    for subscription in tx.world.subscriptions_of(customer) {
        if is_alive(&subscription) {
            now(tx, text(&subscription["id"]), "cancellation_requested");
        }
    }
    if let Some(object) = tx.remove(Kind::Customer, customer) {
        tx.world.deleted_customers.insert(customer.to_owned());
        tx.emit("customer.deleted", &object, None);
    }
}
