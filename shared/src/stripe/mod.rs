//! Stripe, in our own types: what we ask of it, what it tells us, and whether a message is really from it.
//!
//! async-stripe's types stop inside [`live`]; webhooks are read by [`envelope`] and [`object`], which are lenient
//! where async-stripe's own parser refuses objects of other API versions.

pub mod account;
pub mod envelope;
pub mod error;
pub mod live;
pub mod object;
pub mod setup;
pub mod signature;
pub mod transport;

use async_trait::async_trait;
use jiff::Timestamp;

pub use account::{Created, CreatedWebhookEndpoint, Listed, NewWebhookEndpoint, Page, StripeAccount};
pub use error::StripeError;
pub use setup::StripeSetup;

use crate::domain::{
    Card, CheckoutChoice, CheckoutSessionId, CustomerId, PaymentMethodId, Price, PriceId, Product, ProductId,
    Subscription, SubscriptionId, UserId,
};

/// The API version every request asks for and every endpoint is registered with.
pub const API_VERSION: &str = "2026-09-30.endive";

/// What a read from Stripe found, and between which instants of Stripe's own clock it was true.
///
/// `seen_from` is the `Date` of the reply less the time the request took, rounded down; `seen_until` is the `Date`.
/// Something created before `seen_from` is in the value; something created after `seen_until` is not; in between,
/// nobody can tell.
#[derive(Clone, Debug)]
pub struct Snapshot<T> {
    pub value: T,
    pub seen_from: Timestamp,
    pub seen_until: Timestamp,
}

/// A subscription with the metadata that names its user.
#[derive(Clone, Debug)]
pub struct OwnedSubscription {
    pub subscription: Subscription,
    /// `metadata.user_id`, when it is there and well formed.
    pub user: Option<UserId>,
    /// The default payment method, when Stripe sent it whole.
    pub card: Option<Card>,
}

/// The parameters of a customer. The same values under the same idempotency key give the same customer.
#[derive(Clone, Debug)]
pub struct NewCustomer<'a> {
    pub user: &'a UserId,
    pub email: Option<&'a str>,
    pub name: Option<&'a str>,
}

/// The parameters of a Checkout session: mode subscription, quantity 1, promotion codes, phone, billing address auto.
#[derive(Clone, Debug)]
pub struct NewCheckoutSession<'a> {
    pub user: &'a UserId,
    pub customer: &'a CustomerId,
    pub choice: &'a CheckoutChoice,
    /// `trial_eligible` in the subscription's metadata: "True" or "False".
    pub is_trial_eligible: bool,
    pub locale: &'a str,
}

/// <https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-status>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckoutStatus {
    Open,
    Complete,
    Expired,
}

#[derive(Clone, Debug)]
pub struct CheckoutSession {
    pub id: CheckoutSessionId,
    pub status: CheckoutStatus,
    /// Whether it is of mode `subscription`, which is also what a session without a mode is taken for.
    pub is_for_subscription: bool,
    /// Only while open.
    pub url: Option<String>,
    pub expires_at: Timestamp,
    pub customer: Option<CustomerId>,
    /// `client_reference_id`, when it is a user id and the session is not of a payment link; else `metadata.user_id`.
    pub user: Option<UserId>,
    /// What the customer typed. Personal: never logged.
    pub customer_email: Option<String>,
    /// The subscription the session made, whether or not it was sent whole.
    pub subscription_id: Option<SubscriptionId>,
    /// The subscription, whole, when the session made one and the reply was asked to hold it.
    pub subscription: Option<OwnedSubscription>,
}

/// A customer as Stripe shows it.
#[derive(Clone, Debug)]
pub struct StripeCustomer {
    pub id: CustomerId,
    pub is_deleted: bool,
    pub user: Option<UserId>,
    pub email: Option<String>,
    pub name: Option<String>,
    /// `invoice_settings.default_payment_method`, whether or not it was sent whole; else the older `default_source`.
    pub default_payment_method: Option<PaymentMethodId>,
    /// `invoice_settings.default_payment_method`, when Stripe sent it whole.
    pub default_card: Option<Card>,
}

/// The operations of Stripe that the functions use, for one mode.
///
/// Errors: [`StripeError`] says whether Stripe refused, was too slow or does not know the object; the implementation
/// retries by itself what is safe to retry.
#[async_trait]
pub trait StripeGateway: Send + Sync {
    async fn create_customer(&self, new: NewCustomer<'_>, idempotency_key: &str) -> Result<CustomerId, StripeError>;

    /// The customer whose `metadata.user_id` is the user: first among those with the e-mail (read after write), then by
    /// search (which lags writes by up to a minute).
    async fn find_customer(&self, user: &UserId, email: Option<&str>) -> Result<Option<CustomerId>, StripeError>;

    /// With its default payment method. Nothing when Stripe does not know the customer.
    async fn get_customer(&self, customer: &CustomerId) -> Result<Option<Snapshot<StripeCustomer>>, StripeError>;

    async fn create_checkout_session(
        &self,
        new: NewCheckoutSession<'_>,
        idempotency_key: &str,
    ) -> Result<CheckoutSession, StripeError>;

    /// With its subscription and that one's card. Nothing when Stripe does not know the session.
    async fn get_checkout_session(
        &self,
        session: &CheckoutSessionId,
    ) -> Result<Option<Snapshot<CheckoutSession>>, StripeError>;

    /// The open sessions of the customer that stand behind the given one in Stripe's list: those opened before it. The
    /// newest hundred of them; what cannot be read is left out.
    async fn list_open_checkout_sessions_before(
        &self,
        customer: &CustomerId,
        session: &CheckoutSessionId,
    ) -> Result<Vec<CheckoutSession>, StripeError>;

    /// [`StripeError::Refused`] when the session is not open any more.
    async fn expire_checkout_session(&self, session: &CheckoutSessionId) -> Result<(), StripeError>;

    /// The URL of a new portal session.
    async fn create_portal_session(&self, customer: &CustomerId, return_url: &str) -> Result<String, StripeError>;

    /// With its card. Nothing when Stripe does not know the subscription.
    async fn get_subscription(
        &self,
        subscription: &SubscriptionId,
    ) -> Result<Option<Snapshot<OwnedSubscription>>, StripeError>;

    /// Ends the trial of a subscription now: Stripe charges for it at once.
    async fn end_trial(&self, subscription: &SubscriptionId) -> Result<(), StripeError>;

    async fn get_payment_method(&self, payment_method: &PaymentMethodId)
    -> Result<Option<Snapshot<Card>>, StripeError>;

    async fn get_price(&self, price: &PriceId) -> Result<Option<Snapshot<Price>>, StripeError>;

    async fn get_product(&self, product: &ProductId) -> Result<Option<Snapshot<Product>>, StripeError>;
}
