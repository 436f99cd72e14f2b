//! What an event counts as: the trials, payments and endings that a dashboard shows.

use anyhow::{Result, anyhow, ensure};
use local::Fault;
use serde_json::{Value, json};
use shared::books::Books;
use shared::clock::Clock;
use shared::domain::{CustomerId, EventId, Mode, SubscriptionId, UserId};
use shared::store::{Change, Commit, Guard, Partition, Store};
use shared::stripe::envelope;
use shared::sync::{Linked, SyncError};
use shared::tally::{Count, Tally};
use tests::{Detour, EventBuilder, Services, Subscriber, World, core_on};

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

/// A user and their customer's subscription find each other by the checkout; a transaction of that fails, and Stripe
/// sends the event again.
#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_was_nobodys_is_counted_once_wherever_the_linking_breaks_off() -> Result<()> {
    let world = World::start().await?;
    let core = world.stack.shared_core();
    let books = core.as_ref().as_ref().map_err(|error| anyhow!("{error}"))?.books(Mode::Test)?;
    let mut broken = 0;
    for transaction in 1..=10 {
        let user = format!("user{transaction}");
        let subscription = format!("sub_{user}");
        let created = of(&user, "created", 0, "trialing").with("/data/object/metadata", json!({}));
        assert_eq!(counted(&books, &created).await?, []);
        let session = json!({
            "id": format!("cs_test_{user}"), "object": "checkout.session", "status": "complete",
            "mode": "subscription", "url": null, "expires_at": BEGIN + 86_400, "customer": format!("cus_{user}"),
            "client_reference_id": user, "subscription": subscription,
        });
        let done = EventBuilder::of(&format!("evt_done_{user}"), "checkout.session.completed", BEGIN + 1, session);
        world.stack.dynamodb().fail_every(Some("TransactWriteItems"), transaction, Fault::AccessDenied);
        let (tally, envelope) = (Tally::default(), envelope::from_value(done.value().clone())?);
        let first = tally.of(shared::sync::receive(&books, &envelope, "first")).await;
        world.stack.dynamodb().heal();
        broken += usize::from(first.is_err());
        tally.of(shared::sync::receive(&books, &envelope, "second")).await?;
        let account = world.store()?.read_account(&UserId::parse(&user)?).await?;
        assert_eq!(account.subscriptions.len(), 1, "{transaction}: {account:?}");
        assert_eq!(tally.get(Count::TrialsStarted), 1, "{transaction}");
    }
    assert!((3..10).contains(&broken), "{broken}");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_who_link_a_customer_at_once_one_counts_its_trial() -> Result<()> {
    let world = World::start().await?;
    let core = world.stack.shared_core();
    let books = core.as_ref().as_ref().map_err(|error| anyhow!("{error}"))?.books(Mode::Test)?;
    for number in 0..8 {
        let user = format!("racer{number}");
        let created = of(&user, "created", 0, "trialing").with("/data/object/metadata", json!({}));
        assert_eq!(counted(&books, &created).await?, []);
        let (customer, user) = (CustomerId::parse(format!("cus_{user}"))?, UserId::parse(&user)?);
        let tally = Tally::default();
        let linked = (0..4).map(|_| {
            let (books, customer, user) = (books.clone(), customer.clone(), user.clone());
            let one = async move { shared::sync::link(&books, &customer, &user).await };
            let tally = tally.clone();
            tokio::spawn(async move { tally.of(one).await })
        });
        for one in linked.collect::<Vec<_>>() {
            assert_eq!(one.await??, Linked::Done);
        }
        assert_eq!(tally.get(Count::TrialsStarted), 1, "{user}");
    }
    world.stack.shutdown().await
}

/// Writes the subscription as it stands once more, as another function does.
async fn write_again(store: &Store, subscription: &SubscriptionId) -> Result<()> {
    let partition = Partition::User(UserId::parse("42")?);
    let stored = store.read_subscription(&partition, subscription).await?;
    let stored = stored.ok_or_else(|| anyhow!("{subscription} is not stored"))?;
    let again = Change::Subscription {
        partition,
        subscription: Box::new(stored.value),
        as_of: stored.as_of,
        guard: Guard::Unchanged(Some(stored.version)),
    };
    ensure!(matches!(store.commit(vec![again]).await?, Commit::Landed), "{subscription} was written by others");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_that_is_lost_again_and_again_is_given_up_and_counted() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    let world = &subscriber.world;
    assert_eq!(subscriber.outcome(subscriber.event("evt_b", 20)).await?, "applied");
    let (store, subscription) = (world.store()?, SubscriptionId::parse(&subscriber.subscription)?);
    let detour = Detour::with(
        world.stack.stripe_url(),
        Box::new(move |call| {
            let (store, subscription) = (store.clone(), subscription.clone());
            Box::pin(async move {
                assert_eq!(call, format!("GET /v1/subscriptions/{subscription}"));
                write_again(&store, &subscription).await.unwrap();
            })
        }),
    )
    .await?;
    let services = Services {
        dynamodb_url: world.stack.dynamodb_url(),
        stripe_url: detour.url(),
        default_price: stripe_sandbox::DEFAULT_PRICE_ID,
    };
    let books = core_on(&world.stack, services, Clock::default()).await?.books(Mode::Test)?;
    let envelope = envelope::from_value(subscriber.event("evt_a", 20).value().clone())?;
    let tally = Tally::default();
    let calls_before = world.stripe_calls().await?.len();
    let given_up = tally.of(shared::sync::receive(&books, &envelope, "delivery")).await;
    assert!(matches!(given_up, Err(SyncError::Contended { .. })), "{given_up:?}");
    assert_eq!(tally.get(Count::ConflictsGivenUp), 1);
    assert_eq!(world.stripe_calls().await?.len() - calls_before, 4, "it was tried");
    assert!(world.store()?.read_event(&EventId::parse("evt_a")?).await?.is_none(), "Stripe sends it again");
    subscriber.world.stack.shutdown().await
}
