//! The signing secret belongs to an endpoint, and Stripe sends every event to every endpoint: while there are two, an event
//! that comes twice is a duplicate, and none is missed.

use anyhow::{Context as _, Result, bail};
use secrecy::ExposeSecret;
use shared::books::Auditor;
use shared::domain::{EventId, WebhookEndpoint};
use shared::secrets::write::NewSigningSecret;
use shared::store::Store;
use shared::stripe::NewWebhookEndpoint;
use shared::sync;
use shared::sync::event::HANDLED_EVENT_TYPES;
use url::Url;
use uuid::Uuid;

use super::super::doctor::probes;
use super::super::{readable, register_webhook, stripe_failed};
use super::{Rotation, note};
use crate::done::Done;

const WALK: &str = "rotate-webhook";

/// The endpoint that goes, and the uuid in the path of the one that comes.
struct Underway {
    old: String,
    uuid: String,
}

impl Underway {
    async fn read(store: &Store) -> Result<Option<Underway>> {
        let noted = store.read_progress(WALK).await?.after;
        Ok(noted
            .as_deref()
            .and_then(|noted| noted.split_once(' '))
            .map(|(old, uuid)| Underway { old: old.to_owned(), uuid: uuid.to_owned() }))
    }

    async fn begin(auditor: &Auditor, base: &Url) -> Result<Underway> {
        let secrets = auditor.secrets().get(auditor.books().mode()).await?;
        let is_ours = |endpoint: &WebhookEndpoint| {
            let is_stored = secrets.webhook_signing_secrets.iter().any(|known| known.endpoint_id == endpoint.id);
            is_stored && endpoint.url.starts_with(base.as_str())
        };
        let ours: Vec<WebhookEndpoint> =
            register_webhook::endpoints(auditor).await?.into_iter().filter(is_ours).collect();
        let old = match ours.as_slice() {
            [one] => one.id.clone(),
            [] => {
                bail!("No endpoint at {base} has a stored secret. Make one: manage register-webhook --create-in-stripe")
            }
            several => bail!(
                "{} endpoints are at {base}. Delete those that are not needed in the Dashboard first",
                several.len()
            ),
        };
        let underway = Underway { old, uuid: Uuid::new_v4().to_string() };
        note(auditor.books().store(), WALK, Some(format!("{} {}", underway.old, underway.uuid))).await?;
        Ok(underway)
    }
}

