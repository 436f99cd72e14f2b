//! Who is refused costs nothing: no call to DynamoDB or Stripe, and no memory that stays.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::Value;
use shared::clock::Clock;
use tests::{EventBuilder, World};

use super::Asked;

/// How much a process may have gained when thousands of requests are over: allocators keep some pages.
const MOST_KB: i64 = 8 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_forged_requests_cost_no_call_to_dynamodb_or_stripe() -> Result<()> {
    let world = World::start().await?;
    let core = world.stack.shared_core();
    let functions =
        [webhook::function(&core), status::function(&core), checkout::function(&core), gate::function(&core)];
    let body = EventBuilder::subscription("evt_1", "sub_1", "cus_1", 1_760_000_000).body();
    let now = Clock::default().wall_now().as_second();
    let forged_token = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjo0MiwidG9rZW5fdHlwZSI6ImFjY2VzcyIsImV4cCI6OTk5OTk5OTk5OX0.";
    for number in 0..5_000_usize {
        let function = &functions[number % functions.len()];
        let (asked, expected) = match function.name() {
            "webhook" if number % 3 == 0 => (Asked::new("POST", &format!("/stripe/webhook/{number}")), 404),
            "webhook" => (Asked::new("POST", &world.stack.webhook_path()), 401),
            "status" => (Asked::new("GET", "/api/subscriptions/status/"), 401),
            "checkout" => (Asked::new("POST", "/api/subscriptions/checkout/"), 401),
            _ => (Asked::new("POST", "/api/banking/accounts/"), 401),
        };
        let signature = format!("t={now},v1={number:064x}");
        let token = format!("Bearer {forged_token}{number:043}");
        let asked = asked.header("stripe-signature", &signature).header("authorization", &token).text(&body);
        let told = asked.of(function).await?;
        assert_eq!(told.status, expected, "{}: {told:?}", function.name());
    }
    assert!(world.stack.dynamodb_calls().is_empty());
    assert!(world.stripe_calls().await?.is_empty());
    // Each of two secrets has two versions; all are read once, and once a minute more, because a newer key may be there.
    let reads = world.stack.secrets_calls().len();
    assert!(reads <= 30, "{reads} calls to Secrets Manager");
    world.stack.shutdown().await
}

#[test]
fn memory_does_not_grow_with_the_requests() -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_attacked")).args(["crowd", "--requests", "20000"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cost: Value = serde_json::from_slice(&output.stdout)?;
    let number = |name: &str| cost[name].as_i64().unwrap_or(i64::MAX);
    assert_eq!(number("requests"), 20_000);
    assert_eq!(number("server_errors"), 0, "{cost}");
    assert!(number("dynamodb_calls") > 500, "some of them were served: {cost}");
    assert!(number("secrets_calls") < 100, "{cost}");
    let grown = number("resident_kb_after") - number("resident_kb_before");
    assert!(grown < MOST_KB, "{grown} kB more: {cost}");
    Ok(())
}
