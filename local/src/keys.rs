//! The keys and secrets of this local stack: made at its first start, kept in its data folder, good for nothing else.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::domain::Mode;
use uuid::Uuid;

use crate::data_folder::write_private;

#[derive(Serialize, Deserialize)]
pub(crate) struct Keys {
    test: ModeKeys,
    live: ModeKeys,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ModeKeys {
    pub stripe_secret_key: String,
    pub stripe_publishable_key: String,
    pub webhook_uuid: String,
    pub webhook_endpoint_id: String,
    pub webhook_secret: String,
    pub jwt_signing_key: String,
}

impl Keys {
    /// Those of the file, or new ones, which the file then holds.
    pub fn open(file: Option<&Path>) -> Result<Keys> {
        let Some(path) = file else { return Ok(Keys::generate()) };
        if path.exists() {
            let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
            return serde_json::from_slice(&text).with_context(|| format!("understand {}", path.display()));
        }
        let keys = Keys::generate();
        write_private(path, &serde_json::to_vec_pretty(&keys).context("write the keys")?)?;
        Ok(keys)
    }

    fn generate() -> Keys {
        Keys { test: ModeKeys::generate(Mode::Test), live: ModeKeys::generate(Mode::Live) }
    }

    pub fn of(&self, mode: Mode) -> &ModeKeys {
        match mode {
            Mode::Test => &self.test,
            Mode::Live => &self.live,
        }
    }
}

impl ModeKeys {
    fn generate(mode: Mode) -> ModeKeys {
        ModeKeys {
            stripe_secret_key: format!("sk_{mode}_local{}", random()),
            stripe_publishable_key: format!("pk_{mode}_local{}", random()),
            webhook_uuid: Uuid::new_v4().to_string(),
            webhook_endpoint_id: format!("we_local{mode}{}", &random()[..16]),
            webhook_secret: format!("whsec_{}", random()),
            jwt_signing_key: format!("{}{}", random(), random()),
        }
    }

    /// The path Stripe posts to on the function URL.
    pub fn webhook_path(&self) -> String {
        format!("/stripe/webhook/{}/", self.webhook_uuid)
    }

    /// The mode's secret, as Secrets Manager holds it.
    pub fn secret(&self) -> Value {
        json!({
            "stripe_secret_key": self.stripe_secret_key,
            "stripe_publishable_key": self.stripe_publishable_key,
            "webhook_signing_secrets": [{
                "uuid": self.webhook_uuid,
                "endpoint_id": self.webhook_endpoint_id,
                "secret": self.webhook_secret,
            }],
            "jwt_signing_keys": [self.jwt_signing_key],
        })
    }
}

/// 122 random bits from the system's generator, as 32 hexadecimal digits.
fn random() -> String {
    Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn keys_are_made_once_and_kept() {
        let scratch = Scratch::new();
        let file = scratch.path().join("keys.json");
        let first = Keys::open(Some(&file)).unwrap();
        let second = Keys::open(Some(&file)).unwrap();
        assert_eq!(first.of(Mode::Test).secret(), second.of(Mode::Test).secret());
    }

    #[test]
    fn every_key_says_its_mode_and_no_two_are_alike() {
        let keys = Keys::open(None).unwrap();
        for mode in Mode::BOTH {
            let of_mode = keys.of(mode);
            assert!(of_mode.stripe_secret_key.starts_with(&format!("sk_{mode}_")));
            assert!(of_mode.stripe_publishable_key.starts_with(&format!("pk_{mode}_")));
            assert!(of_mode.jwt_signing_key.len() >= 32);
        }
        assert_ne!(keys.of(Mode::Test).jwt_signing_key, keys.of(Mode::Live).jwt_signing_key);
        assert_ne!(keys.of(Mode::Test).webhook_secret, keys.of(Mode::Live).webhook_secret);
    }
}
