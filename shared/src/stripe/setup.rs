//! Setting up an account: what an operator's `doctor`, `go-live` and `rotate` ask, and no function does.

use async_trait::async_trait;

use super::StripeError;
use super::account::Page;
use super::envelope::Envelope;
use crate::domain::{Currency, Interval, Price, Product, ProductId, WebhookEndpoint};

/// The account behind the key. Names of the business only, never of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProfile {
    pub id: String,
    /// Charges can be made: in live mode, that Stripe has activated the account.
    pub can_charge: bool,
    pub has_submitted_details: bool,
    pub business_name: Option<String>,
    pub business_url: Option<String>,
    pub support_email: Option<String>,
    pub statement_descriptor: Option<String>,
}

/// What the billing portal lets a customer do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalConfiguration {
    pub id: String,
    pub is_active: bool,
    /// Sessions that name no configuration use the default one, which the Dashboard makes.
    pub is_default: bool,
    pub can_update_payment_method: bool,
    pub shows_invoices: bool,
    /// `at_period_end` or `immediately`; nothing when customers cannot cancel.
    pub cancel_mode: Option<String>,
}

impl PortalConfiguration {
    /// A new card, the invoices, and cancelling at the period's end: what the product promises.
    pub fn serves(&self) -> bool {
        self.is_active
            && self.can_update_payment_method
            && self.shows_invoices
            && self.cancel_mode.as_deref() == Some("at_period_end")
    }
}

#[derive(Clone, Debug)]
pub struct NewPrice<'a> {
    pub product: &'a ProductId,
    pub currency: Currency,
    pub unit_amount_minor: i64,
    pub interval: &'a Interval,
    pub lookup_key: Option<&'a str>,
}

/// One mode's account. Writes are idempotent by the keys they are given, or by what they set.
#[async_trait]
pub trait StripeSetup: Send + Sync {
    async fn get_account(&self) -> Result<AccountProfile, StripeError>;

    /// Asks to change a customer that does not exist, which changes nothing: a key that may not is refused before Stripe
    /// looks for it, so the error tells.
    async fn change_nobody(&self) -> Result<(), StripeError>;

    /// The first hundred, newest first.
    async fn list_portal_configurations(&self) -> Result<Vec<PortalConfiguration>, StripeError>;

    /// Gives a configuration, or a new one, what [`PortalConfiguration::serves`] asks for.
    async fn save_portal_configuration(
        &self,
        configuration: Option<&str>,
        return_url: &str,
    ) -> Result<PortalConfiguration, StripeError>;

    async fn create_product(&self, name: &str, idempotency_key: &str) -> Result<Product, StripeError>;

    async fn create_price(&self, new: NewPrice<'_>, idempotency_key: &str) -> Result<Price, StripeError>;

    /// The price that has the lookup key, active or not.
    async fn find_price(&self, lookup_key: &str) -> Result<Option<Price>, StripeError>;

    /// Sets the handled events and enables it; its API version and secret cannot be changed at Stripe.
    async fn mend_webhook_endpoint(&self, endpoint: &str, event_types: &[&str])
    -> Result<WebhookEndpoint, StripeError>;

    /// A page of the events that some endpoint has not acknowledged, newest first, of every type.
    async fn list_undelivered_events(&self, after: Option<&str>) -> Result<Page<Envelope>, StripeError>;
}
