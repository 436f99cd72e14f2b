//! A town of users living simulated months while webhooks are lost, doubled and reordered and every neighbour fails now
//! and then; at the end each user's record must equal Stripe's.
//!
//! - [`person`]: what a user does in a day.
//! - [`weather`]: what fails on a day.
//! - [`stripe_side`]: what Stripe has of each user.
//! - [`history`]: what the records said after each step, and what may never be in it.
//!
//! The seed decides what the users do. The sandbox throws its own dice, so two runs of one seed differ in what is lost.

mod history;
mod person;
mod stripe_side;
mod weather;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;
use shared::domain::{Account, Subscription, UserId};
use tokio::task::JoinSet;

use crate::World;
pub use history::{Entry, History};
use person::Person;
use stripe_side::{OfUser, StripeSide};

/// Users who act at once.
const AT_ONCE: usize = 8;
/// A run of reconcile has so long, as in the template.
const RECONCILE: Duration = Duration::from_secs(60);
/// Half days after which Stripe has given up on every webhook.
const MOST_RETRIES: u32 = 40;
/// Tries of reconcile a day: a hundredth of what the schedule has.
const RECONCILES: u32 = 5;
/// Days between two runs of reconcile at the most: Stripe forgets events after thirty.
const LONGEST_STRETCH_DAYS: i64 = 10;
/// The part of the budget for living; the rest is for the end.
const FOR_LIVING: f64 = 0.9;

/// How large a soak is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    pub users: usize,
    pub days: i64,
    pub seed: u64,
    /// The wall clock's budget; when it gets short the steps of simulated time get longer.
    pub budget: Duration,
    /// Where the history is written, one JSON object a line.
    pub history: Option<PathBuf>,
}

/// How a soak ended.
#[derive(Debug)]
pub struct Report {
    pub users: usize,
    /// Users whose record equals Stripe's.
    pub equal: usize,
    /// Why the others' do not, and what the history holds that may never be.
    pub complaints: Vec<String>,
    pub steps: usize,
    pub subscriptions: usize,
    pub trials: usize,
    pub events_healed: u64,
    pub drift_repaired: u64,
    /// How often no run of reconcile came to its end before more time passed.
    pub unfinished: usize,
    pub history_entries: usize,
}

impl Report {
    pub fn is_good(&self) -> bool {
        self.equal == self.users && self.complaints.is_empty()
    }
}

/// Runs the whole of it. `tell` gets a line of progress after each step.
pub async fn run(plan: &Plan, tell: impl Fn(String)) -> Result<Report> {
    let mut town = Town::found(plan).await?;
    let began = Instant::now();
    let mut day = 0;
    while day < plan.days {
        let days = step_days(plan, day, began.elapsed(), town.steps);
        town.live(days).await.with_context(|| format!("on day {day}"))?;
        day += days;
        tell(format!("day {day} of {}: {}", plan.days, town.told()));
    }
    let (report, world) = town.judge().await?;
    let world = Arc::into_inner(world).context("the world is still in use")?;
    world.stack.shutdown().await?;
    Ok(report)
}

/// One day, or as many as are needed for the rest to fit in the time, going by how long a step has taken so far.
fn step_days(plan: &Plan, day: i64, elapsed: Duration, steps: usize) -> i64 {
    let left = plan.days - day;
    let a_step = elapsed.as_secs_f64() / f64::from(u32::try_from(steps.max(1)).unwrap_or(u32::MAX));
    let time_left = plan.budget.mul_f64(FOR_LIVING).saturating_sub(elapsed).as_secs_f64();
    let mut days = 1;
    while days < left && time_left * days as f64 <= a_step * left as f64 {
        days += 1;
    }
    days
}

struct Town {
    world: Arc<World>,
    people: Vec<Person>,
    history: History,
    rng: fastrand::Rng,
    steps: usize,
    events_healed: u64,
    drift_repaired: u64,
    unfinished: usize,
    complaints: BTreeSet<String>,
}

impl Town {
    async fn found(plan: &Plan) -> Result<Town> {
        let world = Arc::new(World::start().await?);
        let people = (0..plan.users).map(|number| Person::new(&world, number)).collect::<Result<_>>()?;
        Ok(Town {
            world,
            people,
            history: History::open(plan.history.as_deref())?,
            rng: fastrand::Rng::with_seed(plan.seed),
            steps: 0,
            events_healed: 0,
            drift_repaired: 0,
            unfinished: 0,
            complaints: BTreeSet::new(),
        })
    }

    /// One step: faults, the users' doings, time, reconcile; then, in fair weather, a look at everything.
    async fn live(&mut self, days: i64) -> Result<()> {
        weather::storm(&self.world, &mut self.rng).await?;
        weather::strike_table(&self.world, &mut self.rng);
        self.act(days).await?;
        let mut days_left = days;
        while days_left > 0 {
            let stretch = days_left.min(LONGEST_STRETCH_DAYS);
            weather::strike_table(&self.world, &mut self.rng);
            self.world.sandbox("advance", &json!({ "days": stretch })).await?;
            self.reconcile().await?;
            days_left -= stretch;
        }
        weather::calm(&self.world).await?;
        self.look().await.map(|_| ())
    }

