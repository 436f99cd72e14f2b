//! Checkout: what a person's payment on the hosted page sets off, and how a session ends without one.

use serde_json::{Value, json};

use crate::cards::{Behaviour, StoredCard, TestCard};
use crate::engine::subscribe::{self, Order};
use crate::engine::{card_change, collect};
use crate::errors::ApiError;
use crate::objects::{customer, payment_method, session as object};
use crate::state::Kind;
use crate::tx::Tx;
use crate::values::{int, items, owned, text};

/// What a person types on the page.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    pub card: Option<&'static TestCard>,
    pub email: Option<String>,
    pub name: Option<String>,
}

/// Pays an open session. A card that wants its holder leaves a subscription `incomplete` when money is due at once,
/// and is finished by [`authenticate`].
pub(crate) fn pay(tx: &mut Tx, id: &str, typed: &Typed) -> Result<Value, ApiError> {
    let session = open_session(tx, id)?;
    let order = tx.world.orders.get(id).cloned().unwrap_or_default();
    let is_trial = !order["trial_days"].is_null() || !order["trial_end"].is_null();
    let has_charge = !is_trial && int(&session["amount_total"]) > 0;
    if typed.card.is_none() && (has_charge || session["payment_method_collection"] != "if_required") {
        return Err(ApiError::coded("parameter_missing", Some("card"), "A card is needed to complete this session."));
    }
    if let Some(card) = typed.card {
        match card.first_use(has_charge, false) {
            Err(refusal) if card.behaviour == Behaviour::Authenticates => {
                return Err(ask_the_holder(tx, &session, typed, card, has_charge, refusal));
            }
            other => other?,
        }
    }
    let started = begin(tx, &session, typed, typed.card, true)?;
    Ok(complete(tx, id, &started))
}

/// The holder confirms what [`pay`] asked for.
pub(crate) fn authenticate(tx: &mut Tx, id: &str) -> Result<Value, ApiError> {
    let session = open_session(tx, id)?;
    let waiting = tx.world.orders.get(id).map(|order| order["waiting"].clone()).unwrap_or_default();
    let Some(card) = crate::cards::by_number(text(&waiting["card"])) else {
        return Err(ApiError::refused("This session is not waiting for an authentication."));
    };
    let typed = Typed {
        card: Some(card),
        email: waiting["email"].as_str().map(str::to_owned),
        name: waiting["name"].as_str().map(str::to_owned),
    };
    let Some(subscription) = waiting["subscription"].as_str() else {
        let started = begin(tx, &session, &typed, Some(card), true)?;
        return Ok(complete(tx, id, &started));
    };
    let subscription = tx.find(Kind::Subscription, subscription).cloned().unwrap_or_default();
    if subscription["status"] != "incomplete" {
        return Err(ApiError::refused("The first payment of this session can no longer be confirmed."));
    }
    let method = owned(&subscription["default_payment_method"]);
    tx.world.cards.insert(method.clone(), StoredCard::new(card, true));
    collect::charge(tx, text(&subscription["latest_invoice"]), None)?;
    let started = Started {
        customer: owned(&subscription["customer"]),
        subscription: owned(&subscription["id"]),
        email: typed.email.unwrap_or_default(),
        name: typed.name,
    };
    Ok(complete(tx, id, &started))
}

struct Started {
    customer: String,
    subscription: String,
    email: String,
    name: Option<String>,
}

fn open_session(tx: &Tx, id: &str) -> Result<Value, ApiError> {
    let session = tx.at_path(Kind::Session, id)?;
    match text(&session["status"]) {
        "open" if int(&session["expires_at"]) > tx.now => Ok(session),
        "complete" => Err(ApiError::refused("This Checkout Session has already been completed.")),
        _ => Err(ApiError::refused("This Checkout Session has expired.")),
    }
}

/// Keeps what was typed, and starts an `incomplete` subscription when the first payment waits for its holder.
fn ask_the_holder(
    tx: &mut Tx,
    session: &Value,
    typed: &Typed,
    card: &'static TestCard,
    has_charge: bool,
    refusal: ApiError,
) -> ApiError {
    let id = owned(&session["id"]);
    let mut waiting = json!({ "card": card.number, "email": typed.email, "name": typed.name });
    let is_asked_already = tx.world.orders.get(&id).is_some_and(|order| order["waiting"]["subscription"].is_string());
    if has_charge && !is_asked_already {
        match begin(tx, session, typed, Some(card), false) {
            Ok(started) => waiting["subscription"] = json!(started.subscription),
            Err(error) => return error,
        }
    } else if is_asked_already {
        return refusal;
    }
    if let Some(order) = tx.world.orders.get_mut(&id) {
        order["waiting"] = waiting;
    }
    refusal
}

