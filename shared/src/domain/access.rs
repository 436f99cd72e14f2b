//! May this user use the product now? The one decision behind the gate, the tower layer and `status`.

use jiff::{SignedDuration, Timestamp};

use super::{Account, Status, Subscription};

/// What the operator may set about access.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// How long `past_due` keeps access; nothing = as long as Stripe keeps trying.
    pub past_due_grace_days: Option<u32>,
}

/// The decision and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    Granted { status: Status },
    Denied(Denial),
}

/// Why not, as the 402 tells the front end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No subscription ever and the trial is still to be had.
    CheckoutRequired,
    /// No subscription, but the trial is spent.
    TrialUsed,
    /// There were subscriptions; none of them serves.
    SubscriptionRequired,
}

impl Access {
    pub fn is_granted(&self) -> bool {
        matches!(self, Access::Granted { .. })
    }
}

/// The best of all the user's subscriptions decides. A status this version does not know grants nothing.
pub fn decide(account: &Account, policy: Policy, now: Timestamp) -> Access {
    let rank = |status: &Status| match status {
        Status::Active => 3,
        Status::Trialing => 2,
        Status::PastDue => 1,
        _ => 0,
    };
    let best = account
        .subscriptions
        .iter()
        .filter(|subscription| !account.is_customer_deleted(&subscription.customer))
        .filter(|subscription| grants(subscription, policy, now))
        .max_by_key(|subscription| rank(&subscription.status));
    match best {
        Some(subscription) => Access::Granted { status: subscription.status.clone() },
        None if !account.subscriptions.is_empty() => Access::Denied(Denial::SubscriptionRequired),
        None if account.has_used_trial() => Access::Denied(Denial::TrialUsed),
        None => Access::Denied(Denial::CheckoutRequired),
    }
}

fn grants(subscription: &Subscription, policy: Policy, now: Timestamp) -> bool {
    match subscription.status {
        Status::Trialing | Status::Active => true,
        Status::PastDue => grace_ends_at(subscription, policy).is_none_or(|end| now < end),
        Status::Incomplete
        | Status::IncompleteExpired
        | Status::Canceled
        | Status::Unpaid
        | Status::Paused
        | Status::Unknown(_) => false,
    }
}

/// When a `past_due` subscription loses access: the start of the unpaid period plus the grace.
/// Nothing when it is not past due or the operator set no limit.
///
/// Stripe moves a subscription into the new period before it charges for it, so the current period is the unpaid one:
/// <https://docs.stripe.com/billing/subscriptions/overview#subscription-lifecycle>.
pub fn grace_ends_at(subscription: &Subscription, policy: Policy) -> Option<Timestamp> {
    if subscription.status != Status::PastDue {
        return None;
    }
    let grace = SignedDuration::from_hours(24 * i64::from(policy.past_due_grace_days?));
    // Without a period the unpaid time cannot be dated; the subscription's own start is the cautious choice.
    let unpaid_since = subscription.current_period_start_at.unwrap_or(subscription.created_at);
    Some(unpaid_since.checked_add(grace).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::subscription::tests::{any_subscription, subscription};
    use crate::domain::{SubscriptionId, TrialClaim, UserId};

    const DAY: i64 = 86_400;

    fn account(subscriptions: Vec<Subscription>) -> Account {
        Account { subscriptions, ..Account::empty(UserId::parse("42").unwrap()) }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_760_000_000).unwrap()
    }

    fn decided(account: &Account) -> Access {
        decide(account, Policy::default(), now())
    }

    #[test]
    fn a_newcomer_is_sent_to_checkout() {
        assert_eq!(decided(&account(vec![])), Access::Denied(Denial::CheckoutRequired));
    }

    #[test]
    fn a_spent_trial_without_a_subscription_is_told_so() {
        let mut account = account(vec![]);
        account.trial = Some(TrialClaim { first_trial_at: now(), subscription: SubscriptionId::parse("sub_1").ok() });
        assert_eq!(decided(&account), Access::Denied(Denial::TrialUsed));
    }

    #[test]
    fn of_several_subscriptions_the_best_is_named() {
        for (better, worse) in
            [(Status::Active, Status::Trialing), (Status::Trialing, Status::PastDue), (Status::Active, Status::PastDue)]
        {
            let (one, other) = (subscription("sub_1", better.clone()), subscription("sub_2", worse));
            for subscriptions in [vec![one.clone(), other.clone()], vec![other, one]] {
                assert_eq!(decided(&account(subscriptions)), Access::Granted { status: better.clone() });
            }
        }
    }

    #[test]
    fn each_status_grants_or_denies_as_the_contract_says() {
        for (status, granted) in [
            (Status::Trialing, true),
            (Status::Active, true),
            (Status::PastDue, true),
            (Status::Incomplete, false),
            (Status::IncompleteExpired, false),
            (Status::Canceled, false),
            (Status::Unpaid, false),
            (Status::Paused, false),
            (Status::Unknown("hibernating".into()), false),
        ] {
            let account = account(vec![subscription("sub_1", status.clone())]);
            let expected = if granted {
                Access::Granted { status: status.clone() }
            } else {
                Access::Denied(Denial::SubscriptionRequired)
            };
            assert_eq!(decided(&account), expected, "{status:?}");
        }
    }

    #[test]
    fn grace_ends_so_many_days_after_the_unpaid_period_began() {
        let policy = Policy { past_due_grace_days: Some(3) };
        let mut subscription = subscription("sub_1", Status::PastDue);
        subscription.current_period_start_at = Some(Timestamp::from_second(now().as_second() - 3 * DAY).unwrap());
        let account = account(vec![subscription.clone()]);
        assert_eq!(grace_ends_at(&subscription, policy), Some(now()));
        assert!(!decide(&account, policy, now()).is_granted());
        let a_second_before = Timestamp::from_second(now().as_second() - 1).unwrap();
        assert!(decide(&account, policy, a_second_before).is_granted());
    }

    proptest! {
        #[test]
        fn one_more_subscription_never_takes_access_away(
            subscriptions in prop::collection::vec(any_subscription(), 0..4),
            another in any_subscription(),
            grace in prop::option::of(0_u32..30),
        ) {
            let policy = Policy { past_due_grace_days: grace };
            let before = account(subscriptions.clone());
            let after = account([subscriptions, vec![another]].concat());
            if decide(&before, policy, now()).is_granted() {
                prop_assert!(decide(&after, policy, now()).is_granted());
            }
        }

        #[test]
        fn access_is_granted_exactly_when_one_subscription_alone_would(
            subscriptions in prop::collection::vec(any_subscription(), 0..5),
            grace in prop::option::of(0_u32..30),
        ) {
            let policy = Policy { past_due_grace_days: grace };
            let alone = subscriptions.iter().any(|one| decide(&account(vec![one.clone()]), policy, now()).is_granted());
            prop_assert_eq!(decide(&account(subscriptions), policy, now()).is_granted(), alone);
        }

        #[test]
        fn grace_once_over_stays_over(subscription in any_subscription(), days in 0_u32..30, later in 0_i64..DAY * 60) {
            let policy = Policy { past_due_grace_days: Some(days) };
            let account = account(vec![subscription]);
            let then = Timestamp::from_second(now().as_second() + later).unwrap();
            if !decide(&account, policy, now()).is_granted() {
                prop_assert!(!decide(&account, policy, then).is_granted());
            }
        }
    }
}
