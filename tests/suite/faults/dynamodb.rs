//! DynamoDB fails under an event that makes an active subscription `unpaid`.

use std::time::Duration;

use anyhow::Result;
use lambda_http::request::from_str;
use local::Fault;
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{EventBuilder, Services, Subscriber, World, core_on, sign};

use super::{BUDGET, MANY, Seen, in_time, is_logged, outcome, play, transactions_since};

#[derive(Debug)]
struct Row {
    fault: Fault,
    times: u32,
    status: u16,
    /// Transactions that arrived: the event's own and, when it failed, those of the note that says so.
    tries: usize,
    /// The record after the answer.
    record: &'static str,
    again: &'static str,
}

const fn row(fault: Fault, times: u32, status: u16, tries: usize, record: &'static str, again: &'static str) -> Row {
    Row { fault, times, status, tries, record, again }
}

/// There are three tries, the SDK's among them, and nothing repeats what the SDK gave up. Only a conflict is tried again
/// by the store itself, because the SDK does not: six times.
const TABLE: &[Row] = &[
    row(Fault::Throttled, 2, 200, 3, "unpaid", "200 duplicate"),
    row(Fault::Throttled, MANY, 503, 3 + 3, "trialing", "200 applied"),
    row(Fault::InternalError, 2, 200, 3, "unpaid", "200 duplicate"),
    row(Fault::InternalError, MANY, 503, 3 + 3, "trialing", "200 applied"),
    row(Fault::TransactionConflict, 3, 200, 4, "unpaid", "200 duplicate"),
    row(Fault::TransactionConflict, MANY, 503, 6 + 6, "trialing", "200 applied"),
    row(Fault::AccessDenied, 1, 503, 1 + 1, "trialing", "200 applied"),
    row(Fault::AccessDenied, MANY, 503, 1 + 1, "trialing", "200 applied"),
    row(Fault::NoAnswer, 1, 200, 2, "unpaid", "200 duplicate"),
    row(Fault::NoAnswer, MANY, 503, 3 + 3, "trialing", "200 applied"),
    row(Fault::AnswerLost, 1, 200, 2, "unpaid", "200 duplicate"),
    // The write landed and nobody heard of it: the note finds the event dealt with and leaves that as it is.
    row(Fault::AnswerLost, 3, 503, 3 + 1, "unpaid", "200 duplicate"),
    row(Fault::Delayed(Duration::from_millis(500)), MANY, 200, 1, "unpaid", "200 duplicate"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_trouble_loses_no_event_and_applies_none_twice() -> Result<()> {
    local::logs::start(false);
    let expected = |row: &Row| Seen {
        status: row.status,
        tries: row.tries,
        record: row.record.to_owned(),
        again: row.again.to_owned(),
        record_again: "unpaid".to_owned(),
    };
    play(TABLE, one, expected).await
}

async fn one(row: &'static Row) -> Result<Seen> {
    let subscriber = Subscriber::start().await?;
    let world = &subscriber.world;
    let id =
        format!("evt_{}_{}", format!("{:?}", row.fault).replace(|letter: char| !letter.is_alphabetic(), ""), row.times);
    let event = subscriber.event(&id, 20).status("unpaid").body();
    let calls_before = world.stack.dynamodb_calls().len();
    world.stack.dynamodb().fail_next(Some("TransactWriteItems"), row.times, row.fault);
    let answer = in_time(world.deliver(&event)).await?;
    let tries = transactions_since(world, calls_before);
    world.stack.dynamodb().heal();
    assert_told(&id, row, answer.status);
    assert_eq!(answer.header("retry-after").is_some(), answer.status == 503, "{row:?}");
    let record = subscriber.status().await?;
    let again = outcome(&world.deliver(&event).await?);
    let seen = Seen { status: answer.status, tries, record, again, record_again: subscriber.status().await? };
    assert_eq!(outcome(&world.deliver(&event).await?), "200 duplicate", "{row:?}");
    subscriber.world.stack.shutdown().await?;
    Ok(seen)
}

/// What an operator reads of a failure; nothing as ERROR when there was none.
fn assert_told(id: &str, row: &Row, status: u16) {
    let gave_up = format!("Write conflict while processing webhook event {id}. Stripe will retry automatically.");
    let failed = format!("Error processing webhook event {id}: ");
    let (conflicts, fails) = (is_logged(id, "ERROR", &gave_up), is_logged(id, "ERROR", &failed));
    let is_conflict = row.fault == Fault::TransactionConflict;
    assert_eq!((conflicts, fails), (status == 503 && is_conflict, status == 503 && !is_conflict), "{row:?}");
    if status == 503 && is_conflict {
        let retrying = format!("Write conflict while processing webhook event {id}. Retrying.");
        assert!(is_logged(id, "WARN", &retrying), "{row:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_reached_is_503_in_time_and_nothing_is_lost() -> Result<()> {
    let world = World::start().await?;
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        format!("http://{}/", listener.local_addr()?)
    };
    for (row, table_url) in [("refused", closed.as_str()), ("dns", "http://no-such-table.invalid/")] {
        let services = Services { dynamodb_url: table_url, stripe_url: world.stack.stripe_url(), default_price: "" };
        let core = core_on(&world.stack, services, Clock::default()).await;
        let function = webhook::function(&core);
        let id = format!("evt_unreachable_{row}");
        let event = EventBuilder::subscription(&id, &format!("sub_{row}"), &format!("cus_{row}"), 1_760_000_000)
            .owned_by(row)
            .body();
        let started = std::time::Instant::now();
        let reply = function.call(from_str(&function_url_event(&world, &event)?)?).await;
        assert!(started.elapsed() < BUDGET, "{row}: {:?}", started.elapsed());
        assert_eq!(reply.status().as_u16(), 503, "{row}");
        assert!(reply.headers().contains_key("retry-after"), "{row}");
        assert_eq!(outcome(&world.deliver(&event).await?), "200 applied", "{row}: by a function that reaches it");
        assert_eq!(world.status(&world.token(row)?).await?["status"], "active", "{row}");
    }
    world.stack.shutdown().await
}

/// The sample event of the repository, with this body and its signature.
fn function_url_event(world: &World, body: &str) -> Result<String> {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/webhook.json"))?;
    event["rawPath"] = json!(world.stack.webhook_path());
    event["requestContext"]["http"]["path"] = json!(world.stack.webhook_path());
    event["headers"]["stripe-signature"] = json!(sign(world.stack.webhook_secret(), body));
    event["body"] = json!(body);
    Ok(event.to_string())
}
