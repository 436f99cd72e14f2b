//! `register-webhook`: the endpoints Stripe sends to. Creating one stores its secret, which Stripe shows only then.

use std::io::{self, Read};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use shared::books::Auditor;
use shared::domain::WebhookEndpoint;
use shared::secrets::SecretsError;
use shared::secrets::write::NewSigningSecret;
use shared::stripe::{CreatedWebhookEndpoint, NewWebhookEndpoint};
use shared::sync;
use shared::sync::event::HANDLED_EVENT_TYPES;
use url::{Host, Url};
use uuid::Uuid;

use super::{readable, stripe_failed};
use crate::Context;
use crate::done::{Done, usage};
use crate::printer::Printer;

const PATH: &str = "stripe/webhook/";
const DESCRIPTION: &str = "Subscriptions";

#[derive(Args, Debug)]
#[command(after_help = "Example: manage register-webhook --local --create-in-stripe\n         \
                        manage register-webhook --stack prod --url https://example.com --create-in-stripe")]
pub struct Arguments {
    /// Where Stripe is to send to; the path with a fresh uuid is added [default: the stack's own webhook URL]
    #[arg(long, value_name = "URL", requires = "create_in_stripe")]
    pub url: Option<String>,

    /// Create an endpoint and store its signing secret in Secrets Manager
    #[arg(long, conflicts_with = "secret_stdin")]
    pub create_in_stripe: bool,

    /// Also print the signing secret of the new endpoint
    #[arg(long, requires = "create_in_stripe")]
    pub show_secret: bool,

    /// Store the signing secret of an endpoint made by hand; the secret is read from standard input
    #[arg(long, value_name = "we_…")]
    pub secret_stdin: Option<String>,
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let auditor = context.target.auditor().await?;
    if let Some(endpoint) = &arguments.secret_stdin {
        let secret = line_of_stdin()?;
        return keep_secret(&auditor, &context.printer, endpoint, &secret).await;
    }
    if !arguments.create_in_stripe {
        return list(&auditor, &context.printer).await;
    }
    let base = match &arguments.url {
        Some(url) => url.clone(),
        None => match &context.target.webhook_url {
            Some(url) => url.to_string(),
            None => return Err(usage("Where is Stripe to send to? Name it with --url.")),
        },
    };
    create(&auditor, &context.printer, &base, arguments.show_secret).await
}

/// All endpoints of the account's mode.
pub async fn endpoints(auditor: &Auditor) -> Result<Vec<WebhookEndpoint>> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let listed = auditor.account().list_webhook_endpoints(after.as_deref()).await;
        let mut page = listed.map_err(stripe_failed("list webhook endpoints"))?;
        after = page.next.take();
        found.extend(readable(page).filter_map(Result::ok));
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// Lists the endpoints and records what Stripe says of them.
pub async fn list(auditor: &Auditor, printer: &Printer) -> Result<Done> {
    let found = endpoints(auditor).await?;
    let secrets = auditor.secrets().get(auditor.books().mode()).await?;
    printer.line(&format!("Found {} endpoint(s) in Stripe:", found.len()));
    for endpoint in &found {
        let ours = secrets.webhook_signing_secrets.iter().find(|secret| secret.endpoint_id == endpoint.id);
        printer.line(&format!("  - {}: {}", endpoint.id, endpoint.url));
        printer.json(&json!({
            "id": endpoint.id, "url": endpoint.url, "is_enabled": endpoint.is_enabled,
            "api_version": endpoint.api_version, "enabled_events": endpoint.enabled_events,
            "has_stored_secret": ours.is_some(),
        }));
        if !endpoint.is_enabled {
            printer.problem(&format!("{} is disabled at Stripe.", endpoint.id));
        }
        let uuid = ours.map(|ours| ours.uuid.clone()).or_else(|| uuid_in(&endpoint.url));
        sync::observe_endpoint(auditor.books(), uuid.as_deref().unwrap_or(&endpoint.id), endpoint).await?;
        if ours.is_none() {
            printer.say(&format!(
                "{id} has no stored secret: if it is ours, its events are refused. manage register-webhook \
                 --secret-stdin {id} takes it.",
                id = endpoint.id
            ));
        }
    }
    Ok(Done::Everything)
}

/// Creates an endpoint with a fresh uuid in its path and stores its secret; one whose secret cannot be stored is undone.
pub async fn create(auditor: &Auditor, printer: &Printer, base: &str, is_secret_shown: bool) -> Result<Done> {
    let uuid = Uuid::new_v4().to_string();
    let url = endpoint_url(base, &uuid)?;
    warn_of_neighbours(auditor, printer, base).await?;
    printer.line("📡 Creating webhook endpoint in Stripe...");
    let new = NewWebhookEndpoint { url: &url, events: &HANDLED_EVENT_TYPES, description: DESCRIPTION };
    let created = auditor.account().create_webhook_endpoint(new).await;
    let CreatedWebhookEndpoint { endpoint, secret } = created.map_err(stripe_failed("create the webhook endpoint"))?;
    if let Err(error) = store_secret(auditor, &uuid, &endpoint.id, &secret).await {
        return Err(undo(auditor, &endpoint.id, error).await);
    }
    printer.line(&format!("✅ Created in Stripe: {}", endpoint.id));
    printer.line("📥 Syncing to local database...");
    sync::observe_endpoint(auditor.books(), &uuid, &endpoint).await?;
    printer.line(&format!("✅ Synced to database: {}", endpoint.id));
    let shown = is_secret_shown.then(|| secret.expose_secret());
    if let Some(secret) = shown {
        printer.line(&format!("Signing secret: {secret}"));
    }
    printer.json(&json!({ "id": endpoint.id, "url": endpoint.url, "uuid": uuid, "secret": shown }));
    printer.say("Its signing secret is stored in Secrets Manager; the functions use it at once.");
    Ok(Done::Everything)
}

