//! Everything the functions talk to, in a process of its own: DynamoDB, Secrets Manager, Stripe's sandbox, the API
//! behind the gate. Asked over its standard input, a line a question.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use super::seed;
use crate::World;

/// The services, running.
pub struct Services {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What a function's environment says of them.
    pub variables: BTreeMap<String, String>,
    pub webhook_path: String,
    pub webhook_secret: String,
    /// One event of each type, as the sandbox made it for a subscriber on trial.
    pub samples: BTreeMap<String, Value>,
}

/// What has arrived so far.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    pub dynamodb_calls: u64,
    /// Calls side by side count once; means something only while requests come one by one.
    pub dynamodb_in_series: u64,
    pub stripe_calls: u64,
}

impl Services {
    /// Starts this program again as the services.
    ///
    /// # Errors
    /// When they do not start.
    pub fn start() -> Result<Services> {
        let program = std::env::current_exe().context("find this program")?;
        let mut process = Command::new(program)
            .arg("services")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the services")?;
        let input = process.stdin.take().context("the services take no questions")?;
        let mut output = BufReader::new(process.stdout.take().context("the services give no answers")?);
        let hello = answer(&mut output)?;
        let text = |name: &str| hello[name].as_str().unwrap_or_default().to_owned();
        let of_texts = |name: &str| {
            let fields = hello[name].as_object().into_iter().flatten();
            fields.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
        };
        let samples = hello["samples"].as_object().into_iter().flatten();
        Ok(Services {
            variables: of_texts("variables"),
            webhook_path: text("webhook_path"),
            webhook_secret: text("webhook_secret"),
            samples: samples.map(|(name, event)| (name.clone(), event.clone())).collect(),
            process,
            input,
            output,
        })
    }

    fn ask(&mut self, question: &Value) -> Result<Value> {
        writeln!(self.input, "{question}").context("ask the services")?;
        answer(&mut self.output)
    }

    /// # Errors
    /// When the services are gone.
    pub fn arrived(&mut self, since: Option<Arrived>) -> Result<Arrived> {
        let (dynamodb, stripe) = since.map_or((0, 0), |since| (since.dynamodb_calls, since.stripe_calls));
        let told = self.ask(&json!({ "arrived": { "dynamodb": dynamodb, "stripe": stripe } }))?;
        let number = |name: &str| told[name].as_u64().with_context(|| format!("the services told {told}"));
        let now = Arrived {
            dynamodb_calls: number("dynamodb_calls")?,
            dynamodb_in_series: number("dynamodb_in_series")?,
            stripe_calls: number("stripe_calls")?,
        };
        Ok(match since {
            None => now,
            Some(since) => Arrived {
                dynamodb_calls: now.dynamodb_calls - since.dynamodb_calls,
                dynamodb_in_series: now.dynamodb_in_series,
                stripe_calls: now.stripe_calls - since.stripe_calls,
            },
        })
    }

