//! An old row in the shape in which Stripe sends the object, so that the one lenient reader of Stripe's objects reads both
//! layouts: 2.11 keeps what Stripe sent in `stripe_data`; of 2.9's columns the same is put together again.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use shared::domain::{Card, PriceId, SubscriptionId, UserId};
use shared::stripe::{OwnedSubscription, StripeCustomer, object};

/// A user of the old product.
#[derive(Clone, Debug)]
pub struct OldUser {
    pub user: UserId,
    pub person: Person,
    pub is_superuser: bool,
    pub trial: Option<OldTrial>,
    pub customers: Vec<OldCustomer>,
}

/// Personal: no readable Debug.
#[derive(Clone, Default)]
pub struct Person {
    pub email: Option<String>,
    pub name: Option<String>,
    pub acquisition_angle: Option<String>,
    pub signup_price: Option<PriceId>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Person(hidden)")
    }
}

#[derive(Clone, Debug)]
pub struct OldTrial {
    pub first_trial_at: Timestamp,
    pub subscription: Option<SubscriptionId>,
}

#[derive(Clone, Debug)]
pub struct OldCustomer {
    pub seen: StripeCustomer,
    pub created_at: Timestamp,
    pub subscriptions: Vec<OwnedSubscription>,
    pub cards: Vec<Card>,
}

/// The id of a row that cannot be read, for the line that says so.
pub(super) fn name_of(row: &Value) -> String {
    let found = ["/user/id", "/customer/id"].iter().find_map(|pointer| row.pointer(pointer));
    found.map_or("?".to_owned(), |id| id.as_str().map_or_else(|| id.to_string(), str::to_owned))
}

