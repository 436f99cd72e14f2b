//! Each type of event that an endpoint is registered for changes something.

use anyhow::Result;
use serde_json::{Value, json};
use shared::sync::event::HANDLED_EVENT_TYPES;
use tests::{EventBuilder, World};

/// An object of its own for an event of a type.
fn object_of(event_type: &str, number: usize) -> Option<Value> {
    let customer = format!("cus_{number}");
    let (kind, _) = event_type.rsplit_once('.')?;
    Some(match kind {
        "invoice" => json!({
            "id": format!("in_{number}"), "object": "invoice", "customer": customer, "status": "open", "currency": "brl",
            "amount_due": 4990, "amount_paid": 0, "attempt_count": 1,
        }),
        "checkout.session" => json!({
            "id": format!("cs_test_{number}"), "object": "checkout.session", "mode": "subscription", "url": null,
            "status": "complete", "customer": customer, "client_reference_id": "42", "expires_at": 1_760_003_600,
        }),
        "customer" => json!({ "id": customer, "object": "customer", "metadata": {} }),
        "payment_method" => json!({
            "id": format!("pm_{number}"), "object": "payment_method", "type": "card", "customer": customer,
            "card": { "brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2031 },
        }),
        "product" => json!({ "id": format!("prod_{number}"), "object": "product", "name": "Premium", "active": true }),
        "price" => json!({
            "id": format!("price_{number}"), "object": "price", "active": true, "product": "prod_1", "unit_amount": 4990,
            "currency": "brl", "type": "recurring", "recurring": { "interval": "month", "interval_count": 1 },
        }),
        _ => return None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_type_that_an_endpoint_is_registered_for_is_ignored() -> Result<()> {
    let world = World::start().await?;
    for (number, event_type) in HANDLED_EVENT_TYPES.into_iter().enumerate() {
        let (event, subscription) = (format!("evt_{number}"), format!("sub_{number}"));
        let event = match object_of(event_type, number) {
            Some(object) => EventBuilder::of(&event, event_type, 1_760_000_000, object),
            None => EventBuilder::subscription(&event, &subscription, &format!("cus_{number}"), 1_760_000_000)
                .with("/type", event_type),
        };
        let answer = world.deliver(&event.body()).await?;
        let outcome = answer.body["outcome"].as_str().unwrap_or_default();
        assert!(["applied", "parked"].contains(&outcome), "{event_type} {:?}", answer.body);
    }
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_and_its_price_are_as_stripe_says_until_they_are_deleted() -> Result<()> {
    let world = World::start().await?;
    let product = |id: &str, event_type: &str, created: i64, name: &str| {
        let object = json!({ "id": "prod_1", "object": "product", "name": name, "active": true });
        EventBuilder::of(id, event_type, created, object)
    };
    let price = |id: &str, event_type: &str, created: i64, is_active: bool| {
        let object = json!({
            "id": "price_1", "object": "price", "active": is_active, "product": "prod_1", "unit_amount": 4990,
            "currency": "brl", "type": "recurring", "recurring": { "interval": "month", "interval_count": 1 },
        });
        EventBuilder::of(id, event_type, created, object)
    };
    let kept = async || -> Result<Value> {
        let stack = &world.stack;
        let catalog = tests::partition(stack.dynamodb_url(), stack.table_name(), "test#catalog").await?;
        let (product, price) = (&catalog["product#prod_1"], &catalog["price#price_1"]);
        let shown = [&product["name"], &product["is_deleted"], &price["is_active"], &price["is_deleted"]];
        Ok(json!(shown))
    };
    for (events, outcome, expected) in [
        (
            [product("evt_1", "product.created", 10, "Basic"), price("evt_2", "price.created", 10, true)],
            "applied",
            json!(["Basic", false, true, false]),
        ),
        (
            [product("evt_3", "product.updated", 20, "Premium"), price("evt_4", "price.updated", 20, false)],
            "applied",
            json!(["Premium", false, false, false]),
        ),
        (
            [product("evt_5", "product.deleted", 30, "Premium"), price("evt_6", "price.deleted", 30, true)],
            "applied",
            json!(["Premium", true, true, true]),
        ),
        (
            [product("evt_7", "product.updated", 40, "Ghost"), price("evt_8", "price.updated", 40, false)],
            "stale",
            json!(["Premium", true, true, true]),
        ),
    ] {
        for event in events {
            assert_eq!(world.deliver(&event.body()).await?.body["outcome"], outcome, "{}", event.body());
        }
        assert_eq!(kept().await?, expected);
    }
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_customer_does_not_come_back() -> Result<()> {
    let world = World::start().await?;
    let of = |id: &str, event_type: &str, created: i64| {
        let object = json!({ "id": "cus_1", "object": "customer", "email": "maria@example.com", "metadata": {} });
        EventBuilder::of(id, event_type, created, object)
    };
    for (event, outcome, is_deleted) in [
        (of("evt_1", "customer.updated", 10), "parked", false),
        (of("evt_2", "customer.deleted", 20), "parked", true),
        (of("evt_3", "customer.updated", 30), "stale", true),
    ] {
        assert_eq!(world.deliver(&event.body()).await?.body["outcome"], outcome, "{}", event.body());
        let stack = &world.stack;
        let kept = tests::partition(stack.dynamodb_url(), stack.table_name(), "test#customer#cus_1").await?;
        assert_eq!(kept["customer#cus_1"]["is_deleted"], is_deleted, "{kept:?}");
    }
    world.stack.shutdown().await
}
