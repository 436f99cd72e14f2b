//! Plays the story through the built functions, each behind Lambda's own interface and within its own permissions.
//!
//! `.ci/lambda` builds them, finds the emulator in the SAM CLI's package and runs this.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use local::Fronts;
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::lambda::{Account, Paths};
use tests::{EventBuilder, World, story};

#[derive(Parser)]
struct Arguments {
    /// A folder per function with its bootstrap
    #[arg(long, default_value = "target/lambda")]
    bootstraps: PathBuf,
    /// The runtime interface emulator
    #[arg(long)]
    emulator: PathBuf,
    /// Where each function's log goes
    #[arg(long, default_value = "target/behind-lambda")]
    logs: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let paths = Paths {
        bootstraps: arguments.bootstraps.canonicalize().context("find the built functions")?,
        emulator: arguments.emulator.canonicalize().context("find the emulator")?,
        logs: arguments.logs,
    };
    let mut world = World::start().await?;
    let account = Arc::new(Account::start(&world, &paths).await?);
    let template = local::template::Template::of_this_workspace()?;
    let fronts = Fronts::start(&template, account.clone()).await?;
    world.api_url.clone_from(&fronts.api_url);
    world.function_url.clone_from(&fronts.function_url);
    send_webhooks_here(&world, "").await?;

    say("the story")?;
    story::live(&world).await?;
    say("what the story leaves out")?;
    the_rest(&world, &account).await?;
    say("each sample event")?;
    sample_events(&account).await?;
    say("permissions and logs")?;
    within_their_permissions(&account)?;
    logs_are_clean(&world, &account)?;
    report(&account, &paths)?;

    fronts.stop().await?;
    drop(account);
    world.stack.shutdown().await
}

fn say(what: &str) -> Result<()> {
    writeln!(std::io::stdout(), "behind lambda: {what}").context("write to standard output")
}

/// From now on the sandbox delivers to the function URL in front of the built webhook.
async fn send_webhooks_here(world: &World, more: &str) -> Result<()> {
    let listing = world.stripe_get("/v1/webhook_endpoints").await?;
    let id = listing["data"][0]["id"].as_str().context("the sandbox has no endpoint")?;
    let form = format!("url={}{}{more}", world.function_url, world.stack.webhook_path());
    let updated = world.stripe_post(&format!("/v1/webhook_endpoints/{id}"), &form).await?;
    ensure!(updated.status == 200, "the endpoint could not be moved: {}", updated.body);
    Ok(())
}

async fn the_rest(world: &World, account: &Account) -> Result<()> {
    for path in ["/health", "/health/", "/api/subscriptions/config", "/api/subscriptions/config/"] {
        let answer = world.get(path, None).await?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
    }
    let unsigned = world.http.post(format!("{}/stripe/webhook/", world.function_url)).body("{}").send().await?;
    ensure!(unsigned.status() == 401, "an unsigned webhook is answered {}", unsigned.status());

    joined_by_the_webhook(world).await?;
    joined_by_the_success_page(world).await?;

    let scheduled: Value = serde_json::from_str(include_str!("../../../events/reconcile.json"))?;
    let summary: Value = serde_json::from_str(&account.call("reconcile", &scheduled).await?)?;
    ensure!(summary[0]["mode"] == "test" && summary[0]["is_complete"] == true, "reconcile: {summary}");

    let ask = |token: &str| -> Result<Value> {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/authorizer.json"))?;
        event["multiValueHeaders"]["Authorization"] = json!([format!("Bearer {token}")]);
        Ok(event)
    };
    let effect = async |token: &str| -> Result<Value> {
        let verdict: Value = serde_json::from_str(&account.call("authorizer", &ask(token)?).await?)?;
        Ok(verdict["policyDocument"]["Statement"][0]["Effect"].clone())
    };
    ensure!(effect(&world.token("42")?).await? == "Allow", "the authorizer denies a subscriber");
    ensure!(effect(&world.token("stranger")?).await? == "Deny", "the authorizer lets a stranger pass");
    let refused: Value = serde_json::from_str(&account.call("authorizer", &ask("nonsense")?).await?)?;
    ensure!(refused["errorMessage"] == "Unauthorized", "the authorizer answers a bad token with {refused}");
    Ok(())
}

/// A subscription whose customer nobody owns is parked, and moved when metadata names the user.
async fn joined_by_the_webhook(world: &World) -> Result<()> {
    // The built functions have no other clock than this machine's, and do not believe what the future says.
    let now = Clock::default().wall_now().as_second() - 60;
    let orphan = |id: &str, after: i64| EventBuilder::subscription(id, "sub_orphan", "cus_orphan", now + after);
    for (event, outcome) in [
        (orphan("evt_parked", 0), "parked"),
        (orphan("evt_parked", 0), "duplicate"),
        (orphan("evt_joined", 1).owned_by("77"), "applied"),
    ] {
        let answer = world.deliver(&event.body()).await?;
        ensure!(answer.body["outcome"] == outcome, "{outcome} is expected: {}", answer.body);
    }
    let status = world.status(&world.token("77")?).await?;
    ensure!(status["subscription_id"] == "sub_orphan", "the parked subscription is not its user's: {status}");
    Ok(())
}

