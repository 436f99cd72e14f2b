//! Payment methods: made from test cards, attached, made the default.

use serde_json::{Value, json};

use crate::cards::{StoredCard, TestCard};
use crate::engine::subscribe::is_alive;
use crate::errors::ApiError;
use crate::objects::{payment, payment_method};
use crate::state::Kind;
use crate::tx::Tx;
use crate::values::{owned, text};

/// A payment method that belongs to nobody yet.
pub(crate) fn create(tx: &mut Tx, card: &TestCard, billing: Value, is_authenticated: bool) -> Value {
    let id = tx.id("pm_1");
    tx.world.cards.insert(id.clone(), StoredCard::new(card, is_authenticated));
    let object = payment_method::card(&id, card, billing, tx.livemode(), tx.now);
    tx.create(Kind::PaymentMethod, object, "")
}

/// Gives a payment method to a customer.
pub(crate) fn attach(tx: &mut Tx, id: &str, customer: &str) -> Value {
    let method = tx.change(Kind::PaymentMethod, id, "", |method| method["customer"] = json!(customer));
    tx.emit("payment_method.attached", &method, None);
    method
}

/// Takes it away again, and from every place that names it as a default.
pub(crate) fn detach(tx: &mut Tx, id: &str) -> Value {
    let owner = tx.find(Kind::PaymentMethod, id).map_or(String::new(), |method| owned(&method["customer"]));
    let method = tx.change(Kind::PaymentMethod, id, "", |method| method["customer"] = Value::Null);
    tx.emit("payment_method.detached", &method, Some(json!({ "customer": owner })));
    tx.change(Kind::Customer, &owner, "customer.updated", |customer| {
        if customer["invoice_settings"]["default_payment_method"] == id {
            customer["invoice_settings"]["default_payment_method"] = Value::Null;
        }
    });
    for subscription in tx.world.subscriptions_of(&owner) {
        tx.change(Kind::Subscription, text(&subscription["id"]), "customer.subscription.updated", |sub| {
            if sub["default_payment_method"] == id {
                sub["default_payment_method"] = Value::Null;
            }
        });
    }
    method
}

/// What the portal does with a new card: saves it and charges it from now on.
pub(crate) fn replace(
    tx: &mut Tx,
    customer: &str,
    card: &TestCard,
    is_authenticated: bool,
) -> Result<String, ApiError> {
    let owner = tx.at_param(Kind::Customer, customer, "customer")?;
    let billing = payment_method::billing_details(owner["email"].as_str(), owner["name"].as_str());
    let method = create(tx, card, billing, is_authenticated);
    let id = owned(&method["id"]);
    attach(tx, &id, customer);
    tell_of_setup(tx, customer, &id);
    tx.change(Kind::Customer, customer, "customer.updated", |customer| {
        customer["invoice_settings"]["default_payment_method"] = json!(id);
    });
    for subscription in tx.world.subscriptions_of(customer) {
        if is_alive(&subscription) {
            tx.change(Kind::Subscription, text(&subscription["id"]), "customer.subscription.updated", |sub| {
                sub["default_payment_method"] = json!(id);
            });
        }
    }
    Ok(id)
}

/// `setup_intent.created` and `setup_intent.succeeded`.
pub(crate) fn tell_of_setup(tx: &mut Tx, customer: &str, payment_method: &str) {
    let id = tx.id("seti_1");
    for (event, status) in [("setup_intent.created", "requires_confirmation"), ("setup_intent.succeeded", "succeeded")]
    {
        let intent = payment::setup_intent(&id, customer, payment_method, status, tx.livemode(), tx.now);
        tx.emit(event, &intent, None);
    }
}
