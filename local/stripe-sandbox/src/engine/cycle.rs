//! What the calendar does: the trial's warning and end, renewals, pauses.

use serde_json::{Value, json};

use crate::engine::jobs::Task;
use crate::engine::periods::next_end;
use crate::engine::subscribe::{is_alive, period_end, period_start, set_period};
use crate::engine::{TRIAL_WARNING_SECONDS, cancel, collect, invoices};
use crate::objects::catalogue;
use crate::objects::subscription::Period;
use crate::state::Kind;
use crate::tx::Tx;
use crate::values::{int, owned, text};

/// `trial_will_end`, when the trial still ends three days after `due`.
pub(crate) fn warn_of_trial_end(tx: &mut Tx, id: &str, due: i64) {
    let Some(subscription) = tx.find(Kind::Subscription, id).cloned() else {
        return;
    };
    if subscription["status"] == "trialing" && subscription["trial_end"] == due + TRIAL_WARNING_SECONDS {
        tx.emit("customer.subscription.trial_will_end", &subscription, None);
    }
}

/// The current period is over: the trial ends, the subscription renews, or it is canceled.
pub(crate) fn end_period(tx: &mut Tx, id: &str, due: i64) {
    let Some(subscription) = tx.find(Kind::Subscription, id).cloned() else {
        return;
    };
    if !is_alive(&subscription) || period_end(&subscription) != due {
        return;
    }
    if subscription["cancel_at"].as_i64().is_some_and(|at| at <= due) {
        cancel::now(tx, id, "cancellation_requested");
        return;
    }
    match text(&subscription["status"]) {
        "trialing" => end_trial(tx, &subscription, due),
        "active" | "past_due" | "unpaid" => renew(tx, &subscription, due),
        _ => {}
    }
}

/// A trial without a card does what `trial_settings` say; else the first paid period begins.
fn end_trial(tx: &mut Tx, subscription: &Value, due: i64) {
    let id = owned(&subscription["id"]);
    let has_card = collect::payer(tx, &invoice_like(subscription), None).is_some();
    let without_card = text(&subscription["trial_settings"]["end_behavior"]["missing_payment_method"]);
    match without_card {
        "cancel" if !has_card => {
            cancel::now(tx, &id, "cancellation_requested");
        }
        "pause" if !has_card => {
            let paused = tx.change(Kind::Subscription, &id, "customer.subscription.updated", |sub| {
                sub["status"] = json!("paused")
            });
            tx.emit("customer.subscription.paused", &paused, None);
        }
        _ => renew(tx, subscription, due),
    }
}

/// Enough of an invoice to ask who would pay it.
fn invoice_like(subscription: &Value) -> Value {
    json!({
        "customer": subscription["customer"],
        "parent": { "subscription_details": { "subscription": subscription["id"] } },
    })
}

fn renew(tx: &mut Tx, subscription: &Value, due: i64) {
    let id = owned(&subscription["id"]);
    let past = Period { start: period_start(subscription), end: due };
    let (interval, count) = catalogue::interval(&subscription["items"]["data"][0]["price"]);
    let next = Period { start: due, end: next_end(int(&subscription["billing_cycle_anchor"]), &interval, count, due) };
    let mut upcoming = subscription.clone();
    begin_period(&mut upcoming, next);
    let invoice = invoices::create_for_cycle(tx, &upcoming, past);
    tx.change(Kind::Subscription, &id, "customer.subscription.updated", |sub| {
        begin_period(sub, next);
        sub["latest_invoice"] = json!(invoice);
    });
    tx.schedule(next.end, Task::PeriodEnd, &id);
}

fn begin_period(subscription: &mut Value, period: Period) {
    if subscription["status"] == "trialing" {
        subscription["status"] = json!("active");
    }
    set_period(subscription, period);
    if subscription["cancel_at_period_end"] == true {
        subscription["cancel_at"] = json!(period.end);
    }
}

/// A trial ended by hand, or a paused subscription resumed: a new period from now, charged at once. A paused one stays
/// paused until it is paid.
pub(crate) fn start_paying_now(tx: &mut Tx, id: &str, reason: &str) {
    let now = tx.now;
    let Some(subscription) = tx.find(Kind::Subscription, id).cloned() else {
        return;
    };
    let (interval, count) = catalogue::interval(&subscription["items"]["data"][0]["price"]);
    let period = Period { start: now, end: next_end(now, &interval, count, now) };
    let mut upcoming = subscription;
    set_period(&mut upcoming, period);
    let invoice = invoices::create_now(tx, &upcoming, reason);
    tx.change(Kind::Subscription, id, "customer.subscription.updated", |sub| {
        set_period(sub, period);
        if sub["status"] == "trialing" {
            sub["status"] = json!("active");
        }
        sub["billing_cycle_anchor"] = json!(now);
        sub["latest_invoice"] = json!(invoice);
        if sub["trial_end"].as_i64().is_some_and(|end| end > now) {
            sub["trial_end"] = json!(now);
        }
    });
    tx.schedule(period.end, Task::PeriodEnd, id);
    if tx.find(Kind::Invoice, &invoice).is_some_and(|invoice| invoice["status"] == "open") {
        // A decline has become the invoice's and the subscription's state.
        let _declined = collect::charge(tx, &invoice, None);
    }
}

/// Moves the end of a trial (or begins one) without a charge.
pub(crate) fn move_trial_end(tx: &mut Tx, id: &str, end: i64) {
    let now = tx.now;
    tx.change(Kind::Subscription, id, "customer.subscription.updated", |sub| {
        if sub["status"] != "trialing" {
            sub["trial_start"] = json!(now);
        }
        let start = period_start(sub);
        sub["status"] = json!("trialing");
        sub["trial_end"] = json!(end);
        sub["billing_cycle_anchor"] = json!(end);
        set_period(sub, Period { start, end });
    });
    tx.schedule(end, Task::PeriodEnd, id);
    match end - TRIAL_WARNING_SECONDS {
        warning if warning <= now => warn_of_trial_end(tx, id, warning),
        warning => tx.schedule(warning, Task::TrialWillEnd, id),
    }
}

/// `pause_collection.resumes_at` has come.
pub(crate) fn resume_collection(tx: &mut Tx, id: &str, due: i64) {
    tx.change(Kind::Subscription, id, "customer.subscription.updated", |sub| {
        if sub["pause_collection"]["resumes_at"] == due {
            sub["pause_collection"] = Value::Null;
        }
    });
}
