//! The mode's secret in AWS Secrets Manager: read, checked, cached.

use std::sync::Arc;

use secrecy::SecretString;

use crate::domain::Mode;

/// One mode's secret, checked. No readable Debug.
pub struct ModeSecrets {
    pub mode: Mode,
    pub stripe_secret_key: SecretString,
    pub stripe_publishable_key: String,
    pub webhook_signing_secrets: Vec<WebhookSigningSecret>,
    /// Current first; those of AWSPREVIOUS after it.
    pub jwt_signing_keys: Vec<SecretString>,
}

pub struct WebhookSigningSecret {
    pub uuid: String,
    pub endpoint_id: String,
    pub secret: SecretString,
}

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SecretsError {
    /// The secret exists and is wrong: names the field, never the value.
    #[error("secret {secret_id}: {field} {problem}")]
    Invalid { secret_id: String, field: String, problem: String },
    /// Secrets Manager cannot be read and nothing is cached.
    #[error("secret {secret_id} could not be read: {detail}")]
    Unavailable { secret_id: String, detail: String },
}

pub struct SecretStore;

impl SecretStore {
    /// Cached for 5 minutes, kept up to 24 h when Secrets Manager fails.
    pub async fn get(&self, _mode: Mode) -> Result<Arc<ModeSecrets>, SecretsError> {
        todo!()
    }

    /// After a signature or token verified under no cached key: reads again, one caller at a time and at most once a
    /// minute. Nothing when there is nothing newer than what the caller had.
    pub async fn refreshed(&self, _mode: Mode, _known: &Arc<ModeSecrets>) -> Option<Arc<ModeSecrets>> {
        todo!()
    }
}
