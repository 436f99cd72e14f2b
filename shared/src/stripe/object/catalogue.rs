//! <https://docs.stripe.com/api/prices/object> and <https://docs.stripe.com/api/products/object>

use serde_json::Value;

use super::view::View;
use super::{ObjectError, is_deleted};
use crate::domain::{Interval, Price, PriceId, Product, ProductId};

/// A deleted price is not active.
pub fn price(value: &Value) -> Result<Price, ObjectError> {
    let view = View::of("price", value)?;
    let interval = match view.owned_text("/recurring/interval") {
        Some(unit) => Some(Interval { unit, count: view.count("/recurring/interval_count")?.unwrap_or(1) }),
        None => None,
    };
    Ok(Price {
        id: view.id(PriceId::parse)?,
        product: view.require("/product", view.reference("/product", ProductId::parse)?)?,
        active: view.flag("/active")? && !is_deleted(value),
        unit_amount_minor: view.integer("/unit_amount")?,
        currency: view.require("/currency", view.currency("/currency"))?,
        interval,
        lookup_key: view.owned_text("/lookup_key"),
        deleted: is_deleted(value),
    })
}

/// A deleted product is not active; of one that Stripe sends as a bare stub the name is empty.
pub fn product(value: &Value) -> Result<Product, ObjectError> {
    let view = View::of("product", value)?;
    let name = view.owned_text("/name");
    Ok(Product {
        id: view.id(ProductId::parse)?,
        name: if is_deleted(value) { name.unwrap_or_default() } else { view.require("/name", name)? },
        active: view.flag("/active")? && !is_deleted(value),
        deleted: is_deleted(value),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Currency;

    fn monthly() -> Value {
        json!({"id": "price_1", "object": "price", "active": true, "product": "prod_1", "unit_amount": 4990,
               "currency": "brl", "lookup_key": "premium", "type": "recurring",
               "recurring": {"interval": "month", "interval_count": 3}})
    }

    #[test]
    fn a_recurring_price_can_be_subscribed() {
        let read = price(&monthly()).unwrap();
        assert!(read.can_be_subscribed());
        assert_eq!((read.unit_amount_minor, read.currency), (Some(4990), Currency::BRL));
        assert_eq!(read.interval, Some(Interval { unit: "month".into(), count: 3 }));
        assert_eq!((read.product.as_str(), read.lookup_key.as_deref()), ("prod_1", Some("premium")));
    }

    #[test]
    fn one_off_tiered_and_deleted_prices_are_read_as_such() {
        let mut value = monthly();
        value["recurring"] = Value::Null;
        value["unit_amount"] = Value::Null;
        value["product"] = json!({"id": "prod_1", "object": "product"});
        let read = price(&value).unwrap();
        assert_eq!((read.interval.clone(), read.unit_amount_minor), (None, None));
        assert!(!read.can_be_subscribed());
        value["deleted"] = json!(true);
        assert!(!price(&value).unwrap().active);
    }

    #[test]
    fn a_deleted_product_is_not_active() {
        let whole = json!({"id": "prod_1", "object": "product", "active": true, "name": "CaixaHub Premium"});
        let read = product(&whole).unwrap();
        assert_eq!((read.name.as_str(), read.active), ("CaixaHub Premium", true));
        let stub = product(&json!({"id": "prod_1", "object": "product", "deleted": true})).unwrap();
        assert_eq!((stub.name.as_str(), stub.active), ("", false));
    }

    #[test]
    fn what_is_needed_and_missing_is_named() {
        for field in ["id", "product", "currency"] {
            let mut value = monthly();
            value[field] = Value::Null;
            assert_eq!(price(&value).unwrap_err().path, format!("/{field}"));
        }
        assert_eq!(product(&json!({"id": "prod_1"})).unwrap_err().path, "/name");
    }
}
