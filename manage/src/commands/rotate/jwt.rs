//! The key of access tokens. Which key a caller's token was signed with is told to nobody, so the operator says when the
//! old one may go: when the last token of it has expired.

use anyhow::{Context as _, Result, bail};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use shared::domain::Mode;
use shared::secrets::write::Fields;

use super::super::doctor::probes;
use super::{Rotation, note};
use crate::done::Done;

const WALK: &str = "rotate-jwt";
const KEYS: &str = "jwt_signing_keys";

fn keys(fields: &Fields) -> Vec<Value> {
    fields.get(KEYS).and_then(Value::as_array).cloned().unwrap_or_default()
}

impl Rotation<'_> {
    /// The new key is accepted, after the old ones.
    pub async fn jwt(&self, new: SecretString) -> Result<Done> {
        let (mode, secrets) = (self.target.mode, &self.target.core.secrets);
        let new_value = json!(new.expose_secret());
        let is_known = keys(&secrets.read_fields(mode).await?).contains(&new_value);
        match (self.is_underway(WALK).await?, is_known) {
            (true, false) => {
                bail!("Another new key is accepted already. Retire the old one with --finish, or go back with --abort")
            }
            (false, true) => bail!("This key is accepted already. Make a new one: openssl rand -base64 48"),
            (true, true) | (false, false) => {}
        }
        note(&self.target.store()?, WALK, Some("added".to_owned())).await?;
        let added = secrets.edit(mode, |fields| {
            let mut all = keys(fields);
            if !all.contains(&new_value) {
                all.push(new_value);
            }
            fields.set(KEYS, json!(all));
        });
        if let Err(error) = added.await {
            // The key was refused: nothing is under way.
            note(&self.target.store()?, WALK, None).await?;
            return Err(error.into());
        }
        self.tell("the new key is stored beside the old one");
        self.prove_token_of(&new).await?;
        let finish = self.target.command("rotate jwt --finish");
        self.printer.say(&format!(
            "Let your login sign with the new key now. When the last token of the old one has expired, run: {finish}"
        ));
        Ok(Done::SomethingLeft)
    }

    pub async fn finish_jwt(&self) -> Result<Done> {
        let newest = self.newest_key().await?;
        self.prove_token_of(&newest).await?;
        self.keep_only(|keys| keys.split_off(keys.len().saturating_sub(1))).await?;
        self.tell("the old key is gone; functions refuse it within five minutes");
        Ok(Done::Everything)
    }

    pub async fn abort_jwt(&self) -> Result<Done> {
        if !self.is_underway(WALK).await? {
            self.printer.say("No rotation of the token key is under way.");
            return Ok(Done::Everything);
        }
        // A run that stopped before it stored the key has nothing to take back.
        if keys(&self.target.core.secrets.read_fields(self.target.mode).await?).len() < 2 {
            note(&self.target.store()?, WALK, None).await?;
            return Ok(Done::Everything);
        }
        self.keep_only(|keys| keys.drain(..keys.len().saturating_sub(1)).collect()).await?;
        self.tell("the new key is gone, the old one stays");
        Ok(Done::Everything)
    }

    async fn newest_key(&self) -> Result<SecretString> {
        let fields = self.target.core.secrets.read_fields(self.target.mode).await?;
        let keys = keys(&fields);
        if !self.is_underway(WALK).await? || keys.len() < 2 {
            bail!("No new key was added. Begin with: {}", self.target.command("rotate jwt"));
        }
        let newest = keys.last().and_then(Value::as_str).context("The newest key is not text")?;
        Ok(newest.to_owned().into())
    }

    async fn keep_only(&self, choose: impl FnOnce(&mut Vec<Value>) -> Vec<Value>) -> Result<()> {
        let (mode, secrets) = (self.target.mode, &self.target.core.secrets);
        secrets
            .edit(mode, |fields| {
                let mut all = keys(fields);
                let kept = choose(&mut all);
                fields.set(KEYS, json!(kept));
            })
            .await?;
        secrets.forget_previous(mode).await?;
        note(&self.target.store()?, WALK, None).await
    }

    pub(super) async fn is_underway(&self, walk: &str) -> Result<bool> {
        Ok(self.target.store()?.read_progress(walk).await?.after.is_some())
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
