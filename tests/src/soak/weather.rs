//! What fails on a day.

use std::ops::RangeInclusive;

use anyhow::Result;
use local::Fault;
use serde_json::{Value, json};

use crate::World;

const API_FAULTS: [&str; 5] = ["429", "500", "reset_before", "reset_after_commit", "500_after_commit"];
const API_PATHS: [&str; 6] =
    ["/v1/customers", "/v1/checkout", "/v1/subscriptions", "/v1/payment_methods", "/v1/events", "/v1/billing_portal"];
/// Of so many days one loses an answer of DynamoDB, and one of Stripe: the waiting costs seconds.
const SILENT_EVERY: u32 = 20;

/// Webhooks are lost, doubled and reordered until the calm; a few calls to Stripe fail.
pub async fn storm(world: &World, rng: &mut fastrand::Rng) -> Result<()> {
    let mut api: Vec<Value> = (0..3).map(|_| api_fault(rng)).collect();
    if rng.u32(0..SILENT_EVERY) == 0 {
        api.push(json!({ "kind": "timeout", "path_prefix": rng.choice(API_PATHS), "count": 1, "delay_ms": 6_000 }));
    }
    let delivery = [
        json!({ "kind": "duplicate", "probability": 0.10 }),
        json!({ "kind": "reorder", "probability": 0.25, "delay_ms": 200 }),
        json!({ "kind": "drop", "probability": 0.03 }),
    ];
    world.sandbox("faults", &json!({ "api": api, "delivery": delivery })).await?;
    Ok(())
}

/// A few calls to DynamoDB fail.
pub fn strike_table(world: &World, rng: &mut fastrand::Rng) {
    let tap = world.stack.dynamodb();
    let mut strike = |operation: Option<&str>, times: RangeInclusive<u32>, fault| {
        tap.fail_next(operation, rng.u32(times), fault);
    };
    strike(Some("TransactWriteItems"), 0..=9, Fault::TransactionConflict);
    strike(None, 0..=5, Fault::Throttled);
    strike(None, 0..=2, Fault::InternalError);
    if rng.u32(0..SILENT_EVERY) == 0 {
        tap.fail_next(Some("TransactWriteItems"), 1, Fault::AnswerLost);
    }
}

fn api_fault(rng: &mut fastrand::Rng) -> Value {
    json!({ "kind": rng.choice(API_FAULTS), "path_prefix": rng.choice(API_PATHS), "count": rng.u32(1..=3) })
}

/// From now on nothing fails.
pub async fn calm(world: &World) -> Result<()> {
    world.stack.dynamodb().heal();
    world.heal_stripe().await
}
