//! Sends what the queue has: signed afresh for every try, side by side, in no order.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::clock::{wall_millis, wall_seconds};
use crate::deliveries::Delivery;
use crate::state::Kind;
use crate::values::owned;

/// Deliveries under way at once.
const CONCURRENT: usize = 64;
/// How often the queue is looked at when nobody wakes it.
const IDLE: Duration = Duration::from_millis(200);
/// What an endpoint has to answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = "Stripe/1.0 (+https://stripe.com/docs/webhooks)";

/// Runs until the task is aborted.
pub(crate) async fn run(app: Arc<App>) {
    let places = Arc::new(Semaphore::new(CONCURRENT));
    loop {
        let due = app.lock().deliveries.take_due(wall_millis(), app.clock.now());
        for delivery in due {
            let (app, places) = (Arc::clone(&app), Arc::clone(&places));
            tokio::spawn(async move {
                if let Ok(_place) = places.acquire().await {
                    attempt(&app, &delivery).await;
                }
            });
        }
        // Either reason to look again is good.
        let _woken_or_idle = tokio::time::timeout(IDLE, app.wake.notified()).await;
    }
}

/// One try of one delivery; its result is written down.
pub(crate) async fn attempt(app: &App, delivery: &Delivery) {
    match letter(app, delivery) {
        Some(letter) => {
            let result = send(app, &letter).await;
            app.lock().deliveries.settle(delivery.id, result, wall_millis(), app.clock.now());
        }
        None => app.lock().deliveries.give_up(delivery.id),
    }
    app.settled.notify_waiters();
    app.changed.notify_one();
}

struct Letter {
    url: String,
    secret: String,
    body: String,
}

/// What is sent where; none when the endpoint is gone or disabled, or the event forgotten.
fn letter(app: &App, delivery: &Delivery) -> Option<Letter> {
    let state = app.lock();
    let world = state.world(delivery.livemode);
    let endpoint = world.find(Kind::Endpoint, &delivery.endpoint).filter(|endpoint| endpoint["status"] == "enabled")?;
    let pending = state.deliveries.pending(&delivery.event);
    let event = world.event(&delivery.event)?.render(endpoint["api_version"].as_str(), pending);
    let secret = world.secrets.get(&delivery.endpoint)?.clone();
    Some(Letter { url: owned(&endpoint["url"]), secret, body: serde_json::to_string_pretty(&event).ok()? })
}

async fn send(app: &App, letter: &Letter) -> Result<u16, String> {
    let request = app
        .http
        .post(&letter.url)
        .timeout(TIMEOUT)
        .header("Content-Type", "application/json; charset=utf-8")
        .header("User-Agent", USER_AGENT)
        .header("Stripe-Signature", signature(&letter.secret, wall_seconds(), &letter.body))
        .body(letter.body.clone());
    match request.send().await {
        Ok(reply) => Ok(reply.status().as_u16()),
        Err(error) if error.is_timeout() => Err("timed out".to_owned()),
        Err(error) if error.is_connect() => Err("could not connect".to_owned()),
        Err(_) => Err("connection failed".to_owned()),
    }
}

/// `t=…,v1=…,v0=…`: `v1` over the raw body, keyed by the whole `whsec_…` text; `v0` is the scheme receivers must ignore.
pub(crate) fn signature(secret: &str, at: i64, body: &str) -> String {
    let signed = format!("{at}.{body}");
    format!("t={at},v1={},v0={}", hmac_hex(secret, &signed), hmac_hex("v0", &signed))
}

fn hmac_hex(key: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Waits until nothing is due or in flight.
pub(crate) async fn settle(app: &App) {
    wait_until(app, || app.lock().deliveries.is_settled(wall_millis(), app.clock.now())).await;
}

/// Waits until every delivery that is not held has been tried once, delayed ones included.
pub(crate) async fn settle_first_tries(app: &App) {
    wait_until(app, || app.lock().deliveries.all_tried()).await;
}

/// Looks at a condition each time a delivery ends.
pub(crate) async fn wait_until(app: &App, is_reached: impl Fn() -> bool) {
    app.wake.notify_one();
    loop {
        let mut ended = pin!(app.settled.notified());
        // Listening begins before the look, so that no end falls between the two.
        ended.as_mut().enable();
        if is_reached() {
            return;
        }
        let _ended_or_late = tokio::time::timeout(Duration::from_millis(20), ended).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_secret_is_the_key() {
        let expected = "t=1700000000,v1=";
        let signed = signature("whsec_test", 1_700_000_000, "{}");
        assert!(signed.starts_with(expected));
        assert_eq!(signed.len(), expected.len() + 64 + ",v0=".len() + 64);
        assert_ne!(signed, signature("test", 1_700_000_000, "{}"));
    }
}
