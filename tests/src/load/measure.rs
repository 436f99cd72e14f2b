//! Sends a row's requests in a closed loop and counts what they cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::body::Bytes;

use super::environment::{Environment, Program};
use super::row::Row;
use super::runtime_api::RuntimeApi;
use super::scene::Scene;
use super::services::Services;

/// As many environments of one function as there are requests at a time.
pub struct Pool {
    function: &'static str,
    program: Program,
    api: Arc<RuntimeApi>,
    environments: Vec<Environment>,
}

/// One run of a row.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub rps: f64,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub cpu_ms_per_request: f64,
    pub dynamodb_round_trips: f64,
    pub stripe_calls: f64,
    pub errors: usize,
    pub rss_mb: f64,
}

impl Pool {
    /// # Errors
    /// When no port is free.
    pub async fn new(function: &'static str, program: &Program) -> Result<Pool> {
        let api = Arc::new(RuntimeApi::start().await?);
        Ok(Pool { function, program: program.clone(), api, environments: Vec::new() })
    }

    /// # Errors
    /// When an environment cannot be started.
    pub fn grow_to(&mut self, count: usize, services: &Services) -> Result<()> {
        while self.environments.len() < count {
            let started = Environment::start(&self.program, self.function, &self.api, &services.variables)?;
            self.environments.push(started);
        }
        Ok(())
    }

    /// The replies in the order of their requests, with how long each took, and how long all did.
    ///
    /// # Errors
    /// When a function ends.
    pub async fn answer(&self, requests: Vec<Bytes>, concurrency: usize) -> Result<(Vec<Answered>, Duration)> {
        let requests = Arc::new(requests);
        let turn = Arc::new(AtomicUsize::new(0));
        let began = Instant::now();
        let callers: Vec<_> = (0..concurrency)
            .map(|_| {
                let (api, requests, turn) = (Arc::clone(&self.api), Arc::clone(&requests), Arc::clone(&turn));
                tokio::spawn(async move {
                    let mut answered = Vec::new();
                    while let Some(request) = requests.get(turn.fetch_add(1, Ordering::Relaxed)) {
                        let asked = Instant::now();
                        let reply = api.invoke(request.clone()).await;
                        answered.push(Answered { took: asked.elapsed(), reply: reply.ok() });
                    }
                    answered
                })
            })
            .collect();
        let mut all = Vec::new();
        for caller in callers {
            all.extend(caller.await.context("a caller ended")?);
        }
        Ok((all, began.elapsed()))
    }

    fn cpu(&self) -> Result<Duration> {
        self.environments.iter().map(Environment::cpu).sum()
    }

    fn largest_rss_mb(&self) -> Result<f64> {
        let each: Vec<f64> = self.environments.iter().map(Environment::rss_mb).collect::<Result<_>>()?;
        Ok(each.into_iter().fold(0.0, f64::max))
    }
}

/// What came of one request.
pub struct Answered {
    took: Duration,
    reply: Option<Bytes>,
}

/// Sends requests that only prepare others. Each must do what the row does.
///
/// # Errors
/// When one is answered otherwise.
pub async fn prepare(pool: &Pool, row: Row, requests: Vec<Bytes>, concurrency: usize) -> Result<Duration> {
    let (answered, took) = pool.answer(requests, concurrency).await?;
    if let Some(wrong) = answered.iter().find(|answered| !is_right(row, answered)) {
        let reply = wrong.reply.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        ensure!(false, "{} is answered with {reply}", row.name());
    }
    Ok(took)
}

/// Measures one run of at most `count` requests.
///
/// # Errors
/// When the services or a function are gone.
pub async fn run(
    pool: &Pool,
    services: &mut Services,
    scene: &mut Scene,
    row: Row,
    concurrency: usize,
    count: usize,
) -> Result<Run> {
    let before = scene.before(row, count)?;
    if !before.is_empty() {
        prepare(pool, row, before, concurrency).await?;
    }
    let requests = scene.requests(services, row, count)?;
    run_of(pool, services, row, concurrency, requests).await
}

/// Measures one run of these requests.
///
/// # Errors
/// When the services or a function are gone.
pub async fn run_of(
    pool: &Pool,
    services: &mut Services,
    row: Row,
    concurrency: usize,
    requests: Vec<Bytes>,
) -> Result<Run> {
    let arrived = services.arrived(None)?;
    let cpu = pool.cpu()?;
    let (answered, took) = pool.answer(requests, concurrency).await?;
    let cpu = pool.cpu()?.saturating_sub(cpu);
    let arrived = services.arrived(Some(arrived))?;
    let errors = answered.iter().filter(|answered| !is_right(row, answered)).count();
    let mut latencies: Vec<f64> = answered.iter().map(|answered| milliseconds(answered.took)).collect();
    latencies.sort_by(f64::total_cmp);
    let per_request = |total: f64| total / as_float(answered.len());
    // Of requests side by side nobody can tell which of their calls waited for which.
    let dynamodb = if concurrency == 1 { arrived.dynamodb_in_series } else { arrived.dynamodb_calls };
    Ok(Run {
        rps: as_float(answered.len()) / took.as_secs_f64(),
        p50_ms: percentile(&latencies, 50),
        p95_ms: percentile(&latencies, 95),
        p99_ms: percentile(&latencies, 99),
        cpu_ms_per_request: per_request(milliseconds(cpu)),
        dynamodb_round_trips: per_request(as_float(usize::try_from(dynamodb)?)),
        stripe_calls: per_request(as_float(usize::try_from(arrived.stripe_calls)?)),
        errors,
        rss_mb: pool.largest_rss_mb()?,
    })
}

fn is_right(row: Row, answered: &Answered) -> bool {
    answered.reply.as_ref().is_some_and(|reply| row.is_answered_by(reply))
}

pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Counts here are far below the 2^52 that a float tells apart.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
pub(super) fn as_float(count: usize) -> f64 {
    count as f64
}

/// The smallest value that as many per cent of all are not above. Nothing of nothing is 0.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// The middle of the values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&hundred, 50), 50.0);
        assert_eq!(percentile(&hundred, 99), 99.0);
        assert_eq!(percentile(&[7.0], 99), 7.0);
        assert_eq!(percentile(&[], 50), 0.0);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
