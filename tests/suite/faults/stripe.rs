//! Stripe fails while it is asked for something.

use std::time::Duration;

use anyhow::{Context, Result};
use local::Fault;
use serde_json::json;
use tests::{Answer, EventBuilder, Subscriber, World};

use super::{MANY, Seen, in_time, outcome, play};

const CHECKOUT: &str = "/api/subscriptions/checkout/";
/// How long Stripe is silent: longer than one try waits, shorter than a test may take.
const SILENCE_MS: u64 = 6_500;

/// When Stripe is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Two events of one second: which is the later?
    Tie,
    /// The first event that names a card.
    FirstCard,
    /// The first checkout of a user.
    NewCustomer,
    /// The session of a checkout.
    NewSession,
    /// The success page.
    SessionStatus,
}

use Place::{FirstCard, NewCustomer, NewSession, SessionStatus, Tie};

#[derive(Debug)]
struct Row {
    place: Place,
    /// As the sandbox names it.
    fault: &'static str,
    times: u32,
    status: u16,
    tries: usize,
    record: &'static str,
}

const fn row(place: Place, fault: &'static str, times: u32, status: u16, tries: usize, record: &'static str) -> Row {
    Row { place, fault, times, status, tries, record }
}

/// Three tries at the most, two when each runs into its time.
const TABLE: &[Row] = &[
    // The stored word stands until Stripe can be asked.
    row(Tie, "429", 2, 200, 3, "trialing"),
    row(Tie, "429", MANY, 503, 3, "past_due"),
    row(Tie, "500", 2, 200, 3, "trialing"),
    row(Tie, "500", MANY, 503, 3, "past_due"),
    row(Tie, "timeout", 1, 200, 2, "trialing"),
    row(Tie, "timeout", MANY, 503, 2, "past_due"),
    row(Tie, "reset_before", 2, 200, 3, "trialing"),
    row(Tie, "reset_before", MANY, 503, 3, "past_due"),
    row(Tie, "reset_after_commit", MANY, 503, 3, "past_due"),
    // A card is for show.
    row(FirstCard, "429", 2, 200, 3, "trialing 4242"),
    row(FirstCard, "429", MANY, 200, 3, "trialing"),
    row(FirstCard, "500", MANY, 200, 3, "trialing"),
    row(FirstCard, "timeout", 1, 200, 2, "trialing 4242"),
    row(FirstCard, "timeout", MANY, 200, 2, "trialing"),
    row(FirstCard, "reset_before", MANY, 200, 3, "trialing"),
    row(FirstCard, "reset_after_commit", MANY, 200, 3, "trialing"),
    // Stripe answers a key again as it answered it first, be it a 500 or a success nobody heard of; while the first is
    // still at work it says 409.
    row(NewCustomer, "429", 2, 200, 3, "1 customer, 1 open session"),
    row(NewCustomer, "429", MANY, 503, 3, "no customer, no open session"),
    row(NewCustomer, "500", 1, 503, 3, "no customer, no open session"),
    row(NewCustomer, "500", MANY, 503, 3, "no customer, no open session"),
    row(NewCustomer, "500_after_commit", 1, 503, 3, "1 customer, no open session"),
    row(NewCustomer, "timeout", 1, 503, 3, "no customer, no open session"),
    row(NewCustomer, "timeout", MANY, 503, 3, "no customer, no open session"),
    row(NewCustomer, "reset_before", 2, 200, 3, "1 customer, 1 open session"),
    row(NewCustomer, "reset_before", MANY, 503, 3, "no customer, no open session"),
    row(NewCustomer, "reset_after_commit", 1, 200, 2, "1 customer, 1 open session"),
    row(NewCustomer, "reset_after_commit", MANY, 200, 2, "1 customer, 1 open session"),
    row(NewSession, "429", 2, 200, 3, "1 customer, 1 open session"),
    row(NewSession, "429", MANY, 503, 3, "1 customer, no open session"),
    row(NewSession, "500", 1, 503, 3, "1 customer, no open session"),
    row(NewSession, "500", MANY, 503, 3, "1 customer, no open session"),
    row(NewSession, "500_after_commit", 1, 503, 3, "1 customer, 1 open session"),
    row(NewSession, "timeout", MANY, 503, 3, "1 customer, no open session"),
    row(NewSession, "reset_before", 2, 200, 3, "1 customer, 1 open session"),
    row(NewSession, "reset_before", MANY, 503, 3, "1 customer, no open session"),
    row(NewSession, "reset_after_commit", 1, 200, 2, "1 customer, 1 open session"),
    // Nothing is written of what was not said; the webhook brings it.
    row(SessionStatus, "429", 2, 200, 3, "trialing 4242"),
    row(SessionStatus, "429", MANY, 502, 3, "none"),
    row(SessionStatus, "500", 2, 200, 3, "trialing 4242"),
    row(SessionStatus, "500", MANY, 502, 3, "none"),
    row(SessionStatus, "timeout", 1, 200, 2, "trialing 4242"),
    row(SessionStatus, "timeout", MANY, 502, 2, "none"),
    row(SessionStatus, "reset_before", 2, 200, 3, "trialing 4242"),
    row(SessionStatus, "reset_before", MANY, 502, 3, "none"),
    row(SessionStatus, "reset_after_commit", MANY, 502, 3, "none"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_stripe_in_trouble_is_waited_for_within_reason_and_its_truth_comes_in_the_end() -> Result<()> {
    let expected = |row: &Row| Seen {
        status: row.status,
        tries: row.tries,
        record: row.record.to_owned(),
        again: row.place.again(row.status).to_owned(),
        record_again: row.place.truth().to_owned(),
    };
    play(TABLE, one, expected).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_nobody_heard_of_is_found_when_its_key_is_long_forgotten() -> Result<()> {
    let world = World::start().await?;
    let token = world.token("42")?;
    let made_unheard = json!({ "method": "POST", "path_prefix": "/v1/customers", "kind": "500_after_commit" });
    world.sandbox("faults", &json!({ "api": [made_unheard] })).await?;
    // The first transaction says that a customer is being made; the second, that it failed, fails itself.
    world.stack.dynamodb().fail_every(Some("TransactWriteItems"), 2, Fault::AccessDenied);
    assert_eq!(world.post(CHECKOUT, Some(&token), &json!({})).await?.status, 503);
    world.stack.dynamodb().heal();
    world.advance_days(60).await?;
    assert_eq!(world.post(CHECKOUT, Some(&token), &json!({})).await?.status, 200);
    let customers = world.stripe_get("/v1/customers?limit=100").await?;
    assert_eq!(customers["data"].as_array().map(Vec::len), Some(1), "{customers}");
    world.stack.shutdown().await
}

async fn one(row: &'static Row) -> Result<Seen> {
    let scene = Scene::prepare(row.place).await?;
    let world = &scene.subscriber.world;
    let (method, prefix) = row.place.call();
    let before = tries(world, method, prefix).await?;
    let rule = json!({
        "method": method, "path_prefix": prefix, "kind": row.fault, "count": row.times, "delay_ms": SILENCE_MS,
    });
    world.sandbox("faults", &json!({ "api": [rule] })).await?;
    let answer = in_time(scene.ask()).await?;
    world.heal_stripe().await?;
    if row.fault == "timeout" {
        // The sandbox writes a request down when it is through with it.
        tokio::time::sleep(Duration::from_millis(SILENCE_MS)).await;
    }
    let tries = tries(world, method, prefix).await? - before;
    let record = scene.record().await?;
    let again = outcome(&scene.ask_again().await?);
    let seen = Seen { status: answer.status, tries, record, again, record_again: scene.record().await? };
    scene.subscriber.world.stack.shutdown().await?;
    Ok(seen)
}

async fn tries(world: &World, method: &str, prefix: &str) -> Result<usize> {
    let wanted = format!("{method} {prefix}");
    Ok(world.stripe_calls().await?.iter().filter(|call| call.starts_with(&wanted)).count())
}

impl Place {
    fn call(self) -> (&'static str, &'static str) {
        match self {
            Tie => ("GET", "/v1/subscriptions/"),
            FirstCard => ("GET", "/v1/payment_methods/"),
            NewCustomer => ("POST", "/v1/customers"),
            NewSession => ("POST", "/v1/checkout/sessions"),
            SessionStatus => ("GET", "/v1/checkout/sessions/"),
        }
    }

    fn again(self, first: u16) -> &'static str {
        match self {
            Tie if first == 200 => "200 duplicate",
            // The next event.
            Tie | FirstCard => "200 applied",
            NewCustomer | NewSession | SessionStatus => "200",
        }
    }

    fn truth(self) -> &'static str {
        match self {
            Tie => "trialing",
            FirstCard | SessionStatus => "trialing 4242",
            NewCustomer | NewSession => "1 customer, 1 open session",
        }
    }
}

/// The moment before Stripe is asked.
struct Scene {
    place: Place,
    subscriber: Subscriber,
    /// Of somebody who is not a subscriber yet.
    newcomer: String,
    session: String,
}

impl Scene {
    async fn prepare(place: Place) -> Result<Scene> {
        let subscriber = Subscriber::start().await?;
        let newcomer = subscriber.world.token("43")?;
        let mut scene = Scene { place, subscriber, newcomer, session: String::new() };
        match place {
            Tie => {
                let first = scene.subscriber.event("evt_first", 20).status("past_due");
                assert_eq!(scene.subscriber.outcome(first).await?, "applied");
            }
            FirstCard | SessionStatus => scene.session = scene.paid().await?,
            NewCustomer | NewSession => {}
        }
        Ok(scene)
    }

    /// The newcomer has paid; no webhook has come.
    async fn paid(&self) -> Result<String> {
        let world = &self.subscriber.world;
        let session = world.checkout(&self.newcomer).await?;
        world.sandbox(&format!("checkout/{session}/pay"), &json!({ "card": "4242424242424242" })).await?;
        Ok(session)
    }

    async fn ask(&self) -> Result<Answer> {
        self.ask_as("evt_asked").await
    }

    async fn ask_again(&self) -> Result<Answer> {
        self.ask_as(if self.place == FirstCard { "evt_next" } else { "evt_asked" }).await
    }

    async fn ask_as(&self, event: &str) -> Result<Answer> {
        let world = &self.subscriber.world;
        match self.place {
            Tie => world.deliver(&self.subscriber.event(event, 20).status("unpaid").body()).await,
            FirstCard => world.deliver(&self.first_card(event).await?).await,
            NewCustomer | NewSession => world.post(CHECKOUT, Some(&self.newcomer), &json!({})).await,
            SessionStatus => {
                let path = format!("/api/subscriptions/session-status/?session_id={}", self.session);
                world.get(&path, Some(&self.newcomer)).await
            }
        }
    }

    /// The newcomer's subscription as Stripe has it.
    async fn first_card(&self, event: &str) -> Result<String> {
        let world = &self.subscriber.world;
        let session = world.stripe_get(&format!("/v1/checkout/sessions/{}", self.session)).await?;
        let subscription = world.stripe_subscription(session["subscription"].as_str().context("paid")?).await?;
        let ahead = if event == "evt_next" { 10 } else { 5 };
        let created = self.subscriber.now + ahead;
        Ok(EventBuilder::of(event, "customer.subscription.updated", created, subscription).body())
    }

    async fn record(&self) -> Result<String> {
        let world = &self.subscriber.world;
        match self.place {
            Tie => self.subscriber.status().await,
            FirstCard | SessionStatus => {
                let status = world.status(&self.newcomer).await?;
                let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                let (word, card) = (text(&status["status"]), text(&status["payment_method"]["last4"]));
                Ok(format!("{word} {card}").trim_end().to_owned())
            }
            NewCustomer | NewSession => self.at_stripe().await,
        }
    }

    /// What the newcomer has there; the subscriber's own customer does not count.
    async fn at_stripe(&self) -> Result<String> {
        let world = &self.subscriber.world;
        let customers = world.stripe_get("/v1/customers?limit=100").await?;
        let count = customers["data"].as_array().map_or(0, Vec::len) - 1;
        let sessions = world.stripe_get("/v1/checkout/sessions?status=open&limit=100").await?;
        let sessions = sessions["data"].as_array().map_or(0, Vec::len);
        let number = |count: usize| if count == 0 { "no".to_owned() } else { count.to_string() };
        Ok(format!("{} customer, {} open session", number(count), number(sessions)))
    }
}
