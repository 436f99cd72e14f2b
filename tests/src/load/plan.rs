//! The whole of it: every row at every concurrency, warmed up, several runs each.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::environment::Program;
use super::measure::{self, Pool, Run};
use super::row::Row;
use super::scene::Scene;
use super::services::Services;

/// How thorough the measurement is.
#[derive(Clone, Debug)]
pub struct Plan {
    pub program: Program,
    pub rows: Vec<Row>,
    pub concurrencies: Vec<usize>,
    pub runs: usize,
    /// Of each run, about.
    pub run_for: Duration,
}

/// A row at one concurrency.
#[derive(Clone, Debug)]
pub struct Measured {
    pub row: Row,
    pub concurrency: usize,
    pub runs: Vec<Run>,
}

/// Every request warms at least each environment twice.
const WARM_UP_PER_ENVIRONMENT: usize = 3;
const FEWEST_WARM_UP: usize = 60;
const FEWEST: usize = 50;
const MOST: usize = 6_000;

/// # Errors
/// When the services or a function cannot be run, or a request of the preparation is refused.
pub async fn measure(plan: &Plan, mut say: impl FnMut(String)) -> Result<Vec<Measured>> {
    let began = Instant::now();
    let mut services = Services::start()?;
    let mut scene = Scene::new(&mut services)?;
    let mut measured = Vec::new();
    let mut webhook = Pool::new("webhook", &plan.program).await?;
    webhook.grow_to(1, &services)?;
    measure::prepare(&webhook, Row::WebhookCreated, scene.beginnings()?, 1).await?;
    let mut pools = vec![webhook];
    for function in ["webhook", "status", "config", "gate", "checkout", "empty", "sockets"] {
        let mut pool = match pools.pop() {
            Some(pool) => pool,
            None => Pool::new(function, &plan.program).await?,
        };
        let rows: Vec<Row> = plan.rows.iter().copied().filter(|row| row.function() == function).collect();
        for &concurrency in plan.concurrencies.iter().filter(|_| !rows.is_empty()) {
            pool.grow_to(concurrency, &services)?;
            for &row in &rows {
                let runs = runs_of(plan, &pool, &mut services, &mut scene, row, concurrency).await?;
                let seconds = began.elapsed().as_secs();
                say(format!("{seconds:>4} s  {} at {concurrency}", row.name()));
                measured.push(Measured { row, concurrency, runs });
            }
        }
    }
    Ok(measured)
}

/// The rows of the plan at its first concurrency, with more and more users in the table.
///
/// # Errors
/// As [`measure`].
pub async fn grow(plan: &Plan, users: &[usize], mut say: impl FnMut(String)) -> Result<Vec<(usize, Measured)>> {
    let mut services = Services::start()?;
    let mut scene = Scene::new(&mut services)?;
    let mut webhook = Pool::new("webhook", &plan.program).await?;
    webhook.grow_to(1, &services)?;
    measure::prepare(&webhook, Row::WebhookCreated, scene.beginnings()?, 1).await?;
    drop(webhook);
    let concurrency = plan.concurrencies.first().copied().unwrap_or(1);
    let mut curve = Vec::new();
    let mut there = 0;
    for &users in users {
        services.seed(there, users)?;
        there = users;
        for &row in &plan.rows {
            let mut pool = Pool::new(row.function(), &plan.program).await?;
            pool.grow_to(concurrency, &services)?;
            let runs = runs_of(plan, &pool, &mut services, &mut scene, row, concurrency).await?;
            say(format!("{} with {users} users", row.name()));
            curve.push((users, Measured { row, concurrency, runs }));
        }
    }
    Ok(curve)
}

async fn runs_of(
    plan: &Plan,
    pool: &Pool,
    services: &mut Services,
    scene: &mut Scene,
    row: Row,
    concurrency: usize,
) -> Result<Vec<Run>> {
    let warm_up = (concurrency * WARM_UP_PER_ENVIRONMENT).max(FEWEST_WARM_UP);
    let first = measure::run(pool, services, scene, row, concurrency, warm_up).await?;
    let count = requests_within(plan.run_for, first.rps);
    let mut runs = Vec::new();
    for _ in 0..plan.runs {
        runs.push(measure::run(pool, services, scene, row, concurrency, count).await?);
    }
    Ok(runs)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded at once")]
fn requests_within(time: Duration, rps: f64) -> usize {
    ((time.as_secs_f64() * rps) as usize).clamp(FEWEST, MOST)
}
