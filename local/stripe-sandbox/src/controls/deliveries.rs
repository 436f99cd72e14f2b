//! Controls over webhook deliveries: hold, release, order, repeat, list.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::clock::wall_millis;
use crate::controls::{Answer, body};
use crate::deliveries::Outcome;
use crate::delivery::{attempt, wait_until};
use crate::errors::ApiError;
use crate::events::Event;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deliver {
    hold: Option<bool>,
    release: Option<Release>,
    order: Option<Vec<String>>,
    duplicate: Option<Vec<String>>,
    #[serde(default = "one")]
    copies: usize,
    resend: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Release {
    All(String),
    Events(Vec<String>),
}

fn one() -> usize {
    1
}

/// `POST /_sandbox/deliver`: answers when the deliveries it let go have been tried.
pub(super) async fn deliver(State(app): State<Arc<App>>, bytes: Bytes) -> Answer {
    let wanted: Deliver = body(&bytes)?;
    let mut sent = Vec::new();
    if let Some(hold) = wanted.hold {
        let mut state = app.lock();
        if !hold {
            sent.extend(state.deliveries.release(None));
        }
        state.deliveries.set_hold(hold);
    }
    match wanted.release {
        Some(Release::All(all)) if all == "all" => sent.extend(app.lock().deliveries.release(None)),
        Some(Release::All(event)) => sent.extend(app.lock().deliveries.release(Some(&[event]))),
        Some(Release::Events(events)) => sent.extend(app.lock().deliveries.release(Some(&events))),
        None => {}
    }
    for event in wanted.order.unwrap_or_default() {
        sent.extend(one_after_another(&app, &event).await);
    }
    for event in wanted.duplicate.unwrap_or_default() {
        sent.extend(repeat(&app, &event, wanted.copies)?);
    }
    if let Some(event) = wanted.resend {
        sent.extend(repeat(&app, &event, 1)?);
    }
    wait_until(&app, || {
        let state = app.lock();
        !sent.iter().any(|id| state.deliveries.is_waiting(*id))
    })
    .await;
    app.changed.notify_one();
    Ok(Json(summary(&app, &sent)))
}

/// Sends an event's open deliveries now and waits for each.
async fn one_after_another(app: &App, event: &str) -> Vec<u64> {
    let ids = app.lock().deliveries.open_of(event);
    for id in &ids {
        let taken = app.lock().deliveries.take(*id);
        if let Some(delivery) = taken {
            attempt(app, &delivery).await;
        }
    }
    ids
}

fn repeat(app: &App, id: &str, copies: usize) -> Result<Vec<u64>, ApiError> {
    let mut state = app.lock();
    let (event, livemode) = match (state.test.event(id), state.live.event(id)) {
        (Some(event), _) => (event.clone(), false),
        (None, Some(event)) => (event.clone(), true),
        (None, None) => return Err(ApiError::no_such(404, "event", id, "id", "")),
    };
    Ok(again(&mut state, &event, livemode, copies))
}

fn again(state: &mut crate::state::State, event: &Event, livemode: bool, copies: usize) -> Vec<u64> {
    let world = if livemode { &state.live } else { &state.test };
    state.deliveries.repeat(event, world, copies.min(1_000), wall_millis())
}

fn summary(app: &App, sent: &[u64]) -> Value {
    let state = app.lock();
    let count = |wanted: fn(Outcome) -> bool| {
        sent.iter().filter(|id| state.deliveries.outcome(**id).is_some_and(wanted)).count()
    };
    json!({
        "delivered": count(|outcome| outcome == Outcome::Delivered),
        "failed": count(|outcome| outcome != Outcome::Delivered),
        "hold": state.deliveries.hold,
        "pending": state.deliveries.open_count(),
    })
}

/// `GET /_sandbox/deliveries`: open and recent ones, newest first.
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let state = app.lock();
    Json(json!({ "deliveries": state.deliveries.listed() }))
}