pub(super) fn user(row: &Value) -> Result<OldUser, String> {
    let user = UserId::parse(name_of(row)).map_err(|error| error.to_string())?;
    let of_user = |name: &str| row["user"][name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let names: Vec<String> = ["first_name", "last_name"].into_iter().filter_map(of_user).collect();
    let customers = row["customers"].as_array().into_iter().flatten().map(customer);
    let mut customers = customers.collect::<Result<Vec<_>, _>>()?;
    for customer in &mut customers {
        // The old table's word, whatever metadata says.
        customer.seen.user = Some(user.clone());
        for owned in &mut customer.subscriptions {
            owned.user = Some(user.clone());
        }
    }
    Ok(OldUser {
        person: Person {
            email: of_user("email"),
            name: (!names.is_empty()).then(|| names.join(" ")),
            acquisition_angle: of_user("acquisition_angle"),
            signup_price: of_user("signup_price_id").and_then(|id| PriceId::parse(id).ok()),
        },
        is_superuser: row["user"]["is_superuser"] == true,
        trial: trial(&row["trial"])?,
        customers,
        user,
    })
}

fn trial(row: &Value) -> Result<Option<OldTrial>, String> {
    if row.is_null() {
        return Ok(None);
    }
    let first_trial_at = second(&row["first_trial_at"]).and_then(|second| Timestamp::from_second(second).ok());
    let subscription = row["subscription"].as_str().and_then(|id| SubscriptionId::parse(id).ok());
    Ok(Some(OldTrial { first_trial_at: first_trial_at.ok_or("the trial has no time")?, subscription }))
}

pub(super) fn customer(row: &Value) -> Result<OldCustomer, String> {
    let whole = whole(&row["customer"], "customer", &["created"], |shaped, columns| {
        let card = columns.get("default_payment_method_id").filter(|id| id.is_string()).cloned();
        shaped.insert("invoice_settings".to_owned(), json!({ "default_payment_method": card }));
    });
    let seen = object::customer(&whole).map_err(|error| error.to_string())?;
    let created_at = whole["created"].as_i64().and_then(|second| Timestamp::from_second(second).ok());
    let id = seen.id.to_string();
    let cards: Vec<Card> = row["cards"].as_array().into_iter().flatten().filter_map(card).collect();
    let subscriptions = row["subscriptions"].as_array().into_iter().flatten().map(|row| subscription(row, &id, &cards));
    Ok(OldCustomer {
        created_at: created_at.ok_or("the customer has no time of creation")?,
        subscriptions: subscriptions.collect::<Result<_, _>>()?,
        cards,
        seen,
    })
}

fn card(row: &Value) -> Option<Card> {
    let whole = whole(row, "payment_method", &["created"], |_, _| ());
    object::payment_method(&whole).ok().map(|(card, _)| card)
}

fn subscription(row: &Value, customer: &str, cards: &[Card]) -> Result<OwnedSubscription, String> {
    const TIMES: [&str; 9] = [
        "created",
        "trial_start",
        "trial_end",
        "current_period_start",
        "current_period_end",
        "cancel_at",
        "canceled_at",
        "ended_at",
        "start_date",
    ];
    let mut whole = whole(row, "subscription", &TIMES, |shaped, columns| {
        let card = columns.get("default_payment_method_id").filter(|id| id.is_string()).cloned();
        shaped.insert("default_payment_method".to_owned(), card.unwrap_or(Value::Null));
        shaped.insert("items".to_owned(), json!({ "object": "list", "data": items(columns) }));
    });
    // By a number the row refers to its own tables, which mean nothing elsewhere.
    whole["customer"] = json!(customer);
    let mut owned = object::subscription(&whole).map_err(|error| error.to_string())?;
    let wanted = owned.subscription.default_payment_method.clone();
    owned.card = owned.card.or_else(|| cards.iter().find(|card| Some(&card.id) == wanted.as_ref()).cloned());
    Ok(owned)
}

/// Items with their prices; of the oldest subscriptions, the plan.
fn items(columns: &Map<String, Value>) -> Vec<Value> {
    let rows = columns.get("old_items").and_then(Value::as_array);
    let of_items =
        rows.into_iter().flatten().map(|item| json!({ "quantity": item["quantity"], "price": price(&item["price"]) }));
    let of_items: Vec<Value> = of_items.collect();
    let plan = columns.get("old_plan").filter(|plan| !plan.is_null());
    match (of_items.is_empty(), plan) {
        (true, Some(plan)) => {
            let quantity = columns.get("quantity").cloned().unwrap_or(json!(1));
            let interval = json!({ "interval": plan["interval"], "interval_count": plan["interval_count"] });
            let amount = minor(&plan["amount"], &plan["currency"]);
            let price = json!({
                "id": plan["id"], "object": "price", "currency": plan["currency"], "unit_amount": amount,
                "recurring": interval, "active": true, "product": id_or_null(&plan["product_id"]),
            });
            vec![json!({ "quantity": quantity, "price": price })]
        }
        _ => of_items,
    }
}

fn price(row: &Value) -> Value {
    if let Some(sent) = row.get("stripe_data").filter(|sent| sent.is_object()) {
        return sent.clone();
    }
    json!({
        "id": row["id"], "object": "price", "active": true, "currency": row["currency"], "unit_amount": row["unit_amount"],
        "recurring": row["recurring"], "product": id_or_null(&row["product_id"]),
    })
}

fn id_or_null(value: &Value) -> Value {
    if value.is_string() { value.clone() } else { Value::Null }
}

/// dj-stripe 2.9 kept a plan's amount in major units.
fn minor(amount: &Value, currency: &Value) -> Option<i64> {
    let major = amount.as_f64().or_else(|| amount.as_str()?.parse().ok())?;
    let decimals = shared::domain::Currency::parse(currency.as_str()?)?.decimals();
    Some((major * 10_f64.powi(decimals.cast_signed())).round() as i64)
}

/// What Stripe sent, or the columns with their times as seconds.
fn whole(
    row: &Value,
    kind: &str,
    times: &[&str],
    complete: impl Fn(&mut Map<String, Value>, &Map<String, Value>),
) -> Value {
    if let Some(sent) = row.get("stripe_data").filter(|sent| sent.get("id").is_some()) {
        return sent.clone();
    }
    let columns = row.as_object().cloned().unwrap_or_default();
    let mut shaped = columns.clone();
    shaped.insert("object".to_owned(), json!(kind));
    for time in times {
        let value = columns.get(*time).and_then(second);
        shaped.insert((*time).to_owned(), json!(value));
    }
    complete(&mut shaped, &columns);
    Value::Object(shaped)
}

/// A time as PostgreSQL writes it in JSON, or as Stripe's seconds.
fn second(value: &Value) -> Option<i64> {
    let of_text = || value.as_str()?.parse::<Timestamp>().ok().map(|time| time.as_second());
    value.as_i64().or_else(of_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_stripe_data_are_the_same_subscription() {
        let columns = json!({
            "id": "sub_1", "djstripe_id": 7, "livemode": false, "created": "2025-10-06T12:00:00+00:00", "status": "trialing",
            "trial_start": "2025-10-06T12:00:00+00:00", "trial_end": "2025-10-13T12:00:00+00:00", "customer_id": 3,
            "current_period_start": "2025-10-06T12:00:00+00:00", "current_period_end": "2025-10-13T12:00:00+00:00",
            "cancel_at_period_end": false, "cancel_at": null, "canceled_at": null, "ended_at": null,
            "default_payment_method_id": "pm_1", "metadata": {"user_id": "42"}, "old_plan": null,
            "old_items": [{"quantity": 1, "price": {"id": "price_1", "currency": "brl", "unit_amount": 4990,
                "recurring": {"interval": "month", "interval_count": 1}, "product_id": "prod_1"}}],
        });
        let sent = json!({"id": "sub_1", "stripe_data": {
            "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "trialing", "created": 1_759_752_000,
            "trial_start": 1_759_752_000, "trial_end": 1_760_356_800, "cancel_at_period_end": false,
            "default_payment_method": "pm_1", "metadata": {"user_id": "42"},
            "items": {"data": [{"quantity": 1, "current_period_start": 1_759_752_000, "current_period_end": 1_760_356_800,
                "price": {"id": "price_1", "currency": "brl", "unit_amount": 4990, "product": "prod_1",
                "recurring": {"interval": "month", "interval_count": 1}}}]},
        }});
        let of = |row: &Value| subscription(row, "cus_1", &[]).unwrap().subscription;
        assert_eq!(of(&columns), of(&sent));
        assert_eq!(of(&columns).amount_minor, 4990);
    }

    #[test]
    fn a_plan_of_the_oldest_subscriptions_is_its_price() {
        let columns = json!({
            "id": "sub_1", "created": "2020-01-01T00:00:00+00:00", "status": "active", "quantity": 2, "old_items": null,
            "old_plan": {"id": "plan_1", "amount": "49.90", "currency": "brl", "interval": "month", "interval_count": 1},
        });
        let subscription = subscription(&columns, "cus_1", &[]).unwrap().subscription;
        assert_eq!((subscription.amount_minor, subscription.price.unwrap().as_str()), (9980, "plan_1"));
    }
}
