//! `expand[]`: ids become objects, at most four levels deep.

use serde_json::{Value, json};

use crate::errors::ApiError;
use crate::objects::{customer, session};
use crate::state::Kind;
use crate::tx::Tx;
use crate::values::{items, owned, text};

/// Replaces what the paths name.
pub(crate) fn apply(tx: &Tx, reply: &mut Value, paths: &[String]) -> Result<(), ApiError> {
    for (index, path) in paths.iter().enumerate() {
        let names: Vec<&str> = path.split('.').collect();
        let depth = names.iter().filter(|name| **name != "data").count();
        if depth > 4 {
            let message =
                format!("You cannot expand more than 4 levels of a property. The property {path} is too deep.");
            return Err(ApiError::invalid(&format!("expand[{index}]"), message));
        }
        walk(tx, reply, &names).map_err(|name| cannot_expand(index, &name))?;
    }
    Ok(())
}

fn cannot_expand(index: usize, name: &str) -> ApiError {
    ApiError::invalid(&format!("expand[{index}]"), format!("This property cannot be expanded ({name})."))
}

fn walk(tx: &Tx, value: &mut Value, names: &[&str]) -> Result<(), String> {
    let Some((name, rest)) = names.split_first() else {
        return Ok(());
    };
    if let Some(list) = value.as_array_mut() {
        return list.iter_mut().try_for_each(|element| walk(tx, element, names));
    }
    if value.is_null() || value["deleted"] == true {
        return Ok(());
    }
    add_hidden(tx, value, name);
    let Some(child) = value.get_mut(*name) else {
        return Err((*name).to_owned());
    };
    let is_last = rest.is_empty();
    match child {
        Value::String(id) => match kind_of(name).and_then(|kind| object(tx, kind, id)) {
            Some(object) => *child = object,
            None => return Err((*name).to_owned()),
        },
        Value::Null if kind_of(name).is_none() && is_last => return Err((*name).to_owned()),
        Value::Number(_) if *name == "total_count" => {}
        Value::Bool(_) | Value::Number(_) => return Err((*name).to_owned()),
        _ => {}
    }
    walk(tx, child, rest)
}

/// Parts that Stripe shows only when they are asked for.
fn add_hidden(tx: &Tx, value: &mut Value, name: &str) {
    let id = owned(&value["id"]);
    match (text(&value["object"]), name) {
        ("checkout.session", "line_items") if value["line_items"].is_null() => {
            value["line_items"] = line_items(tx, &id)
        }
        ("customer", "subscriptions") if value["subscriptions"].is_null() => {
            let alive = tx.world.subscriptions_of(&id).into_iter().rev().filter(|sub| sub["status"] != "canceled");
            let url = format!("/v1/customers/{id}/subscriptions");
            value["subscriptions"] =
                json!({ "object": "list", "data": alive.collect::<Vec<_>>(), "has_more": false, "url": url });
        }
        _ => {}
    }
}

/// The line items of a session as a list.
pub(crate) fn line_items(tx: &Tx, session_id: &str) -> Value {
    let order = tx.world.orders.get(session_id).cloned().unwrap_or_default();
    let lines = items(&order["lines"]).iter().map(|line| {
        let product = tx.find(Kind::Product, text(&line["price"]["product"]));
        session::line_item(line, product.map_or("", |product| text(&product["name"])))
    });
    let url = format!("/v1/checkout/sessions/{session_id}/line_items");
    json!({ "object": "list", "data": lines.collect::<Vec<_>>(), "has_more": false, "url": url })
}

fn kind_of(name: &str) -> Option<Kind> {
    match name {
        "customer" => Some(Kind::Customer),
        "subscription" => Some(Kind::Subscription),
        "default_payment_method" | "payment_method" => Some(Kind::PaymentMethod),
        "product" => Some(Kind::Product),
        "price" | "default_price" => Some(Kind::Price),
        "latest_invoice" | "invoice" => Some(Kind::Invoice),
        "configuration" => Some(Kind::PortalConfiguration),
        _ => None,
    }
}

fn object(tx: &Tx, kind: Kind, id: &str) -> Option<Value> {
    match tx.find(kind, id) {
        Some(object) => Some(object.clone()),
        None if kind == Kind::Customer => Some(customer::deleted("customer", id)),
        None => None,
    }
}
