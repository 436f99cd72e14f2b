//! The Checkout session a user pays in, and the portal they manage it in.

use std::collections::HashMap;

use serde_json::Value;
use stripe_billing::billing_portal_session::CreateBillingPortalSession;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionPhoneNumberCollection,
    CreateCheckoutSessionSubscriptionData, ListCheckoutSession,
};
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_shared::{
    CheckoutSessionBillingAddressCollection, CheckoutSessionLocale, CheckoutSessionMode, CheckoutSessionStatus,
};

use crate::domain::{CheckoutSessionId, CustomerId};
use crate::stripe::NewCheckoutSession;
use crate::stripe::object::ObjectError;

pub(super) fn create(new: &NewCheckoutSession<'_>) -> RequestBuilder {
    let user_id = ("user_id".to_owned(), new.user.as_str().to_owned());
    // Python's words: the front ends and reports of the system this replaces read them.
    let trial_eligible = if new.is_trial_eligible { "True" } else { "False" };

    let mut line = CreateCheckoutSessionLineItems::new();
    line.price = Some(new.choice.price.as_str().to_owned());
    line.quantity = Some(1);

    let mut subscription = CreateCheckoutSessionSubscriptionData::new();
    subscription.metadata =
        Some(HashMap::from([user_id.clone(), ("trial_eligible".to_owned(), trial_eligible.to_owned())]));
    subscription.trial_period_days = new.choice.trial_days;

    let Ok(locale) = new.locale.parse::<CheckoutSessionLocale>();
    CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Subscription)
        .customer(new.customer.as_str())
        .client_reference_id(new.user.as_str())
        .metadata(HashMap::from([user_id]))
        .line_items(vec![line])
        .subscription_data(subscription)
        .allow_promotion_codes(true)
        .billing_address_collection(CheckoutSessionBillingAddressCollection::Auto)
        .phone_number_collection(CreateCheckoutSessionPhoneNumberCollection::new(true))
        .locale(locale)
        .success_url(&new.choice.success_url)
        .cancel_url(&new.choice.cancel_url)
        .build()
}

/// Stripe lists the newest first, so what follows a session is what was opened before it.
pub(super) fn list_open_before(customer: &CustomerId, session: &CheckoutSessionId) -> RequestBuilder {
    ListCheckoutSession::new()
        .customer(customer.as_str())
        .status(CheckoutSessionStatus::Open)
        .starting_after(session.as_str())
        .limit(100)
        .build()
}

pub(super) fn open_portal(customer: &CustomerId, return_url: &str) -> RequestBuilder {
    CreateBillingPortalSession::new().customer(customer.as_str()).return_url(return_url).build()
}

pub(super) fn portal_url(value: &Value) -> Result<String, ObjectError> {
    let missing = ObjectError { kind: "billing_portal.session", path: "/url", problem: "is missing" };
    value.get("url").and_then(Value::as_str).map(str::to_owned).ok_or(missing)
}
