//! The key of access tokens. Which key a caller's token was signed with is told to nobody, so the operator says when the
//! old one may go: when the last token of it has expired.

use anyhow::{Result, bail};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use shared::domain::Mode;
use shared::secrets::write::{Fields, fingerprint};

use super::super::doctor::probes;
use super::{Rotation, note};
use crate::done::Done;

const WALK: &str = "rotate-jwt";
const KEYS: &str = "jwt_signing_keys";

fn keys(fields: &Fields) -> Vec<Value> {
    fields.get(KEYS).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Others add keys too, before and after ours: the note's print says which one this rotation brought.
fn has_print(key: &Value, print: &str) -> bool {
    key.as_str().is_some_and(|key| fingerprint(key) == print)
}

impl Rotation<'_> {
    /// The new key is accepted, after the old ones.
    pub async fn jwt(&self, new: SecretString) -> Result<Done> {
        let (mode, secrets) = (self.target.mode, &self.target.core.secrets);
        let new_value = json!(new.expose_secret());
        let print = fingerprint(new.expose_secret());
        match self.noted(WALK).await? {
            Some(noted) if noted != print => {
                bail!("Another new key is accepted already. Retire the old one with --finish, or go back with --abort")
            }
            Some(_) => {}
            None if keys(&secrets.read_fields(mode).await?).contains(&new_value) => {
                bail!("This key is accepted already. Make a new one: openssl rand -base64 48")
            }
            None => note(&self.target.store()?, WALK, Some(print)).await?,
        }
        let added = secrets.edit(mode, |fields| {
            let mut all = keys(fields);
            if !all.contains(&new_value) {
                all.push(new_value);
            }
            fields.set(KEYS, json!(all));
        });
        self.store_or_end(WALK, added.await).await?;
        self.tell("the new key is stored beside the old one");
        self.prove_token_of(&new).await?;
        let finish = self.target.command("rotate jwt --finish");
        self.printer.say(&format!(
            "Let your login sign with the new key now. When the last token of the old one has expired, run: {finish}"
        ));
        Ok(Done::SomethingLeft)
    }

    pub async fn finish_jwt(&self) -> Result<Done> {
        let Some(print) = self.noted(WALK).await? else {
            bail!("No new key was added. Begin with: {}", self.target.command("rotate jwt"));
        };
        let stored = keys(&self.target.core.secrets.read_fields(self.target.mode).await?);
        let Some(new) = stored.iter().find(|key| has_print(key, &print)).and_then(Value::as_str) else {
            bail!(
                "The key that this rotation added is not stored any more. Nothing was retired. End the rotation with: {}",
                self.target.command("rotate jwt --abort")
            );
        };
        self.prove_token_of(&new.to_owned().into()).await?;
        self.keep(|key| has_print(key, &print)).await?;
        self.tell("the old key is gone; functions refuse it within five minutes");
        Ok(Done::Everything)
    }

    pub async fn abort_jwt(&self) -> Result<Done> {
        let Some(print) = self.noted(WALK).await? else {
            self.printer.say("No rotation of the token key is under way.");
            return Ok(Done::Everything);
        };
        let stored = keys(&self.target.core.secrets.read_fields(self.target.mode).await?);
        // A run that stopped before it stored the key has nothing to take back.
        if !stored.iter().any(|key| has_print(key, &print)) {
            note(&self.target.store()?, WALK, None).await?;
            self.tell("the new key is not stored; the rotation is ended and every key stays");
            return Ok(Done::Everything);
        }
        self.keep(|key| !has_print(key, &print)).await?;
        self.tell("the new key is gone, every other stays");
        Ok(Done::Everything)
    }

    async fn keep(&self, is_kept: impl Fn(&Value) -> bool) -> Result<()> {
        let (mode, secrets) = (self.target.mode, &self.target.core.secrets);
        secrets
            .edit(mode, |fields| {
                let kept: Vec<Value> = keys(fields).into_iter().filter(|key| is_kept(key)).collect();
                fields.set(KEYS, json!(kept));
            })
            .await?;
        secrets.forget_previous(mode).await?;
        note(&self.target.store()?, WALK, None).await
    }

    /// What the rotation under way noted when it began.
    pub(super) async fn noted(&self, walk: &str) -> Result<Option<String>> {
        Ok(self.target.store()?.read_progress(walk).await?.after)
    }

    /// The functions accept a token that is signed with the key; where they serve the other mode they cannot be asked.
    async fn prove_token_of(&self, key: &SecretString) -> Result<()> {
        let core = &self.target.core;
        let Some(api) = &self.target.api_url else { return self.not_proven("the API's URL is not known") };
        let served: Option<Mode> = probes::served_mode(core, api).await?;
        if served != Some(self.target.mode) {
            return self.not_proven("the functions serve the other mode");
        }
        self.wait_until("The functions accept a token of the new key", || probes::accepts_token_of(core, api, key))
            .await?;
        self.tell("the functions accept a token of the new key");
        Ok(())
    }

    fn not_proven(&self, reason: &str) -> Result<()> {
        self.printer.say(&format!("– Whether the functions accept the new key was not asked: {reason}."));
        Ok(())
    }
}
