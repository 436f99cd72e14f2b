//! One trial per user, for ever; and what happens when another appears all the same.

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use shared::domain::{Mode, SubscriptionId, UserId};
use shared::store::{Change, Commit, Guard, Parked, Partition};
use shared::sync::forget::{self, Forgotten};
use tests::{EventBuilder, World};

/// A user whose trial is over and canceled, and for whom somebody makes a second one in the Dashboard.
async fn second_trial(world: &World, user: &str) -> Result<(String, String)> {
    let token = world.token(user)?;
    let session = world.checkout(&token).await?;
    let paid = world.pay(&session, "4242424242424242").await?;
    let first = paid["subscription_id"].as_str().context("a subscription")?;
    let customer = paid["customer"].as_str().context("a customer")?;
    let price = stripe_sandbox::DEFAULT_PRICE_ID;
    let form = format!("customer={customer}&items[0][price]={price}&trial_period_days=30&metadata[user_id]={user}");
    let made = world.stripe_post("/v1/subscriptions", &form).await?;
    let second = made.body["id"].as_str().with_context(|| format!("{:?}", made.body))?;
    world.delivered().await?;
    Ok((first.to_owned(), second.to_owned()))
}

fn errors_about(second: &str) -> Vec<Value> {
    let is_it = |line: &Value| {
        line["level"] == "ERROR" && line["message"].as_str().is_some_and(|message| message.contains(second))
    };
    local::logs::after(0).into_iter().filter(is_it).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_trial_is_recorded_and_told_once_with_both_ids() -> Result<()> {
    local::logs::start(false);
    let world = World::start().await?;
    let (first, second) = second_trial(&world, "second-trial-1").await?;
    let told = errors_about(&second);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0]["message"].as_str().unwrap_or_default().contains(&first), "{told:#?}");
    assert_eq!(world.stripe_subscription(&second).await?["status"], "trialing", "only flagged");
    // Whatever comes of it later is brought like any other subscription, and told no second time.
    world.stripe_post(&format!("/v1/subscriptions/{second}"), "metadata[note]=seen").await?;
    world.delivered().await?;
    assert_eq!(errors_about(&second).len(), 1);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_trial_is_ended_when_the_operator_wants_it_so() -> Result<()> {
    local::logs::start(false);
    let world = World::with(&[("TRIAL_ABUSE_ACTION", "end_trial")]).await?;
    let (first, second) = second_trial(&world, "second-trial-2").await?;
    world.delivered().await?;
    assert_ne!(world.stripe_subscription(&second).await?["status"], "trialing", "ended and charged");
    assert_eq!(world.stripe_subscription(&first).await?["status"], "trialing", "the first goes on");
    assert_eq!(errors_about(&second).len(), 1);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_trial_waits_for_a_stripe_in_trouble_and_is_ended_then() -> Result<()> {
    local::logs::start(false);
    let world = World::with(&[("TRIAL_ABUSE_ACTION", "end_trial")]).await?;
    let token = world.token("second-trial-4")?;
    let first = world.subscribe(&token).await?;
    let customer = world.stripe_subscription(&first).await?["customer"].clone();
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    let form = format!(
        "customer={}&items[0][price]={}&trial_period_days=14&metadata[user_id]=second-trial-4",
        customer.as_str().context("a customer")?,
        stripe_sandbox::DEFAULT_PRICE_ID
    );
    let second = world.stripe_post("/v1/subscriptions", &form).await?.body;
    let id = second["id"].as_str().with_context(|| format!("{second}"))?.to_owned();
    let event = EventBuilder::of("evt_second", "customer.subscription.created", world.business_now_second(), second);
    let trouble = json!({ "method": "POST", "path_prefix": "/v1/subscriptions/", "kind": "500", "count": 1000 });
    world.sandbox("faults", &json!({ "api": [trouble] })).await?;
    assert_eq!(world.deliver(&event.body()).await?.status, 503);
    assert_eq!(world.status(&token).await?["subscription_id"], first.as_str(), "nothing was written");
    let is_told = |line: &Value| line["message"].as_str().is_some_and(|message| message.starts_with("Second trial of"));
    assert!(!errors_about(&id).iter().any(is_told), "and nothing told");
    let is_said = |line: &Value| {
        let is_it = |text: &str| text.starts_with(&format!("Error tracking trial in webhook: end the trial of {id}"));
        line["message"].as_str().is_some_and(is_it)
    };
    assert!(local::logs::after(0).iter().any(is_said));
    world.heal_stripe().await?;
    assert_eq!(world.deliver(&event.body()).await?.body["outcome"], "applied");
    assert_ne!(world.stripe_subscription(&id).await?["status"], "trialing");
    world.stack.shutdown().await
}

/// The event is older than what an operator did about it.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_trial_that_trials_no_longer_is_not_ended_once_more() -> Result<()> {
    let world = World::with(&[("TRIAL_ABUSE_ACTION", "end_trial")]).await?;
    let token = world.token("42")?;
    let first = world.subscribe(&token).await?;
    let customer = world.stripe_subscription(&first).await?["customer"].clone();
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    let form = format!(
        "customer={}&items[0][price]={}&trial_period_days=14&metadata[user_id]=42",
        customer.as_str().context("a customer")?,
        stripe_sandbox::DEFAULT_PRICE_ID
    );
    let second = world.stripe_post("/v1/subscriptions", &form).await?.body;
    let path = format!("/v1/subscriptions/{}", second["id"].as_str().with_context(|| format!("{second}"))?);
    let event = EventBuilder::of("evt_second", "customer.subscription.created", world.business_now_second(), second);
    let ended = world.stripe_post(&path, "trial_end=now").await?;
    assert_ne!(ended.body["status"], "trialing", "{:?}", ended.body);
    let calls_before = world.stripe_calls().await?.len();
    assert_eq!(world.deliver(&event.body()).await?.body["outcome"], "applied");
    assert_eq!(world.stripe_calls().await?[calls_before..], [format!("GET {path}")]);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_trial_survives_the_customer() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let session = world.checkout(&token).await?;
    let paid = world.pay(&session, "4242424242424242").await?;
    let before = world.status(&token).await?["first_trial_at"].clone();
    world.stripe_delete(&format!("/v1/customers/{}", paid["customer"].as_str().unwrap_or_default())).await?;
    world.delivered().await?;
    let after = world.status(&token).await?;
    assert_eq!((&after["first_trial_at"], &after["access"]), (&before, &json!(false)));
    world.stack.shutdown().await
}

