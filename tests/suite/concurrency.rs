//! Many at once over real HTTP: one effect, the right end, one customer, one open session, one trial.
//!
//! DynamoDB refuses transactions that meet on an item with `TransactionConflict`; the embedded engine never does. Tests
//! named `…_in_conflict` sprinkle such refusals among the calls.

use anyhow::{Context, Result};
use local::Fault;
use serde_json::{Value, json};
use shared::domain::{CustomerId, SubscriptionId, UserId};
use shared::store::Partition;
use tests::{EventBuilder, Subscriber, World, all_at_once};

const CROWD: i64 = 64;
const CHECKOUT: &str = "/api/subscriptions/checkout/";

fn count(outcomes: &[String], wanted: &str) -> usize {
    outcomes.iter().filter(|outcome| *outcome == wanted).count()
}

async fn version(subscriber: &Subscriber) -> Result<u64> {
    let partition = Partition::User(UserId::parse("42")?);
    let id = SubscriptionId::parse(subscriber.subscription.as_str())?;
    let stored = subscriber.world.store()?.read_subscription(&partition, &id).await?;
    Ok(stored.context("a record")?.version)
}

/// Does the work while one in three transactions is refused because it met another.
async fn in_conflict<T>(world: &World, work: impl Future<Output = Result<T>>) -> Result<T> {
    world.stack.dynamodb().fail_every(Some("TransactWriteItems"), 3, Fault::TransactionConflict);
    let done = work.await;
    world.stack.dynamodb().heal();
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_of_one_event_have_one_effect() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    let before = version(&subscriber).await?;
    let event = subscriber.event("evt_many", 20).status("past_due").body();
    let outcomes = subscriber.world.deliver_all_at_once(&vec![event; CROWD as usize]).await?;
    assert_eq!((count(&outcomes, "applied"), count(&outcomes, "duplicate")), (1, CROWD as usize - 1));
    assert_eq!(version(&subscriber).await?, before + 1);
    assert_eq!(subscriber.status().await?, "past_due");
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_of_one_event_have_one_effect_in_conflict() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    let before = version(&subscriber).await?;
    let event = subscriber.event("evt_many", 20).status("past_due").body();
    let events = vec![event; CROWD as usize];
    let outcomes = in_conflict(&subscriber.world, subscriber.world.deliver_all_at_once(&events)).await?;
    assert_eq!((count(&outcomes, "applied"), count(&outcomes, "duplicate")), (1, CROWD as usize - 1));
    assert_eq!(version(&subscriber).await?, before + 1);
    subscriber.world.stack.shutdown().await
}

