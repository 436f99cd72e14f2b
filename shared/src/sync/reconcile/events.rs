//! Walking Stripe's event list, newest first, down to where an earlier walk began.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::walk::Walk;
use super::{Run, stripe_failed};
use crate::books::Auditor;
use crate::domain::{EventId, Mode};
use crate::store::{KnownEvent, Outcome};
use crate::stripe::envelope::Envelope;
use crate::stripe::{Listed, Page};
use crate::sync::SyncError;
use crate::sync::event::{self, HANDLED_EVENT_TYPES};

/// Each walk looks again at so much before the cursor: events may be listed a little late.
const OVERLAP_SECONDS: i64 = 1_800;
/// Younger events may still be on their way.
const SETTLING_SECONDS: i64 = 60;
/// How far back Stripe keeps events: <https://docs.stripe.com/api/events>.
const KEPT_SECONDS: i64 = 30 * 86_400;

/// Done when the walk has reached its end.
pub(super) async fn walk(run: &mut Run<'_>) -> Result<(), SyncError> {
    let auditor = run.auditor;
    let now = auditor.books.clock().business_now().as_second();
    let mut walk = Walk::resume(auditor, "events").await?;
    let began_at = walk.began_at(now - SETTLING_SECONDS);
    let since = (walk.seen_until() - OVERLAP_SECONDS).max(now - KEPT_SECONDS);
    let since = Timestamp::from_second(since).unwrap_or(Timestamp::UNIX_EPOCH);
    loop {
        let page = match auditor.account.list_events(since, &HANDLED_EVENT_TYPES, walk.after()).await {
            Err(error) if walk.has_lost_its_place(&error) => continue,
            listed => listed.map_err(stripe_failed("list events"))?,
        };
        heal(run, &page, began_at, now).await?;
        if walk.step(page.next).await? {
            return Ok(());
        }
    }
}

/// Applies what the records lack. An event that fails is put on the list of failed ones, so the walk can go on.
async fn heal(run: &mut Run<'_>, page: &Page<Envelope>, began_at: i64, now: i64) -> Result<(), SyncError> {
    let auditor = run.auditor;
    let events: Vec<&Envelope> =
        page.items.iter().filter_map(readable).filter(|event| is_ours(auditor, event, began_at)).collect();
    if events.is_empty() {
        return Ok(());
    }
    run.report.events_seen += events.len() as u64;
    let ids: Vec<EventId> = events.iter().map(|event| event.id.clone()).collect();
    let known = auditor.books.store().read_events(&ids).await?;
    // Oldest first: then most views land at once.
    for event in events.into_iter().rev() {
        let is_dealt_with = known.get(&event.id).is_some_and(KnownEvent::is_closed) || run.tried.contains(&event.id);
        if is_dealt_with {
            continue;
        }
        if run.is_expected(event) {
            let lag_seconds = now - event.created_at.as_second();
            run.report.webhook_lag_seconds = run.report.webhook_lag_seconds.max(lag_seconds);
        }
        bring(run, event).await?;
    }
    Ok(())
}

async fn bring(run: &mut Run<'_>, event: &Envelope) -> Result<(), SyncError> {
    let books = &run.auditor.books;
    let delivery = new_delivery();
    match Box::pin(event::receive(books, event, &delivery)).await {
        Ok(Outcome::Failed) => run.report.events_failed += 1,
        Ok(Outcome::Duplicate) => {}
        Ok(outcome) if run.is_expected(event) => {
            run.report.events_healed += 1;
            tracing::warn!(event = %event.id, event_type = event.event_type, outcome = outcome.as_str(), "Brought an event that no webhook had brought");
        }
        Ok(outcome) => {
            tracing::debug!(event = %event.id, event_type = event.event_type, outcome = outcome.as_str(), "Brought an event that no endpoint is registered for");
        }
        Err(error) => {
            run.report.events_failed += 1;
            tracing::error!(event = %event.id, "Error processing webhook event {}: {error}", event.id);
            event::note_failure(books, event, &delivery, &error).await?;
        }
    }
    Ok(())
}

impl Run<'_> {
    /// Whether a webhook should have brought the event: an endpoint need not be registered for every type.
    fn is_expected(&self, event: &Envelope) -> bool {
        let is_registered = |types: &BTreeSet<String>| types.contains("*") || types.contains(&event.event_type);
        self.registered.as_ref().is_none_or(is_registered)
    }
}

fn readable(listed: &Listed<Envelope>) -> Option<&Envelope> {
    match &listed.value {
        Ok(event) => Some(event),
        Err(problem) => {
            tracing::error!(event = listed.id, problem, "An event in Stripe's list cannot be read");
            None
        }
    }
}

fn is_ours(auditor: &Auditor, event: &Envelope, began_at: i64) -> bool {
    event.created_at.as_second() <= began_at
        && event.account.is_none()
        && Mode::from_livemode(event.livemode) == auditor.books.mode()
        && HANDLED_EVENT_TYPES.contains(&event.event_type.as_str())
}

pub(super) fn new_delivery() -> String {
    format!("reconcile-{}", uuid::Uuid::new_v4())
}
