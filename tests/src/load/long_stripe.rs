//! A Stripe with as many subscriptions as are wanted, each of a customer of its own, listed as Stripe lists them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use shared::clock::Clock;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The newest was made a little while ago and each other so long before the one after it.
const SECONDS_APART: i64 = 60;
const NEWEST_SECONDS_AGO: i64 = 3_600;

/// Runs as long as its value lives.
pub struct LongStripe {
    url: String,
    account: Arc<Account>,
    serving: JoinHandle<()>,
}

struct Account {
    subscription: Value,
    card: Value,
    /// Of subscriptions, and of customers.
    count: usize,
    newest_second: i64,
    calls: AtomicU64,
}

impl LongStripe {
    /// The subscriptions are like the one of an event, and their cards like the one of another.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(subscription_event: &Value, card_event: &Value, count: usize) -> Result<LongStripe> {
        let account = Arc::new(Account {
            subscription: subscription_event["data"]["object"].clone(),
            card: card_event["data"]["object"].clone(),
            count,
            newest_second: Clock::default().wall_now().as_second() - NEWEST_SECONDS_AGO,
            calls: AtomicU64::new(0),
        });
        let router = Router::new()
            .route("/v1/{kind}", get(list))
            .route("/v1/{kind}/{id}", get(one))
            .with_state(Arc::clone(&account));
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen as Stripe")?;
        let url = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(async move {
            // It ends when it is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(LongStripe { url, account, serving })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn calls(&self) -> u64 {
        self.account.calls.load(Ordering::Relaxed)
    }
}

impl Drop for LongStripe {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Account {
    fn created(&self, number: usize) -> i64 {
        self.newest_second - SECONDS_APART * i64::try_from(number).unwrap_or(i64::MAX / SECONDS_APART)
    }

    fn object(&self, kind: &str, number: usize) -> Option<Value> {
        let (customer, user, created) = (format!("cus_long{number}"), format!("long-{number}"), self.created(number));
        let mut card = self.card.clone();
        (card["id"], card["customer"]) = (json!(format!("pm_long{number}")), json!(customer));
        match kind {
            "subscriptions" => {
                let mut subscription = self.subscription.clone();
                subscription["id"] = json!(format!("sub_long{number}"));
                subscription["customer"] = json!(customer);
                subscription["created"] = json!(created);
                subscription["metadata"]["user_id"] = json!(user);
                subscription["default_payment_method"] = card;
                Some(subscription)
            }
            "customers" => Some(json!({
                "id": customer, "object": "customer", "created": created, "email": format!("{user}@example.com"),
                "livemode": false, "metadata": { "user_id": user },
                "invoice_settings": { "default_payment_method": card },
            })),
            "payment_methods" => Some(card),
            _ => None,
        }
    }

    /// The numbers of what was created within the span, newest first.
    fn span(&self, query: &HashMap<String, String>) -> std::ops::Range<usize> {
        let bound = |name: &str| query.get(name).and_then(|second| second.parse::<i64>().ok());
        // How many were created at that second or later.
        let since = |second: i64| match self.newest_second - second {
            age @ 0.. => usize::try_from(age / SECONDS_APART + 1).unwrap_or(usize::MAX),
            _ => 0,
        };
        let after = query.get("starting_after").and_then(|id| number_of(id)).map_or(0, |number| number + 1);
        let first = bound("created[lt]").map_or(0, since).max(after);
        first..bound("created[gte]").map_or(usize::MAX, since).min(self.count)
    }
}

/// The number at the end of a name.
fn number_of(id: &str) -> Option<usize> {
    id.rsplit_once("_long")?.1.parse().ok()
}

async fn list(
    State(account): State<Arc<Account>>,
    Path(kind): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    account.calls.fetch_add(1, Ordering::Relaxed);
    // The other mode's account is empty.
    let is_test = headers.get(header::AUTHORIZATION).is_some_and(|key| key.as_bytes().starts_with(b"Bearer sk_test_"));
    let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10);
    let span = account.span(&query);
    let data: Vec<Value> = match is_test {
        true => span.clone().take(limit).map_while(|number| account.object(&kind, number)).collect(),
        false => Vec::new(),
    };
    let has_more = !data.is_empty() && span.len() > data.len();
    Json(json!({ "object": "list", "data": data, "has_more": has_more, "url": format!("/v1/{kind}") })).into_response()
}

async fn one(State(account): State<Arc<Account>>, Path((kind, id)): Path<(String, String)>) -> Response {
    account.calls.fetch_add(1, Ordering::Relaxed);
    let number = number_of(&id).filter(|number| *number < account.count);
    match number.and_then(|number| account.object(&kind, number)) {
        Some(object) => Json(object).into_response(),
        None => {
            let error = json!({ "type": "invalid_request_error", "code": "resource_missing", "message": "No such" });
            (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_is_given_whole_page_by_page_and_in_parts() {
        let event = json!({ "data": { "object": { "metadata": {} } } });
        let stripe = LongStripe::start(&event, &event, 250).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let page = async |query: &str| -> Value {
            let request = http.get(format!("{}/v1/subscriptions?limit=100{query}", stripe.url()));
            request.bearer_auth("sk_test_1").send().await.unwrap().json().await.unwrap()
        };
        let ids = |page: &Value| -> Vec<usize> {
            let ids = page["data"].as_array().unwrap().iter();
            ids.map(|object| number_of(object["id"].as_str().unwrap()).unwrap()).collect()
        };
        let (first, last) = (page("").await, page("&starting_after=sub_long199").await);
        assert_eq!((ids(&first), &first["has_more"]), ((0..100).collect(), &json!(true)));
        assert_eq!((ids(&last), &last["has_more"]), ((200..250).collect(), &json!(false)));
        let middle = stripe.account.created(120);
        let (newer, older) = (format!("&created[gte]={middle}"), format!("&created[lt]={middle}&starting_after="));
        assert_eq!(ids(&page(&format!("{newer}&starting_after=sub_long99")).await), (100..121).collect::<Vec<_>>());
        assert_eq!(ids(&page(&older).await), (121..221).collect::<Vec<_>>());
        assert_eq!(stripe.calls(), 4);
    }
}
