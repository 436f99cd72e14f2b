//! <https://docs.stripe.com/api/subscriptions/object>

use serde_json::Value;

use super::view::View;
use super::{ObjectError, payment_method};
use crate::domain::{
    Currency, CustomerId, Interval, InvalidId, PaymentMethodId, PriceId, ProductId, Status, Subscription,
    SubscriptionId,
};
use crate::stripe::OwnedSubscription;

/// A subscription and its user. The first item stands for all in price, product, interval and period; the amount is
/// summed over every item in the subscription's currency.
pub fn subscription(value: &Value) -> Result<OwnedSubscription, ObjectError> {
    let view = View::of("subscription", value)?;
    let currency = currency(view);
    let subscription = Subscription {
        id: view.id(SubscriptionId::parse)?,
        customer: view.require("/customer", view.reference("/customer", CustomerId::parse)?)?,
        status: Status::from(view.require("/status", view.owned_text("/status"))?),
        created_at: view.require("/created", view.time("/created")?)?,
        price: first_reference(view, ["/items/data/0/price", "/items/data/0/plan", "/plan"], PriceId::parse)?,
        product: first_reference(
            view,
            ["/items/data/0/price/product", "/items/data/0/plan/product", "/plan/product"],
            ProductId::parse,
        )?,
        amount_minor: currency.map_or(0, |currency| amount_minor(view, currency)),
        currency,
        interval: interval(view)?,
        trial_start_at: view.time("/trial_start")?,
        trial_end_at: view.time("/trial_end")?,
        // Since 2025-03-31 on the items, before on the subscription.
        current_period_start_at: view
            .time("/items/data/0/current_period_start")?
            .or(view.time("/current_period_start")?),
        current_period_end_at: view.time("/items/data/0/current_period_end")?.or(view.time("/current_period_end")?),
        cancel_at: view.time("/cancel_at")?,
        cancel_at_period_end: view.flag("/cancel_at_period_end")?,
        canceled_at: view.time("/canceled_at")?,
        ended_at: view.time("/ended_at")?,
        default_payment_method: default_payment_method(view),
    };
    let card = view.at("/default_payment_method").filter(|value| value.is_object());
    let card = card.map(payment_method).transpose()?.map(|(card, _)| card);
    Ok(OwnedSubscription { subscription, user: view.user("/metadata/user_id"), card })
}

