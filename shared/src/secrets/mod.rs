//! The mode's secret in AWS Secrets Manager: read, checked, cached.
//!
//! [`document`] says what a good secret is, [`store`] when it is read, [`write`] how an operator changes it. The types here show nothing of what they hold.

mod document;
#[cfg(test)]
pub(crate) mod stand_in;
mod store;
#[cfg(test)]
mod tests;
pub mod versions;
pub mod write;

use std::fmt;

use aws_config::SdkConfig;
use secrecy::{ExposeSecret, SecretString};

pub use store::SecretStore;

use crate::domain::Mode;

/// One mode's secret, checked. No readable Debug.
pub struct ModeSecrets {
    pub mode: Mode,
    pub stripe_secret_key: SecretString,
    pub stripe_publishable_key: String,
    /// May be none: a stack whose endpoints are not registered yet. Those of AWSPREVIOUS come last.
    pub webhook_signing_secrets: Vec<WebhookSigningSecret>,
    /// Current first; those of AWSPREVIOUS after it. Never none.
    pub jwt_signing_keys: Vec<SecretString>,
}

pub struct WebhookSigningSecret {
    pub uuid: String,
    pub endpoint_id: String,
    pub secret: SecretString,
}

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq, Hash)]
pub enum SecretsError {
    /// The secret is not set, not there or wrong: names the field or variable, never the value.
    #[error("secret {secret_id}: {field} {problem}")]
    Invalid { secret_id: String, field: String, problem: String },
    /// Secrets Manager cannot be read and nothing is cached.
    #[error("secret {secret_id} could not be read: {detail}")]
    Unavailable { secret_id: String, detail: String },
}

/// A connection to Secrets Manager for [`SecretStore::new`]; `endpoint_url` nothing means AWS's own.
pub fn client(config: &SdkConfig, endpoint_url: Option<&str>) -> aws_sdk_secretsmanager::Client {
    let mut builder = aws_sdk_secretsmanager::config::Builder::from(config);
    builder.set_endpoint_url(endpoint_url.map(str::to_owned));
    aws_sdk_secretsmanager::Client::from_conf(builder.build())
}

impl ModeSecrets {
    /// Lets what the version before signed verify too. Its Stripe keys are gone: requests use the current ones.
    fn also_verifying(mut self, previous: ModeSecrets) -> ModeSecrets {
        for key in previous.jwt_signing_keys {
            if !self.jwt_signing_keys.iter().any(|known| is_same(known, &key)) {
                self.jwt_signing_keys.push(key);
            }
        }
        for signing in previous.webhook_signing_secrets {
            if !self.webhook_signing_secrets.contains(&signing) {
                self.webhook_signing_secrets.push(signing);
            }
        }
        self
    }

    fn has_same_values(&self, other: &ModeSecrets) -> bool {
        self.mode == other.mode
            && is_same(&self.stripe_secret_key, &other.stripe_secret_key)
            && self.stripe_publishable_key == other.stripe_publishable_key
            && self.webhook_signing_secrets == other.webhook_signing_secrets
            && self.jwt_signing_keys.len() == other.jwt_signing_keys.len()
            && self.jwt_signing_keys.iter().zip(&other.jwt_signing_keys).all(|(one, two)| is_same(one, two))
    }
}

impl PartialEq for WebhookSigningSecret {
    fn eq(&self, other: &WebhookSigningSecret) -> bool {
        self.uuid == other.uuid && self.endpoint_id == other.endpoint_id && is_same(&self.secret, &other.secret)
    }
}

impl fmt::Debug for ModeSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ModeSecrets({}, hidden)", self.mode)
    }
}

impl fmt::Debug for WebhookSigningSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WebhookSigningSecret({}, hidden)", self.endpoint_id)
    }
}

fn is_same(one: &SecretString, two: &SecretString) -> bool {
    one.expose_secret() == two.expose_secret()
}
