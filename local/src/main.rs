//! `cargo run -p local`: reads the command line, starts the stack, says where it is, and stops it when asked to.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use local::{Data, Options, Ports, Stack, StripeSide, TestMode};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// The whole subscription back end on this machine: API, webhook, DynamoDB, Secrets Manager and a Stripe sandbox.
#[derive(Parser)]
#[command(name = "local")]
struct Arguments {
    /// First of five ports on 127.0.0.1: API and demo page, function URL, DynamoDB, Secrets Manager, Stripe sandbox
    #[arg(long, default_value_t = 9000, value_parser = clap::value_parser!(u16).range(1..=65_531))]
    port: u16,

    /// Keep nothing: all data is gone when the stack stops
    #[arg(long, conflicts_with = "data_dir")]
    ephemeral: bool,

    /// Folder that keeps the data between runs [default: .local-data in the workspace]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Use Stripe's own test mode instead of the sandbox. Set STRIPE_KEY, or give "-" and the key on standard input:
    /// a key on the command line can be read by every user of this machine. Its data is kept apart from the sandbox's
    #[arg(long, value_name = "sk_test_…|-", env = "STRIPE_KEY", hide_env_values = true)]
    stripe_key: Option<String>,

    /// Read the Stripe key from standard input; the same as --stripe-key -
    #[arg(long, conflicts_with = "stripe_key")]
    stripe_key_stdin: bool,

    /// Publishable key of the same account, which config answers with
    #[arg(long, value_name = "pk_test_…", env = "STRIPE_PUBLISHABLE_KEY", hide_env_values = true)]
    stripe_publishable_key: Option<String>,

    /// Signing secret that `stripe listen` prints when it forwards events to the webhook
    #[arg(long, value_name = "whsec_…", env = "STRIPE_WEBHOOK_SECRET", hide_env_values = true)]
    stripe_webhook_secret: Option<String>,

    /// Front end the return URLs point to [default: the demo page]
    #[arg(long, value_name = "URL")]
    frontend_url: Option<String>,

    /// Any other variable of the functions' environment, such as TRIAL_DAYS=14; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Arguments {
    fn into_options(self) -> Result<Options> {
        let data = match self.data_dir {
            _ if self.ephemeral => Data::Ephemeral,
            Some(folder) => Data::Folder(folder),
            None => Data::Folder(default_data_folder()),
        };
        let key = match self.stripe_key.as_deref() {
            Some("-") => Some(line_of_stdin()?),
            Some("") => None,
            _ if self.stripe_key_stdin => Some(line_of_stdin()?),
            given => given.map(str::to_owned),
        };
        let stripe = match key {
            Some(key) => {
                StripeSide::TestMode(TestMode::new(&key, self.stripe_publishable_key, self.stripe_webhook_secret)?)
            }
            None => StripeSide::Sandbox,
        };
        let frontend = self.frontend_url.map(|url| ("FRONTEND_URL".to_owned(), url));
        let settings = frontend.into_iter().chain(self.settings).collect();
        Ok(Options { ports: Ports::From(self.port), data, stripe, settings })
    }
}

/// The workspace's root; where it is not there any more, the current folder.
fn default_data_folder() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = if workspace.join("template.yaml").exists() { workspace } else { PathBuf::from(".") };
    root.canonicalize().unwrap_or(root).join(".local-data")
}

fn line_of_stdin() -> Result<String> {
    let mut text = String::new();
    io::stdin().take(1024).read_to_string(&mut text).context("read the Stripe key from standard input")?;
    match text.lines().next().map(str::trim) {
        Some(key) if !key.is_empty() => Ok(key.to_owned()),
        _ => bail!("There is no Stripe key on standard input."),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for the stop signal")?;
    let options = arguments.into_options()?;
    let data = options.data.clone();
    local::logs::start(true);
    let stack = Stack::start(options).await?;
    announce(&stack, &data)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    writeln!(io::stderr(), "Stopping: open requests finish first.")?;
    tokio::select! {
        stopped = stack.shutdown() => stopped,
        _ = interrupt.recv() => bail!("Stopped at once, as asked twice."),
    }
}

fn announce(stack: &Stack, data: &Data) -> Result<()> {
    let token = stack.token(json!({ "user_id": "42", "email": "user@example.com", "name": "Sample User" }))?;
    let kept = match data {
        Data::Ephemeral => "nothing is kept (--ephemeral)".to_owned(),
        Data::Folder(folder) => folder.display().to_string(),
    };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "Ready. Open {}", stack.api_url())?;
    writeln!(stdout, "  API and page     {}", stack.api_url())?;
    writeln!(stdout, "  Webhook          {}{}", stack.function_url(), stack.webhook_path())?;
    writeln!(stdout, "  DynamoDB         {}", stack.dynamodb_url())?;
    writeln!(stdout, "  Secrets Manager  {}", stack.secrets_url())?;
    writeln!(stdout, "  Stripe           {}", stack.stripe_url())?;
    writeln!(stdout, "  Data             {kept}")?;
    writeln!(stdout, "  Token of user 42, good for an hour:\n{token}")?;
    writeln!(stdout, "Ctrl-C stops it.")?;
    if let Err(misconfigured) = stack.core() {
        writeln!(io::stderr(), "The functions answer 503: {misconfigured}.")?;
    }
    stdout.flush().context("write the ready line")
}