    async fn act(&mut self, days: i64) -> Result<()> {
        let mut acting = JoinSet::new();
        let mut people = std::mem::take(&mut self.people).into_iter();
        let mut back = Vec::new();
        loop {
            while acting.len() < AT_ONCE
                && let Some(mut person) = people.next()
            {
                let (world, rng) = (Arc::clone(&self.world), self.rng.fork());
                acting.spawn(async move {
                    let lived = person.live(&world, days, rng).await;
                    (person, lived)
                });
            }
            let Some(one) = acting.join_next().await else { break };
            let (person, lived) = one?;
            self.complaints.extend(lived.with_context(|| format!("user {}", person.user))?);
            back.push(person);
        }
        back.sort_by_key(|person| person.number);
        self.people = back;
        Ok(())
    }

    /// The scheduled function's own work. In a storm it may fail; the schedule brings it again.
    async fn reconcile(&mut self) -> Result<()> {
        let core = self.world.stack.core().map_err(|error| anyhow!("{error}"))?;
        let auditor = core.auditor(core.config.mode)?;
        for _ in 0..RECONCILES {
            let (report, _) = shared::sync::reconcile::run(&auditor, Instant::now() + RECONCILE).await;
            self.events_healed += report.events_healed;
            self.drift_repaired += report.drift_repaired;
            if report.is_complete {
                return Ok(());
            }
        }
        self.unfinished += 1;
        Ok(())
    }

    /// Reads every record and everything at Stripe, and holds both against what may never be.
    async fn look(&mut self) -> Result<StripeSide> {
        self.steps += 1;
        let stripe = StripeSide::read(&self.world, &self.people).await?;
        self.complaints.extend(stripe.complaints());
        let stack = &self.world.stack;
        for person in &self.people {
            for partition in person.partitions() {
                let items = crate::partition(stack.dynamodb_url(), stack.table_name(), &partition).await?;
                self.history
                    .add(self.steps, &person.user, &partition, &items, |customer| person.deleted.contains(customer))?;
            }
        }
        Ok(stripe)
    }

    fn told(&self) -> String {
        format!(
            "{} events healed, {} records repaired, {} changes in the history, {} complaints",
            self.events_healed,
            self.drift_repaired,
            self.history.len(),
            self.complaints.len() + self.history.violations().len(),
        )
    }
}

/// The end.
impl Town {
    /// In fair weather: what is under way arrives, reconcile runs once more, and everybody is compared.
    async fn judge(mut self) -> Result<(Report, Arc<World>)> {
        self.let_everything_arrive().await?;
        self.world.sandbox("advance", &json!({ "minutes": 5 })).await?;
        self.reconcile().await?;
        let stripe = self.look().await?;
        let store = self.world.store()?;
        let mut equal = 0;
        for person in &self.people {
            let account = store.read_account(&UserId::parse(person.user.as_str())?).await?;
            let of_user = stripe.users.get(&person.user).context("a user of the town")?;
            let differences = differences(&account, of_user);
            equal += usize::from(differences.is_empty());
            self.complaints
                .extend(differences.into_iter().map(|difference| format!("user {}: {difference}", person.user)));
        }
        self.complaints.extend(self.history.violations().iter().cloned());
        let report = Report {
            users: self.people.len(),
            equal,
            complaints: self.complaints.into_iter().collect(),
            steps: self.steps,
            subscriptions: stripe.users.values().map(|user| user.subscriptions.len()).sum(),
            trials: stripe.users.values().map(OfUser::trials).sum(),
            events_healed: self.events_healed,
            drift_repaired: self.drift_repaired,
            unfinished: self.unfinished,
            history_entries: self.history.len(),
        };
        Ok((report, self.world))
    }

    /// Stripe comes back after hours to what was refused.
    async fn let_everything_arrive(&self) -> Result<()> {
        for _ in 0..MOST_RETRIES {
            let advanced = self.world.sandbox("advance", &json!({ "hours": 13 })).await?;
            if advanced["undelivered"] == 0 {
                return Ok(());
            }
        }
        bail!("some webhooks are refused for ever")
    }
}

/// Where a user's record differs from what Stripe has.
fn differences(account: &Account, stripe: &OfUser) -> Vec<String> {
    let records: BTreeMap<String, &Subscription> =
        account.subscriptions.iter().map(|subscription| (subscription.id.to_string(), subscription)).collect();
    let ids: BTreeSet<&String> = records.keys().chain(stripe.subscriptions.keys()).collect();
    let mut found: Vec<String> = ids
        .into_iter()
        .filter(|id| records.get(*id).copied() != stripe.subscriptions.get(*id))
        .map(|id| format!("{id} is {:?} here and {:?} at Stripe", records.get(id), stripe.subscriptions.get(id)))
        .collect();
    if account.has_used_trial() != (stripe.trials() > 0) {
        found.push(format!("the trial is used: {} here, {} at Stripe", account.has_used_trial(), stripe.trials() > 0));
    }
    let customer = account.customer.as_ref().and_then(|customer| customer.id.as_ref());
    if customer.is_some_and(|customer| !stripe.customers.iter().any(|known| known == customer.as_str())) {
        found.push(format!("its customer {customer:?} is none of Stripe's {:?}", stripe.customers));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_pass_one_by_one_while_there_is_time_and_together_when_it_gets_short() {
        let plan = Plan { users: 1, days: 365, seed: 1, budget: Duration::from_secs(300), history: None };
        let days = |day, elapsed, steps| step_days(&plan, day, Duration::from_secs(elapsed), steps);
        assert_eq!(days(0, 0, 0), 1, "nothing is known yet");
        assert_eq!(days(100, 50, 100), 1, "265 days in 220 seconds, two steps a second");
        assert_eq!(days(10, 30, 10), 5, "355 days in 240 seconds, a step in three");
        assert_eq!(days(300, 280, 100), 65, "no time left: all at once");
    }
}
