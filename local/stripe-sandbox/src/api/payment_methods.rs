//! `/v1/payment_methods` and a customer's list of them. Test tokens become new payment methods when they are used.

use serde_json::{Value, json};

use crate::api::given::{Given, address};
use crate::api::{Call, Reply, lists};
use crate::cards::{self, Behaviour, TestCard};
use crate::engine::card_change;
use crate::errors::ApiError;
use crate::objects::payment_method as object;
use crate::state::Kind;
use crate::tx::Tx;
use crate::values::{owned, text};

/// Something that can be attached: an existing payment method, or a test token.
pub(crate) enum Usable {
    Known(String),
    Token(&'static TestCard),
}

pub(crate) fn create(call: &mut Call) -> Reply {
    if call.given.text("type").is_some_and(|kind| kind != "card") {
        return Err(ApiError::invalid("type", "The sandbox knows payment methods of type card only."));
    }
    let token = call.given.text("card.token").or(call.given.text("payment_method"));
    let card = match (token, call.given.text("card.number")) {
        (Some(token), _) => {
            cards::by_token(token).ok_or_else(|| ApiError::no_such(400, "token", token, "card[token]", ""))?
        }
        (None, Some(number)) => cards::by_number(number).ok_or_else(unknown_card)?,
        (None, None) => return Err(ApiError::missing_param("card")),
    };
    let given = call.given.clone();
    let method = card_change::create(call.tx, card, billing(&given, &object::billing_details(None, None)), false);
    Ok(call.tx.change(Kind::PaymentMethod, text(&method["id"]), "", |method| write(&given, method)))
}

pub(crate) fn retrieve(call: &mut Call) -> Reply {
    call.tx.at_path(Kind::PaymentMethod, call.id())
}

pub(crate) fn retrieve_of_customer(call: &mut Call) -> Reply {
    let customer = call.id().to_owned();
    call.tx.at_path(Kind::Customer, &customer)?;
    let id = call.ids.get(1).cloned().unwrap_or_default();
    let method = call.tx.at_path(Kind::PaymentMethod, &id)?;
    if method["customer"] == customer.as_str() {
        return Ok(method);
    }
    Err(ApiError::no_such(404, Kind::PaymentMethod.name(), &id, "payment_method", ""))
}

pub(crate) fn update(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    let method = call.tx.at_path(Kind::PaymentMethod, &id)?;
    if method["customer"].is_null() {
        let message = "You must save this PaymentMethod to a customer before you can update it.";
        return Err(ApiError::refused(message));
    }
    let given = call.given.clone();
    Ok(call.tx.change(Kind::PaymentMethod, &id, "payment_method.updated", |method| {
        method["billing_details"] = billing(&given, &method["billing_details"]);
        for name in ["exp_month", "exp_year"] {
            if let Some(value) = given.int(&format!("card.{name}")) {
                method["card"][name] = json!(value);
            }
        }
        write(&given, method);
    }))
}

pub(crate) fn attach(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    let usable = usable_at(call.tx, &id, || call.tx.at_path(Kind::PaymentMethod, &id))?;
    let customer = call.given.required("customer")?;
    call.tx.at_param(Kind::Customer, &customer, "customer")?;
    if let Usable::Known(known) = &usable {
        let owner =
            call.tx.find(Kind::PaymentMethod, known).map(|method| method["customer"].clone()).unwrap_or_default();
        if owner == customer.as_str() {
            return call.tx.at_path(Kind::PaymentMethod, known);
        }
        if !owner.is_null() {
            let message = "The payment method you provided has already been attached to a customer.";
            return Err(ApiError::coded("payment_method_already_attached", Some("payment_method"), message));
        }
    }
    attach_usable(call.tx, &usable, &customer)
}

pub(crate) fn detach(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    let method = call.tx.at_path(Kind::PaymentMethod, &id)?;
    if method["customer"].is_null() {
        let message = "The payment method you provided is not attached to a customer so detachment is impossible.";
        return Err(ApiError::coded("payment_method_not_attached", Some("payment_method"), message));
    }
    Ok(card_change::detach(call.tx, &id))
}

pub(crate) fn list(call: &mut Call) -> Reply {
    let customer = call.given.text("customer").map(str::to_owned);
    if let Some(customer) = &customer {
        call.tx.at_param(Kind::Customer, customer, "customer")?;
    }
    page(call, customer.as_deref())
}

pub(crate) fn list_of_customer(call: &mut Call) -> Reply {
    let customer = call.id().to_owned();
    call.tx.at_path(Kind::Customer, &customer)?;
    page(call, Some(&customer))
}

fn page(call: &Call, customer: Option<&str>) -> Reply {
    let methods = call.tx.world.all(Kind::PaymentMethod).newest_first();
    let found = methods.filter(|method| {
        customer.is_some_and(|customer| method["customer"] == customer) && lists::equals(method, &call.given, "type")
    });
    lists::page(&found.cloned().collect::<Vec<_>>(), &call.given, &call.path, "PaymentMethod")
}

/// What a parameter names: a payment method, or one of the test tokens.
pub(crate) fn usable(tx: &Tx, id: &str, param: &str) -> Result<Usable, ApiError> {
    usable_at(tx, id, || tx.at_param(Kind::PaymentMethod, id, param))
}

fn usable_at(tx: &Tx, id: &str, refuse: impl Fn() -> Reply) -> Result<Usable, ApiError> {
    match (tx.find(Kind::PaymentMethod, id), cards::by_token(id)) {
        (None, Some(card)) => Ok(Usable::Token(card)),
        _ => refuse().map(|method| Usable::Known(owned(&method["id"]))),
    }
}

/// Attaches; a card that is declined at once cannot be.
pub(crate) fn attach_usable(tx: &mut Tx, usable: &Usable, customer: &str) -> Reply {
    let card = match usable {
        Usable::Token(card) => Some(*card),
        Usable::Known(id) => tx.world.cards.get(id).and_then(|stored| cards::by_number(&stored.number)),
    };
    let card = card.ok_or_else(unknown_card)?;
    if card.behaviour != Behaviour::Authenticates {
        card.first_use(false, false)?;
    }
    let id = match usable {
        Usable::Known(id) => id.clone(),
        Usable::Token(card) => owned(&card_change::create(tx, card, object::billing_details(None, None), false)["id"]),
    };
    Ok(card_change::attach(tx, &id, customer))
}

/// The id a subscription or a charge can use: a token is attached to the customer first.
pub(crate) fn attached_id(tx: &mut Tx, id: &str, customer: &str, param: &str) -> Result<String, ApiError> {
    match usable(tx, id, param)? {
        token @ Usable::Token(_) => attach_usable(tx, &token, customer).map(|method| owned(&method["id"])),
        Usable::Known(known) => {
            let is_theirs = tx.find(Kind::PaymentMethod, &known).is_some_and(|method| method["customer"] == customer);
            if is_theirs {
                return Ok(known);
            }
            let message = format!(
                "The customer does not have a payment method with the ID {known}. The payment method must be attached to the customer."
            );
            Err(ApiError::coded("resource_missing", Some(param), message))
        }
    }
}

fn unknown_card() -> ApiError {
    ApiError::declined(
        "incorrect_number",
        None,
        "Your card number is incorrect. The sandbox knows Stripe's test cards only.",
    )
}

fn billing(given: &Given, before: &Value) -> Value {
    let mut details = before.clone();
    for name in ["email", "name", "phone", "tax_id"] {
        if let Some(value) = given.get(&format!("billing_details.{name}")) {
            details[name] = value.clone();
        }
    }
    if let Some(sent) = given.get("billing_details.address") {
        details["address"] = address(sent);
    }
    details
}

fn write(given: &Given, method: &mut Value) {
    given.merge_metadata(method);
    given.copy(method, &["allow_redisplay"]);
}
