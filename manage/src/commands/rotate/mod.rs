//! `rotate webhook|stripe-key|jwt`: a secret is exchanged without a lost event or a refused user. The new one is added, both
//! are accepted, the new one is proven to work, and only then the old one goes. `--abort` goes back; a stopped run is gone
//! on with by running it again.

mod jwt;
mod stripe_key;
mod webhook;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use shared::secrets::SecretsError;
use shared::store::{Change, Commit, Progress, Store};
use tokio::time::Instant;

use super::secrets::one_secret;
use crate::Context;
use crate::confirm::Answer;
use crate::done::{Done, usage};
use crate::printer::Printer;
use crate::target::Target;

/// Functions read their secret again after five minutes, and at once after something verified under no known key, but for
/// that at most once a minute.
const LONGEST_UNTIL_KNOWN: Duration = Duration::from_secs(6 * 60);
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  manage rotate webhook --local\n  manage rotate stripe-key --stack prod --live\n  \
                        openssl rand -base64 48 | tee new-key | manage rotate jwt --stack prod --live --yes\n  \
                        manage rotate jwt --stack prod --live --finish"
)]
pub struct Arguments {
    /// What is exchanged
    #[arg(value_enum)]
    pub what: What,

    /// Retire the old one, where that waits for your word (stripe-key, jwt)
    #[arg(long, conflicts_with = "abort")]
    pub finish: bool,

    /// Go back to the old one
    #[arg(long)]
    pub abort: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// The webhook's signing secret, by a second endpoint
    Webhook,
    /// Stripe's secret key; make the new one in the Dashboard first
    StripeKey,
    /// The key your login signs tokens with
    Jwt,
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    if arguments.what == What::Webhook && arguments.finish {
        return Err(usage("The webhook's rotation retires the old endpoint itself: there is nothing to --finish."));
    }
    let rotation = Rotation { target: &context.target, printer: &context.printer, patience: LONGEST_UNTIL_KNOWN };
    let plan = plan(&arguments);
    if context.consent.ask(&context.printer, context.target.mode, &plan).await? == Answer::Leave {
        return Ok(Done::SomethingLeft);
    }
    match (arguments.what, arguments.finish, arguments.abort) {
        (What::Webhook, _, true) => rotation.abort_webhook().await,
        (What::Webhook, ..) => rotation.webhook().await,
        (What::StripeKey, false, false) => {
            rotation.stripe_key(one_secret("The new secret or restricted key of Stripe: ").await?).await
        }
        (What::StripeKey, true, _) => rotation.finish_stripe_key().await,
        (What::StripeKey, _, true) => rotation.abort_stripe_key().await,
        (What::Jwt, false, false) => {
            rotation.jwt(one_secret("The new key that tokens will be signed with: ").await?).await
        }
        (What::Jwt, true, _) => rotation.finish_jwt().await,
        (What::Jwt, _, true) => rotation.abort_jwt().await,
    }
}

fn plan(arguments: &Arguments) -> Vec<String> {
    let lines: &[&str] = match (arguments.what, arguments.finish, arguments.abort) {
        (What::Webhook, _, true) => &["The new endpoint and its secret are deleted; the old one stays."],
        (What::Webhook, ..) => &[
            "1. A second endpoint is created at Stripe and its secret stored; both are accepted.",
            "2. A signed probe proves the new one.",
            "3. What Stripe could not deliver to the old one is brought.",
            "4. The old endpoint and its secret are deleted.",
        ],
        (What::StripeKey, true, _) | (What::Jwt, true, _) => &["The old key is deleted here and accepted no more."],
        (What::StripeKey, _, true) => &["The key that was in use before is put back."],
        (What::StripeKey, ..) => {
            &["The new key is checked to be of the same account and stored; the old one is kept to go back to."]
        }
        (What::Jwt, _, true) => &["The new key is deleted; the old one stays."],
        (What::Jwt, ..) => &["The new key is accepted beside the old one; you then let your login sign with it."],
    };
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// One rotation in the target's mode.
pub struct Rotation<'a> {
    pub target: &'a Target,
    pub printer: &'a Printer,
    /// How long the functions may take to know a new secret.
    pub patience: Duration,
}

impl Rotation<'_> {
    fn tell(&self, what: &str) {
        let value = json!({ "mode": self.target.mode.as_str(), "done": what });
        self.printer.answer(&value, [format!("✅ {what}")]);
    }

    /// A key that was refused is not under way. One of which nobody knows whether it was stored is: the next run sees.
    async fn store_or_end(&self, walk: &'static str, stored: Result<(), SecretsError>) -> Result<()> {
        if let Err(SecretsError::Invalid { .. }) = stored {
            note(&self.target.store()?, walk, None).await?;
        }
        Ok(stored?)
    }

    /// Asks until the answer is yes.
    async fn wait_until<F: Future<Output = Result<bool>>>(&self, what: &str, ask: impl Fn() -> F) -> Result<()> {
        let deadline = Instant::now() + self.patience;
        let mut is_told = false;
        loop {
            if ask().await.context(what.to_owned())? {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!(
                    "{what}: not within {} s. Nothing was retired. Run it again, or go back with --abort",
                    self.patience.as_secs()
                );
            }
            if !is_told {
                self.printer.say("The functions read their secret again within five minutes; waiting for that …");
                is_told = true;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}

/// Where a rotation stands, in the table, so that the next run knows.
async fn note(store: &Store, walk: &'static str, note: Option<String>) -> Result<()> {
    let known = store.read_progress(walk).await?;
    let progress = Progress { after: note, step: known.step + 1, ..known };
    match store.commit(vec![Change::Progress { walk, progress }]).await? {
        Commit::Landed => Ok(()),
        Commit::Refused(_) => bail!("Somebody else is rotating the same secret at this moment"),
    }
}