/// Each event says another status, in no order; the last says `past_due`.
fn of_distinct_seconds(subscriber: &Subscriber) -> Vec<String> {
    let statuses = ["active", "unpaid", "paused"];
    let mut events: Vec<String> = (1..=CROWD)
        .map(|second| {
            let status = if second == CROWD { "past_due" } else { statuses[second as usize % statuses.len()] };
            subscriber.event(&format!("evt_{second}"), second).status(status).body()
        })
        .collect();
    fastrand::shuffle(&mut events);
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn different_events_of_one_subscription_end_with_the_newest() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    let calls_before = subscriber.world.stripe_calls().await?.len();
    let events = of_distinct_seconds(&subscriber);
    let outcomes = subscriber.world.deliver_all_at_once(&events).await?;
    assert_eq!(count(&outcomes, "applied") + count(&outcomes, "stale"), CROWD as usize, "{outcomes:?}");
    assert_eq!(subscriber.status().await?, "past_due");
    assert_eq!(subscriber.world.stripe_calls().await?.len(), calls_before, "their stamps decide");
    let again = subscriber.world.deliver_all_at_once(&events).await?;
    assert_eq!(count(&again, "duplicate"), CROWD as usize);
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn different_events_of_one_subscription_end_with_the_newest_in_conflict() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    let events = of_distinct_seconds(&subscriber);
    let outcomes = in_conflict(&subscriber.world, subscriber.world.deliver_all_at_once(&events)).await?;
    let ended = ["applied", "stale", "duplicate"].map(|outcome| count(&outcomes, outcome));
    assert_eq!(ended.iter().sum::<usize>(), CROWD as usize, "{outcomes:?}");
    assert_eq!(subscriber.status().await?, "past_due");
    subscriber.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn different_events_of_one_second_end_with_the_truth() -> Result<()> {
    let subscriber = Subscriber::start().await?;
    let statuses = ["active", "unpaid", "paused", "past_due"];
    let events: Vec<String> = (0..CROWD as usize)
        .map(|event| subscriber.event(&format!("evt_{event}"), 20).status(statuses[event % statuses.len()]).body())
        .collect();
    subscriber.world.deliver_all_at_once(&events).await?;
    assert_eq!(subscriber.status().await?, "trialing", "as Stripe has it, whatever the events say");
    let again = subscriber.world.deliver_all_at_once(&events).await?;
    assert_eq!(count(&again, "duplicate"), CROWD as usize);
    subscriber.world.stack.shutdown().await
}

/// A customer nobody owns, with as many subscriptions as the crowd, one of them with a trial.
fn orphans(now: i64) -> Vec<String> {
    let one = |number: i64| {
        let id = format!("sub_orphan{number}");
        let event = EventBuilder::subscription(&format!("evt_orphan{number}"), &id, "cus_orphan", now + number % 3);
        if number != 7 {
            return event.status("canceled").body();
        }
        event
            .status("trialing")
            .with("/data/object/trial_start", now)
            .with("/data/object/trial_end", now + 7 * 86_400)
            .body()
    };
    (0..CROWD).map(one).collect()
}

fn linking(now: i64) -> String {
    let session = json!({
        "id": "cs_test_orphan", "object": "checkout.session", "status": "complete", "customer": "cus_orphan",
        "client_reference_id": "77", "subscription": "sub_orphan7", "expires_at": now + 3_600, "url": null, "metadata": {},
    });
    EventBuilder::of("evt_linking", "checkout.session.completed", now + 1, session).body()
}

async fn link_amid_orphans(is_in_conflict: bool) -> Result<()> {
    let world = World::start().await?;
    let now = world.business_now_second();
    let mut events = orphans(now);
    events.insert(CROWD as usize / 2, linking(now));
    let delivery = world.deliver_all_at_once(&events);
    let outcomes = if is_in_conflict { in_conflict(&world, delivery).await? } else { delivery.await? };
    assert!(!outcomes.contains(&"failed".to_owned()), "{outcomes:?}");

    let store = world.store()?;
    let (user, customer) = (UserId::parse("77")?, CustomerId::parse("cus_orphan")?);
    let account = store.read_account(&user).await?;
    assert_eq!(account.subscriptions.len(), CROWD as usize, "every one has come home");
    assert_eq!(account.first_trial_at().map(|at| at.as_second()), Some(now), "and the trial with them");
    assert!(store.read_parked(&customer).await?.is_empty());
    let owner = store.read_owner(&customer).await?;
    assert_eq!((owner.user, owner.is_join_pending), (Some(user), false));
    assert_eq!(world.status(&world.token("77")?).await?["status"], "trialing");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_come_home_while_their_customer_is_being_linked() -> Result<()> {
    link_amid_orphans(false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_come_home_while_their_customer_is_being_linked_in_conflict() -> Result<()> {
    link_amid_orphans(true).await
}

/// Of four choices: the plain one and three other pages to come back to.
fn choice(world: &World, number: usize) -> Value {
    match number % 4 {
        0 => json!({}),
        page => json!({ "cancel_url": format!("{}/prices/{page}", world.stack.api_url()) }),
    }
}

async fn open_sessions(world: &World) -> Result<Vec<String>> {
    let listed = world.stripe_get("/v1/checkout/sessions?status=open&limit=100").await?;
    let ids = listed["data"].as_array().context("a list")?.iter();
    Ok(ids.map(|session| session["id"].as_str().unwrap_or_default().to_owned()).collect())
}

async fn customers(world: &World) -> Result<usize> {
    let listed = world.stripe_get("/v1/customers?limit=100").await?;
    Ok(listed["data"].as_array().context("a list")?.len())
}

async fn race_to_checkout(is_in_conflict: bool, is_after_failure: bool) -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    if is_after_failure {
        leave_a_session_open(&world, &token).await?;
    }
    let ask =
        |number: usize| world.request(reqwest::Method::POST, CHECKOUT, Some(&token)).json(&choice(&world, number));
    let race = all_at_once((0..16).map(ask).collect());
    let answers = if is_in_conflict { in_conflict(&world, race).await? } else { race.await? };
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    assert!(statuses.contains(&200), "{statuses:?}");
    let account = world.store()?.read_account(&UserId::parse("42")?).await?;
    let claimed = account.checkout.context("a claim")?.session;
    assert_eq!(open_sessions(&world).await?, [claimed.as_str()]);
    for number in 0..4 {
        let answer = world.post(CHECKOUT, Some(&token), &choice(&world, number)).await?;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(open_sessions(&world).await?, [answer.body["session_id"].as_str().unwrap_or_default()]);
    }
    assert_eq!(customers(&world).await?, 1);
    world.stack.shutdown().await
}

/// Stripe opens a session and says that it failed.
async fn leave_a_session_open(world: &World, token: &str) -> Result<()> {
    let made_unheard = json!({ "method": "POST", "path_prefix": "/v1/checkout/sessions", "kind": "500_after_commit" });
    world.sandbox("faults", &json!({ "api": [made_unheard] })).await?;
    assert_eq!(world.post(CHECKOUT, Some(token), &json!({})).await?.status, 503);
    world.heal_stripe().await?;
    assert_eq!(open_sessions(world).await?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_to_checkout_ends_with_one_customer_and_one_open_session() -> Result<()> {
    race_to_checkout(false, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_to_checkout_after_a_failure_expires_what_it_left_open_and_no_winner() -> Result<()> {
    for is_in_conflict in [false, true, false, true] {
        race_to_checkout(is_in_conflict, true).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failure_left_open_is_expired_and_a_session_of_another_product_is_not() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let first = world.checkout(&token).await?;
    world.sandbox_expire(&first).await?;
    world.delivered().await?;
    let session = world.stripe_get(&format!("/v1/checkout/sessions/{first}")).await?;
    let customer = session["customer"].as_str().context("a customer")?;
    let price = world.stripe_get("/v1/prices?limit=1").await?["data"][0]["id"].as_str().context("a price")?.to_owned();
    let form = format!(
        "mode=subscription&customer={customer}&line_items[0][price]={price}&line_items[0][quantity]=1\
         &success_url=https://shop.example.com/"
    );
    let of_another_product = world.stripe_post("/v1/checkout/sessions", &form).await?.body["id"].clone();

    let made_unheard = json!({ "method": "POST", "path_prefix": "/v1/checkout/sessions", "kind": "500_after_commit" });
    world.sandbox("faults", &json!({ "api": [made_unheard] })).await?;
    assert_eq!(world.post(CHECKOUT, Some(&token), &json!({})).await?.status, 503);
    world.heal_stripe().await?;
    assert_eq!(open_sessions(&world).await?.len(), 2);

    let ours = world.checkout(&token).await?;
    let mut open = open_sessions(&world).await?;
    open.sort();
    let mut expected = [ours.as_str(), of_another_product.as_str().context("a session")?];
    expected.sort_unstable();
    assert_eq!(open, expected);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_to_checkout_ends_with_one_customer_and_one_open_session_in_conflict() -> Result<()> {
    race_to_checkout(true, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_success_page_the_webhooks_and_two_more_checkouts_race_to_one_subscription() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    world.sandbox(&format!("checkout/{session}/pay"), &json!({ "card": "4242424242424242" })).await?;

    let page = format!("/api/subscriptions/session-status/?session_id={session}");
    let mut requests: Vec<_> = (0..2)
        .map(|number| world.request(reqwest::Method::POST, CHECKOUT, Some(&token)).json(&choice(&world, number)))
        .collect();
    requests.extend((0..4).map(|_| world.request(reqwest::Method::GET, &page, Some(&token))));
    let release = json!({ "hold": false, "release": "all" });
    let (answers, _) = tokio::try_join!(all_at_once(requests), world.sandbox("deliver", &release))?;
    for (place, answer) in answers.iter().enumerate() {
        let expected: &[u16] = if place < 2 { &[200, 409] } else { &[200] };
        assert!(expected.contains(&answer.status), "{place}: {} {:?}", answer.status, answer.body);
    }
    world.delivered().await?;

    let status = world.status(&token).await?;
    assert_eq!((&status["status"], &status["payment_method"]["last4"]), (&json!("trialing"), &json!("4242")));
    assert_eq!(world.post(CHECKOUT, Some(&token), &json!({})).await?.status, 409);
    assert!(open_sessions(&world).await?.is_empty());
    assert_eq!(customers(&world).await?, 1);
    assert_eq!(trials(&world).await?, 1);
    world.stack.shutdown().await
}

async fn trials(world: &World) -> Result<usize> {
    let listed = world.stripe_get("/v1/subscriptions?status=all&limit=100").await?;
    let subscriptions = listed["data"].as_array().context("a list")?.iter();
    Ok(subscriptions.filter(|subscription| !subscription["trial_start"].is_null()).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn paying_in_one_tab_while_another_opens_a_checkout_gives_one_trial() -> Result<()> {
    for number in 0..8 {
        let world = World::start().await?;
        let token = world.token("42")?;
        let session = world.checkout(&token).await?;
        let pay_url = format!("{}/_sandbox/checkout/{session}/pay", world.stack.stripe_url());
        let pay = world.http.post(pay_url).json(&json!({ "card": "4242424242424242" }));
        let other = world.request(reqwest::Method::POST, CHECKOUT, Some(&token)).json(&choice(&world, 1));
        let requests = if number % 2 == 0 { vec![pay, other] } else { vec![other, pay] };
        all_at_once(requests).await?;
        for session in open_sessions(&world).await? {
            world.sandbox(&format!("checkout/{session}/pay"), &json!({ "card": "4242424242424242" })).await?;
        }
        world.delivered().await?;
        assert_eq!(world.status(&token).await?["status"], "trialing");
        assert_eq!((trials(&world).await?, customers(&world).await?), (1, 1));
        world.stack.shutdown().await?;
    }
    Ok(())
}
