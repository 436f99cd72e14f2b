//! Names of things: a `CustomerId` is not a `UserId` is not a string.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The text is not such an id. Holds the kind, never the text: it may be an attacker's.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("not a {0}")]
pub struct InvalidId(pub &'static str);

/// Stripe ids are up to 255 characters: <https://docs.stripe.com/upgrades#what-changes-does-stripe-consider-to-be-backward-compatible>.
const STRIPE_ID_MAX_CHARS: usize = 255;

fn is_stripe_id(text: &str, prefixes: &[&str]) -> bool {
    text.len() <= STRIPE_ID_MAX_CHARS
        && prefixes.iter().any(|prefix| text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()))
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Half of what a sort key of DynamoDB may have, the name of its kind included.
const MERCHANT_ID_MAX_BYTES: usize = 512;

/// Customers, products and prices may carry ids a merchant chose: before the API version 2018-05-21 of any characters, such
/// as `Pro plan $699/month`. So only their length and printability are checked.
fn is_merchant_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MERCHANT_ID_MAX_BYTES
        && text.chars().count() <= STRIPE_ID_MAX_CHARS
        && !text.chars().any(char::is_control)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err(InvalidId($kind)) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

id!(
    /// The merchant's own user, as the token's `user_id` names it: 1 to 128 characters, none of them a control
    /// character. The number 42 and the text "42" are one user.
    UserId,
    "user id",
    |text| !text.is_empty() && text.chars().count() <= 128 && !text.chars().any(char::is_control)
);
id!(CustomerId, "customer id", is_merchant_id);
id!(ProductId, "product id", is_merchant_id);
id!(PriceId, "price id", is_merchant_id);
id!(SubscriptionId, "subscription id", |text| is_stripe_id(text, &["sub_"]));
id!(EventId, "event id", |text| is_stripe_id(text, &["evt_"]));
id!(InvoiceId, "invoice id", |text| is_stripe_id(text, &["in_"]));
id!(EndpointId, "webhook endpoint id", |text| is_stripe_id(text, &["we_"]));
id!(
    /// `pm_…`, or a card or source of the older APIs that Stripe accepts in the same places.
    PaymentMethodId,
    "payment method id",
    |text| is_stripe_id(text, &["pm_", "card_", "src_", "ba_"])
);
id!(CheckoutSessionId, "checkout session id", |text| is_stripe_id(text, &["cs_test_", "cs_live_"]));

impl CheckoutSessionId {
    /// Session ids say their mode: `cs_test_…` or `cs_live_…`.
    pub fn is_live(&self) -> bool {
        self.0.starts_with("cs_live_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_another_kind_is_refused() {
        assert_eq!(SubscriptionId::parse("cus_1"), Err(InvalidId("subscription id")));
        assert!(SubscriptionId::parse("sub_1").is_ok());
        assert!(SubscriptionId::parse("sub_").is_err());
    }

    #[test]
    fn key_separators_slashes_and_excess_length_are_refused() {
        for text in ["sub_a#b", "sub_a/b", "sub_é", "sub_ ", "sub_a\n"] {
            assert!(SubscriptionId::parse(text).is_err(), "{text:?}");
        }
        assert!(SubscriptionId::parse(format!("sub_{}", "a".repeat(251))).is_ok());
        assert!(SubscriptionId::parse(format!("sub_{}", "a".repeat(252))).is_err());
    }

    #[test]
    fn an_id_that_a_merchant_chose_may_be_of_any_characters_that_show() {
        for text in ["Pro plan $699/month", "plano básico", "gold", "a#b/c"] {
            assert!(PriceId::parse(text).is_ok() && ProductId::parse(text).is_ok(), "{text:?}");
        }
        for text in ["", "a\n", "a\u{0}", &"a".repeat(256), &"€".repeat(200)] {
            assert!(PriceId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn user_ids_are_one_to_128_characters() {
        assert!(UserId::parse("").is_err());
        assert!(UserId::parse("é".repeat(128)).is_ok());
        assert!(UserId::parse("a".repeat(129)).is_err());
        assert!(UserId::parse("a\u{0}").is_err());
    }

    #[test]
    fn a_session_id_says_its_mode() {
        assert!(CheckoutSessionId::parse("cs_live_1").unwrap().is_live());
        assert!(!CheckoutSessionId::parse("cs_test_1").unwrap().is_live());
    }
}
