//! Lists: newest first, `limit`, `starting_after`, `ending_before`, `has_more`, and filters by time.

use serde_json::{Value, json};

use crate::api::given::Given;
use crate::errors::ApiError;
use crate::state::Kind;
use crate::tx::Tx;
use crate::values::{int, text};

/// `limit`, 1 to 100, 10 by default.
pub(crate) fn limit(given: &Given) -> Result<usize, ApiError> {
    match given.int("limit") {
        None => Ok(10),
        Some(limit @ 1..=100) => Ok(usize::try_from(limit).unwrap_or(10)),
        Some(limit) if limit < 1 => Err(ApiError::coded(
            "parameter_invalid_integer",
            Some("limit"),
            "This value must be greater than or equal to 1.",
        )),
        Some(_) => Err(ApiError::coded(
            "parameter_invalid_integer",
            Some("limit"),
            "This value must be less than or equal to 100.",
        )),
    }
}

/// One page of what passed the filters, newest first. `what` names the objects in an error about a cursor.
pub(crate) fn page(found: &[Value], given: &Given, url: &str, what: &str) -> Result<Value, ApiError> {
    let limit = limit(given)?;
    let position = |param: &str, id: &str| {
        let at = found.iter().position(|object| object["id"] == id);
        at.ok_or_else(|| ApiError::no_such(400, what, id, param, ""))
    };
    let (from, to) = match (given.text("starting_after"), given.text("ending_before")) {
        (Some(_), Some(_)) => {
            return Err(ApiError::refused(
                "Received both starting_after and ending_before parameters. Please pass in only one.",
            ));
        }
        (Some(id), None) => {
            let from = position("starting_after", id)? + 1;
            (from, (from + limit).min(found.len()))
        }
        (None, Some(id)) => {
            let to = position("ending_before", id)?;
            (to.saturating_sub(limit), to)
        }
        (None, None) => (0, limit.min(found.len())),
    };
    let has_more = if given.text("ending_before").is_some() { from > 0 } else { to < found.len() };
    Ok(json!({ "object": "list", "data": found[from..to], "has_more": has_more, "url": url }))
}

/// Whether an object passes a filter that is a number or a range (`created`, `current_period_end`).
pub(crate) fn in_range(value: i64, filter: Option<&Value>) -> bool {
    let Some(filter) = filter else {
        return true;
    };
    if let Some(exact) = filter.as_i64() {
        return value == exact;
    }
    let bound = |name: &str| filter[name].as_i64();
    bound("gt").is_none_or(|bound| value > bound)
        && bound("gte").is_none_or(|bound| value >= bound)
        && bound("lt").is_none_or(|bound| value < bound)
        && bound("lte").is_none_or(|bound| value <= bound)
}

/// Whether an object's field equals the parameter of the same name, when that was sent.
pub(crate) fn equals(object: &Value, given: &Given, name: &str) -> bool {
    given.get(name).is_none_or(|wanted| object[name] == *wanted)
}

/// Refuses a `customer` filter that names nobody; a deleted customer's objects can still be listed.
pub(crate) fn check_customer(tx: &Tx, given: &Given) -> Result<(), ApiError> {
    match given.text("customer") {
        Some(id) if !tx.world.deleted_customers.contains(id) => tx.at_param(Kind::Customer, id, "customer").map(|_| ()),
        _ => Ok(()),
    }
}

/// Whether `created` passes.
pub(crate) fn created(object: &Value, given: &Given) -> bool {
    in_range(int(&object["created"]), given.get("created"))
}

/// Whether an id is one of a list, when the list was sent.
pub(crate) fn one_of(value: &Value, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == text(value))
}
