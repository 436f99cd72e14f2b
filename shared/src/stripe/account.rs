//! Going through a whole Stripe account: what reconcile and an operator need, and no request of a user does.

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use super::envelope::Envelope;
use super::object::OwnedInvoice;
use super::{OwnedSubscription, Snapshot, StripeCustomer, StripeError};
use crate::domain::{CustomerId, EventId, Price, Product, WebhookEndpoint};

/// Some objects of a list, newest first.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<Listed<T>>,
    /// Where the next page starts; nothing when this is the last.
    pub next: Option<String>,
    /// When the last object was created, where objects say so.
    pub last_created_at: Option<Timestamp>,
}

/// Instants of creation: from one, to just before another; nothing is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Created {
    pub from: Option<Timestamp>,
    pub before: Option<Timestamp>,
}

/// The parameters of a webhook endpoint; it is registered with [`super::API_VERSION`].
#[derive(Clone, Debug)]
pub struct NewWebhookEndpoint<'a> {
    pub url: &'a str,
    pub events: &'a [&'a str],
    pub description: &'a str,
}

/// An endpoint just made, with its signing secret, which Stripe never shows again.
pub struct CreatedWebhookEndpoint {
    pub endpoint: WebhookEndpoint,
    pub secret: SecretString,
}

/// One object of a list. One that cannot be read does not hide the others.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    pub id: String,
    /// Or why it cannot be read; never a value.
    pub value: Result<T, String>,
}

/// One mode's account, page by page. `after` is the `next` of the page before; pages hold up to 100 objects.
#[async_trait]
pub trait StripeAccount: Send + Sync {
    /// Events of the given types, or of any when none is given, created at or after the instant. Stripe keeps them for 30 days.
    async fn list_events(
        &self,
        since: Timestamp,
        types: &[&str],
        after: Option<&str>,
    ) -> Result<Page<Envelope>, StripeError>;

    async fn get_event(&self, event: &EventId) -> Result<Option<Envelope>, StripeError>;

    /// With their cards, canceled ones included; of one customer, or of all.
    async fn list_subscriptions(
        &self,
        customer: Option<&CustomerId>,
        after: Option<&str>,
    ) -> Result<Snapshot<Page<OwnedSubscription>>, StripeError>;

    async fn list_customers(&self, after: Option<&str>) -> Result<Snapshot<Page<StripeCustomer>>, StripeError>;

    /// As [`StripeAccount::list_customers`], of those created within the span: several can be walked side by side.
    async fn list_customers_created(
        &self,
        created: Created,
        after: Option<&str>,
    ) -> Result<Snapshot<Page<StripeCustomer>>, StripeError>;

    /// As [`StripeAccount::list_subscriptions`], of those created within the span.
    async fn list_subscriptions_created(
        &self,
        created: Created,
        after: Option<&str>,
    ) -> Result<Snapshot<Page<OwnedSubscription>>, StripeError>;

    async fn list_products(&self, after: Option<&str>) -> Result<Snapshot<Page<Product>>, StripeError>;

    async fn list_prices(&self, after: Option<&str>) -> Result<Snapshot<Page<Price>>, StripeError>;

    async fn list_invoices(
        &self,
        customer: &CustomerId,
        after: Option<&str>,
    ) -> Result<Snapshot<Page<OwnedInvoice>>, StripeError>;

    async fn list_webhook_endpoints(&self, after: Option<&str>) -> Result<Page<WebhookEndpoint>, StripeError>;

    async fn create_webhook_endpoint(&self, new: NewWebhookEndpoint<'_>)
    -> Result<CreatedWebhookEndpoint, StripeError>;

    async fn delete_webhook_endpoint(&self, endpoint: &str) -> Result<(), StripeError>;
}
