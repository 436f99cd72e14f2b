//! <https://docs.stripe.com/api/checkout/sessions/object>

use serde_json::Value;

use super::view::View;
use super::{ObjectError, subscription};
use crate::domain::{CheckoutSessionId, CustomerId, SubscriptionId};
use crate::stripe::{CheckoutSession, CheckoutStatus};

/// The subscription is whole when it was expanded; its id is there either way.
pub fn checkout_session(value: &Value) -> Result<CheckoutSession, ObjectError> {
    let view = View::of("checkout.session", value)?;
    let status = match view.require("/status", view.text("/status"))? {
        "open" => CheckoutStatus::Open,
        "complete" => CheckoutStatus::Complete,
        "expired" => CheckoutStatus::Expired,
        _ => return Err(view.error("/status", "is not a status we know")),
    };
    // Anybody may write a reference into the address of a payment link:
    // <https://docs.stripe.com/payment-links/url-parameters>.
    let is_of_payment_link = view.at("/payment_link").is_some_and(|link| !link.is_null());
    let whole = view.at("/subscription").filter(|value| value.is_object());
    Ok(CheckoutSession {
        id: view.id(CheckoutSessionId::parse)?,
        status,
        is_for_subscription: view.text("/mode").is_none_or(|mode| mode == "subscription"),
        url: view.owned_text("/url"),
        expires_at: view.require("/expires_at", view.time("/expires_at")?)?,
        customer: view.reference("/customer", CustomerId::parse)?,
        user: view
            .user("/client_reference_id")
            .filter(|_| !is_of_payment_link)
            .or_else(|| view.user("/metadata/user_id")),
        // What was typed at the end, else what the session began with.
        customer_email: ["/customer_details/email", "/customer_email", "/customer/email"]
            .into_iter()
            .find_map(|path| view.owned_text(path)),
        subscription_id: view.reference("/subscription", SubscriptionId::parse)?,
        subscription: whole.map(subscription).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn complete() -> Value {
        json!({"id": "cs_test_1", "object": "checkout.session", "status": "complete", "url": null,
               "expires_at": 1_760_086_400, "customer": "cus_1", "client_reference_id": "42", "mode": "subscription",
               "customer_details": {"email": "ana@example.com"}, "subscription": "sub_1"})
    }

    #[test]
    fn a_session_of_a_webhook_names_its_subscription() {
        let read = checkout_session(&complete()).unwrap();
        assert_eq!(read.status, CheckoutStatus::Complete);
        assert!(read.is_for_subscription);
        assert_eq!(read.url, None);
        assert_eq!(read.customer.unwrap().as_str(), "cus_1");
        assert_eq!(read.user.unwrap().as_str(), "42");
        assert_eq!(read.customer_email.as_deref(), Some("ana@example.com"));
        assert_eq!(read.subscription_id.unwrap().as_str(), "sub_1");
        assert!(read.subscription.is_none());
    }

    #[test]
    fn an_expanded_subscription_is_read_whole() {
        let mut value = complete();
        value["subscription"] = json!({"id": "sub_1", "object": "subscription", "customer": "cus_1",
            "status": "trialing", "created": 1_760_000_000, "metadata": {"user_id": "42"}});
        let read = checkout_session(&value).unwrap();
        assert_eq!(read.subscription_id.unwrap().as_str(), "sub_1");
        assert_eq!(read.subscription.unwrap().user.unwrap().as_str(), "42");
    }

    #[test]
    fn an_open_session_has_a_url_and_may_have_nothing_else() {
        let value = json!({"id": "cs_live_1", "status": "open", "url": "https://checkout.stripe.com/c/pay/cs_live_1",
                           "expires_at": 1_760_086_400, "metadata": {"user_id": "7"}});
        let read = checkout_session(&value).unwrap();
        assert_eq!(read.url.as_deref(), Some("https://checkout.stripe.com/c/pay/cs_live_1"));
        assert_eq!(read.user.unwrap().as_str(), "7");
        assert!(read.customer.is_none() && read.subscription_id.is_none() && read.customer_email.is_none());
    }

    #[test]
    fn a_reference_that_anybody_may_write_names_no_user() {
        let mut value = complete();
        value["payment_link"] = json!("plink_1");
        assert!(checkout_session(&value).unwrap().user.is_none());
        value["metadata"] = json!({"user_id": "7"});
        assert_eq!(checkout_session(&value).unwrap().user.unwrap().as_str(), "7");
        value["payment_link"] = Value::Null;
        assert_eq!(checkout_session(&value).unwrap().user.unwrap().as_str(), "42");
    }

    #[test]
    fn a_session_of_one_payment_is_not_for_a_subscription() {
        let mut value = complete();
        value["mode"] = json!("payment");
        assert!(!checkout_session(&value).unwrap().is_for_subscription);
    }

    #[test]
    fn what_is_needed_and_missing_is_named() {
        for field in ["id", "status", "expires_at"] {
            let mut value = complete();
            value.as_object_mut().unwrap().remove(field);
            assert_eq!(checkout_session(&value).unwrap_err().path, format!("/{field}"));
        }
        let mut value = complete();
        value["status"] = json!("paused");
        assert_eq!(checkout_session(&value).unwrap_err().problem, "is not a status we know");
    }
}
