//! A world, its books, and people in it.

use std::process::Output;

use anyhow::{Context as _, Result};
use assert_cmd::Command;
use manage::cli::Common;
use manage::printer::Printer;
use manage::target::Target;
use serde_json::{Value, json};
use shared::books::Auditor;
use shared::domain::{CustomerId, Mode, SubscriptionId, UserId};
use tests::World;

pub fn auditor(world: &World) -> Auditor {
    auditor_of(world, Mode::Test)
}

pub fn auditor_of(world: &World, mode: Mode) -> Auditor {
    world.stack.core().unwrap().auditor(mode).unwrap()
}

pub fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub fn customer(id: &str) -> CustomerId {
    CustomerId::parse(id).unwrap()
}

pub fn subscription(id: &str) -> SubscriptionId {
    SubscriptionId::parse(id).unwrap()
}

/// A world whose webhooks are not sent: the table hears of Stripe by commands alone.
pub async fn deaf_world() -> Result<World> {
    let world = World::start().await?;
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    Ok(world)
}

/// A customer made at Stripe by other means than our checkout.
pub async fn customer_at_stripe(world: &World, email: &str, user: Option<&str>) -> Result<CustomerId> {
    let metadata = user.map(|user| format!("&metadata[user_id]={user}")).unwrap_or_default();
    let made = world.stripe_post("/v1/customers", &format!("email={}{metadata}", email.replace('@', "%40"))).await?;
    Ok(customer(made.body["id"].as_str().with_context(|| format!("no customer: {}", made.body))?))
}

/// An active subscription of a customer, or a trialing one.
pub async fn subscription_at_stripe(world: &World, customer: &CustomerId, trial_days: u32) -> Result<SubscriptionId> {
    let attach = "/v1/payment_methods/pm_card_visa/attach";
    let card = world.stripe_post(attach, &format!("customer={customer}")).await?;
    let card = card.body["id"].as_str().with_context(|| format!("no card: {}", card.body))?.to_owned();
    let trial = if trial_days > 0 { format!("&trial_period_days={trial_days}") } else { String::new() };
    let price = stripe_sandbox::DEFAULT_PRICE_ID;
    let form = format!("customer={customer}&items[0][price]={price}&default_payment_method={card}{trial}");
    let made = world.stripe_post("/v1/subscriptions", &form).await?;
    Ok(subscription(made.body["id"].as_str().with_context(|| format!("no subscription: {}", made.body))?))
}

/// The records of a user in test mode, by sort key.
pub async fn records(world: &World, pk: &str) -> std::collections::BTreeMap<String, Value> {
    tests::partition(world.stack.dynamodb_url(), world.stack.table_name(), pk).await.unwrap()
}

/// Runs the binary on the world's stack, away from the runtime that serves it.
pub async fn manage(world: &World, arguments: &[&str]) -> Said {
    manage_with(world, arguments, "").await
}

pub async fn manage_with(world: &World, arguments: &[&str], stdin: &str) -> Said {
    let port = world.stack.api_url().rsplit(':').next().unwrap().to_owned();
    let mut all = vec!["--local".to_owned(), "--port".to_owned(), port];
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    run(all, Vec::new(), stdin.to_owned()).await
}

/// Runs the binary with exactly these arguments and this environment.
pub async fn run(arguments: Vec<String>, environment: Vec<(String, String)>, stdin: String) -> Said {
    let output = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_manage"));
        command.env_clear().env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(environment).args(arguments).write_stdin(stdin).output().unwrap()
    });
    Said::from(output.await.unwrap())
}

/// What the binary said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code().unwrap() }
    }
}

impl Said {
    /// The lines of data, of a run that did everything.
    pub fn lines(&self) -> Vec<&str> {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout.lines().collect()
    }
}

/// Where a command works, on the world's stack.
pub async fn target(world: &World, mode: Mode) -> Result<Target> {
    let port = world.stack.api_url().rsplit(':').next().and_then(|port| port.parse().ok());
    let common = Common { local: true, port, live: mode.is_live(), test: !mode.is_live(), ..Common::default() };
    Target::find(&common, &Printer::captured(false).0).await
}

/// Puts a value into the world's Secrets Manager as the AWS CLI would: nothing checks it.
pub async fn put_secret(world: &World, mode: Mode, value: &str) -> Result<()> {
    let body = json!({ "SecretId": world.stack.secret_id(mode), "SecretString": value });
    let request = world.http.post(world.stack.secrets_url()).header("x-amz-target", "secretsmanager.PutSecretValue");
    let answer = tests::answer(request.header("authorization", "AWS4-HMAC-SHA256 …").body(body.to_string())).await?;
    anyhow::ensure!(answer.status == 200, "Secrets Manager answered {}", answer.body);
    Ok(())
}

/// Nothing that was said holds a secret of the stack.
pub fn says_no_secret(world: &World, text: &str) {
    for canary in world.stack.canaries() {
        assert!(!text.contains(&canary), "a secret was printed");
    }
}
