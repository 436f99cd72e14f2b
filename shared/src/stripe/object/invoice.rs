//! <https://docs.stripe.com/api/invoices/object>

use serde_json::Value;

use super::ObjectError;
use super::view::View;
use crate::domain::{CustomerId, Invoice, InvoiceId, InvoiceStatus, Money, SubscriptionId, UserId};

/// An invoice with the user its subscription's metadata named when it was made.
#[derive(Clone, Debug)]
pub struct OwnedInvoice {
    pub invoice: Invoice,
    pub user: Option<UserId>,
}

/// Invoices of no subscription have none; previews have no id and are refused.
pub fn invoice(value: &Value) -> Result<OwnedInvoice, ObjectError> {
    let view = View::of("invoice", value)?;
    let currency = view.require("/currency", view.currency("/currency"))?;
    let money = |path: &'static str| {
        let amount_minor = view.require(path, view.integer(path)?)?;
        Ok::<Money, ObjectError>(Money { amount_minor, currency })
    };
    // Since 2025-03-31 under the parent, before on the invoice.
    let of_parent = view.reference("/parent/subscription_details/subscription", SubscriptionId::parse)?;
    let invoice = Invoice {
        id: view.id(InvoiceId::parse)?,
        customer: view.require("/customer", view.reference("/customer", CustomerId::parse)?)?,
        subscription: of_parent.or(view.reference("/subscription", SubscriptionId::parse)?),
        number: view.owned_text("/number"),
        status: view.text("/status").map_or(InvoiceStatus::Unknown, InvoiceStatus::parse),
        amount_due: money("/amount_due")?,
        amount_paid: money("/amount_paid")?,
        attempt_count: view.count("/attempt_count")?.unwrap_or(0),
        period_start_at: view.time("/period_start")?,
        period_end_at: view.time("/period_end")?,
        hosted_invoice_url: view.owned_text("/hosted_invoice_url"),
    };
    let user = [
        "/parent/subscription_details/metadata/user_id",
        "/subscription_details/metadata/user_id",
        "/subscription/metadata/user_id",
    ]
    .into_iter()
    .find_map(|path| view.user(path));
    Ok(OwnedInvoice { invoice, user })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::domain::Currency;

    fn without_subscription() -> Value {
        json!({
            "id": "in_1", "object": "invoice", "customer": "cus_1", "number": "A-1", "status": "open", "currency": "brl",
            "amount_due": 4990, "amount_paid": 0, "attempt_count": 3, "period_start": 1_760_000_000,
            "period_end": 1_762_592_000, "hosted_invoice_url": "https://invoice.stripe.com/i/1", "parent": null,
        })
    }

    fn current() -> Value {
        let mut value = without_subscription();
        value["parent"] = json!({"type": "subscription_details",
            "subscription_details": {"subscription": "sub_1", "metadata": {"user_id": "42"}}});
        value
    }

    fn old() -> Value {
        let mut value = without_subscription();
        value.as_object_mut().unwrap().remove("parent");
        value["subscription"] = json!("sub_1");
        value["subscription_details"] = json!({"metadata": {"user_id": "42"}});
        value
    }

    #[test]
    fn the_current_shape_is_read_whole() {
        let OwnedInvoice { invoice, user } = invoice(&current()).unwrap();
        let brl = |amount_minor| Money { amount_minor, currency: Currency::BRL };
        let expected = Invoice {
            id: InvoiceId::parse("in_1").unwrap(),
            customer: CustomerId::parse("cus_1").unwrap(),
            subscription: SubscriptionId::parse("sub_1").ok(),
            number: Some("A-1".into()),
            status: InvoiceStatus::Open,
            amount_due: brl(4990),
            amount_paid: brl(0),
            attempt_count: 3,
            period_start_at: Timestamp::from_second(1_760_000_000).ok(),
            period_end_at: Timestamp::from_second(1_762_592_000).ok(),
            hosted_invoice_url: Some("https://invoice.stripe.com/i/1".into()),
        };
        assert_eq!(invoice, expected);
        assert_eq!(user.unwrap().as_str(), "42");
    }

    #[test]
    fn the_old_shape_reads_the_same() {
        let (current, old) = (invoice(&current()).unwrap(), invoice(&old()).unwrap());
        assert_eq!(old.invoice, current.invoice);
        assert_eq!(old.user, current.user);
    }

    #[test]
    fn an_expanded_subscription_gives_its_id_and_user() {
        let mut value = old();
        value.as_object_mut().unwrap().remove("subscription_details");
        value["subscription"] = json!({"id": "sub_1", "metadata": {"user_id": "42"}});
        let owned = invoice(&value).unwrap();
        assert_eq!(owned.invoice.subscription.unwrap().as_str(), "sub_1");
        assert_eq!(owned.user.unwrap().as_str(), "42");
    }

    #[test]
    fn an_invoice_of_no_subscription_is_one_too() {
        let owned = invoice(&without_subscription()).unwrap();
        assert_eq!((owned.invoice.subscription, owned.user), (None, None));
    }

    #[test]
    fn what_is_needed_and_missing_is_named() {
        for field in ["id", "customer", "currency", "amount_due", "amount_paid"] {
            let mut value = current();
            value.as_object_mut().unwrap().remove(field);
            assert_eq!(invoice(&value).unwrap_err().path, format!("/{field}"));
        }
        let mut value = current();
        value["attempt_count"] = json!(-1);
        assert_eq!(invoice(&value).unwrap_err().to_string(), "invoice/attempt_count is not a count");
    }
}
