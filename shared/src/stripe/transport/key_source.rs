//! Whose account is asked: the secret key, taken anew for each call so that a rotated one is in use at once.

use std::sync::Arc;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::domain::Mode;
use crate::secrets::SecretStore;
use crate::stripe::StripeError;

#[derive(Clone)]
pub enum KeySource {
    /// The key in the mode's secret.
    Secrets { secrets: Arc<SecretStore>, mode: Mode },
    /// One key for as long as the process runs: operator commands and tests.
    Fixed(SecretString),
}

impl KeySource {
    /// The `Authorization` header, marked so that no Debug shows it.
    pub(super) async fn authorization(&self) -> Result<HeaderValue, StripeError> {
        match self {
            KeySource::Fixed(key) => bearer(key),
            KeySource::Secrets { secrets, mode } => match secrets.get(*mode).await {
                Ok(of_mode) => bearer(&of_mode.stripe_secret_key),
                // The store has said in the log what is wrong with the secret.
                Err(_) => Err(StripeError::NoKey),
            },
        }
    }
}

fn bearer(key: &SecretString) -> Result<HeaderValue, StripeError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret())).map_err(|_| StripeError::NoKey)?;
    value.set_sensitive(true);
    Ok(value)
}
