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

    /// The open session that the same choice may be sent to again: not about to expire, and not older than a
    /// subscription, which may be what it became.
    pub fn reusable_checkout(&self, choice: &CheckoutChoice, now: Timestamp) -> Option<&CheckoutClaim> {
        const LEAST_LEFT_SECONDS: i64 = 120;
        let claim = self.checkout.as_ref().filter(|claim| !claim.is_closed && claim.choice == *choice)?;
        let has_time_left = claim.expires_at.as_second() - now.as_second() > LEAST_LEFT_SECONDS;
        let is_newest = self.subscriptions.iter().all(|subscription| subscription.created_at < claim.opened_at);
        let customer = self.customer.as_ref().and_then(|customer| customer.id.as_ref());
        let is_of_customer = customer.is_some() && claim.customer.as_ref() == customer;
        (has_time_left && is_newest && is_of_customer).then_some(claim)
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
    use crate::domain::{PaymentMethodId, Status, SubscriptionId};

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
}