/// The same for a session that was made without us, seen first by the page it returns to.
async fn joined_by_the_success_page(world: &World) -> Result<()> {
    send_webhooks_here(world, "&enabled_events[]=customer.subscription.created").await?;
    let customer = world.stripe_post("/v1/customers", "").await?.body["id"].as_str().unwrap_or_default().to_owned();
    let price = stripe_sandbox::DEFAULT_PRICE_ID;
    let form = format!(
        "mode=subscription&customer={customer}&client_reference_id=88&line_items[0][price]={price}\
         &line_items[0][quantity]=1&success_url=https://app.example.com/"
    );
    let session = world.stripe_post("/v1/checkout/sessions", &form).await?;
    let session = session.body["id"].as_str().context("a session")?;
    world.pay(session, "4242424242424242").await?;
    let token = world.token("88")?;
    ensure!(world.status(&token).await?["status"] == "none", "nobody has said yet whose it is");
    let path = format!("/api/subscriptions/session-status/?session_id={session}");
    let told = world.get(&path, Some(&token)).await?;
    ensure!(told.body["status"] == "active", "session-status: {}", told.body);
    ensure!(world.status(&token).await?["status"] == "active", "session-status has not written what it learned");
    Ok(())
}

/// Every function answers its sample; those with placeholders for tokens and signatures with a refusal.
async fn sample_events(account: &Account) -> Result<()> {
    for function in account.0.keys() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/{function}.json"));
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let answer: Value = serde_json::from_str(&account.call(function, &serde_json::from_str(&text)?).await?)?;
        let expected = match function.as_str() {
            "config" | "health" => json!(200),
            "session-status" => json!(400),
            "webhook" => json!(404),
            "reconcile" | "authorizer" => Value::Null,
            _ => json!(401),
        };
        ensure!(answer["statusCode"] == expected, "{function} answers its sample with {answer}");
    }
    Ok(())
}

/// What a role allows and this program does not play, because it takes a race or a failure of Stripe: where it is used.
const NOT_PLAYED: [(&str, &str, &str); 8] = [
    (
        "checkout",
        "dynamodb:ConditionCheckItem",
        "a session paid meanwhile is written: functions/checkout/src/session.rs",
    ),
    ("checkout", "dynamodb:DeleteItem", "a customer found at Stripe had objects parked: shared/src/sync/owner.rs"),
    ("checkout", "dynamodb:GetItem", "a price other than the default: shared/src/store/read.rs, read_price"),
    ("portal", "dynamodb:UpdateItem", "Stripe has deleted the customer: functions/portal/src/lib.rs"),
    ("reconcile", "dynamodb:BatchGetItem", "events that no webhook brought: shared/src/sync/reconcile/events.rs"),
    ("reconcile", "dynamodb:ConditionCheckItem", "the same, through shared/src/sync/settle.rs"),
    (
        "reconcile",
        "dynamodb:DeleteItem",
        "a failed event that has succeeded since: shared/src/sync/reconcile/failed.rs",
    ),
    (
        "session-status",
        "dynamodb:GetItem",
        "the customer has another owner than the session says: shared/src/sync/owner.rs",
    ),
];

/// Nothing was refused; whatever was not used is on the list above, and nothing of the list was used.
fn within_their_permissions(account: &Account) -> Result<()> {
    for (name, running) in &account.0 {
        let refused = running.fence.refused();
        ensure!(refused.is_empty(), "{name} wanted what its role does not allow: {refused:?}");
        let not_used: Vec<_> = running.fence.allowed().difference(&running.fence.used()).cloned().collect();
        let not_played = NOT_PLAYED.iter().filter(|(function, ..)| function == name);
        let not_played: Vec<_> = not_played.map(|(_, action, _)| (*action).to_owned()).collect();
        ensure!(not_used == not_played, "{name} uses nothing of {not_used:?}; expected of {not_played:?}");
    }
    Ok(())
}

fn logs_are_clean(world: &World, account: &Account) -> Result<()> {
    for (name, running) in &account.0 {
        let log = running.emulator.log()?;
        for canary in world.stack.canaries() {
            ensure!(!log.contains(&canary), "{name} has logged a secret");
        }
        ensure!(!log.contains("@example.com"), "{name} has logged an e-mail address");
        let with_metrics: Vec<&str> = log.lines().filter(|line| line.contains("\"_aws\":{")).collect();
        ensure!(!with_metrics.is_empty(), "{name} has written no metrics");
        for line in with_metrics {
            are_metrics(line).with_context(|| format!("{name} has written {line}"))?;
        }
    }
    Ok(())
}

/// CloudWatch takes a metric that is a number and a dimension that is a text, and drops others without a word.
fn are_metrics(line: &str) -> Result<()> {
    let line: Value = serde_json::from_str(line).context("a line is one JSON object")?;
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().context("no metrics")?;
    for directive in directives {
        for metric in directive["Metrics"].as_array().into_iter().flatten() {
            let name = metric["Name"].as_str().unwrap_or_default();
            ensure!(line[name].is_number(), "{name} is no number");
        }
        for dimension in directive["Dimensions"].as_array().into_iter().flatten().filter_map(Value::as_array).flatten()
        {
            let name = dimension.as_str().unwrap_or_default();
            ensure!(line[name].is_string(), "{name} is no text");
        }
    }
    Ok(())
}

fn report(account: &Account, paths: &Paths) -> Result<()> {
    let mut out = std::io::stdout();
    for (name, running) in &account.0 {
        let log = running.emulator.log()?;
        let init = log.split("INIT REPORT").nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let bytes = std::fs::metadata(paths.bootstraps.join(name).join("bootstrap"))?.len();
        writeln!(out, "{name:15} {bytes:>9} bytes, start {}", init.trim())?;
    }
    Ok(())
}
