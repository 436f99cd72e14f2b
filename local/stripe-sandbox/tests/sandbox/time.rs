//! What the calendar does: trials end, subscriptions renew, cards fail, ends come.

use serde_json::json;

use crate::support::{CARD, DAY, FAILS_LATER, World, id};

const TRIAL: &str = "&subscription_data[trial_period_days]=7";

#[tokio::test]
async fn the_whole_story_of_a_subscriber() {
    let world = World::start().await;
    let (customer, subscription) = world.subscriber(TRIAL, CARD).await;
    let moved = world.advance(8).await;
    assert_eq!(moved["undelivered"], 0);
    assert_eq!(world.sandbox.clock().offset_seconds() / DAY, 8);

    let warned = world.received("customer.subscription.trial_will_end", 1).await;
    assert_eq!(
        warned[0]["data"]["object"]["trial_end"].as_i64().unwrap() - warned[0]["created"].as_i64().unwrap(),
        3 * DAY
    );
    let began = world.receiver.of_type("customer.subscription.updated");
    assert_eq!(began[0]["data"]["previous_attributes"]["status"], "trialing");
    assert_eq!(began[0]["data"]["object"]["status"], "active");
    let paid = world.receiver.of_type("invoice.paid");
    assert_eq!((paid.len(), paid[1]["data"]["object"]["amount_paid"].as_i64()), (2, Some(4990)));
    assert_eq!(paid[1]["created"].as_i64().unwrap() - began[0]["created"].as_i64().unwrap(), 3600);

    world.control("POST", &format!("/customers/{customer}/card"), json!({"card": FAILS_LATER})).await;
    world.advance(31).await;
    assert_eq!(world.subscription(&subscription).await["status"], "past_due");
    let failed = world.received("invoice.payment_failed", 1).await;
    assert_eq!(failed[0]["data"]["object"]["attempt_count"], 1);
    assert!(failed[0]["data"]["object"]["next_payment_attempt"].is_i64());

    world.advance(16).await;
    let gone = world.subscription(&subscription).await;
    assert_eq!(
        (gone["status"].as_str(), gone["cancellation_details"]["reason"].as_str()),
        (Some("canceled"), Some("payment_failed"))
    );
    assert_eq!(world.receiver.of_type("invoice.payment_failed").len(), 8);
    world.received("customer.subscription.deleted", 1).await;
}

#[tokio::test]
async fn events_carry_the_business_time_their_receiver_sees() {
    let world = World::start().await;
    let (_, subscription) = world.subscriber(TRIAL, CARD).await;
    world.advance(8).await;
    let end = world.subscription(&subscription).await["trial_end"].as_i64().unwrap();
    let updated = &world.receiver.of_type("customer.subscription.updated")[0];
    assert!((0..5).contains(&(updated["created"].as_i64().unwrap() - end)));
    let date = world.get("/v1/account").await;
    let now = world.control("GET", "/state", json!(null)).await.body["now"].as_i64().unwrap();
    assert!(now > end, "{}", date.header("date"));
}

#[tokio::test]
async fn a_year_renews_twelve_times_on_the_same_day() {
    let world = World::start().await;
    let (_, subscription) = world.subscriber("", CARD).await;
    let start = world.subscription(&subscription).await["start_date"].as_i64().unwrap();
    world.advance(366).await;
    let invoices = world.get(&format!("/v1/invoices?subscription={subscription}&limit=100")).await.body;
    assert_eq!(invoices["data"].as_array().unwrap().len(), 13);
    assert!(invoices["data"].as_array().unwrap().iter().all(|invoice| invoice["status"] == "paid"));
    let item = world.subscription(&subscription).await["items"]["data"][0].clone();
    assert!(item["current_period_start"].as_i64().unwrap() - start >= 365 * DAY);
}

