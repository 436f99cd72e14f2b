//! The handler is killed at every call it makes, before or after the call has its effect; then Stripe sends the event
//! again, or the caller asks again: the records end as if nothing had happened, and every effect is there once.

mod tales;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use lambda_http::RequestExt;
use lambda_http::http::Request;
use serde_json::{Value, json};
use shared::boot::Core;
use shared::clock::Clock;
use shared::config::Misconfigured;
use shared::domain::Mode;
use shared::http::Function;
use shared::store::Outcome;
use shared::stripe::envelope;
use shared::sync;
use tales::{NOW, Names, TALES};
use tests::{Crossing, EventBuilder, Moment, Services, Truth, World, core_on, partition};

/// One telling: whether the handler was killed, and the records after the event came again.
struct Played {
    was_killed: bool,
    end: Value,
}

/// Plays with a kill at the first call, the second, and so on until nothing is left to be killed. How many kills it was.
async fn kill_everywhere(what: &str, play: impl AsyncFn(usize, Moment) -> Result<Played>) -> Result<usize> {
    let undisturbed = play(usize::MAX, Moment::BeforeItsEffect).await.with_context(|| what.to_owned())?;
    ensure!(!undisturbed.was_killed, "{what}: nothing was to be killed");
    let mut kills = 0;
    for moment in [Moment::BeforeItsEffect, Moment::AfterItsEffect] {
        for call in 1.. {
            let where_it_died = format!("{what}, killed at call {call} {moment:?}");
            let played = play(call, moment).await.with_context(|| where_it_died.clone())?;
            let difference = difference(&undisturbed.end, &played.end);
            ensure!(difference.is_empty(), "{where_it_died}, the records end otherwise: {difference:#?}");
            if !played.was_killed {
                break;
            }
            kills += 1;
        }
    }
    ensure!(kills >= 2, "{what}: it makes a call at least");
    Ok(kills)
}

/// What only one of them has, by line, for whoever has to find out why.
fn difference(expected: &Value, found: &Value) -> Vec<String> {
    let lines = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let (expected, found) = (lines(expected), lines(found));
    let lacking = |text: &str, line: &&str| !text.lines().any(|other| other == *line);
    let missing = expected.lines().filter(|line| lacking(&found, line)).map(|line| format!("missing {line}"));
    let extra = found.lines().filter(|line| lacking(&expected, line)).map(|line| format!("extra {line}"));
    let mut difference: Vec<_> = missing.chain(extra).collect();
    if difference.is_empty() && expected != found {
        difference = vec![expected, found];
    }
    difference
}

/// A partition without what differs from one telling to the next although all is well: times, stamps, versions (an
/// object may be written again as it is) and which delivery it was.
async fn records(world: &World, pk: &str) -> Result<BTreeMap<String, Value>> {
    const MAY_DIFFER: [&str; 12] = [
        "as_of",
        "as_of_until",
        "as_of_event",
        "version",
        "delivery",
        "received_at",
        "finished_at",
        "expires_at",
        "opened_at",
        "created_at",
        "session_expires_at",
        "creating_since",
    ];
    let mut items = partition(world.stack.dynamodb_url(), world.stack.table_name(), pk).await?;
    for item in items.values_mut().filter_map(Value::as_object_mut) {
        MAY_DIFFER.iter().for_each(|name| drop(item.remove(*name)));
    }
    Ok(items)
}

/// A stack whose Stripe tells the truth of one tale at a time.
struct Webhook {
    world: World,
    truth: Truth,
    crossing: Crossing,
    core: Core,
    business_offset: Arc<AtomicI64>,
    tellings: AtomicU64,
}

impl Webhook {
    async fn start() -> Result<Webhook> {
        let (world, truth) = (World::start().await?, Truth::start().await?);
        let mut crossing = Crossing::new()?;
        let dynamodb_url = crossing.lead_to(world.stack.dynamodb_url()).await?;
        let stripe_url = crossing.lead_to(truth.url()).await?;
        let business_offset = Arc::<AtomicI64>::default();
        let clock = Clock::with_business_offset(Arc::clone(&business_offset));
        let services = Services { dynamodb_url: &dynamodb_url, stripe_url: &stripe_url, default_price: "price_tale" };
        let core = core_on(&world.stack, services, clock).await?;
        Ok(Webhook { world, truth, crossing, core, business_offset, tellings: AtomicU64::new(0) })
    }

