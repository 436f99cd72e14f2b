//! `/v1/events`: 30 days back, in the account's API version.

use serde_json::Value;

use crate::API_VERSION;
use crate::api::{Call, Reply, lists};
use crate::errors::ApiError;
use crate::events::Event;

pub(crate) fn retrieve(call: &mut Call) -> Reply {
    match call.tx.world.event(call.id()) {
        Some(event) => Ok(show(call, event)),
        None => {
            let hint = match (call.tx.other.event(call.id()).is_some(), call.tx.livemode()) {
                (false, _) => "",
                (true, true) => {
                    "; a similar object exists in test mode, but a live mode key was used to make this request."
                }
                (true, false) => {
                    "; a similar object exists in live mode, but a test mode key was used to make this request."
                }
            };
            Err(ApiError::no_such(404, "event", call.id(), "id", hint))
        }
    }
}

pub(crate) fn list(call: &mut Call) -> Reply {
    let given = &call.given;
    let types = given.texts("types");
    let wanted: Vec<&Event> = call
        .tx
        .world
        .events
        .iter()
        .rev()
        .filter(|event| {
            lists::in_range(event.created, given.get("created"))
                && given.text("type").is_none_or(|pattern| fits(&event.kind, pattern))
                && (types.is_empty() || types.iter().any(|pattern| fits(&event.kind, pattern)))
                && given.flag("delivery_success").is_none_or(|success| success == (call.tx.pending(&event.id) == 0))
        })
        .collect();
    let ids: Vec<Value> = wanted.iter().map(|event| serde_json::json!({ "id": event.id })).collect();
    let mut page = lists::page(&ids, given, &call.path, "event")?;
    if let Some(data) = page["data"].as_array_mut() {
        for shown in data {
            if let Some(event) = wanted.iter().find(|event| shown["id"] == event.id.as_str()) {
                *shown = show(call, event);
            }
        }
    }
    Ok(page)
}

/// `customer.*` and exact types.
fn fits(kind: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => kind.starts_with(start),
        None => kind == pattern,
    }
}

fn show(call: &Call, event: &Event) -> Value {
    event.render(Some(API_VERSION), call.tx.pending(&event.id))
}
