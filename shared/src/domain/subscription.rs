//! A subscription as Stripe last showed it to us.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Currency, CustomerId, Money, PaymentMethodId, PriceId, ProductId, SubscriptionId};

/// Stripe's subscription statuses: <https://docs.stripe.com/api/subscriptions/object#subscription_object-status>.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Status {
    Incomplete,
    IncompleteExpired,
    Trialing,
    Active,
    PastDue,
    Canceled,
    Unpaid,
    Paused,
    /// A status this version does not know. Gives no access; whoever meets it logs ERROR.
    Unknown(String),
}

impl Status {
    pub fn as_str(&self) -> &str {
        match self {
            Status::Incomplete => "incomplete",
            Status::IncompleteExpired => "incomplete_expired",
            Status::Trialing => "trialing",
            Status::Active => "active",
            Status::PastDue => "past_due",
            Status::Canceled => "canceled",
            Status::Unpaid => "unpaid",
            Status::Paused => "paused",
            Status::Unknown(text) => text,
        }
    }

    /// The three statuses of a customer who is being served: they hide every other and forbid a second checkout.
    pub fn is_live(&self) -> bool {
        matches!(self, Status::Trialing | Status::Active | Status::PastDue)
    }

    /// Statuses Stripe never leaves again.
    pub fn is_final(&self) -> bool {
        matches!(self, Status::Canceled | Status::IncompleteExpired)
    }

    /// The customer has to do something before the subscription serves them.
    pub fn requires_action(&self) -> bool {
        matches!(self, Status::Incomplete | Status::IncompleteExpired | Status::Unpaid)
    }
}

impl From<String> for Status {
    fn from(text: String) -> Status {
        match text.as_str() {
            "incomplete" => Status::Incomplete,
            "incomplete_expired" => Status::IncompleteExpired,
            "trialing" => Status::Trialing,
            "active" => Status::Active,
            "past_due" => Status::PastDue,
            "canceled" => Status::Canceled,
            "unpaid" => Status::Unpaid,
            "paused" => Status::Paused,
            _ => Status::Unknown(text),
        }
    }
}

impl From<Status> for String {
    fn from(status: Status) -> String {
        status.as_str().to_owned()
    }
}

/// How often a price is charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// `day`, `week`, `month` or `year`.
    pub unit: String,
    pub count: u64,
}

/// What we keep of a subscription. Times are UTC instants in whole seconds; `amount_minor` is per period,
/// unit amount times quantity, summed over the items of the first item's currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub customer: CustomerId,
    pub status: Status,
    pub created_at: Timestamp,
    pub price: Option<PriceId>,
    pub product: Option<ProductId>,
    pub amount_minor: i64,
    pub currency: Option<Currency>,
    pub interval: Option<Interval>,
    pub trial_start_at: Option<Timestamp>,
    pub trial_end_at: Option<Timestamp>,
    pub current_period_start_at: Option<Timestamp>,
    pub current_period_end_at: Option<Timestamp>,
    pub cancel_at: Option<Timestamp>,
    pub cancel_at_period_end: bool,
    pub canceled_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub default_payment_method: Option<PaymentMethodId>,
}

impl Subscription {
    /// The amount per period; nothing when Stripe sent no price.
    pub fn price_money(&self) -> Option<Money> {
        self.currency.map(|currency| Money { amount_minor: self.amount_minor, currency })
    }

    /// Whether the subscription will end by itself: Stripe says so in either of two ways.
    pub fn will_cancel(&self) -> bool {
        self.cancel_at_period_end || self.cancel_at.is_some()
    }

    /// When the running period ends; while trialing that is the trial's end.
    pub fn period_end_at(&self) -> Option<Timestamp> {
        match self.status {
            Status::Trialing => self.trial_end_at.or(self.current_period_end_at),
            _ => self.current_period_end_at,
        }
    }

    /// Whole days until the period ends, rounded up, never below 0; nothing without an end.
    pub fn days_until_renewal(&self, now: Timestamp) -> Option<i64> {
        const DAY_SECONDS: i64 = 86_400;
        let seconds_left = self.period_end_at()?.as_second() - now.as_second();
        Some(if seconds_left <= 0 { 0 } else { (seconds_left + DAY_SECONDS - 1) / DAY_SECONDS })
    }

