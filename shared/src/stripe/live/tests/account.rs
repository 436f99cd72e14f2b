//! The lists an operator walks through, and webhook endpoints.

use secrecy::ExposeSecret;
use serde_json::json;

use super::{asked, stripe_with};
use crate::stripe::{API_VERSION, Created, NewWebhookEndpoint, StripeAccount};
use crate::sync::event::HANDLED_EVENT_TYPES;

fn list(data: serde_json::Value, has_more: bool) -> serde_json::Value {
    json!({ "object": "list", "data": data, "has_more": has_more, "url": "/v1/customers" })
}

fn span() -> Created {
    let time = |second| jiff::Timestamp::from_second(second).ok();
    Created { from: time(1_700_000_000), before: time(1_760_000_000) }
}

#[tokio::test]
async fn customers_of_a_span_are_listed_from_where_the_page_before_ended() {
    let data = json!([
        {"id": "cus_3", "object": "customer", "created": 1_750_000_000},
        {"id": "cus_2", "object": "invoice", "created": 1_740_000_000},
    ]);
    let (server, stripe) = stripe_with(list(data, true)).await;
    let page = stripe.list_customers_created(span(), Some("cus_4")).await.unwrap().value;
    insta::assert_snapshot!(asked(&server), @r"
    GET /v1/customers
    created[gte]=1700000000
    created[lt]=1760000000
    expand[0]=data.invoice_settings.default_payment_method
    limit=100
    starting_after=cus_4
    ");
    assert_eq!(page.next.as_deref(), Some("cus_2"), "one that cannot be read is passed over");
    assert_eq!(page.last_created_at.unwrap().as_second(), 1_740_000_000);
    assert!(page.items[0].value.is_ok() && page.items[1].value.is_err());
}

#[tokio::test]
async fn subscriptions_without_a_span_are_all_of_them_the_canceled_ones_included() {
    let (server, stripe) = stripe_with(list(json!([]), false)).await;
    let page = stripe.list_subscriptions_created(Created::default(), None).await.unwrap().value;
    insta::assert_snapshot!(asked(&server), @r"
    GET /v1/subscriptions
    expand[0]=data.default_payment_method
    limit=100
    status=all
    ");
    assert_eq!((page.next, page.last_created_at), (None, None));
}

#[tokio::test]
async fn events_of_any_type_are_asked_for_without_naming_one() {
    let (server, stripe) = stripe_with(list(json!([]), false)).await;
    let since = jiff::Timestamp::from_second(1_750_000_000).unwrap();
    stripe.list_events(since, &[], None).await.unwrap();
    insta::assert_snapshot!(asked(&server), @r"
    GET /v1/events
    created[gte]=1750000000
    limit=100
    ");
}

#[tokio::test]
async fn an_endpoint_is_made_with_our_version_and_its_secret_is_heard_once() {
    let made = json!({"id": "we_1", "object": "webhook_endpoint", "url": "https://example.com/stripe/webhook/u/",
        "status": "enabled", "api_version": API_VERSION, "enabled_events": ["invoice.paid"], "secret": "whsec_canary"});
    let (server, stripe) = stripe_with(made).await;
    let url = "https://example.com/stripe/webhook/u/";
    let new = NewWebhookEndpoint { url, events: &["invoice.paid"], description: "Subscriptions" };
    let created = stripe.create_webhook_endpoint(new).await.unwrap();
    insta::assert_snapshot!(asked(&server), @r"
    POST /v1/webhook_endpoints
    api_version=2026-09-30.endive
    description=Subscriptions
    enabled_events[0]=invoice.paid
    url=https://example.com/stripe/webhook/u/
    ");
    assert_eq!((created.endpoint.id.as_str(), created.endpoint.is_enabled), ("we_1", true));
    assert_eq!(created.secret.expose_secret(), "whsec_canary");
}

#[tokio::test]
async fn every_handled_type_can_be_registered() {
    let made = json!({"id": "we_1", "object": "webhook_endpoint", "url": "https://example.com/", "status": "enabled",
        "secret": "whsec_canary"});
    let (server, stripe) = stripe_with(made).await;
    let new = NewWebhookEndpoint { url: "https://example.com/", events: &HANDLED_EVENT_TYPES, description: "" };
    stripe.create_webhook_endpoint(new).await.unwrap();
    let asked = asked(&server);
    assert!(HANDLED_EVENT_TYPES.iter().all(|handled| asked.contains(&format!("={handled}"))), "{asked}");
}

#[tokio::test]
async fn an_endpoint_is_deleted_by_its_id() {
    let (server, stripe) = stripe_with(json!({"id": "we_1", "object": "webhook_endpoint", "deleted": true})).await;
    stripe.delete_webhook_endpoint("we_1").await.unwrap();
    insta::assert_snapshot!(asked(&server), @"DELETE /v1/webhook_endpoints/we_1");
}
