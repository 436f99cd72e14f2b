//! The local stack, which says of itself where its parts are and what its clock shows.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use jiff::Timestamp;
use serde_json::Value;
use shared::boot::{AwsEndpoints, Core};
use shared::clock::Clock;
use shared::https_client::{HttpsClient, read_body};
use url::Url;

use super::{Place, Target, config_of, mode};
use crate::cli::{Common, DEFAULT_PORT};

const PATIENCE: Duration = Duration::from_secs(5);
const STATE_MAX_BYTES: usize = 1024 * 1024;

pub(super) async fn target(common: &Common) -> Result<Target> {
    let port = common.port.unwrap_or(DEFAULT_PORT);
    let state = state(port).await?;
    if let Some(problem) = state["misconfigured"].as_str() {
        bail!("The local stack on port {port} is misconfigured: {problem}.");
    }
    let text = |pointer: &str| state.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let needed = |pointer: &str| text(pointer).ok_or_else(|| anyhow!("The local stack says nothing of {pointer}."));
    let mut values: HashMap<String, String> = [
        ("STRIPE_LIVE_MODE", (needed("/mode")? == "live").to_string()),
        ("FRONTEND_URL", needed("/urls/api")?),
        ("TABLE_NAME", needed("/table_name")?),
        ("SECRET_ID_TEST", needed("/secret_id_test")?),
        ("SECRET_ID_LIVE", needed("/secret_id_live")?),
        ("STRIPE_API_URL", needed("/urls/stripe")?),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    values.extend(text("/price_id").map(|price| ("STRIPE_DEFAULT_PRICE_ID".to_owned(), price)));
    let config = config_of(&values)?;
    let endpoints = AwsEndpoints {
        dynamodb: Some(needed("/urls/dynamodb")?),
        secrets_manager: Some(needed("/urls/secrets_manager")?),
    };
    let mode = mode(common, &config);
    let core = Core::assemble(config, clock(&needed("/business_time")?)?, endpoints).await.for_operator();
    let url = |pointer: &str| Url::parse(&needed(pointer)?).context("read the local stack's own addresses");
    Ok(Target {
        place: Place::Local { port },
        mode,
        core,
        api_url: Some(url("/urls/api")?),
        webhook_url: Some(url("/urls/function_url")?),
        aws: None,
    })
}

async fn state(port: u16) -> Result<Value> {
    let request = Request::get(format!("http://127.0.0.1:{port}/_local/state")).body(Full::<Bytes>::default())?;
    let sentence = || {
        format!(
            "There is no local stack on port {port}. Start it with `cargo run -p local`, or name its port with --port"
        )
    };
    let reply = HttpsClient::new().send(request, PATIENCE).await.with_context(sentence)?;
    let body = read_body(reply.into_body(), STATE_MAX_BYTES, PATIENCE).await.with_context(sentence)?;
    serde_json::from_slice(&body).with_context(sentence)
}

/// The stack's business clock follows its sandbox; an operator's command has to follow it too.
fn clock(business_time: &str) -> Result<Clock> {
    let business_now: Timestamp = business_time.parse().context("read the local stack's clock")?;
    let ahead_seconds = business_now.as_second() - Clock::default().wall_now().as_second();
    Ok(Clock::with_business_offset(Arc::new(AtomicI64::new(ahead_seconds))))
}
