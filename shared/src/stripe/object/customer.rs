//! <https://docs.stripe.com/api/customers/object>

use serde_json::Value;

use super::view::View;
use super::{ObjectError, is_deleted, payment_method};
use crate::domain::{CustomerId, PaymentMethodId};
use crate::stripe::StripeCustomer;

/// Also of a deleted customer, of whom Stripe tells the id alone.
pub fn customer(value: &Value) -> Result<StripeCustomer, ObjectError> {
    let view = View::of("customer", value)?;
    let whole = view.at("/invoice_settings/default_payment_method").filter(|value| value.is_object());
    Ok(StripeCustomer {
        id: view.id(CustomerId::parse)?,
        is_deleted: is_deleted(value),
        user: view.user("/metadata/user_id"),
        email: view.owned_text("/email"),
        name: view.owned_text("/name"),
        // Only shown: an id of a kind we do not know is as good as none.
        default_payment_method: ["/invoice_settings/default_payment_method", "/default_source"]
            .into_iter()
            .find_map(|path| view.reference(path, PaymentMethodId::parse).ok().flatten()),
        default_card: whole.map(payment_method).transpose()?.map(|(card, _)| card),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn whole() -> Value {
        json!({"id": "cus_1", "object": "customer", "email": "ana@example.com", "name": "Ana", "created": 1_760_000_000,
               "metadata": {"user_id": "42"}, "invoice_settings": {"default_payment_method": "pm_1"},
               "default_source": "card_1"})
    }

    #[test]
    fn a_customer_is_read_with_user_and_payment_method() {
        let read = customer(&whole()).unwrap();
        assert_eq!((read.id.as_str(), read.is_deleted), ("cus_1", false));
        assert_eq!(read.user.unwrap().as_str(), "42");
        assert_eq!((read.email.as_deref(), read.name.as_deref()), (Some("ana@example.com"), Some("Ana")));
        assert_eq!(read.default_payment_method.unwrap().as_str(), "pm_1");
        assert_eq!(read.default_card, None);
    }

    #[test]
    fn an_expanded_payment_method_gives_id_and_card() {
        let mut value = whole();
        value["invoice_settings"]["default_payment_method"] = json!({"id": "pm_1", "object": "payment_method",
            "type": "card", "customer": "cus_1", "card": {"brand": "visa", "last4": "4242"}});
        let read = customer(&value).unwrap();
        assert_eq!(read.default_payment_method.unwrap().as_str(), "pm_1");
        assert_eq!(read.default_card.unwrap().brand, "visa");
    }

    #[test]
    fn without_a_payment_method_the_older_source_is_the_default() {
        let mut value = whole();
        value["invoice_settings"] = json!({"default_payment_method": null});
        assert_eq!(customer(&value).unwrap().default_payment_method.unwrap().as_str(), "card_1");
        value["default_source"] = Value::Null;
        assert_eq!(customer(&value).unwrap().default_payment_method, None);
    }

    #[test]
    fn a_deleted_customer_is_an_id_and_the_word() {
        let read = customer(&json!({"id": "cus_1", "object": "customer", "deleted": true})).unwrap();
        assert!(read.is_deleted);
        assert_eq!((read.user, read.email, read.default_payment_method), (None, None, None));
    }

    #[test]
    fn without_an_id_it_is_no_customer() {
        assert_eq!(customer(&json!({"object": "customer"})).unwrap_err().path, "/id");
    }
}