    /// A subscription that ever had a trial spends its user's one trial.
    pub fn had_trial(&self) -> bool {
        self.trial_start_at.is_some()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A monthly BRL 49.90 subscription, created at a fixed instant.
    pub(crate) fn subscription(id: &str, status: Status) -> Subscription {
        let created_at = Timestamp::from_second(1_759_000_000).unwrap();
        Subscription {
            id: SubscriptionId::parse(id).unwrap(),
            customer: CustomerId::parse("cus_1").unwrap(),
            status,
            created_at,
            price: PriceId::parse("price_1").ok(),
            product: ProductId::parse("prod_1").ok(),
            amount_minor: 4990,
            currency: Some(Currency::BRL),
            interval: Some(Interval { unit: "month".into(), count: 1 }),
            trial_start_at: None,
            trial_end_at: None,
            current_period_start_at: Some(created_at),
            current_period_end_at: Timestamp::from_second(1_761_592_000).ok(),
            cancel_at: None,
            cancel_at_period_end: false,
            canceled_at: None,
            ended_at: None,
            default_payment_method: None,
        }
    }

    /// Any status, with a period that began within 40 days of a fixed instant.
    pub(crate) fn any_subscription() -> impl Strategy<Value = Subscription> {
        let statuses = [
            "incomplete",
            "incomplete_expired",
            "trialing",
            "active",
            "past_due",
            "canceled",
            "unpaid",
            "paused",
            "new",
        ];
        let status = prop::sample::select(statuses.to_vec());
        (status, "[a-z]{6}", 1_756_600_000_i64..1_760_000_000).prop_map(|(status, id, period_start)| {
            let mut any = subscription(&format!("sub_{id}"), Status::from(status.to_owned()));
            any.current_period_start_at = Timestamp::from_second(period_start).ok();
            any
        })
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn days_are_rounded_up_and_never_negative() {
        let mut subscription = subscription("sub_1", Status::Active);
        subscription.current_period_end_at = Some(at(7 * 86_400));
        assert_eq!(subscription.days_until_renewal(at(0)), Some(7));
        assert_eq!(subscription.days_until_renewal(at(1)), Some(7));
        assert_eq!(subscription.days_until_renewal(at(86_400)), Some(6));
        assert_eq!(subscription.days_until_renewal(at(8 * 86_400)), Some(0));
        subscription.current_period_end_at = None;
        assert_eq!(subscription.days_until_renewal(at(0)), None);
    }

    #[test]
    fn each_status_of_stripe_is_known_by_its_word() {
        for (word, status, is_final, requires_action) in [
            ("incomplete", Status::Incomplete, false, true),
            ("incomplete_expired", Status::IncompleteExpired, true, true),
            ("trialing", Status::Trialing, false, false),
            ("active", Status::Active, false, false),
            ("past_due", Status::PastDue, false, false),
            ("canceled", Status::Canceled, true, false),
            ("unpaid", Status::Unpaid, false, true),
            ("paused", Status::Paused, false, false),
            ("galactic", Status::Unknown("galactic".to_owned()), false, false),
        ] {
            let read = Status::from(word.to_owned());
            assert_eq!(
                (&read, read.is_final(), read.requires_action()),
                (&status, is_final, requires_action),
                "{word}"
            );
        }
    }

    #[test]
    fn a_start_makes_a_trial_and_a_currency_a_price() {
        let mut subscription = subscription("sub_1", Status::Active);
        assert!(!subscription.had_trial());
        subscription.trial_start_at = Some(at(0));
        assert!(subscription.had_trial());
        assert_eq!(subscription.price_money(), Some(Money { amount_minor: 4990, currency: Currency::BRL }));
        subscription.currency = None;
        assert_eq!(subscription.price_money(), None);
    }

    #[test]
    fn while_trialing_the_period_ends_with_the_trial() {
        let mut subscription = subscription("sub_1", Status::Trialing);
        subscription.trial_end_at = Some(at(5));
        assert_eq!(subscription.period_end_at(), Some(at(5)));
        subscription.status = Status::Active;
        assert_eq!(subscription.period_end_at(), subscription.current_period_end_at);
    }

    #[test]
    fn a_date_to_cancel_at_counts_as_canceling() {
        let mut subscription = subscription("sub_1", Status::Active);
        assert!(!subscription.will_cancel());
        subscription.cancel_at = Some(at(5));
        assert!(subscription.will_cancel());
    }

    proptest! {
        #[test]
        fn every_status_text_survives_the_round_trip(text in "[a-z_]{0,30}") {
            prop_assert_eq!(String::from(Status::from(text.clone())), text);
        }

        #[test]
        fn days_left_never_grow_as_time_passes(end in 0_i64..10_000_000, now in 0_i64..10_000_000, later in 0_i64..1_000_000) {
            let mut subscription = subscription("sub_1", Status::Active);
            subscription.current_period_end_at = Some(at(end));
            prop_assert!(subscription.days_until_renewal(at(now + later)) <= subscription.days_until_renewal(at(now)));
        }
    }
}
