//! Money: charging an invoice, what a success and a decline do to invoice, subscription and customer, and dunning.

use serde_json::{Value, json};

use crate::engine::jobs::Task;
use crate::engine::{MAX_ATTEMPTS, RETRY_SECONDS, cancel, invoices};
use crate::errors::ApiError;
use crate::objects::payment::{self, Payment};
use crate::state::{DunningEnd, Kind};
use crate::tx::Tx;
use crate::values::{int, owned, text};

/// Charges an open invoice: with the named payment method, else the subscription's, else the customer's default.
pub(crate) fn charge(tx: &mut Tx, id: &str, with: Option<&str>) -> Result<(), ApiError> {
    let Some(invoice) = tx.find(Kind::Invoice, id).cloned() else {
        return Err(ApiError::no_such(404, "invoice", id, "invoice", ""));
    };
    let method = payer(tx, &invoice, with);
    let result = match method.as_ref().and_then(|method| tx.world.cards.get(text(&method["id"]))) {
        Some(card) => card.charge(),
        None => Err(no_payment_method()),
    };
    let method = method.unwrap_or_default();
    match result {
        Ok(()) => {
            tell_of_payment(tx, &invoice, &method, None);
            mark_paid(tx, id);
            Ok(())
        }
        Err(decline) => {
            if !method.is_null() {
                tell_of_payment(tx, &invoice, &method, Some(&decline));
            }
            fail(tx, &invoice, &decline);
            Err(decline.with_payment_method(method))
        }
    }
}

fn no_payment_method() -> ApiError {
    let message = "This customer has no attached payment source or default payment method. Please consider adding a default payment method.";
    ApiError::coded("resource_missing", None, message)
}

/// The payment method an invoice is charged to.
pub(crate) fn payer(tx: &Tx, invoice: &Value, with: Option<&str>) -> Option<Value> {
    let subscription = tx.find(Kind::Subscription, text(&invoice["parent"]["subscription_details"]["subscription"]));
    let customer = tx.find(Kind::Customer, text(&invoice["customer"]));
    let candidates = [
        with,
        invoice["default_payment_method"].as_str(),
        subscription.and_then(|sub| sub["default_payment_method"].as_str()),
        customer.and_then(|customer| customer["invoice_settings"]["default_payment_method"].as_str()),
    ];
    let chosen = candidates.into_iter().flatten().next()?;
    tx.find(Kind::PaymentMethod, chosen).cloned()
}

fn tell_of_payment(tx: &mut Tx, invoice: &Value, method: &Value, decline: Option<&ApiError>) {
    let (charge_id, intent_id) = (tx.id("ch_3"), tx.id("pi_3"));
    let payment = Payment {
        charge_id: &charge_id,
        intent_id: &intent_id,
        amount: int(&invoice["amount_remaining"]),
        currency: &invoice["currency"],
        customer: &invoice["customer"],
        payment_method: method,
        livemode: tx.livemode(),
        now: tx.now,
        failure: decline.map(ApiError::detail),
    };
    tx.emit("payment_intent.created", &payment::payment_intent(&payment, "requires_confirmation"), None);
    match decline {
        None => {
            tx.emit("charge.succeeded", &payment::charge(&payment), None);
            tx.emit("payment_intent.succeeded", &payment::payment_intent(&payment, "succeeded"), None);
        }
        Some(decline) if needs_the_customer(decline) => {
            tx.emit("payment_intent.requires_action", &payment::payment_intent(&payment, "requires_action"), None);
        }
        Some(_) => {
            tx.emit("charge.failed", &payment::charge(&payment), None);
            let intent = payment::payment_intent(&payment, "requires_payment_method");
            tx.emit("payment_intent.payment_failed", &intent, None);
        }
    }
}

fn needs_the_customer(decline: &ApiError) -> bool {
    decline.code() == Some("authentication_required")
}

