//! Everything known of one user, read with one query, and what follows from it.

use jiff::Timestamp;

use super::{
    Card, CheckoutChoice, CheckoutClaim, Customer, CustomerId, CustomerMirror, Subscription, TrialClaim, UserId,
};

/// The user's partition of the table.
#[derive(Clone, Debug)]
pub struct Account {
    pub user: UserId,
    pub customer: Option<Customer>,
    pub trial: Option<TrialClaim>,
    pub subscriptions: Vec<Subscription>,
    pub cards: Vec<Card>,
    /// What Stripe last said of the user's customers: one, unless an operator linked more.
    pub mirrors: Vec<CustomerMirror>,
    pub checkout: Option<CheckoutClaim>,
}

impl Account {
    /// A user of whom nothing is known.
    pub fn empty(user: UserId) -> Account {
        Account {
            user,
            customer: None,
            trial: None,
            subscriptions: Vec::new(),
            cards: Vec::new(),
            mirrors: Vec::new(),
            checkout: None,
        }
    }

    /// The subscription to show: the newest of those being served, else the newest of all.
    pub fn shown_subscription(&self) -> Option<&Subscription> {
        let newest = |subscription: &&Subscription| (subscription.created_at, subscription.id.clone());
        self.subscriptions
            .iter()
            .filter(|subscription| self.is_serving(subscription))
            .max_by_key(newest)
            .or_else(|| self.subscriptions.iter().max_by_key(newest))
    }

    /// Whether a subscription stands in the way of another checkout: one of a deleted customer serves nobody.
    pub fn is_serving(&self, subscription: &Subscription) -> bool {
        subscription.status.is_live() && !self.is_customer_deleted(&subscription.customer)
    }

    pub fn is_subscribed(&self) -> bool {
        self.subscriptions.iter().any(|subscription| self.is_serving(subscription))
    }

    pub fn has_used_trial(&self) -> bool {
        self.first_trial_at().is_some()
    }

    /// The start of the user's first trial: the earliest of the record and of every subscription that had one,
    /// so that the order in which Stripe's events arrived does not show.
    pub fn first_trial_at(&self) -> Option<Timestamp> {
        let of_record = self.trial.as_ref().map(|trial| trial.first_trial_at);
        self.subscriptions.iter().filter_map(|subscription| subscription.trial_start_at).chain(of_record).min()
    }

    /// One trial per user, for newcomers only.
    pub fn is_trial_eligible(&self) -> bool {
        !self.has_used_trial() && self.subscriptions.is_empty()
    }

    /// The card that pays for the subscription, when it is known.
    pub fn card_of(&self, subscription: &Subscription) -> Option<&Card> {
        let of_customer = || self.mirror(&subscription.customer)?.default_payment_method.as_ref();
        let wanted = subscription.default_payment_method.as_ref().or_else(of_customer)?;
        self.cards.iter().find(|card| card.id == *wanted && !card.is_detached)
    }

    /// The open session that the same choice may be sent to again: not about to expire, not ended for the sake of another
    /// choice, and not older than a subscription, which may be what it became.
    pub fn reusable_checkout(&self, choice: &CheckoutChoice, now: Timestamp) -> Option<&CheckoutClaim> {
        const LEAST_LEFT_SECONDS: i64 = 120;
        let claim = self.checkout.as_ref().filter(|claim| !claim.is_closed && claim.choice == *choice)?;
        let has_time_left = claim.expires_at.as_second() - now.as_second() > LEAST_LEFT_SECONDS;
        let is_newest = self.subscriptions.iter().all(|subscription| subscription.created_at < claim.opened_at);
        let customer = self.customer.as_ref().and_then(|customer| customer.id.as_ref());
        let is_of_customer = customer.is_some() && claim.customer.as_ref() == customer;
        // A session that could not be opened for another choice was preceded by the end of this one.
        let failures = self.customer.as_ref().map_or(0, |customer| customer.checkout_failures);
        let is_untouched = claim.failures_before == failures;
        (has_time_left && is_newest && is_of_customer && is_untouched).then_some(claim)
    }

    /// The session that may have become a subscription we have not heard of: paid, or run out of time unheard.
    pub fn unresolved_checkout(&self, now: Timestamp) -> Option<&CheckoutClaim> {
        let claim = self.checkout.as_ref()?;
        let may_be_paid = claim.is_paid || (!claim.is_closed && now >= claim.expires_at);
        // Our clock and Stripe's may differ a little.
        let opened_second = claim.opened_at.as_second() - 30;
        let is_on_record =
            self.subscriptions.iter().any(|subscription| subscription.created_at.as_second() >= opened_second);
        (may_be_paid && !is_on_record).then_some(claim)
    }

