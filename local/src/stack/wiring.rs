//! What the parts of a stack are told of each other: the functions' environment, the modes' secrets, the sandbox's setup.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;
use shared::boot::{AwsEndpoints, Core};
use shared::clock::Clock;
use shared::config::{Config, Misconfigured};
use shared::domain::Mode;
use shared::sync::event::HANDLED_EVENT_TYPES;
use stripe_sandbox::SeedEndpoint;

use crate::controls::Urls;
use crate::keys::{Keys, ModeKeys};
use crate::secrets_manager::SecretsManager;
use crate::stripe_side::StripeSide;

pub(super) const TABLE_NAME: &str = "subscriptions";

pub(super) fn secret_id(mode: Mode) -> String {
    format!("local/{mode}")
}

/// An operator may rotate what is in the secret, so one that exists is left alone, but for the Stripe key given now.
pub(super) fn ensure_secret(secrets: &SecretsManager, mode: Mode, keys: &ModeKeys, stripe: &StripeSide) -> Result<()> {
    let id = secret_id(mode);
    let mut value = match secrets.current(&id) {
        Some(kept) => serde_json::from_str(&kept).with_context(|| format!("understand the secret {id}"))?,
        None => keys.secret(),
    };
    if let (StripeSide::TestMode(given), Mode::Test) = (stripe, mode) {
        given.put_into(&mut value);
    }
    secrets.ensure(&id, &value.to_string())
}

/// The first JWT key of the mode's secret as it stands now: after a rotation, tokens are minted with the new one.
pub(super) fn signing_key(secrets: &SecretsManager, mode: Mode) -> Option<String> {
    let secret: Value = serde_json::from_str(&secrets.current(&secret_id(mode))?).ok()?;
    secret["jwt_signing_keys"][0].as_str().map(str::to_owned)
}

pub(super) fn sandbox_options(urls: &Urls, keys: &Keys, data_file: Option<PathBuf>) -> stripe_sandbox::Options {
    let endpoint = |mode: Mode| {
        let keys = keys.of(mode);
        SeedEndpoint {
            id: keys.webhook_endpoint_id.clone(),
            url: format!("{}{}", urls.function_url, keys.webhook_path()),
            secret: keys.webhook_secret.clone(),
            livemode: mode.is_live(),
            api_version: Some(shared::stripe::API_VERSION.to_owned()),
            enabled_events: HANDLED_EVENT_TYPES.map(str::to_owned).to_vec(),
        }
    };
    let test = keys.of(Mode::Test);
    stripe_sandbox::Options {
        data_file,
        public_url: urls.stripe.clone(),
        secret_key: test.stripe_secret_key.clone(),
        live_mode_key: Some(keys.of(Mode::Live).stripe_secret_key.clone()),
        publishable_key: test.stripe_publishable_key.clone(),
        seed_catalogue: true,
        endpoints: Mode::BOTH.map(endpoint).to_vec(),
    }
}

pub(crate) async fn assemble(
    settings: &[(String, String)],
    urls: &Urls,
    upstream_url: &str,
    stripe: &StripeSide,
    clock: Clock,
) -> Result<Core, Misconfigured> {
    let mut values: HashMap<String, String> = [
        ("STRIPE_LIVE_MODE", "false".to_owned()),
        ("FRONTEND_URL", urls.api.clone()),
        ("UPSTREAM_URL", upstream_url.to_owned()),
        ("TABLE_NAME", TABLE_NAME.to_owned()),
        ("SECRET_ID_TEST", secret_id(Mode::Test)),
        ("SECRET_ID_LIVE", secret_id(Mode::Live)),
        ("STRIPE_API_URL", urls.stripe.clone()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if matches!(stripe, StripeSide::Sandbox) {
        values.insert("STRIPE_DEFAULT_PRICE_ID".to_owned(), stripe_sandbox::DEFAULT_PRICE_ID.to_owned());
    }
    values.extend(settings.iter().cloned());
    let config = Config::from_values(|name| values.get(name).cloned())?;
    let endpoints =
        AwsEndpoints { dynamodb: Some(urls.dynamodb.clone()), secrets_manager: Some(urls.secrets_manager.clone()) };
    Ok(Core::assemble(config, clock, endpoints).await)
}