impl Rotation<'_> {
    pub async fn webhook(&self) -> Result<Done> {
        let auditor = self.target.auditor().await?;
        let base = self
            .target
            .webhook_url
            .as_ref()
            .context("The webhook's URL is not known: name the stack, or set WEBHOOK_URL")?;
        let underway = match Underway::read(auditor.books().store()).await? {
            Some(underway) => underway,
            None => Underway::begin(&auditor, base).await?,
        };
        let new = self.second_endpoint(&auditor, base, &underway).await?;
        self.tell(&format!("{} is registered and its secret stored; {} is accepted too", new.id, underway.old));
        self.prove(&auditor, base, &new).await?;
        self.tell(&format!("the webhook accepts what {} signs", new.id));
        let brought = bring_undelivered(&auditor).await?;
        self.tell(&format!("{brought} events were brought that Stripe had not delivered"));
        self.retire(&auditor, &underway.old).await?;
        note(auditor.books().store(), WALK, None).await?;
        self.tell(&format!("{} and its secret are deleted", underway.old));
        Ok(Done::Everything)
    }

    pub async fn abort_webhook(&self) -> Result<Done> {
        let auditor = self.target.auditor().await?;
        let Some(underway) = Underway::read(auditor.books().store()).await? else {
            self.printer.say("No rotation of the webhook's secret is under way.");
            return Ok(Done::Everything);
        };
        if !register_webhook::endpoints(&auditor).await?.iter().any(|endpoint| endpoint.id == underway.old) {
            bail!("{} is deleted at Stripe already: run it without --abort to finish", underway.old);
        }
        if let Some(new) = find(&auditor, &underway.uuid).await? {
            self.retire(&auditor, &new.id).await?;
        }
        note(auditor.books().store(), WALK, None).await?;
        self.tell(&format!("{} stays, the new endpoint is gone", underway.old));
        Ok(Done::Everything)
    }

    /// The new endpoint, which a stopped run may have made. Stripe shows a secret once: an endpoint whose secret was not
    /// stored is deleted and made anew.
    async fn second_endpoint(&self, auditor: &Auditor, base: &Url, underway: &Underway) -> Result<WebhookEndpoint> {
        let mode = auditor.books().mode();
        if let Some(known) = find(auditor, &underway.uuid).await? {
            let secrets = auditor.secrets().get(mode).await?;
            if secrets.webhook_signing_secrets.iter().any(|stored| stored.endpoint_id == known.id) {
                return Ok(known);
            }
            let deleted = auditor.account().delete_webhook_endpoint(&known.id).await;
            deleted.map_err(stripe_failed("delete the endpoint whose secret is lost"))?;
        }
        let url = register_webhook::endpoint_url(base.as_str(), &underway.uuid)?;
        let new = NewWebhookEndpoint { url: &url, events: &HANDLED_EVENT_TYPES, description: "Subscriptions" };
        let created = auditor.account().create_webhook_endpoint(new).await;
        let created = created.map_err(stripe_failed("create the webhook endpoint"))?;
        let stored = NewSigningSecret {
            uuid: &underway.uuid,
            endpoint_id: &created.endpoint.id,
            secret: created.secret.expose_secret(),
        };
        let kept = auditor.secrets().edit(mode, |fields| fields.put_signing_secret(&stored)).await;
        kept.with_context(|| {
            format!("{} was made and its secret is not stored; run it again, or --abort", created.endpoint.id)
        })?;
        sync::observe_endpoint(auditor.books(), &underway.uuid, &created.endpoint).await?;
        Ok(created.endpoint)
    }

    /// The deployed webhook accepts what the new endpoint signs.
    async fn prove(&self, auditor: &Auditor, base: &Url, new: &WebhookEndpoint) -> Result<()> {
        let mode = auditor.books().mode();
        let secrets = auditor.secrets().get(mode).await?;
        let signing = secrets.webhook_signing_secrets.iter().find(|stored| stored.endpoint_id == new.id);
        let signing = signing.context("The new signing secret is not stored")?;
        self.wait_until("The webhook accepts the new secret", || async {
            let (status, _) = probes::signed_probe(&self.target.core, base, mode, signing).await?;
            Ok(status.is_success())
        })
        .await
    }

    async fn retire(&self, auditor: &Auditor, endpoint: &str) -> Result<()> {
        let mode = auditor.books().mode();
        let secrets = auditor.secrets().get(mode).await?;
        let uuid = secrets.webhook_signing_secrets.iter().find(|stored| stored.endpoint_id == endpoint);
        let known = register_webhook::endpoints(auditor).await?.into_iter().find(|known| known.id == endpoint);
        if known.is_some() {
            let deleted = auditor.account().delete_webhook_endpoint(endpoint).await;
            deleted.map_err(stripe_failed("delete the endpoint"))?;
        }
        if let (Some(stored), Some(known)) = (uuid, known) {
            let gone = WebhookEndpoint { is_enabled: false, ..known };
            sync::observe_endpoint(auditor.books(), &stored.uuid, &gone).await?;
        }
        let removed = auditor.secrets().edit(mode, |fields| {
            fields.remove_signing_secret(endpoint);
        });
        removed.await?;
        // The version before still holds it.
        auditor.secrets().forget_previous(mode).await?;
        Ok(())
    }
}

async fn find(auditor: &Auditor, uuid: &str) -> Result<Option<WebhookEndpoint>> {
    let all = register_webhook::endpoints(auditor).await?;
    Ok(all.into_iter().find(|endpoint| endpoint.url.contains(uuid)))
}

/// Deleting an endpoint ends Stripe's tries to deliver to it. What is not on record yet is brought here: page by page, newest
/// first, and within a page oldest first, as then most views land at once.
async fn bring_undelivered(auditor: &Auditor) -> Result<usize> {
    let (mut brought, mut after) = (0, None);
    loop {
        let listed = auditor.setup().list_undelivered_events(after.as_deref()).await;
        let mut page = listed.map_err(stripe_failed("list undelivered events"))?;
        after = page.next.take();
        let handled = readable(page)
            .filter_map(Result::ok)
            .filter(|event| HANDLED_EVENT_TYPES.contains(&event.event_type.as_str()));
        let ids: Vec<EventId> = handled.map(|event| event.id).collect();
        let known = auditor.books().store().read_events(&ids).await?;
        for event in ids.iter().rev().filter(|event| !known.get(*event).is_some_and(|record| record.is_closed())) {
            let read = auditor.account().get_event(event).await.map_err(stripe_failed("read an undelivered event"))?;
            if let Some(envelope) = read {
                sync::receive(auditor.books(), &envelope, &Uuid::new_v4().to_string()).await?;
                brought += 1;
            }
        }
        if after.is_none() {
            return Ok(brought);
        }
    }
}
