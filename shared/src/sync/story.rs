//! The log lines an operator's searches and alarms look for: the message is exactly so, the ids are fields too.

use super::settle::Settled;
use crate::domain::{Invoice, Status, Subscription};
use crate::store::{Outcome, Partition};
use crate::stripe::envelope::Envelope;
use crate::tally::{Count, count};

/// Tells what an event did to a subscription; nothing when it did nothing.
pub(super) fn tell_subscription(envelope: &Envelope, subscription: &Subscription, settled: &Settled) {
    let is_creation = envelope.event_type == "customer.subscription.created";
    if !matches!(settled.outcome, Outcome::Applied | Outcome::Parked) {
        // A later event brought the subscription, and its trial with it.
        if settled.outcome == Outcome::Stale && is_creation {
            tell_trial(subscription, settled);
        }
        return;
    }
    if let Status::Unknown(status) = &subscription.status {
        tracing::error!(subscription = %subscription.id, status, "Subscription {} has an unknown status and gives no access", subscription.id);
    }
    let id = &subscription.id;
    match envelope.event_type.as_str() {
        "customer.subscription.created" => {
            tracing::info!(subscription = %id, "Subscription created via webhook: {id}");
            tell_trial(subscription, settled);
        }
        "customer.subscription.deleted" => {
            let customer = &subscription.customer;
            count(Count::SubscriptionsEnded);
            if ended_with_its_trial(subscription) {
                count(Count::TrialsLost);
            }
            tracing::info!(subscription = %id, %customer, "Subscription deleted: {id} for customer {customer}");
        }
        "customer.subscription.trial_will_end" => {
            tracing::warn!(subscription = %id, "Trial ending soon for subscription {id}");
        }
        _ => {}
    }
    tell_transition(envelope, subscription);
}

/// Whoever cancels during the trial, or lets it run out, never paid.
fn ended_with_its_trial(subscription: &Subscription) -> bool {
    subscription.trial_end_at.is_some_and(|trial_end| subscription.ended_at.is_some_and(|ended| ended <= trial_end))
}

/// Also said when an orphan finds its user: its events were told while it was nobody's trial.
pub(super) fn tell_trial(subscription: &Subscription, settled: &Settled) {
    let Partition::User(user) = &settled.partition else { return };
    if !subscription.had_trial() || settled.is_second_trial {
        return;
    }
    count(Count::TrialsStarted);
    tracing::info!(%user, subscription = %subscription.id, "Trial tracked via webhook for user {user}");
}

fn tell_transition(envelope: &Envelope, subscription: &Subscription) {
    let Some(previous) = previous_status(envelope).filter(|previous| *previous != subscription.status) else { return };
    let (id, from, to) = (&subscription.id, previous.as_str(), subscription.status.as_str());
    tracing::info!(subscription = %id, from, to, "Subscription {id} status changed: {from} → {to}");
    match subscription.status {
        Status::Active if previous == Status::Trialing => {
            count(Count::TrialsConverted);
            tracing::info!(subscription = %id, "Trial converted to paid: {id}");
        }
        Status::PastDue if previous == Status::Trialing => {
            count(Count::TrialsLost);
            tracing::warn!(subscription = %id, "Subscription past due: {id}");
        }
        Status::PastDue => tracing::warn!(subscription = %id, "Subscription past due: {id}"),
        Status::Canceled => tracing::info!(subscription = %id, "Subscription canceled: {id}"),
        _ => {}
    }
}

/// Stripe says what changed on `*.updated`. <https://docs.stripe.com/api/events/object#event_object-data-previous_attributes>
fn previous_status(envelope: &Envelope) -> Option<Status> {
    let text = envelope.previous_attributes.as_ref()?.get("status")?.as_str()?;
    Some(Status::from(text.to_owned()))
}

/// Tells of a payment or its failure. `invoice.paid` says the same as `invoice.payment_succeeded`, so it is not told.
pub(super) fn tell_invoice(envelope: &Envelope, invoice: &Invoice) {
    let Some(subscription) = &invoice.subscription else { return };
    match envelope.event_type.as_str() {
        "invoice.payment_succeeded" => {
            let amount = invoice.amount_paid;
            // The invoice of a trial is paid with nothing.
            if amount.amount_minor > 0 {
                count(Count::PaymentsSucceeded);
            }
            tracing::info!(%subscription, invoice = %invoice.id, amount_minor = amount.amount_minor, "Payment succeeded: {amount} for subscription {subscription}");
        }
        "invoice.payment_failed" => {
            count(Count::PaymentsFailed);
            let (amount, attempt) = (invoice.amount_due, invoice.attempt_count);
            tracing::warn!(%subscription, invoice = %invoice.id, attempt, amount_minor = amount.amount_minor, "Payment failed (attempt {attempt}): {amount} for subscription {subscription}");
        }
        _ => {}
    }
}
