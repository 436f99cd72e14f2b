//! Stripe's lists of an account of any size, made up as they are asked for, and failing when told to.

use std::sync::{Arc, Mutex};

use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Customers are a minute apart; number 0 is the oldest.
const OLDEST_SECOND: i64 = 1_700_000_000;

#[derive(Default)]
pub struct Account {
    pub customers: u64,
    /// Customer numbers whose objects have no readable id of a user… or anything else we need.
    pub unreadable: Vec<u64>,
    /// How many more requests are answered before Stripe is down.
    pub answers_left: Option<u64>,
    /// The paths that were asked for.
    pub asked: Vec<String>,
}

#[derive(Clone)]
pub struct FakeStripe {
    pub account: Arc<Mutex<Account>>,
    pub url: String,
}

impl FakeStripe {
    pub async fn start(account: Account) -> FakeStripe {
        let account = Arc::new(Mutex::new(account));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&account));
        tokio::spawn(async move { axum::serve(listener, router).await });
        FakeStripe { account, url }
    }

    /// Takes what was asked for so far.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.account.lock().unwrap().asked)
    }
}

async fn answer(State(account): State<Arc<Mutex<Account>>>, OriginalUri(uri): OriginalUri) -> Response {
    let mut account = account.lock().unwrap();
    let path = uri.path().to_owned();
    account.asked.push(path.clone());
    if let Some(left) = &mut account.answers_left {
        if *left == 0 {
            // "No" is final, so that a test need not wait for the patience of an operator.
            return (StatusCode::INTERNAL_SERVER_ERROR, [("stripe-should-retry", "false")], "{}").into_response();
        }
        *left -= 1;
    }
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let of = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    match path.as_str() {
        "/v1/customers" => Json(customers(&account, &of)).into_response(),
        "/v1/products" | "/v1/prices" | "/v1/subscriptions" | "/v1/events" | "/v1/customers/search" => {
            Json(list(Vec::new(), false)).into_response()
        }
        _ => (StatusCode::NOT_FOUND, Json(json!({ "error": { "code": "resource_missing" } }))).into_response(),
    }
}

fn list(data: Vec<Value>, has_more: bool) -> Value {
    json!({ "object": "list", "data": data, "has_more": has_more })
}

/// Newest first, within the span of creation, after the cursor.
fn customers(account: &Account, of: &dyn Fn(&str) -> Option<String>) -> Value {
    let bound = |name: &str| of(name).and_then(|second| second.parse::<i64>().ok());
    let number_at = |second: i64| u64::try_from((second - OLDEST_SECOND + 59).div_euclid(60)).unwrap_or(0);
    let first = bound("created[gte]").map_or(0, number_at);
    let mut end = bound("created[lt]").map_or(account.customers, |second| number_at(second).min(account.customers));
    if let Some(after) = of("starting_after") {
        end = end.min(after.trim_start_matches("cus_").parse().unwrap());
    }
    let start = end.saturating_sub(100).max(first);
    let data: Vec<Value> = (start..end.max(start)).rev().map(|number| customer(account, number)).collect();
    list(data, start > first)
}

fn customer(account: &Account, number: u64) -> Value {
    let kind = if account.unreadable.contains(&number) { "not_a_customer" } else { "customer" };
    let created = OLDEST_SECOND + i64::try_from(number).unwrap() * 60;
    json!({
        "id": format!("cus_{number}"), "object": kind, "created": created, "email": format!("user{number}@example.com"),
        "name": null, "metadata": { "user_id": number.to_string() },
        "invoice_settings": { "default_payment_method": null },
    })
}