#[tokio::test]
async fn paying_the_open_invoice_brings_active_back() {
    let world = World::start().await;
    let (customer, subscription) = world.subscriber(TRIAL, FAILS_LATER).await;
    world.advance(8).await;
    let past_due = world.get(&format!("/v1/subscriptions/{subscription}?expand[]=latest_invoice")).await.body;
    assert_eq!(
        (past_due["status"].as_str(), past_due["latest_invoice"]["status"].as_str()),
        (Some("past_due"), Some("open"))
    );
    let invoice = id(&past_due["latest_invoice"]);
    assert_eq!(
        world.post(&format!("/v1/invoices/{invoice}/pay"), "").await.error(),
        (402, "card_error", "card_declined", "")
    );
    let method =
        id(&world.post("/v1/payment_methods/pm_card_mastercard/attach", &format!("customer={customer}")).await.body);
    let paid =
        world.post(&format!("/v1/invoices/{invoice}/pay"), &format!("payment_method={method}&expand[]=customer")).await;
    assert_eq!(paid.body["status"], "paid");
    assert_eq!(world.subscription(&subscription).await["status"], "active");
}

#[tokio::test]
async fn dunning_ends_as_the_account_says() {
    for (setting, status) in [("unpaid", "unpaid"), ("past_due", "past_due")] {
        let world = World::start().await;
        world.control("POST", "/faults", json!({"dunning_end": setting})).await;
        let (_, subscription) = world.subscriber(TRIAL, FAILS_LATER).await;
        world.advance(24).await;
        assert_eq!(world.subscription(&subscription).await["status"], status);
    }
}

#[tokio::test]
async fn cancelling_at_the_period_end_can_be_taken_back() {
    let world = World::start().await;
    let (_, subscription) = world.subscriber("", CARD).await;
    let path = format!("/v1/subscriptions/{subscription}");
    let ending = world.post(&path, "cancel_at_period_end=true").await.body;
    assert_eq!(ending["cancel_at"], ending["items"]["data"][0]["current_period_end"]);
    let back = world.post(&path, "cancel_at_period_end=false").await.body;
    assert_eq!((back["cancel_at"].is_null(), back["canceled_at"].is_null()), (true, true));
    world.advance(32).await;
    assert_eq!(world.subscription(&subscription).await["status"], "active");
    let end = world.subscription(&subscription).await["items"]["data"][0]["current_period_end"].as_i64().unwrap();
    let dated = world.post(&path, &format!("cancel_at={}", end - 5 * DAY)).await.body;
    assert_eq!(
        (dated["cancel_at_period_end"].as_bool(), dated["cancel_at"].as_i64()),
        (Some(false), Some(end - 5 * DAY))
    );
    world.advance(32).await;
    let gone = world.subscription(&subscription).await;
    assert_eq!(
        (gone["status"].as_str(), gone["cancellation_details"]["reason"].as_str()),
        (Some("canceled"), Some("cancellation_requested"))
    );
    assert_eq!(world.post(&path, "cancel_at_period_end=false").await.status, 400);
    assert_eq!(world.delete(&path).await.status, 404);
}

#[tokio::test]
async fn a_trial_without_a_card_does_what_its_settings_say() {
    for (behavior, status) in [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "past_due")] {
        let world = World::start().await;
        let customer = world.customer().await;
        let form = format!(
            "customer={customer}&items[0][price]=price_caixahub_premium_monthly&trial_period_days=2&trial_settings[end_behavior][missing_payment_method]={behavior}"
        );
        let created = world.post("/v1/subscriptions", &form).await.body;
        world.received("customer.subscription.trial_will_end", 1).await;
        world.advance(3).await;
        let subscription = id(&created);
        assert_eq!(world.subscription(&subscription).await["status"], status);
        if behavior == "pause" {
            world.received("customer.subscription.paused", 1).await;
            world.control("POST", &format!("/customers/{customer}/card"), json!({"card": FAILS_LATER})).await;
            let unpaid = world.post(&format!("/v1/subscriptions/{subscription}/resume"), "").await.body;
            assert_eq!(unpaid["status"], "paused");
            world.control("POST", &format!("/customers/{customer}/card"), json!({"card": CARD})).await;
            let resumed =
                world.post(&format!("/v1/subscriptions/{subscription}/resume"), "billing_cycle_anchor=now").await.body;
            assert_eq!(resumed["status"], "active");
        }
    }
}

#[tokio::test]
async fn a_trial_can_be_ended_by_hand() {
    let world = World::start().await;
    let (_, subscription) = world.subscriber(TRIAL, CARD).await;
    let active = world.post(&format!("/v1/subscriptions/{subscription}"), "trial_end=now").await.body;
    assert_eq!(active["status"], "active");
    assert_eq!(
        world.get(&format!("/v1/invoices/{}", active["latest_invoice"].as_str().unwrap())).await.body["amount_paid"],
        4990
    );
}
