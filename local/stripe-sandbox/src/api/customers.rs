//! `/v1/customers`.

use serde_json::{Value, json};

use crate::api::given::{Given, address, check_email};
use crate::api::{Call, Reply, lists, payment_methods, search};
use crate::engine::cancel;
use crate::errors::ApiError;
use crate::objects::customer as object;
use crate::state::Kind;
use crate::values::owned;

pub(crate) fn create(call: &mut Call) -> Reply {
    check(call)?;
    let mut customer = object::customer(&call.tx.id("cus_"), call.tx.livemode(), call.tx.now);
    write(&call.given, &mut customer);
    let id = owned(&customer["id"]);
    let method = call.given.text("payment_method").map(str::to_owned);
    let usable =
        method.as_deref().map(|method| payment_methods::usable(call.tx, method, "payment_method")).transpose()?;
    let created = call.tx.create(Kind::Customer, customer, "customer.created");
    if let Some(usable) = usable {
        payment_methods::attach_usable(call.tx, &usable, &id)?;
        return Ok(call.tx.find(Kind::Customer, &id).cloned().unwrap_or(created));
    }
    Ok(created)
}

pub(crate) fn retrieve(call: &mut Call) -> Reply {
    if call.tx.world.deleted_customers.contains(call.id()) {
        return Ok(object::deleted("customer", call.id()));
    }
    call.tx.at_path(Kind::Customer, call.id())
}

pub(crate) fn update(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    call.tx.at_path(Kind::Customer, &id)?;
    check(call)?;
    if let Some(method) = call.given.text("invoice_settings.default_payment_method") {
        owned_by(call, method, &id)?;
    }
    let given = call.given.clone();
    Ok(call.tx.change(Kind::Customer, &id, "customer.updated", |customer| write(&given, customer)))
}

pub(crate) fn delete(call: &mut Call) -> Reply {
    let id = call.id().to_owned();
    call.tx.at_path(Kind::Customer, &id)?;
    cancel::delete_customer(call.tx, &id);
    Ok(object::deleted("customer", &id))
}

pub(crate) fn list(call: &mut Call) -> Reply {
    let email = call.given.text("email");
    let customers = call.tx.world.all(Kind::Customer).newest_first();
    let found = customers.filter(|customer| {
        lists::created(customer, &call.given) && email.is_none_or(|email| customer["email"] == email)
    });
    lists::page(&found.cloned().collect::<Vec<_>>(), &call.given, &call.path, "customer")
}

pub(crate) fn search(call: &mut Call) -> Reply {
    search::run(call.tx, Kind::Customer, &call.given, &call.path)
}

fn check(call: &Call) -> Result<(), ApiError> {
    match call.given.text("email") {
        Some(email) => check_email("email", email),
        None => Ok(()),
    }
}

fn owned_by(call: &Call, method: &str, customer: &str) -> Result<(), ApiError> {
    let found = call.tx.at_param(Kind::PaymentMethod, method, "invoice_settings[default_payment_method]")?;
    if found["customer"] == customer {
        return Ok(());
    }
    let message = format!(
        "The customer does not have a payment method with the ID {method}. The payment method must be attached to the customer."
    );
    Err(ApiError::coded("resource_missing", Some("invoice_settings[default_payment_method]"), message))
}

fn write(given: &Given, customer: &mut Value) {
    given.copy(
        customer,
        &[
            "email",
            "name",
            "phone",
            "description",
            "preferred_locales",
            "shipping",
            "tax_exempt",
            "balance",
            "invoice_prefix",
        ],
    );
    given.merge_metadata(customer);
    if let Some(sent) = given.get("address") {
        customer["address"] = address(sent);
    }
    if let Some(method) = given.get("invoice_settings.default_payment_method") {
        customer["invoice_settings"]["default_payment_method"] = method.clone();
    }
    if customer["preferred_locales"].is_null() {
        customer["preferred_locales"] = json!([]);
    }
}
