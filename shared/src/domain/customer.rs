//! The user's Stripe customer, card and open checkout.

use std::fmt;

use jiff::Timestamp;

use super::{CheckoutSessionId, CustomerId, PaymentMethodId, PriceId};

/// What is kept of a user's customer. `id` is nothing while the customer is being created.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Customer {
    pub id: Option<CustomerId>,
    pub email: Option<String>,
    pub name: Option<String>,
    /// The price in the token when the user was first seen.
    pub signup_price: Option<PriceId>,
    pub acquisition_angle: Option<String>,
    /// Grows each time the user needs a new customer, because the old one was deleted at Stripe.
    pub generation: u64,
    /// When the creation of the customer was begun, while `id` is nothing.
    pub creating_since: Option<Timestamp>,
    /// How many creations Stripe answered with a failure: part of the idempotency key, since Stripe replays failures.
    pub creation_attempt: u64,
    /// How many sessions Stripe failed to open: part of the next one's idempotency key, for the same reason.
    pub checkout_failures: u64,
}

/// Without the personal fields: they must not reach a log.
impl fmt::Debug for Customer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Customer")
            .field("id", &self.id)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// A customer as Stripe last showed it.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerMirror {
    pub id: CustomerId,
    pub email: Option<String>,
    pub name: Option<String>,
    /// `invoice_settings.default_payment_method`: charged by subscriptions that name none.
    pub default_payment_method: Option<PaymentMethodId>,
    /// Final: a deleted customer never comes back.
    pub is_deleted: bool,
}

/// Without the personal fields: they must not reach a log.
impl fmt::Debug for CustomerMirror {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CustomerMirror")
            .field("id", &self.id)
            .field("is_deleted", &self.is_deleted)
            .finish_non_exhaustive()
    }
}

/// A card as the settings page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub id: PaymentMethodId,
    pub brand: String,
    pub last4: String,
    pub expiry_month: Option<u64>,
    pub expiry_year: Option<u64>,
    /// Detached cards are kept, so that an event that comes late cannot bring one back, and never shown.
    pub is_detached: bool,
}

/// What the user chose: two checkouts with the same choice are one checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutChoice {
    pub price: PriceId,
    pub success_url: String,
    pub cancel_url: String,
    /// Days of trial the session offers; nothing for a user whose trial is spent.
    pub trial_days: Option<u32>,
}

/// The user's one open session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutClaim {
    pub session: CheckoutSessionId,
    pub url: String,
    pub expires_at: Timestamp,
    pub choice: CheckoutChoice,
    /// When the session was opened: a subscription that came later makes it a thing of the past.
    pub opened_at: Timestamp,
    /// Grows with every session of the user; part of the idempotency key.
    pub attempt: u64,
    /// The user's [`Customer::checkout_failures`] when it was claimed.
    pub failures_before: u64,
    /// The customer it was opened for.
    pub customer: Option<CustomerId>,
    /// It was paid: it became a subscription, whether or not that one is on record yet.
    pub is_paid: bool,
    /// Paid, expired or given up: kept for its `attempt`.
    pub is_closed: bool,
}

impl CheckoutClaim {
    /// Whether the session may still be open at Stripe.
    pub fn may_be_open(&self, now: Timestamp) -> bool {
        !self.is_closed && now < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_may_be_open_until_it_is_closed_or_expires() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut claim = CheckoutClaim {
            session: CheckoutSessionId::parse("cs_test_1").unwrap(),
            url: String::new(),
            expires_at: at(100),
            choice: CheckoutChoice {
                price: PriceId::parse("price_1").unwrap(),
                success_url: String::new(),
                cancel_url: String::new(),
                trial_days: None,
            },
            opened_at: at(0),
            attempt: 1,
            failures_before: 0,
            customer: None,
            is_paid: false,
            is_closed: false,
        };
        assert!(claim.may_be_open(at(99)));
        assert!(!claim.may_be_open(at(100)) && !claim.may_be_open(at(101)));
        claim.is_closed = true;
        assert!(!claim.may_be_open(at(99)) && !claim.may_be_open(at(101)));
    }

    #[test]
    fn debug_shows_ids_and_nobodys_name_or_address() {
        let (email, name) = (Some("canary@example.com".to_owned()), Some("Canary Silva".to_owned()));
        let id = CustomerId::parse("cus_1").unwrap();
        let mirror = CustomerMirror {
            id: id.clone(),
            email: email.clone(),
            name: name.clone(),
            default_payment_method: None,
            is_deleted: true,
        };
        let customer = Customer { id: Some(id), email, name, ..Customer::default() };
        for shown in [format!("{mirror:?}"), format!("{customer:?}")] {
            assert!(shown.contains("cus_1") && !shown.to_lowercase().contains("canary"), "{shown}");
        }
    }
}
