//! The attributes of each item, and the way from and to the domain.
//!
//! Times are whole seconds since 1970 in UTC. `expires_at` is DynamoDB's TTL attribute and appears on events only.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::{AsOf, Stored};
use crate::domain::trial::SecondTrial;
use crate::domain::{
    Card, CheckoutChoice, CheckoutClaim, CheckoutSessionId, Currency, Customer, CustomerId, CustomerMirror, Interval,
    Invoice, PaymentMethodId, Price, PriceId, Product, ProductId, Status, Subscription, SubscriptionId, TrialClaim,
    WebhookEndpoint,
};

pub(super) type Attributes = HashMap<String, AttributeValue>;

fn second(time: Timestamp) -> i64 {
    time.as_second()
}

fn time(second: i64) -> Result<Timestamp, String> {
    Timestamp::from_second(second).map_err(|_| "a time is out of range".to_owned())
}

fn optional_time(second: Option<i64>) -> Result<Option<Timestamp>, String> {
    second.map(time).transpose()
}

/// The stamp, as it is kept beside every mirrored object.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct StampAttributes {
    pub as_of: i64,
    pub as_of_until: i64,
    pub as_of_event: String,
}

impl From<&AsOf> for StampAttributes {
    fn from(as_of: &AsOf) -> Self {
        StampAttributes {
            as_of: second(as_of.from),
            as_of_until: second(as_of.until),
            as_of_event: as_of.source.clone(),
        }
    }
}

#[derive(Deserialize)]
struct Stamp {
    as_of: i64,
    as_of_until: i64,
    as_of_event: String,
    version: u64,
}

/// Reads the stamp of any mirrored item around its value.
pub(super) fn stored<T>(attributes: &Attributes, value: T) -> Result<Stored<T>, String> {
    let stamp: Stamp = serde_dynamo::from_item(attributes.clone()).map_err(|error| error.to_string())?;
    Ok(Stored {
        value,
        as_of: AsOf { from: time(stamp.as_of)?, until: time(stamp.as_of_until)?, source: stamp.as_of_event },
        version: stamp.version,
    })
}

#[derive(Serialize, Deserialize)]
pub(super) struct SubscriptionItem {
    subscription_id: SubscriptionId,
    customer_id: CustomerId,
    status: Status,
    created_at: i64,
    price_id: Option<PriceId>,
    product_id: Option<ProductId>,
    amount_minor: i64,
    currency: Option<Currency>,
    interval: Option<String>,
    interval_count: Option<u64>,
    trial_start_at: Option<i64>,
    trial_end_at: Option<i64>,
    current_period_start_at: Option<i64>,
    current_period_end_at: Option<i64>,
    cancel_at: Option<i64>,
    cancel_at_period_end: bool,
    canceled_at: Option<i64>,
    ended_at: Option<i64>,
    default_payment_method_id: Option<PaymentMethodId>,
}

impl From<&Subscription> for SubscriptionItem {
    fn from(subscription: &Subscription) -> Self {
        let subscription = subscription.clone();
        SubscriptionItem {
            subscription_id: subscription.id,
            customer_id: subscription.customer,
            status: subscription.status,
            created_at: second(subscription.created_at),
            price_id: subscription.price,
            product_id: subscription.product,
            amount_minor: subscription.amount_minor,
            currency: subscription.currency,
            interval_count: subscription.interval.as_ref().map(|interval| interval.count),
            interval: subscription.interval.map(|interval| interval.unit),
            trial_start_at: subscription.trial_start_at.map(second),
            trial_end_at: subscription.trial_end_at.map(second),
            current_period_start_at: subscription.current_period_start_at.map(second),
            current_period_end_at: subscription.current_period_end_at.map(second),
            cancel_at: subscription.cancel_at.map(second),
            cancel_at_period_end: subscription.cancel_at_period_end,
            canceled_at: subscription.canceled_at.map(second),
            ended_at: subscription.ended_at.map(second),
            default_payment_method_id: subscription.default_payment_method,
        }
    }
}

impl TryFrom<SubscriptionItem> for Subscription {
    type Error = String;
    fn try_from(item: SubscriptionItem) -> Result<Self, String> {
        Ok(Subscription {
            id: item.subscription_id,
            customer: item.customer_id,
            status: item.status,
            created_at: time(item.created_at)?,
            price: item.price_id,
            product: item.product_id,
            amount_minor: item.amount_minor,
            currency: item.currency,
            interval: interval(item.interval, item.interval_count),
            trial_start_at: optional_time(item.trial_start_at)?,
            trial_end_at: optional_time(item.trial_end_at)?,
            current_period_start_at: optional_time(item.current_period_start_at)?,
            current_period_end_at: optional_time(item.current_period_end_at)?,
            cancel_at: optional_time(item.cancel_at)?,
            cancel_at_period_end: item.cancel_at_period_end,
            canceled_at: optional_time(item.canceled_at)?,
            ended_at: optional_time(item.ended_at)?,
            default_payment_method: item.default_payment_method_id,
        })
    }
}

fn interval(unit: Option<String>, count: Option<u64>) -> Option<Interval> {
    unit.map(|unit| Interval { unit, count: count.unwrap_or(1) })
}