/// The key may not write subscriptions, or Stripe will not end that trial (a schedule manages it, say).
#[tokio::test(flavor = "multi_thread")]
async fn a_second_trial_that_cannot_be_ended_is_on_record_and_said_all_the_same() -> Result<()> {
    local::logs::start(false);
    let world = World::with(&[("TRIAL_ABUSE_ACTION", "end_trial")]).await?;
    let token = world.token("second-trial-3")?;
    let first = world.subscribe(&token).await?;
    let object = world.stripe_subscription(&first).await?;
    world.stripe_delete(&format!("/v1/subscriptions/{first}")).await?;
    world.delivered().await?;
    let refused = json!({ "method": "POST", "path_prefix": "/v1/subscriptions/", "kind": "403", "count": 1000 });
    world.sandbox("faults", &json!({ "api": [refused] })).await?;
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    let customer = object["customer"].as_str().context("a customer")?;
    let form = format!(
        "customer={customer}&items[0][price]={}&trial_period_days=14&metadata[user_id]=second-trial-3",
        stripe_sandbox::DEFAULT_PRICE_ID
    );
    let second = world.stripe_post("/v1/subscriptions", &form).await?.body;
    let id = second["id"].as_str().with_context(|| format!("{second}"))?.to_owned();
    let event = EventBuilder::of("evt_again", "customer.subscription.created", world.business_now_second(), second);
    assert_eq!(world.deliver(&event.body()).await?.body["outcome"], "applied");
    assert_eq!(errors_about(&id).len(), 1);
    let is_said = |line: &Value| {
        line["message"] == "A second trial could not be ended at Stripe" && line["subscription"] == id.as_str()
    };
    assert!(local::logs::after(0).iter().any(is_said));
    assert_eq!(world.status(&token).await?["subscription_id"], id.as_str());
    world.stack.shutdown().await
}

/// Records of a subscription that Stripe no longer has, brought from elsewhere without the user's claim.
#[tokio::test(flavor = "multi_thread")]
async fn a_trial_goes_on_record_with_the_removal_of_its_only_trace_or_not_at_all() -> Result<()> {
    let world = World::start().await?;
    let core = world.stack.shared_core();
    let books = core.as_ref().as_ref().map_err(|error| anyhow!("{error}"))?.books(Mode::Test)?;
    let id = SubscriptionId::parse(&world.subscribe(&world.token("42")?).await?)?;
    let store = world.store()?;
    let known = store.read_subscription(&Partition::User(UserId::parse("42")?), &id).await?.context("it is stored")?;
    let user = UserId::parse("43")?;
    let partition = Partition::User(user.clone());
    let brought = |guard: Guard| Change::Subscription {
        partition: partition.clone(),
        subscription: Box::new(known.value.clone()),
        as_of: known.as_of.clone(),
        guard,
    };
    assert!(matches!(store.commit(vec![brought(Guard::Newer)]).await?, Commit::Landed));
    let seen = store.read_subscription(&partition, &id).await?.context("it was brought")?;
    assert!(matches!(store.commit(vec![brought(Guard::Unchanged(Some(seen.version)))]).await?, Commit::Landed));
    let stale = Parked::Subscription(Box::new(seen));
    assert_eq!(forget::subscription(&books, &partition, &stale, &known.value).await?, Forgotten::Changed);
    assert_eq!(store.read_account(&user).await?.trial, None, "nothing was forgotten");
    let current = store.read_subscription(&partition, &id).await?.context("it is still there")?;
    let current = Parked::Subscription(Box::new(current));
    assert_eq!(forget::subscription(&books, &partition, &current, &known.value).await?, Forgotten::Removed);
    let claim = store.read_account(&user).await?.trial.context("the trial is spent")?;
    let began_at = known.value.trial_start_at;
    assert_eq!((Some(claim.first_trial_at), claim.subscription.as_ref()), (began_at, Some(&id)));
    world.stack.shutdown().await
}
