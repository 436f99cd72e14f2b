//! The one trial of a user.

use jiff::Timestamp;

use super::{Account, Status, Subscription, SubscriptionId};

/// The record that a user's trial is spent: written once, never overwritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialClaim {
    pub first_trial_at: Timestamp,
    /// Nothing when an operator marked the trial as used.
    pub subscription: Option<SubscriptionId>,
}

/// What to do about a trial that a user should not have had: one made in the Dashboard, say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrialAbuseAction {
    /// Record it and log ERROR.
    #[default]
    Flag,
    /// And end that trial at Stripe, which then charges for it.
    EndTrial,
}

/// A second trial of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondTrial {
    /// The subscription whose trial is one too many.
    pub subscription: SubscriptionId,
    /// The one that spent the trial; nothing when an operator marked it as used.
    pub first: Option<SubscriptionId>,
}

/// Whether a subscription is a second trial of a user whose trial is claimed. Of two trials the later begun is the
/// second, in whichever order they became known. A trial that is over already is nobody's advantage any more.
pub fn second_trial(claim: &TrialClaim, subscription: &Subscription) -> Option<SecondTrial> {
    let began_at = subscription.trial_start_at?;
    if subscription.status != Status::Trialing || claim.subscription.as_ref() == Some(&subscription.id) {
        return None;
    }
    match &claim.subscription {
        Some(claimed) if began_at < claim.first_trial_at => {
            Some(SecondTrial { subscription: claimed.clone(), first: Some(subscription.id.clone()) })
        }
        first => Some(SecondTrial { subscription: subscription.id.clone(), first: first.clone() }),
    }
}

/// How a user's one trial went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrialOutcome {
    /// It is running.
    Active,
    /// The user has paid since.
    Converted,
    /// It is over, and the user has not paid.
    Expired,
}

/// Nothing for a user who has had no trial: every other is exactly one of the three.
pub fn trial_outcome(account: &Account) -> Option<TrialOutcome> {
    account.first_trial_at()?;
    if account.subscriptions.iter().any(|subscription| subscription.status == Status::Trialing) {
        return Some(TrialOutcome::Active);
    }
    let has_paid = account.subscriptions.iter().any(has_paid_period);
    Some(if has_paid { TrialOutcome::Converted } else { TrialOutcome::Expired })
}

