//! POST /stripe/webhook/{uuid}/: who may speak, and what is answered.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::{EventId, Mode};
use tests::{EventBuilder, World, answer, sign};

fn event(id: &str) -> EventBuilder {
    EventBuilder::subscription(id, "sub_1", "cus_1", 1_760_000_000).owned_by("42")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genuine_event_is_applied_once() -> Result<()> {
    let world = World::start().await?;
    let body = event("evt_1").body();
    assert_eq!(world.deliver(&body).await?.body, json!({ "received": true, "outcome": "applied" }));
    assert_eq!(world.deliver(&body).await?.body, json!({ "received": true, "outcome": "duplicate" }));
    assert_eq!(world.status(&world.token("42")?).await?["status"], "active");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_status() -> Result<()> {
    let world = World::start().await?;
    let path = world.stack.webhook_path();
    let body = event("evt_1").body();
    let good = sign(world.stack.webhook_secret(), &body);
    let status = async |path: &str, signature: Option<&str>, body: &[u8]| -> Result<u16> {
        Ok(world.deliver_as(path, signature, body).await?.status)
    };
    assert_eq!(status(&path, None, body.as_bytes()).await?, 401);
    let of_live = sign(world.stack.webhook_secret_of(Mode::Live), &body);
    assert_eq!(status(&path, Some(&of_live), body.as_bytes()).await?, 401, "another mode's secret");
    let old = shared::stripe::signature::sign(
        &world.stack.webhook_secret().into(),
        world.business_now_second() - 301,
        body.as_bytes(),
    );
    assert_eq!(status(&path, Some(&old), body.as_bytes()).await?, 401, "stale");
    assert_eq!(status("/stripe/webhook/0000/", Some(&good), body.as_bytes()).await?, 404, "unknown uuid");
    assert_eq!(status("/elsewhere/", Some(&good), body.as_bytes()).await?, 404, "unknown path");
    let large = vec![b' '; 256 * 1024 + 1];
    assert_eq!(status(&path, Some(&good), &large).await?, 413);
    for not_an_event in ["not json", "[]", r#"{"object":"charge"}"#, r#"{"object":"event"}"#] {
        let signature = sign(world.stack.webhook_secret(), not_an_event);
        assert_eq!(status(&path, Some(&signature), not_an_event.as_bytes()).await?, 400, "{not_an_event}");
    }
    let got = answer(world.http.request(Method::GET, format!("{}{path}", world.stack.function_url()))).await?;
    assert_eq!(got.status, 405);
    assert!(got.header("allow").unwrap_or_default().contains("POST"));
    assert!(world.stack.dynamodb_calls().is_empty(), "nothing was written");
    assert_eq!(status("/stripe/webhook/", Some(&good), body.as_bytes()).await?, 200, "the path without a uuid");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_none_of_our_business_is_ignored() -> Result<()> {
    let world = World::start().await?;
    let others = [
        event("evt_live").with("/livemode", true),
        event("evt_connect").with("/account", "acct_1"),
        EventBuilder::of("evt_type", "charge.succeeded", 1_760_000_000, json!({ "id": "ch_1", "object": "charge" })),
    ];
    for other in others {
        let answer = world.deliver(&other.body()).await?;
        assert_eq!((answer.status, &answer.body["outcome"]), (200, &json!("ignored")), "{}", other.body());
    }
    assert_eq!(world.status(&world.token("42")?).await?["status"], "none");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_modes_are_served_at_all_times_and_never_mixed() -> Result<()> {
    let world = World::start().await?;
    let body = event("evt_1").with("/livemode", true).body();
    let signature = sign(world.stack.webhook_secret_of(Mode::Live), &body);
    let live = world.deliver_as(&world.stack.webhook_path_of(Mode::Live), Some(&signature), body.as_bytes()).await?;
    assert_eq!(live.body["outcome"], "applied", "{:?}", live.body);
    assert_eq!(world.status(&world.token("42")?).await?["status"], "none", "test mode does not see it");
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn old_and_new_shapes_are_read_alike() -> Result<()> {
    let world = World::start().await?;
    let new = event("evt_new").with("/data/object/items/data/0/current_period_end", 1_762_000_000);
    let mut old = EventBuilder::subscription("evt_old", "sub_2", "cus_2", 1_760_000_000).owned_by("43");
    old = old
        .with("/data/object/current_period_end", 1_762_000_000)
        .with("/data/object/current_period_start", 1_759_999_990);
    for field in ["current_period_end", "current_period_start"] {
        old = old.with(&format!("/data/object/items/data/0/{field}"), serde_json::Value::Null);
    }
    world.deliver(&new.body()).await?;
    world.deliver(&old.body()).await?;
    let of =
        async |user: &str| -> Result<_> { Ok(world.status(&world.token(user)?).await?["current_period_end"].clone()) };
    assert_eq!(of("42").await?, "2025-11-01T12:26:40Z");
    assert_eq!(of("43").await?, of("42").await?);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_systems_log_lines_are_written_word_for_word() -> Result<()> {
    let world = World::start().await?;
    let user = "log-lines-1";
    let subscription = "sub_loglines";
    let of = |id: &str, event_type: &str, created: i64| {
        EventBuilder::subscription(id, subscription, "cus_loglines", created).owned_by(user).with("/type", event_type)
    };
    let invoice = |id: &str, event_type: &str| {
        let object = json!({
            "id": "in_loglines", "object": "invoice", "customer": "cus_loglines", "status": "open", "currency": "brl",
            "amount_due": 4990, "amount_paid": 4990, "attempt_count": 3, "number": "A-1",
            "parent": { "type": "subscription_details", "subscription_details": { "subscription": subscription, "metadata": {} } },
        });
        EventBuilder::of(id, event_type, 1_760_000_100, object)
    };
    let events = [
        of("evt_l1", "customer.subscription.created", 1_760_000_000)
            .status("trialing")
            .with("/data/object/trial_start", 1_760_000_000)
            .with("/data/object/trial_end", 1_760_604_800),
        of("evt_l2", "customer.subscription.trial_will_end", 1_760_000_010).status("trialing"),
        of("evt_l3", "customer.subscription.updated", 1_760_000_020)
            .with("/data/previous_attributes", json!({ "status": "trialing" })),
        of("evt_l4", "customer.subscription.updated", 1_760_000_030)
            .status("past_due")
            .with("/data/previous_attributes", json!({ "status": "active" })),
        invoice("evt_l5", "invoice.payment_failed"),
        invoice("evt_l6", "invoice.payment_succeeded"),
        of("evt_l7", "customer.subscription.updated", 1_760_000_040)
            .status("canceled")
            .with("/data/previous_attributes", json!({ "status": "past_due" })),
        of("evt_l8", "customer.subscription.deleted", 1_760_000_050).status("canceled"),
    ];
    local::logs::start(false);
    for event in events {
        let answer = world.deliver(&event.body()).await?;
        assert_eq!(answer.body["outcome"], "applied", "{:?} {}", answer.body, event.body());
    }
    let logged = logged();
    for (level, message) in [
        ("INFO", "Subscription created via webhook: sub_loglines"),
        ("INFO", "Trial tracked via webhook for user log-lines-1"),
        ("WARN", "Trial ending soon for subscription sub_loglines"),
        ("INFO", "Subscription sub_loglines status changed: trialing → active"),
        ("INFO", "Trial converted to paid: sub_loglines"),
        ("WARN", "Subscription past due: sub_loglines"),
        ("WARN", "Payment failed (attempt 3): R$ 49.90 for subscription sub_loglines"),
        ("INFO", "Payment succeeded: R$ 49.90 for subscription sub_loglines"),
        ("INFO", "Subscription canceled: sub_loglines"),
        ("INFO", "Subscription deleted: sub_loglines for customer cus_loglines"),
    ] {
        let is_there = logged.iter().any(|(its_level, its_message)| its_level == level && its_message == message);
        assert!(is_there, "{level} {message} is not among {logged:#?}");
    }
    world.stack.shutdown().await
}

/// Level and message of every line of this process so far.
fn logged() -> Vec<(String, String)> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    local::logs::after(0).iter().map(|line| (text(line, "level"), text(line, "message"))).collect()
}

fn times_logged(message: &str) -> usize {
    logged().iter().filter(|(_, logged)| logged == message).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_overtaken_is_told_all_the_same() -> Result<()> {
    let world = World::start().await?;
    local::logs::start(false);
    let of = |id: &str, event_type: &str, created: i64| {
        EventBuilder::subscription(id, "sub_overtaken", "cus_overtaken", created)
            .owned_by("overtaken-1")
            .status("trialing")
            .with("/type", event_type)
            .with("/data/object/trial_start", 1_760_000_000)
            .with("/data/object/trial_end", 1_760_604_800)
    };
    let invoice = |id: &str, event_type: &str, created: i64, status: &str| {
        let object = json!({
            "id": "in_overtaken", "object": "invoice", "customer": "cus_overtaken", "status": status, "currency": "brl",
            "amount_due": 4990, "amount_paid": 4990, "attempt_count": 1,
            "parent": { "subscription_details": { "subscription": "sub_overtaken", "metadata": {} } },
        });
        EventBuilder::of(id, event_type, created, object)
    };
    for (event, outcome) in [
        (of("evt_o1", "customer.subscription.updated", 1_760_000_010), "applied"),
        (of("evt_o2", "customer.subscription.created", 1_760_000_000), "stale"),
        (of("evt_o2", "customer.subscription.created", 1_760_000_000), "duplicate"),
        (invoice("evt_o3", "invoice.payment_succeeded", 1_760_000_200, "paid"), "applied"),
        (invoice("evt_o4", "invoice.payment_failed", 1_760_000_100, "open"), "stale"),
        (invoice("evt_o4", "invoice.payment_failed", 1_760_000_100, "open"), "duplicate"),
    ] {
        let answer = world.deliver(&event.body()).await?;
        assert_eq!(answer.body["outcome"], outcome, "{:?} {}", answer.body, event.body());
    }
    assert_eq!(times_logged("Trial tracked via webhook for user overtaken-1"), 1);
    assert_eq!(times_logged("Payment failed (attempt 1): R$ 49.90 for subscription sub_overtaken"), 1);
    assert_eq!(times_logged("Payment succeeded: R$ 49.90 for subscription sub_overtaken"), 1);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_trial_is_an_error_and_not_tracked_again() -> Result<()> {
    let world = World::start().await?;
    local::logs::start(false);
    let of = |event: &str, event_type: &str, subscription: &str, started: i64, created: i64| {
        EventBuilder::subscription(event, subscription, "cus_twotrials", created)
            .owned_by("two-trials-1")
            .status("trialing")
            .with("/type", event_type)
            .with("/data/object/trial_start", started)
            .with("/data/object/trial_end", started + 604_800)
    };
    let (created, updated) = ("customer.subscription.created", "customer.subscription.updated");
    let (first, second, third) = (1_760_000_000, 1_760_090_000, 1_760_180_000);
    for (event, outcome) in [
        (of("evt_s1", created, "sub_firsttrial", first, first), "applied"),
        (of("evt_s2", created, "sub_secondtrial", second, second), "applied"),
        (of("evt_s4", updated, "sub_thirdtrial", third, third + 10), "applied"),
        (of("evt_s3", created, "sub_thirdtrial", third, third), "stale"),
    ] {
        assert_eq!(world.deliver(&event.body()).await?.body["outcome"], outcome, "{}", event.body());
    }
    assert_eq!(times_logged("Trial tracked via webhook for user two-trials-1"), 1);
    assert_eq!(times_logged("Second trial of user two-trials-1: sub_secondtrial after sub_firsttrial"), 1);
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_stripe_invents_is_told_as_an_error() -> Result<()> {
    local::logs::start(false);
    let world = World::start().await?;
    let invented = EventBuilder::subscription("evt_1", "sub_invented", "cus_invented", 1_760_000_000);
    let answer = world.deliver(&invented.owned_by("42").status("hibernating").body()).await?;
    assert_eq!(answer.body["outcome"], "applied");
    let told = "Subscription sub_invented has an unknown status and gives no access";
    assert!(logged().contains(&("ERROR".to_owned(), told.to_owned())));
    world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_recorded_as_failed_and_not_sent_for_ever() -> Result<()> {
    local::logs::start(false);
    let world = World::start().await?;
    let nonsense = event("evt_unread").with("/data/object/customer", 7);
    let answer = world.deliver(&nonsense.body()).await?;
    assert_eq!((answer.status, &answer.body["outcome"]), (200, &json!("failed")), "{:?}", answer.body);
    let known = world.store()?.read_event(&EventId::parse("evt_unread")?).await?;
    let why = known.and_then(|known| known.error).unwrap_or_default();
    assert!(why.starts_with("customer.subscription.updated: "), "{why}");
    let told = ("ERROR".to_owned(), format!("Error processing webhook event evt_unread: {why}"));
    assert!(logged().contains(&told), "{told:?}");
    let failed = world.store()?.read_failed_events().await?;
    assert_eq!((failed.len(), failed[0].error.as_deref()), (1, Some(why.as_str())), "{failed:?}");
    world.stack.shutdown().await
}
