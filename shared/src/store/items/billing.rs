//! Subscriptions, the cards they are paid with, and their invoices.

use serde::{Deserialize, Serialize};

use super::{interval, optional_time, second, time};
use crate::domain::{
    Card, Currency, CustomerId, Invoice, PaymentMethodId, PriceId, ProductId, Status, Subscription, SubscriptionId,
};

#[derive(Serialize, Deserialize)]
pub(in crate::store) struct SubscriptionItem {
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

#[derive(Serialize, Deserialize)]
pub(in crate::store) struct CardItem {
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

#[derive(Serialize)]
pub(in crate::store) struct InvoiceItem {
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
