//! Where a command works: the local stack, a deployed one, or what the environment names; and in which mode.

mod aws;
mod local;
mod stack;

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use aws_config::SdkConfig;
use shared::books::Auditor;
use shared::boot::Core;
use shared::clock::Clock;
use shared::config::{Config, from_shell};
use shared::domain::Mode;
use shared::store::Store;
use url::Url;

pub use stack::Deployed;

use crate::cli::Common;
use crate::done::usage;
use crate::printer::Printer;

/// Where the records are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The local stack, by the port of its API.
    Local { port: u16 },
    /// A CloudFormation stack.
    Stack { name: String },
    /// What `TABLE_NAME`, `SECRET_ID_TEST` and the others of the shell name.
    Environment,
}

impl Place {
    /// The options that name this place, for a command that a message tells to type.
    pub fn options(&self) -> String {
        match self {
            Place::Local { port: crate::cli::DEFAULT_PORT } => " --local".to_owned(),
            Place::Local { port } => format!(" --local --port {port}"),
            Place::Stack { name } => format!(" --stack {name}"),
            Place::Environment => String::new(),
        }
    }
}

pub struct Target {
    pub place: Place,
    /// Which of Stripe's two worlds the command works in; the functions' own mode may be the other.
    pub mode: Mode,
    pub core: Core,
    pub api_url: Option<Url>,
    /// Base of the webhook's URLs: Stripe posts to `stripe/webhook/{uuid}/` under it.
    pub webhook_url: Option<Url>,
    /// For what a command asks of AWS beside the table and the secrets; nothing where there is no AWS.
    pub aws: Option<SdkConfig>,
}

impl Target {
    pub async fn find(common: &Common, printer: &Printer) -> Result<Target> {
        let target = match (&common.stack, common.local) {
            (Some(name), _) => stack::target(name, common).await?,
            (None, true) => local::target(common).await?,
            (None, false) => environment(common).await?,
        };
        if target.mode.is_live() && !common.live {
            printer.say("This is live mode.");
        }
        Ok(target)
    }

    /// Asked before anything is done.
    ///
    /// # Errors
    /// When the table is not there, not ours or not to be read.
    pub async fn reach_table(&self) -> Result<()> {
        self.store()?.ping().await.map_err(|source| self.in_context(source.into()))
    }

    /// The records and Stripe of the mode, once its secret is known to be good.
    pub async fn auditor(&self) -> Result<Auditor> {
        self.auditor_of(self.mode).await
    }

    pub async fn auditor_of(&self, mode: Mode) -> Result<Auditor> {
        self.core.secrets.get(mode).await.map_err(|source| self.in_context(source.into()))?;
        Ok(self.core.auditor(mode)?)
    }

    /// The records alone, for what never asks Stripe.
    pub fn store(&self) -> Result<Store> {
        Ok(self.core.store(self.mode)?)
    }

    /// A command as it is to be typed to reach the same place and mode.
    pub fn command(&self, rest: &str) -> String {
        let live = if self.mode.is_live() { " --live" } else { "" };
        format!("manage{}{live} {rest}", self.place.options())
    }

    /// An error together with where it happened: a table is missing in a region, not as such.
    fn in_context(&self, error: anyhow::Error) -> anyhow::Error {
        let region = self.core.config.aws.region.as_deref().unwrap_or("no region");
        let table = self.core.config.table_name.as_deref().unwrap_or("no table");
        match &self.place {
            Place::Local { port } => error.context(format!("the local stack on port {port}")),
            Place::Stack { name } => error.context(format!("stack {name} in {region} (table {table})")),
            Place::Environment => error.context(format!("table {table} in {region}")),
        }
    }
}

/// The mode asked for, or the functions' own.
fn mode(common: &Common, config: &Config) -> Mode {
    match (common.live, common.test) {
        (true, _) => Mode::Live,
        (_, true) => Mode::Test,
        _ => config.mode,
    }
}

fn config_of(values: &HashMap<String, String>) -> Result<Config> {
    Config::from_values(|name| values.get(name).cloned()).context("read the settings of the stack")
}

async fn environment(common: &Common) -> Result<Target> {
    let mut config = Config::from_environment()?;
    if config.table_name.is_none() {
        return Err(usage(
            "Which records? Say --local for the local stack, --stack NAME for a deployed one, or set TABLE_NAME, \
             SECRET_ID_TEST and SECRET_ID_LIVE.",
        ));
    }
    let (sdk, endpoints) = aws::for_environment(&mut config, common).await?;
    let mode = mode(common, &config);
    let webhook_url = from_shell("WEBHOOK_URL").map(|url| Url::parse(&url)).transpose().context("read WEBHOOK_URL")?;
    let api_url = from_shell("API_URL").map(|url| Url::parse(&url)).transpose().context("read API_URL")?;
    let core = Core::on(config, Clock::default(), &sdk, &endpoints).for_operator();
    Ok(Target { place: Place::Environment, mode, core, api_url, webhook_url, aws: Some(sdk) })
}
