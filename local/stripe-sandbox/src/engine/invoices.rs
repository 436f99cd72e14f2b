//! The life of an invoice but for the money: drafted, finalised, voided.

use serde_json::{Value, json};

use crate::engine::jobs::Task;
use crate::engine::{DRAFT_SECONDS, collect, subscribe};
use crate::objects::catalogue::{amount_text, interval};
use crate::objects::invoice as object;
use crate::objects::subscription::Period;
use crate::state::Kind;
use crate::tx::Tx;
use crate::values::{flag, int, items, owned, text};

/// The invoice a subscription begins with, finalised at once; one of 0 is also paid at once.
pub(crate) fn create_first(tx: &mut Tx, id: &str, subscription: &Value) {
    let is_trial = subscription["status"] == "trialing";
    let now = Period { start: tx.now, end: tx.now };
    draft(tx, id, subscription, "subscription_create", now, is_trial);
    finalize(tx, id);
}

/// The invoice of a new period; it waits an hour as a draft, and stays one while collection is off.
pub(crate) fn create_for_cycle(tx: &mut Tx, subscription: &Value, past: Period) -> String {
    let id = tx.id("in_1");
    draft(tx, &id, subscription, "subscription_cycle", past, false);
    let is_collected = subscription["status"] != "unpaid" && subscription["pause_collection"].is_null();
    let due = tx.now + DRAFT_SECONDS;
    let edit = |invoice: &mut Value| {
        invoice["auto_advance"] = json!(is_collected);
        invoice["automatically_finalizes_at"] = if is_collected { json!(due) } else { Value::Null };
    };
    tx.change(Kind::Invoice, &id, "", edit);
    if is_collected {
        tx.schedule(due, Task::FinalizeInvoice, &id);
    }
    id
}

/// An invoice that is finalised and charged now (a trial ended by hand, a resumed subscription).
pub(crate) fn create_now(tx: &mut Tx, subscription: &Value, reason: &str) -> String {
    let id = tx.id("in_1");
    draft(tx, &id, subscription, reason, Period { start: tx.now, end: tx.now }, false);
    finalize(tx, &id);
    id
}

fn draft(tx: &mut Tx, id: &str, subscription: &Value, reason: &str, period: Period, is_trial: bool) {
    let customer = tx.find(Kind::Customer, text(&subscription["customer"])).cloned().unwrap_or_default();
    let mut invoice = object::draft(id, subscription, &customer, reason, period, tx.now);
    let lines = items(&subscription["items"]["data"]).iter().map(|item| line(tx, &invoice, item, is_trial)).collect();
    object::set_lines(&mut invoice, lines);
    tx.create(Kind::Invoice, invoice, "invoice.created");
}

fn line(tx: &Tx, invoice: &Value, item: &Value, is_trial: bool) -> Value {
    let price = &item["price"];
    let quantity = int(&item["quantity"]);
    let product =
        tx.find(Kind::Product, text(&price["product"])).map_or(String::new(), |product| owned(&product["name"]));
    let amount = if is_trial { 0 } else { int(&price["unit_amount"]) * quantity };
    let cost = amount_text(int(&price["unit_amount"]), text(&price["currency"]));
    let description = match is_trial {
        true => format!("Trial period for {product}"),
        false => format!("{quantity} × {product} (at {cost} / {})", interval(price).0),
    };
    let period = Period { start: int(&item["current_period_start"]), end: int(&item["current_period_end"]) };
    object::line(&tx.id("il_1"), invoice, item, amount, &description, period)
}

/// Draft → open: the number is given, the hosted page exists. Nothing to pay means paid.
pub(crate) fn finalize(tx: &mut Tx, id: &str) -> Value {
    let Some(before) = tx.find(Kind::Invoice, id).cloned() else {
        return Value::Null;
    };
    let number = next_number(tx, text(&before["customer"]));
    let (now, page) = (tx.now, format!("{}/i/{id}", tx.public_url));
    let invoice = tx.change(Kind::Invoice, id, "", |invoice| {
        invoice["status"] = json!("open");
        invoice["number"] = json!(number);
        invoice["effective_at"] = json!(now);
        invoice["automatically_finalizes_at"] = Value::Null;
        invoice["status_transitions"]["finalized_at"] = json!(now);
        invoice["hosted_invoice_url"] = json!(page);
        invoice["invoice_pdf"] = json!(format!("{page}?pdf=1"));
        invoice["ending_balance"] = json!(0);
    });
    tx.emit("invoice.finalized", &invoice, None);
    match int(&invoice["amount_due"]) {
        0 => collect::mark_paid(tx, id),
        _ => invoice,
    }
}

fn next_number(tx: &mut Tx, customer: &str) -> String {
    let prefix = tx.find(Kind::Customer, customer).map_or(String::new(), |customer| owned(&customer["invoice_prefix"]));
    let last = tx.world.invoice_numbers.entry(customer.to_owned()).or_insert(0);
    *last += 1;
    format!("{prefix}-{last:04}")
}

/// The hour of a draft is over: finalise and charge.
pub(crate) fn finalize_when_due(tx: &mut Tx, id: &str) {
    let Some(invoice) = tx.find(Kind::Invoice, id).cloned() else {
        return;
    };
    let subscription = tx.find(Kind::Subscription, text(&invoice["parent"]["subscription_details"]["subscription"]));
    let is_wanted = subscription.is_some_and(subscribe::is_alive);
    if invoice["status"] == "draft" && flag(&invoice["auto_advance"]) && is_wanted {
        let invoice = finalize(tx, id);
        if invoice["status"] == "open" {
            // A decline is not an error here: it has become the invoice's and the subscription's state.
            let _declined = collect::charge(tx, id, None);
        }
    }
}

/// Voids a draft or open invoice.
pub(crate) fn void(tx: &mut Tx, id: &str) -> Value {
    let now = tx.now;
    let is_unpaid =
        tx.find(Kind::Invoice, id).is_some_and(|invoice| matches!(text(&invoice["status"]), "draft" | "open"));
    if !is_unpaid {
        return Value::Null;
    }
    let invoice = tx.change(Kind::Invoice, id, "", |invoice| {
        invoice["status"] = json!("void");
        invoice["auto_advance"] = json!(false);
        invoice["next_payment_attempt"] = Value::Null;
        invoice["status_transitions"]["voided_at"] = json!(now);
    });
    tx.emit("invoice.voided", &invoice, None);
    invoice
}

/// Stops automatic collection of everything a subscription still owes.
pub(crate) fn stop_collecting(tx: &mut Tx, subscription: &str) {
    for id in unpaid_of(tx, subscription) {
        tx.change(Kind::Invoice, &id, "invoice.updated", |invoice| {
            invoice["auto_advance"] = json!(false);
            invoice["automatically_finalizes_at"] = Value::Null;
            invoice["next_payment_attempt"] = Value::Null;
        });
    }
}

/// Ids of a subscription's draft and open invoices, oldest first.
pub(crate) fn unpaid_of(tx: &Tx, subscription: &str) -> Vec<String> {
    let invoices = tx.world.all(Kind::Invoice).oldest_first();
    let owed = invoices.filter(|invoice| {
        invoice["parent"]["subscription_details"]["subscription"] == subscription
            && matches!(text(&invoice["status"]), "draft" | "open")
    });
    owed.map(|invoice| owned(&invoice["id"])).collect()
}
