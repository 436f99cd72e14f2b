//! Amounts: integers in a currency's minor unit, shown in major units only at the edge.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A three-letter currency code, upper case ("BRL").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// Currencies without a minor unit: <https://docs.stripe.com/currencies#zero-decimal>.
/// ISK and UGX are absent: Stripe keeps them as two-decimal for backward compatibility.
const ZERO_DECIMAL: [&str; 15] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];
/// Currencies with a thousandth: <https://docs.stripe.com/currencies#three-decimal>.
const THREE_DECIMAL: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

impl Currency {
    pub const BRL: Currency = Currency(*b"BRL");

    /// Accepts any case; Stripe writes lower case.
    pub fn parse(text: &str) -> Option<Currency> {
        let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphabetic).then(|| Currency(bytes.map(|byte| byte.to_ascii_uppercase())))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency is three ASCII letters")
    }

    /// How many decimals the major unit has in Stripe's amounts.
    pub fn decimals(&self) -> u32 {
        if ZERO_DECIMAL.contains(&self.as_str()) {
            0
        } else if THREE_DECIMAL.contains(&self.as_str()) {
            3
        } else {
            2
        }
    }

    fn symbol(&self) -> &str {
        match self.as_str() {
            "BRL" => "R$",
            "USD" => "US$",
            "EUR" => "€",
            code => code,
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl TryFrom<String> for Currency {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Currency::parse(&text).ok_or_else(|| "not a currency".to_owned())
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.as_str().to_owned()
    }
}

/// An amount in the currency's minor unit (centavos for BRL, yen for JPY).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    pub amount_minor: i64,
    pub currency: Currency,
}

impl Money {
    /// The amount as a decimal text in major units: "49.90", "500", "1.234".
    pub fn major_text(&self) -> String {
        let decimals = self.currency.decimals();
        let scale = 10_u64.pow(decimals);
        let magnitude = self.amount_minor.unsigned_abs();
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        if decimals == 0 {
            return format!("{sign}{magnitude}");
        }
        let width = decimals as usize;
        format!("{sign}{}.{:0width$}", magnitude / scale, magnitude % scale)
    }

    /// The amount in major units as the JSON number a front end expects.
    pub fn major_number(&self) -> f64 {
        self.major_text().parse().expect("a decimal text is a number")
    }
}

/// "R$ 49.90": as the log lines and the operator's output write it.
impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.currency.symbol(), self.major_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn money(amount_minor: i64, currency: &str) -> Money {
        Money { amount_minor, currency: Currency::parse(currency).unwrap() }
    }

    #[test]
    fn amounts_are_right_for_two_zero_and_three_decimals() {
        assert_eq!(money(4990, "brl").to_string(), "R$ 49.90");
        assert_eq!(money(4990, "brl").major_number(), 49.90);
        assert_eq!(money(500, "jpy").to_string(), "JPY 500");
        assert_eq!(money(1234, "kwd").major_text(), "1.234");
        assert_eq!(money(-5, "brl").major_text(), "-0.05");
        assert_eq!(money(0, "brl").major_text(), "0.00");
        assert_eq!(money(i64::MIN, "brl").major_text(), "-92233720368547758.08");
    }

    #[test]
    fn a_currency_is_written_in_capitals() {
        let euro = Currency::parse("eur").unwrap();
        assert_eq!((format!("{euro:?}").as_str(), String::from(euro).as_str()), ("EUR", "EUR"));
    }

    #[test]
    fn what_is_not_three_letters_is_no_currency() {
        for text in ["", "br", "brlx", "b1l", "é€"] {
            assert!(Currency::parse(text).is_none(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_text_in_major_units_scales_back_to_the_minor_amount(amount in any::<i64>(), code in "BRL|JPY|KWD") {
            let digits: String = money(amount, &code).major_text().chars().filter(|c| *c != '.').collect();
            prop_assert_eq!(digits.parse::<i64>().unwrap(), amount);
        }
    }
}