async fn store_secret(
    auditor: &Auditor,
    uuid: &str,
    endpoint_id: &str,
    secret: &SecretString,
) -> Result<(), SecretsError> {
    let new = NewSigningSecret { uuid, endpoint_id, secret: secret.expose_secret() };
    auditor.secrets().edit(auditor.books().mode(), |fields| fields.put_signing_secret(&new)).await
}

/// An endpoint without a stored secret would have its events refused until Stripe disables it.
async fn undo(auditor: &Auditor, endpoint: &str, error: SecretsError) -> anyhow::Error {
    let undone = auditor.account().delete_webhook_endpoint(endpoint).await;
    let what = match undone {
        Ok(()) => format!("the signing secret could not be stored, so {endpoint} was deleted again"),
        Err(undo_error) => format!(
            "the signing secret of {endpoint} could not be stored, and {endpoint} could not be deleted ({undo_error}): \
             delete it in the Dashboard"
        ),
    };
    anyhow!(error).context(what)
}

/// Every event would come twice; the records bear that, Stripe's and our own bill less well.
async fn warn_of_neighbours(auditor: &Auditor, printer: &Printer, base: &str) -> Result<()> {
    let base = Url::parse(&endpoint_url(base, "")?).context("read the endpoint's URL")?;
    for endpoint in endpoints(auditor).await? {
        let is_neighbour = Url::parse(&endpoint.url).is_ok_and(|url| url.origin() == base.origin());
        if is_neighbour && endpoint.is_enabled {
            printer.say(&format!(
                "{} sends there already: every event will come twice, which does no harm. Delete the one you do not need.",
                endpoint.id
            ));
        }
    }
    Ok(())
}

/// The path of the webhook function with the uuid; a URL that holds the path already, or a uuid, gets the fresh one.
pub(super) fn endpoint_url(base: &str, uuid: &str) -> Result<String> {
    let mut url = Url::parse(base).map_err(|_| usage(format!("{base} is not a URL.")))?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !(url.scheme() == "https" || (url.scheme() == "http" && is_loopback)) || !is_plain || url.fragment().is_some() {
        return Err(usage("The URL must be https (http for loopback hosts only), without user, query or fragment."));
    }
    let path = url.path().trim_start_matches('/');
    let prefix = path.find(PATH.trim_end_matches('/')).map_or(path, |at| path.get(..at).unwrap_or_default());
    let prefix = prefix.trim_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
    let uuid = if uuid.is_empty() { String::new() } else { format!("{uuid}/") };
    url.set_path(&format!("{prefix}/{PATH}{uuid}"));
    Ok(url.into())
}

/// For an endpoint made by hand.
pub async fn keep_secret(
    auditor: &Auditor,
    printer: &Printer,
    endpoint_id: &str,
    secret: &SecretString,
) -> Result<Done> {
    let Some(endpoint) = endpoints(auditor).await?.into_iter().find(|endpoint| endpoint.id == endpoint_id) else {
        let mode = auditor.books().mode();
        return Err(anyhow!(
            "Stripe has no endpoint {endpoint_id} in {mode} mode. manage register-webhook lists them."
        ));
    };
    // An endpoint at the path without a uuid is verified by its secret alone.
    let uuid = uuid_in(&endpoint.url).unwrap_or_else(|| Uuid::new_v4().to_string());
    store_secret(auditor, &uuid, &endpoint.id, secret).await?;
    sync::observe_endpoint(auditor.books(), &uuid, &endpoint).await?;
    printer.answer(
        &json!({ "id": endpoint.id, "url": endpoint.url, "uuid": uuid }),
        [format!("✅ Synced to database: {}", endpoint.id)],
    );
    Ok(Done::Everything)
}

/// The uuid that ends the path of an endpoint's URL.
fn uuid_in(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let last = url.path().trim_end_matches('/').rsplit('/').next()?;
    Uuid::parse_str(last).ok().map(|_| last.to_owned())
}

fn line_of_stdin() -> Result<SecretString> {
    let mut text = String::new();
    io::stdin().take(1024).read_to_string(&mut text).context("read the signing secret from standard input")?;
    match text.lines().next().map(str::trim) {
        Some(secret) if !secret.is_empty() => Ok(secret.into()),
        _ => Err(usage("There is no signing secret on standard input.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_with_a_fresh_uuid_is_added_once() {
        for (base, expected) in [
            ("https://example.com", "https://example.com/stripe/webhook/u/"),
            ("https://example.com/", "https://example.com/stripe/webhook/u/"),
            ("https://example.com/stripe/webhook", "https://example.com/stripe/webhook/u/"),
            ("https://example.com/stripe/webhook/", "https://example.com/stripe/webhook/u/"),
            (
                "https://example.com/stripe/webhook/6a5e0000-0000-4000-8000-000000000000/",
                "https://example.com/stripe/webhook/u/",
            ),
            ("https://example.com/base", "https://example.com/base/stripe/webhook/u/"),
            ("http://127.0.0.1:9001", "http://127.0.0.1:9001/stripe/webhook/u/"),
        ] {
            assert_eq!(endpoint_url(base, "u").unwrap(), expected, "{base}");
        }
    }

    #[test]
    fn what_stripe_could_not_or_should_not_send_to_is_refused() {
        for base in [
            "",
            "example.com",
            "http://example.com",
            "ftp://example.com",
            "https://u:p@example.com",
            "https://example.com/?a=b",
        ] {
            assert!(endpoint_url(base, "u").unwrap_err().is::<crate::done::Usage>(), "{base}");
        }
    }
}
