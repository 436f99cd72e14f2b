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
}

/// Without the personal fields: they must not reach a log.
impl fmt::Debug for Customer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Customer").field("id", &self.id).field("generation", &self.generation).finish_non_exhaustive()
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
    /// Grows with every session of the user; part of the idempotency key.
    pub attempt: u64,
}
