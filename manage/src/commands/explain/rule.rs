//! The gate's decision in words: `shared::domain::access` decides, this says what counted.

use jiff::Timestamp;
use shared::domain::access::grace_ends_at;
use shared::domain::{Account, Policy, Status, Subscription};

/// A sentence for each subscription, or for there being none.
pub(super) fn reasons(account: &Account, policy: Policy, now: Timestamp) -> Vec<String> {
    if account.subscriptions.is_empty() {
        return vec![match account.has_used_trial() {
            true => "There is no subscription on record, and the one trial is used.".to_owned(),
            false => "There is no subscription on record.".to_owned(),
        }];
    }
    account.subscriptions.iter().map(|subscription| reason(account, subscription, policy, now)).collect()
}

fn reason(account: &Account, subscription: &Subscription, policy: Policy, now: Timestamp) -> String {
    let id = &subscription.id;
    if account.is_customer_deleted(&subscription.customer) {
        return format!("{id} gives no access: Stripe deleted its customer {}.", subscription.customer);
    }
    let status = subscription.status.as_str();
    match &subscription.status {
        Status::Active | Status::Trialing => format!("{id} is {status}, which gives access."),
        Status::PastDue => match grace_ends_at(subscription, policy) {
            None => format!("{id} is past_due; access stays as long as Stripe tries to charge, for no grace is set."),
            Some(end) if now < end => format!("{id} is past_due and keeps access until the grace ends at {end}."),
            Some(end) => format!("{id} is past_due and its grace ended at {end}."),
        },
        Status::Incomplete => format!("{id} is incomplete: its first payment failed or waits for the customer."),
        Status::IncompleteExpired => format!("{id} is incomplete_expired: its first payment was never made."),
        Status::Canceled => {
            let at = subscription.ended_at.or(subscription.canceled_at);
            format!("{id} was canceled{}.", at.map(|at| format!(" and ended at {at}")).unwrap_or_default())
        }
        Status::Unpaid => format!("{id} is unpaid: Stripe gave up charging for it."),
        Status::Paused => format!("{id} is paused: its trial ended without a card."),
        Status::Unknown(_) => format!("{id} is {status}, a status this version does not know; it gives no access."),
    }
}
