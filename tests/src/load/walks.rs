//! What going through a whole account costs, `sync-stripe` by its program and `reconcile` by this one.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use shared::boot::Core;

use super::environment::{cpu_of, peak_rss_mb_of};
use super::long_stripe::LongStripe;
use super::services::Services;

/// One walk through an account of so many subscriptions and customers.
#[derive(Clone, Debug)]
pub struct Walk {
    pub name: &'static str,
    pub subscriptions: usize,
    pub seconds: f64,
    pub cpu_ms: f64,
    pub dynamodb_calls: u64,
    pub stripe_calls: u64,
    pub peak_rss_mb: f64,
}

/// How often a process is looked at: what it does in its last moment is not seen.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(10);

/// # Errors
/// When a service or a program cannot be started, or a walk leaves something out.
pub async fn measure(manage: &Path, subscriptions: usize) -> Result<Vec<Walk>> {
    let sync = || {
        let mut command = Command::new(manage);
        command.args(["sync-stripe", "--quiet"]);
        command
    };
    let reconcile = || -> Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("find this program")?);
        command.arg("reconcile");
        Ok(command)
    };
    let mut walks = Vec::new();
    let mut account = Account::start(subscriptions).await?;
    walks.push(account.walk("reconcile, all lost", reconcile()?).await?);
    walks.push(account.walk("sync-stripe, all known", sync()).await?);
    let mut account = Account::start(subscriptions).await?;
    walks.push(account.walk("sync-stripe, all new", sync()).await?);
    walks.push(account.walk("reconcile, nothing lost", reconcile()?).await?);
    Ok(walks)
}

struct Account {
    services: Services,
    stripe: LongStripe,
    variables: BTreeMap<String, String>,
    subscriptions: usize,
}

impl Account {
    async fn start(subscriptions: usize) -> Result<Account> {
        let services = Services::start()?;
        let sample = |name: &str| services.samples.get(name).with_context(|| format!("no sample of {name}"));
        let (subscription, card) = (sample("customer.subscription.created")?, sample("payment_method.attached")?);
        let stripe = LongStripe::start(subscription, card, subscriptions).await?;
        let mut variables = services.variables.clone();
        variables.insert("STRIPE_API_URL".to_owned(), stripe.url().to_owned());
        Ok(Account { services, stripe, variables, subscriptions })
    }

    async fn walk(&mut self, name: &'static str, mut command: Command) -> Result<Walk> {
        let before = self.services.arrived(None)?;
        let stripe_before = self.stripe.calls();
        let began = Instant::now();
        let command = command.env_clear().envs(&self.variables).stdin(Stdio::null()).stdout(Stdio::null());
        let mut process = command.spawn().with_context(|| format!("start {name}"))?;
        let (mut cpu, mut peak_rss_mb) = (Duration::ZERO, 0.0);
        let status = loop {
            if let Some(status) = process.try_wait().context("wait for the walk")? {
                break status;
            }
            // It may have ended in between.
            if let (Ok(spent), Ok(peak)) = (cpu_of(process.id()), peak_rss_mb_of(process.id())) {
                (cpu, peak_rss_mb) = (cpu.max(spent), peak);
            }
            tokio::time::sleep(LOOKED_AT_EVERY).await;
        };
        let seconds = began.elapsed().as_secs_f64();
        ensure!(status.success(), "{name} ended with {status}");
        let arrived = self.services.arrived(Some(before))?;
        Ok(Walk {
            name,
            subscriptions: self.subscriptions,
            seconds,
            cpu_ms: cpu.as_secs_f64() * 1_000.0,
            dynamodb_calls: arrived.dynamodb_calls,
            stripe_calls: self.stripe.calls() - stripe_before,
            peak_rss_mb,
        })
    }
}

/// One run of the function, without Lambda's time limit, which must bring the walk to its end.
///
/// # Errors
/// When it does not.
pub async fn reconcile_here() -> Result<()> {
    let core: Result<Core, _> = Core::from_environment().await;
    let deadline = Instant::now() + Duration::from_secs(3_600);
    let summaries = Box::pin(reconcile::run(&core, deadline)).await.map_err(|error| anyhow!("{error}"))?;
    ensure!(summaries.iter().all(|summary| summary.report.is_complete), "{summaries:?}");
    Ok(())
}

impl Walk {
    fn per_subscription(&self, whole: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an account is far smaller")]
        let count = self.subscriptions.max(1) as f64;
        whole / count
    }

    pub fn as_json(&self) -> Value {
        let rounded = |value: f64| (value * 1_000.0).round() / 1_000.0;
        json!({
            "name": self.name, "subscriptions": self.subscriptions, "seconds": rounded(self.seconds),
            "cpu_ms_per_subscription": rounded(self.per_subscription(self.cpu_ms)),
            "dynamodb_calls": self.dynamodb_calls, "stripe_calls": self.stripe_calls,
            "peak_rss_mb": rounded(self.peak_rss_mb),
        })
    }

    /// A line of a table in Markdown.
    pub fn line(&self) -> String {
        #[expect(clippy::cast_precision_loss, reason = "an account is far smaller")]
        let dynamodb = self.per_subscription(self.dynamodb_calls as f64);
        format!(
            "| {} | {} | {:.1} | {:.2} | {dynamodb:.2} | {} | {:.1} |",
            self.name,
            self.subscriptions,
            self.seconds,
            self.per_subscription(self.cpu_ms),
            self.stripe_calls,
            self.peak_rss_mb,
        )
    }
}
