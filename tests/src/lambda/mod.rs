//! The built functions, each behind the Lambda runtime interface emulator and allowed what its template allows.
//!
//! [`emulator`] runs one function, [`fence`] stands between it and AWS as IAM would, [`Account`] is all of them.

mod emulator;
mod fence;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use anyhow::{Context, Result, anyhow, bail};
use local::{Invoke, InvokeError};
use serde_json::Value;

pub use self::emulator::Emulator;
pub use self::fence::Fence;
use crate::World;
use crate::policy::{Function, Template};

/// Where things are on this machine.
pub struct Paths {
    /// A folder per function with its `bootstrap`, as `cargo lambda build` leaves them.
    pub bootstraps: PathBuf,
    /// The emulator's program.
    pub emulator: PathBuf,
    /// For a log per function.
    pub logs: PathBuf,
}

/// A function that runs, with its fence.
pub struct Running {
    pub emulator: Emulator,
    pub fence: Fence,
}

/// All functions of the templates, running.
pub struct Account(pub BTreeMap<String, Running>);

impl Account {
    /// # Errors
    /// When a function cannot be started, or its template does not set a variable it is to have.
    pub async fn start(world: &World, paths: &Paths) -> Result<Account> {
        let mut running = BTreeMap::new();
        let rest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/rest-api.yaml");
        let rest = Template::parse(&std::fs::read_to_string(rest).context("read the REST API's template")?)?;
        for template in [Template::of_this_workspace()?, rest] {
            for function in template.functions() {
                let fence = Fence::start(world, function.statements.clone()).await?;
                let environment = environment(world, &template, &function, &fence)?;
                let emulator = Emulator::start(&function, &environment, paths).await?;
                running.insert(function.folder, Running { emulator, fence });
            }
        }
        Ok(Account(running))
    }

    /// # Errors
    /// When there is no such function, or its emulator does not answer.
    pub async fn call(&self, function: &str, event: &Value) -> Result<String> {
        let running = self.0.get(function).with_context(|| format!("there is no function {function}"))?;
        running.emulator.invoke(event).await
    }
}

impl Invoke for Account {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        event: &'a Value,
        _request_id: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, InvokeError>> + Send + 'a>> {
        Box::pin(async move {
            let reply = self.call(function, event).await.map_err(|_| InvokeError::Failed)?;
            if reply.contains("\"errorType\"") { Err(InvokeError::Failed) } else { Ok(reply) }
        })
    }
}

/// The variables the template sets for the function and no others, with the values of this world.
fn environment(
    world: &World,
    template: &Template,
    function: &Function,
    fence: &Fence,
) -> Result<BTreeMap<String, String>> {
    let config = &world.stack.core().map_err(|error| anyhow!("{error}"))?.config;
    let of_url = |url: &Option<url::Url>| url.as_ref().map(url::Url::to_string).unwrap_or_default();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for variables in [&template.document["Globals"]["Function"], &function.properties] {
        let variables = variables["Environment"]["Variables"].as_object();
        names.extend(variables.into_iter().flatten().map(|(name, _)| name.clone()));
    }
    let mut values = BTreeMap::new();
    for name in names {
        let value = match name.as_str() {
            "STRIPE_LIVE_MODE" => "false".to_owned(),
            "STRIPE_DEFAULT_PRICE_ID" => config.default_price.as_ref().map(ToString::to_string).unwrap_or_default(),
            "FRONTEND_URL" => of_url(&config.frontend_url),
            "UPSTREAM_URL" => of_url(&config.upstream_url),
            "TABLE_NAME" => world.stack.table_name().to_owned(),
            "SECRET_ID_TEST" => config.secret_id_test.clone().unwrap_or_default(),
            "SECRET_ID_LIVE" => config.secret_id_live.clone().unwrap_or_default(),
            "METRICS_NAMESPACE" => "behind-lambda".to_owned(),
            "LOG_LEVEL" => "info".to_owned(),
            "TRIAL_DAYS" => config.trial_days.to_string(),
            "TRIAL_ABUSE_ACTION" => "flag".to_owned(),
            "CHECKOUT_LOCALE" => config.checkout_locale.clone(),
            "GATE_EXEMPT_PREFIXES" => config.gate_exempt_prefixes.join(","),
            // The template's own default.
            "ALLOWED_ORIGINS" | "ALLOWED_PRICE_IDS" | "PAST_DUE_GRACE_DAYS" | "JWT_AUDIENCE" => String::new(),
            _ => bail!("the template sets {name}, of which tests/src/lambda/mod.rs does not know"),
        };
        values.insert(name, value);
    }
    // What Lambda itself sets, and where this machine's stand-ins for AWS and Stripe are.
    for (name, value) in [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &fence.dynamodb_url),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &fence.secrets_url),
        ("STRIPE_API_URL", world.stack.stripe_url()),
    ] {
        values.insert(name.to_owned(), value.to_owned());
    }
    Ok(values)
}
