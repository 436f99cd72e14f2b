//! Stripe's secret key. Keys are made and expired in the Dashboard only; here the new one takes the old one's place, and the
//! old one is kept in the version before, to go back to.

use anyhow::{Context as _, Result, anyhow, bail};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use shared::domain::Mode;
use shared::secrets::write::{Fields, fingerprint};
use shared::stripe::StripeError;
use shared::stripe::setup::StripeSetup;
use shared::sync::SyncError;

use super::super::stripe_failed;
use super::{Rotation, note};
use crate::done::Done;

const WALK: &str = "rotate-stripe-key";
const KEY: &str = "stripe_secret_key";

/// The prints of the key that goes and of the one that comes.
struct Underway {
    old: String,
    new: String,
}

impl Rotation<'_> {
    async fn key_underway(&self) -> Result<Option<Underway>> {
        let noted = self.noted(WALK).await?;
        let prints = noted.as_deref().and_then(|noted| noted.split_once(' '));
        Ok(prints.map(|(old, new)| Underway { old: old.to_owned(), new: new.to_owned() }))
    }

    pub async fn stripe_key(&self, new: SecretString) -> Result<Done> {
        let (mode, core) = (self.target.mode, &self.target.core);
        check_mode(&new, mode)?;
        let auditor = self.target.auditor().await?;
        let of_new = core.account_of_key(mode, new.clone());
        let now = identity(auditor.setup()).await?;
        let then = identity(of_new.as_ref()).await.map_err(of_new_key)?;
        if now != then {
            bail!("The new key opens another account than the one in use. Nothing was changed");
        }
        let value = json!(new.expose_secret());
        let (old, print) = (print_of(&core.secrets.read_fields(mode).await?), fingerprint(new.expose_secret()));
        match self.key_underway().await? {
            Some(underway) if underway.new != print => {
                bail!("Another new key was stored already. Retire the old one with --finish, or go back with --abort")
            }
            Some(_) => {}
            None if old == print => {
                self.printer.say("This key is in use already.");
                return Ok(Done::Everything);
            }
            None => note(&self.target.store()?, WALK, Some(format!("{old} {print}"))).await?,
        }
        // A run that goes on writes no second version: the one before would then hold the new key too.
        if old != print {
            self.store_or_end(WALK, core.secrets.edit(mode, |fields| fields.set(KEY, value)).await).await?;
        }
        self.tell("the new key opens the same account and is stored");
        let listed = self.target.auditor().await?.account().list_customers(None).await;
        listed.map_err(stripe_failed("list customers with the new key"))?;
        self.tell("it reads customers");
        self.printer.say(&format!(
            "The functions use it within five minutes. Then expire the old one at https://dashboard.stripe.com/{}apikeys \
             and run: {}",
            if mode.is_live() { "" } else { "test/" },
            self.target.command("rotate stripe-key --finish")
        ));
        Ok(Done::SomethingLeft)
    }

    /// The version before goes, and with it the old key.
    pub async fn finish_stripe_key(&self) -> Result<Done> {
        let (mode, secrets) = (self.target.mode, &self.target.core.secrets);
        let Some(underway) = self.key_underway().await? else {
            bail!("No new key was stored. Begin with: {}", self.target.command("rotate stripe-key"));
        };
        if print_of(&secrets.read_fields(mode).await?) != underway.new {
            bail!(
                "The key in use is not the one that this rotation stored. Nothing was retired. End the rotation with: {}",
                self.target.command("rotate stripe-key --abort")
            );
        }
        let listed = self.target.auditor().await?.account().list_customers(None).await;
        listed.map_err(stripe_failed("list customers with the new key"))?;
        secrets.forget_previous(mode).await?;
        note(&self.target.store()?, WALK, None).await?;
        self.tell("the old key is gone from Secrets Manager");
        Ok(Done::Everything)
    }

    /// The version before is the one with the old key only until somebody changes another field: it is looked at.
    pub async fn abort_stripe_key(&self) -> Result<Done> {
        let (mode, secrets) = (self.target.mode, &self.target.core.secrets);
        let Some(underway) = self.key_underway().await? else {
            self.printer.say("No rotation of Stripe's key is under way.");
            return Ok(Done::Everything);
        };
        let in_use = print_of(&secrets.read_fields(mode).await?);
        if in_use == underway.new {
            let previous = secrets.read_previous_fields(mode).await?;
            let Some(previous) = previous.filter(|previous| print_of(previous) == underway.old) else {
                bail!(
                    "The old key is not kept any more: something else of the secret was changed since. Nothing was \
                     changed now. Copy the old key from where you keep it into: {}. Then run this again",
                    self.target.command("secrets set stripe_secret_key")
                );
            };
            let key: Value = previous.get(KEY).cloned().context("The version before has no key")?;
            secrets.edit(mode, |fields| fields.set(KEY, key)).await?;
        }
        note(&self.target.store()?, WALK, None).await?;
        match in_use == underway.new || in_use == underway.old {
            true => self.tell("the key that was in use before is back"),
            false => self.tell("another key has been set by hand; it stays, and the rotation is ended"),
        }
        Ok(Done::Everything)
    }
}

fn print_of(fields: &Fields) -> String {
    fields.get(KEY).and_then(Value::as_str).map(fingerprint).unwrap_or_default()
}

/// Before it is sent anywhere: a live key must not be used for a question of test mode.
fn check_mode(key: &SecretString, mode: Mode) -> Result<()> {
    let text = key.expose_secret();
    let is_of_mode = ["sk", "rk"].iter().any(|kind| text.starts_with(&format!("{kind}_{mode}_")));
    match is_of_mode {
        true => Ok(()),
        false => Err(anyhow!(
            "That is not a secret or restricted key of {mode} mode (sk_{mode}_… or rk_{mode}_…). Nothing was changed"
        )),
    }
}

/// What mends the key in use does not mend one that was typed wrongly.
fn of_new_key(error: anyhow::Error) -> anyhow::Error {
    let is_refused = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(SyncError::Stripe { source: StripeError::Unauthorized { .. }, .. }))
    };
    match error.chain().any(is_refused) {
        true => anyhow!(
            "Stripe does not accept the API key that was given. Nothing was changed: copy it again from the Dashboard \
             (Developers, API keys)"
        ),
        false => error,
    }
}

/// What tells two accounts apart.
async fn identity(setup: &dyn StripeSetup) -> Result<String> {
    match setup.get_account().await {
        Ok(account) => Ok(account.id),
        Err(StripeError::Unauthorized { http_status: 403, .. }) => bail!(
            "A restricted key needs the permission to read the account, so that it can be told to be of the same one. \
             Nothing was changed"
        ),
        Err(error) => Err(stripe_failed("read the account of a key")(error).into()),
    }
}
