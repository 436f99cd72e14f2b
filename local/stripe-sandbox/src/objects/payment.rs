//! Charges and intents: they only appear in events.

use serde_json::{Value, json};

/// What was charged, from whom, with what result.
#[derive(Debug)]
pub(crate) struct Payment<'a> {
    pub charge_id: &'a str,
    pub intent_id: &'a str,
    pub amount: i64,
    pub currency: &'a Value,
    pub customer: &'a Value,
    pub payment_method: &'a Value,
    pub livemode: bool,
    pub now: i64,
    /// The decline, as Stripe's error object.
    pub failure: Option<Value>,
}

pub(crate) fn charge(payment: &Payment) -> Value {
    let paid = payment.failure.is_none();
    let failure = payment.failure.clone().unwrap_or_default();
    json!({
        "id": payment.charge_id,
        "object": "charge",
        "amount": payment.amount,
        "amount_captured": if paid { payment.amount } else { 0 },
        "amount_refunded": 0,
        "application": null,
        "application_fee": null,
        "application_fee_amount": null,
        "balance_transaction": null,
        "billing_details": payment.payment_method["billing_details"],
        "calculated_statement_descriptor": "CAIXAHUB",
        "captured": paid,
        "created": payment.now,
        "currency": payment.currency,
        "customer": payment.customer,
        "description": "Subscription",
        "disputed": false,
        "failure_balance_transaction": null,
        "failure_code": failure["code"],
        "failure_message": failure["message"],
        "fraud_details": {},
        "livemode": payment.livemode,
        "metadata": {},
        "on_behalf_of": null,
        "outcome": null,
        "paid": paid,
        "payment_intent": payment.intent_id,
        "payment_method": payment.payment_method["id"],
        "payment_method_details": null,
        "receipt_email": null,
        "receipt_number": null,
        "receipt_url": null,
        "refunded": false,
        "review": null,
        "shipping": null,
        "source_transfer": null,
        "statement_descriptor": null,
        "statement_descriptor_suffix": null,
        "status": if paid { "succeeded" } else { "failed" },
        "transfer_data": null,
        "transfer_group": null,
    })
}

pub(crate) fn payment_intent(payment: &Payment, status: &str) -> Value {
    let succeeded = status == "succeeded";
    let is_used = succeeded || status == "requires_action";
    json!({
        "id": payment.intent_id,
        "object": "payment_intent",
        "amount": payment.amount,
        "amount_capturable": 0,
        "amount_received": if succeeded { payment.amount } else { 0 },
        "application": null,
        "application_fee_amount": null,
        "automatic_payment_methods": null,
        "canceled_at": null,
        "cancellation_reason": null,
        "capture_method": "automatic",
        "client_secret": null,
        "confirmation_method": "automatic",
        "created": payment.now,
        "currency": payment.currency,
        "customer": payment.customer,
        "description": "Subscription",
        "last_payment_error": payment.failure,
        "latest_charge": if status == "requires_action" { Value::Null } else { json!(payment.charge_id) },
        "livemode": payment.livemode,
        "metadata": {},
        "next_action": null,
        "on_behalf_of": null,
        "payment_method": if is_used { payment.payment_method["id"].clone() } else { Value::Null },
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": null,
        "receipt_email": null,
        "review": null,
        "setup_future_usage": "off_session",
        "shipping": null,
        "statement_descriptor": null,
        "statement_descriptor_suffix": null,
        "status": status,
        "transfer_data": null,
        "transfer_group": null,
    })
}

pub(crate) fn setup_intent(
    id: &str,
    customer: &str,
    payment_method: &str,
    status: &str,
    livemode: bool,
    now: i64,
) -> Value {
    json!({
        "id": id,
        "object": "setup_intent",
        "application": null,
        "automatic_payment_methods": null,
        "cancellation_reason": null,
        "client_secret": null,
        "created": now,
        "customer": customer,
        "description": null,
        "flow_directions": null,
        "last_setup_error": null,
        "latest_attempt": null,
        "livemode": livemode,
        "mandate": null,
        "metadata": {},
        "next_action": null,
        "on_behalf_of": null,
        "payment_method": payment_method,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "single_use_mandate": null,
        "status": status,
        "usage": "off_session",
    })
}
