//! The write rule and the owners, through the webhook: what the records say after events in any order.

use anyhow::{Context, Result};
use local::Fault;
use serde_json::{Value, json};
use shared::domain::EventId;
use shared::store::Outcome;
use tests::{EventBuilder, Subscriber, World};

/// What the record of an event says became of it.
async fn on_record(world: &World, event: &str) -> Result<Option<Outcome>> {
    let record = world.store()?.read_event(&EventId::parse(event)?).await?;
    Ok(record.and_then(|record| record.outcome))
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_wins_and_older_is_ignored() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    assert_eq!(subscriber.outcome(subscriber.event("evt_b", 20).status("past_due")).await?, "applied");
    assert_eq!(subscriber.outcome(subscriber.event("evt_a", 10).status("active")).await?, "stale");
    assert_eq!(on_record(&subscriber.world, "evt_a").await?, Some(Outcome::Stale));
    assert_eq!(subscriber.status().await?, "past_due");
    assert_eq!(subscriber.outcome(subscriber.event("evt_c", 30).status("active")).await?, "applied");
    assert_eq!(subscriber.outcome(subscriber.event("evt_a", 10).status("active")).await?, "duplicate");
    assert_eq!(subscriber.status().await?, "active");
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_events_in_one_second_stripe_decides() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    assert_eq!(subscriber.outcome(subscriber.event("evt_b", 20).status("past_due")).await?, "applied");
    assert_eq!(subscriber.outcome(subscriber.event("evt_a", 20).status("unpaid")).await?, "applied");
    assert_eq!(subscriber.status().await?, "trialing", "as Stripe has it, whatever the two events say");
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_for_a_tie_is_as_old_as_the_reading() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    assert_eq!(subscriber.outcome(subscriber.event("evt_b", 20)).await?, "applied");
    subscriber.world.sandbox("advance", &json!({ "seconds": 300 })).await?;
    assert_eq!(subscriber.outcome(subscriber.event("evt_a", 20)).await?, "applied");
    assert_eq!(subscriber.outcome(subscriber.event("evt_between", 100).status("unpaid")).await?, "stale");
    assert_eq!(subscriber.status().await?, "trialing", "as it was read");
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tie_brings_the_card_that_pays_by_now() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    assert_eq!(subscriber.outcome(subscriber.event("evt_b", 20)).await?, "applied");
    let change = format!("customers/{}/card", subscriber.customer);
    subscriber.world.sandbox(&change, &json!({ "card": "4000000000000341" })).await?;
    let calls_before = subscriber.world.stripe_calls().await?.len();
    assert_eq!(subscriber.outcome(subscriber.event("evt_a", 20)).await?, "applied");
    let asked = format!("GET /v1/subscriptions/{}", subscriber.subscription);
    assert_eq!(subscriber.world.stripe_calls().await?[calls_before..], [asked], "the card comes along");
    let status = subscriber.world.status(&subscriber.token).await?;
    assert_eq!(status["payment_method"]["last4"], "0341", "{status}");
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_shown_as_its_bank_renews_it_and_no_more_once_it_is_detached() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    let event = |event_type: &str, after: i64, last4: &str, customer: Option<&str>| {
        let card = json!({
            "id": subscriber.card, "object": "payment_method", "type": "card", "customer": customer,
            "card": { "brand": "visa", "last4": last4, "exp_month": 1, "exp_year": 2031 },
        });
        EventBuilder::of(&format!("evt_{after}"), event_type, subscriber.now + after, card)
    };
    let customer = subscriber.customer.as_str();
    for (event, outcome, shown) in [
        (event("payment_method.updated", 10, "1111", Some(customer)), "applied", json!("1111")),
        (event("payment_method.automatically_updated", 20, "2222", Some(customer)), "applied", json!("2222")),
        (event("payment_method.attached", 15, "4242", Some(customer)), "stale", json!("2222")),
        // Of nobody any more: the event says whose it was.
        (
            event("payment_method.detached", 30, "2222", None)
                .with("/data/previous_attributes", json!({ "customer": customer })),
            "applied",
            Value::Null,
        ),
        (event("payment_method.updated", 40, "3333", Some(customer)), "stale", Value::Null),
        (event("payment_method.detached", 50, "2222", None), "ignored", Value::Null),
    ] {
        assert_eq!(subscriber.outcome(event).await?, outcome, "{shown}");
        let status = subscriber.world.status(&subscriber.token).await?;
        assert_eq!(status["payment_method"]["last4"], shown, "{status}");
    }
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_names_no_card_shows_the_one_its_customer_pays_with() -> Result<()> {
    let world = World::start().await?;
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    let made = world.stripe_post("/v1/customers", "email=maria%40example.com&metadata[user_id]=42").await?;
    let customer = made.body["id"].as_str().context("a customer")?;
    let attach = "/v1/payment_methods/pm_card_visa/attach";
    let card = world.stripe_post(attach, &format!("customer={customer}")).await?.body["id"].clone();
    let default = format!("invoice_settings[default_payment_method]={}", card.as_str().context("a card")?);
    let changed = world.stripe_post(&format!("/v1/customers/{customer}"), &default).await?;
    assert_eq!(changed.status, 200, "{:?}", changed.body);
    let event = EventBuilder::subscription("evt_1", "sub_1", customer, world.business_now_second()).owned_by("42");
    assert_eq!(world.deliver(&event.body()).await?.body["outcome"], "applied");
    let status = world.status(&world.token("42")?).await?;
    assert_eq!(status["payment_method"]["last4"], "4242", "{status}");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_never_taken_back_and_always_wins() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    let calls_before = subscriber.world.stripe_calls().await?.len();
    assert_eq!(subscriber.outcome(subscriber.event("evt_active", 20)).await?, "applied");
    let same_second = subscriber.event("evt_end", 20).status("canceled").with("/type", "customer.subscription.deleted");
    assert_eq!(subscriber.outcome(same_second).await?, "applied");
    assert_eq!(subscriber.outcome(subscriber.event("evt_ghost", 60)).await?, "stale");
    assert_eq!(subscriber.outcome(subscriber.event("evt_twin", 20)).await?, "stale");
    assert_eq!(subscriber.status().await?, "canceled");
    assert_eq!(subscriber.world.stripe_calls().await?.len(), calls_before, "an end needs no question");
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_from_the_future_does_not_shut_out_the_truth() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    assert_eq!(subscriber.outcome(subscriber.event("evt_future", 40 * 86_400).status("unpaid")).await?, "applied");
    assert_eq!(subscriber.status().await?, "trialing", "Stripe was asked instead");
    assert_eq!(subscriber.outcome(subscriber.event("evt_next", 60)).await?, "applied");
    assert_eq!(subscriber.status().await?, "active");
    // Also where nothing that is on record comes near it.
    subscriber.world.sandbox("advance", &json!({ "seconds": 600 })).await?;
    assert_eq!(subscriber.outcome(subscriber.event("evt_later", 41 * 86_400).status("unpaid")).await?, "applied");
    assert_eq!(subscriber.status().await?, "trialing");
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_is_parked_and_joined_with_its_trial_when_its_user_is_known() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("77")?;
    let now = world.business_now_second();
    let orphan = |id: &str, after: i64| EventBuilder::subscription(id, "sub_orphan", "cus_orphan", now + after);
    let trialing = orphan("evt_1", 0)
        .status("trialing")
        .with("/data/object/trial_start", now)
        .with("/data/object/trial_end", now + 7 * 86_400);
    assert_eq!(world.deliver(&trialing.body()).await?.body["outcome"], "parked");
    assert_eq!(on_record(&world, "evt_1").await?, Some(Outcome::Parked));
    assert_eq!(world.deliver(&trialing.body()).await?.body["outcome"], "duplicate");
    assert_eq!(world.status(&token).await?["status"], "none");

    let session = json!({
        "id": "cs_test_orphan", "object": "checkout.session", "status": "complete", "customer": "cus_orphan",
        "client_reference_id": "77", "subscription": "sub_orphan", "expires_at": now + 3_600, "url": null, "metadata": {},
    });
    let completed = EventBuilder::of("evt_2", "checkout.session.completed", now + 1, session);
    assert_eq!(world.deliver(&completed.body()).await?.body["outcome"], "applied");
    let status = world.status(&token).await?;
    assert_eq!((&status["status"], &status["has_used_trial"]), (&json!("trialing"), &json!(true)));
    let stack = &world.stack;
    let left = tests::partition(stack.dynamodb_url(), stack.table_name(), "test#customer#cus_orphan").await?;
    assert_eq!(left.keys().collect::<Vec<_>>(), ["owner"], "nothing stays parked");

    assert_eq!(
        world.deliver(&orphan("evt_3", 30).body()).await?.body["outcome"],
        "applied",
        "and goes there from now on"
    );
    assert_eq!(world.status(&token).await?["status"], "active");
    world.stack.shutdown().await
}

/// Whoever pays by a payment link may write anybody's id into its address, and a session of one payment is of something else.
#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_anybody_may_write_joins_nothing() -> Result<()> {
    let world = World::start().await?;
    let now = world.business_now_second();
    let active = EventBuilder::subscription("evt_1", "sub_stranger", "cus_stranger", now);
    assert_eq!(world.deliver(&active.body()).await?.body["outcome"], "parked");
    let session = |id: &str, field: &str, value: &str| {
        let mut session = json!({
            "id": format!("cs_test_{id}"), "object": "checkout.session", "mode": "subscription", "status": "complete",
            "customer": "cus_stranger", "client_reference_id": "77", "subscription": "sub_stranger",
            "expires_at": now + 3_600, "url": null, "metadata": {}, "payment_link": null,
        });
        session[field] = json!(value);
        EventBuilder::of(&format!("evt_{id}"), "checkout.session.completed", now + 1, session)
    };
    for event in [session("link", "payment_link", "plink_1"), session("once", "mode", "payment")] {
        assert_eq!(world.deliver(&event.body()).await?.body["outcome"], "ignored");
    }
    let status = world.status(&world.token("77")?).await?;
    assert_eq!((&status["status"], &status["has_used_trial"]), (&json!("none"), &json!(false)));
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_joins_an_orphan_too() -> Result<()> {
    let world = World::start().await?;
    let now = world.business_now_second();
    let event = |id: &str, after: i64| EventBuilder::subscription(id, "sub_orphan", "cus_orphan", now + after);
    assert_eq!(world.deliver(&event("evt_1", 0).body()).await?.body["outcome"], "parked");
    assert_eq!(world.deliver(&event("evt_2", 5).owned_by("77").body()).await?.body["outcome"], "applied");
    let status = world.status(&world.token("77")?).await?;
    assert_eq!(status["status"], "active");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_record_outweighs_what_metadata_says() -> Result<()> {
    local::logs::start(false);
    let subscriber = Subscriber::start().await?;
    let stolen = subscriber.event("evt_1", 20).owned_by("666").status("past_due");
    assert_eq!(subscriber.outcome(stolen).await?, "applied");
    assert_eq!(subscriber.status().await?, "past_due", "it stays with its owner");
    let thief = subscriber.world.token("666")?;
    assert_eq!(subscriber.world.status(&thief).await?["status"], "none");
    let is_said = |line: &Value| {
        line["message"] == "The customer belongs to another user than its metadata names"
            && line["customer"] == subscriber.customer.as_str()
    };
    assert!(local::logs::after(0).iter().any(is_said));
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_landed_without_an_answer_is_recognised() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    subscriber.world.stack.dynamodb().fail_next(Some("TransactWriteItems"), 1, Fault::AnswerLost);
    let event = subscriber.event("evt_1", 20).status("past_due");
    let answer = subscriber.world.deliver(&event.body()).await?;
    assert!(answer.status == 200 || answer.status == 503, "{answer:?}");
    let again = subscriber.world.deliver(&event.body()).await?;
    assert_eq!((again.status, &again.body["outcome"]), (200, &json!("duplicate")));
    assert_eq!(subscriber.status().await?, "past_due");
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_fails_is_503_and_the_next_delivery_applies() -> Result<()> {
    for fault in [Fault::InternalError, Fault::Throttled, Fault::TransactionConflict] {
        let subscriber = Subscriber::start().await?;
        subscriber.world.stack.dynamodb().fail_next(Some("TransactWriteItems"), 40, fault);
        let event = subscriber.event("evt_1", 20).status("past_due");
        let answer = subscriber.world.deliver(&event.body()).await?;
        assert_eq!(answer.status, 503, "{fault:?} {:?}", answer.body);
        assert!(answer.header("retry-after").is_some());
        subscriber.world.stack.dynamodb().heal();
        assert_eq!(subscriber.outcome(event).await?, "applied", "{fault:?}");
        assert_eq!(subscriber.status().await?, "past_due");
        subscriber.world.stack.shutdown().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_failing_costs_the_card_and_nothing_else() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    world.sandbox(&format!("checkout/{session}/pay"), &json!({ "card": "4242424242424242" })).await?;
    let sessions = world.stripe_get(&format!("/v1/checkout/sessions/{session}")).await?;
    let subscription = sessions["subscription"].as_str().context("a subscription")?;
    let object = world.stripe_subscription(subscription).await?;
    let fault = json!({ "api": [{ "path_prefix": "/v1/payment_methods", "kind": "500", "count": 10 }] });
    world.sandbox("faults", &fault).await?;
    let now = world.business_now_second();
    let event =
        |id: &str, after: i64| EventBuilder::of(id, "customer.subscription.updated", now + after, object.clone());
    assert_eq!(world.deliver(&event("evt_1", 5).body()).await?.body["outcome"], "applied");
    let status = world.status(&token).await?;
    assert_eq!((&status["status"], &status["payment_method"]), (&json!("trialing"), &Value::Null));
    world.http.delete(format!("{}/_sandbox/faults", world.stack.stripe_url())).send().await?;
    assert_eq!(world.deliver(&event("evt_2", 10).body()).await?.body["outcome"], "applied");
    assert_eq!(world.status(&token).await?["payment_method"]["last4"], "4242", "the next event brings it");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trial_of_an_orphan_is_told_when_its_user_is_known() -> Result<()> {
    local::logs::start(false);
    let world = World::start().await?;
    let now = world.business_now_second();
    let trialing = EventBuilder::subscription("evt_o1", "sub_orphan_told", "cus_orphan_told", now)
        .with("/type", "customer.subscription.created")
        .status("trialing")
        .with("/data/object/trial_start", now)
        .with("/data/object/trial_end", now + 7 * 86_400);
    assert_eq!(world.deliver(&trialing.body()).await?.body["outcome"], "parked");
    let is_logged = |wanted: &str| local::logs::after(0).iter().any(|line| line["message"] == wanted);
    assert!(is_logged("Subscription created via webhook: sub_orphan_told"));
    let session = json!({
        "id": "cs_test_told", "object": "checkout.session", "status": "complete", "mode": "subscription", "url": null,
        "expires_at": now + 86_400, "customer": "cus_orphan_told", "client_reference_id": "orphan-4711",
        "subscription": "sub_orphan_told",
    });
    let done = EventBuilder::of("evt_o2", "checkout.session.completed", now + 1, session);
    assert_eq!(world.deliver(&done.body()).await?.body["outcome"], "applied");
    assert_eq!(world.status(&world.token("orphan-4711")?).await?["status"], "trialing");
    assert!(is_logged("Trial tracked via webhook for user orphan-4711"));
    world.stack.shutdown().await
}
