//! Users and their customers: whose a customer is, the one open session, the one trial.

use serde::{Deserialize, Serialize};

use super::{optional_time, second, time};
use crate::domain::trial::SecondTrial;
use crate::domain::{
    CheckoutChoice, CheckoutClaim, CheckoutSessionId, Customer, CustomerId, CustomerMirror, PaymentMethodId, PriceId,
    SubscriptionId, TrialClaim, UserId,
};

#[derive(Deserialize)]
pub(in crate::store) struct OwnerItem {
    pub user_id: Option<UserId>,
    pub join_pending: Option<bool>,
}

#[derive(Serialize, Deserialize)]
pub(in crate::store) struct MirrorItem {
    customer_id: CustomerId,
    email: Option<String>,
    name: Option<String>,
    default_payment_method_id: Option<PaymentMethodId>,
    is_deleted: bool,
}

impl From<&CustomerMirror> for MirrorItem {
    fn from(mirror: &CustomerMirror) -> Self {
        MirrorItem {
            customer_id: mirror.id.clone(),
            email: mirror.email.clone(),
            name: mirror.name.clone(),
            default_payment_method_id: mirror.default_payment_method.clone(),
            is_deleted: mirror.is_deleted,
        }
    }
}

impl From<MirrorItem> for CustomerMirror {
    fn from(item: MirrorItem) -> Self {
        CustomerMirror {
            id: item.customer_id,
            email: item.email,
            name: item.name,
            default_payment_method: item.default_payment_method_id,
            is_deleted: item.is_deleted,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(in crate::store) struct CustomerItem {
    customer_id: Option<CustomerId>,
    email: Option<String>,
    name: Option<String>,
    signup_price_id: Option<PriceId>,
    acquisition_angle: Option<String>,
    generation: Option<u64>,
    creating_since: Option<i64>,
    creation_attempt: Option<u64>,
    checkout_failures: Option<u64>,
}

impl From<&Customer> for CustomerItem {
    fn from(customer: &Customer) -> Self {
        CustomerItem {
            customer_id: customer.id.clone(),
            email: customer.email.clone(),
            name: customer.name.clone(),
            signup_price_id: customer.signup_price.clone(),
            acquisition_angle: customer.acquisition_angle.clone(),
            generation: Some(customer.generation),
            creating_since: customer.creating_since.map(second),
            creation_attempt: Some(customer.creation_attempt),
            checkout_failures: Some(customer.checkout_failures),
        }
    }
}

impl TryFrom<CustomerItem> for Customer {
    type Error = String;
    fn try_from(item: CustomerItem) -> Result<Self, String> {
        Ok(Customer {
            id: item.customer_id,
            email: item.email,
            name: item.name,
            signup_price: item.signup_price_id,
            acquisition_angle: item.acquisition_angle,
            generation: item.generation.unwrap_or(0),
            creating_since: optional_time(item.creating_since)?,
            creation_attempt: item.creation_attempt.unwrap_or(0),
            checkout_failures: item.checkout_failures.unwrap_or(0),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(in crate::store) struct CheckoutItem {
    session_id: CheckoutSessionId,
    url: String,
    session_expires_at: i64,
    opened_at: i64,
    price_id: PriceId,
    success_url: String,
    cancel_url: String,
    trial_days: Option<u32>,
    pub attempt: u64,
    #[serde(default)]
    failures_before: u64,
    customer_id: Option<CustomerId>,
    #[serde(default)]
    is_paid: bool,
    /// The session is over: the item stays for its `attempt`.
    pub is_closed: bool,
}

impl CheckoutItem {
    pub fn open(claim: &CheckoutClaim) -> Self {
        CheckoutItem {
            session_id: claim.session.clone(),
            url: claim.url.clone(),
            session_expires_at: second(claim.expires_at),
            opened_at: second(claim.opened_at),
            price_id: claim.choice.price.clone(),
            success_url: claim.choice.success_url.clone(),
            cancel_url: claim.choice.cancel_url.clone(),
            trial_days: claim.choice.trial_days,
            attempt: claim.attempt,
            failures_before: claim.failures_before,
            customer_id: claim.customer.clone(),
            is_paid: claim.is_paid,
            is_closed: claim.is_closed,
        }
    }
}

impl TryFrom<CheckoutItem> for CheckoutClaim {
    type Error = String;
    fn try_from(item: CheckoutItem) -> Result<Self, String> {
        Ok(CheckoutClaim {
            session: item.session_id,
            url: item.url,
            expires_at: time(item.session_expires_at)?,
            opened_at: time(item.opened_at)?,
            choice: CheckoutChoice {
                price: item.price_id,
                success_url: item.success_url,
                cancel_url: item.cancel_url,
                trial_days: item.trial_days,
            },
            attempt: item.attempt,
            failures_before: item.failures_before,
            customer: item.customer_id,
            is_paid: item.is_paid,
            is_closed: item.is_closed,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(in crate::store) struct TrialItem {
    pub first_trial_at: i64,
    pub subscription_id: Option<SubscriptionId>,
}

impl TryFrom<TrialItem> for TrialClaim {
    type Error = String;
    fn try_from(item: TrialItem) -> Result<Self, String> {
        Ok(TrialClaim { first_trial_at: time(item.first_trial_at)?, subscription: item.subscription_id })
    }
}

#[derive(Serialize)]
pub(in crate::store) struct SecondTrialItem {
    subscription_id: SubscriptionId,
    first_subscription_id: Option<SubscriptionId>,
}

impl From<&SecondTrial> for SecondTrialItem {
    fn from(second: &SecondTrial) -> Self {
        SecondTrialItem { subscription_id: second.subscription.clone(), first_subscription_id: second.first.clone() }
    }
}
