//! The lists of an account, read leniently: an object that cannot be read is told apart and the others go on.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use stripe_billing::invoice::ListInvoice;
use stripe_billing::subscription::{ListSubscription, ListSubscriptionStatus};
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_core::customer::ListCustomer;
use stripe_core::event::{ListEvent, RetrieveEvent};
use stripe_misc::webhook_endpoint::{CreateWebhookEndpoint, DeleteWebhookEndpoint, ListWebhookEndpoint};
use stripe_product::price::ListPrice;
use stripe_product::product::ListProduct;
use stripe_types::{RangeBoundsTs, RangeQueryTs};

use super::{LiveStripe, expand, in_path};
use crate::domain::{CustomerId, EventId, Price, Product, WebhookEndpoint};
use crate::stripe::account::{Created, CreatedWebhookEndpoint, Listed, NewWebhookEndpoint, Page, StripeAccount};
use crate::stripe::envelope::{self, Envelope};
use crate::stripe::object::{self, OwnedInvoice};
use crate::stripe::{OwnedSubscription, Snapshot, StripeCustomer, StripeError};

/// The most that Stripe lists at once.
pub(super) const PAGE: i64 = 100;

/// Starts the list where the page before ended.
macro_rules! after {
    ($request:expr, $after:expr) => {
        match $after {
            Some(after) => $request.starting_after(after),
            None => $request,
        }
    };
}
pub(super) use after;

impl LiveStripe {
    pub(super) async fn list<T>(
        &self,
        request: RequestBuilder,
        read: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<Snapshot<Page<T>>, StripeError> {
        let reply = self.transport.send(&request, None).await?;
        let unreadable = |detail: &str| StripeError::Unreadable { detail: detail.to_owned() };
        let list: Value = serde_json::from_slice(&reply.body).map_err(|_| unreadable("a list is not JSON"))?;
        let data = list.get("data").and_then(Value::as_array).ok_or_else(|| unreadable("a list has no data"))?;
        let items: Vec<Listed<T>> = data
            .iter()
            .map(|object| {
                let id = object.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                Listed { id, value: read(object) }
            })
            .collect();
        let has_more = list.get("has_more") == Some(&Value::Bool(true));
        let next = items.last().map(|last| last.id.clone()).filter(|id| has_more && !id.is_empty());
        let created = data.last().and_then(|last| last.get("created")?.as_i64());
        let last_created_at = created.and_then(|second| Timestamp::from_second(second).ok());
        Ok(reply.snapshot(Page { items, next, last_created_at }))
    }
}

pub(super) fn described<T, E: std::fmt::Display>(
    read: impl Fn(&Value) -> Result<T, E>,
) -> impl Fn(&Value) -> Result<T, String> {
    move |object| read(object).map_err(|error| error.to_string())
}

#[async_trait]
impl StripeAccount for LiveStripe {
    async fn list_events(
        &self,
        since: Timestamp,
        types: &[&str],
        after: Option<&str>,
    ) -> Result<Page<Envelope>, StripeError> {
        let types: Vec<String> = types.iter().map(|event_type| (*event_type).to_owned()).collect();
        let request = ListEvent::new().created(RangeQueryTs::gte(since.as_second())).limit(PAGE);
        // Stripe takes up to 20 types; beyond that all are listed and the others are skipped by whoever asked.
        let request = if (1..=20).contains(&types.len()) { request.types(types) } else { request };
        let read = described(|event: &Value| envelope::from_value(event.clone()));
        self.list(after!(request, after).build(), read).await.map(|seen| seen.value)
    }