    async fn deliver(&self, event: &EventBuilder, delivery: &str) -> Result<Outcome> {
        let envelope = envelope::parse(event.body().as_bytes())?;
        Ok(sync::receive(&self.core.books(Mode::Test)?, &envelope, delivery).await?)
    }

    async fn play(&self, tell: fn(&Names) -> tales::Tale, call: usize, moment: Moment) -> Result<Played> {
        let names = Names::of(self.tellings.fetch_add(1, Ordering::Relaxed));
        let wall_second = self.core.clock.wall_now().as_second();
        self.business_offset.store(NOW - wall_second, Ordering::SeqCst);
        self.truth.set_second(NOW + 60);
        let tale = tell(&names);
        tale.true_at_stripe.iter().for_each(|object| self.truth.is(object));
        for event in &tale.before {
            self.deliver(event, "before").await?;
        }
        let killed = self.crossing.kill_at(call, moment, self.deliver(&tale.arrives, "first")).await;
        let was_killed = killed.is_none();
        if let Some(outcome) = killed {
            ensure!(!matches!(outcome?, Outcome::Duplicate | Outcome::Failed), "it is new");
        }
        let again = self.deliver(&tale.arrives, "second").await?;
        ensure!(was_killed || again == Outcome::Duplicate, "again it was {}", again.as_str());
        ensure!(self.deliver(&tale.arrives, "third").await? == Outcome::Duplicate, "it is known by now");

        let mut end = BTreeMap::new();
        let events = tale.before.iter().chain([&tale.arrives]);
        let events = events.filter_map(|event| event.value()["id"].as_str()).map(|id| format!("test#event#{id}"));
        let owners = [format!("test#user#{}", names.user()), format!("test#customer#{}", names.customer())];
        for pk in owners.into_iter().chain(events) {
            end.insert(pk.clone(), records(&self.world, &pk).await?);
        }
        // Stale is an event whose effect came with something read from Stripe.
        let end = names.unmarked(&serde_json::to_string(&end)?).replace(r#""stale""#, r#""applied""#);
        Ok(Played { was_killed, end: serde_json::from_str(&end)? })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_has_its_effect_once_wherever_its_handler_dies() -> Result<()> {
    let webhook = Webhook::start().await?;
    for (what, tell) in TALES {
        let kills = kill_everywhere(what, async |call, moment| webhook.play(tell, call, moment).await).await?;
        println!("{what}: killed {kills} times");
    }
    webhook.world.stack.shutdown().await
}

/// A stack whose functions reach DynamoDB and the sandbox over a crossing.
struct Site {
    world: World,
    crossing: Crossing,
    checkout: Function,
    session_status: Function,
    users: AtomicU64,
}

impl Site {
    async fn start() -> Result<Site> {
        let world = World::start().await?;
        world.sandbox("deliver", &json!({ "hold": true })).await?;
        let mut crossing = Crossing::new()?;
        let dynamodb_url = crossing.lead_to(world.stack.dynamodb_url()).await?;
        let stripe_url = crossing.lead_to(world.stack.stripe_url()).await?;
        let services = Services {
            dynamodb_url: &dynamodb_url,
            stripe_url: &stripe_url,
            default_price: stripe_sandbox::DEFAULT_PRICE_ID,
        };
        let core: Result<Core, Misconfigured> = core_on(&world.stack, services, Clock::default()).await;
        let (checkout, session_status) = (checkout::function(&core), session_status::function(&core));
        Ok(Site { world, crossing, checkout, session_status, users: AtomicU64::new(0) })
    }

    fn user(&self) -> String {
        format!("user{}", self.users.fetch_add(1, Ordering::Relaxed))
    }

    async fn ask_checkout(&self, token: &str) -> Result<Value> {
        let request = Request::post("/api/subscriptions/checkout/").header("authorization", format!("Bearer {token}"));
        answer(&self.checkout, request.body("{}".into())?).await
    }

    async fn ask_session_status(&self, session: &str) -> Result<Value> {
        let path = format!("/api/subscriptions/session-status/?session_id={session}");
        answer(&self.session_status, Request::get(path).body("".into())?).await
    }

    /// The user's records with the customer, the session and the subscription by what they are, not by their ids.
    async fn records_of(&self, user: &str, named: &[(&str, &str)]) -> Result<Value> {
        let mut end = records(&self.world, &format!("test#user#{user}")).await?;
        let customer = end.get("customer").and_then(|item| item["customer_id"].as_str()).map(str::to_owned);
        let customer = customer.context("the user has a customer")?;
        let of_customer = records(&self.world, &format!("test#customer#{customer}")).await?;
        end.extend(of_customer.into_iter().map(|(sk, item)| (format!("{customer} {sk}"), item)));
        let mut text = serde_json::to_string(&end)?.replace(&customer, "the customer").replace(user, "the user");
        for (id, name) in named {
            text = text.replace(id, name);
        }
        Ok(serde_json::from_str(&text)?)
    }

    async fn play_checkout(&self, call: usize, moment: Moment) -> Result<Played> {
        let user = self.user();
        let token = self.world.token(&user)?;
        let was_killed = self.crossing.kill_at(call, moment, self.ask_checkout(&token)).await.is_none();
        let reply = self.ask_checkout(&token).await?;
        let session = reply["session_id"].as_str().with_context(|| format!("no session in {reply}"))?;
        ensure!(self.ask_checkout(&token).await? == reply, "the same session again");
        let email = format!("user{user}@example.com");
        let customers = self.world.stripe_get(&format!("/v1/customers?email={email}")).await?;
        ensure!(customers["data"].as_array().is_some_and(|all| all.len() == 1), "one customer: {customers}");
        let customer = customers["data"][0]["id"].as_str().context("a customer")?;
        let open = self.world.stripe_get(&format!("/v1/checkout/sessions?customer={customer}&status=open")).await?;
        ensure!(open["data"].as_array().is_some_and(|all| all.len() == 1), "one open session: {open}");
        ensure!(open["data"][0]["id"] == session, "the open session is the user's");
        Ok(Played { was_killed, end: self.records_of(&user, &[(session, "the session")]).await? })
    }

    async fn play_session_status(&self, call: usize, moment: Moment) -> Result<Played> {
        let user = self.user();
        let session = self.world.checkout(&self.world.token(&user)?).await?;
        let card = json!({ "card": "4242424242424242" });
        let paid = self.world.sandbox(&format!("checkout/{session}/pay"), &card).await?;
        let subscription = paid["subscription_id"].as_str().context("a subscription")?;
        let was_killed = self.crossing.kill_at(call, moment, self.ask_session_status(&session)).await.is_none();
        let reply = self.ask_session_status(&session).await?;
        ensure!(reply["status"] == "trialing", "{reply}");
        let object = self.world.stripe_subscription(subscription).await?;
        let card = object["default_payment_method"].as_str().context("a card")?;
        let (start, end) = (object["trial_start"].to_string(), object["trial_end"].to_string());
        let named = [
            (session.as_str(), "the session"),
            (subscription, "the subscription"),
            (card, "the card"),
            (start.as_str(), "1"),
            (end.as_str(), "2"),
        ];
        Ok(Played { was_killed, end: self.records_of(&user, &named).await? })
    }
}

async fn answer(function: &Function, request: Request<lambda_http::Body>) -> Result<Value> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let query: std::collections::HashMap<_, _> =
        query.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).collect();
    let request = request.with_raw_http_path(path).with_query_string_parameters(query);
    let reply = function.call(request).await;
    ensure!(reply.status().is_success(), "it answered {}: {:?}", reply.status(), reply.body());
    Ok(serde_json::from_slice(reply.body())?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_has_one_customer_and_one_session_wherever_checkout_dies() -> Result<()> {
    let site = Site::start().await?;
    let kills = kill_everywhere("checkout", async |call, moment| site.play_checkout(call, moment).await).await?;
    println!("checkout: killed {kills} times");
    site.world.stack.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_is_recorded_once_wherever_session_status_dies() -> Result<()> {
    let site = Site::start().await?;
    let play = async |call, moment| site.play_session_status(call, moment).await;
    let kills = kill_everywhere("session-status", play).await?;
    println!("session-status: killed {kills} times");
    site.world.stack.shutdown().await
}