/// Whether the subscription went through, or into, a period that was paid for. An unpaid first period ends in
/// cancellation before its time; a second period begins, and a first one ends, only after the first was paid.
pub fn has_paid_period(subscription: &Subscription) -> bool {
    match subscription.status {
        Status::Active => return true,
        Status::Incomplete | Status::IncompleteExpired | Status::Trialing => return false,
        _ => {}
    }
    let began = subscription.trial_end_at.unwrap_or(subscription.created_at);
    let is_later_period = subscription.current_period_start_at.is_some_and(|start| start > began);
    let ran_to_its_end = match (subscription.ended_at, subscription.current_period_end_at) {
        (Some(ended), Some(period_end)) => ended >= period_end && period_end > began,
        _ => false,
    };
    is_later_period || ran_to_its_end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::subscription::tests::subscription;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn trialing(id: &str, began: i64) -> Subscription {
        let mut subscription = subscription(id, Status::Trialing);
        subscription.trial_start_at = Some(at(began));
        subscription
    }

    fn claim(second: i64, subscription: Option<&str>) -> TrialClaim {
        let subscription = subscription.map(|id| SubscriptionId::parse(id).unwrap());
        TrialClaim { first_trial_at: at(second), subscription }
    }

    #[test]
    fn the_trial_that_spent_the_claim_is_no_second_one() {
        assert_eq!(second_trial(&claim(10, Some("sub_a")), &trialing("sub_a", 10)), None);
    }

    #[test]
    fn of_two_trials_the_later_begun_is_the_second_in_either_order() {
        let expected = Some(SecondTrial {
            subscription: SubscriptionId::parse("sub_late").unwrap(),
            first: SubscriptionId::parse("sub_early").ok(),
        });
        assert_eq!(second_trial(&claim(10, Some("sub_early")), &trialing("sub_late", 20)), expected);
        assert_eq!(second_trial(&claim(20, Some("sub_late")), &trialing("sub_early", 10)), expected);
    }

    #[test]
    fn a_trial_after_an_operators_mark_is_a_second_one() {
        let second = second_trial(&claim(10, None), &trialing("sub_a", 20)).unwrap();
        assert_eq!((second.subscription.as_str(), second.first), ("sub_a", None));
    }

    #[test]
    fn a_trial_that_is_over_is_let_be() {
        let mut over = trialing("sub_b", 20);
        over.status = Status::Active;
        assert_eq!(second_trial(&claim(10, Some("sub_a")), &over), None);
        assert_eq!(second_trial(&claim(10, Some("sub_a")), &subscription("sub_c", Status::Trialing)), None);
    }

    #[test]
    fn every_trial_is_running_converted_or_expired() {
        let of = |change: fn(&mut Subscription)| {
            let mut subscription = trialing("sub_a", 1_000);
            subscription.trial_end_at = Some(at(2_000));
            subscription.current_period_start_at = Some(at(2_000));
            subscription.current_period_end_at = Some(at(3_000));
            change(&mut subscription);
            let mut account = Account::empty(crate::domain::UserId::parse("42").unwrap());
            account.subscriptions = vec![subscription];
            trial_outcome(&account)
        };
        assert_eq!(of(|_| ()), Some(TrialOutcome::Active));
        assert_eq!(of(|it| it.status = Status::Active), Some(TrialOutcome::Converted));
        assert_eq!(of(|it| it.status = Status::PastDue), Some(TrialOutcome::Expired), "the first invoice failed");
        let second_period: fn(&mut Subscription) = |it| {
            it.status = Status::PastDue;
            it.current_period_start_at = Some(at(3_000));
        };
        assert_eq!(of(second_period), Some(TrialOutcome::Converted));
        let canceled_in_trial: fn(&mut Subscription) = |it| {
            it.status = Status::Canceled;
            it.ended_at = Some(at(2_000));
            it.current_period_start_at = Some(at(1_000));
            it.current_period_end_at = Some(at(2_000));
        };
        assert_eq!(of(canceled_in_trial), Some(TrialOutcome::Expired));
        let canceled_after_a_paid_month: fn(&mut Subscription) = |it| {
            it.status = Status::Canceled;
            it.ended_at = Some(at(3_000));
        };
        assert_eq!(of(canceled_after_a_paid_month), Some(TrialOutcome::Converted));
    }

    #[test]
    fn a_trial_an_operator_marked_as_used_is_over_and_one_never_had_is_none() {
        let mut account = Account::empty(crate::domain::UserId::parse("42").unwrap());
        assert_eq!(trial_outcome(&account), None);
        account.trial = Some(claim(10, None));
        assert_eq!(trial_outcome(&account), Some(TrialOutcome::Expired));
    }

    #[test]
    fn of_two_trials_begun_at_once_the_one_that_is_claimed_is_the_first() {
        let second = second_trial(&claim(10, Some("sub_a")), &trialing("sub_b", 10)).unwrap();
        assert_eq!((second.subscription.as_str(), second.first.unwrap().as_str()), ("sub_b", "sub_a"));
    }

    #[test]
    fn what_never_became_active_was_never_paid_whatever_its_periods_say() {
        for status in [Status::Incomplete, Status::IncompleteExpired, Status::Trialing] {
            let mut subscription = subscription("sub_a", status.clone());
            subscription.created_at = at(1_000);
            subscription.current_period_start_at = Some(at(3_000));
            assert!(!has_paid_period(&subscription), "{status:?}");
            subscription.status = Status::Unpaid;
            assert!(has_paid_period(&subscription));
        }
    }
}
