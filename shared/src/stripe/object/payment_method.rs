//! <https://docs.stripe.com/api/payment_methods/object>

use serde_json::Value;

use super::ObjectError;
use super::view::View;
use crate::domain::{Card, CustomerId, PaymentMethodId};

/// A payment method as a card, and the customer it is attached to.
///
/// What is no card is shown by its type ("boleto", "link"), with the last four characters where its type has them.
/// Stripe writes a `customer` of null for a payment method that is detached and can never be used again.
pub fn payment_method(value: &Value) -> Result<(Card, Option<CustomerId>), ObjectError> {
    let view = View::of("payment_method", value)?;
    let kind = view.require("/type", view.text("/type"))?;
    let details = value.get(kind).unwrap_or(&Value::Null);
    let text = |field: &str| details.get(field).and_then(Value::as_str).map(str::to_owned);
    let card = Card {
        id: view.id(PaymentMethodId::parse)?,
        brand: text("brand").filter(|_| kind == "card").unwrap_or_else(|| kind.to_owned()),
        last4: text("last4").unwrap_or_default(),
        expiry_month: details.get("exp_month").and_then(Value::as_u64),
        expiry_year: details.get("exp_year").and_then(Value::as_u64),
        is_detached: value.get("customer") == Some(&Value::Null),
    };
    Ok((card, view.reference("/customer", CustomerId::parse)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn visa(customer: Value) -> Value {
        json!({"id": "pm_1", "object": "payment_method", "type": "card", "customer": customer,
               "billing_details": {"email": "ana@example.com"},
               "card": {"brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2030}})
    }

    #[test]
    fn a_card_shows_brand_digits_and_expiry() {
        let (card, customer) = payment_method(&visa(json!("cus_1"))).unwrap();
        assert_eq!((card.brand.as_str(), card.last4.as_str()), ("visa", "4242"));
        assert_eq!((card.expiry_month, card.expiry_year), (Some(4), Some(2030)));
        assert!(!card.is_detached);
        assert_eq!(customer.unwrap().as_str(), "cus_1");
    }

    #[test]
    fn a_card_of_no_customer_is_detached() {
        let (card, customer) = payment_method(&visa(Value::Null)).unwrap();
        assert!(card.is_detached);
        assert_eq!(customer, None);
    }

    #[test]
    fn what_is_no_card_is_shown_by_its_type() {
        for (value, brand, last4) in [
            (json!({"id": "pm_1", "type": "boleto", "boleto": {"tax_id": "000"}}), "boleto", ""),
            (json!({"id": "pm_1", "type": "link", "link": {"email": "ana@example.com"}}), "link", ""),
            (json!({"id": "pm_1", "type": "sepa_debit", "sepa_debit": {"last4": "3000"}}), "sepa_debit", "3000"),
            (json!({"id": "pm_1", "type": "card"}), "card", ""),
        ] {
            let (card, _) = payment_method(&value).unwrap();
            assert_eq!((card.brand.as_str(), card.last4.as_str()), (brand, last4), "{value}");
        }
    }

    #[test]
    fn what_is_needed_and_missing_is_named() {
        assert_eq!(payment_method(&json!({"id": "pm_1"})).unwrap_err().path, "/type");
        assert_eq!(payment_method(&json!({"type": "card"})).unwrap_err().path, "/id");
    }
}
