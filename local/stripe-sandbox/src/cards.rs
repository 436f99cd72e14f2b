//! Stripe's test cards: what each number and each test token does.

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;

/// How a card answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Behaviour {
    Pays,
    /// Can be saved, then fails every charge.
    FailsLater,
    Declines,
    NoFunds,
    /// The cardholder must confirm once.
    Authenticates,
}

/// A test card of Stripe's list.
#[derive(Debug)]
pub(crate) struct TestCard {
    pub number: &'static str,
    pub token: &'static str,
    pub brand: &'static str,
    pub behaviour: Behaviour,
}

pub(crate) const TEST_CARDS: [TestCard; 7] = [
    TestCard { number: "4242424242424242", token: "pm_card_visa", brand: "visa", behaviour: Behaviour::Pays },
    TestCard {
        number: "5555555555554444",
        token: "pm_card_mastercard",
        brand: "mastercard",
        behaviour: Behaviour::Pays,
    },
    TestCard { number: "378282246310005", token: "pm_card_amex", brand: "amex", behaviour: Behaviour::Pays },
    TestCard {
        number: "4000000000000341",
        token: "pm_card_chargeCustomerFail",
        brand: "visa",
        behaviour: Behaviour::FailsLater,
    },
    TestCard {
        number: "4000000000000002",
        token: "pm_card_visa_chargeDeclined",
        brand: "visa",
        behaviour: Behaviour::Declines,
    },
    TestCard {
        number: "4000000000009995",
        token: "pm_card_visa_chargeDeclinedInsufficientFunds",
        brand: "visa",
        behaviour: Behaviour::NoFunds,
    },
    TestCard {
        number: "4000002500003155",
        token: "pm_card_authenticationRequired",
        brand: "visa",
        behaviour: Behaviour::Authenticates,
    },
];

/// Other spellings of the same cards.
const ALIASES: [(&str, &str); 6] = [
    ("pm_card_chargeDeclined", "4000000000000002"),
    ("pm_card_chargeDeclinedInsufficientFunds", "4000000000009995"),
    ("tok_visa", "4242424242424242"),
    ("tok_mastercard", "5555555555554444"),
    ("tok_amex", "378282246310005"),
    ("tok_chargeCustomerFail", "4000000000000341"),
];

/// What the sandbox remembers of a payment method's card.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredCard {
    pub number: String,
    pub is_authenticated: bool,
}

/// The test card of a number, spaces and dashes allowed.
pub(crate) fn by_number(number: &str) -> Option<&'static TestCard> {
    let digits: String = number.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    TEST_CARDS.iter().find(|card| card.number == digits)
}

/// The test card behind a token such as `pm_card_visa`.
pub(crate) fn by_token(token: &str) -> Option<&'static TestCard> {
    let alias = ALIASES.iter().find(|(name, _)| *name == token).and_then(|(_, number)| by_number(number));
    alias.or_else(|| TEST_CARDS.iter().find(|card| card.token == token))
}

impl TestCard {
    pub fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }

    /// What happens when the card is saved, or charged with its holder present.
    pub fn first_use(&self, charges: bool, is_authenticated: bool) -> Result<(), ApiError> {
        match self.behaviour {
            Behaviour::Pays => Ok(()),
            Behaviour::FailsLater if !charges => Ok(()),
            Behaviour::FailsLater | Behaviour::Declines => Err(declined()),
            Behaviour::NoFunds => Err(no_funds()),
            Behaviour::Authenticates if is_authenticated => Ok(()),
            Behaviour::Authenticates => Err(needs_authentication()),
        }
    }
}

impl StoredCard {
    pub fn new(card: &TestCard, is_authenticated: bool) -> Self {
        Self { number: card.number.to_owned(), is_authenticated }
    }

    /// What happens when Stripe charges it.
    pub fn charge(&self) -> Result<(), ApiError> {
        match by_number(&self.number) {
            Some(card) => card.first_use(true, self.is_authenticated),
            None => Err(declined()),
        }
    }
}

fn declined() -> ApiError {
    ApiError::declined("card_declined", Some("generic_decline"), "Your card was declined.")
}

fn no_funds() -> ApiError {
    ApiError::declined("card_declined", Some("insufficient_funds"), "Your card has insufficient funds.")
}

fn needs_authentication() -> ApiError {
    let message = "Your card was declined. This transaction requires authentication.";
    ApiError::declined("authentication_required", Some("authentication_required"), message)
}
