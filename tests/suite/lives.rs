//! Random lives of one user's subscriptions, told by Stripe's events in any order, twice or late: in the end the records
//! say what is true, and on the way they never step back.

mod life;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use life::{Happening, Life, Names, Plan, UNIT_AMOUNT, plans};
use local::{Options, Stack};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::Value;
use shared::books::Books;
use shared::clock::Clock;
use shared::domain::{Account, Mode, Policy, Subscription, UserId, access};
use shared::store::Outcome;
use shared::stripe::{envelope, object};
use shared::sync;
use tests::{Services, Truth, core_on};
use tokio::runtime::Runtime;

#[test]
fn in_the_end_the_records_are_the_truth() -> Result<()> {
    let runtime = Runtime::new()?;
    let stage = runtime.block_on(Stage::set())?;
    let config = Config { cases: CASES, max_shrink_time: 120_000, source_file: Some(file!()), ..Config::default() };
    let lived = TestRunner::new(config).run(&plans(), |plan| {
        runtime.block_on(stage.play(&plan)).map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
    lived.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    println!("{}, {} questions to Stripe", stage.tally, stage.truth.reads());
    runtime.block_on(stage.stack.shutdown())
}

const CASES: u32 = 96;

/// One stack for all lives, with a Stripe that knows nothing but the life being lived.
struct Stage {
    stack: Stack,
    truth: Truth,
    books: Books,
    business_offset: Arc<AtomicI64>,
    lives: AtomicU64,
    tally: Tally,
}

/// What the lives met, so that a test that never meets a tie does not look as good as one that does.
#[derive(Default)]
struct Tally {
    deliveries: AtomicU64,
    outcomes: Mutex<BTreeMap<&'static str, u64>>,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let deliveries = self.deliveries.load(Ordering::Relaxed);
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        write!(formatter, "{deliveries} deliveries: {outcomes:?}")
    }
}

impl Tally {
    fn count(&self, outcome: Outcome) {
        *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome.as_str()).or_default() += 1;
    }
}

impl Stage {
    async fn set() -> Result<Stage> {
        let stack = Stack::start(Options::default()).await?;
        let truth = Truth::start().await?;
        let business_offset = Arc::<AtomicI64>::default();
        let clock = Clock::with_business_offset(Arc::clone(&business_offset));
        let services =
            Services { dynamodb_url: stack.dynamodb_url(), stripe_url: truth.url(), default_price: "price_life" };
        let books = core_on(&stack, services, clock).await?.books(Mode::Test)?;
        Ok(Stage { stack, truth, books, business_offset, lives: AtomicU64::new(0), tally: Tally::default() })
    }

    async fn play(&self, plan: &Plan) -> Result<()> {
        let names = Names::of(self.lives.fetch_add(1, Ordering::Relaxed) + 1);
        let mut telling = Telling {
            stage: self,
            user: UserId::parse(names.user.clone())?,
            life: Life::new(names, &plan.births),
            under_way: Vec::new(),
            told: Vec::new(),
            revisions: BTreeMap::new(),
        };
        telling.life.fixtures().iter().for_each(|object| self.truth.is(object));
        telling.change(0, 0, 0);
        for happening in &plan.happenings {
            match *happening {
                Happening::Change { who, step, seconds_later } => telling.change(who, step, seconds_later),
                Happening::Deliver { which, is_answered_late } => telling.deliver(which, is_answered_late).await?,
                Happening::Wait { seconds } => telling.pass(seconds),
            }
        }
        for which in plan.leftovers.iter().cycle() {
            if telling.under_way.is_empty() {
                break;
            }
            telling.deliver(*which, false).await?;
        }
        telling.compare_with_truth().await
    }
}

/// One life as it is lived and told.
struct Telling<'a> {
    stage: &'a Stage,
    user: UserId,
    life: Life,
    /// Deliveries that will arrive some time, by event.
    under_way: Vec<usize>,
    /// Events that were delivered already.
    told: Vec<usize>,
    /// How far each subscription's record has come.
    revisions: BTreeMap<String, i64>,
}

