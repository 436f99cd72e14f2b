//! What an event counts as: the trials, payments and endings that a dashboard shows.

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use shared::books::Books;
use shared::domain::Mode;
use shared::stripe::envelope;
use shared::tally::{Count, Tally};
use tests::{EventBuilder, World};

/// When the trials of this file begin, in seconds since 1970, and when they end.
const BEGIN: i64 = 1_760_000_000;
const END: i64 = BEGIN + 7 * 86_400;

const TOLD: [Count; 6] = [
    Count::TrialsStarted,
    Count::TrialsConverted,
    Count::TrialsLost,
    Count::PaymentsSucceeded,
    Count::PaymentsFailed,
    Count::SubscriptionsEnded,
];

/// Brings an event and says what it counted, each as often as it did.
async fn counted(books: &Books, event: &EventBuilder) -> Result<Vec<Count>> {
    let (tally, envelope) = (Tally::default(), envelope::from_value(event.value().clone())?);
    let delivery = uuid::Uuid::new_v4().to_string();
    tally.of(shared::sync::receive(books, &envelope, &delivery)).await?;
    Ok(TOLD.into_iter().flat_map(|count| vec![count; tally.get(count) as usize]).collect())
}

/// An event about the one subscription of a user, who had a trial.
fn of(user: &str, event_type: &str, after: i64, status: &str) -> EventBuilder {
    let (subscription, customer) = (format!("sub_{user}"), format!("cus_{user}"));
    EventBuilder::subscription(&format!("evt_{user}_{after}"), &subscription, &customer, BEGIN + after)
        .owned_by(user)
        .status(status)
        .with("/type", format!("customer.subscription.{event_type}"))
        .with("/data/object/trial_start", BEGIN)
        .with("/data/object/trial_end", END)
}

fn was(status: &str) -> Value {
    json!({ "status": status })
}

fn invoice(id: &str, event_type: &str, amount: i64) -> EventBuilder {
    let object = json!({
        "id": format!("in_{id}"), "object": "invoice", "customer": "cus_payer", "status": "open", "currency": "brl",
        "amount_due": amount, "amount_paid": amount, "attempt_count": 1,
        "parent": { "subscription_details": { "subscription": "sub_payer", "metadata": {} } },
    });
    EventBuilder::of(&format!("evt_{id}"), event_type, BEGIN, object)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_counts_as_what_happened_and_only_once() -> Result<()> {
    let world = World::start().await?;
    let core = world.stack.shared_core();
    let books = core.as_ref().as_ref().map_err(|error| anyhow!("{error}"))?.books(Mode::Test)?;
    let previous = "/data/previous_attributes";
    let (created, updated, deleted) = ("created", "updated", "deleted");
    let ended = |user: &str, ended_at: i64| {
        of(user, deleted, ended_at - BEGIN, "canceled").with("/data/object/ended_at", ended_at)
    };
    for (event, expected) in [
        (of("payer", created, 0, "trialing"), &[Count::TrialsStarted][..]),
        (of("payer", created, 0, "trialing"), &[]),
        (of("payer", updated, 10, "trialing").with(previous, was("trialing")), &[]),
        (of("payer", updated, 20, "active").with(previous, was("trialing")), &[Count::TrialsConverted]),
        (of("payer", updated, 30, "past_due").with(previous, was("active")), &[]),
        (of("payer", updated, 40, "active").with(previous, was("past_due")), &[]),
        (of("debtor", updated, 20, "past_due").with(previous, was("trialing")), &[Count::TrialsLost]),
        (ended("doubter", END - 1), &[Count::TrialsLost, Count::SubscriptionsEnded]),
        (ended("waiter", END), &[Count::TrialsLost, Count::SubscriptionsEnded]),
        (ended("payer", END + 1), &[Count::SubscriptionsEnded]),
        (invoice("1", "invoice.payment_succeeded", 4990), &[Count::PaymentsSucceeded]),
        (invoice("1", "invoice.payment_succeeded", 4990), &[]),
        (invoice("2", "invoice.payment_succeeded", 0), &[]),
        (invoice("3", "invoice.paid", 4990), &[]),
        (invoice("4", "invoice.payment_failed", 4990), &[Count::PaymentsFailed]),
    ] {
        assert_eq!(counted(&books, &event).await?, expected, "{}", event.body());
    }
    world.stack.shutdown().await
}