#[derive(Serialize, Deserialize)]
pub(super) struct CardItem {
    payment_method_id: PaymentMethodId,
    brand: String,
    last4: String,
    expiry_month: Option<u64>,
    expiry_year: Option<u64>,
    is_detached: bool,
}

impl From<&Card> for CardItem {
    fn from(card: &Card) -> Self {
        CardItem {
            payment_method_id: card.id.clone(),
            brand: card.brand.clone(),
            last4: card.last4.clone(),
            expiry_month: card.expiry_month,
            expiry_year: card.expiry_year,
            is_detached: card.is_detached,
        }
    }
}

impl From<CardItem> for Card {
    fn from(item: CardItem) -> Self {
        Card {
            id: item.payment_method_id,
            brand: item.brand,
            last4: item.last4,
            expiry_month: item.expiry_month,
            expiry_year: item.expiry_year,
            is_detached: item.is_detached,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct MirrorItem {
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
pub(super) struct CustomerItem {
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
pub(super) struct TrialItem {
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
pub(super) struct SecondTrialItem {
    subscription_id: SubscriptionId,
    first_subscription_id: Option<SubscriptionId>,
}

impl From<&SecondTrial> for SecondTrialItem {
    fn from(second: &SecondTrial) -> Self {
        SecondTrialItem { subscription_id: second.subscription.clone(), first_subscription_id: second.first.clone() }
    }
}

#[derive(Serialize)]
pub(super) struct EndpointItem {
    endpoint_id: String,
    url: String,
    is_enabled: bool,
    api_version: Option<String>,
}

impl From<&WebhookEndpoint> for EndpointItem {
    fn from(endpoint: &WebhookEndpoint) -> Self {
        EndpointItem {
            endpoint_id: endpoint.id.clone(),
            url: endpoint.url.clone(),
            is_enabled: endpoint.is_enabled,
            api_version: endpoint.api_version.clone(),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct CheckoutItem {
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

#[derive(Serialize)]
pub(super) struct InvoiceItem {
    invoice_id: String,
    customer_id: CustomerId,
    subscription_id: Option<SubscriptionId>,
    number: Option<String>,
    status: &'static str,
    amount_due_minor: i64,
    amount_paid_minor: i64,
    currency: Currency,
    attempt_count: u64,
    period_start_at: Option<i64>,
    period_end_at: Option<i64>,
    hosted_invoice_url: Option<String>,
    /// [`Invoice::progress`]: decides between two views from one second.
    progress: u64,
}

impl From<&Invoice> for InvoiceItem {
    fn from(invoice: &Invoice) -> Self {
        InvoiceItem {
            invoice_id: invoice.id.to_string(),
            customer_id: invoice.customer.clone(),
            subscription_id: invoice.subscription.clone(),
            number: invoice.number.clone(),
            status: invoice.status.as_str(),
            amount_due_minor: invoice.amount_due.amount_minor,
            amount_paid_minor: invoice.amount_paid.amount_minor,
            currency: invoice.amount_due.currency,
            attempt_count: invoice.attempt_count,
            period_start_at: invoice.period_start_at.map(second),
            period_end_at: invoice.period_end_at.map(second),
            hosted_invoice_url: invoice.hosted_invoice_url.clone(),
            progress: invoice.progress(),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct ProductItem {
    product_id: ProductId,
    name: String,
    is_active: bool,
    is_deleted: bool,
}

impl From<&Product> for ProductItem {
    fn from(product: &Product) -> Self {
        ProductItem {
            product_id: product.id.clone(),
            name: product.name.clone(),
            is_active: product.active,
            is_deleted: product.deleted,
        }
    }
}

impl From<ProductItem> for Product {
    fn from(item: ProductItem) -> Self {
        Product { id: item.product_id, name: item.name, active: item.is_active, deleted: item.is_deleted }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct PriceItem {
    price_id: PriceId,
    product_id: ProductId,
    is_active: bool,
    unit_amount_minor: Option<i64>,
    currency: Currency,
    interval: Option<String>,
    interval_count: Option<u64>,
    lookup_key: Option<String>,
    is_deleted: bool,
}

impl From<&Price> for PriceItem {
    fn from(price: &Price) -> Self {
        PriceItem {
            price_id: price.id.clone(),
            product_id: price.product.clone(),
            is_active: price.active,
            unit_amount_minor: price.unit_amount_minor,
            currency: price.currency,
            interval: price.interval.as_ref().map(|interval| interval.unit.clone()),
            interval_count: price.interval.as_ref().map(|interval| interval.count),
            lookup_key: price.lookup_key.clone(),
            is_deleted: price.deleted,
        }
    }
}

impl From<PriceItem> for Price {
    fn from(item: PriceItem) -> Self {
        Price {
            id: item.price_id,
            product: item.product_id,
            active: item.is_active,
            unit_amount_minor: item.unit_amount_minor,
            currency: item.currency,
            interval: interval(item.interval, item.interval_count),
            lookup_key: item.lookup_key,
            deleted: item.is_deleted,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct OwnerItem {
    pub user_id: Option<crate::domain::UserId>,
    pub join_pending: Option<bool>,
}