    async fn get_event(&self, event: &EventId) -> Result<Option<Envelope>, StripeError> {
        let reply = match self.transport.send(&RetrieveEvent::new(event.as_str()).build(), None).await {
            Ok(reply) => reply,
            Err(StripeError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let unreadable = |error: envelope::EnvelopeError| StripeError::Unreadable { detail: error.to_string() };
        envelope::parse(&reply.body).map(Some).map_err(unreadable)
    }

    async fn list_subscriptions(
        &self,
        customer: Option<&CustomerId>,
        after: Option<&str>,
    ) -> Result<Snapshot<Page<OwnedSubscription>>, StripeError> {
        let request = ListSubscription::new().status(ListSubscriptionStatus::All).limit(PAGE);
        let request = request.expand(expand(&["data.default_payment_method"]));
        let request = match customer {
            Some(customer) => request.customer(customer.as_str()),
            None => request,
        };
        self.list(after!(request, after).build(), described(object::subscription)).await
    }

    async fn list_customers(&self, after: Option<&str>) -> Result<Snapshot<Page<StripeCustomer>>, StripeError> {
        let request = ListCustomer::new().limit(PAGE);
        let request = request.expand(expand(&["data.invoice_settings.default_payment_method"]));
        self.list(after!(request, after).build(), described(object::customer)).await
    }

    async fn list_customers_created(
        &self,
        created: Created,
        after: Option<&str>,
    ) -> Result<Snapshot<Page<StripeCustomer>>, StripeError> {
        let request = ListCustomer::new().limit(PAGE);
        let request = request.expand(expand(&["data.invoice_settings.default_payment_method"]));
        let request = match range(created) {
            Some(range) => request.created(range),
            None => request,
        };
        self.list(after!(request, after).build(), described(object::customer)).await
    }

    async fn list_subscriptions_created(
        &self,
        created: Created,
        after: Option<&str>,
    ) -> Result<Snapshot<Page<OwnedSubscription>>, StripeError> {
        let request = ListSubscription::new().status(ListSubscriptionStatus::All).limit(PAGE);
        let request = request.expand(expand(&["data.default_payment_method"]));
        let request = match range(created) {
            Some(range) => request.created(range),
            None => request,
        };
        self.list(after!(request, after).build(), described(object::subscription)).await
    }

    async fn list_products(&self, after: Option<&str>) -> Result<Snapshot<Page<Product>>, StripeError> {
        self.list(after!(ListProduct::new().limit(PAGE), after).build(), described(object::product)).await
    }

    async fn list_prices(&self, after: Option<&str>) -> Result<Snapshot<Page<Price>>, StripeError> {
        self.list(after!(ListPrice::new().limit(PAGE), after).build(), described(object::price)).await
    }

    async fn list_invoices(
        &self,
        customer: &CustomerId,
        after: Option<&str>,
    ) -> Result<Snapshot<Page<OwnedInvoice>>, StripeError> {
        let request = ListInvoice::new().customer(customer.as_str()).limit(PAGE);
        self.list(after!(request, after).build(), described(object::invoice)).await
    }

    async fn list_webhook_endpoints(&self, after: Option<&str>) -> Result<Page<WebhookEndpoint>, StripeError> {
        let request = ListWebhookEndpoint::new().limit(PAGE);
        self.list(after!(request, after).build(), endpoint).await.map(|seen| seen.value)
    }

    async fn create_webhook_endpoint(
        &self,
        new: NewWebhookEndpoint<'_>,
    ) -> Result<CreatedWebhookEndpoint, StripeError> {
        let events: Vec<_> = new
            .events
            .iter()
            .map(|event_type| event_type.parse())
            .collect::<Result<_, _>>()
            .map_err(|_| StripeError::Unreadable { detail: "an event type cannot be written".to_owned() })?;
        let request = CreateWebhookEndpoint::new(events, new.url)
            .api_version(stripe_client_core::VERSION)
            .description(new.description);
        let reply = self.transport.send(&request.build(), None).await?;
        let unreadable = |detail: String| StripeError::Unreadable { detail };
        let object: Value =
            serde_json::from_slice(&reply.body).map_err(|_| unreadable("an endpoint is not JSON".to_owned()))?;
        let secret = object.get("secret").and_then(Value::as_str);
        Ok(CreatedWebhookEndpoint {
            endpoint: endpoint(&object).map_err(unreadable)?,
            secret: secret.ok_or_else(|| unreadable("a new endpoint has no secret".to_owned()))?.into(),
        })
    }

    async fn delete_webhook_endpoint(&self, endpoint: &str) -> Result<(), StripeError> {
        let request = DeleteWebhookEndpoint::new(in_path(endpoint)).build();
        self.transport.send(&request, None).await.map(|_deleted| ())
    }
}

fn range(created: Created) -> Option<RangeQueryTs> {
    let second = |time: Option<Timestamp>| time.map(Timestamp::as_second);
    let bounds = RangeBoundsTs { gte: second(created.from), lt: second(created.before), ..RangeBoundsTs::default() };
    (created != Created::default()).then_some(RangeQueryTs::Bounds(bounds))
}

pub(super) fn endpoint(object: &Value) -> Result<WebhookEndpoint, String> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let needed = |name: &str| text(name).ok_or_else(|| format!("webhook_endpoint/{name} is missing"));
    let events = object.get("enabled_events").and_then(Value::as_array).into_iter().flatten();
    Ok(WebhookEndpoint {
        id: needed("id")?,
        url: needed("url")?,
        is_enabled: needed("status")? == "enabled",
        api_version: text("api_version"),
        enabled_events: events.filter_map(Value::as_str).map(str::to_owned).collect(),
    })
}
