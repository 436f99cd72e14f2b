//! Products and prices, as the catalogue records keep them.

use super::{Currency, Interval, PriceId, ProductId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    pub id: ProductId,
    pub name: String,
    pub active: bool,
    /// Final: a deleted product never comes back.
    pub deleted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    pub id: PriceId,
    pub product: ProductId,
    pub active: bool,
    /// Nothing for prices with tiers or a custom amount.
    pub unit_amount_minor: Option<i64>,
    pub currency: Currency,
    /// Nothing for a one-off price.
    pub interval: Option<Interval>,
    pub lookup_key: Option<String>,
    /// Final: a deleted price never comes back.
    pub deleted: bool,
}

impl Price {
    /// Only an active, recurring price can be the choice of a subscription checkout.
    pub fn can_be_subscribed(&self) -> bool {
        self.active && !self.deleted && self.interval.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_active_recurring_price_can_be_subscribed_to() {
        let monthly = Some(Interval { unit: "month".to_owned(), count: 1 });
        for (active, deleted, interval, expected) in [
            (true, false, monthly.clone(), true),
            (false, false, monthly.clone(), false),
            (true, true, monthly.clone(), false),
            (false, true, monthly, false),
            (true, false, None, false),
        ] {
            let price = Price {
                id: PriceId::parse("price_1").unwrap(),
                product: ProductId::parse("prod_1").unwrap(),
                active,
                unit_amount_minor: Some(4990),
                currency: Currency::BRL,
                interval,
                lookup_key: None,
                deleted,
            };
            assert_eq!(price.can_be_subscribed(), expected, "{price:?}");
        }
    }
}
