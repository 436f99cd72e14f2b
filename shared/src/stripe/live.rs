//! Stripe itself, asked with async-stripe's typed requests over our own transport.
//!
//! The replies are read by [`super::object`] and not by async-stripe's types: those refuse a reply that lacks any field
//! of their version and are most of a binary's size. What a request holds is in `customers` and `checkout`.

mod account;
mod checkout;
mod customers;
mod setup;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use stripe_billing::subscription::{RetrieveSubscription, UpdateSubscription, UpdateSubscriptionTrialEnd};
use stripe_checkout::checkout_session::{ExpireCheckoutSession, RetrieveCheckoutSession};
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_core::customer::RetrieveCustomer;
use stripe_payment::payment_method::RetrievePaymentMethod;
use stripe_product::price::RetrievePrice;
use stripe_product::product::RetrieveProduct;
use url::Url;

use super::object::{self, ObjectError};
use super::transport::{KeySource, Pace, Patience, Reply, Transport};
use super::{
    CheckoutSession, NewCheckoutSession, NewCustomer, OwnedSubscription, Snapshot, StripeCustomer, StripeError,
    StripeGateway,
};
use crate::clock::Clock;
use crate::domain::{
    Card, CheckoutSessionId, CustomerId, Mode, PaymentMethodId, Price, PriceId, Product, ProductId, SubscriptionId,
    UserId,
};
use crate::https_client::HttpsClient;

/// One mode's Stripe account. A clone shares the connections.
#[derive(Clone)]
pub struct LiveStripe {
    transport: Transport,
}

impl LiveStripe {
    pub fn new(https: HttpsClient, api_url: &Url, keys: KeySource, clock: Clock) -> LiveStripe {
        LiveStripe { transport: Transport::new(https, api_url, keys, clock) }
    }

    /// For operator commands: more patient than a function, and never faster than the account allows.
    pub fn for_operator(self, mode: Mode) -> LiveStripe {
        LiveStripe { transport: self.transport.with_patience(Patience::OPERATOR).with_pace(Pace::of(mode)) }
    }

    /// Nothing when Stripe does not know the object.
    async fn get<T>(
        &self,
        request: RequestBuilder,
        read: fn(&Value) -> Result<T, ObjectError>,
    ) -> Result<Option<Snapshot<T>>, StripeError> {
        match self.transport.send(&request, None).await {
            Ok(reply) => read_reply(&reply, read).map(|value| Some(reply.snapshot(value))),
            Err(StripeError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn post<T>(
        &self,
        request: RequestBuilder,
        idempotency_key: Option<&str>,
        read: fn(&Value) -> Result<T, ObjectError>,
    ) -> Result<T, StripeError> {
        let reply = self.transport.send(&request, idempotency_key).await?;
        read_reply(&reply, read)
    }
}

fn read_reply<T>(reply: &Reply, read: fn(&Value) -> Result<T, ObjectError>) -> Result<T, StripeError> {
    let request_id = reply.request_id.as_deref().unwrap_or("-");
    let unreadable = |problem: &str| StripeError::Unreadable { detail: format!("{problem} (request {request_id})") };
    let value: Value = serde_json::from_slice(&reply.body).map_err(|_| unreadable("it is not JSON"))?;
    read(&value).map_err(|error| unreadable(&error.to_string()))
}

/// Ids a merchant chose may hold slashes and question marks; async-stripe writes ids into the path as they are.
fn in_path(id: &str) -> String {
    const BESIDE_ALPHANUMERIC: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');
    utf8_percent_encode(id, BESIDE_ALPHANUMERIC).to_string()
}

fn expand(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

#[async_trait]
impl StripeGateway for LiveStripe {
    async fn create_customer(&self, new: NewCustomer<'_>, idempotency_key: &str) -> Result<CustomerId, StripeError> {
        let customer = self.post(customers::create(&new), Some(idempotency_key), object::customer).await?;
        Ok(customer.id)
    }

    async fn find_customer(&self, user: &UserId, email: Option<&str>) -> Result<Option<CustomerId>, StripeError> {
        if let Some(email) = email.filter(|email| !email.is_empty())
            && let Some(found) = customers::find_by_email(self, user, email).await?
        {
            return Ok(Some(found));
        }
        customers::search(self, user).await
    }

    async fn get_customer(&self, customer: &CustomerId) -> Result<Option<Snapshot<StripeCustomer>>, StripeError> {
        let request = RetrieveCustomer::new(in_path(customer.as_str()));
        let request = request.expand(expand(&["invoice_settings.default_payment_method"]));
        self.get(request.build(), object::customer).await
    }

    async fn create_checkout_session(
        &self,
        new: NewCheckoutSession<'_>,
        idempotency_key: &str,
    ) -> Result<CheckoutSession, StripeError> {
        self.post(checkout::create(&new), Some(idempotency_key), object::checkout_session).await
    }

    async fn get_checkout_session(
        &self,
        session: &CheckoutSessionId,
    ) -> Result<Option<Snapshot<CheckoutSession>>, StripeError> {
        let request = RetrieveCheckoutSession::new(session.as_str());
        let request = request.expand(expand(&["subscription", "subscription.default_payment_method"]));
        self.get(request.build(), object::checkout_session).await
    }

    async fn list_open_checkout_sessions_before(
        &self,
        customer: &CustomerId,
        session: &CheckoutSessionId,
    ) -> Result<Vec<CheckoutSession>, StripeError> {
        let seen =
            self.list(checkout::list_open_before(customer, session), account::described(object::checkout_session));
        Ok(seen.await?.value.items.into_iter().filter_map(|listed| listed.value.ok()).collect())
    }

    async fn expire_checkout_session(&self, session: &CheckoutSessionId) -> Result<(), StripeError> {
        let request = ExpireCheckoutSession::new(session.as_str()).build();
        self.post(request, None, object::checkout_session).await.map(|_expired| ())
    }

    async fn create_portal_session(&self, customer: &CustomerId, return_url: &str) -> Result<String, StripeError> {
        self.post(checkout::open_portal(customer, return_url), None, checkout::portal_url).await
    }

    async fn get_subscription(
        &self,
        subscription: &SubscriptionId,
    ) -> Result<Option<Snapshot<OwnedSubscription>>, StripeError> {
        let request = RetrieveSubscription::new(subscription.as_str()).expand(expand(&["default_payment_method"]));
        self.get(request.build(), object::subscription).await
    }

    async fn end_trial(&self, subscription: &SubscriptionId) -> Result<(), StripeError> {
        let request = UpdateSubscription::new(subscription.as_str()).trial_end(UpdateSubscriptionTrialEnd::Now);
        self.post(request.build(), None, object::subscription).await.map(|_ended| ())
    }

    async fn get_payment_method(
        &self,
        payment_method: &PaymentMethodId,
    ) -> Result<Option<Snapshot<Card>>, StripeError> {
        let request = RetrievePaymentMethod::new(payment_method.as_str()).build();
        self.get(request, |value| object::payment_method(value).map(|(card, _customer)| card)).await
    }

    async fn get_price(&self, price: &PriceId) -> Result<Option<Snapshot<Price>>, StripeError> {
        self.get(RetrievePrice::new(in_path(price.as_str())).build(), object::price).await
    }

    async fn get_product(&self, product: &ProductId) -> Result<Option<Snapshot<Product>>, StripeError> {
        self.get(RetrieveProduct::new(in_path(product.as_str())).build(), object::product).await
    }
}