fn first_reference<'a, T>(
    view: View<'a>,
    paths: [&'static str; 3],
    parse: fn(&'a str) -> Result<T, InvalidId>,
) -> Result<Option<T>, ObjectError> {
    for path in paths {
        if let Some(id) = view.reference(path, parse)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn currency(view: View<'_>) -> Option<Currency> {
    ["/currency", "/items/data/0/price/currency", "/items/data/0/plan/currency", "/plan/currency"]
        .into_iter()
        .find_map(|path| view.currency(path))
}

/// Unit amount times quantity, summed. Prices with tiers or decimals have no unit amount and count 0.
fn amount_minor(view: View<'_>, currency: Currency) -> i64 {
    let of_items = view.at("/items/data").and_then(Value::as_array).filter(|items| !items.is_empty());
    match of_items {
        Some(items) => {
            let amounts = items.iter().map(|item| {
                let plan = item.get("plan").unwrap_or(&Value::Null);
                item_amount(item, item.get("price").filter(|price| price.is_object()).unwrap_or(plan), currency)
            });
            amounts.fold(0, i64::saturating_add)
        }
        // Very old versions have one plan and no items.
        None => view.at("/plan").map_or(0, |plan| item_amount(view.value(), plan, currency)),
    }
}

fn item_amount(item: &Value, price: &Value, currency: Currency) -> i64 {
    let of_another_currency = price.get("currency").and_then(Value::as_str).and_then(Currency::parse);
    if of_another_currency.is_some_and(|other| other != currency) {
        return 0;
    }
    let unit_amount = price.get("unit_amount").or_else(|| price.get("amount")).and_then(Value::as_i64).unwrap_or(0);
    // Metered items have no quantity: one unit is all that can be told in advance.
    let quantity = item.get("quantity").filter(|quantity| !quantity.is_null());
    let quantity = quantity.map_or(1, |quantity| quantity.as_i64().unwrap_or(i64::MAX));
    unit_amount.saturating_mul(quantity)
}

fn interval(view: View<'_>) -> Result<Option<Interval>, ObjectError> {
    for (unit, count) in [
        ("/items/data/0/price/recurring/interval", "/items/data/0/price/recurring/interval_count"),
        ("/items/data/0/plan/interval", "/items/data/0/plan/interval_count"),
        ("/plan/interval", "/plan/interval_count"),
    ] {
        if let Some(unit) = view.owned_text(unit) {
            return Ok(Some(Interval { unit, count: view.count(count)?.unwrap_or(1) }));
        }
    }
    Ok(None)
}

/// Only shown, never charged by us: an id of a kind we do not know is as good as none.
fn default_payment_method(view: View<'_>) -> Option<PaymentMethodId> {
    ["/default_payment_method", "/default_source"]
        .into_iter()
        .find_map(|path| view.reference(path, PaymentMethodId::parse).ok().flatten())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::subscription::tests::subscription as monthly;

    /// As API versions since 2025-03-31 send it.
    fn current() -> Value {
        json!({
            "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "trialing",
            "created": 1_760_000_000, "currency": "brl", "trial_start": 1_760_000_000, "trial_end": 1_760_604_800,
            "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null, "ended_at": null,
            "default_payment_method": "pm_1", "metadata": {"user_id": "42"},
            "items": {"object": "list", "data": [{
                "id": "si_1", "quantity": 1, "current_period_start": 1_760_000_000, "current_period_end": 1_760_604_800,
                "price": {"id": "price_1", "product": "prod_1", "unit_amount": 4990, "currency": "brl",
                          "recurring": {"interval": "month", "interval_count": 1}},
            }]},
        })
    }

    /// Nobody pays in vain because an old plan's id has a space in it.
    #[test]
    fn a_plan_that_a_merchant_named_long_ago_is_one() {
        let mut value = current();
        value["items"]["data"][0]["price"]["id"] = json!("Pro plan $699/month");
        value["items"]["data"][0]["price"]["product"] = json!("plano básico");
        let read = subscription(&value).unwrap().subscription;
        assert_eq!(read.price.unwrap().as_str(), "Pro plan $699/month");
        assert_eq!(read.product.unwrap().as_str(), "plano básico");
    }

    /// The same subscription as older versions send it.
    fn old() -> Value {
        let plan = json!({"id": "price_1", "object": "plan", "amount": 4990, "currency": "brl", "product": "prod_1",
                          "interval": "month", "interval_count": 1});
        let mut old = current();
        let fields = old.as_object_mut().unwrap();
        fields.remove("currency");
        fields.insert("current_period_start".into(), json!(1_760_000_000));
        fields.insert("current_period_end".into(), json!(1_760_604_800));
        fields.insert("plan".into(), plan.clone());
        fields.insert("items".into(), json!({"data": [{"id": "si_1", "quantity": 1, "plan": plan}]}));
        old
    }

    fn item(unit_amount: Value, quantity: Value, currency: &str) -> Value {
        json!({"quantity": quantity, "price": {"id": "price_1", "unit_amount": unit_amount, "currency": currency}})
    }

    fn with_items(items: Vec<Value>) -> Subscription {
        let mut value = current();
        value["items"] = json!({ "data": items });
        subscription(&value).unwrap().subscription
    }

    #[test]
    fn the_current_shape_is_read_whole() {
        let owned = subscription(&current()).unwrap();
        let (began_at, ends_at) =
            (Timestamp::from_second(1_760_000_000).ok(), Timestamp::from_second(1_760_604_800).ok());
        let expected = Subscription {
            created_at: began_at.unwrap(),
            trial_start_at: began_at,
            trial_end_at: ends_at,
            current_period_start_at: began_at,
            current_period_end_at: ends_at,
            default_payment_method: PaymentMethodId::parse("pm_1").ok(),
            ..monthly("sub_1", Status::Trialing)
        };
        assert_eq!(owned.subscription, expected);
        assert_eq!(owned.user.unwrap().as_str(), "42");
        assert_eq!(owned.card, None);
    }

    #[test]
    fn the_old_shape_reads_the_same() {
        let (current, old) = (subscription(&current()).unwrap(), subscription(&old()).unwrap());
        assert_eq!(old.subscription, current.subscription);
        assert_eq!(old.user, current.user);
    }

    #[test]
    fn a_plan_without_items_is_enough() {
        let mut value = old();
        value.as_object_mut().unwrap().remove("items");
        value["quantity"] = json!(3);
        let read = subscription(&value).unwrap().subscription;
        assert_eq!((read.amount_minor, read.currency), (14_970, Some(Currency::BRL)));
        assert_eq!(read.price.unwrap().as_str(), "price_1");
        assert_eq!(read.current_period_end_at.unwrap().as_second(), 1_760_604_800);
    }

    #[test]
    fn expanded_parts_are_read_as_their_ids_and_the_card() {
        let mut value = current();
        value["customer"] = json!({"id": "cus_1", "object": "customer"});
        value["items"]["data"][0]["price"]["product"] = json!({"id": "prod_1", "object": "product"});
        value["default_payment_method"] = json!({"id": "pm_1", "object": "payment_method", "type": "card",
            "customer": "cus_1", "card": {"brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2030}});
        let owned = subscription(&value).unwrap();
        assert_eq!(owned.subscription, subscription(&current()).unwrap().subscription);
        assert_eq!(owned.card.unwrap().last4, "4242");
    }

    #[test]
    fn the_amount_is_summed_over_the_items_of_the_subscriptions_currency() {
        let twenty = vec![item(json!(100), json!(2), "brl"); 20];
        assert_eq!(with_items(twenty).amount_minor, 4_000);
        let mixed = vec![item(json!(100), json!(1), "usd"), item(json!(4990), json!(1), "brl")];
        assert_eq!(with_items(mixed).amount_minor, 4_990);
        let tiers_and_metered = vec![item(Value::Null, json!(7), "brl"), item(json!(300), Value::Null, "brl")];
        assert_eq!(with_items(tiers_and_metered).amount_minor, 300);
        let huge = vec![item(json!(i64::MAX), json!(i64::MAX), "brl"); 2];
        assert_eq!(with_items(huge).amount_minor, i64::MAX);
    }

    #[test]
    fn without_a_price_the_amount_is_nothing() {
        let read = with_items(vec![]);
        assert_eq!((read.amount_minor, read.currency, read.price), (0, Some(Currency::BRL), None));
        let mut value = current();
        value.as_object_mut().unwrap().remove("items");
        value.as_object_mut().unwrap().remove("currency");
        let read = subscription(&value).unwrap().subscription;
        assert_eq!((read.amount_minor, read.currency), (0, None));
    }

    #[test]
    fn an_unknown_status_is_kept_as_it_is() {
        let mut value = current();
        value["status"] = json!("hibernating");
        assert_eq!(subscription(&value).unwrap().subscription.status, Status::Unknown("hibernating".into()));
    }

    #[test]
    fn a_source_of_older_times_pays_when_no_payment_method_does() {
        let mut value = current();
        value["default_source"] = json!("card_1");
        assert_eq!(subscription(&value).unwrap().subscription.default_payment_method.unwrap().as_str(), "pm_1");
        value["default_payment_method"] = Value::Null;
        assert_eq!(subscription(&value).unwrap().subscription.default_payment_method.unwrap().as_str(), "card_1");
    }

    #[test]
    fn what_is_needed_and_missing_is_named() {
        for (field, path) in [("id", "/id"), ("customer", "/customer"), ("status", "/status"), ("created", "/created")]
        {
            let mut value = current();
            value[field] = Value::Null;
            assert_eq!(subscription(&value).unwrap_err().path, path);
        }
        let mut value = current();
        value["items"]["data"][0]["current_period_end"] = json!("soon");
        assert_eq!(subscription(&value).unwrap_err().path, "/items/data/0/current_period_end");
    }

    proptest! {
        #[test]
        fn nothing_in_any_field_panics(
            field in prop::sample::select(current().as_object().unwrap().keys().cloned().collect::<Vec<_>>()),
            number in any::<i64>(),
            old_shape in any::<bool>(),
        ) {
            for junk in [json!(number), json!({"data": number}), json!({"data": [number, [], {}]}), json!([]), json!("x")] {
                let mut value = if old_shape { old() } else { current() };
                value[&field] = junk;
                let _ = subscription(&value);
            }
        }
    }
}