impl Telling<'_> {
    fn change(&mut self, who: u8, step: u8, seconds_later: i64) {
        let sent_before = self.life.events.len();
        self.life.change(who, step, seconds_later);
        self.pass(0);
        self.life.subscriptions().for_each(|object| self.stage.truth.is(object));
        for event in sent_before..self.life.events.len() {
            // Every other event is delivered twice.
            self.under_way.extend(std::iter::repeat_n(event, 1 + event % 2));
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.life.second += seconds;
        let wall_second = self.stage.books.clock().wall_now().as_second();
        self.stage.business_offset.store(self.life.second - wall_second, Ordering::SeqCst);
        self.stage.truth.set_second(self.life.second);
    }

    async fn deliver(&mut self, which: u16, is_answered_late: bool) -> Result<()> {
        if self.under_way.is_empty() {
            return Ok(());
        }
        self.pass(0);
        self.stage.truth.set_second(self.life.second + i64::from(is_answered_late));
        let event = self.under_way.swap_remove(usize::from(which) % self.under_way.len());
        let envelope = envelope::parse(self.life.events[event].to_string().as_bytes())?;
        let number = self.stage.tally.deliveries.fetch_add(1, Ordering::Relaxed);
        let outcome = sync::receive(&self.stage.books, &envelope, &format!("delivery {number}"))
            .await
            .with_context(|| format!("deliver {}", envelope.id))?;
        self.stage.tally.count(outcome);
        let is_again = self.told.contains(&event);
        ensure!((outcome == Outcome::Duplicate) == is_again, "{} was {}", envelope.id, outcome.as_str());
        ensure!(outcome != Outcome::Failed && outcome != Outcome::Ignored, "{} was {}", envelope.id, outcome.as_str());
        self.told.push(event);
        self.check_records(event).await
    }

    /// No record steps back, what was acknowledged shows, and the card of whoever is served is known.
    async fn check_records(&mut self, acknowledged: usize) -> Result<()> {
        let account = self.account().await?;
        let told = &self.life.events[acknowledged]["data"]["object"];
        for subscription in &account.subscriptions {
            let (id, revision) = (&subscription.id, subscription.amount_minor / UNIT_AMOUNT);
            let before = self.revisions.insert(id.to_string(), revision).unwrap_or_default();
            ensure!(revision >= before, "{id} stepped back from {before} to {revision}");
            if told["id"] == id.as_str() {
                let told = told["items"]["data"][0]["quantity"].as_i64().unwrap_or_default();
                ensure!(revision >= told, "{id} is at {revision}, though {told} was acknowledged");
            }
            let is_card_shown = !subscription.status.is_live() || account.card_of(subscription).is_some();
            ensure!(is_card_shown, "{id} shows no card");
        }
        Ok(())
    }

    async fn account(&self) -> Result<Account> {
        Ok(self.stage.books.store().read_account(&self.user).await?)
    }

    async fn compare_with_truth(&self) -> Result<()> {
        let mut recorded = self.account().await?;
        recorded.subscriptions.sort_by(|one, other| one.id.cmp(&other.id));
        let read = |value: &Value| -> Result<Subscription> { Ok(object::subscription(value)?.subscription) };
        let mut subscriptions = self.life.subscriptions().map(read).collect::<Result<Vec<_>>>()?;
        subscriptions.sort_by(|one, other| one.id.cmp(&other.id));
        let truth = Account { subscriptions, ..Account::empty(self.user.clone()) };
        ensure!(
            recorded.subscriptions == truth.subscriptions,
            "recorded {:#?}\nbut true is {:#?}",
            recorded.subscriptions,
            truth.subscriptions
        );
        ensure!(recorded.has_used_trial() == truth.has_used_trial(), "whether the trial is used");
        ensure!(recorded.first_trial_at() == truth.first_trial_at(), "when the first trial was");
        for (grace, days_later) in [(None, 0), (Some(0), 0), (Some(3), 1), (Some(3), 50)] {
            let policy = Policy { past_due_grace_days: grace };
            let now = Timestamp::from_second(self.life.second + days_later * 86_400)?;
            let (by_records, by_truth) = (access::decide(&recorded, policy, now), access::decide(&truth, policy, now));
            ensure!(by_records == by_truth, "the gate says {by_records:?} and should say {by_truth:?}");
        }
        self.compare_card(&recorded)
    }

    /// Whoever is served sees the card that pays.
    fn compare_card(&self, recorded: &Account) -> Result<()> {
        let served = recorded.shown_subscription().filter(|subscription| subscription.status.is_live());
        let Some(subscription) = served else { return Ok(()) };
        let default = self.life.names.card(subscription.customer.as_str());
        let expected = subscription.default_payment_method.as_ref().map_or(default.as_str(), |card| card.as_str());
        let shown = recorded.card_of(subscription).map(|card| card.id.as_str());
        ensure!(shown == Some(expected), "the card shown is {shown:?}, the one that pays {expected}");
        Ok(())
    }
}