/// The invoice is paid; its subscription comes (back) to life.
pub(crate) fn mark_paid(tx: &mut Tx, id: &str) -> Value {
    let now = tx.now;
    let invoice = tx.change(Kind::Invoice, id, "invoice.updated", |invoice| {
        let amount = int(&invoice["amount_due"]);
        invoice["status"] = json!("paid");
        invoice["attempted"] = json!(true);
        invoice["auto_advance"] = json!(false);
        invoice["amount_paid"] = json!(amount);
        invoice["amount_remaining"] = json!(0);
        invoice["next_payment_attempt"] = Value::Null;
        invoice["status_transitions"]["paid_at"] = json!(now);
        if amount > 0 {
            invoice["attempt_count"] = json!(int(&invoice["attempt_count"]) + 1);
        }
    });
    tx.emit("invoice.paid", &invoice, None);
    tx.emit("invoice.payment_succeeded", &invoice, None);
    revive(tx, &invoice);
    invoice
}

fn revive(tx: &mut Tx, invoice: &Value) {
    let id = owned(&invoice["parent"]["subscription_details"]["subscription"]);
    let still_owes = invoices::unpaid_of(tx, &id).iter().any(|owed| {
        tx.find(Kind::Invoice, owed).is_some_and(|owed| owed["status"] == "open" && owed["attempted"] == true)
    });
    let is_latest = tx.find(Kind::Subscription, &id).is_some_and(|sub| sub["latest_invoice"] == invoice["id"]);
    tx.change(Kind::Subscription, &id, "customer.subscription.updated", |sub| {
        let revives = match text(&sub["status"]) {
            "incomplete" => true,
            "paused" => is_latest,
            "past_due" | "unpaid" => is_latest || !still_owes,
            _ => false,
        };
        if revives {
            sub["status"] = json!("active");
        }
    });
    set_delinquent(tx, text(&invoice["customer"]), false);
}

fn fail(tx: &mut Tx, invoice: &Value, decline: &ApiError) {
    let id = owned(&invoice["id"]);
    let attempts = int(&invoice["attempt_count"]) + 1;
    let is_first = invoice["billing_reason"] == "subscription_create";
    let next = (attempts < MAX_ATTEMPTS && !is_first).then_some(tx.now + RETRY_SECONDS);
    let invoice = tx.change(Kind::Invoice, &id, "invoice.updated", |invoice| {
        invoice["attempted"] = json!(true);
        invoice["attempt_count"] = json!(attempts);
        invoice["next_payment_attempt"] = json!(next);
    });
    if needs_the_customer(decline) {
        tx.emit("invoice.payment_action_required", &invoice, None);
    }
    tx.emit("invoice.payment_failed", &invoice, None);
    let subscription = owned(&invoice["parent"]["subscription_details"]["subscription"]);
    tx.change(Kind::Subscription, &subscription, "customer.subscription.updated", |sub| {
        if sub["status"] == "active" {
            sub["status"] = json!("past_due");
        }
    });
    if !is_first {
        set_delinquent(tx, text(&invoice["customer"]), true);
    }
    match next {
        Some(at) => tx.schedule(at, Task::CollectInvoice, &id),
        None if !is_first && attempts == MAX_ATTEMPTS => end_dunning(tx, &subscription),
        None => {}
    }
}

fn set_delinquent(tx: &mut Tx, customer: &str, is_delinquent: bool) {
    tx.change(Kind::Customer, customer, "customer.updated", |customer| customer["delinquent"] = json!(is_delinquent));
}

/// The account setting decides what follows the last try.
fn end_dunning(tx: &mut Tx, subscription: &str) {
    match tx.settings.dunning_end {
        DunningEnd::Cancel => {
            cancel::now(tx, subscription, "payment_failed");
        }
        DunningEnd::Unpaid => {
            invoices::stop_collecting(tx, subscription);
            tx.change(Kind::Subscription, subscription, "customer.subscription.updated", |sub| {
                sub["status"] = json!("unpaid")
            });
        }
        DunningEnd::PastDue => {}
    }
}

/// The next try of an invoice, if it is still wanted.
pub(crate) fn retry(tx: &mut Tx, id: &str, due: i64) {
    let is_due = tx
        .find(Kind::Invoice, id)
        .is_some_and(|invoice| invoice["status"] == "open" && invoice["next_payment_attempt"] == due);
    if is_due {
        // A decline has become the invoice's state.
        let _declined = charge(tx, id, None);
    }
}