    fn mirror(&self, customer: &CustomerId) -> Option<&CustomerMirror> {
        self.mirrors.iter().find(|mirror| mirror.id == *customer)
    }

    /// Whether Stripe said that the customer was deleted: its subscriptions serve nobody.
    pub fn is_customer_deleted(&self, customer: &CustomerId) -> bool {
        self.mirror(customer).is_some_and(|mirror| mirror.is_deleted)
    }

    /// The customer whose portal serves the user: the one of the subscription shown, else the user's own.
    pub fn billing_customer(&self) -> Option<&CustomerId> {
        let of_subscription = self
            .shown_subscription()
            .filter(|subscription| self.is_serving(subscription))
            .map(|subscription| &subscription.customer);
        of_subscription.or_else(|| self.customer.as_ref().and_then(|customer| customer.id.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::subscription::tests::subscription;
    use crate::domain::{CheckoutSessionId, PaymentMethodId, PriceId, Status, SubscriptionId};

    fn account(subscriptions: Vec<Subscription>) -> Account {
        Account { subscriptions, ..Account::empty(UserId::parse("42").unwrap()) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_served_subscription_hides_a_newer_one_that_is_not() {
        let mut served = subscription("sub_served", Status::PastDue);
        served.created_at = at(1_000);
        let mut newer = subscription("sub_newer", Status::Canceled);
        newer.created_at = at(2_000);
        let account = account(vec![newer, served]);
        assert_eq!(account.shown_subscription().unwrap().id.as_str(), "sub_served");
    }

    #[test]
    fn one_served_subscription_makes_a_subscriber() {
        let of = |statuses: &[Status]| account(statuses.iter().map(|one| subscription("sub_1", one.clone())).collect());
        assert!(of(&[Status::Canceled, Status::PastDue]).is_subscribed());
        assert!(!of(&[Status::Canceled, Status::Unpaid]).is_subscribed() && !of(&[]).is_subscribed());
    }

    #[test]
    fn without_a_served_one_the_newest_is_shown() {
        let mut older = subscription("sub_older", Status::Canceled);
        older.created_at = at(1_000);
        let mut newer = subscription("sub_newer", Status::IncompleteExpired);
        newer.created_at = at(2_000);
        assert_eq!(account(vec![older, newer]).shown_subscription().unwrap().id.as_str(), "sub_newer");
    }

    #[test]
    fn the_first_trial_is_the_earliest_whatever_the_record_says() {
        let mut late = subscription("sub_b", Status::Trialing);
        late.trial_start_at = Some(at(20));
        let mut early = subscription("sub_a", Status::Canceled);
        early.trial_start_at = Some(at(10));
        let mut account = account(vec![late, early]);
        account.trial = Some(TrialClaim { first_trial_at: at(20), subscription: SubscriptionId::parse("sub_b").ok() });
        assert_eq!(account.first_trial_at(), Some(at(10)));
    }

    #[test]
    fn a_past_subscription_without_a_trial_still_ends_eligibility() {
        assert!(account(vec![]).is_trial_eligible());
        let account = account(vec![subscription("sub_a", Status::Canceled)]);
        assert!(!account.has_used_trial());
        assert!(!account.is_trial_eligible());
    }

    #[test]
    fn a_detached_card_is_never_shown() {
        let id = PaymentMethodId::parse("pm_1").unwrap();
        let mut subscription = subscription("sub_a", Status::Active);
        subscription.default_payment_method = Some(id.clone());
        let mut account = account(vec![subscription.clone()]);
        let card = Card {
            id,
            brand: "visa".into(),
            last4: "4242".into(),
            expiry_month: None,
            expiry_year: None,
            is_detached: false,
        };
        account.cards = vec![card.clone()];
        assert_eq!(account.card_of(&subscription), Some(&card));
        account.cards[0].is_detached = true;
        assert_eq!(account.card_of(&subscription), None);
    }

    fn claim(opened_at: i64, expires_at: i64) -> CheckoutClaim {
        CheckoutClaim {
            session: CheckoutSessionId::parse("cs_test_1").unwrap(),
            url: "https://checkout.stripe.com/c/pay".to_owned(),
            expires_at: at(expires_at),
            choice: CheckoutChoice {
                price: PriceId::parse("price_1").unwrap(),
                success_url: "https://app.example.com/s".to_owned(),
                cancel_url: "https://app.example.com/c".to_owned(),
                trial_days: Some(7),
            },
            opened_at: at(opened_at),
            attempt: 1,
            failures_before: 0,
            customer: CustomerId::parse("cus_1").ok(),
            is_paid: false,
            is_closed: false,
        }
    }

    /// A user with a customer and a session that was opened at 1,000 and expires at 10,000.
    fn with_session(change: impl FnOnce(&mut CheckoutClaim)) -> Account {
        let mut claim = claim(1_000, 10_000);
        change(&mut claim);
        let customer = Customer { id: CustomerId::parse("cus_1").ok(), ..Customer::default() };
        Account { checkout: Some(claim), customer: Some(customer), ..account(vec![]) }
    }

    fn is_reused(account: &Account, now: i64) -> bool {
        account.reusable_checkout(&claim(1_000, 10_000).choice, at(now)).is_some()
    }

    #[test]
    fn an_open_session_is_reused_for_the_same_choice_until_two_minutes_before_its_end() {
        let open = with_session(|_| {});
        for (now, expected) in [(1_000, true), (9_879, true), (9_880, false), (20_000, false)] {
            assert_eq!(is_reused(&open, now), expected, "{now}");
        }
        assert!(!is_reused(&with_session(|claim| claim.is_closed = true), 2_000));
        assert!(!is_reused(&with_session(|claim| claim.choice.trial_days = None), 2_000));
        assert!(!is_reused(&account(vec![]), 2_000));
    }

    #[test]
    fn a_session_of_another_customer_or_of_none_is_not_reused() {
        assert!(!is_reused(&with_session(|claim| claim.customer = CustomerId::parse("cus_2").ok()), 2_000));
        let mut nobody = with_session(|claim| claim.customer = None);
        nobody.customer = None;
        assert!(!is_reused(&nobody, 2_000));
    }

    #[test]
    fn a_session_older_than_a_subscription_is_not_reused() {
        for (created_at, expected) in [(999, true), (1_000, false), (1_001, false)] {
            let mut account = with_session(|_| {});
            account.subscriptions = vec![subscription("sub_1", Status::Canceled)];
            account.subscriptions[0].created_at = at(created_at);
            assert_eq!(is_reused(&account, 2_000), expected, "{created_at}");
        }
    }

    #[test]
    fn a_session_that_was_paid_or_ran_out_unheard_may_have_become_a_subscription() {
        let is_unresolved = |account: &Account, now: i64| account.unresolved_checkout(at(now)).is_some();
        for (is_paid, is_closed, now, expected) in [
            (false, false, 9_999, false),
            (false, false, 10_000, true),
            (false, true, 10_000, false),
            (true, true, 2_000, true),
            (true, false, 2_000, true),
        ] {
            let account = with_session(|claim| (claim.is_paid, claim.is_closed) = (is_paid, is_closed));
            assert_eq!(is_unresolved(&account, now), expected, "{is_paid} {is_closed} {now}");
        }
        // It is on record when a subscription is that may be its own: clocks differ by half a minute.
        for (created_at, expected) in [(969, true), (970, false), (1_500, false)] {
            let mut account = with_session(|claim| claim.is_paid = true);
            account.subscriptions = vec![subscription("sub_1", Status::Active)];
            account.subscriptions[0].created_at = at(created_at);
            assert_eq!(is_unresolved(&account, 2_000), expected, "{created_at}");
        }
        assert!(!is_unresolved(&account(vec![]), 20_000));
    }

    #[test]
    fn a_customer_is_deleted_when_its_own_record_says_so() {
        let mirror = |id: &str, is_deleted: bool| CustomerMirror {
            id: CustomerId::parse(id).unwrap(),
            email: None,
            name: None,
            default_payment_method: None,
            is_deleted,
        };
        let account = Account { mirrors: vec![mirror("cus_gone", true), mirror("cus_here", false)], ..account(vec![]) };
        let is_deleted = |id: &str| account.is_customer_deleted(&CustomerId::parse(id).unwrap());
        assert!(is_deleted("cus_gone"));
        assert!(!is_deleted("cus_here") && !is_deleted("cus_unheard_of"));
    }

    #[test]
    fn the_portal_is_of_the_customer_who_pays_else_of_the_users_own() {
        let mut account = with_session(|_| {});
        assert_eq!(account.billing_customer().unwrap().as_str(), "cus_1");
        let paying = |status: Status| {
            let mut subscription = subscription("sub_1", status);
            subscription.customer = CustomerId::parse("cus_pays").unwrap();
            vec![subscription]
        };
        account.subscriptions = paying(Status::Active);
        assert_eq!(account.billing_customer().unwrap().as_str(), "cus_pays");
        account.subscriptions = paying(Status::Canceled);
        assert_eq!(account.billing_customer().unwrap().as_str(), "cus_1");
        account.customer = None;
        assert_eq!(account.billing_customer(), None);
    }
}
