//! Whether Stripe still sends to us.

use std::collections::HashMap;

use super::{Run, stripe_failed};
use crate::books::Auditor;
use crate::domain::WebhookEndpoint;
use crate::sync::{SyncError, observe_endpoint};

/// Looks up the endpoints that the mode's secret names, records what Stripe says of them, and says which are disabled.
pub(super) async fn look(run: &mut Run<'_>) -> Result<(), SyncError> {
    let auditor = run.auditor;
    let mode = auditor.books.mode();
    // Without a usable secret Stripe cannot be asked either, which is said there.
    let Ok(secrets) = auditor.secrets.get(mode).await else { return Ok(()) };
    let mut registered = registered(auditor).await?;
    for ours in &secrets.webhook_signing_secrets {
        let Some(endpoint) = registered.remove(&ours.endpoint_id) else {
            tracing::error!(endpoint = ours.endpoint_id, %mode, "Webhook endpoint {} is not registered at Stripe", ours.endpoint_id);
            continue;
        };
        if !endpoint.is_enabled {
            run.report.endpoint_disabled += 1;
            tracing::error!(endpoint = endpoint.id, %mode, "Webhook endpoint {} is disabled at Stripe", endpoint.id);
        }
        observe_endpoint(&auditor.books, &ours.uuid, &endpoint).await?;
        run.registered.get_or_insert_default().extend(endpoint.enabled_events);
    }
    Ok(())
}

async fn registered(auditor: &Auditor) -> Result<HashMap<String, WebhookEndpoint>, SyncError> {
    let mut found = HashMap::new();
    let mut after = None;
    loop {
        let listed = auditor.account.list_webhook_endpoints(after.as_deref()).await;
        let page = listed.map_err(stripe_failed("list webhook endpoints"))?;
        found.extend(page.items.into_iter().filter_map(|listed| Some((listed.id, listed.value.ok()?))));
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}