/// Customer, payment method, subscription and first invoice, with their events.
fn begin(
    tx: &mut Tx,
    session: &Value,
    typed: &Typed,
    card: Option<&'static TestCard>,
    is_authenticated: bool,
) -> Result<Started, ApiError> {
    let order = tx.world.orders.get(text(&session["id"])).cloned().unwrap_or_default();
    let customer = payer(tx, session, typed)?;
    let email = typed.email.clone().unwrap_or_else(|| owned(&customer["email"]));
    let customer_id = owned(&customer["id"]);
    let method = card.map(|card| {
        let billing = payment_method::billing_details(Some(&email), typed.name.as_deref());
        let method = card_change::create(tx, card, billing, is_authenticated);
        let id = owned(&method["id"]);
        card_change::attach(tx, &id, &customer_id);
        id
    });
    let currency = session["currency"].clone();
    let name = typed.name.clone();
    tx.change(Kind::Customer, &customer_id, "customer.updated", |customer| {
        customer["currency"] = currency;
        customer["address"] =
            json!({ "city": null, "country": "BR", "line1": null, "line2": null, "postal_code": null, "state": null });
        if customer["email"].is_null() {
            customer["email"] = json!(email);
        }
        if customer["name"].is_null() {
            customer["name"] = json!(name);
        }
    });
    let order = to_order(tx, &order, customer_id.clone(), method.clone());
    if let (Some(method), true) = (&method, order.trial_end.is_some()) {
        card_change::tell_of_setup(tx, &customer_id, method);
    }
    let (subscription, paid) = subscribe::begin_and_charge(tx, &order);
    if is_authenticated {
        paid?;
    }
    Ok(Started { customer: customer_id, subscription: owned(&subscription["id"]), email, name: typed.name.clone() })
}

/// The session's customer, or a new one.
fn payer(tx: &mut Tx, session: &Value, typed: &Typed) -> Result<Value, ApiError> {
    if let Some(id) = session["customer"].as_str() {
        return tx.at_param(Kind::Customer, id, "customer");
    }
    let email = typed.email.clone().or_else(|| session["customer_email"].as_str().map(str::to_owned));
    let Some(email) = email else {
        return Err(ApiError::empty_param("email"));
    };
    let mut object = customer::customer(&tx.id("cus_"), tx.livemode(), tx.now);
    object["email"] = json!(email);
    object["name"] = json!(typed.name);
    Ok(tx.create(Kind::Customer, object, "customer.created"))
}

fn to_order(tx: &Tx, kept: &Value, customer: String, payment_method: Option<String>) -> Order {
    let by_days = kept["trial_days"].as_i64().map(|days| tx.now + days * 86_400);
    Order {
        customer,
        lines: items(&kept["lines"]).iter().map(|line| (line["price"].clone(), int(&line["quantity"]))).collect(),
        metadata: kept["metadata"].clone(),
        description: kept["description"].clone(),
        trial_end: by_days.or_else(|| kept["trial_end"].as_i64()),
        missing_payment_method: owned(&kept["missing_payment_method"]),
        payment_method,
        ..Order::default()
    }
}

/// The session is done: ids, what was typed, no URL any more.
fn complete(tx: &mut Tx, id: &str, started: &Started) -> Value {
    let subscription = tx.find(Kind::Subscription, &started.subscription).cloned().unwrap_or_default();
    let is_trial = subscription["status"] == "trialing";
    let session = tx.change(Kind::Session, id, "", |session| {
        session["status"] = json!("complete");
        session["payment_status"] = json!(if is_trial { "no_payment_required" } else { "paid" });
        session["customer"] = json!(started.customer);
        session["customer_details"] = object::customer_details(&started.email, started.name.as_deref());
        session["subscription"] = json!(started.subscription);
        session["invoice"] = subscription["latest_invoice"].clone();
        session["url"] = Value::Null;
    });
    tx.emit("checkout.session.completed", &session, None);
    session
}

/// Where the page sends the person after payment.
pub(crate) fn redirect_url(session: &Value) -> String {
    text(&session["success_url"]).replace("{CHECKOUT_SESSION_ID}", text(&session["id"]))
}

/// Ends an open session.
pub(crate) fn expire(tx: &mut Tx, id: &str) -> Value {
    let session = tx.change(Kind::Session, id, "", |session| {
        session["status"] = json!("expired");
        session["url"] = Value::Null;
    });
    tx.emit("checkout.session.expired", &session, None);
    session
}

/// The session's time is over.
pub(crate) fn expire_when_due(tx: &mut Tx, id: &str, due: i64) {
    let is_due =
        tx.find(Kind::Session, id).is_some_and(|session| session["status"] == "open" && session["expires_at"] == due);
    if is_due {
        expire(tx, id);
    }
}