    /// An access token for each user.
    ///
    /// # Errors
    /// When the services are gone.
    pub fn tokens(&mut self, users: &[String]) -> Result<Vec<String>> {
        let told = self.ask(&json!({ "tokens": users }))?;
        let tokens = told.as_array().with_context(|| format!("the services told {told}"))?;
        Ok(tokens.iter().map(|token| token.as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Copies the records of the subscriber `load-0`, until so many users are in the table.
    ///
    /// # Errors
    /// When DynamoDB refuses them.
    pub fn seed(&mut self, from: usize, to: usize) -> Result<()> {
        self.ask(&json!({ "seed": { "from": from, "to": to } })).map(|_done| ())
    }

    /// As many subscriptions at Stripe, each with its customer, of users `tie-0`, `tie-1`, …
    ///
    /// # Errors
    /// When the sandbox refuses one.
    pub fn subscriptions(&mut self, count: usize) -> Result<Vec<(String, String)>> {
        let told = self.ask(&json!({ "subscriptions": count }))?;
        let pairs = told.as_array().with_context(|| format!("the services told {told}"))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect())
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn answer(output: &mut impl BufRead) -> Result<Value> {
    let mut line = String::new();
    output.read_line(&mut line).context("read the services' answer")?;
    let answer: Value = serde_json::from_str(&line).context("the services are gone")?;
    match answer.get("failed") {
        Some(failed) => bail!("the services: {failed}"),
        None => Ok(answer),
    }
}

/// Runs the services until nobody asks any more.
///
/// # Errors
/// When they cannot be started.
pub async fn serve() -> Result<()> {
    let world = World::start().await?;
    let samples = samples(&world).await?;
    // From now on nothing but the load itself uses the table.
    world.sandbox("deliver", &json!({ "hold": true })).await?;
    say(&json!({
        "variables": variables(&world)?,
        "webhook_path": world.stack.webhook_path(),
        "webhook_secret": world.stack.webhook_secret(),
        "samples": samples,
    }))?;
    let (send, mut questions) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    while let Some(question) = questions.recv().await {
        let told = match told(&world, &question).await {
            Ok(told) => told,
            Err(error) => json!({ "failed": format!("{error:#}") }),
        };
        say(&told)?;
    }
    world.stack.shutdown().await
}

fn say(value: &Value) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{value}").and_then(|()| output.flush()).context("answer")
}

async fn told(world: &World, question: &str) -> Result<Value> {
    let question: Value = serde_json::from_str(question).context("understand the question")?;
    if let Some(asked) = question.get("arrived") {
        let skip = |name: &str| asked[name].as_u64().unwrap_or_default();
        return Ok(json!({
            "dynamodb_calls": world.stack.dynamodb_calls().len(),
            "dynamodb_in_series": world.stack.dynamodb().round_trips_in_series(usize::try_from(skip("dynamodb"))?),
            "stripe_calls": stripe_calls(world, skip("stripe")).await?,
        }));
    }
    if let Some(users) = question["tokens"].as_array() {
        let tokens = users.iter().map(|user| world.stack.token(json!({ "user_id": user, "exp": 4_000_000_000_i64 })));
        return Ok(json!(tokens.collect::<Result<Vec<_>>>()?));
    }
    if let Some(count) = question["subscriptions"].as_u64() {
        let mut pairs = Vec::new();
        for number in 0..count {
            pairs.push(subscription(world, &format!("tie-{number}")).await?);
        }
        return Ok(json!(pairs));
    }
    if let Some(seed) = question.get("seed") {
        let number = |name: &str| seed[name].as_u64().unwrap_or_default();
        seed::copies(world, number("from"), number("to")).await?;
        return Ok(json!({}));
    }
    bail!("nobody knows what {question} is to mean")
}

/// Those known before and those since. The sandbox keeps the last ten thousand.
async fn stripe_calls(world: &World, known: u64) -> Result<u64> {
    let listing = world.sandbox_get(&format!("requests?since={known}")).await?;
    let requests = listing["requests"].as_array().with_context(|| format!("the sandbox answered {listing}"))?;
    Ok(known + u64::try_from(requests.len())?)
}

/// A subscription on trial that needs no card, and its customer.
async fn subscription(world: &World, user: &str) -> Result<(String, String)> {
    let id = |answer: &crate::Answer| {
        let id = answer.body["id"].as_str().map(str::to_owned);
        id.with_context(|| format!("the sandbox answered {}", answer.body))
    };
    let customer = id(&world.stripe_post("/v1/customers", &format!("metadata[user_id]={user}")).await?)?;
    let price = stripe_sandbox::DEFAULT_PRICE_ID;
    let form = format!(
        "customer={customer}&items[0][price]={price}&trial_period_days=30&metadata[user_id]={user}\
         &metadata[trial_eligible]=True"
    );
    let subscription = id(&world.stripe_post("/v1/subscriptions", &form).await?)?;
    Ok((subscription, customer))
}

/// The events of one subscriber's checkout.
async fn samples(world: &World) -> Result<BTreeMap<String, Value>> {
    world.subscribe(&world.token("sample")?).await?;
    let listing = world.stripe_get("/v1/events?limit=100").await?;
    let events = listing["data"].as_array().with_context(|| format!("the sandbox answered {listing}"))?;
    Ok(events.iter().map(|event| (event["type"].as_str().unwrap_or_default().to_owned(), event.clone())).collect())
}

fn variables(world: &World) -> Result<BTreeMap<&'static str, String>> {
    let config = &world.stack.core().map_err(|error| anyhow!("{error}"))?.config;
    let of_url = |url: &Option<url::Url>| url.as_ref().map(url::Url::to_string).unwrap_or_default();
    Ok([
        ("STRIPE_LIVE_MODE", "false".to_owned()),
        ("STRIPE_DEFAULT_PRICE_ID", config.default_price.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("FRONTEND_URL", of_url(&config.frontend_url)),
        ("UPSTREAM_URL", of_url(&config.upstream_url)),
        ("TABLE_NAME", world.stack.table_name().to_owned()),
        ("SECRET_ID_TEST", config.secret_id_test.clone().unwrap_or_default()),
        ("SECRET_ID_LIVE", config.secret_id_live.clone().unwrap_or_default()),
        ("STRIPE_API_URL", world.stack.stripe_url().to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        // As long as those of a role are.
        ("AWS_SESSION_TOKEN", "s".repeat(900)),
        ("AWS_ENDPOINT_URL_DYNAMODB", world.stack.dynamodb_url().to_owned()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", world.stack.secrets_url().to_owned()),
    ]
    .into())
}
