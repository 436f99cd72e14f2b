//! Controls over people, time, faults and the request log.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::advance;
use crate::app::App;
use crate::cards::{self, Behaviour, TestCard};
use crate::controls::{Answer, body, world_of};
use crate::engine::card_change;
use crate::engine::checkout::{self, Typed};
use crate::errors::ApiError;
use crate::faults::{ApiRule, DeliveryRule, Faults};
use crate::state::{DunningEnd, Kind, PortalCancelStyle, World};
use crate::tx::Cause;

/// `GET /_sandbox/state`.
pub(super) async fn state(State(app): State<Arc<App>>) -> Json<Value> {
    let now = app.clock.now();
    let state = app.lock();
    Json(json!({
        "now": now,
        "offset_seconds": app.clock.offset_seconds(),
        "counts": { "test": counts(&state.test), "live": counts(&state.live) },
        "undelivered": state.deliveries.open_count(),
        "hold": state.deliveries.hold,
        "settings": state.settings,
    }))
}

fn counts(world: &World) -> Value {
    json!({
        "customers": world.all(Kind::Customer).len(),
        "products": world.all(Kind::Product).len(),
        "prices": world.all(Kind::Price).len(),
        "checkout_sessions": world.all(Kind::Session).len(),
        "subscriptions": world.all(Kind::Subscription).len(),
        "invoices": world.all(Kind::Invoice).len(),
        "payment_methods": world.all(Kind::PaymentMethod).len(),
        "webhook_endpoints": world.all(Kind::Endpoint).len(),
        "events": world.events.len(),
        "jobs": world.jobs.len(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Roll {
    add: Option<String>,
    expire: Option<String>,
}

/// `POST /_sandbox/keys {"add":"sk_test_…","expire":"sk_test_…"}`: keys are made and expired in the Dashboard only.
pub(super) async fn roll_key(State(app): State<Arc<App>>, bytes: Bytes) -> Answer {
    let Roll { add, expire } = body(&bytes)?;
    app.roll_key(add, expire);
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    days: i64,
    #[serde(default)]
    hours: i64,
    #[serde(default)]
    minutes: i64,
    #[serde(default)]
    seconds: i64,
}

/// `POST /_sandbox/advance`.
pub(super) async fn advance(State(app): State<Arc<App>>, bytes: Bytes) -> Answer {
    let step: Step = body(&bytes)?;
    let parts = [(step.days, 86_400), (step.hours, 3_600), (step.minutes, 60), (step.seconds, 1)];
    let seconds = parts.iter().fold(0_i64, |sum, (amount, size)| sum.saturating_add(amount.saturating_mul(*size)));
    if !(0..=20 * 366 * 86_400).contains(&seconds) {
        return Err(ApiError::refused("The clock moves forward only, by at most twenty years.").into());
    }
    // The clock goes all the way even when the caller hangs up.
    let moved = tokio::spawn(async move { advance::by(&app, seconds).await });
    match moved.await {
        Ok(advanced) => Ok(Json(json!(advanced))),
        Err(_) => Err(ApiError::server_error().into()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFaults {
    #[serde(default)]
    api: Vec<ApiRule>,
    #[serde(default)]
    delivery: Vec<DeliveryRule>,
    search_lag_seconds: Option<i64>,
    dunning_end: Option<DunningEnd>,
    portal_cancel_style: Option<PortalCancelStyle>,
}

/// `POST /_sandbox/faults`: adds rules, sets settings.
pub(super) async fn add_faults(State(app): State<Arc<App>>, bytes: Bytes) -> Answer {
    let new: NewFaults = body(&bytes)?;
    {
        let mut state = app.lock();
        state.faults.api.extend(new.api);
        state.faults.delivery.extend(new.delivery);
        let settings = &mut state.settings;
        settings.search_lag_seconds = new.search_lag_seconds.unwrap_or(settings.search_lag_seconds).max(0);
        settings.dunning_end = new.dunning_end.unwrap_or(settings.dunning_end);
        settings.portal_cancel_style = new.portal_cancel_style.unwrap_or(settings.portal_cancel_style);
    }
    app.changed.notify_one();
    Ok(list_faults(State(app)).await)
}

/// `GET /_sandbox/faults`.
pub(super) async fn list_faults(State(app): State<Arc<App>>) -> Json<Value> {
    let state = app.lock();
    let mut listed = json!(state.faults);
    if let (Some(listed), Some(settings)) = (listed.as_object_mut(), json!(state.settings).as_object()) {
        listed.extend(settings.clone());
    }
    Json(listed)
}

/// `DELETE /_sandbox/faults`: no rules, usual settings.
pub(super) async fn clear_faults(State(app): State<Arc<App>>) -> Json<Value> {
    {
        let mut state = app.lock();
        state.faults = Faults::default();
        state.settings = Default::default();
    }
    app.changed.notify_one();
    list_faults(State(app)).await
}

#[derive(Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    since: u64,
}

/// `GET /_sandbox/requests?since=n`.
pub(super) async fn list_requests(State(app): State<Arc<App>>, Query(from): Query<Since>) -> Json<Value> {
    let state = app.lock();
    Json(json!({ "requests": state.log.since(from.since) }))
}

/// `DELETE /_sandbox/requests`.
pub(super) async fn clear_requests(State(app): State<Arc<App>>) -> Json<Value> {
    app.lock().log.clear();
    Json(json!({ "requests": [] }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payment {
    card: Option<String>,
    email: Option<String>,
    name: Option<String>,
}

/// `POST /_sandbox/checkout/{session}/pay`.
pub(super) async fn pay(State(app): State<Arc<App>>, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let payment: Payment = body(&bytes)?;
    let card = payment.card.as_deref().map(card).transpose()?;
    let typed = Typed { card, email: payment.email, name: payment.name };
    let session =
        app.change(world_of(&app, Kind::Session, &id), Cause::default(), |tx| checkout::pay(tx, &id, &typed))?;
    Ok(Json(outcome(&session)))
}

/// `POST /_sandbox/checkout/{session}/authenticate`.
pub(super) async fn authenticate(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let session =
        app.change(world_of(&app, Kind::Session, &id), Cause::default(), |tx| checkout::authenticate(tx, &id))?;
    Ok(Json(outcome(&session)))
}

fn outcome(session: &Value) -> Value {
    json!({
        "session_id": session["id"],
        "subscription_id": session["subscription"],
        "customer": session["customer"],
        "status": session["status"],
        "redirect_url": checkout::redirect_url(session),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCard {
    card: String,
}

/// `POST /_sandbox/customers/{customer}/card`: the customer changes the card in the portal. A card that needs its
/// holder is saved unconfirmed, so that the next renewal asks for it.
pub(super) async fn change_card(State(app): State<Arc<App>>, Path(customer): Path<String>, bytes: Bytes) -> Answer {
    let new: NewCard = body(&bytes)?;
    let card = card(&new.card)?;
    if card.behaviour != Behaviour::Authenticates {
        card.first_use(false, false)?;
    }
    let livemode = world_of(&app, Kind::Customer, &customer);
    let id = app.change(livemode, Cause::default(), |tx| card_change::replace(tx, &customer, card, false))?;
    Ok(Json(json!({ "customer": customer, "payment_method": id })))
}

fn card(number: &str) -> Result<&'static TestCard, ApiError> {
    let known = cards::by_number(number).or_else(|| cards::by_token(number));
    known.ok_or_else(|| ApiError::declined("incorrect_number", None, "Your card number is incorrect."))
}
